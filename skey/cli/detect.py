"""``skey detect``: the keys of files and folders."""

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from click.core import ParameterSource

from skey import __version__
from skey.cli import POSITIVE, Number
from skey.cli.reports import Format, Layout, Report, printable
from skey.errors import SkeyError
from skey.keys import KEYS, TAG_NOTATIONS, Key, Notation

if TYPE_CHECKING:
    from skey.cli.journal import Entry, Settings
    from skey.estimator import KeyEstimator, Outcome


@dataclass
class Messages:
    """What goes to stderr, above the progress bar, and how many files failed."""

    failures: int = 0
    quiet: bool = False

    def fail(self, path: Path, reason: str) -> None:
        """Say why something about a file failed."""
        self.failures += 1
        self._write(reason if reason.startswith(str(path)) else f"{path}: {reason}")

    def note(self, path: Path, text: str) -> None:
        """Say something about a file that is no failure."""
        self.hint(f"{path}: {text}")

    def hint(self, text: str) -> None:
        """Say something that is no failure."""
        if not self.quiet:
            self._write(text)

    def _write(self, text: str) -> None:
        from tqdm import tqdm

        with suppress(OSError):  # Results go on where nobody can be told.
            tqdm.write(printable(text), file=sys.stderr)


@dataclass(frozen=True)
class Detection:
    """One run over many files."""

    estimator: "KeyEstimator"
    report: Report
    journal: TextIO | None
    messages: Messages
    options: dict[str, Any]

    def run(self, files: list[Path]) -> None:
        """Estimate and report all files, with a progress bar for several."""
        from skey.cli.journal import status_of

        # As they were before they were heard.
        statuses = {file: status_of(file) for file in files} if self.journal is not None else {}
        outcomes, bar = self.estimator.estimate_many(files, self.options["jobs"]), None
        if len(files) > 1 and not self.options["quiet"]:
            from tqdm import tqdm

            bar = tqdm(outcomes, total=len(files), unit="file", file=sys.stderr, disable=None)
            outcomes = iter(bar)
        for outcome in outcomes:
            if bar is not None:
                bar.clear()  # On a terminal, results stand in lines of their own.
            self.conclude(outcome, statuses.get(outcome.path))

    def conclude(self, outcome: "Outcome", status: "os.stat_result | None") -> None:
        """Report one file, say what is odd about it, tag it where that is asked for, and write it down."""
        from skey.cli.journal import Entry

        path, estimate = outcome.path, outcome.estimate
        if estimate is not None:
            estimate = estimate.at_least(self.options["min_confidence"])
        result = self.report.add(str(path), estimate)
        if estimate is None:
            self.messages.fail(path, str(outcome.error))
        else:
            if estimate.reason is not None:
                self.messages.note(path, f"no key: {estimate.reason}")
            if estimate.between is not None:
                tuned = f"tuned {estimate.tuning_cents:+.0f} cents"
                self.messages.note(path, f"{tuned}, between {estimate.key} and {estimate.between}")
            status = self.tag(path, estimate.key, estimate.confidence) or status
        if result is not None:
            self.write_down(Entry.of(path, estimate, status, result))

    def write_down(self, entry: "Entry") -> None:
        """Add a line to the journal, if there is one."""
        if self.journal is not None:
            self.journal.write(entry.line())

    def tag_finished(self, entries: Iterable["Entry"]) -> None:
        """Tag what was heard in an earlier run."""
        for entry in entries:
            key = None if entry.key is None else KEYS[entry.key]
            if status := self.tag(Path(entry.path), key, entry.confidence):
                size, modified = status.st_size, status.st_mtime_ns
                self.write_down(replace(entry, size=size, modified=modified, result=None))

    def tag(self, path: Path, key: Key | None, confidence: float) -> "os.stat_result | None":
        """Write the key of one file into its tags, or say what would be written; its status if it changed."""
        if key is None or not self.options["write_tags"]:
            return None
        from skey.cli.journal import status_of
        from skey.estimator import below
        from skey.files.tags import TagError, write_key

        least, dry_run = self.options["tag_confidence"], self.options["dry_run"]
        if confidence < least:
            note = f"confidence {below(confidence, least)} is under {least:g} (--tag-confidence)"
            self.messages.note(path, f"{key} is not written into the tags: {note}")
            return None
        try:
            change = write_key(path, key, notation=Notation(self.options["tag_notation"]), dry_run=dry_run)
        except TagError as error:
            self.messages.fail(path, str(error))
            return None
        done = f"{'would write' if dry_run else 'wrote'} {change}"
        self.messages.note(path, done if change else "has this key in its tags already")
        return status_of(path) if change and not dry_run else None


def is_tagged(file: Path, messages: Messages) -> bool:
    """Whether a file has a key in its tags; where they cannot be read, the sound may be."""
    from skey.files.tags import TagError, tagged_key

    with suppress(TagError):
        if key := tagged_key(file):
            messages.note(file, f"skipped, since its tags have the key {key}")
            return True
    return False


def as_paths(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> tuple[Path, ...]:
    """Paths, among which ``-`` is standard input and ``./-`` a file."""
    from skey.files.folders import STDIN

    if "" in names:
        raise click.BadParameter("a name is empty")
    paths = [(name, Path(name)) for name in names]
    return tuple(path.absolute() if path == STDIN and name != "-" else path for name, path in paths)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(), callback=as_paths)
