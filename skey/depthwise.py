"""A depthwise convolution whose weight gradient is two small matrix products, not a loop over the kernel.

On a processor the native gradient of the weights takes seven times as long as the convolution itself: a
third of a training step.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

ITEMS = 1
"""Items whose gradient is taken at once: the shifted copies of more of them do not fit the cache."""


class _Depthwise(torch.autograd.Function):
    """`depthwise`, with a gradient of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # noqa: ANN401 - torch's own
        """The native convolution."""
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Of input and bias as torch has it, of the weights as products of shifted copies."""
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        kernel, of_x = weight.shape[-1], None
        if ctx.needs_input_grad[0]:
            of_x = F.conv2d(gradient, weight.flip(2, 3), padding=kernel - 1, groups=len(weight))
        return of_x, weight_gradient(x, gradient, kernel), gradient.sum((0, 2, 3))


def weight_gradient(
    x: Float[Tensor, "batch channels height width"],
    gradient: Float[Tensor, "batch channels inner_height inner_width"],
    kernel: int,
) -> Float[Tensor, "channels 1 kernel kernel"]:
    """The gradient of the weights of a depthwise convolution without padding.

    Args:
        x: its input.
        gradient: that of its output, `kernel - 1` bins and frames smaller.
        kernel: its height and width.

    Returns:
        The sum over items and places of the gradient times the input, (kernel, kernel) shifts a channel.
    """
    channels, height, width = x.shape[1], x.shape[2], gradient.shape[-1]
    total = x.new_zeros(channels, kernel, kernel)
    for some, of_some in zip(x.split(ITEMS), gradient.split(ITEMS), strict=True):
        # Zeros above and below let the gradient slide along the bins, as the input does along the frames.
        tall = F.pad(of_some.transpose(0, 1), (0, 0, kernel - 1, kernel - 1)).contiguous()
        higher = torch.stack([tall[:, :, kernel - 1 - i : kernel - 1 - i + height] for i in range(kernel)], 1)
        wide = some.transpose(0, 1).contiguous()
        later = torch.stack([wide[..., j : j + width] for j in range(kernel)], 1)
        total.baddbmm_(higher.flatten(2), later.flatten(2).transpose(1, 2))
    return total[:, None]


def depthwise(
    x: Float[Tensor, "batch channels height width"],
    weight: Float[Tensor, "channels 1 kernel kernel"],
    bias: Float[Tensor, "channels"],
) -> Float[Tensor, "batch channels inner_height inner_width"]:
    """Each channel convolved with its own kernel, without padding, as `torch.conv2d` with as many groups.

    Args:
        x: padded input.
        weight: a square kernel a channel.
        bias: an offset a channel.
    """
    result: Tensor = _Depthwise.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return result
