"""Figures of the method: log-VQTs with their crops, profiles, the matrix of key signature and mode, grids."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from torch import Tensor

from companion.plots import INK, MODE_COLOURS, SIGNATURE_LABELS, Drawing, canvas, draw, heatmap, styled
from skey.inference.filters import CROPPED_BINS, HOP
from skey.keys import SIGNATURES_BY_FIFTHS
from skey.shapes import Float
from skey.vqt import SEGMENT_FRAMES

VIEW_COLOURS: Mapping[str, str] = {"a": "#0072b2", "b": "#009e73", "a_moved": "#d55e00"}
"""The three views of Figure 1, in every figure that shows them."""

VIEW_NAMES: Mapping[str, str] = {"a": "$T_c A$", "b": "$T_c B$", "a_moved": "$T_{c+k} A$"}
"""The same as matplotlib writes them."""

FRAMES_PER_CELL = 16
"""Frames of a log-VQT that are averaged into one cell of a picture: a third of a second or so."""

LOUDER_THAN = (0.7, 0.85, 0.95)
"""Shares of the cells that are quieter than those from which on a cell is drawn darker by another step."""

_SECONDS = HOP / 22_050


@styled
def clip_drawing(segments: Float[Tensor, "2 99 frames"], c: int, k: int, title: str) -> Drawing:
    """A whole clip with the frames of the three views in it.

    ``segments``: log-VQTs of A and B; ``c``: crop of the pair, in semitones; ``k``: how much further the
    third view is cropped.
    """
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
def profile_drawing(profile: Float[Tensor, "12"], colour: str, heading: str, title: str) -> Drawing:
    """A key signature profile as bars along the circle of fifths; `profile` is by pitch class, C first."""
    shares = profile[list(SIGNATURES_BY_FIFTHS)].tolist()
    figure, axes = canvas(3.4, 2.0)
    axes.bar(range(12), shares, color=colour)
    axes.set_xticks(range(12), SIGNATURE_LABELS, fontsize=9)
    axes.set(ylim=(0, 1), xlim=(-0.6, 11.6))
    axes.set_title(heading, color=colour)
    axes.tick_params(axis="x", length=0)
    return draw(figure, title, f"{_largest(shares)}.")


@styled
def structure_drawing(
    y: Float[Tensor, "12 2"], sums: tuple[Float[Tensor, "12"], Float[Tensor, "2"]], title: str
) -> Drawing:
    """The matrix Y with its sums over modes, beside it, and over key signatures, below (Figure 2, STONE).

    ``y``: rows by pitch class of their major key, C first; columns major and minor. ``sums``: lambda and mu,
    as Eq. 13 and 14 compute them.
    """
    signatures, modes = sums
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
    return draw(figure, title, f"Sum over modes: {_largest(by_fifths)}. Sum over signatures: {spoken}.")


@styled
def grid_drawing(
    shares: Float[np.ndarray, "12 12"],
    labels: tuple[str, str],
    face: str,
    words: tuple[str, str],
    marks: Mapping[tuple[int, int], str] | None = None,
) -> Drawing:
    """A square of twelve by twelve shares in 0..1, rows from the top, each box as opaque as its share.

    ``labels`` are those of the axes, that of the rows first; ``face`` is the colour of the boxes; ``words``
    are title and description; ``marks``: (row, column) → a letter to write into the box, which is outlined.
    """
    figure, axes = canvas(4.4, 4.4)
    heatmap(axes, pd.DataFrame(shares), face)
    axes.set(ylabel=labels[0], xlabel=labels[1], aspect="equal")
    for (row, column), letter in (marks or {}).items():
        axes.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=INK, linewidth=1.6))
        axes.text(column + 0.5, row + 0.55, letter, ha="center", va="center", fontsize=10)
    return draw(figure, *words)


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
    """Rectangles over the runs of loud cells, as one path."""
    vertices: list[tuple[float, float]] = []
    for row, cells in enumerate(loud):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], cells.astype(int), [0]])))
        for begin, end in edges.reshape(-1, 2) * FRAMES_PER_CELL * _SECONDS:
            corners = [(begin, row), (end, row), (end, row + 1), (begin, row + 1), (begin, row)]
            vertices += [(float(x), float(y)) for x, y in corners]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * (len(vertices) // 5)
    return Path(vertices or [(0, 0)], codes or [Path.MOVETO])


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


def _largest(shares: Sequence[float]) -> str:
    """Which signature is the largest, in words; shares along the circle of fifths."""
    best = int(np.argmax(shares))
    return f"largest at the signature of {SIGNATURE_LABELS[best]} major, {shares[best]:.2f}"
