"""The README's table of results, computed from the record like every other number.

``python -m companion.pages.readme`` writes it into the README; a test compares the two.
"""

from pathlib import Path

import pandas as pd

from companion.answers import Evaluation, evaluate
from companion.pages.tables import markdown_table, paper_cell
from companion.paper import label, papers_numbers
from companion.record import RESULTS, find_checkout, write_if_changed
from companion.scores import interval_of
from companion.studies.excerpts import recorded_excerpts
from companion.systems import T3

BEGIN, END = "<!-- results: computed by python -m companion.pages.readme -->", "<!-- end of results -->"
"""What stands around the table in the README."""

HALVES = ("all", "full", "hard")
"""The parts of the open corpus that the README shows."""


def results_table(table: Evaluation, excerpts: pd.DataFrame) -> str:
    """Systems by halves of the open corpus: MIREX in percent with 95 % intervals, beside the papers' value.

    ``table`` is the record of Table 3, ``excerpts`` are the recorded scores on excerpts of real recordings.
    """
    papers = papers_numbers("mirex")
    rows = [
        [
            label(name),
            paper_cell(papers.get(name)),
            *(_cell(table.scores, name, half) for half in HALVES),
            _cell(excerpts, name, "all"),
        ]
        for name in table.scored("mirex")
    ]
    sizes = table.scores.drop_duplicates("part").set_index("part").n
    real = f"real ({excerpts.set_index('part').n['all'].iloc[0]} excerpts)"
    columns = [*(f"{half} ({sizes[half]} clips)" for half in HALVES), real]
    return markdown_table(["MIREX, %", "paper, FMAKv2", *columns], rows)


def _cell(scores: pd.DataFrame, system: str, part: str) -> str:
    """A score and its interval."""
    score = interval_of(scores, system, "mirex", part)
    return f"{score:.1f}" if score else "–"


def with_results(readme: str, table: Evaluation, excerpts: pd.DataFrame) -> str:
    """The README's text with the table of results between its two marks."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{results_table(table, excerpts)}\n{END}{rest.split(END)[1]}"


def write_readme(checkout: Path) -> None:
    """Bring the README's table up to the record of the same checkout."""
    path = checkout / "README.md"
    excerpts = recorded_excerpts(checkout / RESULTS)
    write_if_changed(path, with_results(path.read_text("utf-8"), evaluate(T3), excerpts))


if __name__ == "__main__":
    write_readme(find_checkout())
