"""Figures, tables and players of the pages on degradation, confidence and disagreement."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from companion.observations import Entries
from companion.pages.listening import clip_file, player
from companion.pages.tables import markdown_table, with_interval
from companion.paper import label
from companion.plots import INK, Drawing, canvas, colour, draw, side_by_side, styled
from companion.scores import REFERENCE, format_answer, is_right, percent
from companion.studies import disagreement, reliability, robustness
from companion.studies.robustness import CLEAN, EFFECTS, condition, score_change, score_points
from skey.corpus.plan import Clip
from skey.metrics import bootstrap_interval

HEARD = tuple(name for name in EFFECTS if name != "length")  # the effects that have players


def small(drawings: Sequence[Drawing]) -> str:
    """Drawings side by side, two to a column of text, as HTML."""
    return f'<div class="companion-small">{side_by_side(drawings)}</div>'


# Degradation


def changes_table(entries: Entries, metric: str, word: str) -> str:
    """Each system's clean score in percent, and what each effect changes at its strongest, in points."""
    strongest = {name: effect.shown[-1] for name, effect in EFFECTS.items()}
    header = [f"{word}, %", CLEAN, *(f"{name}<br>{strongest[name]:g}" for name in EFFECTS)]
    rows = []
    for system in robustness.systems_of(entries, metric):
        clean = percent(bootstrap_interval(score_points(entries, system, CLEAN, metric)))
        changes = (score_change(entries, system, name, strongest[name], metric) for name in EFFECTS)
        rows.append([label(system), with_interval(clean), *(with_interval(each, "+.1f") for each in changes)])
    return markdown_table(header, rows)


def effect_drawings(entries: Entries, metric: str, word: str) -> list[Drawing]:
    """A legend, then a figure for each effect, to stand side by side."""
    figures = [effect_drawing(entries, effect, metric, word) for effect in EFFECTS]
    return [legend_drawing(robustness.systems_of(entries, metric), f"{word}: systems"), *figures]


@styled
def effect_drawing(entries: Entries, effect: str, metric: str, word: str) -> Drawing:
    """A score against an effect's strength; grey: the corpus' *hard* level; thin line: the clean sound."""
    known, said = EFFECTS[effect], []
    places = robustness.positions(known)
    figure, axes = canvas(3.8, 3.0)
    if hard := robustness.spread(known):
        axes.axvspan(*hard, color=INK, alpha=0.07, linewidth=0)
    axes.axvline(places[known.scale.index(known.untouched)], color=INK, alpha=0.3, linewidth=0.8)
    for name in robustness.systems_of(entries, metric):
        curve = pd.DataFrame(robustness.score_curve(entries, name, effect, metric))
        axes.fill_between(places, curve.low, curve.high, color=colour(name), alpha=0.1, linewidth=0)
        axes.plot(places, curve.value, "o-", color=colour(name), linewidth=1.8, markersize=4)
        at = dict(zip(known.scale, curve.value, strict=True))
        ends = [each for each in (known.scale[0], known.scale[-1]) if each not in (None, known.untouched)]
        words = [f"{at[known.untouched]:.0f} % clean", *(f"{at[each]:.0f} % at {each:g}" for each in ends)]
        said.append(f"{label(name)}: {', '.join(words)}")
    names = ["none" if strength is None else f"{strength:g}" for strength in known.scale]
    axes.set_xticks(places, [name.replace("-", "−") for name in names])
    axes.set(ylim=(0, 102), xlabel=known.axis, ylabel=f"{word}, %")
    return draw(figure, f"{word}: {known.title.lower()}", "; ".join(said) + ".")


@styled
def legend_drawing(systems: Sequence[str], title: str) -> Drawing:
    """Which colour is which system."""
    figure = Figure(figsize=(3.8, 3.0))
    how: dict[str, Any] = {"marker": "o", "linewidth": 1.8, "markersize": 4}
    lines = [Line2D([], [], color=colour(name), **how) for name in systems]
    names = [label(name).replace(" (", "\n(") for name in systems]
    figure.legend(lines, names, loc="center left", frameon=False, fontsize=9)
    return draw(figure, title, f"Each in its colour: {', '.join(map(label, systems))}.")


def telling_clip(entries: Entries) -> int:
    """The clip of which the strengths that are heard turn most right answers wrong; the first of several."""
    references, systems = robustness.references(entries), robustness.systems_of(entries)
    names = [condition(effect, strength) for effect in HEARD for strength in EFFECTS[effect].shown]

    def right(system: str, name: str) -> np.ndarray:
        return np.array(list(map(is_right, references, robustness.answers(entries, system, name))))

    lost = sum((right(each, CLEAN) & ~right(each, name)).astype(int) for each in systems for name in names)
    return int(np.argmax(lost))


def effect_heard(entries: Entries, clip: Clip, place: int, effect: str) -> str:
    """A clip without an effect, with a middling and with a strong one, with all answers, as HTML."""
    reference, known = robustness.references(entries)[place], EFFECTS[effect]
    head, players = "<th></th>", ""
    rows = {system: f"<th>{label(system)}</th>" for system in robustness.systems_of(entries)}
    for strength in (None, *known.shown):
        name = condition(effect, strength)
        word = CLEAN if strength is None else f"{strength:g} {known.unit}".replace("-", "−")
        file = f"study-{clip.id}-{name.replace(' -', ' minus ')}"
        players += player(clip_file(partial(robustness.render, clip, effect, strength), file), word)
        head += f"<th>{word}</th>"
        for system in rows:
            answer = robustness.answers(entries, system, name)[place]
            text = format_answer(answer) or "–"
            rows[system] += f"<td>{f'<strong>{text}</strong>' if is_right(reference, answer) else text}</td>"
    lines = "".join(f"<tr>{cells}</tr>" for cells in (head, *rows.values()))
    table = f'<div class="companion-heard"><table class="table">{lines}</table></div>'
    return f'<h3>{known.title}: {reference}</h3><div class="companion-three">{players}</div>{table}'


# Confidence


@styled
def reliability_drawing(system: str, answers: pd.DataFrame) -> Drawing:
    """The share of right answers by class of confidence, with intervals; a dot is as large as its class."""
    found = reliability.classes(answers)
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
        curve = 100 * pd.DataFrame(reliability.coverage_curve(answers), reliability.COVERAGES)
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


# Disagreement


def agreement_table(answers: pd.DataFrame) -> str:
    """On how many clips each pair of systems names the same key, in percent; the diagonal is who is right."""
    voters = disagreement.voters(answers)
    names = [str(name) for name in voters]
    rows = []
    for place, system in enumerate(names):
        cells = [f"{100 * (voters[system] == voters[other]).mean():.0f}" for other in names[:place]]
        right = f"**{100 * (voters[system] == answers[REFERENCE]).mean():.0f}**"
        rows.append([f"{place + 1}. {label(system)}", *cells, right, *[""] * (len(names) - place - 1)])
    return markdown_table(["Same key, %", *(f"{place + 1}." for place in range(len(names)))], rows)
