"""Plans of clips: balanced, reproducible, without leaks; and how a clip comes to sound."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from skey.corpus.pieces import index_row
from skey.corpus.plan import Clip, PlanError, arrangements, plan_clips, render_clip


def kinds(clips: tuple[Clip, ...]) -> Counter[tuple[str, str, str]]:
    """How many clips there are of each source, mode and level."""
    return Counter((clip.source, clip.key.mode if clip.key else "none", clip.level) for clip in clips)


def test_the_test_split_is_240_pieces_of_eight_kinds_and_its_first_clips_are_balanced_too():
    clips = plan_clips("test")
    assert len(clips) == 240 == len({clip.piece_id for clip in clips}) == len({clip.group for clip in clips})
    every = set(product(("chorales", "tunes"), ("major", "minor"), ("full", "hard")))
    for number in (8, 48, 96, 240):
        plan = plan_clips("test", number)
        assert plan == clips[:number] and kinds(plan) == dict.fromkeys(every, number // 8)


def test_training_clips_are_half_minor_and_share_no_melody_with_the_test():
    clips = plan_clips("train")
    assert len(clips) == 2000 == len({clip.id for clip in clips})
    assert set(kinds(clips).values()) == {250} and len({clip.key for clip in clips}) == 24
    assert not {clip.group for clip in clips} & {clip.group for clip in plan_clips("test")}
    again = Counter(clip.piece_id for clip in clips if clip.key and clip.key.mode == "minor")
    assert max(again.values()) > 1


def test_unlabelled_clips_have_no_key_and_two_places_of_a_piece():
    clips = plan_clips("unlabelled", 400)
    assert all(clip.key is None and clip.split == "unlabelled" for clip in clips)
    assert all(len(clip.places) == 2 and 0.05 <= clip.places[1] - clip.places[0] <= 0.2 for clip in clips)


def test_another_seed_gives_other_arrangements_of_the_same_pieces():
    first, other = plan_clips("test", 16), plan_clips("test", 16, seed=1)
    assert [clip.piece_id for clip in first] == [clip.piece_id for clip in other]
    assert not {clip.id for clip in first} & {clip.id for clip in other}
    assert [clip.key for clip in first] != [clip.key for clip in other]


@pytest.mark.parametrize(("split", "clips"), [("test", 241), ("test", 0), ("train", -1)])
def test_impossible_sizes_are_refused(split, clips):
    with pytest.raises(PlanError, match="can be planned"):
        plan_clips(split, clips)  # type: ignore[arg-type]


def test_the_key_of_a_clip_is_that_of_its_piece_transposed_like_its_notes():
    for clip in plan_clips("test", 8):
        (arrangement,) = arrangements(clip)
        key = index_row(clip.piece_id).key
        assert key is not None and clip.key == key.transposed(arrangement.transposition)


def test_the_two_stretches_of_an_unlabelled_clip_are_other_notes_by_the_same_players():
    for clip in plan_clips("unlabelled", 2):
        first, second = arrangements(clip)
        assert first.notes.tobytes() != second.notes.tobytes()
        assert first.programs == second.programs and first.transposition == second.transposition
        assert (first.tempo, first.tuning_cents) == (second.tempo, second.tuning_cents)


@pytest.mark.parametrize(
    "clip", [plan_clips("test", 2)[1], *plan_clips("unlabelled", 1)], ids=lambda clip: clip.split
)
def test_a_clip_is_thirty_seconds_with_its_peak_at_one(clip):
    wave = render_clip(clip)
    assert wave.shape == (661_500,) and wave.dtype == np.float32
    assert np.abs(wave).max() == pytest.approx(1.0, abs=1e-6)
    seconds = np.abs(wave).reshape(30, -1).max(axis=1)
    assert (seconds > 0.01).all()
