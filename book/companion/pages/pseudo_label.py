"""Figures of the page on S-KEY's pseudo-label, from the record."""

from collections.abc import Mapping

import pandas as pd

from companion.observations import Entries
from companion.paper import label
from companion.plots import INK, MODE_COLOURS, Drawing, canvas, colour, draw, styled
from companion.plots.method import grid_drawing
from companion.studies import pseudo_labels as rule

SCALE_NAMES: Mapping[str, str] = {
    "decibels": "decibels, the paper's",
    "magnitude": "magnitude",
    "energy": "energy",
    "framewise": "energy, frame by frame",
    "peaks": "spectral peaks",
}
SIGN_NAMES: Mapping[int, str] = {-3: "−3", 3: "+3"}

LETTERS: Mapping[str, str] = {"skey": "K", "semitone": "M", "stone24": "T", "": "S"}
"""What the name of a network holds → its letter in the figure; STONE is what is left."""


def networks(entries: Entries) -> list[str]:
    """The networks that the record has."""
    return [name for name in rule.NETWORKS if name in entries]


def accuracy_by_offset(study: rule.Study, sign: rule.Sign) -> list[float]:
    """Accuracy in percent with q* at 0 to 11 semitones above the true signature."""
    return [100 * float(rule.right(study, study.signatures + each, sign).mean()) for each in range(12)]


@styled
def offsets_figure(entries: Entries, sign: rule.Sign) -> Drawing:
    """How often the label is right for each offset of q* above the true signature, with 95 % intervals."""
    study, said = rule.read_study(entries), []
    found = [rule.right(study, study.signatures + offset, sign) for offset in range(12)]
    groups = {"major": study.major, "minor": ~study.major, "both": study.parts["all"]}
    figure, axes = canvas(5.6, 3.2)
    for place, ((name, clips), marker) in enumerate(zip(groups.items(), "osD", strict=True)):
        row = pd.DataFrame([rule.share(each[clips]) for each in found])
        x, face = row.index + 0.16 * (place - 1), MODE_COLOURS.get(name, INK)
        axes.vlines(x, row.low, row.high, color=face, alpha=0.5)
        axes.plot(x, row.value, marker, color=face, label=name, markersize=5)
        said.append(f"{name}: {', '.join(row.value.map('{:.0f}'.format))}")
    axes.axhline(50, color=INK, alpha=0.3, linewidth=0.8)
    axes.set(xticks=range(12), ylim=(0, 100), ylabel="% right", xlabel="semitones of q* above the signature")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    title = f"The rule with {SIGN_NAMES[sign]}, by offset of q*"
    return draw(figure, title, f"Percent right at offsets 0 to 11. {'; '.join(said)}.")


def pairs_figure(entries: Entries, sign: rule.Sign) -> Drawing:
    """How often the label is right if q* has one offset in major and another in minor; networks marked."""
    shares = rule.consistency(rule.read_study(entries), sign)
    at = {name: network_offsets(entries, name) for name in networks(entries)}
    best = next(rule.best_pairs(shares))
    said = [f"Largest at {best[0]} in major and {best[1]} in minor: {shares[best]:.0f} percent."]
    marks: dict[tuple[int, int], str] = {}
    for name, pair in at.items():
        said.append(f"{label(name)} lies at {pair[0]} and {pair[1]}: {shares[pair]:.0f} percent.")
        letter = next(letter for part, letter in LETTERS.items() if part in name)
        marks[pair] = "".join(dict.fromkeys(marks.get(pair, "") + letter))
    return grid_drawing(
        shares / 100,
        ("offset of q* in major clips", "offset of q* in minor clips"),
        colour("skey"),
        (f"The rule with {SIGN_NAMES[sign]}, offset by offset", " ".join(said)),
        marks,
    )


def network_offsets(entries: Entries, name: str) -> tuple[int, int]:
    """Where a network's row as trained lies most often above the signature, in major and in minor clips."""
    major, minor = rule.offsets(entries[name], rule.read_study(entries)).values()
    return major.index(max(major)), minor.index(max(minor))
