"""The settings of each kind of network, without the networks: reading a weights file needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from skey.errors import SkeyError
from skey.inference.filters import BINS_PER_OCTAVE

PITCH_CLASSES = BINS_PER_OCTAVE


@dataclass(frozen=True, slots=True)
class Architecture:
    """The settings of a ChromaNet; the defaults are 24-STONE and S-KEY (Section 5.2, STONE).

    `outputs` is 12 (key signatures) or 24 (key signatures times modes). `octave_equivalence=False` is the
    ablation of Table 2. `frames_per_step` averages so many frames before the first block; 1 is the papers'.
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
    """The settings of the key classifier of 2018; `skey.supervised` says where the defaults come from.

    `filters` is N of its table of layers, `dropout` the part of the maps that training silences,
    `frames_per_step` how many frames are averaged before the first convolution.
    """

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
