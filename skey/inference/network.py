"""What a trained ChromaNet says to one recording, in numpy: importing torch takes longer than an estimate.

The steps and their names are those of :mod:`skey.model`. Arrays are (bins, frames, channels).
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skey.errors import WeightsError
from skey.inference.architecture import PITCH_CLASSES, Architecture, refuse_too_few_frames
from skey.inference.filters import CROPPED_BINS
from skey.shapes import Float, Float32

_EPSILON = np.float32(1e-5)
_VALUES = 2**14  # values that a map of the channels takes at a time: the results fit the cache
_FRAMES = 32  # frames that are convolved at a time, for the same reason
_ERF = np.array([4.30638e-5, 2.765672e-4, 1.520143e-4, 9.2705272e-3, 4.22820123e-2, 7.05230784e-2])
_ERF = (_ERF * 0.5 ** (np.arange(6, 0, -1) / 2)).astype(np.float32)
"""From x⁶ to x: 1 - erf(x / √2) is (1 + their sum)⁻¹⁶ to 3e-7 (Abramowitz and Stegun, *Handbook*, 7.1.28)."""
_ONE, _HALF = np.float32(1), np.float32(0.5)

Block = Float[np.ndarray, "bins frames channels"]
Points = Float[np.ndarray, "points channels"]


class NumpyChromaNet:
    """A ChromaNet in evaluation mode, by the names of :class:`skey.model.ChromaNet`, or ``WeightsError``."""

    def __init__(self, architecture: Architecture, weights: Mapping[str, np.ndarray]) -> None:
        expected = parameter_shapes(architecture)
        if {name: value.shape for name, value in weights.items()} != expected:
            odd = sorted(expected.keys() ^ weights.keys()) or "a shape differs"
            raise WeightsError(f"the weights do not fit the architecture that their header describes: {odd}")
        self.architecture = architecture
        self._weights = weights

    @np.errstate(over="ignore")
    def profile(self, cropped: Float32[np.ndarray, "84 frames"]) -> Float32[np.ndarray, "12 modes"]:
        """The softmax over all outputs (Eq. 1; Section 5.2, STONE); ``SkeyError`` for too short an input."""
        refuse_too_few_frames(cropped.shape[-1], self.architecture)
        together = self.architecture.frames_per_step
        whole = cropped[:, : cropped.shape[1] // together * together]  # of the steps; the rest is dropped
        x = whole.reshape(len(whole), -1, together).mean(axis=2)[..., None]
        for block in range(len(self.architecture.channels)):
            x = self._time_downsampling(x, f"blocks.{2 * block}")
            x = self._convnext(x, f"blocks.{2 * block + 1}")
        logits = self._linear(self._octaves(x).mean(axis=1), "classifier")
        if self.architecture.modes == 2:
            mean, variance = self._weights["mode_norm.running_mean"], self._weights["mode_norm.running_var"]
            logits = (logits - mean) / np.sqrt(variance + _EPSILON)
        likelihoods = np.exp(logits - logits.max())
        return np.asarray(likelihoods / likelihoods.sum())

    def _time_downsampling(self, x: Block, name: str) -> Float[np.ndarray, "bins half outputs"]:
        bins, frames, channels = x.shape
        pairs = self._norm(x, name)[:, : frames // 2 * 2].reshape(bins, frames // 2, 2 * channels)
        return _by_points(pairs, lambda points: _gelu(self._linear(points, f"{name}.pairs")))

    def _convnext(self, x: Block, name: str) -> Block:
        def branch(points: Points) -> Points:
            wide = _gelu(self._linear(points, f"{name}.widen"))
            return np.asarray(self._linear(wide, f"{name}.narrow") * self._weights[f"{name}.scale"])

        return np.asarray(x + _by_points(self._norm(self._depthwise(x, f"{name}.depthwise"), name), branch))

    def _depthwise(self, x: Block, name: str) -> Block:
        kernels, bias = self._weights[f"{name}.weight"][:, 0], self._weights[f"{name}.bias"]
        border, overlap = (kernels.shape[-1] // 2,) * 2, kernels.shape[-1] - 1
        padded = np.pad(x, (border, border, (0, 0)), mode="edge")
        result = np.empty_like(x)
        for start in range(0, x.shape[1], _FRAMES):
            part = result[:, start : start + _FRAMES]
            part[:] = _correlated(padded[:, start : start + part.shape[1] + overlap], kernels) + bias
        return result

    def _norm(self, x: Block, name: str) -> Block:
        """The layer norm before a step: of the item for 24 outputs, of each frame with gain for 12."""
        if self.architecture.outputs == 24:
            return np.asarray((x - x.mean()) / np.sqrt(x.var() + _EPSILON))
        mean, variance = x.mean(axis=(0, 2), keepdims=True), x.var(axis=(0, 2), keepdims=True)
        gain, offset = self._weights[f"{name}.norm.weight"], self._weights[f"{name}.norm.bias"]
        return np.asarray((x - mean) / np.sqrt(variance + _EPSILON) * gain[:, None] + offset[:, None])

    def _octaves(self, x: Block) -> Float[np.ndarray, "12 frames channels"]:
        if not self.architecture.octave_equivalence:
            rows = np.tensordot(self._weights["octaves.linear.weight"], x, 1)
            return np.asarray(rows + self._weights["octaves.linear.bias"][:, None, None])
        return np.asarray(x.reshape(-1, PITCH_CLASSES, *x.shape[1:]).mean(axis=0))

    def _linear(self, x: Float[np.ndarray, "*all inputs"], name: str) -> Float[np.ndarray, "*all outputs"]:
        return np.asarray(x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"])


def parameter_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters and buffers of a ChromaNet, as in its ``state_dict``."""
    weights: dict[str, tuple[int, ...]] = {}  # of which each has a bias for its first dimension
    others: dict[str, tuple[int, ...]] = {}
    inputs = 1
    for block, (channels, kernel) in enumerate(zip(architecture.channels, architecture.kernels, strict=True)):
        halving, mixing = f"blocks.{2 * block}", f"blocks.{2 * block + 1}"
        wide = architecture.expansion * channels
        weights[f"{halving}.pairs"] = (channels, 2 * inputs)
        weights[f"{mixing}.depthwise"] = (channels, 1, kernel, kernel)
        weights[f"{mixing}.widen"], weights[f"{mixing}.narrow"] = (wide, channels), (channels, wide)
        others[f"{mixing}.scale"] = (channels,)
        if architecture.outputs == 12:
            for name, width in ((halving, inputs), (mixing, channels)):
                others |= dict.fromkeys((f"{name}.norm.weight", f"{name}.norm.bias"), (CROPPED_BINS, width))
        inputs = channels
    weights["classifier"] = (architecture.modes, inputs)
    if not architecture.octave_equivalence:
        weights["octaves.linear"] = (PITCH_CLASSES, CROPPED_BINS)
    if architecture.modes == 2:
        others |= {"mode_norm.running_mean": (2,), "mode_norm.running_var": (2,)}
        others["mode_norm.num_batches_tracked"] = ()
    others |= {f"{name}.weight": shape for name, shape in weights.items()}
    return others | {f"{name}.bias": shape[:1] for name, shape in weights.items()}


