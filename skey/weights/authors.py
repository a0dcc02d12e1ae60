"""The authors' released checkpoints in our format, read without running anything that the file contains.

Its pickle can name any function to be called: one that names more than makes tensors is refused at once.
"""

import pickletools
import re
import zipfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from skey.calibration import calibrate
from skey.errors import SkeyError, WeightsError
from skey.model import Architecture, ChromaNet
from skey.weights.file import MOST_BYTES, Header, checksum, refuse_no_file
from skey.weights.store import LoadedModel

_MOST_PICKLE_BYTES = 4 << 20


class Ignored:
    """Takes the place of objects that accompany the tensors, such as the numpy scalar of a loss."""

    def __init__(self, *_: object) -> None:
        pass

    __setstate__ = __init__


ACCOMPANYING = (  # what a checkpoint may name besides what makes tensors; `Ignored` stands for each
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
    *("numpy.dtype", "_codecs.encode"),
)

ALLOWED = frozenset(
    [
        *("collections.OrderedDict", "torch._utils._rebuild_tensor_v2", *ACCOMPANYING),
        *(f"torch.{kind}Storage" for kind in ("Float", "Double", "Half", "Long", "Int")),
    ]
)
"""The only names in a checkpoint; PyTorch's reader knows more, one of which makes any number of bytes."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Tensors, numbers and texts of a checkpoint; ``WeightsError`` where it asks for more than `ALLOWED`."""
    try:
        _refuse_hostile(path)
        with torch.serialization.safe_globals([(Ignored, name) for name in ACCOMPANYING]):
            content = torch.load(path, weights_only=True, map_location="cpu")
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a hostile pickle can raise anything; none of it is a reason to crash
        reason = str(error).rpartition("WeightsUnpickler error:")[2].strip().partition("\n")[0]
        raise WeightsError(f"{path} is no PyTorch checkpoint: {reason}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds no dictionary of weights")
    return content


def _refuse_hostile(path: Path) -> None:
    """Raise ``WeightsError`` where an archive unpacks to more than weights are, or names anything else."""
    refuse_no_file(path, "a checkpoint")
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
            raise WeightsError(f"The checkpoint unpacks to more than {MOST_BYTES >> 20} MiB.")
        (pickled,) = (member for member in archive.infolist() if member.filename.endswith("/data.pkl"))
        if pickled.file_size > _MOST_PICKLE_BYTES:
            raise WeightsError("The checkpoint describes more than tensors: its pickle is too long.")
        operations = [(code.name, name) for code, name, _ in pickletools.genops(archive.read(pickled))]
    named = {str(argument).replace(" ", ".") for name, argument in operations if name in ("GLOBAL", "INST")}
    named |= {name for name, _ in operations if name == "STACK_GLOBAL"}  # names that only running it tells
    if unknown := sorted(named - ALLOWED):
        raise WeightsError(
            f"The checkpoint asks for {', '.join(unknown)}, which tensors do not need. Nothing of it was "
            "executed; do not load it with other tools either, unless you trust where it comes from."
        )


RENAMES = (
    (r"^chromanet\.", ""),
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
    """What the header says of one released checkpoint; `checksum` is that of its weights."""

    title: str
    licence: str
    source: str
    checksum: str = ""
    whole_track: bool = False


_STONE = "https://github.com/deezer/stone"
_CHECKSUMS = {
    "skey": "6c8ce9c3ba310d61fd3cee0cbe55bac61c069b20461134ed5e1a089c377c91ab",
    "semitone24": "c3bfa9b7b0f539311c7320963e8078f68b538c3acfc35fa0386c6e3bf619c0a2",
    "stone12": "f6e7ac983b89c87716032efb74f5cacc586e7c0bef375fd1ba7c1af6873c0cb4",
}
RELEASES = {
    "skey": Release("S-KEY as released", "MIT", "https://github.com/deezer/skey", _CHECKSUMS["skey"], True),
    "semitone24": Release("Semi-TONE as released", "none stated", _STONE, _CHECKSUMS["semitone24"]),
    "stone12": Release("STONE as released", "none stated", _STONE, _CHECKSUMS["stone12"]),
}
"""By what they are called in the authors' repositories; a file is recognised by its content alone."""

UNKNOWN = Release("Imported ChromaNet", "unknown", "unknown")


def network_tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The network's tensors under our names; convolutions over pairs or channels become matrices."""
    tensors = {}
    for name, value in state.items():
        if name.startswith("chromanet."):
            for pattern, replacement in RENAMES:
                name = re.sub(pattern, replacement, name)
            if name.endswith("pairs.weight"):
                value = value[:, :, 0].transpose(1, 2).flatten(1)
            tensors[name] = value.flatten(1) if name == "classifier.weight" else value
    return tensors


def architecture_of(tensors: dict[str, Tensor]) -> Architecture:
    """Read the architecture off the parameters' shapes."""
    blocks = sorted(int(name.split(".")[1]) for name in tensors if name.endswith(".scale"))
    shapes = [tensors[f"blocks.{block}.depthwise.weight"].shape for block in blocks]
    return Architecture(
        outputs=12 if len(tensors["classifier.weight"]) == 1 else 24,
        channels=tuple(shape[0] for shape in shapes),
        kernels=tuple(shape[-1] for shape in shapes),
    )


def import_checkpoint(path: Path) -> LoadedModel:
    """Convert a checkpoint of the authors, executing nothing in it, and calibrate it; or ``WeightsError``."""
    content = read_checkpoint(path)
    try:
        return _imported(content, path)
    except SkeyError:
        raise
    except Exception as error:  # names, shapes and types are as the file has them: they can raise anything
        raise WeightsError(f"{path} is not a ChromaNet as released: {error!r}") from error


def _imported(content: dict[str, Any], path: Path) -> LoadedModel:
    state = content.get("stone", content)
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise WeightsError(f"{path} holds no dictionary of the network's weights")
    sizes = [value.nbytes for value in state.values()]
    if sum(sizes) > MOST_BYTES or 0 in sizes:
        raise WeightsError(f"{path} describes larger tensors than it holds")
    tensors = network_tensors(state)
    network = ChromaNet(architecture_of(tensors)).eval()
    network.load_state_dict(tensors)
    digest = checksum(network.state_dict())
    release = next((known for known in RELEASES.values() if known.checksum == digest), UNKNOWN)
    epoch = content.get("epoch")
    settings = [line for line in content.get("gin_info") or [] if isinstance(line, str) and "=" in line]
    header = Header(
        name=path.stem,
        architecture=network.architecture,
        calibration=calibrate(network),
        training={"epoch": epoch if isinstance(epoch, int) else None, "settings": settings},
        **asdict(replace(release, checksum=digest)),
    )
    return LoadedModel(header, network)
