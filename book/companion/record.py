"""The record of an experiment: what was computed, from which data, by which code."""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skey.errors import SkeyError

Scores = Mapping[str, Mapping[str, Mapping[str, int | float]]]
"""system → subset → name of the number → its value; counts are whole, scores in percent."""

RESULTS = "results"
"""The folder of the shipped record, below the top of the checkout."""

VERSIONED = ("numpy", "torch", "nnaudio", "music21", "pretty_midi", "soundfile", "soxr")
"""Packages whose version may move a number, and is therefore recorded."""


class CheckoutError(SkeyError):
    """The command needs files of the repository (notebooks, record, book) that an installed wheel has not."""


class RecordError(SkeyError):
    """A recorded result is absent or unreadable; the message names the file and how to make it again."""


@dataclass(frozen=True, slots=True)
class Record:
    """What ``results/<experiment>.json`` holds.

    ``parameters`` of the notebook; ``data``: name, title, tracks and hash of the data set, and ``skipped``
    where tracks of a collection could not be scored (track → why); ``weights``: system → sha256 of its
    weights; ``predictions``: sha256 of the CSV and the number of its rows; ``scores`` in percent and counts;
    ``made``: commit, time, machine, seconds and versions, which say who computed the numbers but are none
    themselves, and ``carried``: systems that were not computed but taken over.
    """

    experiment: str
    parameters: Mapping[str, str | int | bool]
    data: Mapping[str, Any]
    weights: Mapping[str, str]
    predictions: Mapping[str, str | int]
    scores: Scores
    made: Mapping[str, Any]

    @property
    def substance(self) -> dict[str, Any]:
        """Everything but ``made``: a record with the same substance needs no rewriting."""
        return {name: value for name, value in asdict(self).items() if name != "made"}


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


def record_path(folder: Path, experiment: str) -> Path:
    """``folder/<experiment>.json``."""
    return folder / f"{experiment}.json"


def predictions_path(folder: Path, experiment: str) -> Path:
    """``folder/predictions/<experiment>.csv``."""
    return folder / "predictions" / f"{experiment}.csv"


def recorded_experiments(folder: Path) -> tuple[str, ...]:
    """Names of the experiments that have a record in ``folder``, in alphabetical order."""
    return tuple(sorted(path.stem for path in folder.glob("*.json")))


def read_record(folder: Path, experiment: str) -> Record:
    """Read ``folder/<experiment>.json``.

    Raises ``RecordError`` where the file is missing or is no record.
    """
    path = record_path(folder, experiment)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Record(**{name: content[name] for name in Record.__dataclass_fields__})
    except FileNotFoundError:
        raise RecordError(f"{path} is missing: compute it with `{command(experiment)}`") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path} is no record ({error!r}): restore it with git, or recompute it") from error


def command(experiment: str) -> str:
    """The command line that computes one experiment anew and writes its record."""
    return f"papermill notebooks/{experiment}.ipynb out.ipynb -p recompute True"


def seal_is_broken(folder: Path, experiment: str) -> bool:
    """Whether the JSON was changed by hand: its ``seal`` is the sha256 of all the rest."""
    content = json.loads(record_path(folder, experiment).read_text(encoding="utf-8"))
    return bool(content.pop("seal", None) != digest(content))


def write_record(record: Record, folder: Path) -> bool:
    """Write ``folder/<experiment>.json`` whole, unless what is there says the same.

    Returns whether the file changed. ``made`` alone is no reason to rewrite, so that computing the same
    numbers again leaves the repository clean.
    """
    if _is_recorded(record, folder):
        return False
    content = asdict(record)
    text = json.dumps({**content, "seal": digest(content)}, indent=1, ensure_ascii=False) + "\n"
    return write_if_changed(record_path(folder, record.experiment), text)


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


def sha256(path: Path) -> str:
    """Checksum of a small file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


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


def _is_recorded(record: Record, folder: Path) -> bool:
    """Whether the folder already holds a sound record of the same substance."""
    try:
        old = read_record(folder, record.experiment)
    except RecordError:
        return False
    same = old.substance == json.loads(json.dumps(record.substance))
    return same and not seal_is_broken(folder, record.experiment)
