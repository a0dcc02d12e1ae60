"""What the key estimator listens with: a template, or a network with its weights."""

from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from skey.baselines import TemplateMatching
from skey.weights import LoadedModel, load_weights

TEMPLATE_TEMPERATURE = 0.12
"""Of the Krumhansl template: :func:`skey.confidence.fit_temperature` on the first 360 training clips of the
open corpus, where 52 % of its answers are right and its mean confidence is 51 % (180 test clips: 48, 53)."""


class Listener(Protocol):
    """One opinion on a stretch of sound."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def outputs(self) -> int:
        """24 for keys, 12 for key signatures."""

    @property
    def temperature(self) -> float:
        """What makes the mean of its profiles honest: see :mod:`skey.confidence`."""

    def profile(self, log_vqt: Float[Tensor, "99 frames"]) -> Float[Tensor, "outputs"]:
        """Probabilities of the 24 keys in the order of KEYS, or of the 12 key signatures from C."""


class Template:
    """Template matching with Krumhansl's profiles (Table 3, STONE); it needs no weights."""

    name = "Krumhansl template"
    outputs = 24
    temperature = TEMPLATE_TEMPERATURE

    def profile(self, log_vqt: Float[Tensor, "99 frames"]) -> Float[Tensor, "24"]:
        """The softmax of the correlations, which their temperature turns into probabilities."""
        return TemplateMatching().scores(log_vqt).softmax(dim=-1)


class Network:
    """A ChromaNet with its weights.

    Args:
        weights: a file, a name, or what :func:`skey.weights.load_weights` returned.
        device: where the network runs.
    """

    def __init__(self, weights: str | Path | LoadedModel, device: str | torch.device = "cpu") -> None:
        """Load the weights once."""
        self._loaded = weights if isinstance(weights, LoadedModel) else load_weights(weights)
        self._loaded.network.to(device)
        self._device = device
        self.name = self._loaded.header.title
        self.outputs = self._loaded.outputs
        self.temperature = float(self._loaded.header.training.get("temperature", 1.0))

    def profile(self, log_vqt: Float[Tensor, "99 frames"]) -> Float[Tensor, "outputs"]:
        """What the network says, calibrated to keys or key signatures."""
        batch = log_vqt[None].to(self._device)
        if self.outputs == 12:
            return self._loaded.signature_profile(batch)[0].cpu()
        return self._loaded.profile(batch)[0].cpu()
