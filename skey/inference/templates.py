"""Key profiles of music psychology, and how well that of each key fits a recording, in numpy."""

from functools import lru_cache

import numpy as np

from skey.inference.filters import BINS_PER_OCTAVE, CROPPED_BINS
from skey.keys import KEYS
from skey.shapes import Float

Profile = tuple[tuple[float, ...], tuple[float, ...]]  # of the 12 semitones above the tonic, by mode

KRUMHANSL: Profile = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
)
"""Probe-tone ratings in major and in minor by Krumhansl and Kessler (1982), in C. L. Krumhansl, *Cognitive
Foundations of Musical Pitch*, 1990: the template of Table 3, STONE."""

PITCH_CLASS_OF_A = 9
DECADES = 8.0  # of magnitudes from 0 to 1 of the log-VQT: 80 dB, as 10 log10 of the magnitude


@lru_cache
def key_templates(profile: Profile = KRUMHANSL) -> Float[np.ndarray, "24 12"]:
    """The weights of each pitch class in each key, (24, 12): rows in the order of KEYS, columns from C."""
    major, minor = (np.array(weights, np.float32) for weights in profile)
    return np.stack([np.roll(major if key.mode == "major" else minor, key.tonic) for key in KEYS])


def energy_chroma(log_vqt: Float[np.ndarray, "99 frames"]) -> Float[np.ndarray, "12"]:
    """The mean energy of each pitch class over seven octaves and all frames, index 0 = C."""
    bins = 10 ** (2 * DECADES * (log_vqt[:CROPPED_BINS].astype(np.float32) - 1))
    by_pitch_class = bins.reshape(-1, BINS_PER_OCTAVE, bins.shape[1]).mean(axis=(0, 2))
    return np.roll(by_pitch_class, PITCH_CLASS_OF_A)


def correlations(chroma: Float[np.ndarray, "12"], profile: Profile = KRUMHANSL) -> Float[np.ndarray, "24"]:
    """Pearson correlation of a chroma, from C, with each key's template (Table 3, STONE); 0 if flat."""
    return np.asarray(_standardised(key_templates(profile)) @ _standardised(chroma))


def _standardised(weights: Float[np.ndarray, "*rows 12"]) -> Float[np.ndarray, "*rows 12"]:
    """Rows of mean 0 and length 1, whose products are correlations; a flat row becomes 0."""
    centred = weights - weights.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-6))
