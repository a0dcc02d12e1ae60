"""Tables and players of the pages on degradation, confidence and disagreement."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from companion.observations import Entries
from companion.pages.listening import RELATION_WORDS, clip_file, listen, player
from companion.pages.tables import markdown_table, with_interval
from companion.paper import label
from companion.plots import Drawing, side_by_side
from companion.plots.evidence import scored_systems
from companion.plots.profile import key_rings
from companion.scores import REFERENCE, Answer, format_answer, is_right, percent, systems_in
from companion.studies import disagreement, reliability, robustness
from companion.studies.robustness import CLEAN, EFFECTS, condition, score_change, score_points
from skey.corpus.plan import Clip
from skey.datasets import Dataset
from skey.keys import KEYS, Key, relation
from skey.metrics import bootstrap_interval

HEARD = tuple(name for name in EFFECTS if name != "length")  # the effects that have players
LEAST = (0.0, 0.5, 0.7, 0.9)  # confidences below which answers are withheld, for the table


def small(drawings: Sequence[Drawing]) -> str:
    """Drawings side by side, two to a column of text, as HTML."""
    return f'<div class="companion-small">{side_by_side(drawings)}</div>'


# Degradation


def changes_table(entries: Entries, metric: str, word: str) -> str:
    """Each system's clean score in percent, and what each effect changes at its strongest, in points."""
    strongest = {name: effect.shown[-1] for name, effect in EFFECTS.items()}
    header = [f"{word}, %", CLEAN, *(f"{name}<br>{strongest[name]:g}" for name in EFFECTS)]
    rows = []
    for system in scored_systems(entries, metric):
        clean = percent(bootstrap_interval(score_points(entries, system, CLEAN, metric)))
        changes = (score_change(entries, system, name, strongest[name], metric) for name in EFFECTS)
        rows.append([label(system), with_interval(clean), *(with_interval(each, "+.1f") for each in changes)])
    return markdown_table(header, rows)


def degradation_numbers(entries: Entries) -> dict[str, float]:
    """Numbers for the prose: how many clips, how long they and the room are."""
    return {
        "clips": float(len(entries["clips"]["keys"])),
        "seconds": robustness.SECONDS,
        "room": robustness.ROOM_SECONDS,
    }


def telling_clip(entries: Entries) -> int:
    """The clip of which the strengths that are heard turn most right answers wrong; the first of several."""
    references, systems = robustness.references(entries), robustness.systems_of(entries)
    names = [condition(effect, strength) for effect in HEARD for strength in EFFECTS[effect].shown]

    def right(system: str, name: str) -> np.ndarray:
        return np.array(list(map(is_right, references, robustness.answers(entries, system, name))))

    lost = sum((right(each, CLEAN) & ~right(each, name)).astype(int) for each in systems for name in names)
    return int(np.argmax(lost))


def strengths_heard(entries: Entries, clip: Clip, place: int) -> str:
    """For each effect a clip at three strengths, none, middling and strong, with all answers, as HTML."""
    return "".join(_effect_heard(entries, clip, place, effect) for effect in HEARD)


def _effect_heard(entries: Entries, clip: Clip, place: int, effect: str) -> str:
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
            rows[system] += _answer_cell(reference, robustness.answers(entries, system, name)[place])
    lines = "".join(f"<tr>{cells}</tr>" for cells in (head, *rows.values()))
    table = f'<div class="companion-heard"><table class="table">{lines}</table></div>'
    return f'<h3>{known.title}: {reference}</h3><div class="companion-three">{players}</div>{table}'


def _answer_cell(reference: Key, answer: Answer) -> str:
    text = format_answer(answer) or "–"
    return f"<td><strong>{text}</strong></td>" if is_right(reference, answer) else f"<td>{text}</td>"


# Confidence


def calibration_table(judged: Mapping[str, pd.DataFrame]) -> str:
    """Each system's mean confidence, the share that is right, the expected calibration error, in percent."""
    rows = [
        [
            label(system),
            str(len(answers)),
            f"{100 * answers.confidence.mean():.1f}",
            with_interval(percent(reliability.share(answers.right))),
            with_interval(percent(reliability.error_interval(answers))),
        ]
        for system, answers in judged.items()
    ]
    header = ["", "Clips", "Mean confidence, %", "Right, %", "Expected calibration error, %"]
    return markdown_table(header, rows)


def withholding_table(judged: Mapping[str, pd.DataFrame]) -> str:
    """By the least confidence: share of clips with an answer, and share of those answers that is right."""
    rows = []
    for system, answers in judged.items():
        cells = []
        for coverage, right in (reliability.withheld_below(answers, least) for least in LEAST):
            cells.append(f"{100 * coverage:.0f} % answered<br>{with_interval(right and percent(right))}")
        rows.append([label(system), *cells])
    return markdown_table(["Withheld below", "nothing", *map(str, LEAST[1:])], rows)


def confidence_numbers(entries: Entries) -> dict[str, float]:
    """Numbers for the prose: how many clips were asked about, heard, and got no key."""
    heard = [each for each in entries["clips"]["no_key"] if each is not None]
    asked = len(entries["clips"]["keys"])
    return {"clips": float(asked), "heard": float(len(heard)), "without_key": float(sum(heard))}


def keyless_table() -> str:
    """Sounds that have no key, and what the estimator says of each."""
    sounds = reliability.keyless_sounds().items()
    rows = ([name, str(reliability.reason_for_no_key(wave))] for name, wave in sounds)
    return markdown_table(["Sound", "Why it gets no key"], rows, text=2)


# Disagreement


def unanimity_table(answers: pd.DataFrame) -> str:
    """By how many different keys the systems name: clips, and how often most systems, or any, are right."""
    rows = [
        [str(number), str(tracks), f"{100 * most / tracks:.0f}", f"{100 * some / tracks:.0f}"]
        for number, tracks, most, some in disagreement.unanimity(answers).itertuples()
    ]
    header = ["Different answers", "Clips", "the most frequent answer is right, %", "some answer is right, %"]
    return markdown_table(header, rows)


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


def disagreed_clip(answers: pd.DataFrame, dataset: Dataset, row: int, heard: Entries) -> str:
    """One clip: player, every system's answer, the circle of fifths of each network on record, as HTML."""
    track, reference = answers.index[row], answers[REFERENCE].iloc[row]
    piece = track.split("#")[0].split("/", 1)[-1]
    drawings = []
    for system, profiles in heard.items():
        if track in profiles:
            said = RELATION_WORDS[relation(reference, KEYS[int(np.argmax(profiles[track]))])]
            drawings.append(key_rings(profiles[track], f"{label(system)}: {piece}, {said}"))
    others = [name for name in systems_in(answers) if name not in disagreement.VOTERS]
    shown = listen(answers.drop(columns=others), dataset, [row])
    return shown + (small(drawings) if drawings else "")


def disagreement_numbers(answers: pd.DataFrame) -> dict[str, float]:
    """Numbers for the prose: how many systems vote, on how many clips they agree or name most keys."""
    different = disagreement.different_answers(answers)
    votes = disagreement.unanimity(answers).reindex([1], fill_value=0)
    together, right = votes[["tracks", "most"]].iloc[0]
    return {
        "voters": float(disagreement.voters(answers).shape[1]),
        "clips": float(len(different)),
        "unanimous": float(together),
        "unanimous_right": 100 * right / max(together, 1),
        "most_different": float(max(different)),
    }
