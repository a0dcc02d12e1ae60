"""A training step as we take it, and the same step written plainly as in the papers, for their speed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skey.errors import SkeyError
from skey.experiments import Experiment
from skey.inference.threads import keep_freed_memory
from skey.losses import LossSettings, Views, loss_terms
from skey.model import BINS, PITCH_CLASSES, ChromaNet, ConvNeXt, TimeDownsampling, profile_of
from skey.shapes import Float
from skey.training.data import cropped, draw_crops
from skey.training.step import Batch, batch_loss, clip_gradients, descend, make_optimiser, use_half_precision
from skey.vqt import SEGMENT_FRAMES, chroma


class PlainChromaNet(nn.Module):
    """ChromaNet's steps in the layout of the papers' description: channels first, one convolution a layer.

    It computes with the parameters of a `ChromaNet`, gives the same numbers, and averages no frames.
    """

    def __init__(self, network: ChromaNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "batch 84 frames"]) -> Float[Tensor, "batch 12 modes"]:
        """The profile; one mode keeps its axis."""
        x = x[:, None]
        for block in self.network.blocks:
            x = _halved(block, x) if isinstance(block, TimeDownsampling) else _mixed(block, x)
        rows = x.reshape(len(x), -1, BINS // PITCH_CLASSES, PITCH_CLASSES, x.shape[-1])
        pooled = rows.mean(2).mean(3).transpose(1, 2)
        return profile_of(self.network.head(pooled))


def _normalised(norm: nn.Module, x: Tensor) -> Tensor:
    """A layer norm of channels-last arrays on a channels-first one."""
    result: Tensor = norm(x.permute(0, 2, 3, 1).contiguous())
    return result.permute(0, 3, 1, 2)


def _halved(block: TimeDownsampling, x: Tensor) -> Tensor:
    weight = block.pairs.weight.unflatten(1, (2, -1)).transpose(1, 2)[:, :, None]  # type: ignore[no-untyped-call]
    return F.gelu(F.conv2d(_normalised(block.norm, x).contiguous(), weight, block.pairs.bias, stride=(1, 2)))


def _mixed(block: nn.Module, x: Tensor) -> Tensor:
    """The ConvNeXt block as ConvNeXt's authors write it: permute, linear, GELU, linear, scale, permute."""
    assert isinstance(block, ConvNeXt)
    branch = _normalised(block.norm, block.depthwise(x)).permute(0, 2, 3, 1)
    branch = block.narrow(F.gelu(block.widen(branch))) * block.scale
    result: Tensor = block.drop(x, branch.permute(0, 3, 1, 2).contiguous())
    return result


def ways_to_step(experiment: Experiment, half_precision: bool) -> dict[str, Callable[[], None]]:
    """A step on random features, written plainly and ours on all frames and on averaged ones.

    `half_precision`: whether our steps compute wide products in bfloat16. Raises ``SkeyError`` for a system
    that is no ChromaNet.
    """
    keep_freed_memory()  # as a run does
    whole = replace(experiment, architecture=replace(experiment.architecture, frames_per_step=1))
    ours = partial(batch_loss, None)
    return {
        "plain": _step(whole, _plain_terms),
        "all frames": _step(whole, ours, half_precision),
        "averaged frames": _step(experiment, ours, half_precision),
    }


def _plain_terms(network: ChromaNet, loss: LossSettings, batch: Batch) -> Mapping[str, Tensor]:
    """The same terms with the whole batch in one pass, in float32 and channels first."""
    pair = cropped(batch.a, batch.c), cropped(batch.b, batch.c)
    a, b, moved = PlainChromaNet(network)(torch.cat([*pair, cropped(batch.a, batch.moved)])).chunk(3)
    heard = (chroma(pair[0]) + chroma(pair[1])) / 2
    return loss_terms(loss, Views(a, b, moved, batch.moved - batch.c), heard)


def _step(
    experiment: Experiment,
    terms: Callable[[ChromaNet, LossSettings, Batch], Mapping[str, Tensor]],
    half_precision: bool = False,
) -> Callable[[], None]:
    """A step of the optimiser on random features with these terms of the loss."""
    network, loss = experiment.network(), experiment.loss
    if not isinstance(network, ChromaNet) or not isinstance(loss, LossSettings):
        raise SkeyError(f"{experiment.name} is no ChromaNet, and of nothing else is there a plain step")
    use_half_precision(network, half_precision)
    optimiser, generator = make_optimiser(network, experiment.optimiser), torch.Generator().manual_seed(0)
    steps = SEGMENT_FRAMES // experiment.architecture.frames_per_step
    a, b = torch.rand(2, experiment.batch, 99, steps, generator=generator)
    batch = Batch(a, b, *draw_crops(experiment.batch, generator))

    def step() -> None:
        optimiser.zero_grad()
        torch.stack(list(terms(network, loss, batch).values())).sum().backward()  # type: ignore[no-untyped-call]
        clip_gradients(network, experiment.optimiser.clip)
        descend(optimiser)

    return step
