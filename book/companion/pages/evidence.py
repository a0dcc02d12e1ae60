"""Figures and players of the pages on degradation and confidence."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from companion.observations import Entries
from companion.pages.listening import clip_file, player
from companion.paper import label
from companion.plots import INK, Drawing, canvas, colour, draw, side_by_side, styled
from companion.scores import Answer, format_answer, is_right
from companion.studies import reliability, robustness
from companion.studies.robustness import CLEAN, EFFECTS, condition
from skey.corpus.plan import Clip
from skey.keys import Key

HEARD = tuple(name for name in EFFECTS if name != "length")  # the effects that have players


def small(drawings: Sequence[Drawing]) -> str:
    """Drawings side by side, two to a column of text, as HTML."""
    return f'<div class="companion-small">{side_by_side(drawings)}</div>'


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
    players, said = "", {}
    for strength in (None, *known.shown):
        name = condition(effect, strength)
        word = CLEAN if strength is None else f"{strength:g} {known.unit}".replace("-", "−")
        file = f"study-{clip.id}-{name.replace(' -', ' minus ')}"
        players += player(clip_file(partial(robustness.render, clip, effect, strength), file), word)
        said[word] = {
            label(system): _marked(reference, robustness.answers(entries, system, name)[place])
            for system in robustness.systems_of(entries)
        }
    table = pd.DataFrame(said).to_html(escape=False, border=0, classes="table")
    heading = f"<h3>{known.title}: {reference}</h3>"
    return f'{heading}<div class="companion-three">{players}</div><div class="companion-heard">{table}</div>'


def _marked(reference: Key, answer: Answer) -> str:
    text = format_answer(answer) or "–"
    return f"<strong>{text}</strong>" if is_right(reference, answer) else text


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
