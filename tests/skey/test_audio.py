"""Decoding, mixing down, resampling and normalising, of files, arrays and streams."""

import sys

import numpy as np
import pytest
import soundfile
from sounds import pitch, sine

from skey.audio import (
    MIN_SAMPLES,
    SAMPLE_RATE,
    AudioError,
    TooShortAudio,
    prepare,
    read_audio,
    stream_array,
    stream_audio,
)
from skey.cli.measure import measure
from skey.files.decoding import decoded


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 37_913, 44_100, 48_000, 96_000, 192_000])
def test_a_keeps_its_pitch_and_its_length_at_any_sample_rate(tmp_path, rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, sine(rate), rate, subtype="FLOAT")
    wave = read_audio(path)
    assert wave.dtype == np.float32
    assert abs(wave.size - 4 * SAMPLE_RATE) <= 1
    assert abs(pitch(wave) - 440) < 0.3
    assert np.abs(wave).max() == 1


@pytest.mark.skipif(sys.platform == "win32", reason="this system does not account for one process")
def test_an_odd_sample_rate_does_not_exhaust_memory(tmp_path):
    """A 37,913 Hz file took the authors' package 22 GB."""
    path = tmp_path / "odd.wav"
    soundfile.write(path, np.zeros((120 * 37_913, 2), np.int16), 37_913)
    code = (
        "import sys; from skey.audio import stream_audio\n"
        "assert sum(block.size for block in stream_audio(sys.argv[1])) == 120 * 22050"
    )
    assert measure("stream", [sys.executable, "-c", code, str(path)]).peak_megabytes < 150


@pytest.mark.parametrize("rate", [44_100, 48_000, 37_913, 8_000, 22_050])
def test_path_array_and_stream_give_the_same_samples_to_the_last_bit(tmp_path, rate):
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, (23 * rate, 2)).astype(np.float32)
    path = tmp_path / "noise.wav"
    soundfile.write(path, samples, rate, subtype="FLOAT")
    whole = read_audio(path)
    streamed = np.concatenate(list(stream_audio(path, seconds=1.7)))
    assert np.array_equal(whole, prepare(samples, rate))
    assert np.array_equal(whole, streamed / np.abs(streamed).max())
    assert np.array_equal(streamed, np.concatenate(list(stream_array(samples, rate, seconds=15))))


def test_blocks_have_the_length_that_was_asked_for(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, sine(44_100, seconds=7), 44_100)
    assert [block.size for block in stream_audio(path, seconds=3)] == [66_150, 66_150, 22_050]


def test_the_mean_of_the_channels_is_heard():
    left, right = sine(22_050, 440), sine(22_050, 660)
    np.testing.assert_allclose(
        prepare(np.stack([left, right], axis=1), 22_050), prepare(left + right, 22_050), atol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float64])
def test_pcm_integers_mean_the_same_as_floats(dtype):
    floats = sine(22_050, amplitude=0.9)
    samples = floats.astype(dtype)
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        middle, half = (info.max + info.min + 1) / 2, (info.max - info.min) / 2
        samples = np.round(floats.astype(np.float64) * half + middle).astype(dtype)
    np.testing.assert_allclose(prepare(samples, 22_050), prepare(floats, 22_050), atol=0.01)


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [("8.wav", "PCM_U8", 0.02), ("24.wav", "PCM_24", 1e-5), ("a.flac", "PCM_16", 1e-4)],
)
def test_every_lossless_format_gives_the_same_sound(tmp_path, name, subtype, tolerance):
    soundfile.write(tmp_path / name, sine(44_100), 44_100, subtype=subtype)
    np.testing.assert_allclose(read_audio(tmp_path / name), prepare(sine(44_100), 44_100), atol=tolerance)


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".w64"])
def test_samples_of_16_bits_are_to_the_last_bit_what_libsndfile_makes_of_them(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    samples = np.random.default_rng(0).integers(-32_768, 32_767, (44_100, 2), np.int16, endpoint=True)
    soundfile.write(path, samples, 44_100, subtype="PCM_16")
    heard = np.concatenate([block for _, block in decoded(path)])
    np.testing.assert_array_equal(heard, soundfile.read(path, dtype="float32")[0])


def test_the_authors_decoding_and_ours_agree(shared):
    """Their resampler is a windowed sinc of width 6, so the band edge differs; music below it does not."""
    stored = np.load(shared / "parity" / "00_nocturne_n02_in_e-flat_major.npz")["wave"]
    ours = read_audio(shared / "parity" / "audio" / "00_nocturne_n02_in_e-flat_major.mp3")
    assert ours.size == stored.size
    assert np.abs(ours - stored).max() < 1e-3


def with_one(value):
    samples = sine(44_100).astype(np.float64)
    samples[1_000] = value
    return samples


@pytest.mark.parametrize(
    ("samples", "rate", "error", "reason"),
    [
        *((with_one(value), 44_100, AudioError, "NaN") for value in (np.nan, np.inf, -np.inf)),
        *((with_one(value), 44_100, AudioError, "over 1e12") for value in (1e13, 1e39, -1e300)),
        (np.ma.masked_greater(sine(44_100), 0.1), 44_100, AudioError, r"filled\(0\)"),
        (np.zeros(0), 44_100, AudioError, "empty"),
        *((sine(44_100).astype(dtype), 44_100, AudioError, "int16") for dtype in (np.int64, np.uint64)),
        (sine(SAMPLE_RATE)[: MIN_SAMPLES - 1], SAMPLE_RATE, TooShortAudio, r"2\.94 s, and at least 2\.95 s"),
        *((np.zeros(shape), 44_100, AudioError, "expected") for shape in ((), (4, 4, 4))),
        *((np.zeros(100), rate, AudioError, "sample rate") for rate in (0, -44_100, 10, 5_000_000, np.nan)),
    ],
)
def test_what_is_no_music_is_refused_with_its_reason(samples, rate, error, reason):
    with pytest.raises(error, match=reason):
        prepare(samples, rate)


def test_three_seconds_are_enough_and_a_sound_over_full_scale_is_brought_to_peak_one():
    wave = prepare(sine(SAMPLE_RATE, amplitude=7)[:MIN_SAMPLES], SAMPLE_RATE)
    assert wave.size == MIN_SAMPLES and np.abs(wave).max() == 1
