"""What is asked about a track, and the one way to ask: a template, or a network with its weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skey.errors import SkeyError, WeightsError
from skey.inference.architecture import Architecture
from skey.inference.confidence import sharpen, softmax
from skey.inference.filters import CROPPED_BINS, SEGMENT_SECONDS, frames_of
from skey.inference.network import NumpyChromaNet
from skey.inference.templates import correlations, energy_chroma
from skey.inference.threads import one_blas_thread, one_thread
from skey.shapes import Float
from skey.weights import default_weights, find_weights
from skey.weights.file import Header, read_arrays, read_header

if TYPE_CHECKING:
    import torch

    from skey.weights.store import LoadedModel

LogVqt = Float[Any, "99 frames"]  # an array or a tensor
TEMPLATE = "krumhansl"  # what to ask for in the place of weights for the template

TEMPLATE_TEMPERATURE = 0.12  # by `fit_temperature` on the first 360 training clips of the open corpus


class Listener:
    """One opinion on sound: a profile of each stretch, and what the mean of the profiles says.

    ``identity`` is its name and, of trained weights, their checksum; ``outputs`` are 24 keys or 12 key
    signatures. It takes a ``whole_track`` in one pass, or windows of ``window_seconds`` are averaged.
    """

    identity: str
    outputs: int
    whole_track = False
    window_seconds = SEGMENT_SECONDS

    def profile(self, log_vqt: LogVqt) -> Float[np.ndarray, "values"]:
        """What it makes of a stretch, for the mean over a track."""
        raise NotImplementedError

    def probabilities(self, profile: Float[np.ndarray, "values"]) -> Float[np.ndarray, "outputs"]:
        """What such a mean says of the 24 keys in the order of KEYS, or of the 12 key signatures from C."""
        raise NotImplementedError


def ask(listener: Listener, log_vqt: LogVqt) -> Float[np.ndarray, "outputs"]:
    """The probabilities that a listener gives a track: in one pass, or from the mean over its windows."""
    return listener.probabilities(mean_profile(listener, log_vqt))


def mean_profile(listener: Listener, log_vqt: LogVqt) -> Float[np.ndarray, "values"]:
    """What a listener makes of a track, before :meth:`Listener.probabilities`; see :func:`ask`."""
    track = np.asarray(log_vqt)
    items = [track] if listener.whole_track else windows(track, listener.window_seconds)
    with one_blas_thread:
        return np.asarray(np.mean([listener.profile(item) for item in items], axis=0))


def windows(log_vqt: LogVqt, seconds: int = SEGMENT_SECONDS) -> Iterator[Float[np.ndarray, "99 window"]]:
    """Cut a track, (99, frames), into windows; each listener hears a window down to its own range.

    A rest of at least 7.5 s reaches back to fill a window, a shorter one is dropped, as STONE drops every
    rest. A shorter track is one short window.
    """
    frames, length = log_vqt.shape[-1], frames_of(seconds)
    starts = list(range(0, frames - length + 1, length)) or [0]
    if frames - starts[-1] - length >= frames_of(SEGMENT_SECONDS) // 2:
        starts.append(frames - length)
    return (log_vqt[:, start : start + length] for start in starts)


class Template(Listener):
    """Template matching with Krumhansl's profiles (Table 3, STONE); it needs no weights."""

    identity = "Krumhansl template"
    outputs = 24

    def profile(self, log_vqt: LogVqt) -> Float[np.ndarray, "12"]:
        """The chroma: its mean over windows is that of the track."""
        return energy_chroma(np.asarray(log_vqt))

    def probabilities(self, profile: Float[np.ndarray, "12"]) -> Float[np.ndarray, "24"]:
        """The softmax of the correlations at their temperature."""
        return softmax(correlations(profile) / TEMPLATE_TEMPERATURE)


class _Trained(Listener):
    def __init__(self, header: Header) -> None:
        self._header = header
        self.identity = f"{header.name} {header.checksum}"
        self.outputs = header.architecture.outputs
        self.whole_track = header.whole_track
        self.window_seconds = header.window_seconds

    def probabilities(self, profile: Float[np.ndarray, "outputs"]) -> Float[np.ndarray, "outputs"]:
        """The mean profile at the temperature that makes it honest: see :mod:`skey.inference.confidence`."""
        return sharpen(profile, self._header.temperature)


class Network(_Trained):
    """A ChromaNet by file, name or loaded model, on the CPU and without torch; may raise ``WeightsError``."""

    def __init__(self, weights: "str | Path | LoadedModel") -> None:
        if isinstance(weights, str | Path):
            header, arrays = read_arrays(find_weights(weights))
        else:
            header, state = weights.header, weights.network.state_dict()
            arrays = {name: value.detach().cpu().numpy() for name, value in state.items()}
        if not isinstance(header.architecture, Architecture):
            raise WeightsError(f"{header.title} is no ChromaNet: it needs torch (TorchNetwork)")
        super().__init__(header)
        self._network = NumpyChromaNet(header.architecture, arrays)

    def profile(self, log_vqt: LogVqt) -> Float[np.ndarray, "outputs"]:
        """What the network says, calibrated to keys or key signatures."""
        heard = np.asarray(log_vqt, np.float32)
        cropped = np.maximum(heard[:CROPPED_BINS], heard.max() - self._header.floor)
        repeats = -(-self._header.architecture.minimum_frames // cropped.shape[1])
        raw = self._network.profile(np.tile(cropped, repeats) if repeats > 1 else cropped)
        return np.asarray(self._header.calibration.probabilities(raw[None])[0])


class TorchNetwork(_Trained):
    """A network of any kind with its weights, in torch, on any device; see :class:`Network`."""

    def __init__(self, weights: "str | Path | LoadedModel", device: "str | torch.device" = "cpu") -> None:
        from skey.weights.store import LoadedModel, read_weights

        self._loaded = weights if isinstance(weights, LoadedModel) else read_weights(find_weights(weights))
        super().__init__(self._loaded.header)
        try:
            self._loaded.network.to(device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise SkeyError(f"there is no device {str(device)!r} here ({error}); use device='cpu'") from error
        self._device = device

    def profile(self, log_vqt: LogVqt) -> Float[np.ndarray, "outputs"]:
        """What the network says, calibrated to keys or key signatures."""
        import torch

        with one_thread():
            heard = torch.as_tensor(log_vqt, dtype=torch.float32, device=self._device)
            raw = self._loaded.raw_profile(heard[None])
            return np.asarray(self._header.calibration.probabilities(raw)[0].cpu())


def listener(
    weights: "str | Path | LoadedModel | None" = None, device: "str | torch.device" = "cpu"
) -> Listener:
    """What to listen with: weights as for :class:`Network` or the default, or the template ("krumhansl")."""
    chosen = default_weights() if weights is None else weights
    if chosen is None or chosen == TEMPLATE:
        return Template()
    header = read_header(find_weights(chosen)) if isinstance(chosen, str | Path) else chosen.header
    light = str(device).split(":")[0] == "cpu" and isinstance(header.architecture, Architecture)
    return Network(chosen) if light else TorchNetwork(chosen, device)
