"""Systems that take the log-VQT of a whole track and return its key or key signature: templates, networks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from skey.inference.filters import BINS_PER_OCTAVE
from skey.inference.templates import DECADES, KRUMHANSL, PITCH_CLASS_OF_A, Profile, correlations
from skey.keys import KEYS, Key
from skey.listeners import Listener, LogVqt, ask, listener
from skey.losses import peaks
from skey.shapes import Float
from skey.vqt import crop
from skey.weights import read_header

PROFILES: Mapping[str, Profile] = {
    "krumhansl": KRUMHANSL,
    "temperley": (
        (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
        (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
    ),
}
"""Weights of the 12 semitones above the tonic, in major and in minor.

``temperley``: in how many segments of the Kostka-Payne corpus each degree occurs, in D. Temperley, *Music and
Probability*, 2007, p. 85.
"""

Scale = Literal["decibels", "magnitude", "energy", "framewise", "peaks"]  # see :func:`track_chroma`


def track_chroma(log_vqt: Float[Tensor, "99 frames"], scale: Scale = "energy") -> Float[Tensor, "12"]:
    """How present each pitch class is in a track: the mean over seven octaves from A0 and all frames, from C.

    ``scale`` says what is averaged, and matters more than the templates: ``"decibels"`` as they are, as the
    pseudo-label of S-KEY does; ``"magnitude"``; ``"energy"``, its square, as STONE says; ``"framewise"``
    energies, each frame divided by its loudest pitch class; ``"peaks"``: see :func:`skey.losses.peaks`.
    """
    bins = crop(_loudness(log_vqt, scale), 0)
    frames = bins.reshape(-1, BINS_PER_OCTAVE, bins.shape[-1]).mean(dim=0)
    if scale == "framewise":
        frames = frames / frames.amax(dim=0)
    return frames.mean(dim=-1).roll(PITCH_CLASS_OF_A)


def _loudness(log_vqt: Float[Tensor, "99 frames"], scale: Scale) -> Float[Tensor, "99 frames"]:
    match scale:
        case "decibels":
            return log_vqt
        case "peaks":
            return peaks(log_vqt)
    exponent = DECADES * (log_vqt - 1)
    linear: Tensor = 10 ** (exponent if scale == "magnitude" else exponent * 2)
    return linear


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

    profile: Literal["krumhansl", "temperley"] = "krumhansl"
    scale: Scale = "energy"

    def scores(self, log_vqt: Float[Tensor, "99 frames"]) -> Float[np.ndarray, "24"]:
        """Pearson correlation of each key, (24,) in the order of KEYS; zeros where the chroma is flat."""
        return correlations(track_chroma(log_vqt, self.scale).numpy(), PROFILES[self.profile])

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


@dataclass(frozen=True)
class NetworkSystem:
    """A network as a system: log-VQT of a whole track in, its key (12 outputs: its key signature) out."""

    file: Path

    @property
    def checksum(self) -> str:
        """SHA-256 of the weights, as their header gives it and reading them verifies it."""
        return read_header(self.file).checksum

    @cached_property
    def listener(self) -> Listener:
        """The network, read when the first track comes; ``WeightsError`` where the file is damaged."""
        return listener(self.file)

    def __call__(self, log_vqt: LogVqt) -> Key | int:
        """The answer for a track."""
        best = int(ask(self.listener, log_vqt).argmax())
        return KEYS[best] if self.listener.outputs == len(KEYS) else best
