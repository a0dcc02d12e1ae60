"""Answers that several notebooks need are computed once per `run.py reproduce`, in a folder that it names.

Many experiments ask the same networks about the same clips. An answer is found again only if the code of this
project, the packages below it, the system with its weights, the music and its tracks are all the same.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock

import skey
from companion.record import digest, versions, write_if_changed
from companion.results.predictions import Answer, format_answer, parse_answer
from skey.weights import read_header
from skey.weights.system import NetworkSystem

VARIABLE = "SKEY_ANSWERS"
"""The environment variable that names the folder of shared answers; without it nothing is shared."""

Ask = Callable[[], tuple[Answer, ...]]
"""Asks a system about every track."""


def are_shared() -> bool:
    """Whether answers are shared between the processes of one run."""
    return bool(os.environ.get(VARIABLE))


def shared_answers(system: Callable[..., Any], music: Mapping[str, Any], ask: Ask) -> tuple[Answer, ...]:
    """The answers of one system, from the folder of shared answers or by asking.

    Args:
        system: a system of ``companion.systems``; any other callable is asked each time.
        music: what identifies the tracks and their sound, as JSON can hold it.
        ask: computes the answers. Whoever else wants the same waits for it.

    Returns:
        One answer a track.
    """
    name = identity(system)
    if not are_shared() or name is None:
        return ask()
    key = digest({"system": name, "music": music, "code": code_digest(), "versions": versions()})
    path = Path(os.environ[VARIABLE]) / f"{key[:32]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            write_if_changed(path, json.dumps([format_answer(answer) for answer in ask()]))
        return tuple(map(parse_answer, json.loads(path.read_text(encoding="utf-8"))))


def identity(system: Callable[..., Any]) -> str | None:
    """What tells a system from every other: a network's header with its checksum, a baseline's settings."""
    if isinstance(system, NetworkSystem):
        return read_header(system.file).to_json()
    return repr(system) if is_dataclass(system) else None


@cache
def code_digest() -> str:
    """Sha256 of every module of the library, and of those that ask its systems."""
    found = sha256()
    for package in (Path(skey.__file__).parent, Path(__file__).parent):
        for path in sorted(package.rglob("*.py")):
            found.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
