"""One step: three views in groups that fit a processor's cache, the loss over the whole batch, gradients."""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from skey.calibration import Calibration, calibrate
from skey.experiments import Loss, Optimiser
from skey.losses import LossSettings, Numbers, Row, Terms, Views, key_loss, loss_terms, oracle, peaks
from skey.model import ConvNeXt, profile_of
from skey.shapes import Float, Shaped
from skey.supervised import KEYS_BY_NAME, CrossEntropy, KeyClassifier, Network, key_in_crop
from skey.training.data import cropped
from skey.vqt import chroma

GROUP = 16  # items that go through the blocks together
CHANGING = ("lr", "kept")  # what each step sets: the rate, and what weight decay keeps of a weight
SMALLEST_HALF_PRECISION_WIDTH = 16  # channels from which on a processor gains by bfloat16


@dataclass(frozen=True, slots=True)
class Batch:
    """The segments of this process's part of a batch, their crops, and their labels in supervised epochs."""

    a: Float[Tensor, "batch 99 steps"]
    b: Float[Tensor, "batch 99 steps"]
    c: Numbers
    moved: Numbers
    labels: tuple[Numbers, Numbers] | None = None


def use_half_precision(network: Network, wanted: bool) -> None:
    """Compute the wide products in bfloat16, or all in float32 again."""
    for module in network.modules():
        if isinstance(module, ConvNeXt):
            wide = module.scale.is_cuda or len(module.scale) >= SMALLEST_HALF_PRECISION_WIDTH
            module.half_precision = wanted and wide
        elif isinstance(module, KeyClassifier):
            module.half_precision = wanted


def pool_in_groups(network: Network, items: Float[Tensor, "items 84 steps"]) -> Tensor:
    """`pool` of all items, group after group; all at once on a graphics card."""
    size = GROUP if items.device.type == "cpu" else len(items)
    return torch.cat([network.pool(group) for group in torch.split(items, size)])


def gathered(fabric: Fabric | None, local: Shaped[Tensor, "views batch *rest"]) -> Tensor:
    """The items (views, all, ...) of all processes, in the order of the batch; gradients flow back."""
    if fabric is None or fabric.world_size == 1:
        return local
    everywhere: Any = fabric.all_gather(local, sync_grads=True)
    together: Tensor = everywhere.transpose(0, 1).flatten(1, 2)
    return together


def batch_loss(fabric: Fabric | None, network: Network, settings: Loss, batch: Batch, row: Row = 0) -> Terms:
    """The weighted terms of the loss over the batch of all processes (None: this one), to be summed."""
    if isinstance(settings, CrossEntropy):
        return label_loss(fabric, network, batch)
    seen = [cropped(batch.a, batch.c), cropped(batch.a, batch.moved)]
    if batch.labels is None:
        seen.append(cropped(batch.b, batch.c))
    pooled = pool_in_groups(network, torch.cat(seen)).reshape(len(seen), len(batch.a), 12, -1)
    together = gathered(fabric, pooled)
    profiles = profile_of(network.head(together.flatten(0, 1)))
    a, moved, *b = profiles.reshape(len(seen), -1, *profiles.shape[1:]).squeeze(3)
    c, c_moved = gathered(fabric, torch.stack([batch.c, batch.moved]))
    if batch.labels is None:
        views, heard = Views(a, b[0], moved, c_moved - c), None
        if settings.mode == "pseudo-label":
            heard = gathered(fabric, mean_chroma(settings, seen[0], seen[2])[None])[0]
        return loss_terms(settings, views, heard, row)
    signature, is_minor = gathered(fabric, torch.stack(batch.labels))
    of_a, of_moved = (oracle(signature, is_minor, crops) for crops in (c, c_moved))
    views = Views(a, of_a, moved, c_moved - c)
    if settings.labels == "keys":
        return {"keys": key_loss(views, of_a, of_moved).mean()}
    return loss_terms(settings, views)


def mean_chroma(
    settings: LossSettings, a: Float[Tensor, "batch 84 steps"], b: Float[Tensor, "batch 84 steps"]
) -> Float[Tensor, "batch 12"]:
    """What the pseudo-label of the mode looks at: the mean of the chromas of both cropped segments."""
    pair = [peaks(view) if settings.chroma == "peaks" else view for view in (a, b)]
    return torch.stack(list(map(chroma, pair))).mean(0)


