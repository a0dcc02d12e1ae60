"""The open corpus on record: what it holds, and the mean spectrum of each clip, to compare features by."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from companion.record import RecordError, moved, read_json, write_json
from skey.corpus.build import FeatureStore, open_store
from skey.corpus.plan import describe, plan_clips
from skey.shapes import UInt8

CORPUS_RECORD = Path("data", "open-corpus.json")  # where the record keeps the corpus, below ``results/``

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


def compare_fingerprints(recorded: Mapping[str, str], built: Mapping[str, str]) -> list[str]:
    """The built clips that the record does not know, or that lie outside the tolerance, by their ids."""
    other = []
    for clip, value in built.items():
        old, new = (list(bytes.fromhex(each)) for each in (recorded.get(clip, ""), value))
        if len(old) != len(new) or np.abs(np.subtract(old, new)).max() > TOLERANCE:
            other.append(clip)
    return other


def write_corpus_record(results: Path) -> bool:
    """Write what the built test clips hold below the folder ``results``; returns whether the file changed."""
    record = {**describe(plan_clips("test")), "fingerprints": fingerprint(open_store("test"))}
    return write_json(results / CORPUS_RECORD, record)


def read_corpus_record(results: Path) -> dict[str, Any]:
    """The recorded corpus below the folder ``results``; raises ``RecordError`` where there is none."""
    remedy = "write it anew with `python3 run.py corpus build && python3 run.py record-corpus`"
    content = read_json(results / CORPUS_RECORD, remedy)
    if not isinstance(content.get("fingerprints"), dict):
        raise RecordError(f"{results / CORPUS_RECORD} has no fingerprints: restore it with git, or {remedy}")
    return content


def check_corpus(results: Path, recompute: bool = False) -> list[str]:
    """What the recorded corpus says otherwise than the plan of the test clips, a line each."""
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
