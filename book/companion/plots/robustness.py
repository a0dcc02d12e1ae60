"""What an effect does: a score against its strength, each system in its colour, intervals as bands."""

from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.observations import Entries
from companion.paper import label
from companion.plots import INK, STYLE, Drawing, colour, draw
from companion.studies.robustness import (
    EFFECTS,
    Effect,
    positions,
    score_curve,
    spread,
    systems_of,
    tells_keys,
)
from skey.metrics import Interval

NEEDS_KEYS = ("mirex", "mode")
"""Scores that a system without modes does not have."""


def scored_systems(entries: Entries, metric: str) -> tuple[str, ...]:
    """The systems that have a score of that name."""
    return tuple(
        name for name in systems_of(entries) if metric not in NEEDS_KEYS or tells_keys(entries, name)
    )


def effect_drawings(entries: Entries, metric: str, word: str) -> list[Drawing]:
    """A legend, then a figure for each effect.

    Args:
        entries: of the observation ``degradation``.
        metric: the score, as the record calls it.
        word: what readers call it.

    Returns:
        Drawings to stand side by side.
    """
    figures = [effect_drawing(entries, effect, metric, word) for effect in EFFECTS]
    return [legend_drawing(scored_systems(entries, metric), f"{word}: systems"), *figures]


def effect_drawing(entries: Entries, effect: str, metric: str, word: str) -> Drawing:
    """A score of every system against the strength of one effect.

    The grey ground is where the *hard* level of the corpus lies; a thin line marks the clean sound.
    """
    curves = {name: score_curve(entries, name, effect, metric) for name in scored_systems(entries, metric)}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.8, 3.0), layout="constrained")
        axes = figure.add_subplot()
        _draw_ground(axes, EFFECTS[effect])
        for name, curve in curves.items():
            _draw_curve(axes, positions(EFFECTS[effect]), curve, name)
        _label_axes(axes, EFFECTS[effect], word)
    title = f"{word}: {EFFECTS[effect].title.lower()}"
    return draw(figure, title, "; ".join(_spoken(EFFECTS[effect], *each) for each in curves.items()) + ".")


def _draw_ground(axes: Axes, effect: Effect) -> None:
    """The range of the hard level, and the place of the clean sound."""
    hard = spread(effect)
    if hard is not None:
        axes.axvspan(*hard, color=INK, alpha=0.07, linewidth=0)
    axes.axvline(positions(effect)[effect.scale.index(effect.untouched)], color=INK, alpha=0.3, linewidth=0.8)


def _draw_curve(axes: Axes, places: Sequence[float], curve: Sequence[Interval], system: str) -> None:
    """One system: a line through its scores over the band of their intervals."""
    lows, highs = [point.low for point in curve], [point.high for point in curve]
    axes.fill_between(places, lows, highs, color=colour(system), alpha=0.1, linewidth=0)
    values = [point.value for point in curve]
    axes.plot(places, values, "o-", color=colour(system), linewidth=1.8, markersize=4)


def _label_axes(axes: Axes, effect: Effect, word: str) -> None:
    """Strengths below, percent at the side."""
    names = ["none" if strength is None else f"{strength:g}" for strength in effect.scale]
    axes.set_xticks(positions(effect), [name.replace("-", "−") for name in names])
    axes.set(ylim=(0, 102), xlabel=effect.axis, ylabel=f"{word}, %")


def _spoken(effect: Effect, system: str, curve: Sequence[Interval]) -> str:
    """One curve in words: clean, and at both ends of the scale."""
    values = dict(zip(effect.scale, (point.value for point in curve), strict=True))
    ends = [strength for strength in (effect.scale[0], effect.scale[-1]) if strength != effect.untouched]
    parts = [f"{values[effect.untouched]:.0f} % clean"]
    parts += [f"{values[strength]:.0f} % at {strength:g}" for strength in ends if strength is not None]
    return f"{label(system)}: {', '.join(parts)}"


def legend_drawing(systems: Sequence[str], title: str) -> Drawing:
    """Which colour is which system."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.8, 3.0))
        axes = figure.add_axes((0.04, 0.04, 0.92, 0.92))
        for place, name in enumerate(systems):
            height = 1 - (place + 1) / (len(systems) + 1)
            axes.plot([0.0, 0.09], [height, height], "o-", color=colour(name), linewidth=1.8, markersize=4)
            axes.text(0.13, height, label(name).replace(" (", "\n("), va="center", fontsize=9)
        axes.set(xlim=(-0.03, 1), ylim=(0, 1))
        axes.set_axis_off()
    return draw(figure, title, f"Each in its colour: {', '.join(map(label, systems))}.")
