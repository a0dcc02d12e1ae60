"""`skey corpus`: what a newcomer types, and what is answered."""

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from skey.audio import SAMPLE_RATE
from skey.cli import main
from skey.corpus import build as build_module
from skey.corpus.degradation import apply_degradation, draw_degradation
from skey.corpus.listening import find_clip
from skey.corpus.plan import arrangements, plan_clips, render_clip


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Call the command with its data in a fresh folder."""
    monkeypatch.setenv("SKEY_DATA", str(tmp_path / "data"))
    return lambda *arguments: CliRunner().invoke(main, ["corpus", *map(str, arguments)])


def test_building_says_how_much_where_and_the_checksum(run, tmp_path, monkeypatch):
    monkeypatch.setattr(build_module, "clip_features", lambda clip: np.zeros((99, 1292), np.uint8))
    first = run("build", "--clips", 13, "--jobs", 1)
    assert first.exit_code == 0, first.output
    assert "13 clips, 1.7 MB" in first.stdout and str(tmp_path) in first.stdout
    assert "13/13" in first.stderr
    assert run("build", "--clips", 13, "--jobs", 1).stdout == first.stdout


def test_the_description_is_readable(run):
    text = run("describe", "--split", "unlabelled", "--clips", 10).stdout
    assert text.startswith("unlabelled: 10 clips of 10 pieces")
    assert "polyphony" in text and "unknown" in text


def test_listening_writes_what_was_heard_and_says_what_it_is(run, tmp_path):
    clip = plan_clips("test", 1)[0]
    answer = run("listen", clip.id, "-o", tmp_path / "clip.wav")
    assert answer.exit_code == 0, answer.output
    assert f"key          {clip.key}" in answer.stdout
    assert all(word in answer.stdout for word in ("tempo", "instruments", "degradation"))
    wave, rate = soundfile.read(tmp_path / "clip.wav", dtype="float32")
    assert rate == SAMPLE_RATE and wave.shape == (661_500,)
    np.testing.assert_allclose(wave, render_clip(clip), atol=2**-15)
    again = run("listen", clip.id, "-o", tmp_path / "clip.wav")
    assert again.exit_code == 2 and "clip.wav is there already" in again.stderr


def test_a_piece_sounds_at_another_level_and_in_another_arrangement():
    piece = plan_clips("test", 1)[0].piece_id
    plain, hard, other = find_clip(piece), find_clip(piece, "hard"), find_clip(piece, arrangement=1)
    assert (plain.level, hard.level) == ("full", "hard") and hard.key == plain.key
    assert arrangements(other)[0].tempo != arrangements(plain)[0].tempo


def test_the_degradation_that_is_told_is_the_one_that_is_heard(monkeypatch):
    from skey.corpus import plan

    clip = plan_clips("test", 1)[0]
    drawn, heard = draw_degradation(clip.level, plan.degradation_generator(clip)), []
    monkeypatch.setattr(plan, "degrade", lambda wave, level, rng: heard.append(wave) or wave)
    render_clip(clip)
    monkeypatch.undo()
    np.testing.assert_array_equal(apply_degradation(heard[0], drawn), render_clip(clip))


@pytest.mark.parametrize("name", ["chorales/bwv0#0-0-full", "nothing", "tunes/x#1", "tunes/x#a-0-full"])
def test_an_unknown_piece_is_one_clear_line(run, tmp_path, name):
    answer = run("listen", name, "-o", tmp_path / "clip.wav")
    assert answer.exit_code == 1
    assert answer.stderr.startswith("Error: ") and name.split("#")[0] in answer.stderr


def test_a_folder_that_does_not_exist_is_one_clear_line(run, tmp_path):
    answer = run("listen", plan_clips("test", 1)[0].id, "-o", tmp_path / "no" / "clip.wav")
    assert answer.exit_code == 1 and answer.stderr.startswith("Error: cannot write")
