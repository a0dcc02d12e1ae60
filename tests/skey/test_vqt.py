"""The log-VQT front end against nnAudio, against the authors' vectors, and as music."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from skey.audio import SAMPLE_RATE, TooShortAudio
from skey.inference.filters import MIN_VQT_SAMPLES, SEGMENT_SAMPLES
from skey.vqt import MAX_CROP, LogVQT, chroma, crop, from_bytes, log_compress, log_vqt, to_bytes

PARITY_WITH_FRONT_END = ("00_nocturne_n02_in_e-flat_major", "01_Cmajor", "25_cadence_C_22050_float")


def sine(frequency, seconds=3.0):
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return torch.from_numpy(np.sin(2 * np.pi * frequency * times).astype(np.float32))


def resolved(profile):
    """The upper 32 of the 80 dB, which float32 resolves to 1e-4 with some room."""
    return profile > profile.max() - 0.4


def tone(frequency, seconds=4.0):
    """Four harmonics that fade in and out over the noise floor of a real recording."""
    harmonics = sum(sine(frequency * n, seconds) / n for n in range(1, 5))
    faded = harmonics * torch.hann_window(harmonics.numel(), periodic=False)
    return faded + 1e-4 * noise(harmonics.numel())


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def chord(tonic, seconds=4.0):
    """A major triad in two octaves."""
    pitches = [tonic + interval + octave for octave in (0, 12) for interval in (0, 4, 7)]
    wave = sum(tone(440 * 2 ** ((pitch - 69) / 12), seconds) for pitch in pitches)
    return wave / wave.abs().max()


@pytest.fixture(scope="module")
def nnaudio():
    from nnAudio.features.vqt import VQT

    return VQT(sr=SAMPLE_RATE, fmin=27.5, n_bins=99, bins_per_octave=12, gamma=0, verbose=False)


@pytest.mark.parametrize("samples", [MIN_VQT_SAMPLES, 65_024, 100_003, SEGMENT_SAMPLES])
def test_the_transform_is_that_of_nnaudio_to_float_precision(nnaudio, samples):
    wave = noise(2, samples)
    reference, ours = nnaudio(wave), LogVQT().magnitude(wave)
    assert ours.shape == reference.shape == (2, 99, samples // 512 + 1)
    assert (ours - reference).abs().max() < 2e-6 * reference.max()
    ours, reference = log_compress(ours), log_compress(reference)
    assert (ours - reference)[resolved(reference)].abs().max() < 1e-5


@pytest.mark.parametrize("name", [*PARITY_WITH_FRONT_END, "33_exactly_65024_samples"])
def test_the_log_vqt_is_that_of_the_authors_where_float32_resolves_it(shared, name):
    stored = np.load(shared / "parity" / f"{name}.npz")
    reference = torch.from_numpy(stored["skey_logvqt"])
    found = log_vqt(torch.from_numpy(stored["wave"]))
    # Further below, nnAudio itself differs more from double.
    assert (found - reference).abs()[resolved(reference)].max() < 1e-4
    # Magnitudes are equal to float precision everywhere: 2e-6 as above, and the rounding of two logarithms.
    magnitudes = [10 ** (8 * (x - reference.max())) for x in (found, reference)]
    assert (magnitudes[0] - magnitudes[1]).abs().max() < 4e-6


@pytest.mark.parametrize("name", PARITY_WITH_FRONT_END)
def test_the_rounding_error_is_no_larger_than_that_of_the_authors(shared, nnaudio, name):
    stored = np.load(shared / "parity" / f"{name}.npz")
    wave = torch.from_numpy(stored["wave"])[: 8 * SAMPLE_RATE, None].T
    exact = log_compress(nnaudio.double()(wave.double()))
    theirs = (log_compress(nnaudio.float()(wave)) - exact).abs().mean()
    ours = (log_vqt(wave) - exact).abs().mean()
    assert ours < 1.5 * theirs


def test_a_processor_with_fewer_instructions_is_as_precise():
    fewer = {**os.environ, "ONEDNN_MAX_CPU_ISA": "SSE41"}
    precise = "float_precision or resolves_it or rounding_error or each_item_alone or quarter_less"
    pytest_here = [sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", __file__]
    done = subprocess.run([*pytest_here, "-k", precise], env=fewer, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("frequency", "bin_"), [(27.5 * 2, 12), (261.63, 39), (440.0, 48), (4_186.0, 87)])
def test_a_sine_peaks_at_the_bin_of_its_pitch(frequency, bin_):
    middle = log_vqt(sine(frequency))[:, 40:90]
    assert (middle.argmax(dim=0) == bin_).all()


def test_the_floor_lies_80_db_under_the_maximum_of_each_item_alone():
    loud, quiet = sine(440), 0.01 * sine(440)
    together = log_vqt(torch.stack([loud, quiet]))
    for found, alone in zip(together, (log_vqt(loud), log_vqt(quiet)), strict=True):
        # Two orders of summation round differently, and 80 dB down nothing else is left.
        torch.testing.assert_close(found[resolved(alone)], alone[resolved(alone)])
    range_of_each = together.amax(dim=(1, 2)) - together.amin(dim=(1, 2))
    torch.testing.assert_close(range_of_each, torch.ones(2))


def test_a_hundred_times_less_sound_is_a_quarter_less_log_vqt():
    loud, quiet = log_vqt(chord(57)), log_vqt(0.01 * chord(57))
    assert ((loud - quiet)[resolved(loud)] - 0.25).abs().max() < 1e-4


def test_silence_is_flat_and_less_than_three_quarters_of_a_second_is_refused():
    flat = log_vqt(torch.zeros(SAMPLE_RATE))
    assert torch.isfinite(flat).all() and flat.min() == flat.max()
    with pytest.raises(TooShortAudio, match="16640"):
        log_vqt(torch.zeros(MIN_VQT_SAMPLES - 1))


@pytest.mark.parametrize("semitones", [1, 5, 7, 12])
def test_cropping_equals_transposing(semitones):
    """The crop by k of a chord is the uncropped chord k semitones lower."""
    higher, lower = log_vqt(chord(52 + semitones))[:, 40:130], log_vqt(chord(52))[:, 40:130]
    heard = resolved(crop(lower, 0))
    transposed = (crop(higher, semitones) - crop(lower, 0))[heard].abs().mean()
    untransposed = (crop(higher, 0) - crop(lower, 0))[heard].abs().mean()
    assert transposed < 0.035, "2.8 dB of 80: the windows of the higher chord are shorter"
    assert untransposed > 2.5 * transposed


def test_the_crop_keeps_84_of_the_99_bins_from_the_chosen_one():
    bins = torch.arange(99.0)[:, None].expand(99, 3)
    for c in range(MAX_CROP + 1):
        assert crop(bins, c)[:, 0].tolist() == list(range(c, c + 84))
    for c in (-1, 16):
        with pytest.raises(ValueError, match="crop"):
            crop(bins, c)


@pytest.mark.parametrize("pitch_class", range(12))
def test_chroma_counts_pitch_classes_from_the_first_bin(pitch_class):
    bins = torch.zeros(99, 4)
    bins[pitch_class::12] = 1
    expected = torch.nn.functional.one_hot(torch.tensor(pitch_class), 12).float()
    torch.testing.assert_close(chroma(bins), expected)
    torch.testing.assert_close(chroma(crop(bins, 3)), expected.roll(-3))


def test_bytes_do_not_clip_the_peaks_of_music_and_every_byte_returns_from_its_value():
    profile = log_vqt(chord(57))
    assert profile.max() > 1.0, "peaks of music exceed 1, which is why the scale is 1.25"
    restored = from_bytes(to_bytes(profile))
    assert (restored - profile.clamp(min=0)).abs().max() <= 1.25 / 255 / 2 + 1e-6
    stored = np.arange(256, dtype=np.uint8)
    assert torch.equal(to_bytes(from_bytes(stored)), torch.from_numpy(stored))
