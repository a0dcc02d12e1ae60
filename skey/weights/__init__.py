"""Weights that rebuild their estimator by themselves, and the import of the authors' checkpoints."""

from skey.weights.authors import import_checkpoint
from skey.weights.checkpoint import UnsafeCheckpoint, read_checkpoint
from skey.weights.header import FrontEnd, Header, WeightsError
from skey.weights.library import available_weights, find_weights, load_weights, user_folder
from skey.weights.store import LoadedModel, read_header, read_weights, save_weights

__all__ = [
    "FrontEnd",
    "Header",
    "LoadedModel",
    "UnsafeCheckpoint",
    "WeightsError",
    "available_weights",
    "find_weights",
    "import_checkpoint",
    "load_weights",
    "read_checkpoint",
    "read_header",
    "read_weights",
    "save_weights",
    "user_folder",
]
