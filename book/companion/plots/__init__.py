"""Figures for light and dark pages: one colour a system, keys along the circle of fifths, exact bytes."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Any

import matplotlib
import numpy as np
import pandas
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.answers import Evaluation
from companion.paper import PaperNumber, label, papers_numbers
from companion.scores import REFERENCE, is_right, is_signature
from companion.systems import SYSTEMS
from skey.keys import CIRCLE_OF_FIFTHS, SIGNATURES_BY_FIFTHS, TONIC_NAMES, Notation, format_key
from skey.metrics import confusion_matrix, signature_confusion

MODE_COLOURS: Mapping[str, str] = {"major": "#009e73", "minor": "#d55e00"}  # in figures without systems
INK = "#010203"  # stands for the colour of the surrounding text while a figure is drawn

STYLE: dict[Any, Any] = {  # text stays text, everything neutral takes the ink, on the page's own ground
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.titlesize": 13,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}

KEY_LABELS = tuple(format_key(key, Notation.SHORT) for key in CIRCLE_OF_FIFTHS)
SIGNATURE_LABELS = tuple(TONIC_NAMES[signature] for signature in SIGNATURES_BY_FIFTHS)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure as SVG, inline in notebook and book; ``description``: for those who do not see it.

    ``width``: its least width on a page, in pixels.
    """

    svg: str
    title: str
    description: str
    width: int

    def _repr_html_(self) -> str:
        return f'<div class="companion-figure">{self.inline()}</div>'

    def inline(self) -> str:
        """SVG for the middle of an HTML page: neutral parts take the text's colour."""
        return self.svg.replace(INK, "currentColor")

    def standalone(self) -> str:
        """SVG for a file of its own: neutral parts follow the reader's preference for light or dark."""
        style = "<style>svg{color:#1f2328}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}</style>"
        return re.sub(r"(<svg[^>]*>)", lambda tag: tag[1] + style, self.inline(), count=1)


def side_by_side(drawings: Sequence[Drawing]) -> str:
    """Several drawings with their titles as HTML: as many beside each other as the page has room for."""
    widest = max((each.width for each in drawings), default=0)
    figures = (
        f'<figure class="companion-figure">{each.inline()}'
        f"<figcaption>{escape(each.title)}</figcaption></figure>"
        for each in drawings
    )
    return f'<div class="companion-grid" style="--widest: {widest}px">{"".join(figures)}</div>'


