"""What is asked of folders: where data lie, which commit a clone has, which sounds there are; and writing."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import platformdirs

from skey.errors import SkeyError

SUFFIXES = frozenset(
    [
        *(".3gp", ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".avi", ".caf"),
        *(".dff", ".dsf", ".dts", ".flac", ".m4a", ".m4b", ".m4r", ".m4v", ".mka", ".mkv", ".mov"),
        *(".mp1", ".mp2", ".mp3", ".mp4", ".mpc", ".oga", ".ogg", ".ogv", ".ogx", ".opus", ".ra"),
        *(".rf64", ".rm", ".shn", ".snd", ".spx", ".tak", ".tta", ".voc", ".w64", ".wav", ".wave"),
        *(".weba", ".webm", ".wma", ".wmv", ".wv"),
    ]
)
"""Suffixes, in lower case, of what counts as a sound file in a folder; videos have sound, too."""

Report = Callable[[Path, str], None]  # is told of a path and why it is not entered, or left out
STDIN = Path("-")  # the path that stands for standard input among many files

NOT_DECODED = frozenset([".aa", ".aax", ".kar", ".m4p", ".mid", ".midi", ".mod", ".ofr", ".s3m", ".xm"])
"""Suffixes of music that cannot be decoded: notes, trackers' modules, protected files."""


def data_directory() -> Path:
    """Where features, runs and weights lie: ``$SKEY_DATA``, or the user's cache for ``skey-companion``.

    Raises ``SkeyError`` where the user has no home in which that could lie.
    """
    chosen = os.environ.get("SKEY_DATA")
    try:
        return Path(chosen or platformdirs.user_cache_dir("skey-companion")).expanduser()
    except RuntimeError as error:
        raise SkeyError(f"there is no folder for data: set SKEY_DATA to one ({error})") from error


def commit_of(folder: Path, file: str = "") -> str:
    """The commit of a clone, with ``+changes`` if files differ; ``unknown`` where git keeps no ``file``."""
    tracked = [("ls-files", "--error-unmatch", file)] if file else []
    commit = ("describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+changes")
    try:
        for question in (*tracked, commit):
            said = subprocess.run(["git", *question], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def write_whole(path: Path, content: bytes, ending: str = ".partial") -> None:
    """Replace ``path`` by ``content`` so that a reader sees the old file or the new one, never a part.

    The ending of the temporary name is fixed where one process alone writes: what a killed builder left is
    overwritten instead of piling up. A file keeps its permissions, and group and owner where it may. Raises
    ``OSError``.
    """
    partial = path.with_name(path.name + ending)
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            keep_owner(path, partial)  # first: it may take permissions away
            shutil.copymode(path, partial)
        partial.replace(path)
    except BaseException:  # a full disk is not to stay full
        with suppress(OSError):
            partial.unlink()
        raise


def keep_owner(path: Path, copy: Path) -> None:
    """Give a copy the group and the owner of a file where the system allows it; may raise ``OSError``."""
    status = path.stat()
    for owner, group in ((-1, status.st_gid), (status.st_uid, -1)):
        with suppress(OSError, AttributeError):  # An owner may only be set by root.
            os.chown(copy, owner, group)


def sound_files(
    paths: Iterable[Path], *, recursive: bool, report: Report, leave_out: Report = lambda path, reason: None
) -> Iterator[Path]:
    """The files that were named, and the sound files of the folders that were named, these by name.

    ``recursive`` enters folders with all below them; links that lead round in a circle are followed once.
    ``report`` is called with a folder that is not entered and the reason, ``leave_out`` with music that
    cannot be decoded and names that begin with a dot.
    """
    for path in paths:
        if not os.path.isdir(path):
            yield path
        elif recursive:
            yield from _walk(path, report, leave_out)
        else:
            report(path, "is a folder; add -r to go through folders")


def _walk(top: Path, report: Report, leave_out: Report) -> Iterator[Path]:
    """The sound files of one folder, each real folder once."""
    seen: set[Path] = set()

    def refuse(error: OSError) -> None:
        report(Path(error.filename), f"cannot be entered: {error.strerror}")

    for folder, subfolders, names in os.walk(top, followlinks=True, onerror=refuse):
        if (real := Path(folder).resolve()) in seen:
            subfolders.clear()
            continue
        seen.add(real)
        for name in sorted([*subfolders, *names]):
            path, is_folder = Path(folder, name), name in subfolders
            if reason := _why_left_out(path, is_folder=is_folder):
                leave_out(path, reason)
            elif not is_folder and path.suffix.lower() in SUFFIXES:
                yield path
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))


def _why_left_out(path: Path, *, is_folder: bool) -> str | None:
    """Why a name that may stand for music is left out, or None."""
    suffix = path.suffix.lower()
    if path.name.startswith(".") and (is_folder or suffix in SUFFIXES):
        return "left out, since its name begins with a dot; name it in the command to hear it"
    if not is_folder and suffix in NOT_DECODED:
        return f"left out: {suffix} files cannot be decoded; export it as flac, wav or mp3"
    return None
