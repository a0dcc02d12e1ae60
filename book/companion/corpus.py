"""The open corpus on record: what it holds, and the mean spectrum of each clip.

By the mean spectra, features that are built here are compared with those of the record.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from companion.record import RecordError, moved, write_if_changed
from skey.corpus.build import FeatureStore, open_store
from skey.corpus.plan import Clip, describe, plan_clips
from skey.shapes import UInt8

CORPUS_RECORD = Path("data", "open-corpus.json")
"""Where the record keeps the corpus, below ``results/``."""

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


def write_corpus_record(results: Path, store: FeatureStore, clips: Sequence[Clip]) -> bool:
    """Write description and fingerprints below the folder ``results``; returns whether the file changed."""
    record = {**describe(clips), "fingerprints": fingerprint(store)}
    return write_if_changed(results / CORPUS_RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def read_corpus_record(results: Path) -> dict[str, Any]:
    """The recorded corpus below the folder ``results``; raises ``RecordError`` where there is none."""
    path = results / CORPUS_RECORD
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {**content, "fingerprints": dict(content["fingerprints"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(
            f"{path} is missing or unreadable: restore it with git, or write it anew with "
            "`python3 run.py corpus build && python3 run.py record-corpus`"
        ) from error


def check_corpus(results: Path, recompute: bool = False) -> list[str]:
    """What the recorded corpus says otherwise than the plan of the test clips, a line each.

    ``recompute``: also compare the built features with the recorded fingerprints.
    """
    try:
        recorded = read_corpus_record(results)
    except RecordError as error:
        return [str(error)]
    fingerprints = recorded.pop("fingerprints")
    planned = json.loads(json.dumps(describe(plan_clips("test"))))
    faults = moved(recorded, planned, "planned")
    if recompute:
        other = compare_fingerprints(fingerprints, fingerprint(open_store("test")))
        faults += [f"{clip} sounds otherwise" for clip in other]
    return [f"{CORPUS_RECORD}: {fault}" for fault in faults]
