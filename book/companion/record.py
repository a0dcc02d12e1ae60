"""Where the record lies, how its files are written, and who computed them."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skey.errors import SkeyError

RESULTS = "results"
"""The folder of the shipped record, below the top of the checkout."""

VERSIONED = ("numpy", "torch", "nnaudio", "music21", "pretty_midi", "soundfile", "soxr")
"""Packages whose version may move a number, and is therefore recorded."""


class CheckoutError(SkeyError):
    """The command needs files of the repository (notebooks, record, book) that an installed wheel has not."""


class RecordError(SkeyError):
    """A recorded result is absent or unreadable; the message names the file and how to make it again."""


def find_checkout(start: Path | None = None) -> Path:
    """The top of the checkout: the nearest folder upwards that holds ``_toc.yml``.

    Looks from ``start`` (default: the working directory), then from this package upwards. Raises
    ``CheckoutError`` where there is none, as with an installed wheel.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, *Path(__file__).resolve().parents):
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    raise CheckoutError(
        "the notebooks, the record and the book are not part of the installed package: clone the repository "
        "and run this inside it"
    )


def write_if_changed(path: Path, text: str) -> bool:
    """Replace a text file whole or not at all, and only where its content changes; returns whether it did."""
    content = text.encode()
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return True


def digest(content: Mapping[str, Any]) -> str:
    """The sha256 of a JSON object's content, independent of its layout."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def provenance(checkout: Path, seconds: float) -> dict[str, Any]:
    """Who computed: commit, time (UTC), machine, versions; ``seconds`` is how long it took, wall clock."""
    return {
        "commit": current_commit(checkout),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(seconds, 1),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Version of Python and of each package that may move a number; absent packages are left out."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def current_commit(checkout: Path) -> str:
    """The commit, 12 digits, with ``+changes`` where tracked files differ; ``unknown`` without git."""
    question = ("describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+changes")
    try:
        said = subprocess.run(["git", *question], cwd=checkout, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()
