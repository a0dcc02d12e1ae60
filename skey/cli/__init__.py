"""The command ``skey``: each sub-command is imported when it is called, so that ``--help`` is quick."""

import importlib
import math
import os
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from skey import __version__
from skey.errors import SkeyError

COMMANDS = {
    "detect": ("skey.cli.detect", "The keys of sound files and folders."),
    "corpus": ("skey.cli.corpus", "Build, hear and describe the open corpus."),
    "weights": ("skey.cli.weights", "List and show network weights, import the authors' checkpoints."),
    "train": ("skey.cli.train", "Train the systems of both papers."),
    "features": ("skey.cli.features", "Features and keys of many tracks, on one machine or on many."),
    "export": ("skey.cli.weights", "Write front end and network as one ONNX graph."),
    "bench": ("skey.cli.measure", "Measure start-up, speed and memory on this machine."),
}
"""Name of each sub-command: the module that defines it and its line in ``skey --help``."""

EXTRAS = {
    **dict.fromkeys(("torch", "scipy", "music21", "pretty_midi", "lightning_fabric", "fsspec"), "train"),
    **dict.fromkeys(("onnx", "onnxscript"), "onnx"),
    **dict.fromkeys(("dask", "distributed", "polars"), "scale"),
}
"""Package that a plain installation lacks → the extra of this project that brings it."""

SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}
POSITIVE = click.IntRange(min=1)


def left_out(name: object, reason: str) -> None:
    """Say which file of many is not used, and why."""
    click.echo(f"left out: {name}: {reason}", err=True)


class Number(click.FloatRange):
    """A number in a range; click's own takes NaN for one that lies in any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - click's
        """The number; a usage error for anything else."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no number", param, ctx)
        return number


class LazyGroup(click.Group):
    """A group that lists its commands without importing them and turns typed errors into one clear line."""

    table: Mapping[str, tuple[str, str]] = COMMANDS

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all sub-commands, in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one sub-command, or None where there is no such name."""
        if cmd_name not in self.table:
            return None
        module = self.table[cmd_name][0]
        command: click.Command = getattr(importlib.import_module(module), cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of sub-commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the chosen sub-command; errors of ours, of files and missing extras are a line, status 1.

        Ctrl-C is one too, with status 130 as shells have it: scripts tell it from a file that failed.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click ends in silence
            raise
        except KeyboardInterrupt:
            click.echo("\nStopped.", err=True)
            ctx.exit(130)
        except (SkeyError, OSError) as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            package = str(error.name).split(".")[0]
            if package not in EXTRAS:
                raise
            extra = f"pip install 'skey-companion[{EXTRAS[package]}]'"
            raise click.ClickException(f"this needs {package}: {extra}") from error


def prepare_streams() -> None:
    """Stand in for closed streams, and write UTF-8 whatever the locale is: names hold any letter."""
    for name, mode in (("stdin", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:  # It was closed, and the next file that is opened would be it.
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - open to the end
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


@click.group(cls=LazyGroup, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="skey")
def main() -> None:
    """Musical keys from sound: estimate them, train for them, build the open corpus."""
    prepare_streams()
