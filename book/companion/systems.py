"""The one registry: every system with its name, title, family, colour and tables, and every table.

A system of the library brings its settings and its title along (``skey.experiments``). The authors' weights
are not part of this package: who imports them has their columns computed, others read the record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from companion.estimators import BASELINES, NetworkSystem
from skey.errors import SkeyError
from skey.experiments import EXPERIMENTS
from skey.weights import available_weights
from skey.weights.authors import RELEASES


@dataclass(frozen=True)
class Table:
    """A table or figure in which systems are compared on a test set; ``title`` is what the papers call it.

    ``metrics``: by which scores, the papers' first. ``papers``: the papers' tables that it stands beside, by
    their identifier in ``paper.toml``.
    """

    title: str
    metrics: tuple[str, ...] = ("mirex",)
    papers: tuple[str, ...] = ()


T1, T2, T3 = "table-1-key-signature", "table-2-ablations", "table-3-key-and-mode"
F3, F4 = "figure-3-supervision", "figure-4-confusion"
SKEY, ABLATIONS = "skey-table", "skey-ablations"
AGAINST = "ours-against-released"

TABLES: Mapping[str, Table] = {  # name of each notebook that scores systems on a test set → what it is
    T1: Table("Table 1: key signature", ("ksea",), ("stone-table-1", "stone-table-2")),
    T2: Table("Table 2: ablations", ("ksea",), ("stone-table-2",)),
    T3: Table("Table 3: key and mode", ("mirex", "ksea"), ("stone-table-3",)),
    F3: Table("Figure 3: Semi-TONE and Sup-TONE against the share of labels"),
    F4: Table("Figure 4: confusion matrices", ("ksea", "mirex")),
    SKEY: Table("S-KEY's table: scores and training data", ("mirex", "mode")),
    ABLATIONS: Table("S-KEY's ablations"),
    AGAINST: Table("Our weights against the released ones, on rendered and on real music"),
}


@dataclass(frozen=True)
class System:
    """What is asked for the key of a track, by the one name under which it is trained, stored and recorded.

    ``colour`` is its own in every figure, after Okabe & Ito's palette for colour-blind readers; ``tables``
    are the notebooks in which it stands; ``checkpoint`` is the authors' name of released weights;
    ``brought_by`` is the command that brings weights or answers which are not part of this package.
    """

    name: str
    family: str
    colour: str
    tables: tuple[str, ...]
    title: str = ""
    checkpoint: str = ""
    brought_by: str = ""


def _baseline(name: str, colour: str, title: str, *tables: str) -> System:
    return System(name, "baselines", colour, tables, title)


def _trained(name: str, family: str, colour: str, *tables: str) -> System:
    return System(name, family, colour, tables, EXPERIMENTS[name].title)


def _released(checkpoint: str, family: str, colour: str, *tables: str) -> System:
    title = RELEASES[checkpoint].title
    command = f"skey weights import {checkpoint}.pt"
    return System(f"released-{checkpoint}", family, colour, tables, title, checkpoint, command)


_K10 = "python3 run.py record-k10 k10.pt"

SYSTEMS: Mapping[str, System] = {  # every system by name, in the order in which tables and figures show them
    system.name: system
    for system in (
        _baseline("always-c-major", "#8c8c8c", "Baseline (always C major)", T1, T2, T3),
        _baseline("feature-engineering", "#e69f00", "Feature engineering (chroma)", T1, T3, F4),
        _baseline(
            "krumhansl", "#3b8fd0", "Template matching (Krumhansl)", T3, F3, F4, SKEY, ABLATIONS, AGAINST
        ),
        _baseline("temperley", "#cc79a7", "Template matching (Temperley)", T3),
        _baseline(
            "temperley-peaks", "#8f4f73", "Template matching (Temperley, spectral peaks)", T3, SKEY, AGAINST
        ),
        _trained("stone", "STONE", "#0072b2", T1, T2, F4, AGAINST),
        _trained("stone-w1", "STONE", "#4c5fd7", T1),
        _trained("stone-no-octaves", "STONE", "#7a8ba8", T2),
        _trained("stone-no-cpsd", "STONE", "#a07d5c", T2, AGAINST),
        _trained("stone-invariance", "STONE", "#6e6259", T2),
        _trained("stone24-w1", "24 keys", "#b39ddb", T3),
        _trained("stone24", "24 keys", "#6a51a3", T3, F3, AGAINST),
        _trained("semitone-1", "24 keys", "#84b07e", F3),
        _trained("semitone-10", "24 keys", "#5aae61", F3),
        _trained("semitone", "24 keys", "#1b7837", F3, F4, AGAINST),
        _trained("suptone-1", "24 keys", "#80b8ad", F3),
        _trained("suptone-10", "24 keys", "#35978f", F3),
        _trained("suptone", "24 keys", "#01665e", F3),
        _trained("supervised", "24 keys", "#b59b00", T1, T3, F3, SKEY, AGAINST),
        _trained("skey-1", "S-KEY", "#d98ab5", SKEY),
        _trained("skey-10", "S-KEY", "#cf5c9c", SKEY),
        _trained("skey", "S-KEY", "#c51b7d", T3, SKEY, ABLATIONS, AGAINST),
        System("skey-400", "S-KEY", "#a3005a", (T3, SKEY, AGAINST), "S-KEY, four times the clips"),
        _trained("skey-plus3", "S-KEY", "#e08a62", ABLATIONS),
        _trained("skey-no-average", "S-KEY", "#b2182b", ABLATIONS),
        _trained("skey-calibrated", "S-KEY", "#8e0152", ABLATIONS),
        _trained("skey-peaks", "S-KEY", "#b5651d", ABLATIONS),
        _trained("skey-late", "S-KEY", "#e7298a", ABLATIONS),
        _trained("skey-entropy", "S-KEY", "#7b1fa2", ABLATIONS),
        _trained("skey-sharp", "S-KEY", "#d6006c", ABLATIONS),
        _trained("skey-fifths", "S-KEY", "#ff4fa3", T3, SKEY, ABLATIONS, AGAINST),
        _trained("skey-open", "S-KEY", "#6a3d9a", T3, SKEY, ABLATIONS, AGAINST),
        _trained("semitone-open", "24 keys", "#33691e", T3, F3, AGAINST),
        _released("stone12", "STONE", "#56b4e9", T1, T2, F4, AGAINST),
        _released("semitone24", "24 keys", "#009e73", T3, F3, F4, AGAINST),
        _released("skey", "S-KEY", "#d55e00", T3, SKEY, ABLATIONS, AGAINST),
        System("k10", "24 keys", "#455a64", (AGAINST,), "K10 (labels of dance music)", brought_by=_K10),
    )
}

RELEASED = tuple(name for name, system in SYSTEMS.items() if system.checkpoint)  # the authors' own


def systems_of(table: str) -> tuple[str, ...]:
    """The systems of a table, in the order of the registry."""
    return tuple(name for name, system in SYSTEMS.items() if table in system.tables)


def systems(*names: str) -> dict[str, Callable[..., Any]]:
    """Systems at hand by name, by default all: log-VQT (99, frames) to an answer; refuses unknown names."""
    unknown = [name for name in names if name not in SYSTEMS]
    if unknown:
        raise SkeyError(f"there is no system {', '.join(unknown)}: expected any of {', '.join(SYSTEMS)}")
    files = available_weights()
    at_hand: dict[str, Callable[..., Any]] = dict(BASELINES)
    at_hand |= {name: NetworkSystem(files[name]) for name in SYSTEMS if name in files}
    return {name: at_hand[name] for name in names or SYSTEMS if name in at_hand}


def checksums(chosen: Mapping[str, Callable[..., Any]]) -> dict[str, str]:
    """SHA-256 of the weights of each system that has any."""
    return {name: system.checksum for name, system in chosen.items() if isinstance(system, NetworkSystem)}
