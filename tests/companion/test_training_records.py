"""From a run to published evidence: its record, the choice among seeds, what ships, what the check finds."""

import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from made_up import Noise
from test_training import run, synthetic_data

from companion.__main__ import main
from companion.answers import read_record, write_record
from companion.check import check_answers, check_runs, check_weights
from companion.datasets import DATASETS
from companion.estimators import NetworkSystem
from companion.pages.trainings import command
from companion.record import RESULTS, RecordError, find_checkout, flat
from companion.scores import COLUMNS
from companion.training import (
    FOLDER,
    SHIPPED,
    TrainingRecord,
    choose,
    completed,
    read_training_records,
    record_file,
    ship,
)
from skey.cli.train import train
from skey.training.checkpoint import RunError
from skey.training.validation import LEAST_CLIPS, confidence_of
from skey.weights import DEFAULT, read_header
from skey.weights.store import read_weights, save_weights

SYSTEMS = (("stone", 0), ("skey", 0), ("skey", 1))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two systems, one of them with two seeds, trained on next to nothing."""
    folder = tmp_path_factory.mktemp("runs")
    data = synthetic_data(folder / "store")
    for name, seed in SYSTEMS:
        run(name, data, folder / f"{name}-s{seed}", seed=seed).train()
    return folder


@pytest.fixture
def checkout(checkout, runs, monkeypatch):
    """A checkout of its own that holds copies of the runs, and whose open corpus is made up."""
    shutil.copytree(runs, checkout / "runs")
    monkeypatch.setenv("SKEY_DATA", str(checkout / "data"))
    monkeypatch.setitem(DATASETS, "open-corpus", Noise)
    monkeypatch.setattr("companion.ship.build", lambda: None)
    return checkout


def folders(checkout: Path) -> list[Path]:
    return [checkout / "runs" / f"{name}-s{seed}" for name, seed in SYSTEMS]


def faults(checkout: Path, weights_again: bool = False) -> list[str]:
    results = checkout / RESULTS
    files = sorted((checkout / SHIPPED).glob("*.safetensors"))
    asked = {file.stem: NetworkSystem(file) for file in files} if weights_again else None
    return [
        *check_runs(results),
        *check_weights(results, checkout / SHIPPED),
        *check_answers(results, asked),
        *check_answers(results / FOLDER),
    ]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the first test that ships the runs leaves a copy of its checkout."""
    return tmp_path_factory.mktemp("kept") / "checkout"


@pytest.fixture
def shipped(checkout, kept):
    """The records of the runs, which the checkout has shipped, by name."""
    if not kept.is_dir():
        ship(checkout, folders(checkout))
        shutil.copytree(checkout, kept)
    shutil.copytree(kept, checkout, dirs_exist_ok=True)
    return {record.name: record for record in read_training_records(checkout / RESULTS)}


def test_a_record_says_all_that_made_the_run(checkout, shipped):
    record = shipped["skey-s1"]
    header = read_header(checkout / "runs" / "skey-s1" / "skey-s1.safetensors")
    assert (record.name, record.system, record.seed) == ("skey-s1", "skey", 1)
    assert record.weights == header.checksum
    assert record.settings["loss"]["sign"] == -3
    assert record.training["data"] == "synthetic"
    assert {"commit", "machine", "seconds", "device", "torch", "half_precision"} <= set(record.training)
    assert len(read_record(checkout / RESULTS / FOLDER).answers) == 24
    assert set(record.scores.part) == {"all", "full", "tunes"}
    assert {"mirex", "ksea", "mode"} <= set(record.scores.metric)
    assert record.score_words.startswith("MIREX ")


def test_a_system_of_signatures_has_ksea_alone_and_a_curve_with_an_entry_an_epoch(shipped):
    record = shipped["stone-s0"]
    curve = record.curve
    assert curve["epoch"].tolist() == [1, 2]
    assert all(len(counts.split()) == 12 for counts in curve["rows_minor"])
    assert all(f"{value:.6g}" == f"{value:.9g}" for value in curve["validation_loss"])
    assert set(record.scores.metric) == {"ksea"} and record.score_words.startswith("KSEA ")


def test_a_run_that_is_not_finished_is_not_shipped(checkout):
    (checkout / "runs" / "skey-s0" / "skey-s0.safetensors").unlink()
    with pytest.raises(RunError, match="no finished run"):
        ship(checkout, folders(checkout))
    assert not (checkout / RESULTS).exists()


def made_up(name: str, loss: float, score: float) -> TrainingRecord:
    """A record with nothing in it but what a choice could look at."""
    system, seed = name.split("-")[0], int(name[-1])
    curve = pd.DataFrame({"validation_loss": [9.0, loss]})
    scores = pd.DataFrame([(name, "all", "mirex", score, score, score, 1)], columns=COLUMNS)
    return TrainingRecord(name, system, seed, {}, {}, "", {}, curve, scores)


