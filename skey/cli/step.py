"""What a step of training takes of one core, beside the same step written plainly as in the papers."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skey.errors import SkeyError
from skey.experiments import Experiment, at_scale
from skey.inference.threads import keep_freed_memory, one_blas_thread, one_thread
from skey.losses import LossSettings, Views, loss_terms
from skey.model import BINS, PITCH_CLASSES, ChromaNet, ConvNeXt, TimeDownsampling, profile_of
from skey.shapes import Float
from skey.training.data import cropped, draw_crops
from skey.training.loop import Machine
from skey.training.step import (
    Batch,
    batch_loss,
    clip_gradients,
    descend,
    make_optimiser,
    mean_chroma,
    use_half_precision,
)
from skey.vqt import SEGMENT_FRAMES

BATCH = 16  # pairs of segments in a step of training
TermsOf = Callable[[ChromaNet, LossSettings, Batch], Mapping[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Stage:
    """Timed work: ``units`` times a ``minute`` of sound, a ``track`` or a ``pair``; ``bytes`` of each."""

    name: str
    of: str
    units: int | float
    run: Callable[[], object]
    bytes: int = 0


def in_turn(stages: Sequence[Stage], runs: int) -> list[dict[str, Any]]:
    """A row a stage, which take turns: CPU seconds of one thread for one unit, the median of all."""

    def seconds(stage: Stage) -> float:
        began = time.process_time()
        stage.run()
        return (time.process_time() - began) / stage.units

    with one_thread(), one_blas_thread:
        turns = [[seconds(stage) for stage in stages] for _ in range(runs)]
    return [
        {"stage": stage.name, "of": stage.of, "cpu_seconds": median(measured), "bytes": stage.bytes}
        for stage, *measured in zip(stages, *turns, strict=True)
    ]


def ways_to_step(system: Experiment) -> list[Stage]:
    """A step on random features: plainly, and ours on all frames and on averaged ones; or ``SkeyError``."""
    keep_freed_memory()  # as a run does
    averaged, ours = at_scale(system, batch=BATCH), partial(batch_loss, None)
    whole = replace(averaged, architecture=replace(averaged.architecture, frames_per_step=1))
    half_precision = Machine().uses_half_precision()
    ways = {
        "plain": _step(whole, plain_terms, False),
        "all frames": _step(whole, ours, half_precision),
        "averaged frames": _step(averaged, ours, half_precision),
    }
    return [Stage(f"step, {way}", "pair", BATCH, step) for way, step in ways.items()]


def plain_terms(network: ChromaNet, loss: LossSettings, batch: Batch) -> Mapping[str, Tensor]:
    """The same terms with the whole batch in one pass, in float32 and channels first."""
    pair = cropped(batch.a, batch.c), cropped(batch.b, batch.c)
    a, b, moved = plain_profile(network, torch.cat([*pair, cropped(batch.a, batch.moved)])).chunk(3)
    heard = mean_chroma(loss, *pair) if loss.mode == "pseudo-label" else None
    return loss_terms(loss, Views(a, b, moved, batch.moved - batch.c), heard)


def _step(experiment: Experiment, terms: TermsOf, half_precision: bool) -> Callable[[], None]:
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


def plain_profile(network: ChromaNet, x: Float[Tensor, "batch 84 frames"]) -> Float[Tensor, "batch 12 modes"]:
    """What a ChromaNet says, computed as the papers describe it: channels first, one convolution a layer."""

    def normalised(norm: nn.Module, x: Tensor) -> Tensor:
        result: Tensor = norm(x.permute(0, 2, 3, 1).contiguous())
        return result.permute(0, 3, 1, 2)

    x = x[:, None]
    for block in network.blocks:
        if isinstance(block, TimeDownsampling):
            pairs: Any = block.pairs
            weight = pairs.weight.unflatten(1, (2, -1)).transpose(1, 2)[:, :, None]
            x = normalised(block.norm, x).contiguous()
            x = F.gelu(F.conv2d(x, weight, pairs.bias, stride=(1, 2)))
        elif isinstance(block, ConvNeXt):  # permute, linear, GELU, linear, scale, permute: as its authors do
            branch = normalised(block.norm, block.depthwise(x)).permute(0, 2, 3, 1)
            branch = block.narrow(F.gelu(block.widen(branch))) * block.scale
            x = block.drop(x, branch.permute(0, 3, 1, 2).contiguous())
    rows = x.reshape(len(x), -1, BINS // PITCH_CLASSES, PITCH_CLASSES, x.shape[-1])
    return profile_of(network.head(rows.mean(2).mean(3).transpose(1, 2)))
