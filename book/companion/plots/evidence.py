"""Figures of what is on record: a score against an effect's strength, and how honest confidence is."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from companion.observations import Entries
from companion.paper import label
from companion.plots import INK, Drawing, canvas, colour, draw, styled
from companion.studies import robustness
from companion.studies.reliability import COVERAGES, classes, coverage_curve


def scored_systems(entries: Entries, metric: str) -> tuple[str, ...]:
    """The systems that have a score of that name."""
    systems = robustness.systems_of(entries)
    return tuple(name for name in systems if metric == "ksea" or robustness.tells_keys(entries, name))


def effect_drawings(entries: Entries, metric: str, word: str) -> list[Drawing]:
    """A legend, then a figure for each effect, to stand side by side."""
    figures = [effect_drawing(entries, effect, metric, word) for effect in robustness.EFFECTS]
    return [legend_drawing(scored_systems(entries, metric), f"{word}: systems"), *figures]


@styled
def effect_drawing(entries: Entries, effect: str, metric: str, word: str) -> Drawing:
    """A score of every system against the strength of one effect.

    The grey ground is where the *hard* level of the corpus lies; a thin line marks the clean sound.
    """
    known, said = robustness.EFFECTS[effect], []
    places = robustness.positions(known)
    figure, axes = canvas(3.8, 3.0)
    if hard := robustness.spread(known):
        axes.axvspan(*hard, color=INK, alpha=0.07, linewidth=0)
    axes.axvline(places[known.scale.index(known.untouched)], color=INK, alpha=0.3, linewidth=0.8)
    for name in scored_systems(entries, metric):
        curve = pd.DataFrame(robustness.score_curve(entries, name, effect, metric))
        axes.fill_between(places, curve.low, curve.high, color=colour(name), alpha=0.1, linewidth=0)
        axes.plot(places, curve.value, "o-", color=colour(name), linewidth=1.8, markersize=4)
        said.append(_spoken(known, name, dict(zip(known.scale, curve.value, strict=True))))
    names = ["none" if strength is None else f"{strength:g}" for strength in known.scale]
    axes.set_xticks(places, [name.replace("-", "−") for name in names])
    axes.set(ylim=(0, 102), xlabel=known.axis, ylabel=f"{word}, %")
    return draw(figure, f"{word}: {known.title.lower()}", "; ".join(said) + ".")


def _spoken(effect: robustness.Effect, system: str, values: Mapping[float | None, float]) -> str:
    """One curve in words: clean, and at both ends of the scale."""
    ends = [strength for strength in (effect.scale[0], effect.scale[-1]) if strength != effect.untouched]
    parts = [f"{values[effect.untouched]:.0f} % clean"]
    parts += [f"{values[strength]:.0f} % at {strength:g}" for strength in ends if strength is not None]
    return f"{label(system)}: {', '.join(parts)}"


@styled
def legend_drawing(systems: Sequence[str], title: str) -> Drawing:
    """Which colour is which system."""
    figure = Figure(figsize=(3.8, 3.0))
    how: dict[str, Any] = {"marker": "o", "linewidth": 1.8, "markersize": 4}
    lines = [Line2D([], [], color=colour(name), **how) for name in systems]
    names = [label(name).replace(" (", "\n(") for name in systems]
    figure.legend(lines, names, loc="center left", frameon=False, fontsize=9)
    return draw(figure, title, f"Each in its colour: {', '.join(map(label, systems))}.")


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
    """Right answers among those given, when the least confident are withheld; bands are 95 % intervals."""
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
