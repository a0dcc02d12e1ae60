"""What each effect does to a sound, and that it does as much of it as was asked."""

from itertools import product
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import rfft
from scipy.signal import welch
from sounds import intonation, sine

from skey.audio import SAMPLE_RATE
from skey.calibration import tone
from skey.corpus.degradation import (
    Degradation,
    DegradationError,
    Level,
    add_noise,
    apply_degradation,
    degrade,
    equalise,
    impulse_response,
    limit_band,
    normalise_peak,
    reverb,
    saturate,
)

LEVELS: tuple[Level, ...] = get_args(Level)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def plucked(pitch: int, seconds: float = 3.0) -> np.ndarray:
    """A decaying tone of eight harmonics."""
    return 0.3 * tone(pitch, round(seconds * SAMPLE_RATE))


def decibels(wave: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(wave, dtype=np.float64))))


def magnitudes(wave: np.ndarray) -> np.ndarray:
    """Amplitude of each bin, 1 Hz apart, of a wave that is one second long."""
    assert len(wave) == SAMPLE_RATE
    return np.abs(rfft(wave)) / SAMPLE_RATE * 2


def gain_at(hertz: int, effect) -> float:
    """Decibels that `effect` adds to a steady sine."""
    wave = sine(SAMPLE_RATE, hertz)
    return decibels(effect(wave)[SAMPLE_RATE:]) - decibels(wave[SAMPLE_RATE:])


@pytest.mark.parametrize("colour", ["white", "pink"])
@pytest.mark.parametrize("snr", [-10.0, 0.0, 12.5, 40.0])
def test_noise_lies_as_far_below_the_music_as_asked(snr, colour):
    wave = plucked(60)
    noise = add_noise(wave, snr, generator(), colour) - wave
    assert decibels(wave) - decibels(noise) == pytest.approx(snr, abs=0.1)


@pytest.mark.parametrize(("colour", "slope"), [("white", 0.0), ("pink", -3.01)])
def test_pink_noise_falls_by_3_decibels_an_octave_and_white_not_at_all(colour, slope):
    wave = np.ones(30 * SAMPLE_RATE, np.float32)
    hertz, density = welch(add_noise(wave, 0.0, generator(), colour) - 1, SAMPLE_RATE, nperseg=4096)
    octaves = [10 * np.log10(density[(hertz >= f) & (hertz < 2 * f)].mean()) for f in 100 * 2 ** np.arange(6)]
    assert np.polyfit(np.arange(6), octaves, 1)[0] == pytest.approx(slope, abs=0.3)


@pytest.mark.parametrize("seconds", [0.3, 1.0, 4.0])
def test_a_room_falls_by_60_decibels_in_its_reverberation_time(seconds):
    response = impulse_response(seconds, generator())
    late = np.cumsum(np.square(response, dtype=np.float64)[::-1])[::-1]
    fifth, half = (10 * np.log10(late[round(part * len(response))]) for part in (0.2, 0.5))
    assert (fifth - half) / 0.3 == pytest.approx(60, rel=0.1)
    assert late[0] == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("wet_db", [-20.0, -6.0, 3.0])
def test_the_room_is_as_loud_as_asked(wet_db):
    click = np.zeros(3 * SAMPLE_RATE, np.float32)
    click[100] = 1
    room = reverb(click, 1.0, wet_db, generator()) - click
    assert 10 * np.log10(np.sum(room**2)) == pytest.approx(wet_db, abs=0.05)


def test_saturation_adds_odd_harmonics_and_no_even_ones_and_more_with_more_drive():
    wave, drives = sine(SAMPLE_RATE, 441.0, 2.0), (-24.0, -12.0, 0.0, 6.0, 12.0)
    spectra = np.array([magnitudes(saturate(wave, drive)[SAMPLE_RATE:]) for drive in drives])
    spectra /= spectra[:, 441, None]
    assert (spectra[3, [1323, 2205, 3087]] > 0.02).all() and (spectra[3, [882, 1764, 2646]] < 1e-4).all()
    thirds = spectra[:, 1323]
    assert (np.diff(thirds) > 0).all() and thirds[0] < 1e-3 and thirds[-1] > 0.1


