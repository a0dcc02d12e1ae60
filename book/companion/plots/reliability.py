"""Figures of confidence: how often answers of a class are right, and accuracy against coverage."""

from collections.abc import Mapping

import pandas as pd

from companion.paper import label
from companion.plots import INK, Drawing, canvas, colour, draw, styled
from companion.studies.reliability import COVERAGES, classes, coverage_curve


@styled
def reliability_drawing(system: str, answers: pd.DataFrame) -> Drawing:
    """The share of right answers in each class of confidence, with its 95 % interval, beside the diagonal.

    A dot is as large as its class; it lies at the mean confidence. On the diagonal confidence is honest,
    below it the system is too sure of itself.
    """
    found = classes(answers)
    x, right = 100 * found.confidence, 100 * found[["value", "low", "high"]]
    figure, axes = canvas(3.8, 3.8)
    axes.plot([0, 100], [0, 100], color=INK, alpha=0.4, linewidth=1, linestyle=(0, (3, 3)))
    axes.vlines(x, right.low, right.high, color=colour(system), linewidth=1.6, alpha=0.7)
    sizes = 12 + 300 * found["count"] / len(answers)
    axes.scatter(x, right.value, s=sizes, color=colour(system), linewidths=0, zorder=3)
    said = []
    for count, at, share in zip(found["count"], x, right.value, strict=True):
        axes.annotate(str(count), (at, share), (6, -10), textcoords="offset points", fontsize=9)
        said.append(f"{count} answers at {at:.0f} %, {share:.0f} % of them right")
    axes.set(xlim=(0, 102), ylim=(-2, 102), aspect="equal", xlabel="confidence, %", ylabel="right, %")
    return draw(figure, f"{label(system)}: reliability", f"{'; '.join(said)}.")


@styled
def coverage_drawing(judged: Mapping[str, pd.DataFrame], title: str) -> Drawing:
    """Right answers among those given, when the least confident are withheld; bands are 95 % intervals.

    ``judged``: system → its answers.
    """
    figure, axes = canvas(7.2, 3.6)
    said = []
    for system, answers in judged.items():
        curve = 100 * pd.DataFrame(coverage_curve(answers), COVERAGES)
        places, face = 100 * curve.index, colour(system)
        axes.fill_between(places, curve.low, curve.high, color=face, alpha=0.12, linewidth=0)
        axes.plot(places, curve.value, color=face, linewidth=2, label=label(system))
        said.append(
            f"{label(system)}: {curve.value[1.0]:.0f} % right with all answers, "
            f"{curve.value[0.5]:.0f} % with half of them"
        )
    axes.set(xlim=(10, 100), ylim=(0, 102), xlabel="clips that get an answer, %", ylabel="right, %")
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return draw(figure, title, f"{'; '.join(said)}.")
