"""ChromaNet (Sections 3.2 and 5.2 of STONE; the network of S-KEY is the one of Section 5.2).

Log-VQT of 84 bins in, key signature profile out: seven blocks that halve time (f, Section 3.2), octave
equivalence (g, Eq. 1), mean over time, one or two channels, softmax. An input moved by k semitones gives a
profile rotated by k, but for borders and affine norms. Arrays are (batch, bins, frames, channels): all
convolutions but the depthwise are products with small matrices.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skey.inference.architecture import PITCH_CLASSES as PITCH_CLASSES
from skey.inference.architecture import Architecture as Architecture
from skey.inference.architecture import refuse_too_few_frames
from skey.inference.filters import CROPPED_BINS
from skey.shapes import Float

BINS = CROPPED_BINS
Block = Float[Tensor, "batch bins frames channels"]
Planes = Float[Tensor, "batch channels rows columns"]


class ItemNorm(nn.Module):
    """Layer norm over (channel, frequency, time) of an item, without parameters (24 outputs)."""

    def forward(self, x: Block) -> Block:
        """Each item with mean 0 and variance 1, same shape."""
        # As one group of one channel: the same norm, and ONNX can express it for any batch and length.
        return F.group_norm(x.flatten(1)[:, None], num_groups=1).reshape(x.shape)


class FrameNorm(nn.Module):
    """Layer norm over (frequency, channel), frame by frame, with a gain and an offset (12 outputs)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(BINS, channels))
        self.bias = nn.Parameter(torch.zeros(BINS, channels))

    def forward(self, x: Block) -> Block:
        """Each frame with mean 0 and variance 1, then the affine map, same shape."""
        by_frame = x.transpose(1, 2)
        normalised = F.layer_norm(by_frame, self.weight.shape, self.weight, self.bias)
        return normalised.transpose(1, 2).contiguous()


def layer_norm(architecture: Architecture, channels: int) -> nn.Module:
    """The layer norm of the network in question: `ItemNorm` for 24 outputs, `FrameNorm` for 12."""
    return ItemNorm() if architecture.outputs == 24 else FrameNorm(channels)


