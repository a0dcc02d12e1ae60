"""What people throw at a key estimator: no crash, no hang, no gigabytes, and no key where there is none."""

import subprocess
import sys
import time
from zlib import crc32

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from sounds import cadence, noise

from skey.audio import AudioError
from skey.cli import main
from skey.estimator import KeyEstimator
from skey.keys import Key

RATE = 44_100
SLOWEST_SECONDS = 5


def music(seconds=6.0, rate=RATE):
    """C major, F major, G major, C major, a second and a half each."""
    return cadence(Key(0, "major"), seconds, rate, beat=1.5)


def click():
    samples = np.zeros(12 * RATE, np.float32)
    samples[5 * RATE] = 1
    return samples


def truncated(path):
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])


def with_flipped_bits(path):
    content = bytearray(path.read_bytes())
    for place in np.random.default_rng(crc32(b"bits")).integers(1_000, len(content), 40):
        content[place] ^= 0x55
    path.write_bytes(bytes(content))


@pytest.fixture(scope="module")
def estimator():
    return KeyEstimator()


@pytest.fixture
def listen(tmp_path, estimator):
    """Writes samples, does something to the file, and estimates its key within the time limit."""

    def write_and_listen(samples, name="sound.wav", rate=RATE, spoil=None, **how):
        path = tmp_path / name
        soundfile.write(str(path), samples, rate, **how)
        if spoil is not None:
            spoil(path)
        return estimate_in_time(estimator, path)

    return write_and_listen


def estimate_in_time(estimator, path):
    began = time.process_time()
    try:
        return estimator.estimate(path)
    finally:
        assert time.process_time() - began < SLOWEST_SECONDS


NO_SOUND = {
    "text.wav": b"These are words, not samples.\n" * 200,
    "zeros.flac": bytes(100_000),
    "song.m4a": b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(5_000),
    "renamed.mp3": b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(5_000),
    "song.wma": bytes.fromhex("3026b2758e66cf11") + bytes(5_000),
    "samples.raw": bytes(100_000),
    "playlist.m3u": b"#EXTM3U\nsong.mp3\n",
}
PERHAPS_FRAMES = {
    "program.mp3": bytes(range(256)) * 400,
    "random.mp3": np.random.default_rng(0).bytes(200_000),
}
"""The decoder of mp3 may find a frame in anything; it must not find a key."""


@pytest.mark.parametrize("name", [*NO_SOUND, *PERHAPS_FRAMES])
def test_what_is_no_sound_file_has_no_key(tmp_path, estimator, name):
    path = tmp_path / name
    path.write_bytes((NO_SOUND | PERHAPS_FRAMES)[name])
    try:
        estimate = estimate_in_time(estimator, path)
    except AudioError as error:
        assert "not a readable sound file" in str(error) or name in PERHAPS_FRAMES
    else:
        assert name in PERHAPS_FRAMES and estimate.key is None


def test_a_header_without_samples_is_empty(listen):
    with pytest.raises(AudioError, match="no samples"):
        listen(np.zeros(0, np.float32))
    with pytest.raises(AudioError, match="no samples"):
        listen(music(), spoil=lambda path: path.write_bytes(path.read_bytes()[:44]))


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        *((f"cut.{each}", truncated) for each in ("wav", "flac", "mp3", "ogg")),
        ("bits.mp3", with_flipped_bits),
    ],
)
def test_a_damaged_file_is_heard_as_far_as_it_goes_or_called_unreadable(listen, name, spoil):
    """Three fifths of a truncated one are left: C major, F major and most of a G major chord."""
    try:
        estimate = listen(music(12), name, spoil=spoil)
    except AudioError as error:
        assert "damaged" in str(error)
    else:
        assert 2.95 < estimate.duration < 12.1
        assert estimate.key == Key(0, "major")


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(6 * RATE, np.float32), "silent"),
        (np.stack([music(), -music()], axis=1), "opposite phase"),
        (np.full(6 * RATE, 0.5, np.float32), "too little sound"),
        (click(), "too little sound"),
        (noise(12), "no tonality"),
        (0.5 + 0.02 * noise(12), "no tonality"),
        (music(0.1), "too short"),
        (music(1.0), "too short"),
        (music(2.9), "too short"),
    ],
    ids=["silence", "anti-phase", "dc", "click", "noise", "dc and noise", "100 ms", "1 s", "2.9 s"],
)
def test_where_there_is_no_key_none_is_invented(listen, samples, reason):
    estimate = listen(samples)
    assert estimate.key is None
    assert reason in estimate.reason
    assert estimate.confidence == 0
    assert len(set(estimate.probabilities)) == 1


