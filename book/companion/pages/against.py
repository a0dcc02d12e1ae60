"""Our weights against the released ones: which pairs, and their differences as a figure."""

from collections.abc import Sequence

import pandas as pd

from companion.answers import Evaluation
from companion.plots import INK, Drawing, canvas, colour, draw, styled
from companion.scores import Pair, differences, parts_of
from skey.weights import DEFAULT

PAIRS = (  # who is compared with whom
    Pair(DEFAULT, "released-skey", "mirex"),
    Pair("skey-fifths", "released-skey", "mirex"),
    Pair("skey-fifths", "released-skey", "ksea"),
    Pair("skey", "released-skey", "mirex"),
    Pair("skey-400", "released-skey", "mirex"),
    Pair("stone", "released-stone12", "ksea"),
    Pair("stone-no-cpsd", "released-stone12", "ksea"),
    Pair("semitone", "released-semitone24", "mirex"),
    Pair(DEFAULT, "released-semitone24", "mirex"),
    Pair("supervised", "released-skey", "mirex"),
    Pair(DEFAULT, "supervised", "mirex"),
    Pair(DEFAULT, "k10", "mirex"),
    Pair(DEFAULT, "krumhansl", "mirex"),
    Pair(DEFAULT, "temperley-peaks", "mirex"),
)

MARKERS = "os^Dv<>PX*dphH"  # one a pair: they tell pairs apart whose first system is the same


def pairs_of(table: Evaluation) -> list[Pair]:
    """The pairs of which both systems were asked."""
    return [pair for pair in PAIRS if {pair.ours, pair.other} <= set(table.systems)]


@styled
def differences_drawing(answers: pd.DataFrame, pairs: Sequence[Pair], title: str) -> Drawing:
    """Each pair's difference on all tracks and on each part: right of zero ours scores more."""
    parts, spoken = list(parts_of(answers)), []
    figure, axes = canvas(7.2, 1.0 + 0.17 * ((len(pairs) + 1) * len(parts) + len(pairs)))
    for place, (pair, marker) in enumerate(zip(pairs, MARKERS, strict=False)):
        found = pd.DataFrame(list(differences(answers, pair).values()))
        rows, face = found.index + 0.8 * ((place + 0.5) / len(pairs) - 0.5), colour(pair.ours)
        axes.hlines(rows, found.low, found.high, color=face, linewidth=2)
        axes.plot(found.value, rows, marker, color=face, markersize=6, label=pair.in_words())
        spoken.append(f"{pair.in_words()}: {found.value[0]:+.1f}")
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(parts)), parts)
    axes.set(ylim=(len(parts) - 0.5, -0.5), xlabel="percentage points")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for line in range(1, len(parts)):
        axes.axhline(line - 0.5, color=INK, alpha=0.15, linewidth=0.6)
    figure.legend(loc="outside upper center", ncols=1, frameon=False, fontsize=9)
    return draw(figure, title, f"On all tracks, in points: {'; '.join(spoken)}.")
