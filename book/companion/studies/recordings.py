"""What the systems say of a folder of real recordings; only the names of files and the keys are kept."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from companion.observations import Observation, read_observation, write_observation
from companion.record import RESULTS, find_checkout, provenance
from skey.errors import SkeyError
from skey.estimator import KeyEstimator, Outcome
from skey.files.folders import SUFFIXES
from skey.keys import KEYS
from skey.weights import available_weights, read_header
from skey.weights.library import DEFAULT

LISTENERS = ("krumhansl", "supervised", "stone", DEFAULT, "released-stone12", "released-skey")
"""The systems that listen, those of them whose weights are at hand."""


NAME = "real-recordings"
"""The observation's name, which is that of its notebook."""

ELSEWHERE = Path("build") / RESULTS / NAME
"""Where the answers to a reader's own recordings go."""


class NoRecordings(SkeyError):
    """The folder holds no sound file."""


def observe_recordings(root: str = "", output: str = "") -> Observation:
    """Hear the recordings of a folder, or read what the shipped record says of those that it was made from.

    Args:
        root: the folder; empty for the record.
        output: folder for the new record, below the checkout; by default one below ``build``.

    Raises:
        NoRecordings: there is nothing to hear in the folder.
        RecordError: there is no record.
    """
    checkout, began = find_checkout(), time.monotonic()
    if not root:
        return read_observation(checkout / RESULTS, NAME)
    entries = hear_recordings(Path(root))
    made = {**provenance(checkout, time.monotonic() - began), "carried": []}
    observation = Observation(NAME, entries, made)
    write_observation(observation, checkout / (output or ELSEWHERE))
    return observation


def hear_recordings(root: Path) -> dict[str, dict[str, Any]]:
    """Let every system at hand hear the sound files of a folder.

    Args:
        root: the folder; subfolders are not entered.

    Returns:
        System → ``checksum`` of its weights (none for the template), and ``keys``: name of the file → key, or
        both keys of a signature, or nothing where there is none.

    Raises:
        NoRecordings: there is nothing to hear.
    """
    files = sorted(path for path in root.glob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise NoRecordings(f"{root} holds no sound file: name a folder that does")
    found = available_weights()
    weights = {"krumhansl": None} | {name: found[name] for name in LISTENERS if name in found}
    return {name: _heard(file, files) for name, file in weights.items()}


def _heard(weights: Path | None, files: Sequence[Path]) -> dict[str, Any]:
    """What one system says."""
    header = read_header(weights) if weights else None
    estimator = KeyEstimator(weights, as_published=True)
    keys = {outcome.path.name: _said(outcome) for outcome in estimator.estimate_many(files)}
    return {"checksum": header.checksum if header else "", "keys": keys}


def _said(outcome: Outcome) -> str:
    """The key, both keys of a signature, or nothing."""
    estimate = outcome.estimate
    if estimate is None or estimate.signature is None:
        return ""
    major = KEYS[estimate.signature]
    return str(estimate.key) if estimate.key else f"{major} / {major.relative}"
