"""Facts of the baselines, on spectra and on sound whose pitch classes are known."""

from functools import cache
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from companion.estimators import BASELINES, PROFILES, ChromaArgmax, Scale, TemplateMatching, track_chroma
from skey.inference.templates import correlations, energy_chroma, key_templates
from skey.keys import KEYS, Key, parse_key
from skey.vqt import log_vqt

A0 = 21
SCALES = list(get_args(Scale))
DEGREES = {"major": (0, 4, 7, 0, 5, 9, 7, 11, 2, 0), "minor": (0, 3, 7, 0, 5, 8, 7, 11, 2, 0)}


def spectrum(loudness: dict[int, float], frames: int = 8) -> torch.Tensor:
    """A log-VQT that is at its floor but for some pitch classes, as loud as given in every octave."""
    column = [loudness.get((A0 + row) % 12, 0.1) for row in range(99)]
    return torch.tensor(column)[:, None].repeat(1, frames)


@cache
def sung(key: Key) -> torch.Tensor:
    """The log-VQT of sine tones: tonic, subdominant and dominant chord, note by note."""
    times = np.arange(8000) / 22050
    notes = [48 + (key.tonic + degree) % 12 for degree in DEGREES[key.mode]]
    tones = [np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * times) * np.hanning(8000) for note in notes]
    return log_vqt(torch.from_numpy(np.concatenate(tones).astype(np.float32)))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("pitch_class", range(12))
def test_the_loudest_pitch_class_is_named_from_c(pitch_class, scale):
    assert int(track_chroma(spectrum({pitch_class: 0.9}), scale).argmax()) == pitch_class
    assert ChromaArgmax(scale)(spectrum({pitch_class: 0.9, (pitch_class + 7) % 12: 0.8})) == pitch_class


def test_decibels_are_averaged_as_they_are_and_magnitudes_after_eight_decades():
    bins = spectrum({0: 0.75})
    assert track_chroma(bins, "decibels")[0] == pytest.approx(0.75)
    assert track_chroma(bins, "magnitude")[0] == pytest.approx(10 ** (8 * (0.75 - 1)))
    assert track_chroma(bins, "energy")[0] == pytest.approx(10 ** (16 * (0.75 - 1)))


def test_a_quiet_half_counts_as_much_as_a_loud_one_framewise_only():
    halves = torch.cat([spectrum({0: 1.0}, 40), spectrum({7: 0.7}, 60)], dim=1)
    assert int(track_chroma(halves, "framewise").argmax()) == 7
    assert int(track_chroma(halves, "energy").argmax()) == 0


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_key_fits_its_own_template_perfectly(key, profile):
    weights = key_templates(PROFILES[profile])[key.index]
    loudness = dict(enumerate((1 + np.log10(weights / weights.max()) / 8).tolist()))
    matcher = TemplateMatching(profile, scale="magnitude")
    assert matcher(spectrum(loudness)) == key
    assert matcher.scores(spectrum(loudness))[key.index] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("profile", PROFILES)
def test_scores_are_pearson_correlations(profile):
    bins = torch.rand(99, 20, generator=torch.Generator().manual_seed(0))
    expected = [pearsonr(row, track_chroma(bins)).statistic for row in key_templates(PROFILES[profile])]
    np.testing.assert_allclose(TemplateMatching(profile).scores(bins), expected, atol=1e-5)
    assert not TemplateMatching(profile).scores(torch.full((99, 4), 0.5)).any(), "a flat chroma"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_sung_cadence_is_recognised_in_every_key(key, profile):
    assert TemplateMatching(profile)(sung(key)) == key


@pytest.mark.parametrize("scale", SCALES)
def test_transposing_the_spectrum_transposes_the_key(scale):
    loudness = {0: 1.0, 2: 0.85, 4: 0.95, 5: 0.9, 7: 0.97, 9: 0.9, 11: 0.85}
    keys = [
        TemplateMatching(scale=scale)(spectrum({(pc + up) % 12: level for pc, level in loudness.items()}))
        for up in range(12)
    ]
    assert keys == [keys[0].transposed(up) for up in range(12)]
    assert keys[0] == parse_key("C major")


def test_a_note_is_heard_in_its_own_semitone_only():
    wave = torch.sin(2 * torch.pi * 440 * torch.arange(44100) / 22050)
    blurred, sharp = (track_chroma(log_vqt(wave), scale) for scale in ("magnitude", "peaks"))
    assert blurred[8] > 0.3 * blurred[9] and blurred[10] > 0.3 * blurred[9]
    assert sharp[8] < 0.1 * sharp[9] and sharp[10] < 0.1 * sharp[9]


def test_every_baseline_answers_a_key_or_a_signature_and_always_c_major_never_listens():
    bins = sung(parse_key("G minor"))
    answers = {name: system(bins) for name, system in BASELINES.items()}
    assert {name for name, answer in answers.items() if isinstance(answer, int)} == {"feature-engineering"}
    assert answers["krumhansl"] == answers["temperley"] == parse_key("G minor")
    assert answers["always-c-major"] == parse_key("C major")


def test_the_template_in_numpy_is_the_baseline():
    x = sung(parse_key("G minor")).numpy()
    baseline = TemplateMatching().scores(torch.from_numpy(x))
    np.testing.assert_allclose(energy_chroma(x), track_chroma(torch.from_numpy(x)), rtol=1e-5)
    np.testing.assert_allclose(correlations(energy_chroma(x)), baseline, atol=5e-6)
    assert np.abs(correlations(energy_chroma(np.full((99, 4), 0.5, np.float32)))).max() == 0
