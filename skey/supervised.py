"""The supervised baseline of both papers: an all-convolutional key classifier (Korzeniowski & Widmer, 2018).

"Genre-Agnostic Key Classification With Convolutional Neural Networks" (ISMIR 2018), without its code:

    5 x 5 convolution, N maps; 3 x 3 convolution, N maps; 2 x 2 max pooling; dropout
    3 x 3 convolution, 2 N maps, twice; 2 x 2 max pooling; dropout
    3 x 3 convolution, 4 N maps, twice; 2 x 2 max pooling; dropout
    3 x 3 convolution, 8 N maps; dropout; 3 x 3 convolution, 8 N maps; dropout
    1 x 1 convolution, 24 maps; mean over time and frequency; softmax

Batch norm and ELU follow each convolution, dropout silences whole maps. The table, N = 20, dropout 0.1, the
schedule of Adam, batches of 32 and snippets of 20 s come from the authors' published experiment code; whether
the ensemble in madmom that STONE evaluated is as wide is unknown. Here the input is STONE's log-VQT averaged
over 8 or 16 frames, in snippets of 15 s, each brought to mean 0 and variance 1: else whole epochs learnt
nothing. Dropout is off, as in a part of the authors' trainings: short ones stayed with the uniform answer.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from skey.calibration import Calibration
from skey.inference.architecture import PITCH_CLASSES, AllConvolutional, Settings, refuse_too_few_frames
from skey.losses import Numbers
from skey.model import ChromaNet, ItemNorm, average_frames, profile_of
from skey.shapes import Float

MODES = 2
KEYS_BY_NAME = Calibration(outputs=24, major=0, minor=0)  # labels name keys: nothing is calibrated


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """The loss of the classifier: minus the log-probability of the label's key."""

    calibrated: ClassVar[bool] = False

    def at(self, progress: float) -> "CrossEntropy":
        """The same at every moment of the training."""
        return self


def convolution(inputs: int, maps: int, kernel: int) -> nn.Sequential:
    """Convolution without offset, batch norm, ELU; the size of the picture stays."""
    plain = nn.Conv2d(inputs, maps, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(plain, nn.BatchNorm2d(maps), nn.ELU())


class KeyClassifier(nn.Module):
    """Log-VQT to keys. It answers in the shape of a ChromaNet with 24 outputs, rows counted from C."""

    def __init__(self, architecture: AllConvolutional | None = None) -> None:
        super().__init__()
        self.architecture = settings = architecture or AllConvolutional()
        n, dropout = settings.filters, settings.dropout
        layers: list[nn.Module] = []
        for inputs, maps, kernel in ((1, n, 5), (n, 2 * n, 3), (2 * n, 4 * n, 3)):
            layers += [convolution(inputs, maps, kernel), convolution(maps, maps, 3)]
            layers += [nn.MaxPool2d(2), nn.Dropout2d(dropout)]
        for inputs in (4 * n, 8 * n):
            layers += [convolution(inputs, 8 * n, 3), nn.Dropout2d(dropout)]
        self.layers = nn.Sequential(*layers, convolution(8 * n, MODES * PITCH_CLASSES, 1))
        self.layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.item_norm = ItemNorm()
        self.half_precision = False

    def pool(self, steps: Float[Tensor, "batch bins steps"]) -> Float[Tensor, "batch 12 2"]:
        """The logits of averaged frames: the norm, all layers, and the mean over time and frequency."""
        picture = self.item_norm(steps[..., None]).permute(0, 3, 1, 2)
        with torch.autocast(steps.device.type, torch.bfloat16, enabled=self.half_precision):
            maps: Tensor = self.layers(picture)
        return maps.float().mean((2, 3)).reshape(-1, MODES, PITCH_CLASSES).transpose(1, 2)

    def head(self, pooled: Float[Tensor, "batch 12 2"]) -> Float[Tensor, "batch 12 2"]:
        """Nothing is left to do once the mean is taken; a ChromaNet looks at its whole batch here."""
        return pooled

    def forward(self, cropped: Float[Tensor, "batch bins frames"]) -> Float[Tensor, "batch 12 2"]:
        """Probabilities of keys, major then minor, row q on tonic q; ``SkeyError`` for too few frames."""
        refuse_too_few_frames(cropped.shape[-1], self.architecture)
        return profile_of(self.pool(average_frames(cropped, self.architecture.frames_per_step)))


def key_in_crop(signature: Numbers, is_minor: Numbers, c: Numbers) -> Numbers:
    """The place in ``KEYS`` of a label (signature, C = 0) that a crop has moved down by c semitones."""
    tonic = (signature - 3 * is_minor - c) % PITCH_CLASSES
    return tonic + PITCH_CLASSES * is_minor


Network = ChromaNet | KeyClassifier


def build_network(settings: Settings) -> Network:
    """The network that the settings describe, its parameters drawn by chance."""
    return KeyClassifier(settings) if isinstance(settings, AllConvolutional) else ChromaNet(settings)
