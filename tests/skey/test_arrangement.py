"""Arrangements: harmony that fits, players in range, keys that move with the transposition."""

from collections import Counter
from functools import cache
from itertools import pairwise, product
from typing import get_args

import numpy as np
import pytest

from skey.corpus import accompaniment
from skey.corpus.accompaniment import harmonise
from skey.corpus.arrangement import BASS, ENSEMBLES, MELODY, RANGES, arrange, draw_transposition, in_range
from skey.corpus.arrangement import CHORDS as CHORD_PRESETS
from skey.corpus.degradation import Level
from skey.corpus.pieces import NOTE, Piece, load_piece, read_index
from skey.corpus.soundfont import DRUM_BANK, EVENT
from skey.inference.templates import correlations
from skey.keys import KEYS, Key

LEVELS: tuple[Level, ...] = get_args(Level)


@cache
def some(source: str, mode: str | None = None) -> list[Piece]:
    """Twelve training pieces spread over the index."""
    rows = [r for r in read_index() if r.source == source and r.split != "test"]
    rows = [r for r in rows if mode is None or (r.key and r.key.mode == mode)]
    return [load_piece(r.id) for r in rows[:: len(rows) // 12][:12]]


def melody(pitches: list[int]) -> np.ndarray:
    """A melody in quarters."""
    return np.array([(n, 1.0, pitch, 0) for n, pitch in enumerate(pitches)], dtype=NOTE)


def symbolic_key(notes: np.ndarray, programs: tuple[tuple[int, int], ...]) -> Key:
    """Krumhansl's key of the arranged notes, weighed by their durations."""
    sounding = notes[[programs[track][0] != DRUM_BANK for track in notes["track"]]]
    time = np.bincount(sounding["pitch"] % 12, sounding["duration"], 12)
    return KEYS[int(np.argmax(correlations(time.astype(np.float32))))]


@pytest.fixture(scope="module")
def pieces():
    return [
        *some("chorales")[::4],
        *some("tunes", "minor")[::4],
        *some("tunes", "major")[::4],
        load_piece(next(row.id for row in read_index() if row.source == "polyphony")),
    ]


def test_the_chord_of_a_bar_has_the_notes_of_its_broken_triad():
    bars = [[60, 64, 67, 64], [65, 69, 72, 69], [67, 71, 74, 71], [72, 67, 64, 60]]
    notes = melody([pitch for bar in bars for pitch in bar])
    for seed in range(5):
        chords = harmonise(notes, np.arange(0.0, 17.0, 4.0), 0, "major", np.random.default_rng(seed))
        assert all({p % 12 for p in bar} <= set(c.intervals) for bar, c in zip(bars, chords, strict=True))


@pytest.mark.parametrize("mode", ["major", "minor"])
def test_harmony_resolves_and_ends_on_the_tonic_without_underlining_it(mode):
    roots: Counter[int] = Counter()
    for piece, seed in product(some("tunes", mode), range(2)):
        edges = accompaniment.chord_edges(piece, 1)
        chords = harmonise(piece.notes, edges, piece.key.tonic, mode, np.random.default_rng(seed))
        assert chords[-1].root == 0 and len(chords) == len(edges) - 1
        broken = [a for a, b in pairwise(chords) if a.resolves_to not in (None, b.root)]
        assert len(broken) <= len(chords) // 8
        roots.update(chord.root for chord in chords)
    assert 0.1 < roots[0] / roots.total() < 0.45
    assert len([root for root, times in roots.items() if times > 0.05 * roots.total()]) >= 5


def test_compound_time_is_felt_in_dotted_beats():
    def piece(rhythm: list[float]) -> Piece:
        onsets = np.concatenate([np.array(rhythm) + 3 * bar for bar in range(8)])
        notes = np.array([(onset, 0.5, 60, 0) for onset in onsets], dtype=NOTE)
        return Piece("x", "tunes", "x", None, 3.0, notes, np.arange(0.0, 24.0, 3.0))

    assert accompaniment.pulse_of(piece([0.0, 1.0, 1.5, 2.5])) == 1.5
    assert accompaniment.pulse_of(piece([0.0, 1.0, 2.0])) == 1.0


def test_notes_fill_thirty_seconds_and_no_more(pieces):
    for piece in pieces:
        for place in (0.0, 0.5, 1.0):
            notes = arrange(piece, "full", "b|0|0", place).notes
            ends = notes["onset"] + notes["duration"]
            assert notes.dtype == EVENT and notes["onset"].min() >= 0.0 and ends.max() <= 31.0 + 1e-6
            sounding = [((notes["onset"] <= t) & (ends >= t)).any() for t in np.arange(1.0, 30.0, 0.5)]
            assert np.mean(sounding) > 0.85


def test_a_short_piece_is_repeated(pieces):
    piece = pieces[0]
    short = Piece(piece.id, "chorales", "x", piece.key, 4.0, piece.notes[:16], np.array([0.0, 4.0]))
    assert arrange(short, "full", "c|0|0").notes["onset"].max() > 25.0


def test_every_player_stays_where_the_instrument_is_in_tune(pieces):
    for number, piece in enumerate(pieces):
        arrangement = arrange(piece, "full", f"d|{number}|0")
        for track, (bank, preset) in enumerate(arrangement.programs):
            pitches = arrangement.notes["pitch"][arrangement.notes["track"] == track]
            low, high = (0, 127) if bank == DRUM_BANK else RANGES[preset]
            assert ((low <= pitches) & (pitches <= high)).all()


def test_octaves_bring_a_line_into_range_and_keep_its_pitch_classes():
    line = np.arange(20, 100)
    for preset in RANGES:
        moved = in_range(line, (0, preset))
        assert np.all((moved - line) % 12 == 0)
        assert moved.min() >= RANGES[preset][0] and moved.max() <= RANGES[preset][1]


def test_every_preset_that_is_played_is_known_to_be_in_tune():
    played = {*MELODY, *CHORD_PRESETS, *BASS, *(preset for group in ENSEMBLES for preset in group)}
    assert played == set(RANGES)


def test_all_twelve_transpositions_are_drawn_evenly():
    drawn = Counter(draw_transposition(f"piece {n}|0|0") for n in range(2400))
    assert sorted(drawn) == list(range(-5, 7)) and min(drawn.values()) > 140


def test_hard_arrangements_are_further_out_of_tune(pieces):
    cents = {
        level: [arrange(pieces[0], level, f"e|{n}|0").tuning_cents for n in range(60)] for level in LEVELS
    }
    assert 20 < np.max(np.abs(cents["hard"])) <= 40 and np.max(np.abs(cents["full"])) <= 8
    full, hard = (arrange(pieces[0], level, "e|0|0") for level in LEVELS)
    assert full.notes.tobytes() == hard.notes.tobytes()


@pytest.mark.parametrize("source", ["chorales", "tunes"])
def test_the_arranged_notes_speak_for_the_label(source):
    right, modes = [], [None] if source == "chorales" else ["major", "minor"]
    for number, piece in enumerate(piece for mode in modes for piece in some(source, mode)[::2]):
        assert piece.key is not None
        arrangement = arrange(piece, "full", f"f|{number}|0")
        heard = symbolic_key(arrangement.notes, arrangement.programs)
        right.append(heard == piece.key.transposed(arrangement.transposition))
    assert np.mean(right) >= 0.6
