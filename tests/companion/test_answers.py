"""The record of answers: written only when something real changed, every number of it compared."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from made_up import Noise, answers_to

from companion.answers import (
    ABOUT,
    ANSWERS,
    SCORES,
    compute,
    evaluate,
    read_answers,
    read_record,
    write_answers,
    write_record,
)
from companion.check import check_answers, compare_records
from companion.datasets import DATASETS, MissingData, Track
from companion.parameters import ParameterError, Parameters, notebook_parameters
from companion.record import RESULTS, RecordError
from companion.scores import (
    difference,
    format_answer,
    interval_of,
    mode_shares,
    parse_answer,
    parts_of,
    score,
    systems_in,
)
from companion.systems import T3
from skey.keys import KEYS, Key
from skey.metrics import Interval


class MadeUp(Noise):
    """Every key four times; the log-VQT says nothing but the key's place in ``KEYS``."""

    features_are_built = True

    def read_tracks(self) -> Sequence[Track]:
        tags = [{"source": source, "level": level} for source in ("a", "b") for level in ("full", "hard")]
        return [Track(f"{key}-{n}", key, f"{key}", None, tag) for n, tag in enumerate(tags) for key in KEYS]

    def require(self) -> None:
        if not self.features_are_built:
            raise MissingData("the features of the made-up corpus are missing")

    def log_vqt(self, track: Track) -> Any:
        self.require()
        assert track.key is not None
        return torch.full((99, 1), float(track.key.index))


class Elsewhere(MadeUp):
    """Other data with the same tracks."""

    name = "elsewhere"


SYSTEMS = {
    "always-c-major": lambda features: KEYS[0],
    "feature-engineering": lambda features: KEYS[int(features[0, 0])].signature,
    "krumhansl": lambda features: KEYS[int(features[0, 0])].relative,
    "temperley": lambda features: KEYS[int(features[0, 0])],
}