def label_loss(fabric: Fabric | None, network: Network, batch: Batch) -> Terms:
    """Cross-entropy of keys with the labels in the crop of A; batch norms see a process's part alone."""
    if batch.labels is None:
        raise ValueError("supervised training needs labels")
    keys = key_in_crop(*batch.labels, batch.c)
    logits = gathered(fabric, network.pool(cropped(batch.a, batch.c))[None])[0]
    by_key = logits.transpose(1, 2).flatten(1)  # column after column, the order of `skey.keys.KEYS`
    return {"keys": F.cross_entropy(by_key, gathered(fabric, keys[None])[0])}


def backward(fabric: Fabric, network: Network, loss: Float[Tensor, ""]) -> None:
    """Gradients of the loss, averaged in one message over the processes, each of which has the whole loss."""
    loss.backward()  # type: ignore[no-untyped-call]
    if fabric.world_size == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    averaged: Any = fabric.all_reduce(flat, reduce_op="mean")
    parts = torch.split(averaged, [gradient.numel() for gradient in gradients])
    for gradient, values in zip(gradients, parts, strict=True):
        gradient.copy_(values.view_as(gradient))


def clip_gradients(network: Network, limit: float) -> Float[Tensor, " parameters"]:
    """Cut the norm of each parameter's gradient (facts of the released code); returns the norms before."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    norms = torch.stack(torch._foreach_norm(gradients))
    torch._foreach_mul_(gradients, list((limit / (norms + 1e-6)).clamp(max=1.0)))
    return norms


def calibration_of(network: Network) -> Calibration:
    """What the outputs of a network mean: found by the reference sound, or told by the labels."""
    return KEYS_BY_NAME if isinstance(network, KeyClassifier) else calibrate(network)


def rate_at(step: int, steps: int, settings: Optimiser) -> float:
    """The learning rate of a step: linear warm-up, then a cosine (Section 4.1, STONE) or a line."""
    warm_up, start, end = round(settings.warm_up * steps), settings.rate, settings.final_rate
    if step < warm_up:
        return start * (step + 1) / warm_up
    held = warm_up + round(settings.hold * steps)
    progress = min(max((step - held) / max(1, steps - held), 0.0), 1.0)
    return start + (end - start) * progress if settings.fall == "linear" else _cosine(start, end, progress)


def decay_at(step: int, steps: int, settings: Optimiser) -> float:
    """The weight decay of a step, along a cosine from the first to the last."""
    return _cosine(settings.decay, settings.final_decay, min(step / max(1, steps), 1.0))


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def make_optimiser(network: nn.Module, settings: Optimiser) -> torch.optim.AdamW:
    """AdamW with two groups: matrices, which decay, and offsets, norms and scales, which do not."""
    named = list(network.named_parameters())
    matrices = [each for name, each in named if each.ndim >= 2 and "norm" not in name]
    others = [each for name, each in named if each.ndim < 2 or "norm" in name]
    groups = [{"params": matrices, "decays": True}, {"params": others, "decays": False}]
    optimiser = torch.optim.AdamW(groups, lr=settings.rate, betas=settings.betas, weight_decay=0.0)
    place_settings(optimiser)
    return optimiser


def place_settings(optimiser: torch.optim.Optimizer) -> None:
    """Put what changes from step to step where the weights lie, for CUDA graphs read it there."""
    for group in optimiser.param_groups:
        device = group["params"][0].device
        group["capturable"] = device.type == "cuda"
        group["weight_decay"] = 0.0  # `descend` does it; a checkpoint of an older version has another value
        for name in CHANGING:
            value = float(group.get(name, 1.0))
            group[name] = torch.tensor(value, device=device) if group["capturable"] else value
    for state in optimiser.state.values():
        state["step"] = state["step"].to(device if group["capturable"] else "cpu")


def set_step(optimiser: torch.optim.Optimizer, step: int, steps: int, settings: Optimiser) -> None:
    """Set rate and decay for a step of the whole training."""
    rate, decay = rate_at(step, steps, settings), decay_at(step, steps, settings)
    for group in optimiser.param_groups:
        for name, value in zip(CHANGING, (rate, 1 - rate * decay if group["decays"] else 1.0), strict=True):
            if isinstance(group[name], Tensor):
                group[name].fill_(value)
            else:
                group[name] = value


@torch.no_grad()
def descend(optimiser: torch.optim.Optimizer) -> None:
    """AdamW's step: the weights that decay shrink first."""
    for group in optimiser.param_groups:
        if group["decays"]:
            torch._foreach_mul_([p for p in group["params"] if p.grad is not None], group["kept"])
    optimiser.step()
