"""How sure a trained network may be: one temperature, fitted on held-out pieces of the training split."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from skey.inference.confidence import fit_temperature
from skey.training.data import Pool
from skey.weights import LoadedModel

LEAST_CLIPS = 48
"""Fewer labelled clips than this say too little about confidence."""

CLIPS_AT_ONCE = 32


def confidence_of(loaded: LoadedModel, validation: Pool) -> Mapping[str, float | int]:
    """What the header of a network says about its confidence.

    The labels of the held-out clips are used for this alone. A temperature changes how sure an answer sounds
    and never which answer it is, so that a network that was trained without labels still answers without any.

    Args:
        loaded: the network, calibrated.
        validation: held-out clips of the training splits; those without a label are left out.

    Returns:
        ``temperature_clips``, how many labelled clips there are, and, where they are at least
        ``LEAST_CLIPS``, the ``temperature`` for `skey.inference.confidence.sharpen`.
    """
    labelled = validation.labelled()
    if len(labelled) < LEAST_CLIPS:
        return {"temperature_clips": len(labelled)}
    clips, step = list(range(len(labelled))), CLIPS_AT_ONCE
    profiles = torch.cat([_profiles(loaded, labelled, clips[i : i + step]) for i in clips[::step]])
    references = [key for key in labelled.keys if key is not None]
    return {
        "temperature": round(fit_temperature(profiles, references), 4),
        "temperature_clips": len(labelled),
    }


@torch.inference_mode()
def _profiles(loaded: LoadedModel, pool: Pool, clips: list[int]) -> Float[Tensor, "clips outputs"]:
    """What the estimator would say of each clip before any temperature: the mean over both segments."""
    segments = pool.segments(clips, 1).flatten(0, 1)
    said = loaded.profile(segments) if loaded.outputs == 24 else loaded.signature_profile(segments)
    return said.reshape(len(clips), 2, -1).mean(1)
