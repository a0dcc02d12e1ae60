"""Training on one's own recordings: what is taken of them, in which proportion, and what is left out."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from test_training import small

from skey.corpus.build import font_digest
from skey.corpus.plan import Clip, plan_songs, render_clip
from skey.corpus.soundfont import installed_soundfont
from skey.errors import SkeyError
from skey.experiments import EXPERIMENTS, at_scale
from skey.keys import KEYS
from skey.losses import Views, key_loss
from skey.training.checkpoint import RunError
from skey.training.data import Pool, TrainingData, load_data, mixed_order, recoloured
from skey.training.loop import Machine, Run
from skey.training.recordings import (
    NO_FILE,
    SEGMENT_BYTES,
    Recording,
    Recordings,
    Skipped,
    is_held_out,
    open_recordings,
    prepare,
    segments,
)
from skey.weights import read_header

RATE = 22_050


def write_music(path: Path, seconds: float, tonic: int = 0) -> Path:
    """A major triad over a tonic, another note of it each second."""
    times = np.arange(int(seconds * RATE)) / RATE
    semitone = tonic + np.choose(times.astype(int) % 3, [0, 4, 7])
    wave = 0.3 * np.sin(2 * np.pi * np.cumsum(220 * 2 ** (semitone / 12)) / RATE)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, RATE)
    return path


@pytest.fixture
def music(tmp_path, monkeypatch):
    """Three tracks in two folders, one of them twice, a broken file and one that is too short."""
    monkeypatch.setenv("SKEY_DATA", str(tmp_path / "data"))
    folder = tmp_path / "music"
    for number in range(3):
        write_music(folder / "album" / f"{number}.flac", 46 + 15 * number, number)
    (folder / "copy.flac").write_bytes((folder / "album" / "0.flac").read_bytes())
    (folder / "broken.mp3").write_bytes(b"no music at all")
    write_music(folder / "short.wav", 20)
    return folder


def test_each_content_gives_pairs_of_its_segments_whatever_its_name_and_others_a_reason(music):
    tracks, skipped = open_recordings([music], jobs=1)
    pairs = Recordings(tracks)
    assert len(tracks) == 3
    assert len(pairs) == 3 + 4 + 5
    assert pairs[0].shape == (99, 1292)
    reasons = {each.path.name: each.reason for each in skipped}
    assert set(reasons) == {"broken.mp3", "short.wav"}
    assert "two segments" in reasons["short.wav"]
    assert reasons["broken.mp3"].startswith("not a readable sound file")  # who lists files names them
    (music / "album").rename(music / "another")
    assert Recordings(open_recordings([music], jobs=1)[0]).digest() == pairs.digest()


def test_a_part_of_kept_features_is_made_anew(music):
    first = prepare(music / "copy.flac")
    assert isinstance(first, Recording)
    whole = first.path.read_bytes()
    for part in (b"", whole[:100], whole[:100_000]):
        first.path.write_bytes(part)
        assert prepare(music / "copy.flac") == first and first.path.read_bytes() == whole


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_read_from_for_ever(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert prepare(tmp_path / "pipe.wav") == Skipped(tmp_path / "pipe.wav", NO_FILE)


def test_silent_stretches_are_no_segments(tmp_path):
    wave = np.concatenate([np.zeros(30 * RATE), 0.3 * np.sin(np.arange(30 * RATE) / 10)])
    soundfile.write(tmp_path / "late.wav", wave, RATE)
    assert len(segments(tmp_path / "late.wav")) == 2


def test_a_folder_without_music_says_so(tmp_path):
    with pytest.raises(SkeyError, match="nothing to train on"):
        open_recordings([tmp_path], jobs=1)


def test_recordings_have_their_share_of_each_epoch_and_each_comes_once_before_any_twice():
    pool = Pool(((Recordings([]), 0),) * 30, (None,) * 30)
    data = TrainingData(pool, Pool((), ()), pool, "", 30, recorded=10)
    order = mixed_order(data, 0.25, 40, torch.Generator().manual_seed(0))
    assert sorted(place for place in order if place >= 20) == list(range(20, 30))
    assert len(order) == 40
    assert mixed_order(replace(data, recorded=0), 0.25, 30, torch.Generator()) != order


def test_without_the_corpus_every_clip_is_a_recording(music):
    alone = replace(at_scale(EXPERIMENTS["stone"]), clips=0, unlabelled=0)
    (music / "index.json").write_text("{}")  # another program's, not of shards
    data = load_data(alone, jobs=1, audio=[music])
    assert data.recorded == len(data.training) == 12 - len(data.validation)
    with pytest.raises(SkeyError, match="labels"):
        load_data(replace(alone, supervision="alternate"), jobs=1, audio=[music])


def test_tracks_are_not_compared_with_every_one_that_is_held_out(tmp_path, monkeypatch):
    (kept := tmp_path / "kept").write_bytes(bytes(2 * SEGMENT_BYTES))
    tracks = tuple(Recording(str(number), kept, 2, 0) for number in range(300))
    compared = []
    monkeypatch.setattr(Recording, "__eq__", lambda mine, other: compared.append(mine) or mine is other)
    monkeypatch.setattr("skey.training.data.open_audio", lambda *_: (tracks, ()))
    data = load_data(replace(small("stone", epochs=1), clips=0, unlabelled=0), audio=["made up"])
    held_out = sum(is_held_out(track.digest) for track in tracks)
    assert (
        data.recorded == 2 * data.tracks == 2 * (300 - held_out)
        and len(data.validation) == 2 * held_out < 100
    )
    assert len(compared) < 300


def test_another_colour_keeps_the_loudest_point_and_the_range_of_80_db():
    x = torch.rand(4, 2, 99, 40) * 0.6 + 0.4
    y = recoloured(x, torch.Generator().manual_seed(0))
    assert torch.allclose(y.amax(dim=(2, 3)), x.amax(dim=(2, 3)), atol=1e-5)
    assert bool((y >= x.amax(dim=(2, 3), keepdim=True) - 1 - 1e-6).all())
    assert not torch.allclose(y, x, atol=0.02)
    assert torch.equal(y, recoloured(x, torch.Generator().manual_seed(0)))


def test_another_colour_leaves_a_melody_where_it_is():
    x = torch.zeros(1, 2, 99, 40)
    x[:, :, 40], x[:, :, 47] = 1.0, 0.95
    y = recoloured(x, torch.Generator().manual_seed(1))
    assert set(y[0, 0].mean(1).topk(2).indices.tolist()) == {40, 47}


def test_a_run_on_recordings_goes_on_where_it_was_stopped_and_refuses_others(music, tmp_path):
    experiment = replace(small("stone", epochs=2), clips=0, unlabelled=0, recolour=True)
    data, machine = load_data(experiment, jobs=1, audio=[music]), Machine("cpu", half_precision=False)
    whole = Run(experiment, 0, data, tmp_path / "whole", machine).train()
    first = Run(experiment, 0, data, tmp_path / "parts", machine)
    next(first.epochs())
    second = Run(experiment, 0, data, tmp_path / "parts", machine)
    second.resume()
    resumed = second.train()
    pairs = zip(whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    header = read_header(second.folder.weights)
    assert header.training["recorded_tracks"] == data.tracks < 3
    with pytest.raises(RunError, match=r"\(experiment\.batch\)"):
        Run(replace(experiment, batch=5), 0, data, tmp_path / "parts", machine).resume()
    write_music(music / "new.wav", 50, 5)
    for other in (load_data(experiment, jobs=1, audio=[music]), replace(data, soundfonts=("another",))):
        with pytest.raises(RunError, match="other recordings or SoundFonts"):
            Run(experiment, 0, other, tmp_path / "parts", machine).resume()


def test_the_network_of_labels_learns_from_both_views_of_a():
    certain = torch.zeros(1, 12, 2)
    certain[0, 3, 1] = 1.0
    uniform = torch.full((1, 12, 2), 1 / 24)
    views = Views(uniform, certain, certain, torch.tensor([0]))
    assert key_loss(views, certain, certain).item() == pytest.approx(np.log(24), rel=1e-6)


def test_another_soundfont_plays_as_many_songs_again_and_other_ones(tmp_path, monkeypatch):
    played: dict[str, Path | None] = {}

    def features(clip: Clip, font: Path | None = None) -> np.ndarray:
        played[clip.id] = font
        return np.zeros((99, 1292), np.uint8)

    monkeypatch.setenv("SKEY_DATA", str(tmp_path))
    monkeypatch.setattr("skey.corpus.build.clip_features", features)
    (font := tmp_path / "other.sf2").write_bytes(b"another")
    experiment = replace(at_scale(EXPERIMENTS["semitone-open"]), clips=0, unlabelled=0, songs=40)
    alone, data = (load_data(experiment, jobs=1, soundfonts=fonts) for fonts in ((), (font,)))
    plans = ((None, plan_songs(40)), (font, plan_songs(40, 1)))
    assert played == {clip.id: wanted for wanted, plan in plans for clip in plan}
    assert len(played) == 80 == len(data.training) + len(data.validation)
    assert (alone.soundfonts, data.soundfonts) == ((), (font_digest(font),))
    with pytest.raises(SkeyError, match="no songs to play here: leave out --soundfont"):
        load_data(replace(experiment, songs=0, clips=2000), jobs=1, soundfonts=[font])


def test_a_song_sounds_different_with_another_soundfont(tmp_path):
    other = tmp_path / "other.sf2"
    content = bytearray(installed_soundfont().read_bytes())
    content[2_000_000:3_000_000] = bytes(1_000_000)
    other.write_bytes(content)
    song = plan_songs(1)[0]
    assert not np.array_equal(render_clip(song), render_clip(song, other))


def test_keys_of_songs_are_uniform_over_all_24():
    assert {clip.key for clip in plan_songs(400)} == set(KEYS)