def test_among_seeds_the_lowest_last_validation_loss_is_chosen_whatever_the_scores():
    records = [
        made_up("skey-s0", loss=0.5, score=90.0),
        made_up("skey-s1", loss=0.4, score=10.0),
        made_up("skey-long-s0", loss=0.1, score=99.0),
        made_up("stone-s2", loss=0.7, score=50.0),
    ]
    chosen = {system: record.name for system, record in choose(records).items()}
    assert chosen == {"skey": "skey-s1", "stone": "stone-s2"}


def test_shipping_records_every_seed_and_copies_one_file_of_weights_a_system(checkout):
    said = CliRunner().invoke(main, ["ship", *map(str, folders(checkout))])
    assert said.exit_code == 0, said.output
    records = read_training_records(checkout / RESULTS)
    assert [record.name for record in records] == ["skey-s0", "skey-s1", "stone-s0"]
    assert sorted(file.stem for file in (checkout / SHIPPED).iterdir()) == ["skey", "stone"]
    best = min((r for r in records if r.system == "skey"), key=lambda r: r.validation_loss)
    header = read_weights(checkout / SHIPPED / "skey.safetensors").header
    assert (header.name, header.checksum) == ("skey", best.weights)
    assert best.name in said.output
    table = read_record(checkout / RESULTS)
    assert table.systems == ["stone", "skey"] and table.weights["skey"] == best.weights
    assert faults(checkout) == faults(checkout, weights_again=True) == []


def test_shipping_again_changes_no_byte_and_records_of_seeds_that_are_not_given_any_more_go(
    checkout, shipped
):
    before = {file: file.read_bytes() for file in (checkout / RESULTS).rglob("*.*")}
    ship(checkout, folders(checkout))
    assert before == {file: file.read_bytes() for file in (checkout / RESULTS).rglob("*.*")}
    ship(checkout, [checkout / "runs" / "skey-s1"])
    assert [record.name for record in read_training_records(checkout / RESULTS)] == ["skey-s1", "stone-s0"]
    assert faults(checkout) == []


def test_a_variant_is_recorded_and_never_chosen(checkout):
    (checkout / "runs" / "skey-s0").rename(checkout / "runs" / "skey-other-s0")
    (chosen,) = ship(checkout, [checkout / "runs" / "skey-other-s0", checkout / "runs" / "skey-s1"]).values()
    assert chosen.name == "skey-s1"
    assert record_file(checkout / RESULTS, "skey-other-s0").is_file()
    assert faults(checkout) == []
    assert ship(checkout, [checkout / "runs" / "skey-other-s0"]) == {}, "nor when it comes alone"
    assert faults(checkout) == []


def test_a_setting_that_a_record_does_not_know_has_its_default():
    old = {"name": "skey", "batch": 7, "loss": {"omega": 7}}
    new = {**old, "crops": "paper", "loss": {"omega": 7, "mode_from": 0.0}}
    assert completed(old) == completed(new)
    assert completed(old)["batch"] == 7
    assert completed(old) != completed({**new, "crops": "code"})


@pytest.fixture(scope="module")
def recorded():
    """The runs on record."""
    return read_training_records(find_checkout() / RESULTS)


def test_the_command_shown_with_each_run_on_record_trains_it_with_its_settings(
    recorded, tmp_path, monkeypatch
):
    asked: list[Any] = []
    monkeypatch.setattr("skey.cli.train._train", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr("skey.cli.train._check", lambda *arguments: None)
    monkeypatch.setattr("skey.weights.load_weights", lambda name: name)
    for each in recorded:
        words = command(each, recorded).replace("MUSIC", str(tmp_path)).split()
        train.main(words[2:], standalone_mode=False)
        experiment, _, machine, options, start = asked.pop()
        settings = flat(asdict(experiment))
        assert settings == {name: completed(each.settings)[name] for name in settings} | {
            "title": experiment.title
        }
        assert (options["seed"], machine.half_precision) == (each.seed, each.training["half_precision"])
        assert (bool(options["audio"]), bool(start)) == (
            bool(each.training.get("recorded_tracks")),
            "started_from" in each.training,
        )


def test_the_name_of_a_system_is_enough_to_train_what_ships(recorded):
    for system, each in choose(recorded).items():
        words = command(each, recorded).split()
        assert words[:5] == ["skey", "train", each.settings["name"], "--seed", str(each.seed)]
        if system == each.settings["name"] != DEFAULT:  # that was trained in two parts
            music = ["--audio", "MUSIC"] if each.training.get("recorded_tracks") else []
            assert words[5:] in ([*music, "--half-precision"], [*music, "--full-precision"])


def test_seeds_of_other_settings_are_not_mixed(checkout, runs, tmp_path_factory):
    data = synthetic_data(tmp_path_factory.mktemp("more"))
    longer = checkout / "runs" / "skey-s2"
    run("skey", data, longer, epochs=3, seed=2).train()
    with pytest.raises(RecordError, match="differ in more than the seed"):
        ship(checkout, [longer, *folders(checkout)])
    assert not (checkout / RESULTS).exists()


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("scores.csv", "skey-s0,all,mirex,", "skey-s0,all,mirex,1", "training: skey-s0 / all / mirex"),
        ("CHOSEN.json", '"steps": ', '"steps": 1', "CHOSEN: settings / steps"),
        ("answers.csv", "full,C major,", "full,D major,", "reference: record D major"),
    ],
)
def test_a_number_that_was_changed_by_hand_is_named(checkout, shipped, file, old, new, named):
    chosen = choose(shipped.values())["skey"].name
    path = checkout / RESULTS / FOLDER / file.replace("CHOSEN", chosen)
    path.write_text(path.read_text().replace(old, new, 1))
    shown = CliRunner().invoke(main, ["check"])
    assert shown.exit_code == 1 and named.replace("CHOSEN", chosen) in shown.output, shown.output


