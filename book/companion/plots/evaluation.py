"""Figures of evaluations: answers by key signature, and scores that grow with labels or with data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.paper import PaperNumber, label
from companion.plots import INK, SIGNATURE_LABELS, STYLE, Drawing, colour, draw
from companion.record import Scores
from companion.results.scores import recorded_interval
from companion.studies.collapse import Spread
from skey.metrics import Interval

REFERENCE = "reference"
"""Stands for the annotated keys where a figure otherwise shows systems."""

_DASHES = (0, (2, 2))
_MARKERS = "osD^"
"""One for each curve of a panel, for whoever cannot tell its colours apart."""
_STEP = 1.08
"""How far the points of a curve stand beside those of the one before, so that intervals do not overlap."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One of several panels that share a scale in percent.

    ``curves``: name of a curve → place (on a logarithmic axis) → system; ``values``: system → score; the
    ``dashed`` systems are lines across the panel; ``ticks``: place → its label. Systems without a value are
    left out.
    """

    title: str
    curves: Mapping[str, Mapping[float, str]]
    values: Mapping[str, Interval]
    ticks: Mapping[float, str]
    dashed: Sequence[str] = field(default=())

    def known(self, curve: str) -> dict[float, str]:
        """The points of a curve that have a value."""
        return {place: system for place, system in self.curves[curve].items() if system in self.values}


def our_values(scores: Scores, metric: str) -> dict[str, Interval]:
    """Score and interval of each system on all tracks."""
    return {
        system: recorded_interval(parts["all"], metric)
        for system, parts in scores.items()
        if metric in parts["all"]
    }


def papers_values(numbers: Mapping[str, PaperNumber]) -> dict[str, Interval]:
    """The papers' scores; the ends of the interval that they do not have lie on them."""
    return {system: Interval(*[float(number.percent)] * 3) for system, number in numbers.items()}


def spread_drawing(spread: Spread, system: str) -> Drawing:
    """Bars along the circle of fifths: which share of the tracks gets which key signature.

    ``system``: whose answers they are; ``REFERENCE`` for the annotated keys.
    """
    is_reference = system == REFERENCE
    name = "Annotated keys" if is_reference else label(system)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 2.4), layout="constrained")
        axes = figure.add_subplot()
        face = INK if is_reference else colour(system)
        axes.bar(
            range(12), [100 * share for share in spread.shares], color=face, alpha=0.5 if is_reference else 1
        )
        axes.set_xticks(range(12), SIGNATURE_LABELS, fontsize=8)
        axes.set(ylim=(0, 100), ylabel="% of the tracks")
        axes.tick_params(axis="x", length=0)
    tonic, share = spread.most_frequent
    return draw(
        figure, name, f"Most frequent signature: that of {tonic} major, {100 * share:.0f} % of the tracks."
    )


def growth_drawing(panels: Sequence[Panel], title: str, ylabel: str, xlabel: str) -> Drawing:
    """Scores against how much there was to learn from, panels side by side on one scale."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.2), layout="constrained")
        all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, panel in zip(all_axes, panels, strict=True):
            _draw_panel(axes, panel)
            axes.set(title=panel.title, xlabel=xlabel)
        all_axes[0].set(ylabel=ylabel, ylim=(0, 100))
        handles = {
            text: handle
            for axes in all_axes
            for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        if handles:
            figure.legend(
                list(handles.values()),
                list(handles),
                loc="outside lower center",
                ncols=3,
                frameon=False,
                fontsize=9,
            )
    return draw(figure, title, " ".join(map(_spoken, panels)))


def _draw_panel(axes: Axes, panel: Panel) -> None:
    """The curves and the dashed lines of one panel."""
    for number, curve in enumerate(panel.curves):
        points = panel.known(curve)
        if points:
            _draw_curve(axes, points, panel.values, curve, number)
    for system in panel.dashed:
        if system in panel.values:
            axes.axhline(
                panel.values[system].value,
                color=colour(system),
                linestyle=_DASHES,
                linewidth=1.6,
                label=label(system),
            )
    places = list(panel.ticks)
    axes.set_xscale("log")
    axes.set_xlim(min(places) / 1.6, max(places) * 1.6)
    axes.set_xticks(places, list(panel.ticks.values()))
    axes.minorticks_off()


def _draw_curve(
    axes: Axes, points: Mapping[float, str], values: Mapping[str, Interval], curve: str, number: int
) -> None:
    """A line through the points, with their intervals, in the colour of the last system."""
    places = np.array(list(points)) * _STEP**number
    shown = np.array(
        [[values[system].value, values[system].low, values[system].high] for system in points.values()]
    )
    face = colour(list(points.values())[-1])
    axes.plot(
        places, shown[:, 0], f"{_MARKERS[number]}-", color=face, markersize=6, linewidth=1.8, label=curve
    )
    axes.vlines(places, shown[:, 1], shown[:, 2], color=face, linewidth=1.4)


def _spoken(panel: Panel) -> str:
    """One panel in words."""
    said = [
        f"{curve} {panel.ticks[place]}: {panel.values[system].value:.1f} %"
        for curve in panel.curves
        for place, system in panel.known(curve).items()
    ]
    said += [
        f"{label(system)}: {panel.values[system].value:.1f} %"
        for system in panel.dashed
        if system in panel.values
    ]
    return f"{panel.title}: {', '.join(said) or 'nothing computed'}."
