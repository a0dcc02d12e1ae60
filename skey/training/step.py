"""One step: three views through the network in small groups, the loss over the whole batch, the gradients.

An activation of a hundred items does not fit a processor's cache, one of sixteen does; only the norm of the
modes and L_avg look at the whole batch, and they come last, on a few numbers an item. The same cut makes
several processes agree with one: those few numbers are gathered from all before the batch is looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from lightning_fabric import Fabric
from torch import Tensor

from skey.baselines import loudness
from skey.losses import LossSettings, Views, key_loss, loss_terms, oracle
from skey.model import ChromaNet, ConvNeXt, profile_of
from skey.supervised import CrossEntropy, KeyClassifier, Network, key_in_crop, logits_by_key
from skey.training.data import cropped
from skey.vqt import chroma

GROUP = 16
"""Items that go through the blocks together."""

SMALLEST_HALF_PRECISION_WIDTH = 16
"""Channels from which on bfloat16 products are faster than float32 ones in spite of the conversion."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The segments of this process's part of a batch, their crops, and their labels in supervised epochs."""

    a: Float[Tensor, "batch 99 steps"]
    b: Float[Tensor, "batch 99 steps"]
    c: Int[Tensor, " batch"]
    moved: Int[Tensor, " batch"]
    labels: tuple[Int[Tensor, " batch"], Int[Tensor, " batch"]] | None = None


def use_half_precision(network: Network, wanted: bool) -> None:
    """Compute the wide products in bfloat16, or all in float32 again."""
    for module in network.modules():
        if isinstance(module, ConvNeXt):
            module.half_precision = wanted and module.widen.in_features >= SMALLEST_HALF_PRECISION_WIDTH
        elif isinstance(module, KeyClassifier):
            module.half_precision = wanted


def pool_in_groups(network: Network, items: Float[Tensor, "items 84 steps"]) -> Tensor:
    """`pool` of all items, group after group."""
    return torch.cat([network.pool(group) for group in torch.split(items, GROUP)])


def gathered(
    fabric: Fabric | None, local: Float[Tensor, "views batch *rest"]
) -> Float[Tensor, "views all *rest"]:
    """The items of all processes, in the order of the whole batch; gradients flow back."""
    if fabric is None or fabric.world_size == 1:
        return local
    everywhere = fabric.all_gather(local, sync_grads=True)
    if not isinstance(everywhere, Tensor):
        raise TypeError("a gathered tensor is a tensor")
    return everywhere.transpose(0, 1).flatten(1, 2)


def batch_loss(
    fabric: Fabric | None, network: ChromaNet, settings: LossSettings, batch: Batch, row_of_first_bin: int = 0
) -> Mapping[str, Float[Tensor, ""]]:
    """The terms of the loss over the whole batch, the same on every process.

    Args:
        fabric: the processes, or None where this one is alone with its batch.
        network: in training or evaluation mode.
        settings: which terms.
        batch: this process's part.
        row_of_first_bin: see `skey.losses.pseudo_label`.

    Returns:
        The weighted terms; their sum is the loss.
    """
    seen = [cropped(batch.a, batch.c), cropped(batch.a, batch.moved)]
    if batch.labels is None:
        seen.append(cropped(batch.b, batch.c))
    pooled = pool_in_groups(network, torch.cat(seen)).reshape(len(seen), len(batch.a), 12, -1)
    together = gathered(fabric, pooled)
    profiles = profile_of(network.head(together.flatten(0, 1)))
    a, moved, *b = profiles.reshape(len(seen), -1, *profiles.shape[1:])
    steps = gathered(fabric, torch.stack([batch.c, batch.moved])[:, :, None].float())[..., 0].long()
    third = b[0] if b else _oracle(fabric, batch, steps[0])
    if batch.labels is not None and settings.labels == "keys":
        views = Views(a, third, moved, steps[1] - steps[0])
        return {"keys": key_loss(views, third, _oracle(fabric, batch, steps[1])).mean()}
    views = Views(_one_mode(a), _one_mode(third), _one_mode(moved), steps[1] - steps[0])
    if settings.mode == "pseudo-label" and batch.labels is None:
        heard = torch.stack([chroma(loudness(view, settings.chroma)) for view in (seen[0], seen[2])]).mean(0)
        return loss_terms(settings, views, gathered(fabric, heard[None])[0], row_of_first_bin)
    return loss_terms(settings, views)


def label_loss(
    fabric: Fabric | None, network: KeyClassifier, settings: CrossEntropy, batch: Batch, row: int = 0
) -> Mapping[str, Float[Tensor, ""]]:
    """Cross-entropy of the classifier's keys with the labels, which follow the crop of the view of A.

    Its batch norms need the whole batch at once; on several processes each sees its own part alone.

    Args:
        fabric: see `batch_loss`.
        network: in training or evaluation mode.
        settings: without any choice.
        batch: this process's part, with labels.
        row: not used, for labels name absolute keys.

    Raises:
        ValueError: there are no labels.
    """
    if batch.labels is None:
        raise ValueError("supervised training needs labels")
    signature, is_minor = (labels.to(batch.c.device) for labels in batch.labels)
    keys = key_in_crop(signature, is_minor, batch.c)
    logits = gathered(fabric, network.pool(cropped(batch.a, batch.c))[None])[0]
    everywhere = gathered(fabric, keys[None, :, None].float())[0, :, 0].long()
    return {"keys": F.cross_entropy(logits_by_key(logits), everywhere)}


def _one_mode(profile: Float[Tensor, "batch 12 modes"]) -> Tensor:
    """A profile of one mode as (batch, 12)."""
    return profile.squeeze(2) if profile.shape[2] == 1 else profile


def _oracle(fabric: Fabric | None, batch: Batch, crops: Int[Tensor, " batch"]) -> Float[Tensor, "batch 12 2"]:
    """What the labels of the whole batch say in the place of the view of B."""
    if batch.labels is None:
        raise ValueError("supervised training needs labels")
    everywhere = gathered(fabric, torch.stack(batch.labels)[:, :, None].float().to(crops.device))[
        ..., 0
    ].long()
    return oracle(everywhere[0], everywhere[1], crops)


def backward(fabric: Fabric, network: Network, loss: Float[Tensor, ""]) -> None:
    """Gradients of the loss, averaged over the processes in one message.

    Each process computes the whole loss, and gathering hands every item's gradient back once from each of
    them, so the average over processes is the gradient of one process with the whole batch.
    """
    loss.backward()  # type: ignore[no-untyped-call]
    if fabric.world_size == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    averaged = fabric.all_reduce(flat, reduce_op="mean")
    if not isinstance(averaged, Tensor):
        raise TypeError("a reduced tensor is a tensor")
    parts = torch.split(averaged, [gradient.numel() for gradient in gradients])
    for gradient, values in zip(gradients, parts, strict=True):
        gradient.copy_(values.view_as(gradient))


def clip_gradients(network: Network, limit: float) -> None:
    """Cut the norm of each parameter's gradient (facts of the released code)."""
    for parameter in network.parameters():
        if parameter.grad is not None:
            norm = parameter.grad.norm()
            parameter.grad.mul_((limit / (norm + 1e-6)).clamp(max=1.0))