def test_weights_of_another_seed_are_not_the_chosen_ones(checkout, shipped):
    chosen = choose(shipped.values())["skey"].name
    other = {"skey-s0": "skey-s1", "skey-s1": "skey-s0"}[chosen]
    loaded = read_weights(checkout / "runs" / other / f"{other}.safetensors")
    save_weights(checkout / SHIPPED / "skey.safetensors", loaded.network, loaded.header)
    found = faults(checkout)
    assert any("weights: record" in line for line in found)
    assert f"{chosen}: the recorded answers are of other weights" in found
    assert f"{chosen}: name: record skey, the weights say {other}" in found


def with_header(file: Path, **changes: Any) -> None:
    """The same weights with something else in their header."""
    loaded = read_weights(file)
    save_weights(file, loaded.network, replace(loaded.header, **changes))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-1] + b"\xff"), "stone.safetensors: .*checksum"),
        (
            lambda file: with_header(file, training={**read_header(file).training, "temperature": 0.5}),
            "stone-s0: training / temperature: record nothing, the weights say 0.5",
        ),
        (
            lambda file: with_header(file, title="S-KEY, seed 0"),
            "stone-s0: title: record STONE ω = 7, seed 0, the weights say S-KEY, seed 0",
        ),
        (
            lambda file: record_file(file.parents[2] / RESULTS, "stone-s0").unlink(),
            "stone.safetensors: no run of stone is on record",
        ),
        (Path.unlink, "stone.safetensors: is on record and does not ship; restore it with git"),
    ],
)
def test_what_is_wrong_with_shipped_weights_is_named(checkout, shipped, change, named):
    change(checkout / SHIPPED / "stone.safetensors")
    (fault,) = check_weights(checkout / RESULTS, checkout / SHIPPED)
    assert re.match(named, fault)


def test_weights_are_checked_where_the_answers_cannot_be_read(checkout, shipped):
    (checkout / RESULTS / "answers.csv").write_text("id,reference\n")
    with_header(checkout / SHIPPED / "stone.safetensors", title="S-KEY, seed 0")
    record = [*check_answers(checkout / RESULTS), *check_weights(checkout / RESULTS, checkout / SHIPPED)]
    assert len(record) == 2 and "answers" in record[0] and "stone-s0: title" in record[1]


def test_answers_of_a_run_whose_training_is_not_on_record_are_named(checkout, shipped):
    checksum = read_header(checkout / "runs" / "skey-s1" / "skey-s1.safetensors").checksum
    record_file(checkout / RESULTS, "skey-s1").unlink()
    assert check_runs(checkout / RESULTS) == [f"skey-s1: record {checksum}, its training says nothing"]


def test_an_answer_that_the_weights_no_longer_give_is_named(checkout, shipped):
    record = read_record(checkout / RESULTS)
    write_record(replace(record, answers=record.answers.assign(stone=0)))
    assert faults(checkout) == []
    found = faults(checkout, weights_again=True)
    assert found and all(" / stone: record C, the features give " in line for line in found)


@pytest.mark.parametrize("name", ["stone-s0", "skey-s0"])
def test_the_temperature_is_fitted_on_enough_held_out_clips(checkout, tmp_path_factory, name):
    data = synthetic_data(tmp_path_factory.mktemp("more"))
    loaded = read_weights(checkout / "runs" / name / f"{name}.safetensors")
    often = data.training.kept([n % len(data.training) for n in range(3 * LEAST_CLIPS)])
    found = confidence_of(loaded, often)
    assert found["temperature_clips"] >= LEAST_CLIPS
    assert 0.003 <= found["temperature"] <= 32
    assert "temperature" not in confidence_of(loaded, data.validation)
