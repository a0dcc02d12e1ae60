"""Front end and network as one ONNX graph, so that a key estimator runs wherever ONNX does."""

import io
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from skey.audio import SAMPLE_RATE
from skey.inference.confidence import TINY
from skey.inference.filters import SEGMENT_SAMPLES, frames_of
from skey.keys import KEYS
from skey.shapes import Float, Float32
from skey.vqt import LogVQT, crop
from skey.weights.store import LoadedModel, write_file

INPUT, OUTPUT = "waveform", "probabilities"  # of the graph
OPSET = 17  # the version of ONNX's operators, understood by every onnxruntime since 1.12


class WaveformToProbabilities(nn.Module):
    """Waveform to probabilities as `skey.listeners.ask` gives them: log-VQT, windows, calibrated network."""

    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__()
        self.front_end = LogVQT()
        self.network, self.header = loaded.network, loaded.header

    def forward(self, waveform: Float32[Tensor, "1 samples"]) -> Float[Tensor, "1 outputs"]:
        """(1, 24) or (1, 12), summing to one, of (1, samples) at 22,050 Hz, mono, peak 1, from 0.755 s on."""
        items = self._items(self.front_end(waveform), torch._shape_as_tensor(waveform)[1])
        profile = self.network(crop(items, 0)).mean(dim=0, keepdim=True)
        logits = profile.clamp(min=TINY).log().flatten(1) / self.header.temperature
        probabilities: Tensor = logits.softmax(1).reshape(profile.shape)
        return self.header.calibration.probabilities(probabilities)

    def _items(
        self, log_vqt: Float[Tensor, "1 99 frames"], samples: Tensor
    ) -> Float[Tensor, "items 99 item_frames"]:
        """What the network takes: windows, or the whole, repeated until long enough; lengths are computed."""
        up_to: Any = torch.arange  # which is said to take no tensor, as a traced length is
        frames = torch._shape_as_tensor(log_vqt)[2]
        whole, least = self.header.whole_track, self.header.architecture.minimum_frames
        most = frames_of(self.header.window_seconds)
        window = frames if whole else frames.clamp(max=most)
        # A rest of half a segment reaches back to fill a window, one that is a sample shorter is dropped.
        length = self.header.window_seconds * SAMPLE_RATE
        count = frames // frames if whole else (samples + length - SEGMENT_SAMPLES // 2) // length
        starts = torch.minimum(up_to(count.clamp(min=1)) * most, frames - window)
        repeats = (least + window - 1) // window
        cut = log_vqt[0][:, starts[:, None] + up_to(repeats * window) % window].transpose(0, 1)
        return torch.maximum(cut, cut.amax(dim=(1, 2), keepdim=True) - self.header.floor)


def export_onnx(loaded: LoadedModel, path: Path) -> tuple[str, ...]:
    """Write front end, network, calibration and temperature as one ONNX graph; returns its outputs' keys.

    It takes any length from `skey.inference.filters.MIN_VQT_SAMPLES` and answers whatever it is given: no
    silence is left out, no tuning followed. Its metadata: the header (`skey`) and the keys (`outputs`).
    """
    import onnx

    traced, names = io.BytesIO(), tuple(map(str, KEYS[: loaded.outputs]))
    # The graph-capturing exporter takes minutes over the nested halvings of the front end's length, tracing
    # seconds. It warns that it will go, and that lengths look constant: `dynamic_axes` mends it.
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            WaveformToProbabilities(loaded).eval(),
            (torch.zeros(1, 2 * loaded.header.window_seconds * SAMPLE_RATE + 7),),
            traced,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {1: "samples"}},
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load_from_string(traced.getvalue())
    metadata = {"skey": loaded.header.to_json(), "outputs": json.dumps(names)}
    onnx.helper.set_model_props(graph, metadata)
    write_file(path, graph.SerializeToString())
    return names
