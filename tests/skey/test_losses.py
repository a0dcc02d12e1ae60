"""Each equation on profiles whose answer is known in closed form."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from skey.calibration import Calibration
from skey.keys import KEYS
from skey.losses import (
    LossSettings,
    Views,
    average_mode,
    cpsd_loss,
    cross_entropy,
    cross_entropy_loss,
    dft,
    distance,
    loss_terms,
    mode_loss,
    mode_profile,
    oracle,
    pseudo_label,
    pseudo_label_loss,
    signature_profile,
)

UNIFORM = torch.full((1, 12), 1 / 12)
OMEGAS = pytest.mark.parametrize("omega", [1, 7])


def one_hot(row: int) -> Tensor:
    return torch.eye(12)[row % 12][None]


def matrix(row: int, column: int) -> Tensor:
    y = torch.zeros(1, 12, 2)
    y[0, row % 12, column] = 1
    return y


def views(a: Tensor, b: Tensor, moved: Tensor, k: int = 0) -> Views:
    return Views(a, b, moved, torch.full((len(a),), k))


@OMEGAS
def test_the_spectrum_of_a_uniform_profile_is_zero_and_of_a_one_hot_profile_a_phase(omega):
    assert dft(UNIFORM, omega).abs().item() == pytest.approx(0, abs=1e-6)
    assert dft(one_hot(3), omega).angle().item() == pytest.approx(
        math.remainder(-2 * math.pi * omega * 3 / 12, 2 * math.pi), abs=1e-5
    )


@OMEGAS
@pytest.mark.parametrize("k", range(-12, 13))
def test_a_profile_moved_by_the_crop_has_no_distance(omega, k):
    # A crop larger by k moves the sound down by k semitones, so the row falls by k.
    assert distance(one_hot(5), one_hot(5 - k), k, omega).item() == pytest.approx(0, abs=1e-6)


@OMEGAS
def test_a_uniform_profile_is_half_away_from_everything(omega):
    assert distance(UNIFORM, one_hot(4), 3, omega).item() == pytest.approx(0.5, abs=1e-6)
    assert distance(UNIFORM, UNIFORM, 0, omega, half=False).item() == pytest.approx(1, abs=1e-6)


@OMEGAS
def test_a_mistake_costs_one_minus_a_cosine(omega):
    costs = [distance(one_hot(0), one_hot(q), 0, omega).item() for q in range(12)]
    expected = [1 - math.cos(2 * math.pi * omega * q / 12) for q in range(12)]
    assert costs == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("loss", "uniform"),
    [(cpsd_loss, 1.5), (partial(cpsd_loss, half=False), 3), (cross_entropy_loss, 3 * math.log(12))],
)
def test_three_consistent_views_cost_nothing_and_three_uniform_ones_a_known_price(loss, uniform):
    assert loss(views(one_hot(2), one_hot(2), one_hot(2 - 5), 5)).item() == pytest.approx(0, abs=1e-6)
    assert loss(views(UNIFORM, UNIFORM, UNIFORM, 5)).item() == pytest.approx(uniform, abs=1e-5)


def test_cross_entropy_of_a_certain_error_is_cut_at_100_and_of_what_is_no_number_is_none():
    assert cross_entropy(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])).item() == 100
    assert cross_entropy(one_hot(0), torch.full((1, 12), math.nan)).isnan().all()


def test_rows_and_columns_add_up():
    y = torch.rand(5, 24).softmax(1).reshape(5, 12, 2)
    assert torch.allclose(signature_profile(y).sum(1), torch.ones(5))
    assert torch.allclose(mode_profile(y), torch.stack([y[..., 0].sum(1), y[..., 1].sum(1)], 1))
    assert torch.equal(signature_profile(UNIFORM), UNIFORM)


def test_views_that_agree_on_the_mode_cost_nothing_and_undecided_ones_three_times_log_2():
    assert mode_loss(views(matrix(0, 1), matrix(4, 1), matrix(8, 1))).item() == 0
    undecided = torch.full((1, 12, 2), 1 / 24)
    for b in (undecided, matrix(0, 0)):  # an oracle in the place of B gives a finite loss
        assert mode_loss(views(undecided, b, undecided)).item() == pytest.approx(3 * math.log(2))


def test_views_that_all_say_half_major_have_no_gradient_of_the_mode_and_not_its_minimum():
    seen = [torch.full((1, 12, 2), 1 / 24, requires_grad=True) for _ in range(3)]
    loss = mode_loss(views(*seen)).sum()
    # Of a profile only what moves from one mode to the other counts: its sum stays one.
    assert [y.sum(1).diff().item() for y in torch.autograd.grad(loss, seen)] == pytest.approx([0, 0, 0])
    assert mode_loss(views(*3 * [matrix(0, 1)])).item() < loss.item()


@pytest.mark.parametrize(
    ("signature", "minor", "c", "row"), [(9, 0, 0, 0), (0, 1, 0, 3), (0, 0, 3, 0), (2, 1, 7, 10)]
)
def test_the_oracle_is_the_label_moved_by_the_crop(signature, minor, c, row):
    y = oracle(torch.tensor([signature]), torch.tensor([minor]), torch.tensor([c]))
    assert torch.equal(y, matrix(row, minor))


def tonic_and_relative(row: int, root: float, below: float, above: float) -> Tensor:
    u = torch.zeros(1, 12)
    u[0, row % 12], u[0, (row - 3) % 12], u[0, (row + 3) % 12] = root, below, above
    return u


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_labels_name_row_0_a_major_and_f_sharp_minor(key):
    label = oracle(torch.tensor([key.signature]), torch.tensor([int(key.mode == "minor")]), torch.tensor([0]))
    named = Calibration(outputs=24, major=9, minor=6).key_profile(label)  # as Figure 3 names the outputs
    assert KEYS[int(named.argmax())] == key


def test_the_pseudo_label_is_major_where_the_root_is_louder_than_its_relative_minor():
    major, minor = tonic_and_relative(4, 2, 1, 3), tonic_and_relative(4, 2, 3, 1)
    for shift in range(12):  # calibrated, it follows the rotation of the rows
        rotated = views(matrix(4 + shift, 0), matrix(4 + shift, 1), matrix(0, 0))
        for u, label in ((major, 1), (minor, 0)):
            assert pseudo_label(rotated, u, row_of_first_bin=shift).tolist() == [label]
            assert pseudo_label(rotated, u, sign=3, row_of_first_bin=shift).tolist() == [1 - label]


def test_a_pseudo_label_with_fifths_hears_two_notes_of_each_triad():
    agreed = views(matrix(4, 0), matrix(4, 1), matrix(0, 0))
    loud_rival = torch.zeros(1, 12)
    loud_rival[0, [4, 11, 1, 8]] = torch.tensor([2.0, 3.0, 3.0, 1.0])
    assert pseudo_label(agreed, loud_rival).tolist() == [0]
    assert pseudo_label(agreed, loud_rival, with_fifth=True).tolist() == [1]
    assert pseudo_label(agreed, loud_rival, sign=3, with_fifth=True).tolist() == [1]


def test_the_pseudo_label_has_no_gradient():
    y = torch.rand(2, 24, requires_grad=True)
    label = pseudo_label(views(*[y.softmax(1).reshape(2, 12, 2)] * 3), torch.rand(2, 12))
    assert not label.requires_grad


def test_a_right_pseudo_label_costs_nothing_in_all_three_views():
    three = views(matrix(0, 0), matrix(1, 0), matrix(2, 0))
    assert pseudo_label_loss(three, torch.tensor([1.0])).item() == 0
    assert pseudo_label_loss(three, torch.tensor([0.0])).item() == 300


def test_a_cross_entropy_that_forgets_the_crop_is_content_with_one_answer_for_all():
    stuck = views(one_hot(2), one_hot(2), one_hot(2), 5)
    assert cross_entropy_loss(stuck, rotated=False).item() == pytest.approx(0, abs=1e-6)
    assert cross_entropy_loss(stuck).item() > 100
    assert loss_terms(LossSettings(signature="invariance"), stuck)["signature"] == 0


def test_a_batch_that_is_half_major_costs_nothing_and_one_of_one_mode_a_quarter():
    half = torch.cat([matrix(0, 0), matrix(0, 1)])
    assert average_mode(views(half, half, half)).item() == 0
    assert average_mode(views(half, half.flip(0), half)).item() == 0
    major = torch.cat([matrix(0, 0)] * 2)
    assert average_mode(views(major, major, major)).item() == 0.25


ALL = [
    LossSettings(),
    LossSettings(omega=1, half=False),
    LossSettings(signature="cross-entropy"),
    LossSettings(signature="invariance"),
    LossSettings(mode="agreement"),
    LossSettings(mode="pseudo-label", mode_weight=1.5, average_weight=15.0),
    LossSettings(mode="pseudo-label", sign=3, calibrated=True),
]


@pytest.mark.parametrize("settings", ALL)
@pytest.mark.parametrize("corner", ["uniform", "one-hot", "wrong one-hot"])
def test_gradients_are_finite_in_the_corners(settings, corner):
    logits = torch.zeros(3, 2, 24, requires_grad=True)
    scale = torch.zeros(3, 2, 24)
    if corner != "uniform":
        scale[0, :, 0] = scale[1, :, 13 if corner == "wrong one-hot" else 0] = scale[2, :, 5] = 1e4
    three = [profile.reshape(2, 12, 2) for profile in (logits + scale).softmax(2)]
    terms = loss_terms(settings, views(*three, k=2), torch.rand(2, 12))
    sum(terms.values()).backward()
    assert all(value.isfinite() for value in terms.values())
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_the_weights_of_the_papers_multiply_their_terms():
    undecided = torch.full((4, 12, 2), 1 / 24)
    plain = loss_terms(LossSettings(mode="agreement"), views(*[undecided] * 3))
    heavy = loss_terms(LossSettings(mode="agreement", mode_weight=1.5), views(*[undecided] * 3))
    assert heavy["mode"].item() == pytest.approx(1.5 * plain["mode"].item())
    assert set(plain) == {"signature", "mode"}
    with pytest.raises(ValueError, match="chroma"):
        loss_terms(LossSettings(mode="pseudo-label"), views(*[undecided] * 3))


def test_the_mode_waits_and_another_comparison_may_open():
    late = LossSettings(mode="pseudo-label", average_weight=3.0, mode_from=0.35)
    sharp = replace(late, signature="cross-entropy", opening="cpsd")
    for settings in (late, sharp):
        before, after = settings.at(0.34), settings.at(0.35)
        assert (before.signature, before.mode, before.average_weight) == ("cpsd", "none", 0.0)
        assert after == settings
