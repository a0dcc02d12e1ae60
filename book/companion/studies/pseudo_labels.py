"""How often S-KEY's pseudo-label of the mode is right: by row, sign, chroma and part of the test clips.

The rule (`skey.losses.pseudo_label`) compares two pitch classes of a clip's chroma, and q* says which two:
here the true key signature, moved by an offset, or what a network says it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from companion.datasets.open_corpus import OpenCorpus
from companion.estimators import Scale, track_chroma
from companion.observations import Entries
from companion.studies.alignment import MODES, at_hand, chroma_net
from companion.studies.transform import answers, segments_of
from companion.systems import RELEASED
from skey.calibration import signature_row
from skey.inference.templates import PITCH_CLASS_OF_A
from skey.keys import parse_key
from skey.losses import Sign, Views, mode_profile, pseudo_label, signature_profile
from skey.shapes import Bool, Float, Integer
from skey.weights.store import LoadedModel

SIGNS: tuple[Sign, Sign] = (-3, 3)
SCALES: tuple[Scale, ...] = get_args(Scale)
COMPARED: Mapping[str, bool] = {"louder": False, "fifths": True}  # in a record → whether with fifths
PARTS = ("all", "full", "hard", "chorales", "tunes")  # parts of the test clips that get numbers of their own

NETWORKS = (  # networks whose rows are tried, where their weights are at hand
    *("stone", "stone24", "skey", "skey-plus3", "skey-no-average", "skey-calibrated"),
    *("skey-peaks", "skey-late", "skey-sharp", "skey-fifths", *RELEASED),
)

PerClip = Bool[np.ndarray, " clips"]
Roots = Integer[np.ndarray, " clips"]


@dataclass(frozen=True)
class Study:
    """What a record says of the clips; ``parts``: which of them belong to each.

    ``louder``: scale of the chroma, with fifths or not → (clips, 12), whether a pitch class, C first, alone
    or with its fifth, is louder than the one three semitones below.
    """

    signatures: Roots
    major: PerClip
    parts: Mapping[str, PerClip]
    louder: Mapping[tuple[str, bool], Bool[np.ndarray, "clips 12"]]


def observe_pseudo_labels(limit: int = 0) -> dict[str, dict[str, Any]]:
    """Chromas of the first so many test clips (0: all) as the rule sees them, and what networks say."""
    dataset = OpenCorpus(limit=limit or None)
    dataset.require()
    heard, clips = [dataset.log_vqt(track) for track in dataset.tracks()], dataset.clips
    return {
        "clips": {
            "keys": [str(clip.key) for clip in clips],
            "levels": [clip.level for clip in clips],
            "sources": [clip.source for clip in clips],
        },
        **{scale: _labels([track_chroma(each, scale) for each in heard]) for scale in SCALES},
        **{name: observe_rows(loaded, heard) for name, loaded in at_hand(NETWORKS).items()},
    }


def observe_rows(loaded: LoadedModel, heard: Sequence[Float[Tensor, "99 frames"]]) -> dict[str, Any]:
    """What a network says of each clip, from the mean profile of segments A and B at crop 0.

    ``checksum``; ``row_of_c``: the row that the reference sounds give C major and A minor; ``rows``: the
    largest of lambda; with two modes ``major``: whether its own mode is major, 1 or 0.
    """
    profile = answers(chroma_net(loaded), torch.stack([segments_of(each) for each in heard])).mean(1)
    found = {
        "checksum": loaded.header.checksum,
        "row_of_c": signature_row(chroma_net(loaded)),
        "rows": signature_profile(profile).argmax(1).tolist(),
    }
    if loaded.outputs == 24:
        own = mode_profile(profile)[:, loaded.header.calibration.major_column]
        found["major"] = (own > 0.5).int().tolist()
    return found


def read_study(entries: Entries) -> Study:
    """The clips of a record."""
    keys = [parse_key(text) for text in entries["clips"]["keys"]]
    tags = pd.DataFrame({name: entries["clips"][name] for name in ("levels", "sources")})
    return Study(
        np.array([key.signature for key in keys]),
        np.array([key.mode == "major" for key in keys]),
        {part: np.asarray((tags == part).any(axis=1) | (part == "all")) for part in PARTS},
        {(scale, both): _bits(entries[scale][name]) for scale in SCALES for name, both in COMPARED.items()},
    )


def _bits(texts: Sequence[str]) -> Bool[np.ndarray, "clips 12"]:
    return np.asarray(np.array([list(text) for text in texts]) == "1")


def says_major(
    study: Study, roots: Roots, sign: Sign, scale: str = "decibels", with_fifth: bool = False
) -> PerClip:
    """What the rule says if q* is this pitch class: the signs are one comparison, seen from either end."""
    louder = study.louder[scale, with_fifth]
    clips = np.arange(len(roots))
    if sign == -3:
        return np.asarray(louder[clips, roots % 12])
    return np.asarray(~louder[clips, (roots + 3) % 12])


def right(
    study: Study, roots: Roots, sign: Sign, scale: str = "decibels", with_fifth: bool = False
) -> PerClip:
    """Whether the label is right, clip by clip."""
    return np.asarray(says_major(study, roots, sign, scale, with_fifth) == study.major)


def trained_roots(entry: Mapping[str, Any], study: Study) -> Roots:
    """q* from a network as it was trained: row q is taken for pitch class A + q."""
    return np.asarray((np.array(entry["rows"][: len(study.major)]) + PITCH_CLASS_OF_A) % 12)


def calibrated_roots(entry: Mapping[str, Any], study: Study) -> Roots:
    """q* from a network whose rows were named by the two reference sounds."""
    return np.asarray((np.array(entry["rows"][: len(study.major)]) - entry["row_of_c"]) % 12)


def agreement(entry: Mapping[str, Any], study: Study, sign: Sign) -> PerClip:
    """Whether the label for a network's rows as trained is the mode that the network itself names."""
    own = np.array(entry["major"][: len(study.major)], dtype=bool)
    return np.asarray(says_major(study, trained_roots(entry, study), sign) == own)


