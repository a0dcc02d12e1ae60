"""From a run to published evidence: its record, the choice among seeds, what ships, what the check finds."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_training import run, synthetic_data

from companion.__main__ import main
from companion.record import RecordError
from companion.training.check import check_training
from companion.training.record import (
    TrainingRecord,
    answers_of,
    is_sealed,
    open_test_set,
    read_training_record,
    read_training_records,
    record_file,
    record_run,
    write_training_record,
)
from companion.training.shipping import SHIPPED, add_temperature, choose, completed, finish_run, ship
from skey.datasets import DATASETS
from skey.training import RunError, TrainingData
from skey.training.data import Pool
from skey.training.temperature import LEAST_CLIPS, confidence_of
from skey.weights import read_header, read_weights, save_weights

SYSTEMS = (("stone", 0), ("skey", 0), ("skey", 1))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two systems, one of them with two seeds, trained on next to nothing."""
    folder = tmp_path_factory.mktemp("runs")
    data = synthetic_data(folder / "store")
    for name, seed in SYSTEMS:
        run(name, data, folder / f"{name}-s{seed}", seed=seed).train()
    return folder


@pytest.fixture
def checkout(tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own that holds copies of the runs, and whose open corpus is made up."""
    (tmp_path / "_toc.yml").touch()
    (tmp_path / "notebooks").mkdir()
    shutil.copytree(runs, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKEY_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(DATASETS, "open-corpus", "test_training:Noise")
    return tmp_path


def folders(checkout: Path) -> list[Path]:
    return [checkout / "runs" / f"{name}-s{seed}" for name, seed in SYSTEMS]


def faults(checkout: Path, recompute: bool = False) -> list[str]:
    return check_training(checkout / "results", checkout / SHIPPED, recompute)


def test_a_record_says_all_that_made_the_run(checkout: Path) -> None:
    record = record_run(checkout / "runs" / "skey-s1")
    header = read_header(checkout / "runs" / "skey-s1" / "skey-s1.safetensors")
    assert (record.name, record.system, record.seed) == ("skey-s1", "skey", 1)
    assert record.weights == header.checksum
    assert record.settings["loss"]["sign"] == -3
    assert record.training["data"] == "synthetic"
    assert {"commit", "machine", "seconds", "device", "torch", "half_precision"} <= set(record.training)
    assert record.test["tracks"] == len(record.answered()) == 24
    assert set(record.scores) == {"all", "full", "tunes"}
    assert {"mirex", "mirex_low", "mirex_high", "ksea", "mode", "n"} <= set(record.scores["all"])


def test_the_curve_has_an_entry_an_epoch_and_the_histograms_are_counts(checkout: Path) -> None:
    curve = record_run(checkout / "runs" / "stone-s0").curve
    assert curve["epoch"] == [1, 2]
    assert all(len(column) == 2 for column in curve.values())
    assert all(len(counts) == 12 for counts in curve["rows_minor"])
    assert all(f"{value:.6g}" == f"{value:.9g}" for value in curve["validation_loss"])


def test_a_system_of_twelve_outputs_is_scored_by_its_signatures_alone(checkout: Path) -> None:
    numbers = record_run(checkout / "runs" / "stone-s0").scores["all"]
    assert "mirex" not in numbers and 0 <= numbers["ksea"] <= 100


def test_a_record_comes_back_as_it_was_written_and_is_written_once(checkout: Path) -> None:
    record, path = record_run(checkout / "runs" / "skey-s0"), checkout / "x.json"
    assert write_training_record(record, path)
    assert not write_training_record(replace(record, made={"commit": "another"}), path)
    assert read_training_record(path).substance == json.loads(json.dumps(record.substance))
    assert is_sealed(path)
    assert max(map(len, path.read_text().splitlines())) < 1000


def test_a_run_that_is_not_finished_has_no_record(checkout: Path) -> None:
    (checkout / "runs" / "skey-s0" / "skey-s0.safetensors").unlink()
    with pytest.raises(RunError, match="no finished run"):
        record_run(checkout / "runs" / "skey-s0")


def made_up(name: str, system: str, seed: int, loss: float, score: float) -> TrainingRecord:
    """A record with nothing in it but what a choice could look at."""
    curve, scores = {"validation_loss": [9.0, loss]}, {"all": {"mirex": score}}
    return TrainingRecord(name, system, seed, {}, {}, "", {}, curve, {}, "", scores, {})


def test_among_seeds_the_lowest_last_validation_loss_is_chosen_whatever_the_scores() -> None:
    records = [
        made_up("skey-s0", "skey", 0, loss=0.5, score=90.0),
        made_up("skey-s1", "skey", 1, loss=0.4, score=10.0),
        made_up("skey-long-s0", "skey", 0, loss=0.1, score=99.0),
        made_up("stone-s2", "stone", 2, loss=0.7, score=50.0),
    ]
    assert {system: record.name for system, record in choose(records).items()} == {
        "skey": "skey-s1",
        "stone": "stone-s2",
    }


def test_shipping_records_every_seed_and_copies_one_file_of_weights_a_system(checkout: Path) -> None:
    shipped = CliRunner().invoke(main, ["ship", *map(str, folders(checkout))])
    assert shipped.exit_code == 0, shipped.output
    records = read_training_records(checkout / "results")
    assert [record.name for record in records] == ["skey-s0", "skey-s1", "stone-s0"]
    assert sorted(file.stem for file in (checkout / SHIPPED).iterdir()) == ["skey", "stone"]
    best = min((r for r in records if r.system == "skey"), key=lambda r: r.validation_loss)
    header = read_weights(checkout / SHIPPED / "skey.safetensors").header
    assert (header.name, header.checksum) == ("skey", best.weights)
    assert best.name in shipped.output
    assert faults(checkout) == faults(checkout, recompute=True) == []


def test_shipping_again_changes_no_byte(checkout: Path) -> None:
    ship(checkout, folders(checkout))
    before = {file: file.read_bytes() for file in (checkout / "results" / "training").iterdir()}
    ship(checkout, folders(checkout))
    assert before == {file: file.read_bytes() for file in (checkout / "results" / "training").iterdir()}


def test_records_of_seeds_that_are_not_given_any_more_go(checkout: Path) -> None:
    ship(checkout, folders(checkout))
    ship(checkout, [checkout / "runs" / "skey-s1"])
    assert [record.name for record in read_training_records(checkout / "results")] == ["skey-s1", "stone-s0"]
    assert faults(checkout) == []


def test_a_variant_is_recorded_and_never_chosen(checkout: Path) -> None:
    (checkout / "runs" / "skey-s0").rename(checkout / "runs" / "skey-other-s0")
    (shipment,) = ship(checkout, [checkout / "runs" / "skey-other-s0", checkout / "runs" / "skey-s1"])
    assert shipment.record.name == "skey-s1"
    assert record_file(checkout / "results", "skey-other-s0").is_file()
    assert faults(checkout) == []


def test_a_setting_that_a_record_does_not_know_has_its_default() -> None:
    old = {"name": "skey", "batch": 7, "loss": {"omega": 7}}
    new = {**old, "crops": "paper", "loss": {"omega": 7, "mode_from": 0.0}}
    assert completed(old) == completed(new)
    assert completed(old)["batch"] == 7
    assert completed(old) != completed({**new, "crops": "code"})


def test_seeds_of_other_settings_are_not_mixed(
    checkout: Path, runs: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = synthetic_data(tmp_path_factory.mktemp("more"))
    longer = checkout / "runs" / "skey-s2"
    run("skey", data, longer, epochs=3, seed=2).train()
    with pytest.raises(RecordError, match="differ in more than the seed"):
        ship(checkout, [longer, *folders(checkout)])
    assert not (checkout / "results").exists()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"same": ', '"same": 1', "skey-s0: all / same"),
        ('"seconds": ', '"seconds": 1', "skey-s0: seal"),
        ('"answers": "', '"answers": "C major, ', "skey-s0: "),
    ],
)
def test_a_number_that_was_changed_by_hand_is_named(checkout: Path, old: str, new: str, named: str) -> None:
    ship(checkout, folders(checkout))
    path = record_file(checkout / "results", "skey-s0")
    text = path.read_text()
    path.write_text(text.replace(old, new, 1))
    shown = CliRunner().invoke(main, ["check"])
    assert shown.exit_code == 1
    assert any(line.startswith(named) for line in shown.output.splitlines()), shown.output


def test_weights_of_another_seed_are_not_the_chosen_ones(checkout: Path) -> None:
    shipments = {shipment.record.system: shipment for shipment in ship(checkout, folders(checkout))}
    other = {"skey-s0": "skey-s1", "skey-s1": "skey-s0"}[shipments["skey"].record.name]
    loaded = read_weights(checkout / "runs" / other / f"{other}.safetensors")
    save_weights(shipments["skey"].weights, loaded.network, loaded.header)
    assert any("weights: record" in line for line in faults(checkout))


def test_a_byte_changed_in_shipped_weights_is_found(checkout: Path) -> None:
    ship(checkout, folders(checkout))
    file = checkout / SHIPPED / "stone.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert any("stone.safetensors" in line and "checksum" in line for line in faults(checkout))


def test_a_temperature_changed_in_shipped_weights_is_found(checkout: Path) -> None:
    ship(checkout, folders(checkout))
    file = checkout / SHIPPED / "stone.safetensors"
    loaded = read_weights(file)
    training = {**loaded.header.training, "temperature": 0.5}
    save_weights(file, loaded.network, replace(loaded.header, training=training))
    assert faults(checkout) == ["stone-s0: training / temperature: record None, the weights say 0.5"]


def test_weights_without_a_record_are_named(checkout: Path) -> None:
    ship(checkout, folders(checkout))
    record_file(checkout / "results", "stone-s0").unlink()
    assert faults(checkout) == ["stone.safetensors: no run of stone is on record"]


def test_an_answer_that_the_weights_no_longer_give_is_named(checkout: Path) -> None:
    ship(checkout, folders(checkout))
    record = read_training_record(record_file(checkout / "results", "stone-s0"))
    wrong = {"answers": ", ".join(["C"] * 24)}
    changed = replace(record, **wrong)
    from companion.results import score_predictions

    scores = score_predictions(answers_of([changed], open_test_set()))["stone-s0"]
    write_training_record(replace(changed, scores=scores), record_file(checkout / "results", "stone-s0"))
    assert faults(checkout) == []
    assert all(line.startswith("stone-s0: ") for line in faults(checkout, recompute=True))
    assert faults(checkout, recompute=True)


def validation(data: TrainingData, clips: int) -> Pool:
    """A pool of as many labelled clips, taken again and again."""
    return data.training.kept([n % len(data.training) for n in range(3 * clips)])


@pytest.mark.parametrize("name", ["stone-s0", "skey-s0"])
def test_the_temperature_is_fitted_on_held_out_clips_and_changes_no_answer(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    data = synthetic_data(tmp_path_factory.mktemp("more"))
    file = checkout / "runs" / name / f"{name}.safetensors"
    loaded = read_weights(file)
    found = confidence_of(loaded, validation(data, LEAST_CLIPS))
    assert found["temperature_clips"] >= LEAST_CLIPS
    assert 0.003 <= found["temperature"] <= 32
    assert "temperature" not in confidence_of(loaded, data.validation)
    older = {k: v for k, v in loaded.header.training.items() if not k.startswith("temperature")}
    save_weights(file, loaded.network, replace(loaded.header, training=older))
    add_temperature(file, validation(data, LEAST_CLIPS))
    again = read_weights(file)
    assert again.header.training["temperature"] == found["temperature"]
    assert again.header.checksum == loaded.header.checksum
    assert math.isfinite(finish_run(checkout / "runs" / name).validation_loss)
