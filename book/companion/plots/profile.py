"""Figures of profiles: on the circle of fifths with one ring a mode, and over time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from companion.plots import INK, KEY_LABELS, MODE_COLOURS, STYLE, Drawing, colour, draw
from companion.studies.alignment import MODES, mean_profile
from skey.calibration import Calibration
from skey.keys import CIRCLE_OF_FIFTHS, KEYS, SIGNATURES_BY_FIFTHS, Key, Notation, format_key
from skey.shapes import Float

RADII: Mapping[str, float] = {"major": 1.0, "minor": 0.66}
"""The rings of the two modes, as the circle of fifths is usually drawn: minor inside."""

CURSOR = "cursor"
"""The line of a figure over time that ``_static/companion.js`` moves along with the sound."""

LEAST_SHARE = 0.01
"""Less of a probability than this is not drawn."""

_LABEL_RADIUS = 1.33
_RELATIVES = [
    f"{format_key(major, Notation.SHORT)}\n{format_key(major.relative, Notation.SHORT)}"
    for major in CIRCLE_OF_FIFTHS[::2]
]


def alignment_drawings(title: str, observed: Mapping[str, Any]) -> list[Drawing]:
    """The answers of a network to C major and A minor, before and after calibration.

    Args:
        title: the network's name.
        observed: one entry of the observation ``calibration``.

    Returns:
        Two drawings. Outer ring: the major column when C major sounds; inner ring: the minor column when A
        minor sounds. Before calibration row q lies where pitch class A + q does.
    """
    calibration = Calibration(**observed["calibration"])
    rings: Mapping[str, Any] = {mode: mean_profile(observed, mode) for mode in MODES}
    begins = {"major": calibration.major, "minor": calibration.minor + 3}
    named = {mode: np.roll(ring, begins[mode]) for mode, ring in rings.items()}
    by_row = {mode: np.roll(ring, 9) for mode, ring in rings.items()}
    rows = [f"row {(signature - 9) % 12}" for signature in SIGNATURES_BY_FIFTHS]
    return [
        rings_drawing(by_row, rows, f"{title}: as it was trained", "Labels are rows of the output."),
        rings_drawing(named, _RELATIVES, f"{title}: calibrated", "Labels are keys."),
    ]


def key_rings(probabilities: Sequence[float], title: str) -> Drawing:
    """24 probabilities in the order of KEYS on the circle of fifths, each minor inside its relative major."""
    minor = [probabilities[key.relative.index] for key in KEYS[:12]]
    best = KEYS[int(np.argmax(probabilities))]
    rings = {"major": np.array(probabilities[:12]), "minor": np.array(minor)}
    return rings_drawing(rings, _RELATIVES, title, f"Largest at {best}.")


def rings_drawing(
    rings: Mapping[str, Float[np.ndarray, "12"]], labels: Sequence[str], title: str, description: str
) -> Drawing:
    """Dots on two rings, each as large as its share.

    Args:
        rings: ``major`` and ``minor`` → 12 shares in 0..1 by key signature, C first.
        labels: 12 along the circle of fifths from C.
        title: of the drawing.
        description: what to say of it beside where the largest dots are.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.4, 3.4))
        axes = figure.add_axes((0, 0, 1, 1))
        for mode, shares in rings.items():
            _draw_ring(axes, shares[list(SIGNATURES_BY_FIFTHS)], RADII[mode], MODE_COLOURS[mode])
        for place, text in enumerate(labels):
            x, y = _point(place, _LABEL_RADIUS)
            axes.text(x, y, text, ha="center", va="center", fontsize=9, linespacing=1.1)
        axes.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal")
        axes.set_axis_off()
    largest = (
        f"{mode} ring largest at {labels[SIGNATURES_BY_FIFTHS.index(int(shares.argmax()))].splitlines()[0]}"
        for mode, shares in rings.items()
    )
    return draw(figure, title, f"{'; '.join(largest)}. {description}")


