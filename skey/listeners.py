"""What the key estimator listens with: a template, or a network with its weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import Float

from skey.errors import SkeyError
from skey.inference.architecture import Architecture
from skey.inference.confidence import softmax
from skey.inference.filters import CROPPED_BINS
from skey.inference.network import NumpyChromaNet
from skey.inference.templates import correlations
from skey.inference.threads import one_thread
from skey.weights.file import read_arrays, read_header
from skey.weights.header import Header, WeightsError
from skey.weights.library import default_weights, find_weights

if TYPE_CHECKING:
    import torch

    from skey.weights.store import LoadedModel

TEMPLATE = "krumhansl"
"""What to ask for in the place of weights for the template."""

TEMPLATE_TEMPERATURE = 0.12
"""Of the Krumhansl template: :func:`skey.inference.confidence.fit_temperature` on the first 360 training
clips of the open corpus, where 52 % of its answers are right and its mean confidence is 51 % (180 test clips:
48, 53)."""


class DeviceError(SkeyError):
    """A network cannot run on that device."""


class Listener(Protocol):
    """One opinion on a stretch of sound."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def identity(self) -> str:
        """What tells it from any other: its name and, of trained weights, their checksum."""

    @property
    def outputs(self) -> int:
        """24 for keys, 12 for key signatures."""

    @property
    def temperature(self) -> float:
        """What makes the mean of its profiles honest: see :mod:`skey.inference.confidence`."""

    def profile(self, log_vqt: Float[Any, "99 frames"]) -> Float[np.ndarray, "outputs"]:
        """Probabilities of the 24 keys in the order of KEYS, or of the 12 key signatures from C."""


class Template:
    """Template matching with Krumhansl's profiles (Table 3, STONE); it needs no weights."""

    name = identity = "Krumhansl template"
    outputs = 24
    temperature = TEMPLATE_TEMPERATURE

    def profile(self, log_vqt: Float[Any, "99 frames"]) -> Float[np.ndarray, "24"]:
        """The softmax of the correlations, which their temperature turns into probabilities."""
        return softmax(correlations(np.asarray(log_vqt)))


class _Trained:
    """What a weights file says of its network."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self.name = header.title
        self.identity = f"{header.name} {header.checksum}"
        self.outputs: int = header.architecture.outputs
        self.temperature = float(header.training.get("temperature", 1.0))


class Network(_Trained):
    """A ChromaNet with its weights, on the CPU and without torch.

    Args:
        weights: a file, a name, or what :func:`skey.weights.load_weights` returned.

    Raises:
        WeightsError: no such weights, or a file that is damaged or none of ours.
    """

    def __init__(self, weights: "str | Path | LoadedModel") -> None:
        """Load the weights once."""
        header, arrays = _arrays(weights)
        if not isinstance(header.architecture, Architecture):
            raise WeightsError(f"{header.title} is no ChromaNet: it needs torch (TorchNetwork)")
        super().__init__(header)
        self._network = NumpyChromaNet(header.architecture, arrays)

    def profile(self, log_vqt: Float[Any, "99 frames"]) -> Float[np.ndarray, "outputs"]:
        """What the network says, calibrated to keys or key signatures."""
        first, frames = self._header.front_end.crop, log_vqt.shape[1]
        cropped = np.asarray(log_vqt)[first : first + CROPPED_BINS]
        repeats = -(-self._header.architecture.minimum_frames // frames)
        raw = self._network.profile(np.tile(cropped, repeats) if repeats > 1 else cropped)
        calibration = self._header.calibration
        if self.outputs == 12:
            return np.asarray(calibration.signature_profile(raw.T)[0])
        return np.asarray(calibration.key_profile(raw[None])[0])


class TorchNetwork(_Trained):
    """A network of any kind with its weights, in torch, on any device.

    Args:
        weights: as for :class:`Network`.
        device: where the network runs.

    Raises:
        WeightsError: as for :class:`Network`.
    """

    def __init__(self, weights: "str | Path | LoadedModel", device: "str | torch.device" = "cpu") -> None:
        """Load the weights once."""
        from skey.weights.store import LoadedModel, read_weights

        self._loaded = weights if isinstance(weights, LoadedModel) else read_weights(find_weights(weights))
        super().__init__(self._loaded.header)
        try:
            self._loaded.network.to(device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise DeviceError(
                f"there is no device {str(device)!r} here ({error}); use device='cpu'"
            ) from error
        self._device = device

    def profile(self, log_vqt: Float[Any, "99 frames"]) -> Float[np.ndarray, "outputs"]:
        """What the network says, calibrated to keys or key signatures."""
        import torch

        ask = self._loaded.signature_profile if self.outputs == 12 else self._loaded.profile
        with one_thread():
            return np.asarray(ask(torch.as_tensor(log_vqt)[None].to(self._device))[0].cpu())


def listener(
    weights: "str | Path | LoadedModel | None" = None, device: "str | torch.device" = "cpu"
) -> Template | Network | TorchNetwork:
    """What to listen with; torch is imported only where numpy does not do.

    Args:
        weights: a file, a name, or a loaded model; ``"krumhansl"`` for the template; None for the weights
            that ship as the default, or for the template where they do not ship.
        device: where a network runs.

    Raises:
        WeightsError: no such weights, or a file that is damaged or none of ours.
    """
    chosen = default_weights() if weights is None else weights
    if chosen is None or chosen == TEMPLATE:
        return Template()
    header = read_header(find_weights(chosen)) if isinstance(chosen, str | Path) else chosen.header
    light = str(device).split(":")[0] == "cpu" and isinstance(header.architecture, Architecture)
    return Network(chosen) if light else TorchNetwork(chosen, device)


def _arrays(weights: "str | Path | LoadedModel") -> tuple[Header, dict[str, np.ndarray]]:
    """Header and weights as arrays, also of a network that was built in torch already."""
    if isinstance(weights, str | Path):
        return read_arrays(find_weights(weights))
    state = weights.network.state_dict()
    return weights.header, {name: value.detach().cpu().numpy() for name, value in state.items()}
