"""Results in a file: never in the place of something else, and continued only where they are known to fit.

Beside a file of results ``keys.csv`` stands its journal ``keys.csv.run``: the settings of the run in the
first line, then a line for each file with its size, its time, its key and what was written about it.
``--resume`` makes the results of these lines anew and goes on.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, TextIO

from skey.cli.reports import Format, Layout, Report
from skey.errors import SkeyError
from skey.estimator import KeyEstimate
from skey.files.folders import STDIN, SUFFIXES, write_whole
from skey.keys import KEYS

Settings = Mapping[str, str | bool | float]  # what results depend on, by the name of the option

_MAGIC = "skey detect"
DEVICES = (Path("/dev"), Path("/dev/fd"))  # where ``stdout`` has a name: no place for a journal


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal knows of a file: bytes, time in ns, its key's place in KEYS, confidence, result.

    There is no ``result`` where only size and time are noted anew, after the tags were written.
    """

    path: str
    size: int
    modified: int
    key: int | None
    confidence: float
    result: str | None

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for what only a damaged journal says."""
        is_number = isinstance(self.confidence, int | float)
        if not (isinstance(self.path, str) and is_number and self.key in (None, *range(len(KEYS)))):
            raise ValueError("a damaged entry")

    @classmethod
    def of(
        cls, path: Path, estimate: KeyEstimate | None, status: os.stat_result | None, result: str
    ) -> "Entry":
        """The entry of a file that was heard, with its status then, or of one that is to be tried again."""
        size, modified = (status.st_size, status.st_mtime_ns) if estimate and status else (-1, -1)
        key = estimate.key.index if estimate and estimate.key else None
        return cls(str(path), size, modified, key, estimate.confidence if estimate else 0.0, result)

    def line(self) -> str:
        """What stands in the journal."""
        return json.dumps(asdict(self)) + "\n"

    def is_of(self, status: os.stat_result | None) -> bool:
        """Whether a file is still what was heard; one that is gone counts as unchanged, if it ever was."""
        same = status is None or (self.size, self.modified) == (status.st_size, status.st_mtime_ns)
        return same and self.size >= 0


def status_of(path: Path) -> os.stat_result | None:
    """Size and time of a file, or None where there is none; standard input has none."""
    with suppress(OSError, ValueError):
        return path.stat() if path != STDIN else None
    return None


def journal_of(output: Path) -> Path:
    """Where the journal of a file of results stands."""
    return output.with_name(output.name + ".run")


@contextmanager
def opened_report(
    options: dict[str, Any], layout: Layout, settings: Settings, inputs: list[Path]
) -> Iterator[tuple[Report, TextIO | None, list[Entry]]]:
    """Where results go (odd names as the bytes that they are), the journal, and what is finished already."""
    output, finished, journal, stream = options["output"], [], None, sys.stdout
    is_file = output is not None and (output.is_file() or not output.exists())
    is_file = is_file and output.parent not in DEVICES
    if is_file:
        output = output.resolve()  # a link stays one, and runs that name it differently share a lock
    with ExitStack() as stack:
        if is_file:
            stack.enter_context(locked(output))
            continues = options["resume"] and output.exists()  # Then `resumed` looks closer.
            refuse_to_destroy(output, inputs, overwrite=options["overwrite"] or continues)
            finished = resumed(output, layout, settings, inputs) if options["resume"] else []
        if output is not None:
            mode, written = "a" if finished else "w", output
            if finished and layout.format.is_by_place:
                written = Path(os.devnull)  # What is heard now belongs between what is there.
                stack.callback(put_in_order, output, layout, inputs)
            opened = written.open(mode, encoding="utf-8", errors="surrogateescape", newline="")
            stream = stack.enter_context(opened)
        elif stream is None:
            raise SkeyError("standard output is closed: name a file by --output")
        if is_file:
            journal = stack.enter_context(opened_journal(output, settings, finished))
        report = Report(stream, layout, continued=bool(finished))
        stack.callback(report.end)
        yield report, journal, finished


def refuse_to_destroy(output: Path, inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Raise ``SkeyError`` where results or their journal would replace a sound file or, unless told, more."""
    if output.suffix.lower() in SUFFIXES or any(_is_same(output, path) for path in inputs):
        raise SkeyError(f"{output} is a sound file, or has the name of one: write the results elsewhere")
    filled = [path for path in (output, journal_of(output)) if path.exists() and path.stat().st_size]
    if overwrite or not filled:
        return
    try:
        settings, entries = read_journal(output)
        layout = Layout(Format(settings["format"]), segments=settings["segments"])
        ours = _holds(output, layout, entries)
    except (SkeyError, LookupError, ValueError):
        ours = False
    if not ours:
        raise SkeyError(
            f"{filled[0]} exists and is not known to be of `skey detect`: choose another name, or replace it "
            "with --overwrite"
        )


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Keep other runs from writing the same results; ``SkeyError`` where one does, or the folder lacks."""
    from filelock import FileLock, Timeout

    if not output.parent.is_dir():
        raise SkeyError(f"{output}: there is no folder {output.parent}; make it first")
    lock = FileLock(str(output.with_name(f".{output.name}.lock")))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise SkeyError(f"{output} is being written by another run: wait, or write elsewhere") from error
    except OSError as error:
        raise SkeyError(f"{output.parent} cannot be written ({error.strerror}): write elsewhere") from error
    try:
        yield
    finally:
        with suppress(OSError):
            Path(lock.lock_file).unlink()
        lock.release()


def read_journal(output: Path) -> tuple[dict[str, Any], list[Entry]]:
    """The settings and all whole entries; ``SkeyError`` without settings."""
    try:
        lines = journal_of(output).read_text("utf-8").splitlines()
        settings = json.loads(lines[0])
        if settings.pop("journal") != _MAGIC:
            raise ValueError
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise SkeyError(
            f"{output} was not written by `skey detect -o`, or its journal {journal_of(output).name} is "
            "lost: write the results elsewhere"
        ) from error
    entries = []
    for line in lines[1:]:
        with suppress(ValueError, TypeError):
            entries.append(Entry(**json.loads(line)))
    return settings, entries


def resumed(output: Path, layout: Layout, settings: Settings, inputs: Iterable[Path]) -> list[Entry]:
    """Prepare results that break off for being continued: the entries whose results stay.

    The results are written anew without those of files that changed and, where they hold no names, without
    those that come after a missing one: `put_in_order` writes these at the end. Raises ``SkeyError`` where
    the results were not written by us, with other settings, or were changed since.
    """
    if not output.exists() or not (output.stat().st_size or journal_of(output).exists()):
        return []
    before, entries = read_journal(output)
    other = [
        f"{name} {before.get(name)!r}, now {settings[name]!r}"
        for name in settings
        if before.get(name) != settings[name]
    ]
    if other:
        raise SkeyError(
            f"{output} was written with other settings ({'; '.join(other)}): continue with those, or write "
            "elsewhere"
        )
    latest = {entry.path: entry for entry in entries}
    same = {path for path, entry in latest.items() if entry.is_of(status_of(Path(path)))}
    every = [replace(latest[e.path], result=e.result) for e in entries if e.result is not None]
    kept = [entry for entry in every if entry.path in same]
    # A run that was killed here left the one or the other.
    if not any(_holds(output, layout, some) for some in (every, kept)):
        raise SkeyError(f"{output} was changed after it was written: write the results elsewhere")
    written = _up_to_a_gap(kept, inputs) if layout.format.is_by_place else kept
    _write_anew(output, _text(layout, written))
    return kept


def put_in_order(output: Path, layout: Layout, inputs: Iterable[Path]) -> None:
    """Write the results in the journal in the order of their files, up to the first that is missing."""
    settings, entries = read_journal(output)
    results = [entry for entry in entries if entry.result is not None]
    ordered = _up_to_a_gap(results, inputs)
    done = {entry.path for entry in ordered}
    rest = [entry for entry in results if entry.path not in done]
    with opened_journal(output, settings, [*ordered, *rest]):
        _write_anew(output, _text(layout, ordered))


def _up_to_a_gap(entries: Iterable[Entry], inputs: Iterable[Path]) -> list[Entry]:
    """The latest entry of each file, in their order, up to the first file without one."""
    latest = {entry.path: entry for entry in entries}
    return [latest[path] for path in takewhile(latest.__contains__, map(str, inputs))]


def _holds(output: Path, layout: Layout, entries: Iterable[Entry]) -> bool:
    """Whether a file holds the results of these entries, as far as it goes, and little else."""
    found = output.read_bytes().decode(errors="surrogateescape") if output.exists() else ""
    known = [entry for entry in entries if entry.result is not None]
    whole = _text(layout, known)
    return whole.startswith(found.removesuffix("]\n")) or (bool(known) and found.startswith(whole))


def _text(layout: Layout, entries: Iterable[Entry]) -> str:
    """The results of these entries as they stand in their file."""
    return layout.joined(str(entry.result) for entry in entries)


def _write_anew(path: Path, text: str) -> None:
    write_whole(path, text.encode(errors="surrogateescape"))


def opened_journal(output: Path, settings: Settings, entries: Iterable[Entry]) -> TextIO:
    """The journal with these entries, for more of them: each line is handed to the system at once."""
    head = json.dumps({"journal": _MAGIC, **settings})
    _write_anew(journal_of(output), "".join([f"{head}\n", *(entry.line() for entry in entries)]))
    return journal_of(output).open("a", buffering=1, encoding="utf-8")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one.absolute() == other.absolute()
