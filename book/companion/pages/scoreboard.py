"""The scoreboard, as a page of claims with their verdicts, and as text with the scores too."""

from collections.abc import Sequence

import pandas as pd

from companion.answers import Evaluation
from companion.claims import judge_all, verdict_lines
from companion.pages.tables import METRIC_TITLES
from companion.pages.verdicts import claims_table, claims_total, dot_strip, rules_list, verdict_counts
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
    """The page: total, a dot per claim that links to it, claims, and the rules behind the verdicts."""
    judged = judge_all(tables)
    rules = "\n\n".join([INTRODUCTION, rules_list(), CAUTION])
    folded = f"````{{dropdown}} How a verdict is computed\n{rules}\n````"
    return "\n\n".join([claims_total(judged), dot_strip(judged), "## Claims", folded, claims_table(judged)])


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
