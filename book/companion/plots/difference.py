"""Figures of paired differences with their intervals."""

from collections.abc import Mapping, Sequence

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.plots import INK, STYLE, Drawing, colour, draw
from companion.scores import parts_of
from companion.studies.differences import Pair, differences
from skey.metrics import Interval

MARKERS = "os^Dv<>PX*"
"""Tell pairs apart whose first system is the same."""


def differences_drawing(answers: pd.DataFrame, pairs: Sequence[Pair], title: str) -> Drawing:
    """Each pair's difference on all tracks and on each part: right of zero ours scores more.

    Dots and intervals have the colour of our system.
    """
    found = {pair: differences(answers, pair) for pair in pairs}
    parts = list(parts_of(answers))
    with matplotlib.rc_context(STYLE):
        rows, legend = (len(pairs) + 1) * len(parts), len(pairs)
        figure = Figure(figsize=(7.2, 1.0 + 0.17 * (rows + legend)), layout="constrained")
        axes = figure.add_subplot()
        for place, (pair, each) in enumerate(found.items()):
            shift = 0.8 * ((place + 0.5) / len(pairs) - 0.5)
            _draw_pair(axes, pair, [each[part] for part in parts], shift, MARKERS[place % len(MARKERS)])
        _label_parts(axes, parts)
        figure.legend(loc="outside upper center", ncols=1, frameon=False, fontsize=9)
    return draw(figure, title, _spoken(found))


def _draw_pair(axes: Axes, pair: Pair, found: Sequence[Interval], shift: float, marker: str) -> None:
    """One pair: a dot and its interval on each row."""
    rows = [row + shift for row in range(len(found))]
    face = colour(pair.ours)
    axes.hlines(rows, [each.low for each in found], [each.high for each in found], color=face, linewidth=2)
    values = [each.value for each in found]
    axes.plot(values, rows, marker, color=face, markersize=6, label=pair.in_words())


def _label_parts(axes: Axes, parts: Sequence[str]) -> None:
    """Names of the parts, a line at zero."""
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(parts)), parts)
    axes.set(ylim=(len(parts) - 0.5, -0.5), xlabel="percentage points")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for line in range(1, len(parts)):
        axes.axhline(line - 0.5, color=INK, alpha=0.15, linewidth=0.6)


def _spoken(found: Mapping[Pair, Mapping[str, Interval]]) -> str:
    """The figure in words: each difference on all tracks."""
    said = (f"{pair.in_words()}: {each['all'].value:+.1f}" for pair, each in found.items())
    return f"On all tracks, in points: {'; '.join(said)}."
