"""The settings of each kind of network and what its outputs mean, without the networks and without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from skey.errors import SkeyError
from skey.inference.filters import BINS_PER_OCTAVE
from skey.keys import KEYS, Key
from skey.shapes import Float

PITCH_CLASSES = BINS_PER_OCTAVE


@dataclass(frozen=True, slots=True)
class Architecture:
    """The settings of a ChromaNet; the defaults are 24-STONE and S-KEY (Section 5.2, STONE).

    `outputs`: 12 key signatures, or 24 keys. `octave_equivalence=False` is the ablation of Table 2.
    `frames_per_step` averages so many frames before the first block; 1 is the papers'.
    """

    outputs: Literal[12, 24] = 24
    channels: tuple[int, ...] = (2, 3, 40, 40, 30, 10, 3)
    kernels: tuple[int, ...] = (7, 7, 7, 7, 7, 5, 5)
    expansion: int = 4
    layer_scale: float = 0.1
    stochastic_depth: float = 0.1
    octave_equivalence: bool = True
    frames_per_step: int = 1

    @property
    def modes(self) -> int:
        """Channels of the last layer: 1 for key signatures, 2 for keys."""
        return self.outputs // PITCH_CLASSES

    @property
    def minimum_frames(self) -> int:
        """The shortest input, in frames: every block halves time (128 frames for the papers' network)."""
        return int(self.frames_per_step * 2 ** len(self.channels))


@dataclass(frozen=True, slots=True)
class AllConvolutional:
    """The settings of the key classifier of 2018 (`skey.supervised`): its N, dropout, frames averaged."""

    filters: int = 20
    dropout: float = 0.0
    frames_per_step: int = 8
    outputs: ClassVar[Literal[24]] = 24

    @property
    def minimum_frames(self) -> int:
        """The shortest input, in frames: three poolings halve time."""
        return 8 * self.frames_per_step


Settings = Architecture | AllConvolutional

KINDS: Mapping[str, type[Settings]] = {"chromanet": Architecture, "all-convolutional": AllConvolutional}
"""What a weights file calls each kind of network."""


def refuse_too_few_frames(frames: int, architecture: Settings) -> None:
    """Raise `SkeyError` where the halvings of time would leave nothing."""
    if frames < architecture.minimum_frames:
        raise SkeyError(
            f"{frames} frames are too few: the network needs at least {architecture.minimum_frames}. "
            "Give it a longer sound."
        )


Profile = TypeVar("Profile")


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the outputs of a network mean, for tensors and arrays alike; :mod:`skey.calibration` finds it.

    `major` is the tonic (pitch class, C = 0) of the major key that row 0 stands for, `minor` of the minor
    one; row q lies q semitones higher. `major_column` says which of two columns is major; the one column of
    12 outputs stands for a major key and its relative minor alike.
    """

    outputs: Literal[12, 24]
    major: int
    minor: int
    major_column: int = 0

    def output_keys(self) -> tuple[Key, ...]:
        """The key of each output, column after column (for 12 outputs the major key of each signature)."""
        major = tuple(Key(self.major, "major").transposed(q) for q in range(PITCH_CLASSES))
        if self.outputs == 12:
            return major
        minor = tuple(Key(self.minor, "minor").transposed(q) for q in range(PITCH_CLASSES))
        return major + minor if self.major_column == 0 else minor + major

    def probabilities(self, profile: Float[Profile, "batch 12 *columns"]) -> Float[Profile, "batch outputs"]:
        """All that the network tells: the profile of keys or, from 12 outputs, that of key signatures."""
        return self.signature_profile(profile) if self.outputs == 12 else self.key_profile(profile)

    def key_profile(self, profile: Float[Profile, "batch 12 2"]) -> Float[Profile, "batch 24"]:
        """Probabilities in the order of ``KEYS`` (h of Eq. 11, by mode); ``SkeyError`` for 12 outputs."""
        if self.outputs == 12:
            raise SkeyError("This network tells key signatures, not modes: ask for the signature profile.")
        places = map(self.output_keys().index, KEYS)
        columns, rows = zip(*(divmod(place, PITCH_CLASSES) for place in places), strict=True)
        outputs: Any = profile
        keys: Profile = outputs[:, rows, columns]
        return keys

    def signature_profile(self, profile: Float[Profile, "batch 12 *columns"]) -> Float[Profile, "batch 12"]:
        """Probabilities of key signatures, C first (Eq. 11): for 24 outputs sums of two keys (Eq. 13)."""
        outputs: Any = profile
        if self.outputs == 12:
            rows = [(tonic - self.major) % PITCH_CLASSES for tonic in range(PITCH_CLASSES)]
            by_tonic = outputs.reshape(-1, PITCH_CLASSES)[:, rows]
        else:
            keys = self.key_profile(outputs)
            relatives = [key.relative.index for key in KEYS[:PITCH_CLASSES]]
            by_tonic = keys[:, :PITCH_CLASSES] + keys[:, relatives]
        signatures: Profile = by_tonic
        return signatures