@pytest.fixture
def checkout(checkout, monkeypatch):
    """An empty checkout whose open corpus is the made-up one."""
    monkeypatch.setitem(DATASETS, "open-corpus", MadeUp)
    monkeypatch.setitem(DATASETS, "elsewhere", Elsewhere)
    return checkout


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the first test that asks for the record of the made-up systems leaves it."""
    return tmp_path_factory.mktemp("kept") / RESULTS


@pytest.fixture
def recorded(checkout, kept):
    """The record of the made-up systems."""
    if not kept.is_dir():
        shutil.copytree(compute(SYSTEMS, Parameters(recompute=True)).folder, kept)
    return read_record(shutil.copytree(kept, checkout / RESULTS, dirs_exist_ok=True))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()}


def test_all_keys_all_signatures_and_silence_survive_the_csv(tmp_path):
    answers = {
        "keys": KEYS,
        "signatures": tuple(range(12)) * 2,
        "silent": (None,) * 24,
        "some": (None, 3) * 12,
    }
    table = answers_to(answers)
    write_answers(table, tmp_path / "table.csv")
    read = read_answers(tmp_path / "table.csv")
    pd.testing.assert_frame_equal(read, table)
    assert {name: tuple(read[name]) for name in systems_in(read)} == answers
    assert (format_answer(KEYS[15]), format_answer(KEYS[15].signature)) == ("Eb minor", "F#")
    assert parse_answer("A") == 9 and parse_answer("A major") == Key(9, "major")


def test_a_wrong_line_of_the_csv_is_named(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("id,reference,krumhansl\n1,C major,G major\n2,H major,G major\n")
    with pytest.raises(RecordError, match="line 3"):
        read_answers(path)
    path.write_text("id,krumhansl\n1,C major\n")
    with pytest.raises(RecordError, match="expected the columns"):
        read_answers(path)


@pytest.mark.parametrize(
    ("answer", "scores"),
    [
        (lambda key: key.relative, {"mirex": 30, "mirex_ascending": 30, "mode": 0, "ksea": 100}),
        (lambda key: key.transposed(5), {"mirex": 50, "mirex_ascending": 0, "mode": 100, "ksea": 50}),
        (lambda key: (key.signature + 7) % 12, {"ksea": 50}),
    ],
    ids=["the relative key", "a fifth down, which is nothing for mir_eval", "a signature has KSEA alone"],
)
def test_an_answer_has_its_scores(answer, scores):
    found = score(answers_to({"x": [answer(key) for key in KEYS]}))
    assert dict(zip(found.metric, found.value, strict=True)) == pytest.approx(scores)
    assert (found.value == found.low).all() and (found.value == found.high).all()
    assert (interval_of(found, "x", "mirex") is None) == ("mirex" not in scores)


def test_the_tonic_in_minor_is_right_in_minor_alone():
    table = answers_to({"x": [Key(key.tonic, "minor") for key in KEYS], "silent": [None] * 24})
    assert mode_shares(table, ["x", "silent"]).to_numpy().tolist() == [[0, 100, 100], [0, 0, 0]]


def test_every_level_and_source_is_a_part_of_its_own(recorded):
    parts = {name: set(table.index) for name, table in parts_of(recorded.answers).items()}
    assert list(parts) == ["all", "full", "hard", "a", "b"]
    assert parts["full"] | parts["hard"] == parts["a"] | parts["b"] == parts["all"]
    assert {len(parts[name]) for name in ("full", "hard", "a", "b")} == {48}


def test_a_tag_of_a_collection_never_takes_the_place_of_another_part():
    table = answers_to({"x": KEYS}).assign(level=["all", "a"] * 12, source=["a"] + ["b"] * 23)
    assert {name: len(rows) for name, rows in parts_of(table).items()} == {"all": 24, "a": 12, "b": 23}


def test_a_system_is_no_better_than_itself():
    table = answers_to({"a": KEYS, "b": KEYS, "c": [KEYS[0]] * 24})
    assert difference(table, "a", "b", "mirex") == Interval(0.0, 0.0, 0.0)
    assert difference(table, "a", "c", "mirex").low > 0


def test_a_sound_record_passes(recorded):
    assert list(check_answers(recorded.folder)) == []
    assert list(check_answers(recorded.folder, SYSTEMS)) == []
    assert list(check_answers(recorded.folder, SYSTEMS, clips=5)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        (SCORES, "krumhansl,hard,mirex,30", "krumhansl,hard,mirex,31", "krumhansl / hard / mirex / value"),
        (SCORES, "temperley,all,ksea,100.0,1", "temperley,all,ksea,100.0,9", "temperley / all / ksea / low"),
        (ABOUT, '"hash": "', '"hash": "0', "hash: record 0"),
        (ABOUT, '"tracks": 96', '"tracks": 95', "tracks: record 95, the data set gives 96"),
        (ANSWERS, "a,full,C major,C major", "a,full,D major,C major", "C major-0 / reference"),
        (ANSWERS, "a,full,C major,C major", "a,hard,C major,C major", "C major-0 / level"),
        (ANSWERS, "C major,C major,C,A minor", "C major,C major,C,C minor", "krumhansl / all"),
    ],
)
def test_one_number_changed_by_hand_is_named(recorded, file, old, new, named):
    path = recorded.folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    assert any(named in line for line in check_answers(recorded.folder))


def test_an_answer_that_the_features_do_not_give_is_named_by_its_track(recorded):
    recorded.answers.loc["C major-0", "krumhansl"] = KEYS[12]
    write_record(recorded)
    assert list(check_answers(recorded.folder)) == []
    (fault,) = check_answers(recorded.folder, SYSTEMS)
    assert fault == "C major-0 / krumhansl: record C minor, the features give A minor"


def test_the_same_numbers_computed_again_leave_the_files_alone(recorded):
    before = contents(recorded.folder)
    compute(SYSTEMS, Parameters(recompute=True))
    assert contents(recorded.folder) == before


def test_another_answer_is_a_real_change_of_its_column_alone(recorded, checkout):
    compute({"krumhansl": SYSTEMS["temperley"]}, Parameters(recompute=True, output="new"))
    lines = compare_records(recorded.folder, checkout / "new")
    assert "krumhansl / all / mirex / value: record 30.0, computed here 100.0" in lines
    assert {line.split(" / ")[0] for line in lines if "computed here" in line} == {"krumhansl"}
    assert interval_of(evaluate(T3, Parameters(output="new")).scores, "krumhansl", "mirex").value == 100
    assert interval_of(evaluate(T3).scores, "krumhansl", "mirex").value == 30
    again = compute({"krumhansl": SYSTEMS["temperley"]}, Parameters(recompute=True))
    assert again.systems == list(SYSTEMS), "the other columns stay"
    assert list(again.answers["krumhansl"]) == list(recorded.answers["temperley"])


def test_a_folder_without_answers_is_not_shown_as_if_it_held_the_record(recorded):
    with pytest.raises(ParameterError, match="output='new' holds no answers, and none are computed without"):
        evaluate(T3, Parameters(output="new"))


def test_the_record_is_read_without_features_unless_asked(recorded, monkeypatch):
    monkeypatch.setattr(MadeUp, "features_are_built", False)
    table = evaluate(T3)
    assert table.systems == list(SYSTEMS)
    assert interval_of(table.scores, "temperley", "mirex").value == 100
    with pytest.raises(MissingData, match="features"):
        evaluate(T3, Parameters(recompute=True), SYSTEMS)


@pytest.mark.parametrize(
    "changes",
    [{"limit": 24}, {"seed": 5}, {"dataset": "elsewhere"}, {"limit": 24, "recompute": True}],
)
def test_other_parameters_never_overwrite_the_shipped_record(recorded, changes):
    before = contents(recorded.folder)
    other = evaluate(T3, Parameters(**changes), SYSTEMS)
    assert len(other.answers) == changes.get("limit", 96)
    assert contents(recorded.folder) == before


def test_a_limit_applies_to_the_record_as_it_does_to_the_features(recorded):
    read = evaluate(T3, Parameters(limit=24))
    computed = evaluate(T3, Parameters(limit=24, recompute=True), SYSTEMS)
    pd.testing.assert_frame_equal(read.answers, computed.answers)
    pd.testing.assert_frame_equal(read.scores, computed.scores, check_like=True)


def test_no_record_says_how_to_make_one(checkout):
    with pytest.raises(RecordError, match="papermill notebooks/"):
        evaluate(T3)
    (line,) = check_answers(checkout / RESULTS)
    assert "missing" in line


@pytest.mark.parametrize("wrong", [{"limit": "48"}, {"limit": -1}, {"root": 5}, {"recompute": 1}])
def test_a_parameter_without_meaning_is_refused(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        notebook_parameters([], **wrong)
