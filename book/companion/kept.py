"""Answers are kept as they come, so that a stopped run goes on, and several notebooks share them.

They are found again only if our code, the packages below it, the system with its weights, and the sound are
all the same; the music is known by its content.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from functools import cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import skey
from companion.datasets import Dataset, Track
from companion.estimators import NetworkSystem
from companion.record import digest, versions
from companion.scores import Answer, format_answer, parse_answer
from skey.weights import read_header

System = Callable[..., Any]  # log-VQT of a track, (99, frames), to its answer
FOLDER = Path("build") / "answers"  # where answers are kept, below the top of the checkout

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (system TEXT, sound TEXT, answer TEXT, PRIMARY KEY (sound, system));
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, modified INTEGER, sound TEXT);
"""


@dataclass(frozen=True)
class KeptAnswers:
    """Answers so far, in ``rows`` of a database; ``identities``: what tells systems apart, if known."""

    rows: sqlite3.Connection
    systems: Mapping[str, System]
    identities: Mapping[str, str | None]

    def ask(self, sound: str, features: Callable[[], Any]) -> dict[str, Answer]:
        """The answers of all systems about a track, by its ``sound``; ``features`` gives its log-VQT."""
        kept = dict(self.rows.execute("SELECT system, answer FROM answers WHERE sound = ?", (sound,)))
        known = {name: parse_answer(kept[each]) for name, each in self.identities.items() if each in kept}
        asked = {name: system for name, system in self.systems.items() if name not in known}
        log_vqt = features() if asked else None
        new = {name: system(log_vqt) for name, system in asked.items()}
        lasting = [(self.identities[name], sound, format_answer(answer)) for name, answer in new.items()]
        with self.rows:
            self.rows.executemany("REPLACE INTO answers VALUES (?, ?, ?)", [row for row in lasting if row[0]])
        return known | new

    def sound_of(self, dataset: Dataset, track: Track, labels: str) -> str:
        """The SHA-256 of a track's file, read again where that changed; or what identifies made-up sound."""
        if track.audio is None:
            return f"{dataset.name} {labels} {track.id}"
        path, state = str(track.audio.resolve()), track.audio.stat()
        asked = (path, state.st_size, state.st_mtime_ns)
        question = "SELECT sound FROM files WHERE path = ? AND size = ? AND modified = ?"
        known = self.rows.execute(question, asked).fetchone()
        if known:
            return str(known[0])
        with track.audio.open("rb") as file:
            sound = file_digest(file, "sha256").hexdigest()
        with self.rows:
            self.rows.execute("REPLACE INTO files VALUES (?, ?, ?, ?)", (*asked, sound))
        return sound


@contextmanager
def kept_answers(checkout: Path, systems: Mapping[str, System]) -> Iterator[KeptAnswers]:
    """Open the answers that are kept below ``build/``."""
    folder = checkout / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    rows = sqlite3.connect(folder / "answers.sqlite", timeout=60)
    try:
        rows.executescript(_TABLES)
        yield KeptAnswers(rows, systems, {name: identity(system) for name, system in systems.items()})
    finally:
        rows.close()


def identity(system: System) -> str | None:
    """What tells a system, with its settings or weights, and our code from others; None for a function."""
    if isinstance(system, NetworkSystem):
        said = read_header(system.file).to_json()
    elif is_dataclass(system):
        said = repr(system)
    else:
        return None
    return digest({"system": said, "code": code_digest(), "versions": versions()})


@cache
def code_digest() -> str:
    """Sha256 of every module of the library, and of what reads the music and is asked here."""
    found, here = sha256(), Path(__file__).parent
    packages = (Path(skey.__file__).parent, here / "datasets")
    paths = [path for package in packages for path in sorted(package.rglob("*.py"))]
    for path in (*paths, here / "estimators.py"):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
