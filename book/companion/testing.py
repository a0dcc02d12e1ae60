"""``python3 run.py test``: begins at once, and whatever the rest of the companion is like."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from companion.record import find_checkout

CHECKS = (["ruff", "check", "."], ["mypy"])  # the modules that ``run.py test`` runs before the tests
SIDE_BY_SIDE = ("--quiet", "--numprocesses=logical", "--dist=worksteal")  # one process a core


@dataclass
class Steps:
    """How long each step took, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Say what begins, and remember how long the body took."""
        click.echo(f"{title} ...", err=True)
        began = time.monotonic()
        yield
        self.seconds[title] = time.monotonic() - began

    def report(self) -> None:
        """Print the time of each step and of all together."""
        for title, seconds in (*self.seconds.items(), ("in all", sum(self.seconds.values()))):
            click.echo(f"{title:<44} {seconds:6.1f} s")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def test(pytest_arguments: tuple[str, ...]) -> None:
    """Check style, types and tests; anything else on the command line is handed to pytest.

    Exits with status 1 where any of the three failed, after running all of them.
    """
    checkout, steps, failed = find_checkout(), Steps(), []
    for command in (*CHECKS, ["pytest", *SIDE_BY_SIDE, *pytest_arguments]):
        with steps.step(command[0]):
            if subprocess.run([sys.executable, "-m", *command], cwd=checkout).returncode:
                failed.append(command[0])
    steps.report()
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")
