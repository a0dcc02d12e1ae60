"""The authors' released checkpoints in our format, read without running anything that the file contains.

A checkpoint is a zip archive with a pickle inside, and a pickle can name any function to be called. Here only
the names that a checkpoint of tensors needs are known, each stands for code of this file, and everything else
is refused before it runs.
"""

import io
import pickle
import pickletools
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from skey.calibration import calibrate
from skey.errors import WeightsError
from skey.model import Architecture, ChromaNet
from skey.weights.file import Header, checksum
from skey.weights.store import LoadedModel

STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
}
"""The element type behind each of PyTorch's storage classes."""

MOST_BYTES = 256 << 20
"""What the tensors of a checkpoint may take; the authors' have a few MB."""

_MOST_PICKLE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers that tensors are views of."""

    values: Tensor


class Ignored:
    """Takes the place of objects that accompany the tensors, such as the numpy scalar of a loss."""

    def __init__(self, *_: object) -> None:
        """Accept and forget whatever the object was made of."""

    def __setstate__(self, _: object) -> None:
        """Accept and forget its state."""


def _tensor(
    storage: object, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> Tensor:
    """A copy of the view that the checkpoint describes, after checking that it lies inside its storage."""
    if (
        not isinstance(storage, Storage)
        or len(size) != len(stride)
        or min((offset, *size, *stride), default=0) < 0
    ):
        raise WeightsError("A tensor in the checkpoint is described wrongly.")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if torch.Size(size).numel() > len(storage.values) or (
        torch.Size(size).numel() and last >= len(storage.values)
    ):
        raise WeightsError("A tensor in the checkpoint reaches beyond its storage.")
    return torch.as_strided(storage.values, size, stride, offset).clone()


def _refuse_bombs(pickled: bytes) -> None:
    """Refuse a pickle that keeps an object at a place beyond its own length: the table would grow to it."""
    for code, argument, _ in pickletools.genops(pickled):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(pickled):
            raise WeightsError("The checkpoint's pickle asks for a table that is larger than itself.")


ALLOWED: dict[tuple[str, str], Callable[..., Any] | torch.dtype] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("numpy.core.multiarray", "scalar"): Ignored,
    ("numpy._core.multiarray", "scalar"): Ignored,
    ("numpy", "dtype"): Ignored,
    ("_codecs", "encode"): Ignored,
    **{("torch", name): dtype for name, dtype in STORAGES.items()},
}
"""The only names that a checkpoint may use, and what each of them means here."""


class TensorUnpickler(pickle.Unpickler):
    """Reads the pickle of a checkpoint; `ALLOWED` is all that it knows."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        pickled = archive.read(f"{folder}/data.pkl")
        _refuse_bombs(pickled)
        super().__init__(io.BytesIO(pickled))
        self.archive, self.folder = archive, folder
        self.budget = MOST_BYTES

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the signature of the standard library
        """The stand-in for a name; raises ``WeightsError`` for one that is not on the list."""
        if (module, name) not in ALLOWED:
            raise WeightsError(
                f"The checkpoint asks for {module}.{name}, which tensors do not need. Nothing of it was "
                "executed; do not load it with other tools either, unless you trust where it comes from."
            )
        return self.tensor if name == "_rebuild_tensor_v2" else ALLOWED[module, name]

    def tensor(self, *description: Any) -> Tensor:  # noqa: ANN401 - whatever the pickle says
        """A tensor; ``WeightsError`` where it is described wrongly, or all are too large together."""
        tensor = _tensor(*description)
        self.spend(tensor.numel() * tensor.element_size())
        return tensor

    def spend(self, size: int) -> None:
        """Count bytes that were read; ``WeightsError`` where they are too many for a checkpoint."""
        self.budget -= size
        if self.budget < 0:
            raise WeightsError(f"The checkpoint unpacks to more than {MOST_BYTES >> 20} MiB.")

    def persistent_load(self, pid: Any) -> Storage:  # noqa: ANN401 - the signature of the standard library
        """The storage that the pickle refers to, read from its own member of the archive."""
        kind, dtype, key = pid[:3]
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not str(key).isdigit():
            raise WeightsError("The checkpoint refers to something that is no storage of numbers.")
        name = f"{self.folder}/data/{key}"
        self.spend(self.archive.getinfo(name).file_size)
        raw = bytearray(self.archive.read(name))
        return Storage(torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Everything in a checkpoint that is made of tensors, numbers, texts, lists and dictionaries.

    ``path`` is as `torch.save` writes it; other objects are replaced by `Ignored`. Raises
    ``WeightsError`` where it asks for anything else, nothing being executed, or is no checkpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            if archive.getinfo(pickled).file_size > _MOST_PICKLE_BYTES:
                raise WeightsError("The checkpoint describes more than tensors: its pickle is too long.")
            content = TensorUnpickler(archive, pickled.removesuffix("/data.pkl")).load()
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a hostile pickle can raise anything; none of it is a reason to crash
        raise WeightsError(f"{path} is no PyTorch checkpoint: {error}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds no dictionary of weights")
    return content


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
    comes from the synthesised reference sound alone. Raises ``WeightsError`` where the file asks for
    code, or is no checkpoint of a ChromaNet.
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
