"""The page on training: curves, the table of runs."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from made_up import ROOT, answers_to

from companion.answers import read_record
from companion.notebooks import NotebookError
from companion.pages import trainings
from companion.paper import label
from companion.plots import colour
from companion.record import RESULTS
from companion.scores import difference, score
from companion.training import FOLDER, TrainingRecord, seconds_in_all, write_run
from skey.experiments import find_experiment
from skey.keys import KEYS


def record(system: str, seed: int, loss: float = 1.0, **settings: Any) -> TrainingRecord:
    """A made-up run that lies on the tonic at first and on the key signature at the end."""
    experiment = asdict(replace(find_experiment(system), **settings))
    has_modes = experiment["architecture"]["outputs"] == 24
    counts = [[10, 0, 0, 0] + [0] * 8, [5, 0, 0, 5] + [0] * 8, [1, 0, 0, 9] + [0] * 8]
    curve: dict[str, Any] = {
        "epoch": [1, 2, 3],
        "signature": [1.0, 0.5, 0.4],
        "validation_signature": [1.1, 0.6, 0.5],
        "validation_loss": [2.0, 1.5, loss],
        "ksea": [0.2, 0.5, 0.8],
        "rows_major": [" ".join(["10"] + ["0"] * 11)] * 3,
        "rows_minor": [" ".join(map(str, row)) for row in counts],
    }
    if has_modes:
        curve |= {"mode": [0.7, 0.6, 0.5], "validation_mode": [0.7, 0.6, 0.5], "mirex": [0.1, 0.4, 0.6]}
    answers = KEYS if has_modes else tuple(key.signature for key in KEYS)
    training = {
        **{"steps": 300, "seconds": 1800, "device": "cpu", "machine": "a machine", "clips": 100},
        **{"labelled_clips": 0, "parameters": 1234, "temperature_clips": 60, "temperature": 0.5},
        "half_precision": True,
    }
    name = f"{system}-s{seed}"
    scores = score(answers_to({name: answers}))
    calibration = {"outputs": 24 if has_modes else 12, "major": 0, "minor": 0}
    frame = pd.DataFrame(curve)
    return TrainingRecord(name, system, seed, experiment, training, "sum", calibration, frame, scores)


def write(runs: Sequence[TrainingRecord], folder: Path) -> None:
    """Put runs on record."""
    for run in runs:
        write_run(folder, run)
    pd.concat([run.scores for run in runs]).to_csv(folder / FOLDER / "scores.csv", index=False)


RUNS = (record("skey", 0, 0.9, batch=16), record("skey", 1, 0.8, batch=16), record("stone", 0, batch=7))


def test_the_last_row_of_a_curve_stands_at_the_last_step():
    assert trainings.steps_of(RUNS[0]).tolist() == [100, 200, 300]


def test_examples_count_each_step_as_often_as_its_batch_is_large_and_those_of_earlier_runs():
    alone = RUNS[2]
    assert trainings.examples_of(alone).tolist() == [700, 1400, 2100]
    later = replace(alone, training={**alone.training, "started_from": {"examples": 50}})
    assert trainings.examples_of(later).tolist() == [750, 1450, 2150]
    imported = replace(alone, training={**alone.training, "started_from": {"examples": None}})
    assert trainings.examples_of(imported).tolist() == [700, 1400, 2100], "nobody knows the earlier ones"


def test_a_system_has_one_colour_and_each_of_its_seeds_a_line():
    drawing = trainings.score_curves(RUNS, "K")
    assert drawing.svg.count(f"stroke: {colour('skey')}") == 4  # two seeds, two scores
    assert drawing.svg.count(f"stroke: {colour('stone')}") == 1
    assert "S-KEY ends at KSEA 80 %, 80 %; S-KEY ends at MIREX" in drawing.description
    assert f"{label('stone')} ends at MIREX" not in drawing.description
    assert [drawing.title.split(":")[0] for drawing in trainings.family_curves(RUNS)] == ["S-KEY", "STONE"]


def test_the_time_of_a_training_counts_the_runs_that_it_started_from():
    first = replace(RUNS[0], weights="first")
    second = replace(RUNS[1], training={**RUNS[1].training, "started_from": {"checksum": "first"}})
    assert seconds_in_all(second, [first, second]) == 3600
    assert seconds_in_all(first, [first, second]) == 1800


def test_a_loss_is_drawn_term_by_term():
    drawing = trainings.loss_curves(RUNS[:2])
    assert "key signature" in drawing.svg and "mode" in drawing.svg and "average of modes" not in drawing.svg
    assert drawing.description.endswith("0.900, 0.800.")


def test_the_rows_over_time_say_where_minor_pieces_lie_at_the_end():
    shares = trainings.shares_by_row(RUNS[0], "minor")
    assert shares[0, 0] == 1 and shares[-1, 3] == pytest.approx(0.9)
    said = trainings.rows_drawing(RUNS[0]).description
    assert "100 % of the major pieces lie on their key signature" in said
    assert "90 % of the minor pieces lie on their key signature; 10 % on their tonic" in said


def test_the_table_of_runs_has_their_commands_and_names_the_chosen_one():
    rows = trainings.runs_table(RUNS).splitlines()[2:]
    assert [row.split("|")[-2].strip() for row in rows] == ["", "yes", "yes"]
    assert "`skey train stone --seed 0 " in rows[2] and " --batch 7 " in rows[2] and "MIREX" not in rows[2]
    on_card = replace(RUNS[2], training={**RUNS[2].training, "device": "cuda:0", "machine": "a card"})
    assert "on a card" in trainings.runs_table([on_card]) and "on a machine" not in trainings.runs_table(RUNS)


def test_a_folder_without_a_training_is_refused(execute, tmp_path):
    with pytest.raises(NotebookError, match=r"ParameterError: .* holds no training"):
        execute("training", records=str(tmp_path))


def test_papermill_draws_the_trainings_of_a_folder(execute, tmp_path):
    write(RUNS, tmp_path)
    text = nbformat.writes(execute("training", records=str(tmp_path)))
    assert text.count('class=\\"companion-figure\\"') == 2 + 2 + 2
    assert "skey-s1" in text


MORE, ALIKE = "more", "alike"  # the paired interval lies above zero, or holds it
SAID = (  # what the findings say of one run beside another, each by its name there
    ("semitone-open", "skey-fifths", "mirex", MORE),
    ("stone-batch-16-s1", "stone-12-epochs", "ksea", ALIKE),
    ("stone-batch-16", "stone-batch-128", "ksea", MORE),
    ("stone-s0", "stone-batch-16", "ksea", ALIKE),
    ("stone-w1-recordings", "always-c-major", "ksea", MORE),
    ("stone-recordings", "stone-w1-recordings", "ksea", MORE),
    ("semitone-open", "semitone-open-36-epochs-s3", "mirex", ALIKE),
    ("stone-no-cpsd-12-epochs", "stone-no-cpsd-4-epochs", "ksea", MORE),
    ("stone-no-cpsd-s0", "stone-no-cpsd-12-epochs", "ksea", ALIKE),
    ("stone24-second", "stone24-s0", "ksea", MORE),
    ("skey-400-s0", "skey-s0", "mirex", MORE),
    ("suptone-10-26-epochs", "suptone-10-s0", "mirex", MORE),
    ("suptone-1-26-epochs", "suptone-1-s0", "mirex", MORE),
    ("semitone-1-26-epochs", "semitone-1-s0", "mirex", MORE),
    ("suptone-10-batch-16", "semitone-10-batch-16", "mirex", MORE),
    ("skey-sharp-s0", "skey-entropy-s0", "ksea", MORE),
    ("skey-sharp-s0", "skey-entropy-batch-16", "ksea", MORE),
    ("skey-entropy-s0", "always-c-major", "ksea", MORE),
    ("skey-first", "skey-first-s1", "ksea", MORE),
    ("skey-first", "skey-first-s2", "ksea", MORE),
    ("skey-first-s2", "always-c-major", "ksea", MORE),
    ("semitone-open", "semitone-open-third", "mirex", ALIKE),
    ("semitone-open-12-epochs", "semitone-open-12-epochs-s1", "mirex", ALIKE),
    ("semitone-open-12-epochs", "semitone-open-12-epochs-s2", "mirex", ALIKE),
)


@pytest.fixture(scope="module")
def answers():
    """The answers of what ships and of all runs."""
    of_runs, shipped = read_record(ROOT / RESULTS / FOLDER).answers, read_record(ROOT / RESULTS).answers
    return of_runs.join(shipped[shipped.columns.difference(of_runs.columns)])


@pytest.mark.parametrize(("first", "second", "metric", "said"), SAID)
def test_the_findings_say_of_two_runs_what_their_answers_say(answers, first, second, metric, said):
    text = (ROOT / "book" / "findings.md").read_text(encoding="utf-8")
    named = {first, second} - {"always-c-major"}  # what is more than this has learnt something
    assert all(name in text or f"`-{name.rsplit('-', 1)[1]}`" in text for name in named)
    found = difference(answers, first, second, metric)
    assert found.low > 0 if said == MORE else found.low <= 0 <= found.high
