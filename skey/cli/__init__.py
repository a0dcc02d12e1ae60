"""The command ``skey``: each sub-command is imported when it is called, so that ``--help`` is quick."""

import importlib

import click

from skey import __version__
from skey.errors import SkeyError

COMMANDS = {
    "detect": ("skey.cli.detect", "The keys of sound files and folders."),
    "corpus": ("skey.cli.corpus", "Build, hear and describe the open corpus."),
    "weights": ("skey.cli.weights", "List and show network weights, import the authors' checkpoints."),
    "train": ("skey.cli.train", "Train the systems of both papers."),
    "export": ("skey.cli.export", "Write front end and network as one ONNX graph."),
    "check": ("skey.cli.check", "Compare the recorded results with recomputed ones."),
    "reproduce": ("skey.cli.companion", "Run the notebooks, check the record, build the book."),
    "bench": ("skey.cli.bench", "Measure start-up, speed and memory on this machine."),
    "test": ("skey.cli.companion", "Run the checks that continuous integration runs."),
    "book": ("skey.cli.companion", "Build the book from the record alone."),
}
"""Name of each sub-command: the module that defines it and its line in ``skey --help``."""


class LazyGroup(click.Group):
    """A group that lists its commands without importing them and turns typed errors into one clear line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all sub-commands, in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one sub-command, or None where there is no such name."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]}.{cmd_name} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of sub-commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the chosen sub-command; a typed error becomes ``Error: …`` and exit status 1."""
        try:
            return super().invoke(ctx)
        except SkeyError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="skey")
def main() -> None:
    """Musical keys from sound, and the reproducible companion to STONE and S-KEY."""
