"""The mean spectrum of each clip, by which features built here are compared with those of the record."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import UInt8

from skey.corpus.shards import FeatureStore

TOLERANCE = 2
"""How far a value of a fingerprint may lie from the recorded one, out of 255.

Machines round the sums of the transform in different orders, which moves a log-VQT byte by one step where it
lay on an edge: with SSE instead of AVX-512, one byte in 27,000. A mean over 1,292 of them then moves by far
less than one step, and its own rounding adds at most one. On the other side, no two of the 240 test clips lie
within 2 of each other in all values, and a semitone moves some value of each of them by 6 or more. (The mean
chroma would not do: a semitone moves that of a noisy clip by as little as 1.)
"""


def fingerprint(store: FeatureStore) -> dict[str, str]:
    """The fingerprint of every clip of a store, by clip id: 198 hexadecimal digits."""
    return {clip: clip_fingerprint(store[clip]).tobytes().hex() for clip in store.clip_ids}


def clip_fingerprint(features: UInt8[np.ndarray, "bins frames"]) -> UInt8[np.ndarray, "bins"]:
    """The mean of a clip's log-VQT bytes over time: uint8 (bins, frames) to uint8 (bins,)."""
    means: np.ndarray = np.round(features.mean(axis=1, dtype=np.float64)).astype(np.uint8)
    return means


def compare_fingerprints(
    recorded: Mapping[str, str], built: Mapping[str, str], tolerance: int = TOLERANCE
) -> list[str]:
    """The ids of the built clips that the record does not know, or that lie outside the tolerance.

    Both map clip ids to hexadecimal digits; recorded clips that were not built are no difference. Raises
    ``ValueError`` where a fingerprint is not hexadecimal.
    """
    return [clip for clip, value in built.items() if not _agree(recorded.get(clip), value, tolerance)]


def _agree(recorded: str | None, built: str, tolerance: int) -> bool:
    """Whether all values lie within the tolerance."""
    if recorded is None or len(recorded) != len(built):
        return False
    pairs = zip(bytes.fromhex(recorded), bytes.fromhex(built), strict=True)
    return all(abs(one - other) <= tolerance for one, other in pairs)
