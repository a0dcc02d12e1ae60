"""A room, an equaliser and noise for each segment alone, put into the log-VQT as if the sound had met them.

Not in the papers. Both segments of a clip come from one recording, so nothing in the losses asks that a dull
and a clear one be heard alike; with a room of its own for each, agreement of the segments asks for it.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from skey.audio import SAMPLE_RATE
from skey.vqt import BINS, HOP

BELS = 16.0
"""The power of a bin is 10 to that many times its value: a unit is 8 powers of ten of a magnitude."""

FLOOR = 1.0
"""The floor lies so many units under the loudest bin."""

KNOTS = 5
"""Where an equaliser is drawn; between them its gain in dB is a straight line over the bins."""

REVERB_SECONDS = (0.3, 5.0)
WET_DB = (-20.0, 12.0)
GAIN_DB = (-6.0, 6.0)
SNR_DB = (10.0, 60.0)
"""Both levels of the open corpus together (`skey.corpus.degradation`)."""


@dataclass(frozen=True, slots=True)
class Variation:
    """What happens to each of some segments.

    `reverb_seconds` until the room has fallen by 60 dB, `wet_db` its level over the direct sound, `gains_db`
    of the equaliser, `snr_db` of the music over the noise, and `noise`, its power before it is scaled.
    """

    reverb_seconds: Float[Tensor, " items"]
    wet_db: Float[Tensor, " items"]
    gains_db: Float[Tensor, "items knots"]
    snr_db: Float[Tensor, " items"]
    noise: Float[Tensor, "items bins steps"]

    def part(self, items: slice) -> "Variation":
        """That of some of the segments."""
        return Variation(
            self.reverb_seconds[items],
            self.wet_db[items],
            self.gains_db[items],
            self.snr_db[items],
            self.noise[items],
        )


def draw_variation(items: int, steps: int, generator: torch.Generator) -> Variation:
    """A variation of each of some segments, all amounts uniform in their ranges."""
    return Variation(
        torch.empty(items).uniform_(*REVERB_SECONDS, generator=generator),
        torch.empty(items).uniform_(*WET_DB, generator=generator),
        torch.empty(items, KNOTS).uniform_(*GAIN_DB, generator=generator),
        torch.empty(items).uniform_(*SNR_DB, generator=generator),
        torch.empty(items, BINS, steps).exponential_(generator=generator),
    )


def vary(
    segments: Float[Tensor, "items 99 steps"], variation: Variation, frames_per_step: int
) -> Float[Tensor, "items 99 steps"]:
    """The segments as they would be heard; their loudest bins and the floor under them stay where they are.

    Args:
        segments: log-VQT in units of 80 dB, frames averaged.
        variation: of each.
        frames_per_step: how many frames were averaged.
    """
    power = 10 ** (BELS * segments)
    seconds = frames_per_step * HOP / SAMPLE_RATE
    power = power + _level(variation.wet_db) * _tail(power, variation.reverb_seconds, seconds)
    gains = F.interpolate(variation.gains_db[:, None], BINS, mode="linear", align_corners=True)
    power = power * _level(gains.transpose(1, 2))
    power = power + power.mean((1, 2), keepdim=True) * _level(-variation.snr_db) * variation.noise
    heard = power.log10() / BELS
    loudest = segments.amax((1, 2), keepdim=True)
    heard = heard - heard.amax((1, 2), keepdim=True) + loudest
    return torch.maximum(heard, loudest - FLOOR)


def _level(decibels: Tensor) -> Tensor:
    """As a factor of power; amounts of whole items get the axes of bins and steps."""
    factor = 10 ** (decibels / 10)
    return factor[:, None, None] if factor.ndim == 1 else factor


def _tail(power: Tensor, reverb_seconds: Tensor, seconds: float) -> Tensor:
    """What a room of unit energy still holds of the steps before each and of the step itself."""
    kept = 10 ** (-6 * seconds / reverb_seconds)[:, None]
    held, tails = torch.zeros_like(power[..., 0]), []
    for now in power.unbind(-1):
        held = kept * held + (1 - kept) * now
        tails.append(held)
    return torch.stack(tails, dim=-1)
