"""From a rotation-free profile to keys: what each output means, by a made-up sound a mode (4.2, STONE)."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from skey.audio import SAMPLE_RATE
from skey.errors import SkeyError
from skey.inference.architecture import Calibration as Calibration
from skey.inference.filters import SEGMENT_SAMPLES
from skey.keys import Mode
from skey.model import PITCH_CLASSES, ChromaNet
from skey.shapes import Float, Float32
from skey.vqt import crop, log_vqt

SCALES: dict[Mode, tuple[int, ...]] = {  # C major and A harmonic minor, as MIDI numbers
    "major": (60, 62, 64, 65, 67, 69, 71, 72),
    "minor": (57, 59, 60, 62, 64, 65, 68, 69),
}

DEGREES = (0, 1, 2, 3, 4, 5, 6, 0, 3, 4, 0, 0)  # the scale with its chords, then I IV V I


def tone(pitch: int, samples: int) -> Float32[np.ndarray, " samples"]:
    """A plucked tone: MIDI number `pitch`, eight partials that fall off as 1/h and die away."""
    seconds = np.arange(samples) / SAMPLE_RATE
    frequency = 440.0 * 2.0 ** ((pitch - 69) / 12)
    partials = sum(np.sin(2 * np.pi * h * frequency * seconds) / h for h in range(1, 9))
    envelope = np.minimum(seconds / 0.01, 1) * np.exp(-1.5 * seconds)
    return np.asarray(partials * envelope, dtype=np.float32)


def reference_sound(mode: Mode) -> Float32[np.ndarray, " samples"]:
    """Scale with its chords and a cadence, in C major or A minor (Section 4.2, STONE): 15 s with peak 1."""
    beats = []
    samples = SEGMENT_SAMPLES // len(DEGREES)
    for beat, degree in enumerate(DEGREES):
        melody = SCALES[mode][beat if beat < len(SCALES[mode]) else degree]
        root, *others = triad(mode, degree)
        beats.append(sum(tone(pitch, samples) for pitch in (melody, root - 12, root, *others)))
    sound = np.concatenate([*beats, np.zeros(SEGMENT_SAMPLES - len(DEGREES) * samples, np.float32)])
    return np.asarray(sound / np.abs(sound).max(), dtype=np.float32)


def triad(mode: Mode, degree: int) -> list[int]:
    """The triad on a degree of the scale, an octave lower; in minor the third degree has the natural G."""
    scale = SCALES[mode]
    chord = [scale[step % 7] + 12 * (step // 7) - 12 for step in (degree, degree + 2, degree + 4)]
    return [48, 52, 55] if (mode, degree) == ("minor", 2) else chord


@cache
def _reference_crops(mode: Mode) -> Float[Tensor, "12 84 frames"]:
    """The reference sound in its twelve transpositions: the same for every network, so made once."""
    sound = log_vqt(torch.from_numpy(reference_sound(mode)))
    return torch.stack([crop(sound, c) for c in range(PITCH_CLASSES)])


@torch.inference_mode()
def reference_profiles(model: ChromaNet, mode: Mode) -> Float[Tensor, "12 12 columns"]:
    """Profiles of the reference sound in its twelve transpositions, (12, 12, columns): crop, row, column."""
    was_training = model.training
    profiles: Tensor = model.eval()(_reference_crops(mode).to(next(model.parameters()).device))
    model.train(was_training)
    return profiles.reshape(PITCH_CLASSES, PITCH_CLASSES, -1).cpu()


def reference_profile(model: ChromaNet, mode: Mode) -> Float[Tensor, "12 columns"]:
    """The profile of the reference sound, averaged over its twelve transpositions rotated back to crop 0."""
    profiles = reference_profiles(model, mode)
    return torch.stack([profile.roll(c, dims=0) for c, profile in enumerate(profiles)]).mean(0)


def signature_row(model: ChromaNet) -> int:
    """The row of C major and A minor, from both reference sounds, whether or not the modes are learnt."""
    heard = reference_profile(model, "major") + reference_profile(model, "minor")
    return int(heard.sum(1).argmax())


def calibrate(model: ChromaNet) -> Calibration:
    """What each output stands for, from the two reference sounds alone (Eq. 10 and 11, STONE).

    The major column weighs more in C major than in A minor. ``SkeyError`` where the profile is not finite.
    """
    major, minor = reference_profile(model, "major"), reference_profile(model, "minor")
    if not (major.isfinite().all() and minor.isfinite().all()):
        raise SkeyError("The network's answer to the reference sound is not finite: its weights are broken.")
    if model.architecture.outputs == 12:
        row = int((major + minor).argmax())
        return Calibration(12, -row % PITCH_CLASSES, (9 - row) % PITCH_CLASSES)
    column = int((major.sum(0) - minor.sum(0)).argmax())
    c_major, a_minor = int(major[:, column].argmax()), int(minor[:, 1 - column].argmax())
    return Calibration(24, -c_major % PITCH_CLASSES, (9 - a_minor) % PITCH_CLASSES, column)
