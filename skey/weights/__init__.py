"""Weights that rebuild their estimator by themselves, and the import of the authors' checkpoints.

A name is imported when it is first asked for, so that headers and arrays are read without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skey.weights.authors import import_checkpoint
    from skey.weights.checkpoint import UnsafeCheckpoint, read_checkpoint
    from skey.weights.file import read_arrays, read_header
    from skey.weights.header import FrontEnd, Header, WeightsError
    from skey.weights.library import (
        available_weights,
        default_weights,
        find_weights,
        load_weights,
        user_folder,
    )
    from skey.weights.store import LoadedModel, read_weights, save_weights

__all__ = [
    "FrontEnd",
    "Header",
    "LoadedModel",
    "UnsafeCheckpoint",
    "WeightsError",
    "available_weights",
    "default_weights",
    "find_weights",
    "import_checkpoint",
    "load_weights",
    "read_arrays",
    "read_checkpoint",
    "read_header",
    "read_weights",
    "save_weights",
    "user_folder",
]

_HOMES = {
    "authors": ("import_checkpoint",),
    "checkpoint": ("UnsafeCheckpoint", "read_checkpoint"),
    "file": ("read_arrays", "read_header"),
    "header": ("FrontEnd", "Header", "WeightsError"),
    "library": ("available_weights", "default_weights", "find_weights", "load_weights", "user_folder"),
    "store": ("LoadedModel", "read_weights", "save_weights"),
}


def __getattr__(name: str) -> object:
    """Import a public name from its module."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
