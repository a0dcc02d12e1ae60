"""Front end and network as one ONNX graph, so that a key estimator runs wherever ONNX does."""

import warnings
from pathlib import Path

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from skey.errors import SkeyError
from skey.inference.filters import HOP
from skey.vqt import LogVQT, crop
from skey.weights import LoadedModel

INPUT, OUTPUT = "waveform", "profile"
"""Names of the graph's input (samples at 22,050 Hz, mono, peak 1) and output (probabilities)."""


OPSET = 17
"""The version of ONNX's operators, understood by every onnxruntime since 1.12."""


class ExportError(SkeyError):
    """The graph cannot be written; the message says what is missing."""


class WaveformToProfile(nn.Module):
    """Waveform to probabilities: log-VQT, crop, ChromaNet, calibration.

    With 24 outputs the probabilities are those of the keys in the order of `skey.keys.KEYS`; with 12 those of
    the key signatures by the pitch class of their major key, C first.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        """Put the parts of a loaded model in a row."""
        super().__init__()
        self.front_end = LogVQT()
        self.network = loaded.network
        self.header = loaded.header

    def forward(self, waveform: Float32[Tensor, "1 samples"]) -> Float[Tensor, "1 outputs"]:
        """The whole input in one pass.

        Args:
            waveform: (1, samples) at 22,050 Hz, mono, peak 1; see `shortest_input`.

        Returns:
            (1, 24) or (1, 12), summing to one.
        """
        profile: Tensor = self.network(crop(self.front_end(waveform), self.header.front_end.crop))
        calibration = self.header.calibration
        if self.header.architecture.outputs == 12:
            return calibration.signature_profile(profile)
        return calibration.key_profile(profile)


def shortest_input(loaded: LoadedModel) -> int:
    """Samples at 22,050 Hz that the graph needs at least (65,024 for the papers' network: 2.95 s)."""
    return (loaded.minimum_frames - 1) * HOP


def export_onnx(loaded: LoadedModel, path: Path) -> None:
    """Write front end, network and calibration as one ONNX graph with an input of any length.

    Args:
        loaded: the weights to export.
        path: the file to write; the header goes into its metadata.

    Raises:
        ExportError: the optional packages are missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise ExportError("ONNX export needs more packages: pip install 'skey-companion[onnx]'") from error
    _trace(loaded, path)
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, {"skey": loaded.header.to_json()})
    onnx.save(graph, path)


def _trace(loaded: LoadedModel, path: Path) -> None:
    """Write the graph by PyTorch's tracing exporter."""
    with warnings.catch_warnings():
        # The graph-capturing exporter takes minutes over the nested halvings of the front end's length,
        # tracing seconds. It warns that it will go, and that lengths look constant: `dynamic_axes` mends it.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            WaveformToProfile(loaded).eval(),
            (torch.zeros(1, 10 * shortest_input(loaded) + 7),),
            path,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {1: "samples"}},
            opset_version=OPSET,
            dynamo=False,
        )
