"""Where the record lies, how its files are written, and who computed them."""

import hashlib
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skey.errors import SkeyError
from skey.files.folders import commit_of, write_whole

RESULTS = "results"  # the folder of the shipped record, below the top of the checkout
TOLERANCE = 1.5e-4  # two recorded percentages closer than this are the same number
_CHECKOUT = Path(__file__).resolve().parents[2]  # this package is in no wheel
VERSIONED = ("numpy", "torch", "nnaudio", "music21", "pretty_midi", "soundfile", "soxr")  # may move a number


class RecordError(SkeyError):
    """A recorded result is absent or unreadable; the message names the file and how to make it again."""


def find_checkout() -> Path:
    """The top of the checkout that this package lies in, wherever it is called: its code made the record."""
    return _CHECKOUT


def write_if_changed(path: Path, text: str) -> bool:
    """Replace a text file whole or not at all, and only where its content changes; returns whether it did."""
    content = text.encode()
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content, f".{os.getpid()}.partial")  # of its own: notebooks write side by side
    return True


def read_json(path: Path, remedy: str = "") -> dict[str, Any]:
    """The JSON object in a file of the record; raises ``RecordError``, which says how to make it again."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        said = f"restore it with git{f', or {remedy}' if remedy else ''}"
        missing = isinstance(error, FileNotFoundError)
        raise RecordError(
            f"{path} is {'missing' if missing else f'no record ({error!r})'}: {said}"
        ) from error


def write_json(path: Path, content: Mapping[str, Any]) -> bool:
    """Write a JSON object where its content changes; returns whether it did."""
    return write_if_changed(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def digest(content: Mapping[str, Any]) -> str:
    """The sha256 of a JSON object's content, independent of its layout."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def moved(
    old: Mapping[str, Any], new: Mapping[str, Any], giver: str, tolerance: float = TOLERANCE
) -> list[str]:
    """A line for each entry that differs, numbers by more than ``tolerance``: ``x / y: record 71, … 70``."""
    return [
        f"{name}: record {old.get(name, 'nothing')}, {giver} {new.get(name, 'nothing')}"
        for name in dict.fromkeys((*old, *new))
        if not _equal(old.get(name), new.get(name), tolerance)
    ]


def _equal(old: object, new: object, tolerance: float) -> bool:
    if isinstance(old, int | float) and isinstance(new, int | float):
        return abs(old - new) < tolerance
    return bool(old == new)


def flat(tree: Any, path: str = "") -> dict[str, Any]:  # noqa: ANN401 - whatever JSON can hold
    """Leaves of nested mappings and lists by their path."""
    if isinstance(tree, list | tuple):
        tree = dict(enumerate(tree))
    if not isinstance(tree, Mapping):
        return {path: tree}
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves |= flat(value, f"{path} / {name}" if path else name)
    return leaves


def provenance(began: float) -> dict[str, Any]:
    """Who computed what ``began`` by ``time.monotonic``: commit, time (UTC), seconds, machine, versions."""
    return {
        "commit": commit_of(find_checkout()),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(time.monotonic() - began, 1),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Version of Python and of each package that may move a number."""
    packages = {name: importlib.metadata.version(name) for name in VERSIONED}
    return {"python": platform.python_version(), **packages}
