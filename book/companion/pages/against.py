"""Our weights against the released ones: which pairs, their differences as a table and for the prose."""

from companion.answers import Evaluation
from companion.pages.tables import markdown_table, with_interval
from companion.scores import Pair, differences, parts_of
from skey.metrics import Interval
from skey.weights import DEFAULT

PAIRS = (
    Pair(DEFAULT, "released-skey", "mirex"),
    Pair("skey-fifths", "released-skey", "mirex"),
    Pair("skey-fifths", "released-skey", "ksea"),
    Pair("skey", "released-skey", "mirex"),
    Pair("skey-400", "released-skey", "mirex"),
    Pair("stone", "released-stone12", "ksea"),
    Pair("stone-no-cpsd", "released-stone12", "ksea"),
    Pair("semitone", "released-semitone24", "mirex"),
    Pair(DEFAULT, "released-semitone24", "mirex"),
    Pair("supervised", "released-skey", "mirex"),
    Pair(DEFAULT, "supervised", "mirex"),
    Pair(DEFAULT, "k10", "mirex"),
    Pair(DEFAULT, "krumhansl", "mirex"),
    Pair(DEFAULT, "temperley-peaks", "mirex"),
)
"""Who is compared with whom."""

NOTHING = "None of these pairs is on record: weights of one of the two were not there when it was made."


def pairs_of(table: Evaluation) -> list[Pair]:
    """The pairs of which both systems were asked."""
    return [pair for pair in PAIRS if {pair.ours, pair.other} <= set(table.systems)]


def differences_table(table: Evaluation) -> str:
    """Ours minus the other in percentage points with 95 % intervals, part by part, and what it says."""
    pairs = pairs_of(table)
    if not pairs:
        return NOTHING
    sizes = [f"{part}<br>n\N{NO-BREAK SPACE}= {len(rows)}" for part, rows in parts_of(table.answers).items()]
    rows = []
    for pair in pairs:
        found = differences(table.answers, pair, table.seed)
        rows.append(
            [
                pair.in_words(),
                *(with_interval(each, "+.1f") for each in found.values()),
                in_short(found["all"]),
            ]
        )
    return markdown_table(["Ours − the other", *sizes, "Ours is"], rows)


def in_short(difference: Interval) -> str:
    """What an interval says of our score."""
    if difference.low > 0:
        return "more"
    return "less" if difference.high < 0 else "undecided"


def difference_numbers(table: Evaluation) -> dict[str, float]:
    """Numbers for the prose: ``skey_released-skey_mirex``, the difference on all tracks, in points."""
    return {
        f"{pair.ours}_{pair.other}_{pair.metric}": differences(table.answers, pair)["all"].value
        for pair in pairs_of(table)
    }
