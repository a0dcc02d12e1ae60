"""The papers' own counts give their own percentages, and every claim can be traced to their tables."""

from dataclasses import replace
from typing import get_args

import pytest
from made_up import evaluation

from companion.claims import (
    LEAST_TRACKS,
    PAPERS_EXAMPLES,
    RULES,
    VERDICTS,
    Verdict,
    claims_table,
    examples_seen,
    is_test,
    judge,
    judge_all,
    verdict,
    verdict_counts,
    verdict_lines,
)
from companion.paper import claims, find_number, label, paper_tables, papers_numbers
from companion.record import RESULTS, find_checkout
from companion.scores import METRICS
from companion.systems import systems_of
from companion.training import read_training_records
from skey.errors import SkeyError
from skey.experiments import EXPERIMENTS
from skey.keys import KEYS, Key
from skey.metrics import Interval
from skey.weights import SHIPPED, read_header


def test_the_counts_of_a_row_are_all_tracks_of_fmakv2():
    for table in paper_tables().values():
        assert {table.counts(system).total for system in table.systems} == {table.tracks} == {5489}


def test_always_c_in_table_3_is_right_as_often_as_c_major_occurs_in_table_2():
    # A C major answer has the right signature where the key is C major or A minor: same or relative.
    keys = paper_tables()["stone-table-3"].systems["always-c-major"]
    signatures = paper_tables()["stone-table-2"].systems["always-c-major"]
    assert keys["same"] + keys["relative"] == signatures["correct"]


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.id)
def test_the_papers_evidence_for_a_claim_supports_it(claim):
    evidence = claim.evidence()
    assert (evidence is None) == (not claim.paper)
    if evidence is not None:
        difference = float(evidence[0].percent - evidence[1].percent)
        assert verdict(Interval(difference, difference, difference), claim.kind) == "holds"


def test_a_claim_has_a_name_of_its_own_and_compares_two_systems_of_its_experiment():
    assert len({claim.id for claim in claims()}) == len(claims())
    runs = {record.name: record.system for record in read_training_records(find_checkout() / RESULTS)}
    for claim in claims():
        compared = {runs.get(name, name) for name in (claim.better, claim.worse)}
        assert compared <= set(systems_of(claim.experiment))
        assert claim.better != claim.worse and claim.metric in METRICS and claim.kind in RULES


def test_a_number_that_the_papers_do_not_have_is_refused():
    with pytest.raises(SkeyError, match="mirex of 'suptone-10' on 'gtzan'"):
        find_number("suptone-10", "gtzan", "mirex")


def test_the_papers_call_our_systems_by_names_of_their_own():
    assert find_number("skey", "fmakv2", "mirex") == find_number("skey-60k", "fmakv2", "mirex")
    assert "skey" not in papers_numbers("mirex", ours=False)
    assert find_number("released-skey", "giantsteps", "mirex").mark == "Q1"


def test_a_name_that_stands_for_no_system_is_refused():
    with pytest.raises(SkeyError, match="is no system"):
        label("nobody's system")


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        ("better", 1, 5, "holds"),
        ("better", -1, 7, "undecided at this size"),
        ("better", -5, -1, "does not hold"),
        ("same", -4, 4, "holds"),
        ("same", 1, 4, "holds"),
        ("same", -6, 4, "undecided at this size"),
        ("same", 6, 9, "does not hold"),
        ("same", -9, -6, "does not hold"),
        ("no worse", -4, 3, "holds"),
        ("no worse", 2, 9, "holds"),
        ("no worse", -6, 3, "undecided at this size"),
        ("no worse", -4, -1, "does not hold"),
    ],
)
def test_the_whole_interval_decides_a_claim_or_nothing_does(kind, low, high, expected):
    assert verdict(Interval((low + high) / 2, float(low), float(high)), kind) == expected


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: claim.id)
def test_perfect_answers_against_hopeless_ones_let_a_claim_hold_and_the_reverse_not(claim):
    wrong: tuple[Key, ...] = tuple(key.parallel.transposed(6) for key in KEYS)
    for better, worse, points in ((KEYS, wrong, 100.0), (wrong, KEYS, -100.0), (KEYS, KEYS, 0.0)):
        answers = {claim.better: better, claim.worse: worse}
        judgement = judge(claim, evaluation(claim.experiment, answers))
        assert judgement.difference and judgement.difference.value == pytest.approx(points)
        found = verdict(Interval(points, points, points), claim.kind)
        assert judgement.verdict == (found if is_test(claim, found) else "not a test")


