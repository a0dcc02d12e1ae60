"""Probabilities that mean what they say: one temperature, fitted where the keys are known.

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, *On Calibration of Modern Neural Networks*, ICML 2017.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from skey.keys import KEYS, Key

_TINY = 1e-12
_TEMPERATURES = torch.logspace(-2.5, 1.5, 401)


def sharpen(profile: Float[Tensor, "*batch keys"], temperature: int | float) -> Float[Tensor, "*batch keys"]:
    """Make a profile bolder (temperature under 1) or more cautious (over 1); the order of its keys stays.

    Args:
        profile: (..., keys), each row summing to one.
        temperature: what the log probabilities are divided by.

    Returns:
        (..., keys), each row summing to one.
    """
    return (profile.clamp(min=_TINY).log() / temperature).softmax(dim=-1)


def fit_temperature(profiles: Float[Tensor, "tracks outputs"], references: Sequence[Key]) -> float:
    """The temperature at which the probabilities of the true keys, or key signatures, are likeliest.

    Args:
        profiles: (tracks, 24) in the order of KEYS, or (tracks, 12) key signatures, C first.
        references: the true key of each track.

    Returns:
        The temperature for :func:`sharpen`, in 0.003..32 (steps of 2 %).
    """
    is_keys = profiles.shape[1] == len(KEYS)
    true = torch.tensor([key.index if is_keys else key.signature for key in references])[:, None]
    logarithms = profiles.clamp(min=_TINY).log()
    likelihoods = [(logarithms / t).log_softmax(dim=-1).gather(1, true).mean() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(torch.stack(likelihoods).argmax())])


def calibration_error(
    profiles: Float[Tensor, "tracks 24"], references: Sequence[Key], bins: int = 10
) -> float:
    """Expected calibration error: how far confidence and the share of right answers lie apart.

    Args:
        profiles: (tracks, 24) in the order of KEYS.
        references: the true key of each track.
        bins: classes of confidence, of equal width.

    Returns:
        The mean distance, weighted by the number of tracks in each class, in 0..1.
    """
    confidence, answer = profiles.max(dim=1)
    right = (answer == torch.tensor([key.index for key in references])).float()
    classes = (confidence * bins).long().clamp(max=bins - 1)
    surplus = torch.zeros(bins).index_add(0, classes, right - confidence)
    return float(surplus.abs().sum() / len(references))
