"""Facts of the scores: the papers' own percentages, agreement with mir_eval, what intervals do."""

import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skey.keys import CIRCLE_OF_FIFTHS, KEYS, SIGNATURES_BY_FIFTHS, Key, parse_key
from skey.metrics import (
    MetricError,
    bootstrap_interval,
    confusion_matrix,
    count_relations,
    count_signatures,
    ksea,
    ksea_points,
    mirex_points,
    mirex_score,
    mode_points,
    paired_bootstrap,
    signature_confusion,
)

PAIRS = [(reference, estimate) for reference in KEYS for estimate in KEYS]
lists_of_pairs = st.lists(st.tuples(st.sampled_from(KEYS), st.none() | st.sampled_from(KEYS)), min_size=1)


def test_fifths_are_those_of_mir_eval_or_the_better_of_its_two_directions():
    references, estimates = zip(*PAIRS, strict=True)
    names = [(str(a), str(b)) for a, b in PAIRS]
    theirs = np.array([[mir_eval.key.weighted_score(*pair[::way]) for way in (1, -1)] for pair in names])
    np.testing.assert_array_equal(mirex_points(references, estimates, "ascending"), theirs[:, 0])
    np.testing.assert_array_equal(mirex_points(references, estimates), theirs.max(axis=1))


def test_f_major_for_c_major_is_half_right_in_the_papers_and_wrong_in_mir_eval():
    counts = count_relations([parse_key("C")], [parse_key("F")])
    assert counts.fifth == counts.fifth_down == 1
    assert mirex_score(counts) == 0.5 and mirex_score(counts, fifths="ascending") == 0.0


@given(lists_of_pairs, st.sampled_from(["both", "ascending"]))
def test_the_score_is_the_mean_of_the_points(pairs, fifths):
    references, estimates = [a for a, _ in pairs], [b for _, b in pairs]
    counts = count_relations(references, estimates)
    assert counts.total == len(pairs)
    assert mirex_score(counts, fifths) == pytest.approx(mirex_points(references, estimates, fifths).mean())


@given(lists_of_pairs)
def test_naming_no_key_scores_nothing(pairs):
    references = [reference for reference, _ in pairs]
    silent = [None] * len(pairs)
    assert count_relations(references, silent).other == len(pairs)
    assert not mode_points(references, silent).any() and not ksea_points([0] * len(pairs), silent).any()


@pytest.mark.parametrize("signature", range(12))
def test_a_signature_a_fifth_above_or_below_earns_half(signature):
    points = ksea_points([signature] * 12, [(signature + steps) % 12 for steps in range(12)])
    assert points.tolist() == [1, 0, 0, 0, 0, 0.5, 0, 0.5, 0, 0, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 11), st.none() | st.integers(0, 11)), min_size=1))
def test_ksea_is_the_mean_of_its_points(pairs):
    references, estimates = [a for a, _ in pairs], [b for _, b in pairs]
    counts = count_signatures(references, estimates)
    assert counts.total == len(pairs)
    assert ksea(counts) == pytest.approx(ksea_points(references, estimates).mean())


def test_the_mode_can_be_right_on_a_wrong_tonic():
    references = [parse_key(text) for text in ("C major", "A minor", "D minor", "E minor")]
    estimates = [parse_key(text) for text in ("F# major", "C major", "B minor", "E minor")]
    assert mode_points(references, estimates).tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("confused", "places"),
    [
        ([key.transposed(7) for key in KEYS], {2}),
        ([key.transposed(5) for key in KEYS], {22}),
        ([key.relative for key in KEYS], {1, 23}),
    ],
    ids=["fifths up", "fifths down", "relatives"],
)
def test_fifths_lie_two_places_from_the_diagonal_and_relatives_beside_it(confused, places):
    rows, columns = np.nonzero(confusion_matrix(KEYS, confused))
    assert len(rows) == 24 and set((columns - rows) % 24) == places


def test_a_track_without_an_estimate_is_in_no_cell():
    matrix = confusion_matrix([parse_key("C"), parse_key("C")], [None, parse_key("G")])
    assert matrix.sum() == 1 and matrix[0, 2] == 1


def test_both_relatives_share_the_column_of_their_signature():
    matrix = signature_confusion(CIRCLE_OF_FIFTHS, [key.signature for key in CIRCLE_OF_FIFTHS])
    np.testing.assert_array_equal(matrix, np.repeat(np.eye(12, dtype=int), 2, axis=0))
    assert SIGNATURES_BY_FIFTHS[1] == parse_key("G").signature


