"""What needs no training; each takes the log-VQT of a whole track and returns its key or key signature."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from skey.inference.filters import BINS_PER_OCTAVE
from skey.inference.templates import DECADES, PITCH_CLASS_OF_A, Profile, correlations
from skey.inference.templates import PROFILES as PROFILES
from skey.keys import KEYS, Key
from skey.shapes import Float
from skey.vqt import crop

Scale = Literal["decibels", "magnitude", "energy", "framewise", "peaks"]  # see :func:`track_chroma`


def track_chroma(log_vqt: Float[Tensor, "99 frames"], scale: Scale = "energy") -> Float[Tensor, "12"]:
    """How present each pitch class is in a track: the mean over seven octaves from A0 and all frames, from C.

    ``scale`` says what is averaged, and matters more than the templates: ``"decibels"`` as they are, as the
    pseudo-label of S-KEY does; ``"magnitude"``; ``"energy"``, its square, as STONE says; ``"framewise"``
    energies, each frame divided by its loudest pitch class; ``"peaks"`` the magnitudes of bins that are
    louder than the two beside them. A note has half its magnitude in the two semitones beside it; energy
    leaves a quarter there, and peaks leave nothing.
    """
    bins = crop(loudness(log_vqt, scale), 0)
    frames = bins.reshape(-1, BINS_PER_OCTAVE, bins.shape[-1]).mean(dim=0)
    if scale == "framewise":
        frames = frames / frames.amax(dim=0)
    return frames.mean(dim=-1).roll(PITCH_CLASS_OF_A)


def loudness(log_vqt: Float[Tensor, "*batch bins frames"], scale: Scale) -> Tensor:
    """What each bin of a log-VQT contributes to a chroma; ``scale`` as for :func:`track_chroma`."""
    if scale == "decibels":
        return log_vqt
    linear = 10 ** (DECADES * (log_vqt - 1) * (2 if scale in ("energy", "framewise") else 1))
    if scale != "peaks":
        return linear
    loudest_neighbour = torch.nn.functional.max_pool2d(
        linear.reshape(1, -1, *linear.shape[-2:]), (3, 1), stride=1, padding=(1, 0)
    ).reshape(linear.shape)
    return linear * (linear == loudest_neighbour)


@dataclass(frozen=True)
class AlwaysCMajor:
    """The constant: C major, whatever sounds (the baselines of Tables 2 and 3, STONE)."""

    def __call__(self, log_vqt: Float[Tensor, "99 frames"]) -> Key:
        """C major."""
        return KEYS[0]


@dataclass(frozen=True)
class ChromaArgmax:
    """Feature engineering of Table 1, STONE: the loudest pitch class (C = 0), taken for the key signature."""

    scale: Scale = "energy"

    def __call__(self, log_vqt: Float[Tensor, "99 frames"]) -> int:
        """The key signature of a track."""
        return int(track_chroma(log_vqt, self.scale).argmax())


@dataclass(frozen=True)
class TemplateMatching:
    """Correlation of the chroma with a template of each key (Krumhansl and Schmuckler; Table 3, STONE)."""

    profile: Profile = "krumhansl"
    scale: Scale = "energy"

    def scores(self, log_vqt: Float[Tensor, "99 frames"]) -> Float[np.ndarray, "24"]:
        """Pearson correlation of each key, (24,) in the order of KEYS; zeros where the chroma is flat."""
        return correlations(track_chroma(log_vqt, self.scale).numpy(), self.profile)

    def __call__(self, log_vqt: Float[Tensor, "99 frames"]) -> Key:
        """The key that fits a track best."""
        return KEYS[int(self.scores(log_vqt).argmax())]


BASELINES: Mapping[str, Callable[[Float[Tensor, "99 frames"]], Key | int]] = {
    "always-c-major": AlwaysCMajor(),
    "feature-engineering": ChromaArgmax(),
    "krumhansl": TemplateMatching("krumhansl"),
    "temperley": TemplateMatching("temperley"),
    "temperley-peaks": TemplateMatching("temperley", "peaks"),
}
"""By name; ``feature-engineering`` answers a key signature, the others a key. ``temperley-peaks`` is the
strongest template and chroma that we found: what a network that needs training has to beat."""
