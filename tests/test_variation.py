"""A room, an equaliser and noise for each segment: what they do to a log-VQT."""

import pytest
import torch

from skey.training.variation import BELS, FLOOR, Variation, draw_variation, vary
from skey.vqt import BINS

STEPS = 40
DECIBELS = 10 * BELS
"""What a unit of the log-VQT is."""


def quiet(items: int = 1, **amounts: torch.Tensor) -> Variation:
    """Nothing audible but what is given."""
    nothing = {
        "reverb_seconds": torch.full((items,), 1.0),
        "wet_db": torch.full((items,), -200.0),
        "gains_db": torch.zeros(items, 5),
        "snr_db": torch.full((items,), 200.0),
        "noise": torch.ones(items, BINS, STEPS),
    }
    return Variation(**{**nothing, **amounts})


def note(bin_: int = 40, until: int = STEPS // 2) -> torch.Tensor:
    """A note at full level over the floor."""
    segment = torch.full((1, BINS, STEPS), 1.1 - FLOOR)
    segment[:, bin_, :until] = 1.1
    return segment


def test_no_audible_variation_changes_nothing() -> None:
    assert torch.allclose(vary(note(), quiet(), 4), note(), atol=1e-5)


def test_a_room_keeps_a_note_that_has_ended_and_lets_it_fall_by_60_db_in_its_time() -> None:
    room = quiet(wet_db=torch.tensor([0.0]), reverb_seconds=torch.tensor([1.0]))
    heard = vary(note(), room, 4)[0, 40]
    seconds = 4 * 512 / 22_050
    falls = (heard[STEPS // 2 + 1 : STEPS // 2 + 8] - heard[STEPS // 2 : STEPS // 2 + 7]) * DECIBELS
    assert torch.allclose(falls, torch.full((7,), -60 * seconds), atol=0.05)


def test_an_equaliser_weighs_bins_along_a_line() -> None:
    flat = torch.full((1, BINS, STEPS), 1.0)
    heard = vary(flat, quiet(gains_db=torch.tensor([[-8.0, -4.0, 0.0, 4.0, 8.0]])), 4)
    decibels = (heard[0, :, 0] - heard[0, -1, 0]) * DECIBELS
    assert decibels[-1] == 0 and decibels[0].item() == pytest.approx(-16, abs=1e-3)
    assert decibels[(BINS - 1) // 2].item() == pytest.approx(-8, abs=1e-3)


def test_noise_lies_under_the_music_by_its_level() -> None:
    flat = torch.full((1, BINS, STEPS), 0.0)
    flat[:, 40] = 1.0
    heard = vary(flat, quiet(snr_db=torch.tensor([20.0])), 4)
    music = 10 * torch.log10(torch.tensor(1 / BINS)).item()
    assert ((heard[0, 10, 0] - heard[0, 40, 0]) * DECIBELS).item() == pytest.approx(music - 20, abs=0.05)


def test_loudest_bin_and_floor_stay_where_they_are() -> None:
    segments = 1.1 - torch.rand(6, BINS, STEPS, generator=torch.Generator().manual_seed(0))
    heard = vary(segments, draw_variation(6, STEPS, torch.Generator().manual_seed(1)), 4)
    assert torch.allclose(heard.amax((1, 2)), segments.amax((1, 2)), atol=1e-5)
    assert (heard >= segments.amax((1, 2), keepdim=True) - FLOOR - 1e-6).all() and heard.isfinite().all()


def test_variation_is_drawn_from_its_generator_alone_and_divides_into_parts() -> None:
    one, two = (draw_variation(4, STEPS, torch.Generator().manual_seed(2)) for _ in range(2))
    segments = torch.rand(4, BINS, STEPS)
    whole = vary(segments, one, 4)
    assert torch.equal(whole, vary(segments, two, 4))
    assert torch.allclose(vary(segments[2:], one.part(slice(2, 4)), 4), whole[2:])
    assert not torch.equal(one.noise[0], one.noise[1])