def draw(figure: Figure, title: str, description: str) -> Drawing:
    """A drawing whose bytes depend on its content alone; ``title`` tells the drawings of one page apart."""
    buffer = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    svg = re.sub(r"^.*?(?=<svg)|\s*<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    svg = re.sub(r'\s*<path d="[^"]*"( clip-path="[^"]*")? style="fill: none"/>', "", svg)  # empty cells
    svg = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", svg)
    # Matplotlib names an area by all bits of its size, and the last one is not the same in every Python.
    for number, name in enumerate(re.findall(r'<clipPath id="(\w+)"', svg)):
        svg = svg.replace(name, f"area-{number}")
    prefix = re.sub(r"[^\w+−]+", "-", title.lower()).strip("-")  # identifiers are of this figure alone
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    # A point of the figure is never less than a pixel of the page: narrow pages scroll, text stays legible.
    width, name = round(72 * figure.get_figwidth()), escape(f"{title}. {description}")
    tag = f'<svg style="min-width: {width}px" role="img" aria-label="{name}"'
    return Drawing(svg.replace("<svg", tag, 1), title, description, width)


def colour(system: str) -> str:
    """The colour of a system."""
    return SYSTEMS[system].colour


styled = matplotlib.rc_context(STYLE)  # decorates what draws
LEAST_SHARE = 0.01  # less than this is not drawn


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches with one pair of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def bare(width: float, height: float, reach: float, below: float = 0.0) -> tuple[Figure, Axes]:
    """The same without frame and ticks, for a circle; ``below``: the share of the height for a legend."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, below, 1, 1 - below))
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.set_axis_off()
    return figure, axes


def shades(face: str) -> matplotlib.colors.Colormap:
    """From almost transparent to a colour, so that small shares are faint on light and on dark pages."""
    rgb = matplotlib.colors.to_rgb(face)
    return matplotlib.colors.LinearSegmentedColormap.from_list(face, [(*rgb, 0.08), (*rgb, 1.0)])


def heatmap(axes: Axes, shares: pandas.DataFrame, face: str) -> None:
    """A table of shares in 0..1, each cell as opaque as its share, with its labels."""
    how: dict[str, Any] = {"cbar": False, "xticklabels": True, "yticklabels": True, "ax": axes}
    sns.heatmap(shares, mask=shares < LEAST_SHARE, vmin=0, vmax=1, cmap=shades(face), **how)
    axes.tick_params(length=0, labelsize=9)
    axes.tick_params(axis="y", rotation=0)


def shade(axes: Axes, edges: tuple[np.ndarray, np.ndarray], shares: np.ndarray, face: str) -> None:
    """The same between given edges along x and y."""
    seen = np.ma.masked_less(shares, LEAST_SHARE)
    axes.pcolormesh(*edges, seen, vmin=0, vmax=1, cmap=shades(face), edgecolors="none", linewidth=0)


def confusion_drawing(answers: pandas.DataFrame, system: str) -> Drawing:
    """Where the keys go: rows the reference, columns the answer (Figure 4, STONE)."""
    references, said = list(answers[REFERENCE]), list(answers[system])
    if is_signature(said):
        answered = answers[answers[system].notna()]
        matrix = signature_confusion(list(answered[REFERENCE]), list(answered[system]))
        columns = SIGNATURE_LABELS
    else:
        matrix, columns = confusion_matrix(references, said), KEY_LABELS
    counts = pandas.DataFrame(matrix, KEY_LABELS, columns)
    right = sum(map(is_right, references, said))
    return heatmap_drawing(
        counts.div(counts.sum(axis="columns").clip(lower=1), axis="index"),
        system,
        f"Confusion matrix of {len(answers)} tracks along the circle of fifths, {right} of them right.",
    )


@styled
def heatmap_drawing(shares: pandas.DataFrame, system: str, description: str = "") -> Drawing:
    """A table of shares in the colour of a system; rows are references, columns answers."""
    figure = Figure(figsize=(4.4, 4.4))
    axes = figure.add_axes((0.15, 0.14, 0.84, 0.85))
    heatmap(axes, shares, colour(system))
    axes.set(xlabel="answer", ylabel="reference")
    for row in range(0, 25, 2):
        axes.axhline(row, color=INK, alpha=0.15, linewidth=0.6)
        axes.axvline(row * shares.shape[1] / 24, color=INK, alpha=0.15, linewidth=0.6)
    diagonal = 100 * np.trace(shares.to_numpy()) / max(1, (shares.sum(axis=1) > 0).sum())
    said = f"Answers along the circle of fifths; {diagonal:.0f} % lie on the diagonal, the mean over keys."
    return draw(figure, label(system), description or said)


@styled
def scores_drawing(table: Evaluation, metric: str, title: str) -> Drawing:
    """Each system's score with its 95 % interval, a row a system and a panel a part of the data."""
    systems, parts = table.scored(metric), list(dict.fromkeys(table.scores.part))
    scores = table.scores[table.scores.metric == metric]
    names = _names(systems)
    rows = 0.2 + sum(0.12 + 0.16 * (1 + name.count("\n")) for name in names)
    figure = Figure(figsize=(7.2, 0.7 + rows), layout="constrained")
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    for axes, part in zip(panels, parts, strict=True):
        _draw_scores(axes, scores[scores.part == part].set_index("system").reindex(systems))
        axes.set_title(part, fontsize=10)
    panels[0].set_yticks(range(len(systems)), names, fontsize=9)
    _draw_papers(panels[0], systems, papers_numbers(metric))
    figure.supxlabel("%", fontsize=10)
    whole = scores[scores.part == "all"].set_index("system").value[systems]
    spoken = "; ".join(f"{label(str(name))}: {value:.1f} %" for name, value in whole.items())
    return draw(figure, title, f"{spoken}.")


@styled
def few_scores_drawing(
    panels: Mapping[str, tuple[pandas.DataFrame, Mapping[str, PaperNumber]]], title: str
) -> Drawing:
    """Few systems, the paper's value a diamond; ``panels``: title → our scores, and the papers' numbers."""
    rows = [len(scores) for scores, _ in panels.values()]
    figure = Figure(figsize=(7.2, 0.62 * len(rows) + 0.28 * sum(rows)))
    grid = {"height_ratios": rows, "left": 0.32, "right": 0.78, "top": 0.93, "bottom": 0.06, "hspace": 0.36}
    spoken = []
    for axes, (name, (scores, papers)) in zip(
        figure.subplots(len(rows), 1, gridspec_kw=grid), panels.items(), strict=True
    ):
        _draw_scores(axes, scores)
        axes.set_title(name, fontsize=11)
        axes.set_yticks(range(len(scores)), _names(scores.index), fontsize=9)
        here = scores.value.map("{:.1f}".format)
        printed = [f"{papers[name].percent:g}" if name in papers else "" for name in scores.index]
        for place, head, column in ((112, "here", here), (131, "paper", printed)):
            for row, text in enumerate([head, *column], start=-1):
                axes.text(place, row, text, ha="center", va="center", fontsize=10)
        _draw_papers(axes, list(scores.index), papers)
        spoken += [f"{label(str(system))}: {text} %" for system, text in here.items()]
    return draw(figure, title, f"{'; '.join(spoken)}.")


def _names(systems: Iterable[Any]) -> list[str]:
    return ["\n".join(wrap(label(str(system)), 30)) for system in systems]


def _draw_scores(axes: Axes, scores: pandas.DataFrame) -> None:
    rows, colours = np.arange(len(scores)), [colour(system) for system in scores.index]
    axes.hlines(rows, scores.low, scores.high, color=colours, linewidth=2)
    axes.scatter(scores.value, rows, color=colours, s=16, zorder=3)
    axes.set(xlim=(0, 100), ylim=(len(scores) - 0.5, -0.5), xticks=(25, 50, 75))
    axes.grid(axis="both", color=INK, alpha=0.12, linewidth=0.6)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0, labelsize=9)


def _draw_papers(axes: Axes, systems: Sequence[str], papers: Mapping[str, PaperNumber]) -> None:
    quoted = [(papers[system].percent, row) for row, system in enumerate(systems) if system in papers]
    axes.plot(*np.transpose(quoted or [(np.nan, 0)]), "D", color=INK, mfc="none", markersize=5)


@styled
def logo() -> Drawing:
    """Of the book: a profile that falls off evenly with the fifths on both sides of C, as twelve dots."""
    figure, axes = bare(2.0, 2.0, 1.45)
    fifths = np.arange(12)
    sizes = 30 + 900 * np.exp(-np.minimum(fifths, 12 - fifths) / 1.5)
    angles = 2 * np.pi * fifths / 12
    axes.scatter(np.sin(angles), np.cos(angles), s=sizes, color=colour("krumhansl"), linewidths=0)
    return draw(figure, "skey companion", "Twelve dots on the circle of fifths, the largest on top.")
