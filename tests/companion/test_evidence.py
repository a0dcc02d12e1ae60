"""Degradation, confidence, disagreement: one effect at a time, honest confidence, clips chosen by a rule."""

import numpy as np
import pandas as pd
import pytest
from made_up import answers_to, shipped

from companion import observations
from companion.pages import evidence
from companion.pages.evidence import coverage_drawing, effect_drawing, effect_drawings, reliability_drawing
from companion.parameters import ParameterError
from companion.record import RESULTS
from companion.studies import disagreement, reliability, robustness
from companion.studies.robustness import CONDITIONS, EFFECTS
from skey.keys import Key, parse_key

C, G, F, AM = (parse_key(text) for text in ("C", "G", "F", "Am"))


def test_a_smaller_run_is_compared_in_what_it_holds(checkout):
    whole = {"clips": {"keys": ["C", "G"]}, "a": {"keys": ["C", "F"]}}
    observations.write_observation(observations.Observation("x", whole, {"carried": []}), checkout / RESULTS)
    few = {"clips": {"keys": ["C"]}, "a": {"keys": ["C"]}}
    observations.observe("x", lambda: few, recompute=True, output="few", limit=1)
    assert observations.compare_observations(checkout / RESULTS, checkout / "few") == []
    observations.observe("x", lambda: few | {"a": {"keys": ["G"]}}, recompute=True, output="few", limit=1)
    (line,) = observations.compare_observations(checkout / RESULTS, checkout / "few")
    assert line == "x: a / keys / 0: record C, computed here G"


def test_a_smaller_run_never_replaces_the_shipped_record(checkout):
    observations.observe("x", lambda: {"a": {"keys": ["C", "F"]}}, recompute=True)
    before = observations.observation_path(checkout / RESULTS, "x").read_bytes()
    observations.observe("x", lambda: {"a": {"keys": ["C"]}}, recompute=True, limit=1)
    with pytest.raises(ParameterError, match="holds the shipped record, and limit=1"):
        observations.observe("x", lambda: {"a": {"keys": ["C"]}}, recompute=True, output=RESULTS, limit=1)
    assert observations.observation_path(checkout / RESULTS, "x").read_bytes() == before


def test_the_clips_are_clean_and_balanced():
    clips = robustness.test_clips()
    assert len(clips) == robustness.CLIPS
    assert {clip.level for clip in clips} == {"full"}
    kinds = [(clip.source, clip.key.mode) for clip in clips if clip.key]
    assert len(set(kinds)) == 4 and len({kinds.count(kind) for kind in kinds}) == 1


@pytest.mark.parametrize(
    ("limit", "clips"), [(0, robustness.CLIPS), (1, 1), (60, 2), (10_000, robustness.CLIPS)]
)
def test_a_limit_counts_sounds_and_leaves_one_clip_at_least(limit, clips):
    assert len(robustness.test_clips(limit)) == clips


def made_up(answers: dict[str, str]) -> dict[str, dict[str, list[str]]]:
    """Entries of one template for four clips in C major: what it says clean, and where that differs."""
    said = {name: [answers.get(name, "C major")] * 4 for name in CONDITIONS}
    return {"clips": {"keys": ["C major"] * 4, "ids": list("abcd")}, "krumhansl": {**said}}


def test_a_fifth_costs_half_the_points_and_only_where_the_effect_is():
    entries = made_up({"noise -10": "G major"})
    curve = robustness.score_curve(entries, "krumhansl", "noise", "mirex")
    assert [point.value for point in curve] == [100, 100, 100, 50]
    assert [p.value for p in robustness.score_curve(entries, "krumhansl", "reverb", "mirex")] == [100] * 4
    change = robustness.score_change(entries, "krumhansl", "noise", -10.0, "mirex")
    assert (change.value, change.low, change.high) == (-50, -50, -50)
    assert "-50.0" in evidence.changes_table(entries, "mirex", "MIREX")


def test_a_system_of_signatures_has_no_mirex_and_has_ksea():
    entries = made_up({}) | {"released-stone12": {name: ["G"] * 4 for name in CONDITIONS}}
    assert robustness.systems_of(entries, "mirex") == ["krumhansl"]
    assert "STONE" not in evidence.changes_table(entries, "mirex", "MIREX")
    assert "STONE" in evidence.changes_table(entries, "ksea", "KSEA")
    assert "STONE as released: 50 % clean" in effect_drawing(entries, "reverb", "ksea", "KSEA").description


