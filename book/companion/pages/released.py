"""What the book computes about the released models: their alignment, what they heard, their cards."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from companion.answers import Evaluation
from companion.observations import Entries, Observation, observation_path
from companion.pages.listening import answer_in_words, clip_file, player
from companion.pages.tables import download, markdown_table, with_interval
from companion.paper import label
from companion.plots import side_by_side
from companion.plots.profile import key_rings, timeline_drawing
from companion.record import find_checkout
from companion.scores import interval_of, leading_metric
from companion.studies.alignment import key_if_modes_were_aligned, mode_offset
from companion.systems import SYSTEMS
from skey.calibration import Calibration
from skey.corpus.plan import Clip, render_clip
from skey.keys import Key
from skey.listeners import TEMPLATE_TEMPERATURE
from skey.weights.library import DEFAULT

BESIDE = ("released-skey", "supervised", "krumhansl")
"""The systems whose predictions stand beside those of the default network."""


def apart(steps: int) -> str:
    """A distance along the circle of fifths in words."""
    if steps == 0:
        return "relatives"
    fifths = "a fifth" if abs(steps) == 1 else f"{abs(steps)} fifths"
    return f"{fifths} {'above' if steps > 0 else 'below'}"


def alignment_table(entries: Entries) -> str:
    """For each network: what row 0 stands for, and how its two keys lie to each other."""
    header = ["Network", "Outputs", "Row 0", "The minor key's signature lies"]
    rows = []
    for name, observed in entries.items():
        calibration = Calibration(**observed["calibration"])
        major, minor = Key(calibration.major, "major"), Key(calibration.minor, "minor")
        together = f"{major} and {minor}"
        rows.append([label(name), str(observed["outputs"]), together, apart(mode_offset(calibration))])
    return markdown_table(header, rows, text=4)


def alignment_numbers(entries: Entries) -> dict[str, float | str]:
    """Numbers and keys for the prose, by name: ``released-skey_offset``, ``released-skey_a_minor``."""
    found: dict[str, float | str] = {}
    for name, observed in entries.items():
        calibration = Calibration(**observed["calibration"])
        found[f"{name}_offset"] = float(abs(mode_offset(calibration)))
        found[f"{name}_parameters"] = float(observed["parameters"])
        found[f"{name}_certainty"] = 100 * max(max(column) for column in observed["a_minor"])
        found[f"{name}_a_minor"] = str(key_if_modes_were_aligned(calibration))
    return found


def observation_line(observation: Observation) -> str:
    """Under a figure: notebook, commit, weights and record as downloads, and what was not computed here."""
    checkout, made = find_checkout(), observation.made
    sums = {name: str(entry["checksum"])[:12] for name, entry in observation.entries.items()}
    weights = ", ".join(f"{name} `{checksum}`" for name, checksum in sums.items() if checksum)
    parts = [
        download("notebook", checkout / "notebooks" / f"{observation.name}.ipynb"),
        f"commit `{made['commit']}`",
        f"weights {weights}",
        download("JSON", observation_path(checkout / "results", observation.name)),
    ]
    if made["carried"]:
        parts.append(f"from the record, as their weights are not here: {', '.join(made['carried'])}")
    return " · ".join(parts)


def heard_clip(clip: Clip, heard: Mapping[str, Any], answers: pd.DataFrame) -> str:
    """A clip with its player: systems' predictions, the 24 probabilities, and the key over time, as HTML.

    Args:
        clip: of the open corpus.
        heard: what the default network predicts, an entry of the observation ``hear-the-model``.
        answers: of other systems, for ``BESIDE``.
    """
    assert clip.key is not None
    source = clip_file(lambda: render_clip(clip), f"open-corpus-{clip.id}")
    words = " · ".join(html.escape(word) for word in (clip.id, clip.source, clip.level))
    said: Mapping[Any, Any] = answers.loc[clip.id].to_dict()
    rows = "".join(
        f"<tr><th>{html.escape(label(name))}</th><td>{answer_in_words(clip.key, said[name])}</td></tr>"
        for name in (DEFAULT, *BESIDE)
    )
    mine = heard[clip.id]
    rings = key_rings(mine["probabilities"], f"{clip.key}: the whole clip")
    over_time = timeline_drawing(mine["stretches"], clip.key, DEFAULT, f"{clip.key}: over time")
    return (
        f'<div class="companion-timed"><div class="companion-heard">'
        f"{player(source, f'<strong>{clip.key}</strong><br>{words}')}"
        f'<table class="table">{rows}</table></div>{side_by_side([rings, over_time])}</div>'
    )


def model_cards(alignment: Observation, tables: Sequence[Evaluation]) -> str:
    """A card for each released network and for the template: what it is, and what it scores here."""
    cards = [_network_card(name, entry, tables) for name, entry in alignment.entries.items()]
    return "\n\n".join([*cards, _template_card(tables)])


def _network_card(name: str, entry: Mapping[str, Any], tables: Sequence[Evaluation]) -> str:
    """The card of one released network."""
    calibration, file = Calibration(**entry["calibration"]), f"{SYSTEMS[name].checkpoint}.pt"
    keys = calibration.output_keys()
    means = "key signatures" if entry["outputs"] == 12 else "keys"
    columns = "; ".join(
        f"{start}–{start + 11}: {keys[start]} to {keys[start + 11]}"
        for start in range(0, entry["outputs"], 12)
    )
    hears = (
        "the whole track in one pass"
        if entry["whole_track"]
        else "windows of 15 s, whose answers are averaged"
    )
    rows = [
        [
            "Source",
            f"`{file}` of <{entry['source']}>, epoch {entry['epoch']} of its training",
        ],
        ["Licence", str(entry["licence"])],
        ["Checksum", f"`{entry['checksum']}`"],
        ["Size", f"{entry['parameters']:,} trainable parameters"],
        ["Hears", hears],
        ["Outputs", f"{entry['outputs']} {means}; {columns}, in steps of a semitone"],
        ["Modes", f"row 0 stands for {_pair(calibration)}"],
        *score_rows(name, tables),
    ]
    return card(entry["title"], rows)


def _pair(calibration: Calibration) -> str:
    """The two keys of the first row, and how the minor one lies to the major one."""
    steps = mode_offset(calibration)
    lie = "which are relatives" if steps == 0 else f"whose signature lies {apart(steps)}"
    return f"{Key(calibration.major, 'major')} and {Key(calibration.minor, 'minor')}, {lie}"


def _template_card(tables: Sequence[Evaluation]) -> str:
    """The card of what answers without weights."""
    rows = [
        ["Source", "probe-tone ratings {cite}`krumhansl1990`, in `skey/baselines.py`"],
        ["Licence", "MIT, as the code"],
        ["Checksum", "none: there is nothing to load"],
        ["Size", "24 weights"],
        ["Hears", "windows of 15 s, whose answers are averaged"],
        ["Outputs", "24 keys: correlations with the mean chroma"],
        [
            "Confidence",
            f"softmax at temperature {TEMPLATE_TEMPERATURE:g}, fitted on clips of the training split",
        ],
        *score_rows("krumhansl", tables),
    ]
    return card("Krumhansl template", rows)


def score_rows(system: str, tables: Sequence[Evaluation]) -> list[list[str]]:
    """What a system scores in each table that has it."""
    rows = []
    for table in tables:
        if system not in table.systems:
            continue
        metric = leading_metric(table.scores, system)
        score = with_interval(interval_of(table.scores, system, metric)).replace("<br>", " ")
        link = f"[](notebooks/{table.name}.ipynb)"
        rows.append([f"{metric.upper()} here", f"{score} %, {table.record.data['title']}, {link}"])
    return rows


def card(title: str, rows: Sequence[Sequence[str]]) -> str:
    """A heading and a list of terms."""
    terms = "\n\n".join(f"{term}\n: {text}" for term, text in rows)
    return f"## {title}\n\n{terms}"
