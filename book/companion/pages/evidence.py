"""Players of the page on degradation, and small figures side by side."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from companion.observations import Entries
from companion.pages.listening import clip_file, player
from companion.paper import label
from companion.plots import Drawing, side_by_side
from companion.scores import Answer, format_answer, is_right
from companion.studies import robustness
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
