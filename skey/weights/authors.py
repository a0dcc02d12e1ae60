"""The authors' released checkpoints in our format: names, architecture, calibration, where they come from."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from skey.calibration import calibrate
from skey.model import Architecture, ChromaNet
from skey.weights.checkpoint import read_checkpoint
from skey.weights.file import checksum
from skey.weights.header import Header, WeightsError
from skey.weights.store import LoadedModel

PREFIX = "chromanet."
RENAMES = (
    (r"^time_downsampling_blocks\.(\d+)\.", lambda m: f"blocks.{2 * int(m[1])}."),
    (r"^convnext_blocks\.(\d+)\.", lambda m: f"blocks.{2 * int(m[1]) + 1}."),
    (r"\.dwconv\.", ".depthwise."),
    (r"\.pwconv1\.", ".widen."),
    (r"\.pwconv2\.", ".narrow."),
    (r"\.conv\.", ".pairs."),
    (r"\.gamma$", ".scale"),
    (r"^batch_norm\.", "mode_norm."),
)
"""What the parts of the network are called there and here, as regular expressions in order."""


@dataclass(frozen=True, slots=True)
class Release:
    """What is known of one released checkpoint: recognised by its file name, described for the header."""

    title: str
    licence: str
    source: str
    whole_track: bool = False


RELEASES = {
    "skey": Release("S-KEY as released", "MIT", "https://github.com/deezer/skey", whole_track=True),
    "semitone24": Release("Semi-TONE as released", "none stated", "https://github.com/deezer/stone"),
    "stone12": Release("STONE as released", "none stated", "https://github.com/deezer/stone"),
}
UNKNOWN = Release("Imported ChromaNet", "unknown", "unknown")


def _renamed(name: str) -> str:
    name = name.removeprefix(PREFIX)
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _reshaped(name: str, value: Tensor) -> Tensor:
    """Convolutions over pairs of frames, and over nothing but channels, as the matrices that they are."""
    if name.endswith("pairs.weight"):
        return value[:, :, 0].transpose(1, 2).flatten(1)
    return value.flatten(1) if name == "classifier.weight" else value


def network_tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network's tensors under our names, without the front end's buffers."""
    renamed = {_renamed(name): value for name, value in state.items() if name.startswith(PREFIX)}
    return {name: _reshaped(name, value) for name, value in renamed.items()}


def architecture_of(tensors: dict[str, Tensor]) -> Architecture:
    """Read the architecture off the parameters' shapes; ``WeightsError`` for those of another network."""
    try:
        scales = sorted(
            (name for name in tensors if name.endswith(".scale")), key=lambda n: int(n.split(".")[1])
        )
        depthwise = [tensors[name.replace("scale", "depthwise.weight")] for name in scales]
        outputs: Literal[12, 24] = 12 if len(tensors["classifier.weight"]) == 1 else 24
        return Architecture(
            outputs=outputs,
            channels=tuple(len(weight) for weight in depthwise),
            kernels=tuple(weight.shape[-1] for weight in depthwise),
        )
    except KeyError as error:
        raise WeightsError(f"These are not the weights of a ChromaNet: {error} is missing") from error


def import_checkpoint(path: Path) -> LoadedModel:
    """Convert a checkpoint of the authors, without executing anything in it, and calibrate it.

    ``path`` is `skey.pt`, `semitone24.pt`, `stone12.pt`, or another file of that make. What the outputs mean
    comes from the synthesised reference sound alone. Raises ``UnsafeCheckpoint`` where the file asks for
    code, ``WeightsError`` where it is no checkpoint of a ChromaNet.
    """
    content = read_checkpoint(path)
    state = content.get("stone", content)
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise WeightsError(f"{path} holds no dictionary of the network's weights")
    tensors = network_tensors(state)
    network = ChromaNet(architecture_of(tensors)).eval()
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(f"{path} is not a ChromaNet as released: {error}") from error
    release = RELEASES.get(path.stem, UNKNOWN)
    settings = [line for line in content.get("gin_info", []) if isinstance(line, str) and "=" in line]
    header = Header(
        name=path.stem,
        title=release.title,
        architecture=network.architecture,
        calibration=calibrate(network),
        licence=release.licence,
        source=release.source,
        checksum=checksum(tensors),
        whole_track=release.whole_track,
        training={"epoch": content.get("epoch"), "settings": settings},
    )
    return LoadedModel(header, network)
