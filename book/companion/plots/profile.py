"""Figures of profiles: on the circle of fifths with one ring a mode, and over time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from companion.plots import (
    INK,
    KEY_LABELS,
    LEAST_SHARE,
    MODE_COLOURS,
    Drawing,
    bare,
    canvas,
    colour,
    draw,
    shade,
    styled,
)
from companion.studies.alignment import MODES, mean_profile
from skey.calibration import Calibration
from skey.keys import CIRCLE_OF_FIFTHS, KEYS, SIGNATURES_BY_FIFTHS, Key, Notation, format_key
from skey.shapes import Float

RADII: Mapping[str, float] = {"major": 1.0, "minor": 0.66}  # minor inside, as is usual
CURSOR = "cursor"  # the line of a figure over time that ``_static/companion.js`` moves along with the sound

_RELATIVES = [
    f"{format_key(major, Notation.SHORT)}\n{format_key(major.relative, Notation.SHORT)}"
    for major in CIRCLE_OF_FIFTHS[::2]
]


def alignment_drawings(title: str, observed: Mapping[str, Any]) -> list[Drawing]:
    """A network's answers to C major (outer ring) and A minor (inner ring), before and after calibration."""
    calibration = Calibration(**observed["calibration"])
    major, minor = (mean_profile(observed, mode) for mode in MODES)
    named = {"major": np.roll(major, calibration.major), "minor": np.roll(minor, calibration.minor + 3)}
    by_row = {"major": np.roll(major, 9), "minor": np.roll(minor, 9)}
    rows = [f"row {(signature - 9) % 12}" for signature in SIGNATURES_BY_FIFTHS]
    return [
        rings_drawing(by_row, rows, f"{title}: as it was trained", "Labels are rows of the output."),
        rings_drawing(named, _RELATIVES, f"{title}: calibrated", "Labels are keys."),
    ]


def key_rings(probabilities: Sequence[float], title: str) -> Drawing:
    """24 probabilities in the order of KEYS on the circle of fifths, each minor inside its relative major."""
    relatives = [key.relative.index for key in KEYS[:12]]
    shares = np.array(probabilities)
    rings = {"major": shares[:12], "minor": shares[relatives]}
    return rings_drawing(rings, _RELATIVES, title, f"Largest at {KEYS[int(shares.argmax())]}.")


@styled
def rings_drawing(
    rings: Mapping[str, Float[np.ndarray, "12"]], labels: Sequence[str], title: str, description: str
) -> Drawing:
    """Dots on two rings, each as large as its share in 0..1, over a faint dot at each place.

    ``rings``: 12 shares by signature, C first; ``labels``: along the circle of fifths from C, on top.
    """
    figure, axes = bare(3.4, 3.4, 1.6)
    angles = 2 * np.pi * np.arange(12) / 12
    x, y = np.sin(angles), np.cos(angles)
    largest = []
    for mode, by_signature in rings.items():
        shares, radius = by_signature[list(SIGNATURES_BY_FIFTHS)], RADII[mode]
        axes.scatter(radius * x, radius * y, s=10, color=INK, alpha=0.25, linewidths=0)
        sizes = np.where(shares < LEAST_SHARE, np.nan, 10 + 500 * shares)
        axes.scatter(radius * x, radius * y, s=sizes, color=MODE_COLOURS[mode], linewidths=0)
        largest.append(f"{mode} ring largest at {labels[int(shares.argmax())].splitlines()[0]}")
    for at_x, at_y, text in zip(1.33 * x, 1.33 * y, labels, strict=True):
        axes.text(at_x, at_y, text, ha="center", va="center", fontsize=9, linespacing=1.1)
    return draw(figure, title, f"{'; '.join(largest)}. {description}")


@styled
def timeline_drawing(
    stretches: Sequence[Mapping[str, Any]], reference: Key, system: str, title: str
) -> Drawing:
    """The 24 probabilities over time, keys along the circle of fifths, each major above its relative minor.

    ``stretches`` overlap; each is drawn around its middle. The row of the ``reference`` is outlined.
    """
    middles = np.array([(stretch["start"] + stretch["end"]) / 2 for stretch in stretches])
    step = middles[1] - middles[0] if len(middles) > 1 else 1.0
    edges = np.append(middles - step / 2, middles[-1] + step / 2)
    begin, end = edges[0], edges[-1]
    profiles = np.array([stretch["probabilities"] or [0.0] * 24 for stretch in stretches])
    figure, axes = canvas(4.4, 4.6)
    by_fifths = profiles[:, [key.index for key in CIRCLE_OF_FIFTHS]].T
    shade(axes, (edges, np.arange(25)), by_fifths, colour(system))
    row = CIRCLE_OF_FIFTHS.index(reference)
    axes.add_patch(Rectangle((begin, row), end - begin, 1, fill=False, edgecolor=INK, linewidth=1.2))
    axes.axvline(begin, color=INK, linewidth=1.5, gid=CURSOR)
    axes.set_yticks(np.arange(24) + 0.5, KEY_LABELS, fontsize=9)
    axes.set(xlim=(begin, end), ylim=(24, 0), xlabel="seconds")
    axes.tick_params(axis="y", length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    for line in range(0, 25, 2):
        axes.axhline(line, color=INK, alpha=0.15, linewidth=0.6)
    figure.draw_without_rendering()
    points = axes.get_window_extent().width * 72 / figure.dpi
    right = sum(bool(each.any()) and KEYS[int(each.argmax())] == reference for each in profiles)
    said = f"The reference, {reference}, is the likeliest key in {right} of {len(profiles)} stretches."
    drawing = draw(figure, title, said)
    times = f'data-begin="{begin:g}" data-end="{end:g}" data-points="{points:.1f}"'
    return replace(drawing, svg=drawing.svg.replace("<svg", f"<svg {times}", 1))
