"""The index of the corpus: which keys are trusted, which pieces are one melody, how the splits are drawn."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from companion import indexing
from skey.corpus import pieces
from skey.corpus.pieces import NOTE, parse_abc, score_bars, score_notes
from skey.keys import Key

INDEX = pieces.read_index()


def test_only_major_and_minor_are_keys_in_a_book_of_tunes():
    fields = {"K:G": "G major", "K:E Minor": "E minor", "K: Bm": "B minor", "K:Bb % comment": "Bb major"}
    for field, name in fields.items():
        assert str(indexing.stated_key(f"X:1\n{field}\nGAB|\n")) == name
    for field in ("K:Amix", "K:A Dorian", "K:Ador", "K:Hp", "K:EM", "K:Bphr", "K:G\nK:D"):
        assert indexing.stated_key(f"X:1\n{field}\nGAB|\n") is None


def test_a_mixolydian_tune_under_a_major_signature_is_no_major_tune():
    notes = score_notes(parse_abc("X:1\nM:4/4\nL:1/4\nK:D\nDF=cA|FD=cD|]\n"))
    assert not indexing.scale_confirms(notes, Key(2, "major"))
    assert indexing.scale_confirms(score_notes(parse_abc("X:1\nL:1/4\nK:D\nDFcd|\n")), Key(2, "major"))


@pytest.mark.parametrize(
    ("bwv", "pitches", "signature", "key"),
    [
        ("269", (71, 67, 62, 43), 7, Key(7, "major")),
        ("269", (71, 67, 62, 43), 2, None),
        ("269", (71, 67, 62, 50), 7, None),
        ("254", (69, 65, 57, 50), 0, Key(2, "minor")),
    ],
    ids=["as the experts say", "another signature", "the bass ends elsewhere", "the signature of dorian"],
)
def test_an_expert_key_needs_the_signature_and_the_bass_to_end_on_its_tonic(bwv, pitches, signature, key):
    notes = np.array([(0.0, 4.0, pitch, part) for part, pitch in enumerate(pitches)], dtype=NOTE)
    assert indexing.agreed_key(bwv, notes, signature) == key


def test_a_melody_is_recognised_in_any_key_and_with_other_ornaments():
    plain = "X:1\nM:4/4\nL:1/8\nK:G\nD|G2A2B2G2|c2B2A2G2|F2G2A2F2|G8|]\n"
    other = "X:1\nM:4/4\nL:1/8\nK:C\nG,|C2D2EDC2|F2E2D2{D}C2|B,2C2D2B,2|C8|]\n"
    incipits = []
    for text, tonic in ((plain, 7), (other, 0)):
        bars, usual = score_bars(parse_abc(text))
        incipits.append(indexing.tune_incipit(score_notes(parse_abc(text)), bars, usual, tonic))
    assert indexing.alike_tunes(np.stack(incipits)) == [(1, 0)]


def test_versions_of_versions_share_a_group():
    assert indexing.join(5, [(3, 1), (4, 3)]) == [0, 1, 2, 1, 1]
    assert indexing.same_titles(["fair maid", "reel", "reel", "fair maid"]) == [(3, 0)]


def test_an_index_made_by_two_processes_has_the_rows_of_the_committed_one(monkeypatch, tmp_path):
    sources = ("chorales", "tunes", "polyphony")
    every = {source: [row.id for row in INDEX if row.source == source] for source in sources}
    few = {source: ids[:: len(ids) // 2][:2] for source, ids in every.items()}
    monkeypatch.setattr(indexing, "chorale_ids", lambda: [*few["chorales"], "chorales/bwv115.6"])
    monkeypatch.setattr(indexing, "tune_ids", lambda: few["tunes"])
    monkeypatch.setattr(indexing, "polyphony_ids", lambda: few["polyphony"])
    made = indexing.build_index(tmp_path / "index.csv", 2)
    known = {row.id: row for row in INDEX}
    assert [row.id for row in made] == [piece for ids in few.values() for piece in ids]
    # Groups and splits depend on the company.
    of_the_piece = [replace(row, group="", split="train") for row in made]
    assert of_the_piece == [replace(known[row.id], group="", split="train") for row in made]


def test_splits_are_drawn_from_the_rows_alone():
    rows = [replace(row, split="train") if row.key else row for row in INDEX]
    assert indexing.draw_splits(rows) == [*INDEX]
    cells = Counter((row.source, row.key.mode) for row in INDEX if row.split == "test" and row.key)
    assert set(cells.values()) == {60}
