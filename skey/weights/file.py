"""The file behind weights: safetensors whose metadata carries the header, read and checked without torch."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from skey.weights.header import Header, WeightsError

METADATA_KEY, SEAL_KEY = "skey", "skey-seal"
"""Names of the header and of its SHA-256 among the metadata."""

MOST_BYTES = 256 << 20
"""The largest file of weights that is read; those that ship have a few MB."""


def checksum(tensors: Mapping[str, Any]) -> str:
    """SHA-256 over the names, types, shapes and bytes of tensors or arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = np.asarray(tensors[name])
        digest.update(f"{name} torch.{value.dtype} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def sealed(header: Header) -> dict[str, str]:
    """The metadata of a weights file: its header, and what tells whether it was changed since."""
    text = header.to_json()
    return {METADATA_KEY: text, SEAL_KEY: _seal(text)}


def read_header(path: Path) -> Header:
    """The header alone; the weights stay on disk. Raises ``WeightsError`` where there is none of ours."""
    return _open(path)[0]


def read_arrays(path: Path) -> tuple[Header, dict[str, np.ndarray]]:
    """Header and weights by name; raises ``WeightsError`` where they are not those that were sealed."""
    header, arrays = _open(path, with_arrays=True)
    if checksum(arrays) != header.checksum:
        raise WeightsError(f"{path} is damaged: its checksum differs. Fetch or import it again.")
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise WeightsError(f"{path} holds NaN or infinite numbers in {name}: train or fetch it again.")
    return header, arrays


def _open(path: Path, with_arrays: bool = False) -> tuple[Header, dict[str, np.ndarray]]:
    """Header and, where wanted, arrays of a safetensors file."""
    if path.suffix == ".pt":
        raise WeightsError(
            f"{path} is a PyTorch checkpoint: first run  skey weights import {path} -o NAME.safetensors"
        )
    try:
        if path.stat().st_size > MOST_BYTES:
            raise WeightsError(f"{path} is larger than any weights of ours ({MOST_BYTES >> 20} MiB)")
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()} if with_arrays else {}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} cannot be read as weights: {error}") from error
    if METADATA_KEY not in metadata:
        raise WeightsError(
            f"{path} has no header of skey: it was not written by `skey weights import` or `skey train`"
        )
    try:
        header = Header.from_json(metadata[METADATA_KEY])
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    if metadata.get(SEAL_KEY, _seal(metadata[METADATA_KEY])) != _seal(metadata[METADATA_KEY]):
        raise WeightsError(f"{path}: its header was changed after it was written. Fetch or import it again.")
    return header, arrays


def _seal(text: str) -> str:
    """SHA-256 of a header as it stands in the file."""
    return hashlib.sha256(text.encode()).hexdigest()