def _by_points(x: Block, apply: Callable[[np.ndarray], np.ndarray]) -> Float[np.ndarray, "bins frames out"]:
    """A function of the channels of each point, in memory that does not grow with what it makes inside."""
    points, step = x.reshape(-1, x.shape[-1]), _VALUES // x.shape[-1]
    parts = [apply(points[start : start + step]) for start in range(0, len(points), step)]
    return np.concatenate(parts).reshape(*x.shape[:2], -1)


def _correlated(x: Block, kernels: Float[np.ndarray, "channels size size"]) -> np.ndarray:
    """Each channel with its own kernel, inside the borders: products along bins, sums along frames."""
    size, (bins, frames) = kernels.shape[-1], np.subtract(x.shape[:2], kernels.shape[-1] - 1)
    by_row = sliding_window_view(np.ascontiguousarray(x.transpose(2, 1, 0)), bins, axis=2)
    windows = np.ascontiguousarray(by_row.transpose(0, 2, 1, 3))
    products = kernels.transpose(0, 2, 1) @ windows.reshape(len(kernels), size, -1)
    by_column = products.reshape(windows.shape)
    return np.asarray(sum(by_column[:, j, j : j + frames] for j in range(size)).transpose(2, 1, 0))


def _gelu(x: Float[np.ndarray, "*points"]) -> Float[np.ndarray, "*points"]:
    """x times the normal distribution function at x, as (x + |x| erf(|x| / √2)) / 2."""
    size = np.abs(x)
    result = size * _ERF[0]
    for coefficient in _ERF[1:]:  # In place: this polynomial is what most of the time goes into.
        result += coefficient
        result *= size
    result += _ONE
    for _ in range(4):  # To infinity where x is large: the error function is 1 there.
        result *= result
    np.subtract(_ONE, np.reciprocal(result, out=result), out=result)
    result *= size
    result += x
    result *= _HALF
    return np.asarray(result)
