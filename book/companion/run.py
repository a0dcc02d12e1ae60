"""``python3 run.py reproduce``, ``test`` and ``book``: what a reader and continuous integration run."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from companion.notebooks import Value

Result = TypeVar("Result")

SMOKE_CLIPS = 48
"""How many clips of the test set a smoke run builds and scores."""

RECOMPUTED = "build/results/reproduce"
"""Where the results lie that were computed on this machine, for comparison with the record."""

CHECKS = (["ruff", "check", "."], ["mypy"])
"""The modules that ``run.py test`` runs before the tests."""

SIDE_BY_SIDE = ("--quiet", "--numprocesses=logical", "--dist=worksteal")
"""How ``run.py test`` runs pytest: one process a core."""


@dataclass
class Steps:
    """Runs one step after the other and remembers how long each took, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, title: str, step: Callable[[], Result]) -> Result:
        """Say what begins, do it, remember the time; returns what the step returns."""
        click.echo(f"{title} ...", err=True)
        began = time.monotonic()
        result = step()
        self.seconds[title] = time.monotonic() - began
        return result

    def report(self) -> None:
        """Print the time of each step and of all together."""
        for title, seconds in (*self.seconds.items(), ("in all", sum(self.seconds.values()))):
            click.echo(f"{title:<44} {seconds:6.1f} s")


@click.command()
@click.option("--smoke", is_flag=True, help=f"Compute only {SMOKE_CLIPS} clips; the book shows the record.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes that build and ask [default: the cores].")
def reproduce(smoke: bool, jobs: int | None) -> None:
    """Compute the results from the music on, compare them with the record, build the book.

    Ends with the scoreboard: the papers' claims with their verdicts, then the scores, as computed here.
    Exits with status 1 where a notebook raised or a number moved.
    """
    from companion.build import build_book
    from companion.check import not_recomputed
    from companion.record import RESULTS, find_checkout
    from companion.systems import systems
    from skey.corpus.build import build

    checkout, steps = find_checkout(), Steps()
    limit = SMOKE_CLIPS if smoke else 0
    clips = limit or None
    features = partial(build, "test", clips=clips, jobs=jobs, progress=sys.stderr.isatty())
    steps.run("features of the open corpus", features)
    steps.run("answers of every system", partial(_compute_answers, checkout, limit, jobs))
    _compute_notebooks(checkout, steps, limit)
    faults = steps.run("check of the record", partial(_moved_numbers, checkout))
    for line in not_recomputed(checkout / RESULTS, systems()):
        click.echo(line)
    if smoke:
        _read_notebooks(checkout, steps)
    index = steps.run("book", partial(build_book, checkout))
    steps.report()
    for fault in faults:
        click.echo(f"moved: {fault}")
    if not faults:
        click.echo("Every number is as recorded.")
    click.echo(f"The book: {index}\n")
    _print_scoreboard()
    if faults:
        raise click.ClickException(f"{len(faults)} numbers are not as recorded (see above)")


@click.command()
def book() -> None:
    """Build the book from the record alone: no features, no sound but the examples, no network."""
    from companion.build import build_book
    from companion.record import find_checkout

    checkout, steps = find_checkout(), Steps()
    _read_notebooks(checkout, steps)
    index = steps.run("book", partial(build_book, checkout))
    steps.report()
    click.echo(f"The book: {index}")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def test(pytest_arguments: tuple[str, ...]) -> None:
    """Check style, types and tests; anything else on the command line is handed to pytest.

    Exits with status 1 where any of the three failed, after running all of them.
    """
    from companion.record import find_checkout

    checkout, steps = find_checkout(), Steps()
    commands = [*CHECKS, ["pytest", *SIDE_BY_SIDE, *pytest_arguments]]

    def failing(module: str, *arguments: str) -> bool:
        command = [sys.executable, "-m", module, *arguments]
        return bool(subprocess.run(command, cwd=checkout).returncode)

    failed = [each[0] for each in commands if steps.run(each[0], partial(failing, *each))]
    steps.report()
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


def _compute_answers(checkout: Path, limit: int, jobs: int | None) -> None:
    """Ask every system at hand about the test set, from nothing that was kept."""
    from companion.answers import compute
    from companion.kept import FOLDER
    from companion.parameters import Parameters
    from companion.systems import systems
    from skey.corpus.processes import default_jobs

    for folder in (RECOMPUTED, FOLDER):
        shutil.rmtree(checkout / folder, ignore_errors=True)
    compute(systems(), Parameters(recompute=True, limit=limit, output=RECOMPUTED), jobs or default_jobs())


def _compute_notebooks(checkout: Path, steps: Steps, limit: int) -> None:
    """Execute every notebook anew: those on a data set from the answers that were just computed.

    A smoke run (``limit``) leaves the book's copies alone.
    """
    from companion.notebooks import FOLDER, default_parameters, notebook_names

    given: dict[str, dict[str, str | int]] = {}
    for name in notebook_names(checkout):
        known = default_parameters(checkout / FOLDER / f"{name}.ipynb")
        own: dict[str, str | int] = {"output": RECOMPUTED}
        if "dataset" not in known:
            own |= {"recompute": True, "limit": limit}
        given[name] = {key: value for key, value in own.items() if key in known}
    _run_notebooks(checkout, steps, given, publish=not limit)


def _read_notebooks(checkout: Path, steps: Steps) -> None:
    """Execute every notebook from the record, for the book."""
    from companion.notebooks import notebook_names

    _run_notebooks(checkout, steps, {name: {} for name in notebook_names(checkout)})


def _run_notebooks(
    checkout: Path, steps: Steps, parameters: Mapping[str, Mapping[str, "Value"]], publish: bool = True
) -> None:
    """Execute notebooks side by side, and say how long each took."""
    from companion.notebooks import run_notebooks

    title = f"{len(parameters)} notebooks, {'computed' if any(parameters.values()) else 'from the record'}"
    for run in steps.run(title, partial(run_notebooks, checkout, parameters, publish)):
        click.echo(f"  {run.notebook:<42} {run.seconds:6.1f} s", err=True)


def _moved_numbers(checkout: Path) -> list[str]:
    """What the record says otherwise than what it follows from, or than the results computed here."""
    from companion.check import check_record, compare_records
    from companion.observations import compare_observations
    from companion.record import RESULTS

    recorded, computed = checkout / RESULTS, checkout / RECOMPUTED
    moved = compare_records(recorded, computed) + compare_observations(recorded, computed)
    return check_record(recorded) + moved


def _print_scoreboard() -> None:
    """Print every claim with its verdict and every score, as computed here."""
    from companion.answers import evaluate
    from companion.pages.verdicts import scoreboard_lines
    from companion.parameters import Parameters
    from companion.systems import TABLES

    for line in scoreboard_lines([evaluate(name, Parameters(output=RECOMPUTED)) for name in TABLES]):
        click.echo(line)