@pytest.mark.parametrize(
    ("rate", "subtype"),
    [
        *((rate, "PCM_16") for rate in (8_000, 16_000, 22_050, 44_100, 96_000)),
        *((rate, "FLOAT") for rate in (11_025, 32_000, 37_913, 48_000)),
    ],
)
def test_constants_and_ramps_are_silence_at_every_rate(listen, rate, subtype):
    """The rounding of the resampler used to count as sound, and to be heard in D major."""
    for samples in (np.full(12 * rate, 0.5), np.linspace(-0.9, 0.9, 12 * rate), np.full(12 * rate, -1e-2)):
        estimate = listen(samples.astype(np.float32), rate=rate, subtype=subtype)
        assert estimate.key is None
        assert "too little sound" in estimate.reason


@pytest.mark.parametrize(("before", "after"), [(0, 40), (5, 0), (12, 5), (14, 0), (40, 40)])
def test_digital_silence_around_music_has_no_say(estimator, before, after):
    silence = [np.zeros(seconds * RATE, np.float32) for seconds in (before, after)]
    estimate = estimator.estimate(np.concatenate([silence[0], music(9), silence[1]]), RATE)
    assert estimate.key == Key(0, "major")
    assert estimate.duration == pytest.approx(before + 9 + after, abs=0.01)


@pytest.mark.parametrize(
    ("samples", "options"),
    [
        *((music(), {"subtype": each}) for each in ("PCM_32", "DOUBLE", "ULAW", "ALAW")),
        (15 * music(), {"subtype": "FLOAT"}),
        (np.stack([music()] * 8, axis=1), {}),
        (music(), {"name": "song.ogg"}),
        (music(6, 48_000), {"name": "song.opus", "rate": 48_000, "format": "OGG", "subtype": "OPUS"}),
        (music(), {"name": "SONG.MP3"}),
        (music(), {"name": "mp3 in disguise.wav", "format": "MP3"}),
    ],
)
def test_every_depth_level_number_of_channels_and_format_gives_the_key(listen, samples, options):
    assert listen(samples, **options).key == Key(0, "major")


def test_a_file_that_may_not_be_read_says_so(tmp_path, estimator, monkeypatch):
    """Root may read everything: the refusal is made up."""
    path = tmp_path / "private.wav"
    soundfile.write(path, music(), RATE)

    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(AudioError, match="permissions"):
        estimator.estimate(path)


def test_a_folder_in_a_loop_of_links_is_walked_once(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    soundfile.write(tmp_path / "a" / "song.wav", music(), RATE)
    (tmp_path / "a" / "b" / "back").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a" / "self.wav").symlink_to(tmp_path / "a" / "self.wav")
    ran = CliRunner().invoke(main, ["detect", "-r", str(tmp_path)])
    assert ran.stdout.count("song.wav") == 1
    assert "self.wav" in ran.stderr
    assert ran.exit_code == 1


def test_a_thousand_small_files_are_dealt_with_in_seconds(tmp_path):
    soundfile.write(tmp_path / "0.wav", music(0.05), RATE)
    content = (tmp_path / "0.wav").read_bytes()
    for number in range(1, 1_000):
        (tmp_path / f"{number}.wav").write_bytes(content)
    began = time.perf_counter()
    command = [sys.executable, "-m", "skey", "detect", "-r", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert time.perf_counter() - began < 120, "about 2 s on an idle machine"
    assert ran.stdout.count("\n") == 1_000
    assert ran.stderr.count("too short") == 1_000
