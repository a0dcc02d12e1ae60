"""The record: written only when something real changed, and every number of it recomputed and compared."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from companion.__main__ import main
from companion.record import (
    RESULTS,
    CheckoutError,
    RecordError,
    find_checkout,
    predictions_path,
    read_record,
    record_path,
    write_if_changed,
)
from companion.results import (
    Experiment,
    ParameterError,
    Parameters,
    Predictions,
    check_records,
    compare,
    notebook_parameters,
    read_experiment,
    read_predictions,
    run_experiment,
    score_predictions,
    subsets,
)
from companion.results.check import compare_with_record
from companion.results.predictions import format_answer, parse_answer, predictions_to_csv
from companion.results.scores import flatten, score_system
from skey.baselines import BASELINES
from skey.datasets import DATASETS, Dataset, MissingData, Track
from skey.keys import KEYS, Key

NAME = "made-up"


class MadeUp(Dataset):
    """Every key four times; the log-VQT says nothing but the key's place in ``KEYS``."""

    name = "open-corpus"
    title = "A made-up corpus"
    licence = citation = url = layout = "none"
    features_are_built = True

    def read_tracks(self) -> Sequence[Track]:
        tags = [{"source": source, "level": level} for source in ("a", "b") for level in ("full", "hard")]
        return [Track(f"{key}-{n}", key, f"{key}", None, tag) for n, tag in enumerate(tags) for key in KEYS]

    def missing(self) -> str | None:
        return None if self.features_are_built else "the features of the made-up corpus are missing"

    def log_vqt(self, track: Track) -> Any:
        self.require()
        assert track.key is not None
        return torch.full((99, 1), float(track.key.index))


SYSTEMS = {
    "always-c-major": lambda features: KEYS[0],
    "feature-engineering": lambda features: KEYS[int(features[0, 0])].signature,
    "krumhansl": lambda features: KEYS[int(features[0, 0])].relative,
    "temperley": lambda features: KEYS[int(features[0, 0])],
}


