"""Degradation, confidence, disagreement: one effect at a time, honest confidence, clips chosen by a rule."""

import re
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up import answers_to, functions_of

from companion import observations
from companion.parameters import ParameterError, checked
from companion.record import RESULTS
from companion.scores import Answer
from companion.studies import disagreement, reliability, robustness
from companion.studies.robustness import CONDITIONS
from skey.keys import Key, parse_key

CONFIDENCE = functions_of(reliability.NAME)
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
    with pytest.raises(ParameterError, match="shipped record, and dataset=open-corpus, limit=1, seed=0 is"):
        observations.observe("x", lambda: {"a": {"keys": ["C"]}}, recompute=True, output=RESULTS, limit=1)
    assert observations.observation_path(checkout / RESULTS, "x").read_bytes() == before


look = partial(observations.observe, reliability.NAME, dict)


@pytest.mark.parametrize(
    ("refuses", "asked", "said"),
    [
        (look, {"limit": -3, "recompute": True}, "limit=-3: expected 0"),
        (look, {"output": "new"}, "output='new': nothing is written without `-p recompute True`"),
        (look, {"limit": 24}, "limit=24: the record is shown whole; a limit needs `-p recompute True`"),
        (checked, {"limit": "many"}, "limit='many': expected a value of type int"),
        (checked, {"recompute": "perhaps"}, "recompute='perhaps': expected a value of type bool"),
    ],
)
def test_values_without_meaning_are_refused(refuses, asked, said):
    with pytest.raises(ParameterError, match=re.escape(said)):
        refuses(**asked)


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


def degradation(clean: dict[str, Answer], **noisy: Answer) -> dict[str, Any]:
    """The functions of the notebook with what systems say to four clips in C major, clean and noisy."""
    said = {(system, name): [answer] * 4 for system, answer in clean.items() for name in CONDITIONS}
    said |= {(system, "noise -10"): [answer] * 4 for system, answer in noisy.items()}
    notebook = functions_of(robustness.NAME)
    notebook |= {"keys": [C] * 4, "asked": list(clean), "answers": said}
    return notebook


def test_a_fifth_costs_half_the_points_and_only_where_the_effect_is():
    points = degradation({"krumhansl": C}, krumhansl=G)["points_of"]("mirex")
    half = (points.effect == "noise") & (points.strength == "-10")
    assert half.sum() == 4 and (points.mirex[half] == 50).all() and (points.mirex[~half] == 100).all()


def test_a_system_of_signatures_has_no_mirex_and_has_ksea():
    notebook = degradation({"krumhansl": C, "released-stone12": G.signature})
    assert notebook["scored"]("mirex") == ["krumhansl"]
    assert notebook["scored"]("ksea") == ["krumhansl", "released-stone12"]
    points = notebook["points_of"]("ksea")
    assert (points.ksea[points.system == "released-stone12"] == 50).all()


def test_an_oracle_of_its_own_errors_gains_by_withholding():
    answers = pd.DataFrame({"confidence": [0.9, 0.8, 0.3, 0.2], "right": [True, True, False, False]})
    assert CONFIDENCE["accuracy_at"](answers, 1.0).value == 0.5
    assert CONFIDENCE["accuracy_at"](answers, 0.5).value == 1.0


def test_the_interval_of_the_calibration_error_holds_it_for_a_biased_system():
    rng = np.random.default_rng(1)
    answers = pd.DataFrame({"confidence": np.full(200, 0.9), "right": rng.random(200) < 0.5})
    error = CONFIDENCE["error_interval"](answers)
    assert error.low < error.value < error.high and error.value > 0.25


def test_carried_answers_of_a_smaller_run_are_cut_to_its_clips():
    longer = {"keys": ["C major", "G major"], "confidence": [0.9, 0.1]}
    answers = reliability.judged({"clips": {"keys": ["C major"]}, "skey": longer}, "skey")
    assert len(answers) == 1 and answers.right.all()


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
    assert disagreement.disagreed_rows(table) == [1, 2, 0]


def test_seven_right_answers_in_ten_of_which_each_claims_certainty_are_wrong_by_the_rest():
    right = np.arange(10) < 7
    assert CONFIDENCE["expected_error"](np.full(10, 0.99), right) == pytest.approx(0.29, abs=1e-3)
    assert CONFIDENCE["expected_error"](np.full(10, 0.7), right) < 0.01
