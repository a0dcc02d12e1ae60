"""The systems that the experiments compare: the baselines, and the networks whose weights are at hand.

The authors' released weights are not part of this package; whoever imports them with ``skey weights import``
has their rows computed, and everybody else sees what the record holds for them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from skey.baselines import BASELINES
from skey.errors import SkeyError
from skey.experiments import EXPERIMENTS
from skey.listeners import NetworkSystem
from skey.weights import available_weights
from skey.weights.library import DEFAULT

RELEASED: Mapping[str, str] = {
    "released-skey": "skey",
    "released-semitone24": "semitone24",
    "released-stone12": "stone12",
}
"""The released networks: name of the system, which is that of its imported weights → the authors' name."""

TABLE_1 = ("always-c-major", "feature-engineering", "stone", "stone-w1", "supervised", "released-stone12")
"""The systems of Table 1, STONE; a network is computed where its weights are at hand."""

TABLE_2 = (
    *("always-c-major", "stone", "stone-no-octaves", "stone-no-cpsd", "stone-invariance"),
    "released-stone12",
)
"""The systems of Table 2, STONE, and the released network beside them."""

TABLE_3 = (
    *BASELINES,
    *("stone24-w1", "stone24", "supervised", "skey", "skey-fifths", DEFAULT),
    *("released-semitone24", "released-skey"),
)
"""The systems of Table 3, STONE, with more templates, S-KEY, and the released networks beside them."""

FIGURE_3 = (
    *("krumhansl", "stone24", "semitone-1", "semitone-10", "semitone"),
    *(DEFAULT, "suptone-1", "suptone-10", "suptone", "supervised", "released-semitone24"),
)
"""The systems of Figure 3, STONE, with a template and the released network beside them."""

FIGURE_4 = (
    *("feature-engineering", "stone", "krumhansl", "semitone"),
    *("released-stone12", "released-semitone24"),
)
"""Those of Figure 4, STONE (a network of key signatures, one of keys), ours, released, and the baselines."""

SKEY_TABLE = ("krumhansl", "temperley-peaks", "supervised", "skey", "skey-fifths", "released-skey")
"""The systems of S-KEY's table, the strongest template, and the strongest variant of S-KEY."""

SKEY_ABLATIONS = (
    *("krumhansl", "skey", "skey-plus3", "skey-no-average", "skey-calibrated", "skey-peaks", "skey-late"),
    *("skey-entropy", "skey-sharp", "skey-fifths", "skey-open", "released-skey"),
)
"""S-KEY and its variants, with a template and the released network beside them."""

SKEY_DATA = ("krumhansl", "skey-1", "skey-10", "skey", "released-skey")
"""S-KEY trained on more and more clips, with a template and the released network beside it."""


@dataclass(frozen=True)
class Evaluation:
    """A table or figure of the papers as an experiment on a test set.

    Args:
        title: what the papers call it.
        systems: which systems it asks, in the order in which they are shown.
        metrics: by which scores, the papers' first.
        tables: the papers' tables that it stands beside, by their identifier in ``paper.toml``.
    """

    title: str
    systems: tuple[str, ...]
    metrics: tuple[str, ...] = ("mirex",)
    tables: tuple[str, ...] = ()


EVALUATIONS: Mapping[str, Evaluation] = {
    "table-1-key-signature": Evaluation(
        "Table 1: key signature", TABLE_1, ("ksea",), ("stone-table-1", "stone-table-2")
    ),
    "table-2-ablations": Evaluation("Table 2: ablations", TABLE_2, ("ksea",), ("stone-table-2",)),
    "table-3-key-and-mode": Evaluation(
        "Table 3: key and mode", TABLE_3, ("mirex", "ksea"), ("stone-table-3",)
    ),
    "figure-3-supervision": Evaluation(
        "Figure 3: Semi-TONE and Sup-TONE against the share of labels", FIGURE_3
    ),
    "figure-4-confusion": Evaluation("Figure 4: confusion matrices", FIGURE_4, ("ksea", "mirex")),
    "skey-table": Evaluation("S-KEY's table", SKEY_TABLE, ("mirex", "mode")),
    "skey-ablations": Evaluation("S-KEY's ablations", SKEY_ABLATIONS),
    "skey-data": Evaluation("S-KEY against the amount of training data", SKEY_DATA),
}
"""Name of each notebook that scores systems on a test set, and of its record → what it asks."""


class UnknownSystem(SkeyError):
    """A name that stands for no system; the message lists those that there are."""


def systems(*names: str) -> dict[str, Callable[..., Any]]:
    """Systems by name: each a callable from the log-VQT of a track, (99, frames), to its answer.

    Args:
        names: which ones, in which order; all of them by default.

    Returns:
        Those of them that can be computed here: a network is left out where its weights are not.

    Raises:
        UnknownSystem: a name stands for no system.
    """
    known = (*BASELINES, *EXPERIMENTS, *RELEASED)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownSystem(f"there is no system {', '.join(unknown)}: expected any of {', '.join(known)}")
    files = available_weights()
    at_hand: dict[str, Callable[..., Any]] = dict(BASELINES)
    at_hand |= {name: NetworkSystem(files[name]) for name in (*EXPERIMENTS, *RELEASED) if name in files}
    return {name: at_hand[name] for name in names or known if name in at_hand}


def checksums(chosen: Mapping[str, Callable[..., Any]]) -> dict[str, str]:
    """SHA-256 of the weights of each system that has any."""
    return {name: system.checksum for name, system in chosen.items() if isinstance(system, NetworkSystem)}
