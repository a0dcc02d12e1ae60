"""Figures and numbers of the page on inputs that break key estimators."""

from collections.abc import Mapping

import pandas as pd
import seaborn as sns

from companion.paper import label
from companion.plots import INK, Drawing, canvas, colour, draw, styled
from companion.studies.breaking import FRONTS
from skey.estimator import IN_TUNE_CENTS


def scrolling(table: pd.DataFrame) -> str:
    """A wide table as HTML that scrolls sideways."""
    return f'<div class="companion-figure">{table.fillna("–").to_html(border=0)}</div>'


@styled
def evidence_drawing(sounds: pd.DataFrame, music: pd.DataFrame) -> Drawing:
    """A stroke for each sound, kind by kind, at the evidence for music in it."""
    named = pd.concat([music.assign(kind="music, " + music["kind"]), sounds])
    named = named.assign(evidence=named["evidence"].clip(lower=-9))
    figure, axes = canvas(7.5, 6.5)
    sns.stripplot(
        named,
        x="evidence",
        y="kind",
        hue="keyed",
        legend=False,
        marker="|",
        size=11,
        linewidth=1,
        jitter=False,
        ax=axes,
    )
    axes.axvline(0, color=INK, alpha=0.5, linewidth=0.8)
    axes.set(xlabel="evidence for music (log odds, threshold at 0; without lines at most -9)", ylabel="")
    worst = sounds.sort_values("evidence")["kind"].iloc[-1]
    lowest = music["evidence"].min()
    text = f"The lowest clip of music is at {lowest:.1f}; the highest of the other sounds is of {worst}."
    return draw(figure, "Evidence for music", text)


@styled
def detuning_drawing(curves: pd.DataFrame) -> Drawing:
    """MIREX against the tuning: a colour a system, dashed with the papers' front end."""
    names = dict.fromkeys(curves["system"])
    figure, axes = canvas(7.5, 4.0)
    sns.lineplot(
        curves.assign(system=curves["system"].map(label)),
        **{"x": "cents", "y": "MIREX, %", "hue": "system", "style": "front end", "errorbar": None},
        palette={label(name): colour(name) for name in names},
        style_order=FRONTS[::-1],
        ax=axes,
    )
    axes.set(xlabel="cents from A4 = 440 Hz", ylim=(0, 100))
    mean = curves.groupby(["front end", "cents"])["MIREX, %"].mean()
    told = (f"{front}: {mean[front, 0]:.0f} in tune, {mean[front, 40]:.0f} at 40 cents" for front in FRONTS)
    return draw(figure, "MIREX against the tuning", f"Mean of the systems, {'; '.join(told)}.")


def numbers(sounds: pd.DataFrame, music: pd.DataFrame) -> Mapping[str, float]:
    """What the page says in its sentences."""
    return {
        "sounds": float(len(sounds)),
        "kinds": float(sounds["kind"].nunique()),
        "variants": float(sounds["number"].nunique()),
        "clips": float(len(music)),
        "in_tune": float(IN_TUNE_CENTS),
    }
