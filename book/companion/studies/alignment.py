"""How the rows of the released networks' outputs lie to each other, from the reference sounds alone.

Nothing in training ties the two modes of a network with 24 outputs together; calibration, which hears C major
and A minor, finds where each of them begins.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from companion.observations import DIGITS
from companion.systems import RELEASED
from skey.calibration import Calibration, reference_profile
from skey.keys import Key
from skey.model import PITCH_CLASSES, ChromaNet, count_parameters
from skey.weights import LoadedModel, available_weights, read_weights

_FIFTH = 7


def mode_offset(calibration: Calibration) -> int:
    """How many steps along the circle of fifths the two modes of one row lie apart.

    Returns:
        Steps in -5..6 from the signature of the row's major key to that of its minor key; 0 where the two
        are relatives, as they always are with 12 outputs.
    """
    major = Key(calibration.major, "major").signature
    minor = Key(calibration.minor, "minor").signature
    steps = (minor - major) * _FIFTH % PITCH_CLASSES
    return steps - PITCH_CLASSES if steps > PITCH_CLASSES // 2 else steps


def key_if_modes_were_aligned(calibration: Calibration) -> Key:
    """What A minor would be called if row q were taken for relatives, from where major begins alone."""
    row = (9 - calibration.minor) % PITCH_CLASSES
    return Key((calibration.major + row) % PITCH_CLASSES, "major").relative


def observe_alignment() -> dict[str, dict[str, Any]]:
    """Reference profiles and calibration of each released network whose weights are at hand.

    Returns:
        System → what its header says of it, ``parameters`` (how many), ``calibration``, ``c_major`` and
        ``a_minor``: the profile for each reference sound, a list of 12 probabilities a column.
    """
    files = available_weights()
    return {name: observe_network(read_weights(files[name])) for name in RELEASED if name in files}


def observe_network(loaded: LoadedModel) -> dict[str, Any]:
    """The same for one network."""
    header = loaded.header
    return {
        "title": header.title,
        "licence": header.licence,
        "source": header.source,
        "checksum": header.checksum,
        "outputs": header.architecture.outputs,
        "whole_track": header.whole_track,
        "parameters": count_parameters(loaded.network),
        "epoch": header.training.get("epoch"),
        "calibration": header.calibration.as_dict(),
        "c_major": _columns(reference_profile(chroma_net(loaded), "major")),
        "a_minor": _columns(reference_profile(chroma_net(loaded), "minor")),
    }


def chroma_net(loaded: LoadedModel) -> ChromaNet:
    """The network of one of the papers' systems, whose rows calibration can name."""
    assert isinstance(loaded.network, ChromaNet), f"{loaded.header.name} is no ChromaNet"
    return loaded.network


def _columns(profile: Float[Tensor, "12 columns"]) -> list[list[float]]:
    """The columns of a profile, ready for JSON."""
    return [[round(float(value), DIGITS) for value in column] for column in profile.T]
