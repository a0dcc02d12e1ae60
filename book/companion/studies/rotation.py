"""Calibration looked at closely: what networks say to each transposition of the reference sounds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from companion.observations import DIGITS
from companion.studies.alignment import chroma_net
from companion.systems import RELEASED
from skey.calibration import Calibration, reference_profiles
from skey.keys import Mode
from skey.weights import available_weights, read_weights
from skey.weights.library import DEFAULT

NETWORKS = ("stone", "skey-fifths", DEFAULT, *RELEASED)
"""Networks that are looked at, where their weights are at hand."""

MODES: tuple[Mode, Mode] = ("major", "minor")

_PITCH_CLASSES = 12


def observe_rotation() -> dict[str, dict[str, Any]]:
    """What each network at hand says to C major and to A minor, cropped by 0 to 11 semitones.

    Returns:
        System → ``checksum``, ``calibration``, and for each mode the probabilities crop → column → row.
    """
    files = available_weights()
    loaded = {name: read_weights(files[name]) for name in NETWORKS if name in files}
    return {
        name: {
            "checksum": each.header.checksum,
            "calibration": each.header.calibration.as_dict(),
            **{
                mode: reference_profiles(chroma_net(each), mode)
                .transpose(1, 2)
                .double()
                .numpy()
                .round(DIGITS)
                .tolist()
                for mode in MODES
            },
        }
        for name, each in loaded.items()
    }


def by_crop(entry: Mapping[str, Any], mode: Mode) -> Float[np.ndarray, "12 12"]:
    """The column of a mode while its reference sound plays: rows are crops, columns are the output's rows."""
    profiles = np.array(entry[mode])
    major = Calibration(**entry["calibration"]).major_column
    return profiles[:, major if mode == "major" else profiles.shape[1] - 1 - major]


def rows(entry: Mapping[str, Any], mode: Mode) -> list[int]:
    """The largest row at each crop (Eq. 10 for each transposition), rotated back to crop 0."""
    found = by_crop(entry, mode).argmax(axis=1)
    return [int(row + c) % _PITCH_CLASSES for c, row in enumerate(found)]


def calibrated_row(entry: Mapping[str, Any], mode: Mode) -> int:
    """q_cal: the row of C major, or that of A minor, which calibration found in the mean over all crops."""
    calibration = Calibration(**entry["calibration"])
    return (-calibration.major if mode == "major" else 9 - calibration.minor) % _PITCH_CLASSES


def agreeing(entry: Mapping[str, Any], mode: Mode) -> int:
    """In how many of the twelve transpositions one crop alone would have found the same row."""
    return rows(entry, mode).count(calibrated_row(entry, mode))
