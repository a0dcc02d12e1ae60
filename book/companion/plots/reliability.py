"""Figures of confidence: how often answers of a class are right, and accuracy against coverage."""

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.paper import label
from companion.plots import INK, STYLE, Drawing, colour, draw
from companion.studies.reliability import COVERAGES, Class, Judged, classes, coverage_curve


def reliability_drawing(system: str, answers: Judged) -> Drawing:
    """The share of right answers in each class of confidence, with its 95 % interval, beside the diagonal.

    A dot is as large as its class; it lies at the mean confidence. On the diagonal confidence is honest,
    below it the system is too sure of itself.
    """
    found = classes(answers)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.8, 3.8), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 100], [0, 100], color=INK, alpha=0.4, linewidth=1, linestyle=(0, (3, 3)))
        for each in found:
            _draw_class(axes, each, len(answers), colour(system))
        axes.set(xlim=(0, 102), ylim=(-2, 102), aspect="equal", xlabel="confidence, %", ylabel="right, %")
    return draw(figure, f"{label(system)}: reliability", _spoken_classes(found))


def _draw_class(axes: Axes, each: Class, total: int, face: str) -> None:
    """One class: its interval, its dot, how many answers it holds."""
    x, y = 100 * each.confidence, 100 * each.right.value
    axes.vlines(x, 100 * each.right.low, 100 * each.right.high, color=face, linewidth=1.6, alpha=0.7)
    axes.scatter([x], [y], s=12 + 300 * each.count / total, color=face, linewidths=0, zorder=3)
    axes.annotate(str(each.count), (x, y), (6, -10), textcoords="offset points", fontsize=9)


def _spoken_classes(found: Sequence[Class]) -> str:
    """The figure in words."""
    parts = (
        f"{each.count} answers at {100 * each.confidence:.0f} %, {100 * each.right.value:.0f} % of them right"
        for each in found
    )
    return f"{'; '.join(parts)}."


def coverage_drawing(judged: Mapping[str, Judged], title: str) -> Drawing:
    """Right answers among those given, when the least confident are withheld; bands are 95 % intervals.

    ``judged``: system → its answers.
    """
    curves = {system: coverage_curve(answers) for system, answers in judged.items()}
    places = [100 * coverage for coverage in COVERAGES]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for system, curve in curves.items():
            bounds = [100 * point.low for point in curve], [100 * point.high for point in curve]
            axes.fill_between(places, *bounds, color=colour(system), alpha=0.12, linewidth=0)
            values = [100 * point.value for point in curve]
            axes.plot(places, values, color=colour(system), linewidth=2, label=label(system))
        axes.set(xlim=(10, 100), ylim=(0, 102), xlabel="clips that get an answer, %", ylabel="right, %")
        figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    spoken = (
        f"{label(system)}: {100 * curve[-1].value:.0f} % right with all answers, "
        f"{100 * curve[COVERAGES.index(0.5)].value:.0f} % with half of them"
        for system, curve in curves.items()
    )
    return draw(figure, title, f"{'; '.join(spoken)}.")
