"""How often S-KEY's pseudo-label of the mode is right: by row, sign, chroma and part of the test clips.

The rule (`skey.losses.pseudo_label`) compares two pitch classes of a clip's chroma, and q* says which two.
Here q* is the clip's true key signature, moved by an offset; or what a network says it is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from skey.alignment import chroma_net
from skey.baselines import Scale, track_chroma
from skey.calibration import signature_row
from skey.corpus.plan import Clip, plan_clips
from skey.datasets import load_dataset
from skey.losses import Views, mode_profile, pseudo_label, signature_profile
from skey.metrics import Interval, bootstrap_interval
from skey.systems import RELEASED
from skey.vqt import SEGMENT_FRAMES, crop
from skey.weights import LoadedModel, available_weights, read_weights

Sign = Literal[-3, 3]

SIGNS: tuple[Sign, Sign] = (-3, 3)
MODES = ("major", "minor")
SCALES: tuple[Scale, ...] = get_args(Scale)

NETWORKS = ("stone", "stone24", "skey", "skey-plus3", "skey-no-average", "skey-calibrated", *RELEASED)
"""Networks whose rows are tried, where their weights are at hand."""

PARTS: Mapping[str, Callable[[Clip], bool]] = {
    "all": lambda clip: True,
    "full": lambda clip: clip.level == "full",
    "hard": lambda clip: clip.level == "hard",
    "chorales": lambda clip: clip.source == "chorales",
    "tunes": lambda clip: clip.source == "tunes",
}
"""Parts of the test clips that get numbers of their own."""

Counts = dict[str, dict[str, list[int]]]
"""part → mode of the clip's key → numbers of clips, one for each offset of the row."""

_A = 9


@dataclass(frozen=True, slots=True)
class Study:
    """What the rule is tried on: clips with their keys, log-VQTs, and chromas by scale (C first)."""

    clips: tuple[Clip, ...]
    heard: tuple[Float[Tensor, "99 frames"], ...]
    chromas: Mapping[Scale, Float[Tensor, "clips 12"]]

    @property
    def signatures(self) -> Int[Tensor, " clips"]:
        """Key signature of each clip."""
        return torch.tensor([clip.key.signature for clip in self.clips if clip.key])


def open_study() -> Study:
    """The test clips of the open corpus; raises ``MissingData`` where their features were not built."""
    dataset = load_dataset("open-corpus")
    dataset.require()
    heard = tuple(dataset.log_vqt(track) for track in dataset.tracks())
    chromas = {scale: torch.stack([track_chroma(each, scale) for each in heard]) for scale in SCALES}
    return Study(plan_clips("test"), heard, chromas)


def observe_pseudo_labels() -> dict[str, dict[str, Any]]:
    """Count on the test clips what the rule says.

    Returns:
        ``clips``: part → mode → how many there are. Each scale of the chroma → sign → part → mode → how many
        the rule calls major, for each offset 0..11 in semitones of q* above the true signature. Each network
        whose weights are at hand → what :func:`observe_rows` says.
    """
    study, files = open_study(), available_weights()
    everything = torch.ones(len(study.clips), 1, dtype=torch.bool)
    return {
        "clips": {"counts": split(study.clips, everything)},
        **{scale: _by_offset(study, study.signatures, chroma) for scale, chroma in study.chromas.items()},
        **{name: observe_rows(read_weights(files[name]), study) for name in NETWORKS if name in files},
    }


def observe_rows(loaded: LoadedModel, study: Study) -> dict[str, Any]:
    """The rule with a network's q*, calibrated on the reference sounds and as it was trained.

    Returns:
        ``checksum``; ``row_of_c``: the row that the reference sounds give C major and A minor; sign → part →
        mode → how many clips the rule calls major, for each offset of q* above the calibrated row;
        ``right``: part → mode → how often the calibrated row is the true signature; ``offsets``: mode → how
        often the row as it was trained lies 0..11 semitones above the signature; with two modes ``agrees``:
        sign → how often the label and the network's own mode agree, rows as trained.
    """
    profile = torch.stack([_mean_profile(loaded, each) for each in study.heard])
    rows, row_of_c = signature_profile(profile).argmax(1), signature_row(chroma_net(loaded))
    named, trained = (rows - row_of_c) % 12, (rows + _A) % 12
    heard = study.chromas["decibels"]
    found = {
        "checksum": loaded.header.checksum,
        "row_of_c": row_of_c,
        **_by_offset(study, named, heard),
        "right": split(study.clips, (named == study.signatures)[:, None]),
        "offsets": _offsets(study, trained),
    }
    if loaded.outputs == 24:
        column = loaded.header.calibration.major_column
        own = mode_profile(profile)[:, column] > 0.5
        found["agrees"] = {
            f"{sign:+d}": int((says_major(heard, trained, sign) == own).sum()) for sign in SIGNS
        }
    return found