def make_checkout(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty checkout whose open corpus is the made-up one."""
    (folder / "_toc.yml").touch()
    (folder / "notebooks").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setitem(DATASETS, "open-corpus", f"{__name__}:MadeUp")
    monkeypatch.setitem(DATASETS, "elsewhere", f"{__name__}:MadeUp")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout of its own."""
    make_checkout(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of the made-up experiment, computed once."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        make_checkout(tmp_path_factory.mktemp("results"), monkeypatch)
        return run_experiment(NAME, SYSTEMS, Parameters(recompute=True)).folder


@pytest.fixture
def recorded(checkout: Path, results: Path) -> Experiment:
    """A copy of that record in a checkout of its own."""
    shutil.copytree(results, checkout / RESULTS)
    return read_experiment(checkout / RESULTS, NAME)


def edit(folder: Path, path: tuple[str, ...], value: object) -> None:
    """Change one number of a record by hand."""
    file = record_path(folder, NAME)
    content = json.loads(file.read_text())
    place = content
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    file.write_text(json.dumps(content, indent=1))


def test_all_keys_all_signatures_and_silence_survive_the_csv(tmp_path: Path) -> None:
    answers = {"keys": KEYS, "signatures": tuple(range(12)) * 2, "silent": (None,) * 24}
    table = Predictions(tuple(map(str, range(24))), {"group": ("g",) * 24}, KEYS, answers)
    path = tmp_path / "table.csv"
    write_if_changed(path, predictions_to_csv(table))
    assert read_predictions(path) == table


def test_a_signature_is_written_without_a_mode() -> None:
    assert format_answer(KEYS[15]) == "Eb minor"
    assert format_answer(KEYS[15].signature) == "F#"
    assert parse_answer("A") == 9
    assert parse_answer("A major") == Key(9, "major")


def test_a_wrong_line_of_the_csv_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("track,reference,krumhansl\n1,C major,G major\n2,H major,G major\n")
    with pytest.raises(RecordError, match="line 3"):
        read_predictions(path)


def test_the_relative_key_has_the_signature_and_three_tenths_of_a_point() -> None:
    numbers = score_system(KEYS, [key.relative for key in KEYS])
    assert numbers["relative"] == 24
    assert numbers["mirex"] == numbers["mirex_low"] == numbers["mirex_high"] == pytest.approx(30)
    assert numbers["ksea"] == 100
    assert numbers["mode"] == 0


def test_a_fifth_down_counts_for_the_papers_and_not_for_mir_eval() -> None:
    numbers = score_system(KEYS, [key.transposed(5) for key in KEYS])
    assert (numbers["fifth_down"], numbers["mirex"], numbers["mirex_ascending"]) == (24, 50, 0)


def test_a_system_of_signatures_has_no_mirex() -> None:
    numbers = score_system(KEYS, [(key.signature + 7) % 12 for key in KEYS])
    assert "mirex" not in numbers
    assert (numbers["signature_fifth"], numbers["ksea"]) == (24, 50)


def test_every_level_and_source_is_a_part_of_its_own(recorded: Experiment) -> None:
    parts = subsets(recorded.predictions)
    assert list(parts) == ["all", "full", "hard", "a", "b"]
    assert sorted(parts["full"] + parts["hard"]) == parts["all"] == list(range(96))
    assert {len(parts[name]) for name in ("full", "hard", "a", "b")} == {48}


def test_a_sound_record_passes(recorded: Experiment) -> None:
    assert check_records(recorded.folder) == []
    assert check_records(recorded.folder, SYSTEMS) == []


def test_every_single_number_of_the_scores_is_named_when_it_moves(recorded: Experiment) -> None:
    scores = score_predictions(recorded.predictions)
    leaves = flatten(recorded.record.scores)
    assert len(leaves) == 5 * (3 * 22 + 7)
    for path, value in leaves.items():
        moved = json.loads(json.dumps(recorded.record.scores))
        moved[path[0]][path[1]][path[2]] = type(value)(value + 1)
        (line,) = compare(moved, scores)
        assert line.startswith(f"{' / '.join(path)}: record {value + 1}, predictions give {value}")


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("scores", "krumhansl", "hard", "relative"), 71, "krumhansl / hard / relative: record 71"),
        (("scores", "temperley", "all", "ksea_low"), 99.9, "temperley / all / ksea_low: record 99.9"),
        (("parameters", "seed"), 1, "seed: record 1, the notebook has 0"),
        (("parameters", "limit"), 48, "limit: record 48, the notebook has 0"),
        (("data", "hash"), "0000", "data / hash: record 0000, the data set gives"),
        (("data", "tracks"), 95, "data / tracks: record 95"),
        (("predictions", "rows"), 1, "predictions / rows: record 1"),
        (("predictions", "sha256"), "0", "predictions / sha256"),
        (("made", "seconds"), 1234.5, "seal"),
    ],
)
def test_one_number_changed_by_hand_is_named(
    recorded: Experiment, path: tuple[str, ...], value: object, named: str
) -> None:
    edit(recorded.folder, path, value)
    shown = CliRunner().invoke(main, ["check"])
    assert shown.exit_code == 1
    assert f"{NAME}: " in shown.output and named in shown.output


def test_a_changed_answer_moves_the_scores_and_is_named_by_its_track(recorded: Experiment) -> None:
    path = predictions_path(recorded.folder, NAME)
    path.write_text(
        path.read_text().replace(
            "C major-0,C major,a,full,C major,C major,C,A minor",
            "C major-0,C major,a,full,C major,C major,C,C minor",
        )
    )
    faults = check_records(recorded.folder, SYSTEMS)
    assert f"{NAME}: krumhansl / all / relative: record 96, predictions give 95" in faults
    assert f"{NAME}: predictions / sha256: {NAME}.csv is not the file that was scored" in faults
    assert f"{NAME}: C major-0 / krumhansl: record C minor, features give A minor" in faults


def test_a_changed_reference_is_named(recorded: Experiment) -> None:
    path = predictions_path(recorded.folder, NAME)
    path.write_text(
        path.read_text().replace("C major-0,C major,a,full,C major", "C major-0,C major,a,full,D major")
    )
    faults = check_records(recorded.folder)
    assert f"{NAME}: C major-0 / reference: record D major, the data set gives C major" in faults


def test_a_folder_without_a_record_does_not_pass(checkout: Path) -> None:
    assert check_records(checkout / RESULTS) == [f"{checkout / RESULTS} holds no record"]


