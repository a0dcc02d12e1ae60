"""The released models in the book: rows that stay without weights, what they say to given sounds, pages."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from made_up import ROOT, Noise, save_network, shipped

from companion import observations
from companion.__main__ import main
from companion.answers import compute, read_record
from companion.check import check_answers, compare_records
from companion.datasets import DATASETS
from companion.estimators import BASELINES, NetworkSystem
from companion.pages.cards import others_table
from companion.pages.listening import stretches
from companion.pages.usage import codes_table, run_snippets
from companion.parameters import Parameters
from companion.plots.profile import alignment_drawings, key_rings, timeline_drawing
from companion.record import RESULTS, RecordError
from companion.studies.alignment import mode_offset
from companion.systems import RELEASED, SYSTEMS, T1, T3, checksums, systems, systems_of
from skey.audio import SAMPLE_RATE
from skey.calibration import Calibration
from skey.errors import SkeyError
from skey.keys import KEYS, Notation, format_key, parse_key
from skey.listeners import windows
from skey.weights import DEFAULT, SHIPPED, SUFFIX, read_header
from skey.weights.store import read_weights

FRAMES = 646


def test_without_imported_weights_there_are_the_baselines_alone(no_weights):
    assert list(systems(*systems_of(T3))) == list(BASELINES)
    assert list(systems(*systems_of(T1))) == ["always-c-major", "feature-engineering"]


def test_an_imported_network_is_a_system_with_its_checksum(no_weights):
    save_network(no_weights / "released-skey.safetensors", seed=1)
    assert list(systems(*systems_of(T3)))[-1] == "released-skey"
    assert set(checksums(systems())) == {"released-skey"}
    assert len(checksums(systems())["released-skey"]) == 64


def test_a_name_that_stands_for_no_system_is_refused():
    with pytest.raises(SkeyError, match="krumhansel"):
        systems("krumhansel")


@pytest.mark.parametrize(("frames", "count"), [(1292, 2), (400, 1), (646, 1), (1000, 2), (900, 1), (1700, 3)])
def test_a_rest_of_half_a_window_reaches_back_and_a_shorter_one_is_dropped(frames, count):
    track = torch.rand(99, frames).numpy()
    cut = list(windows(track))
    assert [each.shape for each in cut] == [(99, min(frames, FRAMES))] * count
    if frames in (1000, 1292):
        assert np.array_equal(cut[-1], track[:, -FRAMES:])


def test_skey_hears_the_whole_track_and_stone_the_mean_of_its_windows(no_weights):
    save_network(no_weights / "released-skey.safetensors", seed=1, whole_track=True)
    save_network(no_weights / "released-semitone24.safetensors", seed=1)
    track = torch.rand(99, 2 * FRAMES, generator=torch.Generator().manual_seed(2))
    whole, cut = systems("released-skey", "released-semitone24").values()
    assert isinstance(whole, NetworkSystem)
    loaded = read_weights(whole.file)
    halves = torch.stack(track.split(FRAMES, dim=1))
    assert whole(track) == KEYS[int(loaded.profile(track[None]).argmax())]
    assert cut(track) == KEYS[int(loaded.profile(halves).mean(0).argmax())]


@pytest.fixture
def recorded(checkout, no_weights, monkeypatch):
    """A checkout with a record of two systems, one of them a network whose weights were there."""
    monkeypatch.setitem(DATASETS, "open-corpus", Noise)
    save_network(no_weights / "released-skey.safetensors", seed=1)
    compute(systems("krumhansl", "released-skey"), Parameters(recompute=True))
    return checkout / RESULTS


def test_the_record_names_the_weights_behind_a_row(recorded):
    assert read_record(recorded).weights == checksums(systems("released-skey"))


def test_without_the_weights_the_column_stays_and_is_named_as_not_recomputed(recorded, no_weights):
    before = {file.name: file.read_bytes() for file in recorded.iterdir()}
    (no_weights / "released-skey.safetensors").unlink()
    again = compute(systems("krumhansl", "released-skey"), Parameters(recompute=True))
    assert again.systems == ["krumhansl", "released-skey"]
    assert {file.name: file.read_bytes() for file in recorded.iterdir()} == before
    shown = CliRunner().invoke(main, ["check", "--recompute"])
    assert "released-skey not recomputed: its weights are not here" in shown.output


def test_a_smoke_run_without_the_weights_takes_their_answers_from_the_record(recorded, no_weights):
    (no_weights / "released-skey.safetensors").unlink()
    some = compute(systems("krumhansl"), Parameters(limit=12, recompute=True, output="elsewhere"))
    assert some.systems == ["krumhansl", "released-skey"] and len(some.answers) == 12
    assert compare_records(recorded, some.folder) == []


def test_other_weights_than_the_recorded_ones_are_named(recorded, no_weights):
    save_network(no_weights / "released-skey.safetensors", seed=3)
    assert any("released-skey: record" in line for line in check_answers(recorded, systems()))
    again = compute(systems("released-skey"), Parameters(recompute=True, output="new"))
    assert any(line.startswith("released-skey: ") for line in compare_records(recorded, again.folder))


def test_answers_to_other_music_are_not_taken_over(recorded):
    about = recorded / "answers.json"
    about.write_text(about.read_text().replace('"hash": "', '"hash": "other'))
    again = compute(systems("krumhansl"), Parameters(recompute=True, output="new"))
    assert again.systems == ["krumhansl"]


def test_what_released_networks_said_is_taken_from_the_record_and_nothing_else_is(checkout):
    old = {"released-skey": {"p": [0.5]}, "b": {"p": [0.25]}, "asked no more": {"p": [0.3]}}
    observations.observe("sounds", lambda: old, recompute=True)
    again = observations.observe("sounds", lambda: {"b": {"p": [0.75]}, "c": {"p": [0.1]}}, recompute=True)
    assert again.entries == {"released-skey": {"p": [0.5]}, "b": {"p": [0.75]}, "c": {"p": [0.1]}}
    assert again.made["carried"] == ["released-skey"]
    assert observations.observe("sounds", dict) == again


def test_the_last_digits_of_a_probability_are_no_change_and_words_are(checkout):
    old = {"a": {"p": [0.5, 0.25], "key": "C major"}}
    assert observations.moved_numbers(old, {"a": {"p": [0.5009, 0.25], "key": "C major"}}) == []
    (line,) = observations.moved_numbers(old, {"a": {"p": [0.5, 0.26], "key": "C major"}})
    assert line == "a / p / 1: record 0.25, computed here 0.26"
    assert len(observations.moved_numbers(old, {"a": {"p": [0.5, 0.25], "key": "C minor"}})) == 1
    made = {"commit": "1"}
    assert observations.write_observation(observations.Observation("x", old, made), checkout)
    assert not observations.write_observation(observations.Observation("x", old, {"commit": "2"}), checkout)


def test_a_missing_observation_says_how_to_make_it(checkout):
    with pytest.raises(RecordError, match=r"papermill notebooks/sounds\.ipynb"):
        observations.observe("sounds", dict)


@pytest.mark.parametrize(
    ("major", "minor", "offset"), [(9, 6, 0), (9, 11, -1), (2, 11, 0), (0, 4, 1), (0, 3, 6), (10, 7, 0)]
)
def test_the_offset_of_two_modes_is_counted_in_fifths(major, minor, offset):
    assert mode_offset(Calibration(24, major, minor)) == offset


def test_after_calibration_both_reference_sounds_lie_at_c_and_a_minor():
    for entry in shipped("calibration").entries.values():
        before, after = alignment_drawings("N", entry)
        assert "major ring largest at C; minor ring largest at C" in after.description
        assert "row" in before.description
    before = alignment_drawings("S-KEY", shipped("calibration").entries["released-skey"])[0]
    assert "major ring largest at row 3; minor ring largest at row 10" in before.description


def test_stretches_overlap_and_reach_from_the_first_second_to_the_last():
    cut = list(stretches(torch.zeros(30 * SAMPLE_RATE).numpy()))
    assert (cut[0][0], cut[-1][1]) == (0, 30)
    assert all(len(part) == 7.5 * SAMPLE_RATE for _, _, part in cut)


def test_the_largest_dot_is_that_of_the_likeliest_key():
    certain = [float(key == parse_key("F# minor")) for key in KEYS]
    drawing = key_rings(certain, "t")
    assert "minor ring largest at A." in drawing.description
    assert "Largest at F# minor" in drawing.description


def test_the_picture_over_time_counts_the_stretches_that_are_right():
    certain = [float(key == KEYS[0]) for key in KEYS]
    parts = [{"start": s, "end": s + 5, "probabilities": certain if s else []} for s in (0, 5, 10)]
    drawing = timeline_drawing(parts, KEYS[0], "krumhansl", "t")
    assert "likeliest key in 2 of 3 stretches" in drawing.description


def test_every_network_but_the_default_has_a_row_in_the_table_of_networks():
    rows = others_table(ROOT).splitlines()[2:]
    named = [name for name in SYSTEMS if any(f"`{name}`" in row for row in rows)]
    ours = {file.stem for file in (ROOT / "skey" / "weights").glob("*.safetensors")} - {DEFAULT}
    assert set(named) == ours | set(RELEASED) and len(rows) == len(named)
    for name in RELEASED:
        entry = shipped("calibration").entries[name]
        (row,) = (row for row in rows if f"`{name}`" in row)
        assert entry["checksum"][:12] in row and f"| {entry['parameters']:,} |" in row


def test_the_networks_called_open_music_alone_heard_recordings_and_take_longer_windows():
    headers = {file.stem: read_header(file) for file in SHIPPED.glob(f"*{SUFFIX}")}
    called = {name for name in headers if "open music" in SYSTEMS[name].title}
    assert called == {name for name, header in headers.items() if header.training.get("recorded_tracks")}
    assert called == {name for name, header in headers.items() if header.window_seconds == 30}
    assert {header.window_seconds for name, header in headers.items() if name not in called} == {15}


def test_the_codes_for_djs_name_each_key_once():
    table = codes_table()
    assert all(table.count(f"| {format_key(key, Notation.SPELLED)} |") == 1 for key in KEYS)
    assert "| C major | A minor | 8B, 8A | 1d, 1m |" in table


def test_a_snippet_that_raises_is_shown():
    with pytest.raises(SkeyError, match="broken"):
        run_snippets([("python", "1 / 0", "broken")])


def test_papermill_reads_an_observation_without_any_weights(no_weights, tmp_path):
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "notebooks/calibration.ipynb"]
    command += [str(tmp_path / "out.ipynb"), "-p", "recompute", "True", "-p", "output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = observations.read_observation(tmp_path, "calibration")
    assert made.made["carried"] == [entry for entry in made.entries if entry.startswith("released-")]
    assert observations.compare_observations(ROOT / RESULTS, tmp_path) == []
    text = (tmp_path / "out.ipynb").read_text(encoding="utf-8")
    assert "from the record, as their weights are not here" in text and text.count("role=") >= 6