def says_major(
    chroma: Float[Tensor, "clips 12"], roots: Int[Tensor, " clips"], sign: Sign
) -> Bool[Tensor, " clips"]:
    """The rule of `skey.losses.pseudo_label` for given q*.

    Args:
        chroma: C first.
        roots: q* as a pitch class.
        sign: which pitch class is the rival: three semitones below or above.
    """
    row = torch.nn.functional.one_hot(roots, 12).float()
    return pseudo_label(Views(row, row, row, torch.zeros_like(roots)), chroma, sign) > 0.5


def split(clips: Sequence[Clip], said: Bool[Tensor, "clips n"]) -> Counts:
    """How many clips of each part and mode have each of n properties."""
    return {
        part: {
            mode: said[[bool(clip.key and clip.key.mode == mode and belongs(clip)) for clip in clips]]
            .sum(0)
            .tolist()
            for mode in MODES
        }
        for part, belongs in PARTS.items()
    }


def right(clips: Counts, called_major: Counts, part: str, offset: int = 0) -> dict[str, tuple[int, int]]:
    """Mode → how many clips of a part get the right label at an offset, and how many there are."""
    major, minor = (clips[part][mode][0] for mode in MODES)
    said = {mode: called_major[part][mode][offset] for mode in MODES}
    return {"major": (said["major"], major), "minor": (minor - said["minor"], minor)}


def share(correct: int, total: int) -> Interval:
    """A share in percent with its 95 % bootstrap interval."""
    points = np.zeros(total)
    points[:correct] = 100
    return bootstrap_interval(points)


def accuracy(clips: Counts, called_major: Counts, part: str = "all", offset: int = 0) -> Interval:
    """How often the label is right, in percent, over both modes."""
    pairs = right(clips, called_major, part, offset).values()
    return share(sum(correct for correct, _ in pairs), sum(total for _, total in pairs))


def consistency(clips: Counts, called_major: Counts) -> Float[np.ndarray, "12 12"]:
    """How often the label is right, in percent, if q* lies at one offset in major and at another in minor.

    Returns:
        (12, 12): row the offset of q* above the signature in major pieces, column that in minor pieces.
    """
    pairs = [right(clips, called_major, "all", offset) for offset in range(12)]
    major = np.array([each["major"][0] for each in pairs], dtype=float)
    minor = np.array([each["minor"][0] for each in pairs], dtype=float)
    total = sum(clips["all"][mode][0] for mode in MODES)
    return np.asarray(100 * (major[:, None] + minor[None]) / total)


def best_pairs(shares: Float[np.ndarray, "12 12"]) -> Iterator[tuple[int, int]]:
    """Pairs of offsets, those at which the label is right most often first."""
    order = np.argsort(-shares, axis=None, kind="stable")
    return (divmod(int(place), 12) for place in order)


def _by_offset(
    study: Study, roots: Int[Tensor, " clips"], chroma: Float[Tensor, "clips 12"]
) -> dict[str, Counts]:
    """Sign → how many clips the rule calls major with q* at each offset above these roots."""
    return {
        f"{sign:+d}": split(
            study.clips,
            torch.stack([says_major(chroma, (roots + offset) % 12, sign) for offset in range(12)], dim=1),
        )
        for sign in SIGNS
    }


def _offsets(study: Study, trained: Int[Tensor, " clips"]) -> dict[str, list[int]]:
    """Mode → how often the trained row lies each number of semitones above the signature."""
    above = torch.nn.functional.one_hot((trained - study.signatures) % 12, 12).bool()
    return split(study.clips, above)["all"]


@torch.inference_mode()
def _mean_profile(loaded: LoadedModel, log_vqt: Float[Tensor, "99 frames"]) -> Tensor:
    """The mean profile of segments A and B at crop 0, as the pseudo-label reads it: (12,) or (12, 2)."""
    segments = torch.stack([log_vqt[:, :SEGMENT_FRAMES], log_vqt[:, -SEGMENT_FRAMES:]])
    profile: Tensor = loaded.network(crop(segments, 0)).mean(0)
    return profile
