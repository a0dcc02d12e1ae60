"""Twelve bytes a clip, by which features built here are compared with those of the record."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from skey.corpus.shards import FeatureStore

TOLERANCE = 2
"""How far a value of a fingerprint may lie from the recorded one, out of 255.

Machines round the sums of the transform in different orders, which moves a log-VQT byte by one step where it
lay on an edge; so a mean over more than ten thousand of them moves by far less than one step, and its own
rounding adds at most one. A clip that is a semitone off, or played or degraded differently, moves some of its
twelve values by far more (``tests/test_corpus_build.py``).
"""


def fingerprint(store: FeatureStore) -> dict[str, str]:
    """The fingerprint of every clip of a store, by clip id: 24 hexadecimal digits."""
    return {clip: clip_fingerprint(store[clip]).tobytes().hex() for clip in store.clip_ids}


def clip_fingerprint(features: UInt8[np.ndarray, "99 frames"]) -> UInt8[np.ndarray, "12"]:
    """The mean of a clip's log-VQT bytes over time and octaves, for each pitch class from A upwards.

    ``features`` are uint8 (99, frames); returns uint8 (12,).
    """
    spectrum = features.mean(axis=1, dtype=np.float64)
    means = [spectrum[pitch_class::12].mean() for pitch_class in range(12)]
    return np.round(means).astype(np.uint8)


def compare_fingerprints(
    recorded: Mapping[str, str], built: Mapping[str, str], tolerance: int = TOLERANCE
) -> list[str]:
    """The ids of the built clips that the record does not know, or that lie outside the tolerance.

    Both map clip ids to 24 hexadecimal digits; recorded clips that were not built are no difference. Raises
    ``ValueError`` where a fingerprint is not hexadecimal.
    """
    return [clip for clip, value in built.items() if not _agree(recorded.get(clip), value, tolerance)]


def _agree(recorded: str | None, built: str, tolerance: int) -> bool:
    """Whether all twelve values lie within the tolerance."""
    if recorded is None or len(recorded) != len(built):
        return False
    pairs = zip(bytes.fromhex(recorded), bytes.fromhex(built), strict=True)
    return all(abs(one - other) <= tolerance for one, other in pairs)
