"""The papers' own counts give their own percentages, and every claim can be traced to their tables."""

import re

import pytest

from skey.claims import judge, verdict
from skey.keys import KEYS, Key
from skey.metrics import Interval, RelationCounts
from skey.paper import (
    MARKS,
    PaperError,
    citation_key,
    claims,
    dataset_title,
    label,
    paper_numbers,
    paper_tables,
)
from skey.results import Predictions

ROWS = [(table, system) for table in paper_tables().values() for system in table.systems]
NAMES = [f"{table.id} {system}" for table, system in ROWS]


@pytest.mark.parametrize(("table", "system"), ROWS, ids=NAMES)
def test_the_counts_of_a_row_give_the_percentage_that_is_printed(table, system) -> None:
    printed = table.row(system)["percent"]
    rounding = 0.05 if table.metric == "mirex" else 0.5
    assert table.computed_percent(system) == pytest.approx(printed, abs=rounding + 0.01)


@pytest.mark.parametrize(("table", "system"), ROWS, ids=NAMES)
def test_the_counts_of_a_row_are_all_tracks_of_fmakv2(table, system) -> None:
    assert table.counts(system).total == table.tracks == 5489
    if table.metric == "mirex":
        assert isinstance(table.counts(system), RelationCounts)


def test_always_c_in_table_3_is_right_as_often_as_c_major_occurs_in_table_2() -> None:
    # A C major answer has the right signature where the key is C major or A minor: same or relative.
    keys = paper_tables()["stone-table-3"].row("always-c-major")
    signatures = paper_tables()["stone-table-2"].row("always-c-major")
    assert keys["same"] + keys["relative"] == signatures["correct"]


def test_every_number_has_a_mark_a_label_and_a_reference(root) -> None:
    references = (root / "book" / "references.bib").read_text(encoding="utf-8")
    for number in paper_numbers():
        assert number.mark in MARKS
        assert label(number.system) and dataset_title(number.dataset)
        assert re.search(rf"{{{citation_key(number.paper)},", references)


def test_the_papers_evidence_for_a_claim_supports_it() -> None:
    for claim in claims():
        better, worse = claim.papers_percentages()
        assert better > worse


def test_a_system_without_a_label_is_refused() -> None:
    with pytest.raises(PaperError, match="no label"):
        label("nobody's system")


def test_a_claim_holds_where_the_whole_interval_is_above_zero() -> None:
    assert verdict(Interval(3.0, 1.0, 5.0)) == "holds"
    assert verdict(Interval(3.0, -1.0, 7.0)) == "undecided at this size"
    assert verdict(Interval(-3.0, -5.0, -1.0)) == "does not hold"


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.id)
def test_perfect_answers_against_hopeless_ones_let_a_claim_hold_and_the_reverse_not(claim) -> None:
    wrong: tuple[Key, ...] = tuple(key.transposed(6) for key in KEYS)
    for better, worse, expected in ((KEYS, wrong, "holds"), (wrong, KEYS, "does not hold")):
        answers = {claim.better: better, claim.worse: worse}
        table = Predictions(tuple(map(str, KEYS)), {}, KEYS, answers)
        judgement = judge(claim, table)
        assert judgement.verdict == expected
        assert abs(judgement.difference.value) == pytest.approx(100)