def test_harmonics_beyond_the_band_hardly_fold_back():
    wave, folded = sine(SAMPLE_RATE, 3001.0, 2.0), SAMPLE_RATE - 5 * 3001
    spectrum = magnitudes(saturate(wave, 6.0)[SAMPLE_RATE:])
    driven = wave[SAMPLE_RATE:] * 2 / 0.5 * np.sqrt(2)
    naive = magnitudes(driven / np.sqrt(1 + driven**2))
    assert spectrum[folded] / spectrum[3001] < 0.5 * naive[folded] / naive[3001]


def test_saturation_does_not_depend_on_the_level_of_the_wave():
    wave = plucked(60)
    np.testing.assert_allclose(saturate(0.01 * wave, 6.0), saturate(wave, 6.0), atol=1e-5)


@pytest.mark.parametrize("amount", [-6.0, 3.0, 6.0])
def test_the_shelves_lift_their_own_end_and_leave_the_other(amount):
    assert gain_at(40, lambda w: equalise(w, amount, 0.0)) == pytest.approx(amount, abs=0.5)
    assert gain_at(5000, lambda w: equalise(w, amount, 0.0)) == pytest.approx(0, abs=0.1)
    assert gain_at(10500, lambda w: equalise(w, 0.0, amount)) == pytest.approx(amount, abs=0.2)
    assert gain_at(100, lambda w: equalise(w, 0.0, amount)) == pytest.approx(0, abs=0.1)
    assert gain_at(200, lambda w: equalise(w, amount, 0.0)) == pytest.approx(amount / 2, abs=0.2)


def test_the_band_ends_where_asked():
    assert gain_at(4000, lambda w: limit_band(w, 4000.0)) == pytest.approx(-3, abs=0.1)
    assert gain_at(1000, lambda w: limit_band(w, 4000.0)) == pytest.approx(0, abs=0.1)
    assert gain_at(8000, lambda w: limit_band(w, 4000.0)) < -24


@given(st.integers(0, 2**32 - 1), st.sampled_from(LEVELS), st.integers(0, 4))
def test_a_degraded_wave_is_finite_of_peak_1_and_as_long_as_before(seed, level, kind):
    click = np.zeros(9000, np.float32)
    click[4000] = 1
    noise = generator(seed).standard_normal(9000, np.float32)
    wave = (plucked(50, 0.4), click, noise, 1e-6 * noise, 1e4 * noise)[kind]
    degraded = degrade(wave, level, generator(seed))
    assert degraded.dtype == np.float32 and len(degraded) == len(wave)
    assert np.isfinite(degraded).all() and np.abs(degraded).max() == pytest.approx(1, abs=1e-6)


def test_no_degradation_only_sets_the_peak_to_1_and_silence_stays_silence():
    wave = plucked(60)
    for level, samples in product(LEVELS, (1, 2, 5000)):
        assert not degrade(np.zeros(samples, np.float32), level, generator()).any()
    np.testing.assert_allclose(apply_degradation(wave, Degradation()), normalise_peak(wave), atol=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_the_key_of_the_sound_survives(level):
    for seed in range(5):
        degraded = degrade(plucked(57), level, generator(seed))
        assert abs(intonation(degraded[2000:40000], 57).cents) <= 6


def test_what_no_effect_can_do_is_refused():
    with pytest.raises(DegradationError, match="not finite"):
        degrade(np.array([0, np.nan], np.float32), "full", generator())
    with pytest.raises(DegradationError, match="reverberation"):
        reverb(plucked(60), 0.0, -6.0, generator())
    for hertz in (0.0, 11025.0):
        with pytest.raises(DegradationError, match="must end below 11025"):
            limit_band(plucked(60), hertz)