def consistency(study: Study, sign: Sign) -> Float[np.ndarray, "12 12"]:
    """How often the label is right, in percent, (12, 12): by offset of q* in major, and in minor clips."""
    at = np.array([right(study, study.signatures + offset, sign) for offset in range(12)])
    major, minor = at[:, study.major].sum(1), at[:, ~study.major].sum(1)
    return np.asarray(100 * (major[:, None] + minor[None]) / len(study.major))


def right_at_pair(study: Study, sign: Sign, pair: tuple[int, int]) -> PerClip:
    """Whether the label is right with one offset in major and another in minor clips."""
    return right(study, study.signatures + np.where(study.major, *pair), sign)


def offsets(entry: Mapping[str, Any], study: Study) -> dict[str, list[int]]:
    """Mode → how often a network's row as trained lies 0 to 11 semitones above the signature."""
    above = (trained_roots(entry, study) - study.signatures) % 12
    return {
        mode: np.bincount(above[study.major == (mode == "major")], minlength=12).tolist() for mode in MODES
    }


def _labels(chromas: Sequence[Float[Tensor, "12"]]) -> dict[str, list[str]]:
    """What the rule says of each clip, of roots alone and of roots with their fifths."""
    return {name: [_comparisons(chroma, both) for chroma in chromas] for name, both in COMPARED.items()}


def _comparisons(chroma: Float[Tensor, "12"], with_fifth: bool) -> str:
    """For each pitch class whether the rule calls a clip major that has it for its root, as 0 and 1."""
    rows = torch.eye(12)
    views = Views(rows, rows, rows, torch.zeros(12, dtype=torch.long))
    labels = pseudo_label(views, chroma.expand(12, 12), -3, with_fifth=with_fifth)
    return "".join(str(int(label)) for label in labels)