@click.option("-r", "--recursive", is_flag=True, help="Go through folders and their subfolders.")
@click.option("--format", type=click.Choice([f.value for f in Format]), default="text")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write results here.")
@click.option("--overwrite", is_flag=True, help="Let --output replace a file that holds no results.")
@click.option("--resume", is_flag=True, help="Continue the results in --output where they break off.")
@click.option("--notation", type=click.Choice([n.value for n in Notation]), default="name")
@click.option("--segments", is_flag=True, help="Also list the key of each stretch of 15 or 30 s or more.")
@click.option("--weights", help="A name from `skey weights list`, krumhansl (template), or a file (./NAME).")
@click.option(
    "--whole-track/--windows",
    default=None,
    help="One pass over a track, at 440 Hz, or the mean of windows; by default as the weights ask.",
)
@click.option("--min-confidence", type=Number(0, 1), default=0.0, help="Withhold keys below this.")
@click.option("--quiet", is_flag=True, help="Say nothing but results and failures; no progress bar.")
@click.option("--jobs", type=POSITIVE, default=1, help="Files at a time.")
@click.option("--write-tags", is_flag=True, help="Write the key into the tags of each file.")
@click.option(
    "--tag-notation",
    type=click.Choice([n.value for n in TAG_NOTATIONS]),
    default="tkey",
    help="With --write-tags: how the key is written there (Ebm, 2A or 7m).",
)
@click.option(
    "--tag-confidence", type=Number(0, 1), default=0.5, help="With --write-tags: write no key below this."
)
@click.option("--skip-tagged", is_flag=True, help="Leave out files that have a key in their tags.")
@click.option("--dry-run", is_flag=True, help="With --write-tags: only say what would be written.")
def detect(paths: tuple[Path, ...], **options: Any) -> None:  # noqa: ANN401 - one of several types each
    """Print the key, its confidence and the name of each sound file in PATHS.

    Results alone go to stdout; progress and messages to stderr. Silence, white noise and too little
    sound have no key ("-"). A file that cannot be read is reported, the others go on, and the exit status is
    1 at the end.
    """
    from skey.files.folders import STDIN

    if options["quiet"] and sys.stderr is sys.__stderr__:  # libmpg123 writes there, past Python.
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if options["output"] == Path("-"):
        options["output"] = None
    if options["write_tags"] and STDIN in paths:
        raise click.UsageError("--write-tags is for files: standard input (-) has no tags")
    source = click.get_current_context().get_parameter_source
    for name in ("dry_run", "tag_notation", "tag_confidence"):  # Whoever forgets --write-tags is told.
        if not options["write_tags"] and source(name) == ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} is for --write-tags")
    if options["resume"] and options["output"] is None:
        raise click.UsageError("--resume needs the --output to continue")
    if options["skip_tagged"] and Format(options["format"]).is_by_place:
        raise click.UsageError(f"--skip-tagged leaves files out; --format {options['format']} names none")
    if options["segments"] and Format(options["format"]).is_by_place:
        raise click.UsageError(f"--segments has several lines a file, --format {options['format']} one")
    if options["resume"] and options["overwrite"]:
        raise click.UsageError("--resume continues results and --overwrite replaces them: ask for one")
    messages = Messages(quiet=options["quiet"])
    try:
        detect_all(paths, options, messages)
    except BrokenPipeError:
        raise
    except OSError as error:
        name = error.filename or options["output"] or "standard output"
        raise click.ClickException(f"{name}: {error.strerror}") from error
    if messages.failures:
        sys.exit(1)


def detect_all(paths: tuple[Path, ...], options: dict[str, Any], messages: Messages) -> None:
    """Find the files, load the weights, report."""
    from skey.cli.journal import opened_report, status_of
    from skey.estimator import KeyEstimator
    from skey.files.folders import STDIN, sound_files
    from skey.weights import DEFAULT, default_weights, find_shipped

    found = sound_files(paths, recursive=options["recursive"], report=messages.fail, leave_out=messages.note)
    files = list(found)
    if not files and not messages.failures:
        messages.fail(paths[0], "no sound files there")
    if options["weights"] is None and default_weights() is None:
        messages.hint("no --weights given: the Krumhansl template answers; trained networks know better")
    elif options["weights"] not in (None, DEFAULT) and find_shipped(options["weights"]):
        messages.hint(f"{options['weights']} ships for the papers' tables; the weights for use are {DEFAULT}")
    estimator = KeyEstimator(options["weights"], whole_track=options["whole_track"])
    if options["write_tags"] and estimator.listener.outputs < len(KEYS):
        name = estimator.listener.identity
        raise SkeyError(f"{name} gives key signatures, not keys: choose other weights for --write-tags")
    layout = Layout(Format(options["format"]), Notation(options["notation"]), options["segments"])
    settings = settings_of(options, estimator, files)
    if options["output"] is not None and not any(file == STDIN or status_of(file) for file in files):
        for outcome in estimator.estimate_many(files):
            messages.fail(outcome.path, str(outcome.error))
        return
    with opened_report(options, layout, settings, files) as (report, journal, finished):
        detection = Detection(estimator, report, journal, messages, options)
        heard = {entry.path: entry for entry in finished}
        names = {str(file) for file in files}
        detection.tag_finished(entry for entry in heard.values() if entry.path in names)
        wanted = [file for file in files if str(file) not in heard]
        if options["skip_tagged"]:
            wanted = [file for file in wanted if not is_tagged(file, messages)]
        detection.run(wanted)


def settings_of(options: dict[str, Any], estimator: "KeyEstimator", files: Iterable[Path]) -> "Settings":
    """What results in a file depend on; the folder, where names are relative to it."""
    chosen = ("format", "notation", "segments", "whole_track", "min_confidence")
    options = {**options, "whole_track": estimator.whole_track}
    settings = {name.replace("_", "-"): options[name] for name in chosen}
    is_free = options["output"] is None or all(file.is_absolute() for file in files)
    folder = "" if is_free else str(Path.cwd())
    return {"version": __version__, "weights": estimator.listener.identity, "folder": folder, **settings}
