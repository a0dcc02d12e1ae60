"""A network as a system: asked about a whole track, it gives one answer."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from skey.keys import KEYS, Key
from skey.vqt import SEGMENT_FRAMES
from skey.weights import LoadedModel, read_header, read_weights

_FLOOR = 1.0
"""80 dB in units of the log-VQT."""


@dataclass(frozen=True)
class NetworkSystem:
    """A network as a system: log-VQT of a whole track in, its key (12 outputs: its key signature) out.

    Args:
        file: its weights, which are read when the first track comes.
    """

    file: Path

    @property
    def checksum(self) -> str:
        """SHA-256 of the weights, as their header gives it and reading them verifies it."""
        return read_header(self.file).checksum

    @cached_property
    def loaded(self) -> LoadedModel:
        """The network, read once; raises ``WeightsError`` where the file is damaged."""
        return read_weights(self.file)

    @torch.inference_mode()
    def __call__(self, log_vqt: Float[Tensor, "99 frames"]) -> Key | int:
        """The answer for a track (99, frames).

        S-KEY's release hears the whole track in one pass, STONE's average 15-s windows: each file's header
        says which.
        """
        whole = self.loaded.header.whole_track
        items = log_vqt[None] if whole else windows(log_vqt)
        if self.loaded.outputs == 12:
            return int(self.loaded.signature_profile(items).mean(dim=0).argmax())
        return KEYS[int(self.loaded.profile(items).mean(dim=0).argmax())]


def windows(log_vqt: Float[Tensor, "99 frames"]) -> Float[Tensor, "windows 99 window_frames"]:
    """Cut a track into windows of 15 s, each with the floor 80 dB under its own maximum.

    Args:
        log_vqt: (99, frames).

    Returns:
        (windows, 99, 646): a rest of at least half a window reaches back to fill one, a shorter rest is
        dropped. A track of less than 15 s is one short window.
    """
    frames = log_vqt.shape[-1]
    starts = list(range(0, frames - SEGMENT_FRAMES + 1, SEGMENT_FRAMES)) or [0]
    if frames - starts[-1] - SEGMENT_FRAMES >= SEGMENT_FRAMES // 2:
        starts.append(frames - SEGMENT_FRAMES)
    cut = torch.stack([log_vqt[:, start : start + SEGMENT_FRAMES] for start in starts])
    return torch.maximum(cut, cut.amax(dim=(1, 2), keepdim=True) - _FLOOR)
