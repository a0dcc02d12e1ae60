"""K10, a small network trained with labels of recorded dance music: a supervised reference, not the papers'.

Its weights, ``k10.pt`` of github.com/jhurliman/jams (MIT), are not part of this package. From its
description: the constant-Q transform of nnAudio in place of librosa's, which it was trained with.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from nnAudio.features import CQT1992v2
from torch import nn

from skey.audio import SAMPLE_RATE
from skey.errors import SkeyError
from skey.keys import Key
from skey.shapes import Float32

NAME = "k10"
LOWEST = 440 * 2 ** ((20 - 69) / 12)  # four semitones below C1, in Hz
KEPT = slice(8, 200)  # eight octaves above C1


def _block(inputs: int, maps: int) -> list[nn.Module]:
    """Twice convolution, batch norm and ELU, then half of the time and frequency."""
    layers: list[nn.Module] = []
    for channels in (inputs, maps):
        layers += [nn.Conv2d(channels, maps, 3, padding=1), nn.BatchNorm2d(maps), nn.ELU()]
    return [*layers, nn.MaxPool2d(2)]


def build() -> nn.Sequential:
    """The network, its weights drawn by chance."""
    blocks = [layer for sizes in ((1, 16), (16, 32), (32, 64)) for layer in _block(*sizes)]
    head = [nn.Dropout(), nn.AdaptiveAvgPool2d((24, 1)), nn.Flatten(), nn.Linear(64 * 24, 24)]
    return nn.Sequential(*blocks, *head)


def read_network(file: Path) -> nn.Sequential:
    """The network with its weights; raises ``SkeyError`` where the file holds others."""
    network = build()
    try:
        network.load_state_dict(torch.load(file, "cpu", weights_only=True))
    except Exception as error:  # torch names no common base of what a wrong file raises
        raise SkeyError(f"{file} does not hold the weights of K10") from error
    return network.eval()


@torch.inference_mode()
def ask(file: Path, waves: Iterable[Float32[np.ndarray, " samples"]]) -> list[Key]:
    """The key of each wave (mono, 22,050 Hz), taken whole."""
    network = read_network(file)
    transform = CQT1992v2(SAMPLE_RATE, 4096, LOWEST, n_bins=208, bins_per_octave=24, verbose=False)
    answers = []
    for wave in waves:
        magnitude = transform(torch.from_numpy(wave)[None])[:, KEPT]
        tonic, minor = divmod(int(network(torch.log1p(magnitude)[:, None]).argmax()), 2)
        answers.append(Key(tonic, "minor" if minor else "major"))
    return answers
