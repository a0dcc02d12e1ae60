"""The README's table of results: ``python -m companion.pages.readme`` writes it, a test compares the two."""

import pandas as pd

from companion.answers import Evaluation, evaluate
from companion.pages.tables import markdown_table
from companion.paper import label, papers_numbers
from companion.record import RESULTS, find_checkout, write_if_changed
from companion.scores import interval_of
from companion.studies.excerpts import recorded_excerpts
from companion.systems import T3

BEGIN, END = "<!-- results: computed by python -m companion.pages.readme -->", "<!-- end of results -->"
"""What stands around the table in the README."""

HALVES = ("all", "full", "hard")  # the parts of the open corpus that the README shows


def results_table(table: Evaluation, excerpts: pd.DataFrame) -> str:
    """MIREX by halves of the open corpus (the record of Table 3) and on ``excerpts`` of real recordings."""
    sizes = table.scores.drop_duplicates("part").set_index("part").n
    columns = {f"{half} ({sizes[half]} clips)": (table.scores, half) for half in HALVES}
    columns[f"real ({excerpts.set_index('part').n['all'].iloc[0]} excerpts)"] = excerpts, "all"
    papers, rows = papers_numbers("mirex"), []
    for name in table.scored("mirex"):
        found = (interval_of(scores, name, "mirex", part) for scores, part in columns.values())
        cells = (f"{score:.1f}" if score else "–" for score in found)
        rows.append([label(name), str(papers.get(name, "–")), *cells])
    return markdown_table(["MIREX, %", "paper, FMAKv2", *columns], rows)


def with_results(readme: str, table: Evaluation, excerpts: pd.DataFrame) -> str:
    """The README's text with the table of results between its two marks."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{results_table(table, excerpts)}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    README = find_checkout() / "README.md"
    EXCERPTS = recorded_excerpts(find_checkout() / RESULTS)
    write_if_changed(README, with_results(README.read_text("utf-8"), evaluate(T3), EXCERPTS))
