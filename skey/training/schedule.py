"""AdamW with the papers' schedules: linear warm-up, cosine or line, and a weight decay that rises."""

import math

import torch
from torch import nn

from skey.experiments import Optimiser


def cosine(start: float, end: float, progress: float) -> float:
    """From start to end along half a cosine; `progress` is 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0))) / 2


def line(start: float, end: float, progress: float) -> float:
    """From start to end along a line; `progress` is 0 to 1."""
    return start + (end - start) * min(max(progress, 0.0), 1.0)


FALLS = {"cosine": cosine, "linear": line}


def rate_at(step: int, steps: int, settings: Optimiser) -> float:
    """The learning rate of a step: linear warm-up, then a cosine (Section 4.1, STONE) or a line."""
    warm_up = round(settings.warm_up * steps)
    if step < warm_up:
        return settings.rate * (step + 1) / warm_up
    held = warm_up + round(settings.hold * steps)
    return FALLS[settings.fall](settings.rate, settings.final_rate, (step - held) / max(1, steps - held))


def decay_at(step: int, steps: int, settings: Optimiser) -> float:
    """The weight decay of a step, along a cosine from the first to the last."""
    return cosine(settings.decay, settings.final_decay, step / max(1, steps))


def make_optimiser(network: nn.Module, settings: Optimiser) -> torch.optim.AdamW:
    """AdamW with two groups: matrices, which decay, and offsets, norms and scales, which do not."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        decays = parameter.ndim >= 2 and "norm" not in name
        (matrices if decays else others).append(parameter)
    groups = [{"params": matrices, "decays": True}, {"params": others, "decays": False}]
    return torch.optim.AdamW(groups, lr=settings.rate, betas=settings.betas, weight_decay=0.0)


def set_step(optimiser: torch.optim.Optimizer, step: int, steps: int, settings: Optimiser) -> float:
    """Set rate and decay for a step of the whole training; returns the rate."""
    rate = rate_at(step, steps, settings)
    for group in optimiser.param_groups:
        group["lr"] = rate
        group["weight_decay"] = decay_at(step, steps, settings) if group["decays"] else 0.0
    return rate
