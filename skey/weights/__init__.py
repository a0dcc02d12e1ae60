"""Weights by name, shipped, imported or trained, and the files behind them; importing this needs no torch."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from skey.errors import SkeyError, WeightsError
from skey.files.folders import data_directory
from skey.weights.file import Header as Header
from skey.weights.file import read_arrays as read_arrays
from skey.weights.file import read_header as read_header

if TYPE_CHECKING:
    from skey.weights.store import LoadedModel

SUFFIX = ".safetensors"
SHIPPED = Path(__file__).parent
DEFAULT = "semitone-open"  # the shipped weights that estimate where none are asked for


def user_folder() -> Path:
    """Where imported weights lie."""
    return data_directory() / "weights"


def available_weights() -> dict[str, Path]:
    """Name and file of all weights: shipped, trained (``skey-s0``), imported; of a name the last counts."""
    files = list(SHIPPED.glob(f"*{SUFFIX}"))
    for folder, own in ((data_directory, "runs/*/*"), (user_folder, "*")):
        with suppress(OSError, SkeyError):  # a folder that may not be entered, or no home for one
            files += folder().glob(f"{own}{SUFFIX}")
    return {file.stem: file for file in sorted(files, key=lambda file: (file.parent != SHIPPED, file.stem))}


def default_weights() -> Path | None:
    """The shipped file that estimates where no weights are named, never a user's of that name; or None."""
    file = SHIPPED / f"{DEFAULT}{SUFFIX}"
    return file if file.is_file() else None


def find_shipped(name: str) -> Path | None:
    """The shipped file of that name, unless a user's own goes before it; None where there is none."""
    file = available_weights().get(name)
    return file if file is not None and file.parent == SHIPPED else None


def find_weights(path_or_name: str | Path) -> Path:
    """The file behind a name, or else a path: whatever lies in the folder, ``skey`` is the network.

    A ``Path`` and ``./skey`` are files. Raises ``WeightsError``, which lists the names there are.
    """
    known = available_weights()
    if isinstance(path_or_name, str) and path_or_name in known:
        return known[path_or_name]
    with suppress(OSError):  # no name of a file, or in a folder that may not be entered
        if (path := Path(path_or_name)).is_file():
            return path
    names = ", ".join(known) or "none yet: import the authors' with `skey weights import FILE.pt`"
    raise WeightsError(f"There are no weights {str(path_or_name)!r}, neither file nor name. Names: {names}")


def load_weights(path_or_name: str | Path) -> "LoadedModel":
    """Rebuild a network, calibrated, from a file or a name of `skey weights list`; or ``WeightsError``.

    `.profile(log_vqt)` gives 24 probabilities in the order of `KEYS`, `.signature_profile` 12, C first.
    """
    from skey.weights.store import read_weights

    return read_weights(find_weights(path_or_name))
