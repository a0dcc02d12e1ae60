"""Networks to and from their files: what :mod:`skey.weights.file` reads, rebuilt in torch."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from skey.errors import WeightsError
from skey.files.folders import write_whole
from skey.shapes import Float
from skey.supervised import Network, build_network
from skey.vqt import crop
from skey.weights.file import Header, checksum, read_arrays, sealed


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network in evaluation mode with its header; takes log-VQTs of 99 bins, and repeats too short ones."""

    header: Header
    network: Network

    @property
    def outputs(self) -> int:
        """12 (key signatures only: use `signature_profile`) or 24 (keys: use `profile`)."""
        return self.header.architecture.outputs

    def profile(self, log_vqt: Float[Tensor, "batch 99 frames"]) -> Float[Tensor, "batch 24"]:
        """Probabilities of the keys in the order of `KEYS`; ``SkeyError`` where there are no modes."""
        return self.header.calibration.key_profile(self.raw_profile(log_vqt))

    def signature_profile(self, log_vqt: Float[Tensor, "batch 99 frames"]) -> Float[Tensor, "batch 12"]:
        """Probabilities of the key signatures by the pitch class of their major key, C first."""
        return self.header.calibration.signature_profile(self.raw_profile(log_vqt))

    @torch.inference_mode()
    def raw_profile(self, log_vqt: Float[Tensor, "batch 99 frames"]) -> Tensor:
        """The network's own (batch, 12) or (batch, 12, 2), before calibration gives it a meaning."""
        lowest = log_vqt.amax(dim=(-2, -1), keepdim=True) - self.header.floor
        cropped = crop(torch.maximum(log_vqt, lowest), 0)
        repeats = -(-self.header.architecture.minimum_frames // max(cropped.shape[-1], 1))
        profile: Tensor = self.network(cropped.repeat(1, 1, repeats) if repeats > 1 else cropped)
        return profile


def save_weights(path: Path, network: Network, header: Header) -> Header:
    """Write weights whole or not at all; the header with their checksum, or ``WeightsError``."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    header = replace(header, architecture=network.architecture, checksum=checksum(tensors))
    write_file(path, save(tensors, metadata=sealed(header)))
    return header


def write_file(path: Path, content: bytes) -> None:
    """Write a file with the folders above it, whole or not at all; ``WeightsError`` where that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise WeightsError(f"Cannot write {path}: {error.strerror or error}") from error


def read_weights(path: Path) -> LoadedModel:
    """Rebuild the network from one file; ``WeightsError`` where it is absent, damaged, or does not fit."""
    header, arrays = read_arrays(path)
    network = build_network(header.architecture)
    try:
        network.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit the architecture in its header: {error}") from error
    return LoadedModel(header, network.eval())