class TimeDownsampling(nn.Module):
    """Layer norm, convolution over two frames with stride two (a linear map of pairs), GELU (Section 3.2)."""

    def __init__(self, architecture: Architecture, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = layer_norm(architecture, inputs)
        self.pairs = nn.Linear(2 * inputs, outputs)

    def forward(self, x: Block) -> Float[Tensor, "batch bins half outputs"]:
        """Half as many frames (an odd last one is dropped), all bins."""
        normalised: Tensor = self.norm(x)
        batch, bins, frames, channels = normalised.shape
        even = normalised[:, :, : frames // 2 * 2]
        return F.gelu(self.pairs(even.reshape(batch, bins, frames // 2, 2 * channels)))


class StochasticDepth(nn.Module):
    """Drops a residual branch of some items while training and scales the others up to compensate."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Block, branch: Block) -> Block:
        """x + branch; in training the branch is left out for a random share of the items."""
        if not self.training or self.probability == 0:
            return x + branch
        kept = 1 - self.probability
        mask = branch.new_empty(len(branch), 1, 1, 1).bernoulli_(kept)
        return torch.addcmul(x, branch, mask / kept)


class Depthwise(torch.autograd.Function):
    """A depthwise convolution on a processor, with a faster gradient of its weights.

    PyTorch's own takes a fifth of a step of training. This one is a convolution, too: of the input with the
    gradient of the output, in a group for each channel of each item.
    """

    @staticmethod
    def forward(ctx: Any, padded: Planes, weight: Tensor, bias: Tensor) -> Tensor:  # noqa: ANN401 - PyTorch's
        """The convolution of rows and columns with a kernel (channels, 1, k, k), within the borders."""
        ctx.save_for_backward(padded, weight)
        return F.conv2d(padded, weight, bias, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, gradient: Planes) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401 - PyTorch's
        """The gradients of input, weight and bias."""
        padded, weight = ctx.saved_tensors
        of_input, _, _ = torch.ops.aten.convolution_backward(
            *(gradient, padded, weight, [len(weight)], [1, 1], [0, 0], [1, 1], False, [0, 0], len(weight)),
            [True, False, False],
        )
        planes, kernels = padded.flatten(0, 1), gradient.flatten(0, 1)[:, None]
        each = F.conv2d(planes[None], kernels, groups=len(planes))
        of_weight = each.reshape(len(padded), *weight.shape).sum(0)
        return of_input, of_weight, gradient.sum((0, 2, 3))


class ConvNeXt(nn.Module):
    """Depthwise k x k convolution, layer norm, two 1 x 1 convolutions with GELU, scale, residual.

    `half_precision` computes the 1 x 1 convolutions, linear maps of the channels, in bfloat16.
    """

    def __init__(self, architecture: Architecture, channels: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, padding=kernel // 2, groups=channels, padding_mode="replicate"
        )
        self.norm = layer_norm(architecture, channels)
        self.widen = nn.Linear(channels, architecture.expansion * channels)
        self.narrow = nn.Linear(architecture.expansion * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), architecture.layer_scale))
        self.drop = StochasticDepth(architecture.stochastic_depth)
        self.half_precision = False

    def forward(self, x: Block) -> Block:
        """Same shape as the input."""
        convolved = self._convolved(x)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.half_precision):
            wide = F.gelu(self.widen(self.norm(convolved)))
            # The scale goes into the weights, which are smaller than what they are applied to.
            narrow = F.linear(wide, self.narrow.weight * self.scale[:, None], self.narrow.bias * self.scale)
        result: Tensor = self.drop(x, narrow.to(x.dtype))
        return result

    def _convolved(self, x: Block) -> Block:
        """The depthwise convolution; the border is repeated outwards."""
        convolution, border = self.depthwise, self.depthwise.kernel_size[0] // 2
        if x.device.type == "cpu" and self.training:
            padded = F.pad(x.permute(0, 3, 1, 2), 4 * (border,), mode="replicate")
            trained: Tensor = Depthwise.apply(  # type: ignore[no-untyped-call]
                padded, convolution.weight, convolution.bias
            )
            return trained.permute(0, 2, 3, 1)
        if not (x.is_cuda and self.half_precision):
            convolved: Tensor = convolution(x.permute(0, 3, 1, 2))
            return convolved.permute(0, 2, 3, 1)
        # A graphics card is four times as fast in bfloat16 with channels last, as they lie here.
        padded = x.bfloat16()
        for dim in (1, 2):
            first, last = padded.narrow(dim, 0, 1), padded.narrow(dim, padded.shape[dim] - 1, 1)
            padded = torch.cat([*[first] * border, padded, *[last] * border], dim)
        weight, bias = (parameter.bfloat16() for parameter in convolution.parameters())
        on_card = F.conv2d(padded.permute(0, 3, 1, 2), weight, bias, groups=convolution.groups)
        return on_card.permute(0, 2, 3, 1)


class OctaveEquivalence(nn.Module):
    """g of Eq. 1: the bins of one pitch class are averaged over the seven octaves (the paper sums them)."""

    def forward(self, x: Block) -> Float[Tensor, "batch 12 frames channels"]:
        """Row q holds the bins q, q + 12, q + 24, ..."""
        batch, _, frames, channels = x.shape
        return x.reshape(batch, BINS // PITCH_CLASSES, PITCH_CLASSES, frames, channels).mean(1)


class FullyConnected(nn.Module):
    """The ablation "without octave equivalence" (Section 4.6): a learned map from 84 bins to 12 rows."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(BINS, PITCH_CLASSES)

    def forward(self, x: Block) -> Float[Tensor, "batch 12 frames channels"]:
        """Twelve rows that need not be pitch classes."""
        rows: Tensor = self.linear(x.transpose(1, 3))
        return rows.transpose(1, 3)


class ChromaNet(nn.Module):
    """The network of both papers: key signature profile (12 outputs) or key profile (24) of a log-VQT."""

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = settings = architecture or Architecture()
        widths = (1, *settings.channels)
        blocks: list[nn.Module] = []
        for inputs, channels, kernel in zip(widths, settings.channels, settings.kernels, strict=False):
            halving = TimeDownsampling(settings, inputs, channels)
            if len(blocks) < 4:
                # Ours: a pair of frames is averaged at first. Two or three channels with random signs may
                # pass on no loud bins, and then hundreds of steps go by before the loss moves at all.
                halving.pairs.weight.data.abs_()
            blocks += [halving, ConvNeXt(settings, channels, kernel)]
        self.blocks = nn.Sequential(*blocks)
        self.octaves = OctaveEquivalence() if settings.octave_equivalence else FullyConnected()
        self.classifier = nn.Linear(widths[-1], settings.modes)
        # Section 5.2: without parameters, so that neither mode can fall silent.
        self.mode_norm = nn.BatchNorm1d(2, affine=False) if settings.modes == 2 else nn.Identity()

    def pool(self, steps: Float[Tensor, "batch 84 steps"]) -> Float[Tensor, "batch 12 channels"]:
        """All that happens to an item alone: the blocks f, octave equivalence g, mean over time."""
        pooled: Tensor = self.octaves(self.blocks(steps[..., None].contiguous())).mean(2)
        return pooled

    def head(self, pooled: Float[Tensor, "batch 12 channels"]) -> Float[Tensor, "batch 12 modes"]:
        """The last map and, for two modes, the norm of each mode over the batch (Section 5.2)."""
        modes: Tensor = self.mode_norm(self.classifier(pooled).transpose(1, 2))
        return modes.transpose(1, 2)

    def forward(self, cropped: Float[Tensor, "batch 84 frames"]) -> Float[Tensor, "batch 12 *columns"]:
        """The key signature profile y (Eq. 1) or, by mode, the matrix Y (Section 5.2), which sums to one.

        The input is a log-VQT in units of 80 dB. Row q stands for pitch class A + q of the crop, up to the
        rotation that calibration finds. Raises ``SkeyError`` below ``Architecture.minimum_frames``.
        """
        refuse_too_few_frames(cropped.shape[-1], self.architecture)
        profile = profile_of(self.head(self.pool(average_frames(cropped, self.architecture.frames_per_step))))
        return profile if self.architecture.modes == 2 else profile.squeeze(2)


def average_frames(cropped: Float[Tensor, "batch bins frames"], frames_per_step: int) -> Tensor:
    """(batch, bins, steps): means of so many successive frames, the rest dropped (not in the papers)."""
    return cropped if frames_per_step == 1 else F.avg_pool1d(cropped, frames_per_step)


def profile_of(logits: Float[Tensor, "batch 12 modes"]) -> Float[Tensor, "batch 12 modes"]:
    """Softmax over all outputs of an item at once (Eq. 1; Section 5.2 for two modes)."""
    return logits.flatten(1).softmax(1).reshape(logits.shape)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable parameters (47,284 for 24 outputs)."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
