"""The log-VQT front end of STONE and S-KEY, and the crop that transposes it.

The variable-Q transform is that of nnAudio 0.3.4 (``features.vqt.VQT``, gamma 0, librosa normalisation) to
float precision in a fortieth of its time or less (see :mod:`skey.inference.filters`). Time and memory are
linear in the length of the input.

Bins are semitones from A0 (27.5 Hz). The 80 dB under the maximum are eight decades of magnitude: of these,
float32 resolves the upper four to 1e-4; below lies rounding noise, in nnAudio as here.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from skey.audio import TooShortAudio
from skey.inference.filters import (
    BINS,
    BINS_PER_OCTAVE,
    CROPPED_BINS,
    DYNAMIC_RANGE,
    HOP,
    LOWPASS_TAPS,
    MIN_VQT_SAMPLES,
    OCTAVES,
    OUTPUTS_PER_STEP,
    SEGMENT_SAMPLES,
    SMALLEST_MAGNITUDE,
    normalisation,
    octave_kernels,
    stepped_lowpass,
)
from skey.shapes import Float, Float32, UInt8

MAX_CROP = BINS - CROPPED_BINS
"""The largest crop in semitones."""
SEGMENT_FRAMES = SEGMENT_SAMPLES // HOP + 1
"""Frames of a 15-s segment."""
BYTE_RANGE = 1.25
"""The log-VQT value of byte 255. Those of peak-normalised music reach about 1.2: a range of 1 clips."""


class LogVQT(nn.Module):
    """Waveforms to log-VQT: 99 semitones from A0, 12 bins per octave (facts of the authors' front end)."""

    kernels: Tensor
    lowpass: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernels", torch.from_numpy(octave_kernels())[:, None], persistent=False)
        self.register_buffer("lowpass", torch.from_numpy(stepped_lowpass())[:, None], persistent=False)
        self.register_buffer("scale", torch.from_numpy(normalisation()), persistent=False)

    def forward(self, wave: Float32[Tensor, "batch samples"]) -> Float32[Tensor, "batch 99 frames"]:
        """The log-VQT of each waveform (peak 1, 22,050 Hz), floored 80 dB under the maximum of that waveform.

        (batch, 99, samples // 512 + 1): decibels / 80 + 1, where decibels are 10 log10 of the magnitude.
        Raises ``TooShortAudio`` under 0.75 s.
        """
        return log_compress(self.magnitude(wave))

    def magnitude(self, wave: Float32[Tensor, "batch samples"]) -> Float32[Tensor, "batch 99 frames"]:
        """The magnitude of the VQT in librosa's normalisation, before decibels; raises as :meth:`forward`."""
        if wave.shape[-1] < MIN_VQT_SAMPLES:
            raise TooShortAudio(f"{wave.shape[-1]} samples: the log-VQT needs at least {MIN_VQT_SAMPLES}")
        octaves: list[Tensor] = []
        for octave in range(OCTAVES):
            wave = self._halved(wave) if octave else wave
            octaves.insert(0, self._octave(wave, HOP >> octave))
        return torch.cat(octaves, dim=1)[:, -BINS:] * self.scale

    def _octave(self, wave: Tensor, hop: int) -> Tensor:
        """Twelve bins: the top octave of what this sample rate can hold."""
        half = self.kernels.shape[-1] // 2
        mirrored = nn.functional.pad(wave, (half, half), mode="reflect")
        real, imaginary = nn.functional.conv1d(mirrored[:, None], self.kernels, stride=hop).chunk(2, dim=1)
        return torch.sqrt(real.square() + imaginary.square())

    def _halved(self, wave: Tensor) -> Tensor:
        """The same sound at half the sample rate."""
        step = 2 * OUTPUTS_PER_STEP
        padded = nn.functional.pad(wave, (LOWPASS_TAPS // 2 - 1, LOWPASS_TAPS // 2 + step))
        steps = nn.functional.conv1d(padded[:, None], self.lowpass, stride=step)
        return steps.transpose(1, 2).flatten(1)[:, : wave.shape[-1] // 2]


def log_compress(magnitude: Float[Tensor, "batch bins frames"]) -> Float[Tensor, "batch bins frames"]:
    """Magnitudes to decibels / 80 + 1, floored 80 dB under the maximum of each item: 1 is a magnitude of 1.

    The multiplier of the decibels is 10 although these are magnitudes: the authors' front end does so.
    """
    decibels = 10 * torch.log10(magnitude.clamp(min=SMALLEST_MAGNITUDE))
    floor = decibels.amax(dim=(-2, -1), keepdim=True) - DYNAMIC_RANGE
    return torch.maximum(decibels, floor) / DYNAMIC_RANGE + 1


@lru_cache(maxsize=1)
def _cached_front_end() -> LogVQT:
    return LogVQT().eval()


def log_vqt(wave: Float32[Tensor, "*batch samples"]) -> Float32[Tensor, "*batch 99 frames"]:
    """The log-VQT of one waveform or of a batch (see :class:`LogVQT`), on the CPU and without gradients."""
    with torch.no_grad():
        result: Tensor = _cached_front_end()(wave.reshape(-1, wave.shape[-1]))
    return result.reshape(*wave.shape[:-1], *result.shape[-2:])


def crop(log_vqt: Float[Tensor, "*batch 99 frames"], c: int) -> Float[Tensor, "*batch 84 frames"]:
    """A view of the 84 bins from bin c, 0..15 or ``ValueError``: c semitones **down** (T_c of STONE)."""
    if not 0 <= c <= MAX_CROP:
        raise ValueError(f"a crop of {c} semitones: 0 to {MAX_CROP} are possible")
    return log_vqt[..., c : c + CROPPED_BINS, :]


def chroma(log_vqt: Float[Tensor, "*batch bins frames"]) -> Float[Tensor, "*batch 12"]:
    """The mean over time and octaves of each pitch class, from that of the first bin (of the log-VQT: A).

    It is the feature engineering of Table 1, STONE. Bins past the last whole octave count, too.
    """
    over_time = log_vqt.mean(dim=-1)
    missing = -over_time.shape[-1] % BINS_PER_OCTAVE
    whole = nn.functional.pad(over_time, (0, missing), value=float("nan"))
    return whole.reshape(*whole.shape[:-1], -1, BINS_PER_OCTAVE).nanmean(dim=-2)


def to_bytes(log_vqt: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Store a log-VQT in bytes, to within 1/408 (a fifth of a decibel) from 0 to 1.25; 0 is the least."""
    return (log_vqt * (255 / BYTE_RANGE)).round().clamp(0, 255).to(torch.uint8)


def from_bytes(stored: UInt8[Tensor, "*shape"] | UInt8[np.ndarray, "*shape"]) -> Float32[Tensor, "*shape"]:
    """Read what :func:`to_bytes` stored, a tensor or a (memory-mapped) array: byte / 255 * 1.25."""
    values = stored if isinstance(stored, Tensor) else torch.from_numpy(np.array(stored))
    return values.to(torch.float32) * (BYTE_RANGE / 255)
