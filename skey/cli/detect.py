"""``skey detect``: the keys of files and folders."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

import click

from skey.notation import Notation

if TYPE_CHECKING:
    from skey.estimator import KeyEstimator, Outcome
    from skey.keys import Key
    from skey.reports import Layout, Report

FORMATS = ("text", "csv", "json", "jsonl")
"""The values of :class:`skey.reports.Format`, which is too slow to import for ``--help``."""

TAG_NOTATIONS = ("tkey", "camelot", "open-key")
"""The values of :data:`skey.tags.TAG_NOTATIONS`, for the same reason."""


@dataclass
class Messages:
    """What goes to stderr, above the progress bar, and how many files failed."""

    failures: int = 0

    def fail(self, path: Path, reason: str) -> None:
        """Say why something about a file failed."""
        self.failures += 1
        self.note(reason if str(path) in reason else f"{path}: {reason}")

    def leave_out(self, path: Path, reason: str) -> None:
        """Say that a file is left out, which is no failure."""
        self.note(f"{path}: {reason}")

    def note(self, text: str) -> None:
        """Say something."""
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)


@dataclass(frozen=True)
class Detection:
    """One run over many files."""

    estimator: "KeyEstimator"
    report: "Report"
    messages: Messages
    options: dict[str, Any]

    def run(self, files: list[Path], jobs: int) -> None:
        """Estimate and report all files."""
        from tqdm import tqdm

        outcomes = self.estimator.estimate_many(files, jobs)
        for outcome in tqdm(outcomes, total=len(files), unit="file", file=sys.stderr, disable=None):
            self.conclude(outcome)

    def conclude(self, outcome: "Outcome") -> None:
        """Report one file, and tag it where that is asked for."""
        if outcome.estimate is None:
            self.messages.fail(outcome.path, str(outcome.error))
            return
        estimate = outcome.estimate.at_least(self.options["min_confidence"])
        self.report.add(str(outcome.path), estimate)
        if estimate.reason is not None:
            self.messages.note(f"{outcome.path}: no key: {estimate.reason}")
        if self.options["write_tags"] and estimate.key is not None:
            self.tag(outcome.path, estimate.key, estimate.confidence)

    def tag(self, path: Path, key: "Key", confidence: float) -> None:
        """Write the key of one file into its tags, or say what would be written."""
        from skey.tags import TagError, write_key

        least, dry_run = self.options["tag_confidence"], self.options["dry_run"]
        if confidence < least:
            note = f"confidence {confidence:.2f} is under {least:g} (--tag-confidence)"
            self.messages.note(f"{path}: {key} is not written into the tags: {note}")
            return
        try:
            change = write_key(path, key, notation=Notation(self.options["tag_notation"]), dry_run=dry_run)
        except TagError as error:
            self.messages.fail(path, str(error))
            return
        verb = "would write" if dry_run else "wrote"
        self.messages.note(
            f"{path}: {verb} {change}" if change else f"{path}: has this key in its tags already"
        )


def without_tagged(files: list[Path], messages: Messages) -> list[Path]:
    """The files that have no key in their tags; where the tags cannot be read, the sound may be."""
    from skey.tags import TagError, tagged_key

    kept = []
    for file in files:
        try:
            key = tagged_key(file)
        except TagError:
            key = None
        if key is None:
            kept.append(file)
        else:
            messages.note(f"{file}: skipped, since its tags have the key {key}")
    return kept


@contextmanager
def opened_report(output: Path | None, layout: "Layout", resume: bool) -> Iterator[tuple["Report", set[str]]]:
    """Where results go, and the names of the files that have theirs already."""
    from skey.reports import Report, cut_to_whole_entries

    finished: set[str] = cut_to_whole_entries(output, layout) if output is not None and resume else set()
    with opened_stream(output, "a" if finished else "w") as stream:
        report = Report(stream, layout, continued=bool(finished))
        try:
            yield report, finished
        finally:
            report.end()


@contextmanager
def opened_stream(output: Path | None, mode: Literal["a", "w"]) -> Iterator[TextIO]:
    """A file, or stdout; names of files that are no text pass through as the bytes that they are."""
    if output is None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
        yield sys.stdout
        return
    with output.open(mode, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        yield stream


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-r", "--recursive", is_flag=True, help="Go through folders and their subfolders.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write results here.")
@click.option("--resume", is_flag=True, help="Continue the results in --output where they break off.")
@click.option("--notation", type=click.Choice([n.value for n in Notation]), default="name", show_default=True)
@click.option("--segments", is_flag=True, help="Also list the key of each stretch of 15 s or more.")
@click.option("--weights", help="A weights file, a name from `skey weights list`, or krumhansl (template).")
@click.option("--whole-track", is_flag=True, help="One pass over the whole track, as in the S-KEY release.")
@click.option("--min-confidence", type=click.FloatRange(0, 1), default=0.0, help="Withhold keys below this.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Files at a time.")
@click.option("--write-tags", is_flag=True, help="Write the key into the tags of each file.")
@click.option(
    "--tag-notation",
    type=click.Choice(TAG_NOTATIONS),
    default="tkey",
    show_default=True,
    help="With --write-tags: how the key is written there (Ebm, 2A or 7m).",
)
@click.option(
    "--tag-confidence",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="With --write-tags: write no key that is less certain than this.",
)
@click.option("--skip-tagged", is_flag=True, help="Leave out files that have a key in their tags.")
@click.option("--dry-run", is_flag=True, help="With --write-tags: only say what would be written.")
def detect(paths: tuple[Path, ...], **options: Any) -> None:  # noqa: ANN401 - one of several types each
    """Print the key, its confidence and the name of each sound file in PATHS.

    Results alone go to stdout; progress and messages to stderr. Silence, noise and too little sound have no
    key ("-"). A file that cannot be read is reported, the others go on, and the exit status is 1 at the end.
    """
    if options["dry_run"] and not options["write_tags"]:
        raise click.UsageError("--dry-run is for --write-tags")
    if options["resume"] and options["output"] is None:
        raise click.UsageError("--resume needs the --output to continue")
    messages = Messages()
    try:
        detect_all(paths, options, messages)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.FileError(str(error.filename or options["output"]), error.strerror) from error
    if messages.failures:
        sys.exit(1)


def detect_all(paths: tuple[Path, ...], options: dict[str, Any], messages: Messages) -> None:
    """Find the files, load the weights, report."""
    from skey.estimator import KeyEstimator
    from skey.folders import sound_files
    from skey.reports import Format, Layout
    from skey.weights.library import default_weights

    found = sound_files(
        paths, recursive=options["recursive"], report=messages.fail, leave_out=messages.leave_out
    )
    files = list(found)
    if not files and not messages.failures:
        messages.fail(paths[0], "no sound files there")
    if options["weights"] is None and default_weights() is None:
        messages.note("no --weights given: the Krumhansl template answers; trained networks know better")
    estimator = KeyEstimator(options["weights"], whole_track=options["whole_track"])
    layout = Layout(Format(options["format_"]), Notation(options["notation"]), options["segments"])
    with opened_report(options["output"], layout, options["resume"]) as (report, finished):
        wanted = [file for file in files if layout.written(str(file)) not in finished]
        if options["skip_tagged"]:
            wanted = without_tagged(wanted, messages)
        Detection(estimator, report, messages, options).run(wanted, options["jobs"])
