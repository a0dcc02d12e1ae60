"""``python3 run.py reproduce`` and ``book``: what a reader runs, and continuous integration.

The book is built with every warning as an error and nothing fetched.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from companion import kept
from companion.answers import compute, evaluate
from companion.check import check_record, compare_records, not_recomputed
from companion.claims import scoreboard_lines
from companion.notebooks import FOLDER, Value, default_parameters, notebook_names, run_notebooks
from companion.observations import compare_observations
from companion.pages.parts import write_pages
from companion.parameters import Parameters
from companion.record import RESULTS, find_checkout
from companion.systems import TABLES, systems
from companion.testing import Steps
from skey.cli import POSITIVE
from skey.corpus.build import build
from skey.corpus.processes import default_jobs
from skey.errors import SkeyError

SMOKE_CLIPS = 48  # how many clips of the test set a smoke run builds and scores
RECOMPUTED = "build/results/reproduce"  # what was computed on this machine, to compare with the record
OUTPUT = Path("build") / "book"  # where jupyter-book writes, below the top of the checkout
INDEX = OUTPUT / "_build" / "html" / "index.html"  # the book's first page

STRICT = ["-n", "-W", "--keep-going", "--all"]  # warnings are errors; all are shown, no page is skipped
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"  # it has no module that Python could run
_SHOWN = 40  # complaints about the book at most


@click.command()
@click.option("--smoke", is_flag=True, help=f"Compute only {SMOKE_CLIPS} clips; the book shows the record.")
@click.option("--jobs", type=POSITIVE, help="Processes that build and ask [default: the cores].")
def reproduce(smoke: bool, jobs: int | None) -> None:
    """Compute the results from the music on, compare them with the record, build the book.

    Ends with the scoreboard: the papers' claims with their verdicts, then the scores, as computed here.
    Exits with status 1 where a notebook raised or a number moved.
    """
    checkout, steps, limit = find_checkout(), Steps(), SMOKE_CLIPS if smoke else 0
    recorded, computed = checkout / RESULTS, checkout / RECOMPUTED
    with steps.step("features of the open corpus"):
        build("test", clips=limit or None, jobs=jobs, progress=sys.stderr.isatty())
    with steps.step("answers of every system"):
        for folder in (computed, checkout / kept.FOLDER):
            shutil.rmtree(folder, ignore_errors=True)
        asked = Parameters(recompute=True, limit=limit, output=RECOMPUTED)
        compute(systems(), asked, jobs or default_jobs())
    _run_notebooks(checkout, steps, _computing(checkout, limit), publish=not smoke)
    with steps.step("check of the record"):
        faults = check_record(recorded) + compare_records(recorded, computed)
        faults += compare_observations(recorded, computed)
    for line in not_recomputed(recorded, systems()):
        click.echo(line)
    if smoke:
        _run_notebooks(checkout, steps, {name: {} for name in notebook_names(checkout)})
    with steps.step("book"):
        index = build_book(checkout)
    steps.report()
    for fault in faults:
        click.echo(f"moved: {fault}")
    if not faults:
        click.echo("Every number is as recorded.")
    click.echo(f"The book: {index}\n")
    for line in scoreboard_lines([evaluate(name, Parameters(output=RECOMPUTED)) for name in TABLES]):
        click.echo(line)
    if faults:
        raise click.ClickException(f"{len(faults)} numbers are not as recorded (see above)")


@click.command()
def book() -> None:
    """Build the book from the record alone: no features, no sound but the examples, no network."""
    checkout, steps = find_checkout(), Steps()
    _run_notebooks(checkout, steps, {name: {} for name in notebook_names(checkout)})
    with steps.step("book"):
        index = build_book(checkout)
    steps.report()
    click.echo(f"The book: {index}")


def _computing(checkout: Path, limit: int) -> dict[str, dict[str, Value]]:
    """Notebook → parameters to compute it anew, those on a data set from the answers computed before."""
    given: dict[str, dict[str, Value]] = {}
    for name in notebook_names(checkout):
        known = default_parameters(checkout / FOLDER / f"{name}.ipynb")
        own = {"output": RECOMPUTED} | ({} if "dataset" in known else {"recompute": True, "limit": limit})
        given[name] = {key: value for key, value in own.items() if key in known}
    return given


def _run_notebooks(
    checkout: Path, steps: Steps, parameters: Mapping[str, Mapping[str, Value]], publish: bool = True
) -> None:
    with steps.step(
        f"{len(parameters)} notebooks, {'computed' if any(parameters.values()) else 'from the record'}"
    ):
        runs = run_notebooks(checkout, parameters, publish)
    for run in runs:
        click.echo(f"  {run.notebook:<42} {run.seconds:6.1f} s", err=True)


def build_book(checkout: Path) -> Path:
    """Build the book from executed notebooks and the record: its first page. A warning is a ``SkeyError``."""
    write_pages(checkout)
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", str(checkout)]
    plain = {**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"}  # colours would hide the warnings in a log
    how: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
    output = ["--path-output", str(checkout / OUTPUT)]
    done = subprocess.run([*command, *output, *STRICT], cwd=checkout, env=plain, **how)
    index = checkout / INDEX
    if done.returncode or not index.is_file():
        lines = (done.stdout + done.stderr).splitlines()
        named = [line for line in lines if "WARNING" in line or "ERROR" in line]
        raise SkeyError("\n".join(["the book was not built:", *(named or lines)[-_SHOWN:]]))
    return index
