"""Figures of the page on S-KEY's pseudo-label, from the record."""

from collections.abc import Mapping

import pandas as pd

from companion.observations import Entries
from companion.plots import INK, MODE_COLOURS, Drawing, canvas, draw, styled
from companion.studies import pseudo_labels as rule
from skey.losses import Sign
from skey.metrics import bootstrap_interval

SCALE_NAMES: Mapping[str, str] = {
    "decibels": "decibels, the paper's",
    "magnitude": "magnitude",
    "energy": "energy",
    "framewise": "energy, frame by frame",
    "peaks": "spectral peaks",
}
SIGN_NAMES: Mapping[int, str] = {-3: "−3", 3: "+3"}


@styled
def offsets_figure(entries: Entries, sign: Sign) -> Drawing:
    """How often the label is right for each offset of q* above the true signature, with 95 % intervals."""
    study, said = rule.read_study(entries), []
    found = [rule.right(study, study.signatures + offset, sign) for offset in range(12)]
    groups = {"major": study.major, "minor": ~study.major, "both": study.parts["all"]}
    figure, axes = canvas(4.4, 3.2)
    for place, ((name, clips), marker) in enumerate(zip(groups.items(), "osD", strict=True)):
        row = pd.DataFrame([bootstrap_interval(100.0 * each[clips]) for each in found])
        x, face = row.index + 0.16 * (place - 1), MODE_COLOURS.get(name, INK)
        axes.vlines(x, row.low, row.high, color=face, alpha=0.5)
        axes.plot(x, row.value, marker, color=face, label=name, markersize=5)
        said.append(f"{name}: {', '.join(row.value.map('{:.0f}'.format))}")
    axes.axhline(50, color=INK, alpha=0.3, linewidth=0.8)
    axes.set(xticks=range(12), ylim=(0, 100), ylabel="% right", xlabel="semitones of q* above the signature")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    title = f"The rule with {SIGN_NAMES[sign]}, by offset of q*"
    return draw(figure, title, f"Percent right at offsets 0 to 11. {'; '.join(said)}.")
