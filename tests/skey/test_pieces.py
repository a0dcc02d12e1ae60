"""The pieces of the open corpus: keys, groups, splits and notes."""

from collections import Counter

import numpy as np
import pytest

from skey.corpus import pieces
from skey.corpus.pieces import NOTE, parse_abc, score_bars, score_notes
from skey.keys import Key

INDEX = pieces.read_index()

SCALE = """X:1
T:A Scale
M:4/4
L:1/4
K:D
A|D2 (3EFG|A2-A2:|
D|{E}D4|B,/C/D z2|"G"[DF]4|]
"""


def test_pickup_ties_triplets_and_graces_are_read_as_they_sound():
    score = parse_abc(SCALE)
    notes = score_notes(score)
    assert notes.dtype == NOTE
    assert notes["pitch"][:6].tolist() == [69, 62, 64, 66, 67, 69]
    assert notes["onset"][:6] == pytest.approx([0, 1, 3, 3 + 2 / 3, 3 + 4 / 3, 5], abs=1e-4)
    assert notes["duration"][5] == 4.0


def test_the_two_halves_of_a_bar_cut_by_a_repeat_are_one_bar():
    bars, usual = score_bars(parse_abc("X:1\nM:2/4\nL:1/8\nK:G\nG|GABc|d2B:|\nd|dcBA|G4|GABc|G3|]\n"))
    assert usual == 2.0
    assert bars.tolist() == [0.0, 0.5, 2.5, 4.5, 6.5, 8.5, 10.5]


def test_versions_of_one_melody_never_straddle_splits():
    assert len({(row.group, row.split) for row in INDEX}) == len({row.group for row in INDEX})
    test_groups = Counter(row.group for row in INDEX if row.split == "test")
    assert set(test_groups.values()) == {1}


def test_polyphony_has_no_key_and_everything_else_has_one():
    assert all((row.key is None) == (row.source == "polyphony") for row in INDEX)
    assert {pieces.school_of(row.id) for row in INDEX if row.source == "polyphony"} == set(pieces.SCHOOLS)
    assert len({row.id for row in INDEX}) == len(INDEX)


def test_a_loaded_piece_has_its_bars_its_key_and_its_notes():
    piece = pieces.load_piece("chorales/bwv269")
    assert piece.key == Key(7, "major") and piece.beats_per_bar == 3.0
    assert len(np.unique(piece.notes["part"])) == 4
    assert np.all(np.diff(piece.notes["onset"]) >= 0) and piece.quarters > 40


def test_other_notes_than_the_index_has_are_refused(monkeypatch):
    parsed = pieces.parse_piece("chorales/bwv269")
    parsed.notes["pitch"][0] += 1
    monkeypatch.setattr(pieces, "parse_piece", lambda piece_id: parsed)
    with pytest.raises(pieces.NotesChanged, match=r"requirements\.lock"):
        pieces.load_piece("chorales/bwv269")


@pytest.mark.parametrize(
    "piece_id", ["chorales/bwv9999", "tunes/oneills1850/0001-0050/999", "songs/yesterday"]
)
def test_an_unknown_piece_is_a_typed_error(piece_id):
    with pytest.raises(pieces.UnknownPiece, match=piece_id.split("/")[-1]):
        pieces.load_piece(piece_id)
    with pytest.raises(pieces.UnknownPiece):
        pieces.parse_piece(piece_id)
