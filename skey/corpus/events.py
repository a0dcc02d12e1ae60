"""The notes that an arrangement hands to the sampler: seconds, MIDI pitches, tracks; and the two levels."""

from typing import Any, Literal

import numpy as np

Level = Literal["full", "hard"]
"""How far a clip is from the clean score: a decent recording, or a detuned, saturated, echoing one."""

EVENT: np.dtype[Any] = np.dtype(
    [("onset", "f8"), ("duration", "f8"), ("pitch", "i2"), ("velocity", "i2"), ("track", "i2")]
)
"""One sounding note: onset and duration in seconds, pitch and velocity as in MIDI, track counted from 0."""

DRUM_BANK = 128
"""The bank of the percussion kits in General MIDI SoundFonts; there a pitch names an instrument."""