def test_the_same_numbers_computed_again_leave_the_files_alone(recorded: Experiment) -> None:
    files = [record_path(recorded.folder, NAME), predictions_path(recorded.folder, NAME)]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    run_experiment(NAME, SYSTEMS, Parameters(recompute=True))
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in files] == before


def test_another_answer_is_a_real_change(recorded: Experiment) -> None:
    before = record_path(recorded.folder, NAME).read_bytes()
    again = run_experiment(NAME, {**SYSTEMS, "krumhansl": SYSTEMS["temperley"]}, Parameters(recompute=True))
    assert record_path(recorded.folder, NAME).read_bytes() != before
    assert again.record.scores["krumhansl"]["all"]["same"] == 96
    assert any(
        "krumhansl / all / same: record 0, computed here 96" in line
        for line in compare_with_record(recorded, again)
    )


def test_the_record_is_read_without_features_unless_asked(
    recorded: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MadeUp, "features_are_built", False)
    assert run_experiment(NAME, SYSTEMS, Parameters()) == recorded
    with pytest.raises(MissingData, match="features"):
        run_experiment(NAME, SYSTEMS, Parameters(recompute=True))


@pytest.mark.parametrize(
    "changes",
    [{"limit": 24}, {"seed": 5}, {"dataset": "elsewhere"}, {"limit": 24, "recompute": True}, {"output": "x"}],
)
def test_other_parameters_never_overwrite_the_shipped_record(
    recorded: Experiment, changes: dict[str, Any]
) -> None:
    before = record_path(recorded.folder, NAME).read_bytes()
    other = run_experiment(NAME, SYSTEMS, Parameters(**changes))
    assert other.folder != recorded.folder
    assert other.record.predictions["rows"] == changes.get("limit", 96)
    assert record_path(recorded.folder, NAME).read_bytes() == before


def test_a_limit_applies_to_the_record_as_it_does_to_the_features(recorded: Experiment) -> None:
    read = run_experiment(NAME, SYSTEMS, Parameters(limit=24, output="x"))
    computed = run_experiment(NAME, SYSTEMS, Parameters(limit=24, recompute=True, output="y"))
    assert read.predictions == computed.predictions
    assert read.record.substance == computed.record.substance


def test_no_record_says_how_to_make_one(checkout: Path) -> None:
    with pytest.raises(RecordError, match="papermill notebooks/made-up"):
        run_experiment(NAME, SYSTEMS, Parameters())


def test_an_unknown_parameter_is_refused_even_where_papermill_only_warns() -> None:
    history = ["", 'dataset = "x"', "# Parameters\nlimti = 48\n", "the cell that asks"]
    with pytest.raises(ParameterError, match="limti"):
        notebook_parameters(history, limit=0)
    assert notebook_parameters([*history[:2], "# Parameters\nlimit = 48\n", ""], limit=48).limit == 48


@pytest.mark.parametrize("wrong", [{"limit": "48"}, {"limit": -1}, {"root": 5}, {"recompute": 1}])
def test_a_parameter_without_meaning_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        notebook_parameters([], **wrong)


def test_an_installed_wheel_says_that_it_has_no_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("companion.record.__file__", str(tmp_path / "record.py"))
    with pytest.raises(CheckoutError, match="clone"):
        find_checkout()


def test_a_killed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_if_changed(path, "old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_if_changed(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_the_shipped_record_holds(root: Path) -> None:
    assert check_records(root / RESULTS) == []


def test_the_shipped_record_has_every_baseline_on_every_part_with_its_interval(root: Path) -> None:
    scores = read_record(root / RESULTS, "table-3-key-and-mode").scores
    assert set(BASELINES) <= set(scores)
    for parts in scores.values():
        assert set(parts) == {"all", "full", "hard", "chorales", "tunes"}
        for numbers in parts.values():
            metric = "mirex" if "mirex" in numbers else "ksea"
            assert numbers[f"{metric}_low"] <= numbers[metric] <= numbers[f"{metric}_high"]


def test_the_shipped_predictions_are_those_of_240_pieces(root: Path) -> None:
    table = read_experiment(root / RESULTS, "table-3-key-and-mode").predictions
    assert len(table) == len(set(table.tracks)) == 240
    assert np.mean([key.mode == "minor" for key in table.references]) == pytest.approx(0.5)
