"""Probabilities that mean what they say: one temperature, fitted where the keys are known (Guo et al., *On
Calibration of Modern Neural Networks*, ICML 2017), which may make a network more cautious, never bolder.
"""

from collections.abc import Sequence

import numpy as np

from skey.keys import KEYS, Key
from skey.shapes import Float

Rows = Float[np.ndarray, "*batch keys"]

TINY = 1e-12  # smaller probabilities count as this: zero has no logarithm
_TEMPERATURES = np.logspace(-2.5, 1.5, 401)


def sharpen(profile: Rows, temperature: int | float) -> Rows:
    """Divide log probabilities (..., keys) by a temperature: under 1 bolder, over 1 more cautious."""
    return softmax(_logarithms(profile) / temperature)


def softmax(logits: Rows) -> Rows:
    """Logits (..., keys) to probabilities, each row summing to one."""
    likelihoods = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(likelihoods / likelihoods.sum(axis=-1, keepdims=True))


def fit_temperature(profiles: Float[np.ndarray, "tracks outputs"], references: Sequence[Key]) -> float:
    """The temperature, 0.003..32, at which the true keys (or signatures, of 12 outputs) are likeliest."""
    is_keys = profiles.shape[1] == len(KEYS)
    true = [key.index if is_keys else key.signature for key in references]
    relative = _logarithms(profiles).astype(np.float64)
    relative -= relative.max(axis=1, keepdims=True)
    of_true = relative[np.arange(len(true)), true]
    likelihoods = [(of_true / t - np.log(np.exp(relative / t).sum(axis=1))).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmax(likelihoods))])


def _logarithms(profile: Rows) -> Rows:
    return np.asarray(np.log(np.maximum(profile, TINY)))