def _draw_ring(axes: Axes, shares: Float[np.ndarray, "12"], radius: float, dot_colour: str) -> None:
    """One ring: a faint dot at each place, and over it one that grows with the share."""
    x, y = np.array([_point(place, radius) for place in range(12)]).T
    axes.scatter(x, y, s=10, color=INK, alpha=0.25, linewidths=0)
    heard = shares >= LEAST_SHARE
    axes.scatter(x[heard], y[heard], s=10 + 500 * shares[heard], color=dot_colour, linewidths=0)


def _point(place: int, radius: float) -> tuple[float, float]:
    """Where a place on the circle of fifths lies: C on top, then clockwise."""
    angle = 2 * np.pi * place / 12
    return radius * float(np.sin(angle)), radius * float(np.cos(angle))


def timeline_drawing(
    stretches: Sequence[Mapping[str, Any]], reference: Key, system: str, title: str
) -> Drawing:
    """The 24 probabilities over time, keys along the circle of fifths, each major above its relative minor.

    Args:
        stretches: ``start`` and ``end`` in seconds, ``probabilities`` in the order of KEYS or none; stretches
            overlap, and each is drawn around its middle.
        reference: the key that the annotation gives; its row is outlined.
        system: whose colour to take.
        title: of the drawing.
    """
    middles = [(stretch["start"] + stretch["end"]) / 2 for stretch in stretches]
    step = middles[1] - middles[0] if len(middles) > 1 else 1.0
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.4, 4.6), layout="constrained")
        axes = figure.add_subplot()
        for middle, stretch in zip(middles, stretches, strict=True):
            _draw_stretch(axes, middle - step / 2, step, stretch["probabilities"], colour(system))
        begin, end = middles[0] - step / 2, middles[-1] + step / 2
        row = CIRCLE_OF_FIFTHS.index(reference)
        axes.add_patch(Rectangle((begin, row), end - begin, 1, fill=False, edgecolor=INK, linewidth=1.2))
        axes.axvline(begin, color=INK, linewidth=1.5, gid=CURSOR)
        _label_timeline(axes, begin, end)
        figure.draw_without_rendering()
        points = axes.get_window_extent().width * 72 / figure.dpi
    drawing = draw(figure, title, _spoken(stretches, reference))
    times = f'data-begin="{begin:g}" data-end="{end:g}" data-points="{points:.1f}"'
    return replace(drawing, svg=drawing.svg.replace("<svg", f"<svg {times}", 1))


def _draw_stretch(axes: Axes, start: float, width: float, profile: Sequence[float], face: str) -> None:
    """One column: a box a key, as opaque as its probability."""
    rgb = matplotlib.colors.to_rgb(face)
    shares = [profile[key.index] for key in CIRCLE_OF_FIFTHS] if profile else []
    heard = [(row, share) for row, share in enumerate(shares) if share >= LEAST_SHARE]
    boxes = [Rectangle((start, row), width, 1) for row, _ in heard]
    faces = [(*rgb, 0.08 + 0.92 * share) for _, share in heard]
    axes.add_collection(PatchCollection(boxes, facecolors=faces, edgecolors="none"))


def _label_timeline(axes: Axes, begin: float, end: float) -> None:
    """Names of the keys, seconds, and a faint line around each pair of relatives."""
    axes.set_yticks(np.arange(24) + 0.5, KEY_LABELS, fontsize=9)
    axes.set(xlim=(begin, end), ylim=(24, 0), xlabel="seconds")
    axes.tick_params(axis="y", length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    for line in range(0, 25, 2):
        axes.axhline(line, color=INK, alpha=0.15, linewidth=0.6)


def _spoken(stretches: Sequence[Mapping[str, Any]], reference: Key) -> str:
    """The figure in words: how often the reference is the likeliest key."""
    best = [KEYS[int(np.argmax(s["probabilities"]))] for s in stretches if s["probabilities"]]
    right = sum(key == reference for key in best)
    return f"The reference, {reference}, is the likeliest key in {right} of {len(stretches)} stretches."