def test_no_claim_of_a_paper_is_refuted_by_a_network_that_saw_little_of_what_the_papers_saw():
    little = {
        claim for claim in claims() if claim.paper and "stone-invariance" in (claim.better, claim.worse)
    }
    assert little
    assert all(not is_test(claim, "does not hold") for claim in little)


def test_a_claim_may_name_a_run_that_saw_as_many_examples_as_its_rival():
    (judged,) = (each for each in judge_all() if each.claim.id == "signature-first-is-better")
    assert examples_seen(judged.claim.better) == examples_seen(judged.claim.worse) == 59_904
    assert judged.difference and judged.verdict == verdict(judged.difference, judged.claim.kind)
    assert f"from spectral peaks, row calibrated ({judged.claim.worse})" in claims_table([judged])


def test_the_first_five_ablations_of_skey_and_the_last_saw_a_tenth_and_the_others_a_fiftieth():
    ours = [name for name in systems_of("skey-ablations") if name in EXPERIMENTS]
    shares = [round(PAPERS_EXAMPLES / examples_seen(name)) for name in ours]
    assert shares == [10, 10, 10, 10, 10, 50, 50, 50, 50, 10]
    page = (find_checkout() / "notebooks" / "skey-ablations.ipynb").read_text(encoding="utf-8")
    assert "The first five and the last saw a tenth of their pairs, the others a fiftieth" in page


def test_a_question_of_our_own_is_a_test_unless_the_loser_saw_fewer_examples():
    claim = replace(next(claim for claim in claims() if not claim.paper), better="skey", worse="skey-late")
    assert not is_test(claim, "holds")  # skey saw many times as many
    assert is_test(claim, "does not hold")
    assert is_test(replace(claim, worse="released-skey"), "does not hold")


def test_a_winner_that_saw_little_wins_all_the_same_and_a_loser_that_saw_less_does_not_count():
    claim = next(claim for claim in claims() if claim.id == "stone-beats-chroma")
    assert is_test(claim, "holds")
    assert not is_test(replace(claim, better="always-c-major", worse="stone-invariance"), "holds")


def test_few_tracks_decide_nothing():
    claim = next(claim for claim in claims() if claim.id == "template-beats-constant")
    table = evaluation(claim.experiment, {claim.better: KEYS, claim.worse: (KEYS[0],) * 24})
    assert judge(claim, table).verdict == "holds"
    few = replace(table, answers=table.answers[: LEAST_TRACKS - 1])
    assert judge(claim, few).verdict == "undecided at this size"


def test_a_claim_about_a_system_that_is_not_in_the_record_is_not_judged():
    claim = claims()[0]
    table = evaluation(claim.experiment, {claim.better: KEYS})
    assert judge(claim, table).difference is None
    assert judge(claim, table).verdict == "not computed here"


def test_every_claim_is_judged_once_whatever_the_record_holds():
    assert [each.claim for each in judge_all([])] == list(claims())
    assert {each.verdict for each in judge_all([])} == {"not computed here"}
    judged = {each.claim.id: each.verdict for each in judge_all()}
    assert list(judged) == [claim.id for claim in claims()]
    assert judged["template-beats-constant"] == "holds"
    assert len(verdict_lines(judge_all())) == len(claims())


def test_a_table_of_claims_says_whose_they_are_and_how_well_their_numbers_are_known():
    text = claims_table(judge_all([]))
    assert text.count("not computed here") == len(claims())
    assert "{cite}`kong2025skey`" in text and "*Ours.*" in text and "no number" in text
    assert "(I) inferred" in text and "(Q1) quoted by one source" in text and "(P)" not in text
    assert verdict_counts(judge_all([])) == f"{len(claims())} are not computed here"
    assert verdict_counts(judge_all([])[:1]) == "1 is not computed here"
    assert set(VERDICTS) == set(get_args(Verdict))


def test_a_claim_says_how_many_examples_our_networks_saw_beside_the_papers():
    rows = {each.claim.id: claims_table([each]) for each in judge_all([])}
    training = read_header(SHIPPED / "stone.safetensors").training
    seen = training["steps"] * training["experiment"]["batch"]
    ours = f"{seen:,} ({100 * seen / PAPERS_EXAMPLES:.2g} % of the paper's)"
    assert f"examples seen here: STONE ω = 7 {ours}*" in rows["stone-beats-chroma"]
    supervised = f"Supervised CNN (2018) {examples_seen('supervised'):,}*"  # which no paper trained on those
    assert f"examples seen here: {supervised}" in rows["released-skey-matches-supervised"]
    assert "examples seen" not in rows["released-stone-beats-chroma"]
