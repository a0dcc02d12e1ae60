"""Figures of the method: log-VQTs, profiles, grids, the complex plane of Eq. 2, costs by semitones."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch, Rectangle
from matplotlib.path import Path
from torch import Tensor

from companion.plots import (
    INK,
    MODE_COLOURS,
    SIGNATURE_LABELS,
    Drawing,
    bare,
    canvas,
    colour,
    draw,
    heatmap,
    styled,
)
from companion.studies.pretext import VIEWS, Term
from skey.inference.filters import CROPPED_BINS, HOP
from skey.keys import SIGNATURES_BY_FIFTHS, TONIC_NAMES
from skey.losses import dft
from skey.shapes import Float
from skey.vqt import SEGMENT_FRAMES

VIEW_COLOURS: Mapping[str, str] = {"a": "#0072b2", "b": "#009e73", "a_moved": "#d55e00"}  # of Figure 1
VIEW_NAMES: Mapping[str, str] = {"a": "$T_c A$", "b": "$T_c B$", "a_moved": "$T_{c+k} A$"}  # in matplotlib
OMEGA_COLOURS: Mapping[int, str] = {7: colour("stone"), 1: colour("stone-w1")}  # the colour of each circle

_LEGEND: Mapping[str, Any] = {  # three names below a circle, close enough together to fit under it
    **{"loc": "lower center", "ncols": 3, "frameon": False},
    **{"fontsize": 13, "columnspacing": 1, "handletextpad": 0.2},
}

FRAMES_PER_CELL = 16  # frames of a log-VQT averaged into one cell of a picture: a third of a second or so
LOUDER_THAN = (0.7, 0.85, 0.95)  # from these quantiles on, a cell is drawn darker by another step

_SECONDS = HOP / 22_050


@styled
def clip_drawing(segments: Float[Tensor, "2 99 frames"], c: int, k: int, title: str) -> Drawing:
    """A whole clip (segments A and B) with the views that are cropped by ``c`` and by ``c + k`` semitones."""
    both = np.concatenate([each.numpy() for each in segments], axis=1)
    figure, axes = canvas(7.2, 3.6)
    _draw_log_vqt(axes, both, named=True)
    boxes = {"a": (0, c), "b": (SEGMENT_FRAMES, c), "a_moved": (0, c + k)}
    for view, (start, lowest) in boxes.items():
        _draw_frame(axes, view, start, lowest)
    axes.set(xlim=(0, both.shape[1] * _SECONDS), ylim=(0, both.shape[0]))
    said = (
        "Log-VQT of 99 semitones over 30 seconds. Boxes of 84 semitones mark the views: T_c A and T_c B "
        f"begin {c} semitones above the lowest bin, T_c+k A begins {c + k} above it."
    )
    return _compact(draw(figure, title, said))


@styled
def view_drawing(view: str, log_vqt: Float[Tensor, "84 frames"], title: str) -> Drawing:
    """One cropped log-VQT, as the network gets it: its first bin at the bottom, whatever it is."""
    figure, axes = canvas(3.4, 2.6)
    _draw_log_vqt(axes, log_vqt.numpy(), named=False)
    axes.set_title(VIEW_NAMES[view], color=VIEW_COLOURS[view])
    axes.set(xlim=(0, log_vqt.shape[1] * _SECONDS), ylim=(0, CROPPED_BINS))
    said = "Log-VQT of 84 semitones over 15 seconds, as the network gets it."
    return _compact(draw(figure, title, said))


@styled
def structure_drawing(y: Float[Tensor, "12 2"], title: str) -> Drawing:
    """The matrix Y with its sums over modes, beside it, and over key signatures, below (Figure 2, STONE)."""
    signatures, modes = y.sum(1), y.sum(0)
    figure = Figure(figsize=(3.6, 4.8), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.4), height_ratios=(6, 1.1))
    matrix, right, below = (figure.add_subplot(grid[place]) for place in ((0, 0), (0, 1), (1, 0)))
    table = pd.DataFrame(y.numpy()[list(SIGNATURES_BY_FIFTHS)], SIGNATURE_LABELS, list(MODE_COLOURS))
    for mode, face in MODE_COLOURS.items():
        heatmap(matrix, table * (table.columns == mode), face)
    matrix.set_title("$Y$")
    by_fifths = signatures[list(SIGNATURES_BY_FIFTHS)].tolist()
    right.barh(np.arange(12) + 0.5, by_fifths, color=INK, height=0.8)
    right.set(xlim=(0, 1), ylim=(12, 0), yticks=(), title="$\\lambda$")
    below.bar((0.5, 1.5), modes.tolist(), color=list(MODE_COLOURS.values()), width=0.8)
    below.set(xlim=(0, 2), ylim=(0, 1), xticks=(), yticks=(0, 1), ylabel="$\\mu$")
    pairs = zip(MODE_COLOURS, modes.tolist(), strict=True)
    spoken = ", ".join(f"{mode} {share:.2f}" for mode, share in pairs)
    return draw(figure, title, f"Sum over modes: {largest(by_fifths)}. Sum over signatures: {spoken}.")


@styled
def grid_drawing(
    shares: Float[np.ndarray, "12 12"],
    labels: tuple[str, str],
    face: str,
    words: tuple[str, str],
    marks: Mapping[tuple[int, int], str] | None = None,
) -> Drawing:
    """A square of 12 × 12 shares in 0..1, rows from the top, each box as opaque as its share.

    ``labels``: of rows and columns; ``words``: title, description; ``marks``: outlined boxes, their letters.
    """
    figure, axes = canvas(4.4, 4.4)
    heatmap(axes, pd.DataFrame(shares), face)
    axes.set(ylabel=labels[0], xlabel=labels[1], aspect="equal")
    for (row, column), letter in (marks or {}).items():
        axes.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=INK, linewidth=1.6))
        axes.text(column + 0.5, row + 0.55, letter, ha="center", va="center", fontsize=10)
    return draw(figure, *words)


@styled
def plane_drawing(points: Mapping[str, complex], omega: int, title: str) -> Drawing:
    """The complex plane of Eq. 2, at ``omega`` 7 or 1, with a named dot a profile; C lies at 1."""
    figure, axes = _plane(omega)
    for size, (view, point) in zip((130, 85, 40), points.items(), strict=True):
        axes.plot([0, point.real], [0, point.imag], color=VIEW_COLOURS[view], alpha=0.5, linewidth=1)
        how: dict[str, Any] = {"color": VIEW_COLOURS[view], "label": VIEW_NAMES[view], "zorder": 3}
        axes.scatter(point.real, point.imag, s=size, **how)
    figure.legend(**_LEGEND)
    at = (
        f"{VIEWS[view]}: length {abs(point):.2f} at {round(np.degrees(np.angle(point))) % 360} degrees"
        for view, point in points.items()
    )
    return draw(figure, title, f"Points in the complex plane, unit circle drawn. {'; '.join(at)}.")


@styled
def terms_drawing(terms: Mapping[str, Term], omega: int, title: str) -> Drawing:
    """Cross-powers (Eq. 4) as filled marks and where Eq. 5 wants them as crosses, joined by a line."""
    figure, axes = _plane(omega, named=False)
    for (name, term), marker in zip(terms.items(), "osD", strict=True):
        line, written = np.array([term.power, term.target]), f"$L_{{{name[-2:]}}}$"
        axes.plot(line.real, line.imag, color=INK, linewidth=1)
        axes.plot(line[1].real, line[1].imag, "x", color=INK, markersize=9)
        axes.plot(line[0].real, line[0].imag, marker, color=INK, markersize=7, alpha=0.6, label=written)
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


def _compact(drawing: Drawing) -> Drawing:
    """The same drawing in less than half of its bytes: places to a tenth of a point."""
    shorter = re.sub(r"(-?\d+)\.(\d)\d+", r"\1.\2", re.sub(r" \n(?=[LMz])", " ", drawing.svg))
    return replace(drawing, svg=shorter)


def _draw_log_vqt(axes: Axes, values: Float[np.ndarray, "bins frames"], named: bool) -> None:
    """The cells of a log-VQT in three steps of darkness; with the names of the notes if it begins at A0."""
    bins, frames = values.shape
    cells = values[:, : frames // FRAMES_PER_CELL * FRAMES_PER_CELL]
    means = cells.reshape(bins, -1, FRAMES_PER_CELL).mean(axis=2)
    for level in np.quantile(means, LOUDER_THAN):
        axes.add_patch(PathPatch(_runs(means >= level), facecolor=INK, alpha=0.3, linewidth=0))
    axes.set_xlabel("seconds")
    if named:
        axes.set_yticks(range(3, 99, 12), [f"C{octave}" for octave in range(1, 9)], fontsize=9)
    else:
        axes.set(yticks=range(0, 85, 12), ylabel="bin")


def _runs(loud: np.ndarray) -> Path:
    rows, edges = np.nonzero(np.diff(np.pad(loud, ((0, 0), (1, 1))).astype(int), axis=1))
    low, (left, right) = rows[::2], edges.reshape(-1, 2).T * FRAMES_PER_CELL * _SECONDS
    corners = [(left, low), (right, low), (right, low + 1), (left, low + 1)]
    return Path.make_compound_path_from_polys(np.transpose(corners, (2, 0, 1)))


def _draw_frame(axes: Axes, view: str, start: int, lowest: int) -> None:
    """The box of one view in the whole log-VQT, with its name: of the moved view in the opposite corner."""
    moved, edge = view == "a_moved", VIEW_COLOURS[view]
    inset = 0.25 if moved else 0.08
    left, width = start * _SECONDS + inset, SEGMENT_FRAMES * _SECONDS - 2 * inset
    how: dict[str, Any] = {"fill": False, "edgecolor": edge, "linewidth": 2, "zorder": 3}
    axes.add_patch(Rectangle((left, lowest), width, CROPPED_BINS, **how))
    corner = (left + width - 0.3, lowest + CROPPED_BINS - 1) if moved else (left + 0.3, lowest + 1)
    sides: dict[str, Any] = {"ha": "right", "va": "top"} if moved else {"ha": "left", "va": "bottom"}
    axes.text(*corner, VIEW_NAMES[view], color=edge, fontsize=13, zorder=4, **sides)


def largest(shares: Sequence[float]) -> str:
    """Where a profile, along the circle of fifths, is largest, in words."""
    best = int(np.argmax(shares))
    return f"largest at the signature of {SIGNATURE_LABELS[best]} major, {shares[best]:.2f}"


def _plane(omega: int, named: bool = True) -> tuple[Figure, Axes]:
    """Unit circle, axes, and the twelve places with their names; also returns the axes."""
    figure, axes = bare(3.6, 4.0, 1.38, below=0.1)
    axes.add_patch(Circle((0, 0), 1, fill=False, edgecolor=INK, alpha=0.3))
    for begin, end in (((-1.1, 1.1), (0, 0)), ((0, 0), (-1.1, 1.1))):
        axes.plot(begin, end, color=INK, alpha=0.15, linewidth=0.8)
    for name, place in zip(TONIC_NAMES, dft(torch.eye(12), omega).tolist(), strict=True):
        axes.plot(place.real, place.imag, ".", color=INK, alpha=0.35, markersize=4)
        if named:
            axes.text(1.2 * place.real, 1.2 * place.imag, name, ha="center", va="center", fontsize=9)
    return figure, axes