def test_the_interval_of_a_share_is_that_of_the_binomial():
    points = np.repeat([1.0, 0.0], [96, 144])
    interval = bootstrap_interval(points)
    half = 1.96 * np.sqrt(0.4 * 0.6 / 240)
    assert interval.value == 0.4
    assert (interval.low, interval.high) == pytest.approx((0.4 - half, 0.4 + half), abs=0.006)


def test_many_distinct_points_are_resampled_in_blocks_without_changing_the_spread():
    points = np.random.default_rng(0).normal(size=4000)
    interval = bootstrap_interval(points, resamples=1200)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 / np.sqrt(4000), rel=0.1)


def test_a_higher_level_gives_a_wider_interval():
    points = np.repeat([1.0, 0.5, 0.0], [50, 30, 20])
    narrow, wide = bootstrap_interval(points, level=0.5), bootstrap_interval(points, level=0.99)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_pairing_tells_apart_two_systems_whose_own_intervals_overlap():
    worse = np.repeat([1.0, 0.0], [100, 100])
    better = np.repeat([1.0, 0.0], [112, 88])
    difference = paired_bootstrap(better, worse)
    assert bootstrap_interval(worse).high > bootstrap_interval(better).low
    assert difference.value == pytest.approx(0.06) and difference.low > 0


@pytest.mark.parametrize("wrong", [{"level": 2}, {"level": 95}, {"level": float("nan")}, {"resamples": 0}])
def test_points_may_be_a_list_and_what_gives_no_interval_is_refused(unchecked, wrong):
    assert bootstrap_interval([1, 0, 1]) == bootstrap_interval(np.array([1.0, 0.0, 1.0]))
    assert paired_bootstrap([1, 0.5], [0, 0.5]).value == 0.5
    with pytest.raises(MetricError, match=r": expected one in 0\.\.1, and one at least"):
        bootstrap_interval([1, 0], **wrong)


@pytest.mark.parametrize("score", [count_relations, mode_points, confusion_matrix, mirex_points])
def test_one_estimate_a_reference_is_required(score):
    with pytest.raises(MetricError, match="2 references but 1 estimates: expected one a track"):
        score([KEYS[0], KEYS[1]], [KEYS[0]])
    with pytest.raises(MetricError, match="expected one a track"):
        paired_bootstrap(np.ones(3), np.ones(2))


@pytest.mark.parametrize(
    ("score", "nothing"),
    [
        (mirex_score, count_relations([], [])),
        (ksea, count_signatures([], [])),
        (bootstrap_interval, np.zeros(0)),
    ],
)
def test_no_tracks_have_no_score(score, nothing):
    with pytest.raises(MetricError, match="no tracks"):
        score(nothing)


@pytest.mark.parametrize("odd", [12, -1])
def test_a_number_that_is_no_pitch_class_is_no_key_signature(odd):
    for pair in (([odd], [0]), ([0], [odd])):
        with pytest.raises(MetricError, match=f"{odd} is no key signature"):
            ksea_points(*pair)


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (lambda: mirex_score(count_relations([KEYS[0]], [KEYS[5]]), "up"), "'up' says not which fifths"),
        (lambda: count_relations([KEYS[0]], ["C major"]), "'C major' is no key"),
        (lambda: mode_points([0], [KEYS[0]]), "0 is no key"),
        (lambda: ksea_points([None], [0]), "None is no key signature"),
        (lambda: parse_key(float("nan")), "nan is not a key"),
        (lambda: count_relations([None], [KEYS[0]]), "None is no key: "),
        (lambda: mirex_points([None], [KEYS[0]]), "None is no key: "),
        (lambda: mode_points([None], [None]), "None is no key: "),
        (lambda: confusion_matrix([KEYS[0]], ["C major"]), "'C major' is no key"),
        (lambda: confusion_matrix([None], [KEYS[0]]), "None is no key: "),
        (lambda: signature_confusion([None], [0]), "None is no key: "),
        (lambda: signature_confusion([KEYS[0]], [12]), "12 is no key signature"),
        (lambda: Key(3.0, "minor"), "expected a tonic in 0..11"),
    ],
)
def test_what_has_the_wrong_type_is_refused(unchecked, attempt, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        attempt()
