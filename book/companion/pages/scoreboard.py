"""The scoreboard, as a page and as text: every claim with its verdict, then the scores."""

from collections.abc import Sequence

import pandas as pd

from companion.answers import Evaluation
from companion.claims import judge_all, verdict_lines
from companion.pages.tables import METRIC_TITLES, scores_table, sources_line
from companion.pages.verdicts import claims_table, claims_total, rules_list, verdict_counts
from companion.paper import papers_numbers
from companion.systems import TABLES

INTRODUCTION = (
    "The verdict is computed, never written by hand: the two systems answer the same tracks, the difference "
    "of their points is resampled, and the 95 % interval of that difference, in percentage points, decides. "
    "What it must look like depends on what is claimed of the first system beside the second:"
)
"""What precedes the rules."""

CAUTION = (
    "A comparison that these rules leave open is *undecided at this size* of the test set. The intervals are "
    "over tracks: they say what other music of the same kind might have given, and not what another training "
    "might have."
)
"""What follows the rules."""


def scoreboard(tables: Sequence[Evaluation]) -> str:
    """The page: total, rules, claims, and each table's scores and downloads, in the papers' order."""
    judged = judge_all(tables)
    head = [claims_total(judged), "## Claims", INTRODUCTION, rules_list(), CAUTION, claims_table(judged)]
    return "\n\n".join([*head, "## Scores", *map(_section, tables)])


def _section(table: Evaluation) -> str:
    """Scores and downloads of one table."""
    scores = [scores_table(table, metric, papers_numbers(metric)) for metric in TABLES[table.name].metrics]
    return "\n\n".join([f"### [](notebooks/{table.name}.ipynb)", *scores, sources_line(table)])


def scoreboard_lines(tables: Sequence[Evaluation]) -> list[str]:
    """The scoreboard for a terminal: a line a claim, then a line for each score of each system."""
    judged = judge_all(tables)
    shown = [each.scores[each.scores.metric.isin(TABLES[each.name].metrics)] for each in tables]
    scores = pd.concat(shown).query("part == 'all'").drop_duplicates(["system", "metric"])
    return [
        "Claims: our difference in points [95 % interval], verdict",
        *verdict_lines(judged),
        f"Of {len(judged)} claims: {verdict_counts(judged)}.",
        "",
        "Scores, % [95 % interval]",
        *(
            f"{METRIC_TITLES[str(row['metric'])]:<14} {row['system']:<22} {row['value']:5.1f} "
            f"[{row['low']:5.1f}, {row['high']:5.1f}]  n = {row['n']}"
            for _, row in scores.sort_values("metric", ascending=False, kind="stable").iterrows()
        ),
    ]
