"""Finding the sound files of a folder."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

SUFFIXES = frozenset(
    [
        *(".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".snd"),
        *(".w64", ".wav", ".wave"),
        *(".aac", ".m4a", ".wma"),
    ]
)
"""Suffixes, in lower case, of what counts as a sound file in a folder; the last ones cannot be decoded."""


def sound_files(
    paths: Iterable[Path], *, recursive: bool, report: Callable[[Path, str], None]
) -> Iterator[Path]:
    """The files that were named, and the sound files of the folders that were named.

    Args:
        paths: files of any suffix, and folders.
        recursive: whether folders are entered, with all their subfolders; links that lead round in a circle
            are followed once.
        report: called with a folder that is not entered and the reason.

    Yields:
        Files in the order of the paths, those of a folder by name; hidden files are left out.
    """
    for path in paths:
        if not path.is_dir():
            yield path
        elif recursive:
            yield from _walk(path, report)
        else:
            report(path, "is a folder; add -r to go through folders")


def _walk(top: Path, report: Callable[[Path, str], None]) -> Iterator[Path]:
    """The sound files of one folder, each real folder once."""
    seen: set[tuple[int, int]] = set()

    def refuse(error: OSError) -> None:
        """Report a folder that cannot be listed."""
        report(Path(error.filename), f"cannot be entered: {error.strerror}")

    for folder, subfolders, names in os.walk(top, followlinks=True, onerror=refuse):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        if _is_new(folder, seen):
            yield from (Path(folder, name) for name in sorted(names) if _is_sound(name))
        else:
            subfolders.clear()


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    """Whether this real folder was not walked before; remembers it."""
    status = os.stat(folder)  # noqa: PTH116 - device and inode tell links to one folder apart from copies
    identity = (status.st_dev, status.st_ino)
    known = identity in seen
    seen.add(identity)
    return not known


def _is_sound(name: str) -> bool:
    """Whether a name looks like that of a sound file."""
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
