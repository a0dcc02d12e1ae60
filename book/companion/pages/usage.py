"""The computed parts of *Use it*: what its snippets print, DJ codes, tag fields, formats, and the scores."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import soundfile

from companion.answers import Evaluation, evaluate
from companion.pages.listening import PEAK, example_clips
from companion.pages.tables import markdown_table
from companion.record import write_if_changed
from companion.scores import interval_of, parts_of, relations
from companion.systems import T3
from skey.audio import SAMPLE_RATE
from skey.corpus.plan import render_clip
from skey.errors import SkeyError
from skey.files.folders import NOT_DECODED, SUFFIXES
from skey.files.tags import APE_KEY, ASF_KEY, ID3_KEY, MP4_KEY, VORBIS_KEY
from skey.keys import CIRCLE_OF_FIFTHS, Notation, format_key
from skey.weights import DEFAULT

PAGE = Path("book") / "using-the-estimator.md"  # the page whose snippets are run
OUTPUTS = Path("build") / "pages" / "usage"  # where their outputs lie, below the top of the checkout

SNIPPET = re.compile(  # language, code and name of a block with the include of its output right below it
    r"^```(python|console)\n(.*?)^```\n+```\{literalinclude\} \.\./build/pages/usage/([\w-]+)\.txt",
    flags=re.DOTALL | re.MULTILINE,
)

SOUNDS = ("song.flac", "music/first.flac", "music/second.flac")  # the sounds that the page speaks of

TAG_FIELDS = {  # kind of file → the field that holds the key
    "mp3, wav, aiff (ID3v2)": ID3_KEY,
    "flac, ogg, opus (Vorbis comments)": VORBIS_KEY,
    "m4a, mp4": MP4_KEY,
    "wma (ASF)": ASF_KEY,
    "WavPack, Monkey's Audio (APEv2)": APE_KEY,
}

PARTS = {  # part of the test set → how the page calls it
    "all": "all clips",
    "full": "clean sound",
    "hard": "degraded sound",
    "chorales": "Bach chorales",
    "tunes": "folk tunes",
}

_KINDS = {
    "right, %": ("same",),
    "fifth": ("fifth_up", "fifth_down"),
    "relative": ("relative",),
    "other": ("parallel", "other"),
}


def using_parts() -> dict[str, str]:
    """The tables of the page: path below ``build/pages`` → Markdown."""
    fields = ([kind, f"`{field}`"] for kind, field in TAG_FIELDS.items())
    read, refused = (", ".join(sorted(suffix[1:] for suffix in each)) for each in (SUFFIXES, NOT_DECODED))
    return {
        "codes.md": codes_table(),
        "tag-fields.md": markdown_table(["Files", "Field"], fields, text=2),
        "formats.md": f"Read in folders: {read}. Not decoded: {refused}.",
        "how-right.md": accuracy_table(evaluate(T3), DEFAULT),
    }


def codes_table() -> str:
    """The 24 keys along the circle of fifths with their Camelot and Open Key codes."""
    rows = []
    for major in CIRCLE_OF_FIFTHS[::2]:
        pair, notations = (major, major.relative), (Notation.CAMELOT, Notation.OPEN_KEY)
        codes = (", ".join(format_key(key, notation) for key in pair) for notation in notations)
        rows.append([*(format_key(key, Notation.SPELLED) for key in pair), *codes])
    return markdown_table(["Major key", "its relative minor", "Camelot", "Open Key"], rows, text=4)


def accuracy_table(table: Evaluation, default: str) -> str:
    """How often the default network is right on the open test set, and what its errors are, part by part."""
    rows = []
    for part, answers in parts_of(table.answers).items():
        counts = asdict(relations(answers, default))
        score = interval_of(table.scores, default, "mirex", part)
        shares = (100 * sum(counts[name] for name in kinds) / len(answers) for kinds in _KINDS.values())
        value = f"{score.value:.1f}" if score else "–"
        rows.append([f"{PARTS[part]} ({len(answers)})", *(f"{share:.0f}" for share in shares), value])
    return markdown_table(["Test clips", *_KINDS, "MIREX"], rows)


def write_outputs(checkout: Path) -> None:
    """Run the page's snippets and write what each prints, where it is not there already."""
    page = (checkout / PAGE).read_text(encoding="utf-8")
    for name, output in run_snippets(SNIPPET.findall(page)).items():
        write_if_changed(checkout / OUTPUTS / f"{name}.txt", output)


def run_snippets(found: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """What each snippet prints, by name; raises ``SkeyError`` where a Python block does.

    Python blocks share their variables. All run beside ``SOUNDS``, and a ``notes.wav`` that is none.
    """
    outputs, names = {}, {}  # type: dict[str, str], dict[str, Any]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("music").mkdir()
        for clip, place in zip(example_clips(), SOUNDS, strict=True):
            soundfile.write(place, PEAK * render_clip(clip), SAMPLE_RATE)
        Path("notes.wav").write_text("This is no sound.\n", encoding="utf-8")
        for language, code, name in found:
            outputs[name] = _run_console(code) if language == "console" else _run_python(code, name, names)
    return outputs


def _run_python(code: str, name: str, names: dict[str, Any]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(code, name, "exec"), names)
        except Exception as error:
            raise SkeyError(f"{PAGE}, {name}: {error!r} in\n{code}") from error
    return printed.getvalue()


def _run_console(code: str) -> str:
    """What ``skey ...`` prints line by line, as a terminal shows it; an exit status that is not 0 below."""
    printed = ""
    for line in filter(None, code.splitlines()):
        if not line.startswith("skey "):
            raise SkeyError(f"{PAGE}: expected a command of skey, found {line}")
        command = [sys.executable, "-m", *shlex.split(line)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
        printed += done.stdout + (f"(exit status {done.returncode})\n" if done.returncode else "")
    return printed
