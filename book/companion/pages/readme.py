"""The README's table of results, computed from the record like every other number.

``python -m companion.pages.readme`` writes it into the README; a test compares the two.
"""

from collections.abc import Mapping
from pathlib import Path

from companion.pages.tables import markdown_table, papers_percentages
from companion.paper import label
from companion.record import RESULTS, Scores, find_checkout, write_if_changed
from companion.results import Experiment, read_experiment
from companion.studies.excerpts import recorded_excerpts

BEGIN, END = "<!-- results: computed by python -m companion.pages.readme -->", "<!-- end of results -->"
"""What stands around the table in the README."""

HALVES = ("all", "full", "hard")
"""The parts of the open corpus that the README shows."""


def results_table(experiment: Experiment, excerpts: Scores) -> str:
    """Systems by halves of the open corpus: MIREX in percent with 95 % intervals, beside the papers' value.

    Args:
        experiment: the record of Table 3.
        excerpts: the recorded scores on excerpts of real recordings.

    Returns:
        A Markdown table.
    """
    papers = papers_percentages("stone-table-3")
    scores = {name: parts for name, parts in experiment.record.scores.items() if "mirex" in parts["all"]}
    rows = [
        [
            label(name),
            f"{papers[name]:g}" if name in papers else "–",
            *map(_cell, (parts[half] for half in HALVES)),
            _cell(excerpts[name]["all"]),
        ]
        for name, parts in scores.items()
    ]
    sizes = [f"{half} ({next(iter(scores.values()))[half]['n']} clips)" for half in HALVES]
    real = f"real ({next(iter(excerpts.values()))['all']['n']} excerpts)"
    return markdown_table(["MIREX, %", "paper, FMAKv2", *sizes, real], rows)


def _cell(numbers: Mapping[str, int | float]) -> str:
    """A score and its interval."""
    return f"{numbers['mirex']:.1f} [{numbers['mirex_low']:.1f}, {numbers['mirex_high']:.1f}]"


def with_results(readme: str, experiment: Experiment, excerpts: Scores) -> str:
    """The README with the table of results between its two marks.

    Args:
        readme: its text, in which both marks stand.
        experiment: the record of Table 3.
        excerpts: the recorded scores on excerpts of real recordings.

    Returns:
        The text with the table of the record.
    """
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{results_table(experiment, excerpts)}\n{END}{rest.split(END)[1]}"


def write_readme(checkout: Path) -> None:
    """Bring the README's table up to the record.

    Args:
        checkout: the folder that holds both.
    """
    path = checkout / "README.md"
    experiment = read_experiment(checkout / RESULTS, "table-3-key-and-mode")
    excerpts = recorded_excerpts(checkout / RESULTS)
    write_if_changed(path, with_results(path.read_text("utf-8"), experiment, excerpts))


if __name__ == "__main__":
    write_readme(find_checkout())
