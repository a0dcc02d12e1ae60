"""What Eq. 2 of STONE makes of a profile: what errors and uncertain profiles cost on either circle.

No omega but 7 and 1, and the same circles run backwards, 5 and 11, tells all twelve signatures apart.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from companion.datasets.open_corpus import OpenCorpus
from companion.estimators import Scale, track_chroma
from companion.observations import rounded
from companion.studies.alignment import at_hand, chroma_net
from skey.losses import dft, distance
from skey.model import Architecture, ChromaNet
from skey.shapes import Float
from skey.vqt import SEGMENT_FRAMES, crop

OMEGAS: Mapping[int, str] = {7: "circle of fifths", 1: "circle of semitones"}  # the two circles of the paper

CHROMAS: tuple[Scale, ...] = ("decibels", "energy", "peaks")
NETWORKS = ("stone", "stone-w1", "released-stone12")  # where their weights are at hand
UNTRAINED_CLIPS = 48  # so many clips are enough for a network that says the same of all of them


def observe_transform(limit: int = 0) -> dict[str, dict[str, Any]]:
    """Eq. 2 (modulus, mean of both segments) and Eq. 6 of the first so many test clips (0: all)."""
    dataset = OpenCorpus(limit=limit or None)
    dataset.require()
    segments = torch.stack([segments_of(dataset.log_vqt(track)) for track in dataset.tracks()])
    torch.manual_seed(0)
    untrained = ChromaNet(Architecture(outputs=12, frames_per_step=4)).eval()  # STONE's, as training begins
    return {
        **{f"chroma: {scale}": _numbers(_chromas(segments, scale)) for scale in CHROMAS},
        "untrained": _numbers(answers(untrained, segments[:UNTRAINED_CLIPS])),
        **{
            name: {"checksum": loaded.header.checksum, **_numbers(answers(chroma_net(loaded), segments))}
            for name, loaded in at_hand(NETWORKS).items()
        },
    }


def segments_of(log_vqt: Float[Tensor, "99 frames"]) -> Float[Tensor, "2 99 646"]:
    """Segments A and B of a clip: its beginning and its end."""
    return torch.stack([log_vqt[:, :SEGMENT_FRAMES], log_vqt[:, -SEGMENT_FRAMES:]])


def _chromas(segments: Float[Tensor, "clips 2 99 frames"], scale: Scale) -> Float[Tensor, "clips 2 12"]:
    """The chroma of each segment, as a profile that sums to one."""
    found = torch.stack([torch.stack([track_chroma(each, scale) for each in clip]) for clip in segments])
    return found / found.sum(-1, keepdim=True)


@torch.inference_mode()
def answers(
    network: ChromaNet, segments: Float[Tensor, "clips 2 99 frames"]
) -> Float[Tensor, "clips 2 12 *modes"]:
    """A network's own profile of each segment at crop 0, a column a mode where it has two."""
    return torch.stack([network(crop(clip, 0)) for clip in segments])


def _numbers(profiles: Float[Tensor, "clips 2 12"]) -> dict[str, list[float]]:
    """Modulus and distance of each clip on both circles."""
    a, b = profiles[:, 0], profiles[:, 1]
    found = {}
    for omega in OMEGAS:
        found[f"length {omega}"] = (dft(a, omega).abs() + dft(b, omega).abs()) / 2
        found[f"distance {omega}"] = distance(a, b, 0, omega)
    return {name: rounded(each) for name, each in found.items()}
