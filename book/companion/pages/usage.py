"""Runs the snippets of the page on using the estimator and keeps what they print, for the page to include."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

from companion.pages.listening import PEAK
from companion.record import write_if_changed
from companion.studies.hearing import example_clips
from skey.audio import SAMPLE_RATE
from skey.corpus.plan import render_clip
from skey.errors import SkeyError

PAGE = Path("book") / "using-the-estimator.md"
"""The page whose snippets are run."""

OUTPUTS = Path("build") / "pages" / "usage"
"""Where their outputs lie, below the top of the checkout."""

SNIPPET = re.compile(
    r"^```(python|console)\n(.*?)^```\n+```\{literalinclude\} \.\./build/pages/usage/([\w-]+)\.txt",
    flags=re.DOTALL | re.MULTILINE,
)
"""A block of code with the include of its output right below it."""


class SnippetError(SkeyError):
    """A snippet of the page that does not run; the message shows it."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A block of the page: ``language`` python or console, its code, and the name of its output."""

    language: str
    code: str
    name: str


def snippets(page: str) -> list[Snippet]:
    """The blocks of a page that have their output shown below them, in order."""
    return [Snippet(*found) for found in SNIPPET.findall(page)]


def write_outputs(checkout: Path) -> None:
    """Run the page's snippets and write what each prints, where it is not there already."""
    page = (checkout / PAGE).read_text(encoding="utf-8")
    for name, output in run_snippets(snippets(page)).items():
        write_if_changed(checkout / OUTPUTS / f"{name}.txt", output)


def run_snippets(found: list[Snippet]) -> dict[str, str]:
    """What each snippet prints, by name.

    They run one after the other, in a folder with a ``song.flac``, a folder ``music`` with two songs, and a
    file ``notes.wav`` that holds no sound. Python blocks share their variables. Raises ``SnippetError`` where
    a Python block raises.
    """
    outputs, names = {}, {}  # type: dict[str, str], dict[str, Any]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        _lay_out_sounds(Path(folder))
        for snippet in found:
            run = _run_console(snippet) if snippet.language == "console" else _run_python(snippet, names)
            outputs[snippet.name] = run
    return outputs


def _lay_out_sounds(folder: Path) -> None:
    """The sounds that the page speaks of: the clips of the page on hearing the model, and a text."""
    (folder / "music").mkdir()
    places = (folder / "song.flac", folder / "music" / "first.flac", folder / "music" / "second.flac")
    for clip, place in zip(example_clips(), places, strict=True):
        soundfile.write(place, PEAK * render_clip(clip), SAMPLE_RATE)
    (folder / "notes.wav").write_text("This is no sound.\n", encoding="utf-8")


def _run_python(snippet: Snippet, names: dict[str, Any]) -> str:
    """What a block of Python prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(snippet.code, snippet.name, "exec"), names)
        except Exception as error:
            raise SnippetError(f"{PAGE}, {snippet.name}: {error!r} in\n{snippet.code}") from error
    return printed.getvalue()


def _run_console(snippet: Snippet) -> str:
    """What the commands of a block print, results and messages, as a terminal shows them."""
    return "".join(_command_output(shlex.split(line)) for line in snippet.code.splitlines() if line.strip())


def _command_output(words: list[str]) -> str:
    """Run ``skey ...``; its exit status stands below where it is not 0."""
    if words[0] != "skey":
        raise SnippetError(f"{PAGE}: expected a command of skey, found {shlex.join(words)}")
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
    return done.stdout + (f"(exit status {done.returncode})\n" if done.returncode else "")
