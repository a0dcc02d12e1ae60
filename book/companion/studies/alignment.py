"""What networks predict for each transposition of the sounds by which calibration names their rows."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from companion.observations import rounded
from companion.systems import RELEASED
from skey.calibration import Calibration, reference_profiles
from skey.keys import Key, Mode
from skey.model import PITCH_CLASSES, ChromaNet, count_parameters
from skey.shapes import Float
from skey.weights import DEFAULT, available_weights
from skey.weights.store import LoadedModel, read_weights

NAME = "calibration"  # the observation, and its notebook
NETWORKS = ("stone", "skey-fifths", DEFAULT, *RELEASED)  # where their weights are at hand

MODES: tuple[Mode, Mode] = ("major", "minor")


def at_hand(names: Iterable[str]) -> dict[str, LoadedModel]:
    """The networks of these names whose weights are here."""
    files = available_weights()
    return {name: read_weights(files[name]) for name in names if name in files}


def observe_network(loaded: LoadedModel) -> dict[str, Any]:
    """``checksum``, ``calibration``, ``parameters`` (how many), ``epoch`` of a released network, and for each
    mode the probabilities crop → column → row."""
    network = chroma_net(loaded)
    return {
        **described(loaded),
        "parameters": count_parameters(network),
        "epoch": loaded.header.training.get("epoch"),
        **{mode: rounded(reference_profiles(network, mode).transpose(1, 2)) for mode in MODES},
    }


def described(loaded: LoadedModel) -> dict[str, Any]:
    """Which weights answered, and what their rows mean."""
    return {"checksum": loaded.header.checksum, "calibration": asdict(loaded.header.calibration)}


def chroma_net(loaded: LoadedModel) -> ChromaNet:
    """The network of one of the papers' systems, whose rows calibration can name."""
    assert isinstance(loaded.network, ChromaNet), f"{loaded.header.name} is no ChromaNet"
    return loaded.network


def by_crop(entry: Mapping[str, Any], mode: Mode) -> Float[np.ndarray, "12 12"]:
    """The column of a mode while its reference sound plays: rows are crops, columns are the output's rows."""
    profiles = np.array(entry[mode])
    major = Calibration(**entry["calibration"]).major_column
    return profiles[:, major if mode == "major" else profiles.shape[1] - 1 - major]


def mean_profile(entry: Mapping[str, Any], mode: Mode) -> Float[np.ndarray, "12"]:
    """The mean over all crops, each rotated back to crop 0: what calibration decides by."""
    turned = [np.roll(profile, crop) for crop, profile in enumerate(by_crop(entry, mode))]
    return np.asarray(np.mean(turned, axis=0))


def mode_offset(calibration: Calibration) -> int:
    """Steps on the circle of fifths, -5..6, from the signature of a row's major key to its minor key's."""
    major = Key(calibration.major, "major").signature
    minor = Key(calibration.minor, "minor").signature
    steps = (minor - major) * 7 % PITCH_CLASSES  # a fifth is seven semitones
    return steps - PITCH_CLASSES if steps > PITCH_CLASSES // 2 else steps


def first_row(calibration: Calibration) -> str:
    """The two keys of row 0."""
    return f"{Key(calibration.major, 'major')} and {Key(calibration.minor, 'minor')}"


def apart(steps: int) -> str:
    """A distance along the circle of fifths in words."""
    if steps == 0:
        return "relatives"
    fifths = "a fifth" if abs(steps) == 1 else f"{abs(steps)} fifths"
    return f"{fifths} {'above' if steps > 0 else 'below'}"
