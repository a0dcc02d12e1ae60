"""``python -m companion``: what ``run.py`` hands over to; it knows the commands of ``skey`` too."""

from collections.abc import Mapping

import click

from skey import __version__
from skey.cli import COMMANDS as LIBRARY
from skey.cli import SETTINGS, LazyGroup, prepare_streams

COMMANDS = {  # name of each command of the companion: the module that defines it and its line in the help
    "reproduce": ("companion.run", "Run the notebooks, check the record, build the book."),
    "test": ("companion.testing", "Run the checks that continuous integration runs."),
    "book": ("companion.run", "Build the book from the record alone."),
    "check": ("companion.check", "Compare the recorded results with recomputed ones."),
    "systems": ("companion.ship", "List every system with its score."),
    "ship": ("companion.ship", "Put finished runs and their weights into the repository."),
    "record-excerpts": ("companion.ship", "Score the systems on real excerpts that cannot be shipped."),
    "record-k10": (
        "companion.ship",
        "Ask K10, a network trained on labelled recordings, about the test clips.",
    ),
    "record-index": ("companion.indexing", "Choose the pieces of the open corpus anew."),
    "stages": ("companion.studies.stages", "Measure the stages of an estimate and of a training."),
    "record-corpus": ("companion.ship", "Write what the test clips hold into the record."),
}


class Companion(LazyGroup):
    """The commands of the companion, then those of the library."""

    table: Mapping[str, tuple[str, str]] = {**COMMANDS, **LIBRARY}


@click.group(cls=Companion, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="companion")
def main() -> None:
    """The reproducible companion to STONE and S-KEY, and the library below it."""
    prepare_streams()


if __name__ == "__main__":
    main(prog_name="python3 run.py")