def test_a_figure_says_what_is_to_be_seen():
    drawing = effect_drawing(made_up({"noise -10": "G major"}), "noise", "mirex", "MIREX")
    assert "100 % clean, 50 % at -10" in drawing.description
    titles = [each.title for each in effect_drawings(shipped(robustness.NAME).entries, "ksea", "KSEA")]
    assert len(titles) == len(set(titles)) == 1 + len(EFFECTS)


def test_the_clip_to_hear_is_the_one_that_loses_most():
    entries = made_up({})
    entries["krumhansl"]["noise -10"] = ["C major", "C major", "F minor", "C major"]
    assert evidence.telling_clip(entries) == 2


def answered(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"confidence": confidence, "right": right})


def test_an_oracle_of_its_own_errors_gains_by_withholding():
    answers = answered(np.array([0.9, 0.8, 0.3, 0.2]), np.array([True, True, False, False]))
    assert reliability.accuracy_at(answers, 1.0).value == 0.5
    assert reliability.accuracy_at(answers, 0.5).value == 1.0
    coverage, right = reliability.withheld_below(answers, 0.5)
    assert coverage == 0.5 and right is not None and right.value == 1.0
    assert reliability.withheld_below(answers, 0.95) == (0.0, None)


def test_classes_hold_every_answer_once():
    answers = answered(np.linspace(0, 1, 50), np.arange(50) % 2 == 0)
    found = reliability.classes(answers)
    assert found["count"].sum() == 50 and len(found) == 10
    assert ((found.low <= found.value) & (found.value <= found.high)).all()


def test_the_interval_of_the_calibration_error_holds_it_for_a_biased_system():
    rng = np.random.default_rng(1)
    answers = answered(np.full(200, 0.9), rng.random(200) < 0.5)
    error = reliability.error_interval(answers)
    assert error.low < error.value < error.high and error.value > 0.25


def test_carried_answers_of_a_smaller_run_are_cut_to_its_clips():
    longer = {"keys": ["C major", "G major"], "confidence": [0.9, 0.1]}
    answers = reliability.judged({"clips": {"keys": ["C major"]}, "skey": longer}, "skey")
    assert len(answers) == 1 and answers.right.all()


def test_both_figures_of_confidence_say_what_is_to_be_seen():
    answers = answered(np.array([0.9, 0.8, 0.3, 0.2]), np.array([True, True, False, False]))
    drawn = coverage_drawing({"krumhansl": answers}, "t").description
    assert "50 % right with all answers, 100 % with half of them" in drawn
    assert "1 answers at 90 %, 100 % of them right" in reliability_drawing("krumhansl", answers).description


def votes(*rows: tuple[Key, ...]) -> pd.DataFrame:
    """Three systems and the constant on as many tracks as rows, all in C major."""
    columns = list(zip(*rows, strict=True))
    answers = dict(zip(("krumhansl", "supervised", "released-skey"), columns, strict=True))
    constant = {"always-c-major": (F,) * len(rows), "feature-engineering": (0,) * len(rows)}
    return answers_to({**constant, **answers}, (C,) * len(rows))


def test_the_constant_and_signatures_have_no_vote():
    assert list(disagreement.voters(votes((C, G, AM)))) == ["krumhansl", "supervised", "released-skey"]


def test_the_clips_to_hear_are_those_with_the_most_different_answers():
    table = votes((C, C, C), (C, G, AM), (C, C, G))
    assert disagreement.different_answers(table) == [1, 3, 2]
    assert disagreement.disagreed_rows(table, 2) == [1, 2]
    assert disagreement.unanimity(table).to_numpy().tolist() == [[1, 1, 1]] * 3


def test_systems_agree_where_they_name_the_same_key():
    rows = evidence.agreement_table(votes((C, C, C), (C, G, AM))).splitlines()[2:]
    assert "**100**" in rows[0] and "| 50 | **50** |" in rows[1]


def test_seven_right_answers_in_ten_of_which_each_claims_certainty_are_wrong_by_the_rest():
    right = np.arange(10) < 7
    assert reliability.expected_error(np.full(10, 0.99), right) == pytest.approx(0.29, abs=1e-3)
    assert reliability.expected_error(np.full(10, 0.7), right) < 0.01
