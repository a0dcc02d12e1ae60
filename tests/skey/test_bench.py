"""The bench accounts for single processes."""

import json
import sys
import tempfile
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner

from skey.cli import main, step
from skey.cli.measure import SOURCE_RATE, interleaved, made_up_recording, measure
from skey.errors import SkeyError


def test_a_process_is_charged_for_its_memory_and_its_time():
    small = measure("nothing", [sys.executable, "-c", "pass"])
    large = measure("a block", [sys.executable, "-c", "block = b'x' * 100_000_000"])
    assert 90 < large.peak_megabytes - small.peak_megabytes < 120
    busy = measure("a loop", [sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"])
    assert 0.3 <= busy.cpu_seconds < busy.wall_seconds + 0.2


def test_a_failing_command_is_named_with_what_it_said():
    with pytest.raises(SkeyError, match=r"bad one failed.*boom"):
        measure("the bad one", [sys.executable, "-c", "raise SystemExit('boom')"])


def test_the_recording_has_the_length_asked_for_and_is_removed():
    with made_up_recording(36.0) as path:
        info = soundfile.info(path)
        assert (info.duration, info.samplerate, info.channels) == (36.0, SOURCE_RATE, 2)
    assert not path.exists()


def test_programs_take_turns_and_the_median_of_each_number_counts():
    write = "import sys, time; open(sys.argv[1], 'a').write(sys.argv[2])"
    with tempfile.NamedTemporaryFile() as log:
        commands = {name: [sys.executable, "-S", "-c", write, log.name, name] for name in "ab"}
        costs = interleaved(commands, 3)
        assert Path(log.name).read_text() == "ababab"
    assert [cost.name for cost in costs] == ["a", "b"]
    assert all(cost.cpu_seconds > 0 and 5 < cost.peak_megabytes < 100 for cost in costs)


def test_speed_is_measured_beside_decoding_alone_in_three_formats_and_named_with_the_machine():
    shown = CliRunner().invoke(main, ["bench", "speed", "--minutes", "1", "--runs", "1", "--json"])
    measured = json.loads(shown.stdout)
    assert measured["machine"]["cores"] >= 1 and measured["machine"]["processor"]
    costs = {(row["format"], row["program"]): row for row in measured["rows"]}
    for form in ("wav", "flac", "mp3"):
        for program in ("skey", "decoding and resampling alone"):
            assert all(costs[form, program][measure] > 0 for measure in ("first_answer", "whole"))


def test_a_folder_of_clips_is_given_to_one_process(monkeypatch):
    lengths = "[soundfile.info(file).duration for file in sys.argv[1:]]"
    counts = f"import sys, soundfile; assert {lengths} == [30, 30, 30]"
    monkeypatch.setattr("skey.cli.measure.programs", lambda: {"counts": counts})
    shown = CliRunner().invoke(main, ["bench", "folder", "--clips", "3", "--json"])
    assert [row["name"] for row in json.loads(shown.stdout)["rows"]] == ["counts"]


def test_each_way_to_step_has_a_row(monkeypatch):
    ways = [step.Stage(way, "pair", 1, lambda: None) for way in ("plain", "ours")]
    monkeypatch.setattr(step, "ways_to_step", lambda system: ways)
    shown = CliRunner().invoke(main, ["bench", "step", "stone", "--runs", "1", "--json"])
    assert [row["stage"] for row in json.loads(shown.stdout)["rows"]] == ["plain", "ours"]
