"""Figures in the complex plane of Eq. 2, and of what depends on a number of semitones."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from companion.plots import INK, MODE_COLOURS, Drawing, bare, canvas, colour, draw, styled
from companion.plots.method import VIEW_COLOURS, VIEW_NAMES
from companion.studies.pretext import Term
from skey.keys import TONIC_NAMES
from skey.metrics import Interval

OMEGA_COLOURS: Mapping[int, str] = {7: colour("stone"), 1: colour("stone-w1")}
"""The colour of each circle."""


def places(omega: int) -> list[complex]:
    """Where Eq. 2 puts a profile that is sure of pitch class 0 to 11."""
    angles = -2 * np.pi * omega * np.arange(12) / 12
    return [complex(np.cos(angle), np.sin(angle)) for angle in angles]


_LEGEND: Mapping[str, Any] = {
    **{"loc": "lower center", "ncols": 3, "frameon": False},
    **{"fontsize": 13, "columnspacing": 1, "handletextpad": 0.2},
}
"""Three names below a circle, close enough together to fit under it."""


@styled
def plane_drawing(points: Mapping[str, complex], omega: int, title: str) -> Drawing:
    """The complex plane of Eq. 2, at ``omega`` 7 or 1, with a named dot a profile; C lies at 1.

    ``points``: a view of Figure 1 → its point; the colours are those of the views.
    """
    figure, axes = _plane(omega)
    for size, (view, point) in zip((130, 85, 40), points.items(), strict=True):
        axes.plot([0, point.real], [0, point.imag], color=VIEW_COLOURS[view], alpha=0.5, linewidth=1)
        how: dict[str, Any] = {"color": VIEW_COLOURS[view], "label": VIEW_NAMES[view], "zorder": 3}
        axes.scatter(point.real, point.imag, s=size, **how)
    figure.legend(**_LEGEND)
    said = "; ".join(f"{view}: {_spoken(point)}" for view, point in points.items())
    return draw(figure, title, f"Points in the complex plane, unit circle drawn. {said}.")


@styled
def terms_drawing(terms: Mapping[str, Term], omega: int, title: str) -> Drawing:
    """Cross-powers (Eq. 4) as filled marks and where Eq. 5 wants them as crosses, joined by a line."""
    figure, axes = _plane(omega, named=False)
    for (name, term), marker in zip(terms.items(), "osD", strict=True):
        power, target = term.power, term.target
        axes.plot([power.real, target.real], [power.imag, target.imag], color=INK, linewidth=1)
        axes.plot(target.real, target.imag, "x", color=INK, markersize=9)
        written = f"$L_{{{name[-2:]}}}$"
        axes.plot(power.real, power.imag, marker, color=INK, markersize=7, alpha=0.6, label=written)
    figure.legend(**_LEGEND)
    said = "; ".join(f"{name} {term.distance:.3f}" for name, term in terms.items())
    return draw(figure, title, f"Cross-powers and their targets in the complex plane. Distances: {said}.")


@styled
def many_points_drawing(points: Mapping[str, complex], omega: int, title: str) -> Drawing:
    """Several profiles in the complex plane of Eq. 2, each with a number; the caption says what they are."""
    figure, axes = _plane(omega)
    shown: list[complex] = []
    for number, point in enumerate(points.values(), start=1):
        above = 0.13 * sum(abs(point - other) < 0.1 for other in shown)
        shown.append(point)
        axes.scatter(point.real, point.imag, s=150, color=OMEGA_COLOURS[omega], alpha=0.35, linewidths=0)
        axes.text(point.real, point.imag - 0.01 + above, str(number), ha="center", va="center", fontsize=9)
    said = "; ".join(f"{name}: length {abs(point):.2f}" for name, point in points.items())
    return draw(figure, title, f"Points in the complex plane, unit circle drawn. {said}.")


@styled
def costs_drawing(costs: Mapping[int, Sequence[float]], axis: str, title: str) -> Drawing:
    """What 0 to 11 semitones, ``axis`` says of what, cost on either circle; ``costs``: omega → 12 numbers."""
    figure, axes = canvas(5.6, 2.8)
    for (omega, values), line in zip(costs.items(), ("o-", "s--"), strict=True):
        axes.plot(range(12), values, line, color=OMEGA_COLOURS[omega], label=f"ω = {omega}")
    axes.set(xlabel=axis, xticks=range(12), ylim=(0, None))
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    said = (f"omega {omega}: {', '.join(f'{each:.2f}' for each in row)}" for omega, row in costs.items())
    return draw(figure, title, f"From 0 to 11 semitones, {'; '.join(said)}.")


@styled
def offsets_drawing(shares: Mapping[str, Sequence[Interval]], title: str) -> Drawing:
    """How often a label is right for each offset of its row, with 95 % intervals.

    ``shares``: ``major``, ``minor``, ``both`` → 12 shares in percent.
    """
    figure, axes = canvas(5.6, 3.2)
    for place, ((name, row), marker) in enumerate(zip(shares.items(), "osD", strict=True)):
        x, face = np.arange(12) + 0.16 * (place - 1), MODE_COLOURS.get(name, INK)
        axes.vlines(x, [each.low for each in row], [each.high for each in row], color=face, alpha=0.5)
        axes.plot(x, [each.value for each in row], marker, color=face, label=name, markersize=5)
    axes.axhline(50, color=INK, alpha=0.3, linewidth=0.8)
    axes.set(xticks=range(12), ylim=(0, 100), ylabel="% right", xlabel="semitones of q* above the signature")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    said = (f"{name}: {', '.join(f'{each.value:.0f}' for each in row)}" for name, row in shares.items())
    return draw(figure, title, f"Percent right at offsets 0 to 11. {'; '.join(said)}.")


def _plane(omega: int, named: bool = True) -> tuple[Figure, Axes]:
    """Unit circle, axes, and the twelve places with their names; also returns the axes."""
    figure, axes = bare(3.6, 4.0, 1.38, below=0.1)
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=INK, alpha=0.3))
    for begin, end in (((-1.1, 1.1), (0, 0)), ((0, 0), (-1.1, 1.1))):
        axes.plot(begin, end, color=INK, alpha=0.15, linewidth=0.8)
    for name, place in zip(TONIC_NAMES, places(omega), strict=True):
        axes.plot(place.real, place.imag, ".", color=INK, alpha=0.35, markersize=4)
        if named:
            axes.text(1.2 * place.real, 1.2 * place.imag, name, ha="center", va="center", fontsize=9)
    return figure, axes


def _spoken(point: complex) -> str:
    """A point in words."""
    degrees = np.degrees(np.angle(point)) % 360
    return f"length {abs(point):.2f} at {degrees:.0f} degrees"
