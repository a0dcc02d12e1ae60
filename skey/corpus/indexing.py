"""Make the index of the corpus anew: examine every candidate, group versions of a melody, draw the splits."""

import csv
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from skey.corpus import chorales, groups, polyphony, tunes
from skey.corpus.sources import (
    COLUMNS,
    INDEX,
    IndexRow,
    ParsedScore,
    Source,
    Split,
    notes_hash,
    parse_piece,
    read_index,
)
from skey.keys import Key

TEST_PIECES = 60
"""Test pieces of each mode from each labelled source, each from a group of its own."""

LEAST_BARS = 8
"""A tune has at least so many bars."""

LEAST_QUARTERS = 120.0
"""Polyphony is at least so long: two stretches of fifteen seconds and something between."""

Progress = Callable[[int, int], None]
"""Told how many candidates are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A piece that is good enough, what it is grouped by (incipit, phrases, title), the hash of its notes."""

    id: str
    source: Source
    key: Key | None
    incipit: tuple[int, ...]
    phrases: frozenset[tuple[int, ...]]
    title: str
    notes_sha: str


def build_index(path: Path = INDEX, jobs: int = 1, progress: Progress | None = None) -> tuple[IndexRow, ...]:
    """Examine every candidate in ``jobs`` processes, write the index to ``path`` and return it.

    About a quarter of an hour on one core. The result does not depend on ``jobs``.
    """
    ids = [*chorales.chorale_ids(), *tunes.tune_ids(), *polyphony.polyphony_ids()]
    candidates = [found for found in _examine_all(ids, jobs, progress) if found is not None]
    write_index(draw_splits(group_rows(candidates)), path)
    read_index.cache_clear()
    return read_index(path)


def _examine_all(ids: Sequence[str], jobs: int, progress: Progress | None) -> Iterator[Candidate | None]:
    """Examine pieces, in their order."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done, found in enumerate(pool.map(examine, ids, chunksize=16), start=1):
            if progress is not None:
                progress(done, len(ids))
            yield found


def examine(piece_id: str) -> Candidate | None:
    """Parse one piece and judge it: None where music21 cannot read it, or the key is not trustworthy."""
    if piece_id.startswith("tunes/") and tunes.stated_key(tunes.tune_text(piece_id)) is None:
        return None
    try:
        parsed = parse_piece(piece_id)
    except Exception:  # music21's parsers raise whatever they stumble over; such a piece is not used
        return None
    if not len(parsed.notes):
        return None
    judge = {"chorales": _chorale, "tunes": _tune, "polyphony": _polyphony}
    return judge[piece_id.partition("/")[0]](piece_id, parsed)


def _chorale(piece_id: str, parsed: ParsedScore) -> Candidate | None:
    """A chorale whose encoding confirms the experts' key."""
    bwv = piece_id.removeprefix("chorales/bwv")
    key = chorales.agreed_key(bwv, parsed.notes, parsed.signature)
    if key is None:
        return None
    incipit, phrases = groups.melody_intervals(parsed.notes), groups.phrases(parsed.notes)
    return Candidate(piece_id, "chorales", key, incipit, phrases, "", notes_hash(parsed))


def _tune(piece_id: str, parsed: ParsedScore) -> Candidate | None:
    """A tune of eight bars or more that ends on the tonic of its ``K:`` field."""
    key = tunes.stated_key(tunes.tune_text(piece_id))
    if key is None or parsed.signature != key.signature or len(parsed.bars) < LEAST_BARS:
        return None
    if not tunes.ends_on_tonic(parsed.notes, key) or not tunes.scale_confirms(parsed.notes, key):
        return None
    points = groups.tune_incipit(parsed.notes, parsed.bars, parsed.beats_per_bar, key.tonic)
    incipit, phrases = tuple(points.tolist()), groups.phrases(parsed.notes)
    return Candidate(piece_id, "tunes", key, incipit, phrases, tunes.tune_title(piece_id), notes_hash(parsed))


def _polyphony(piece_id: str, parsed: ParsedScore) -> Candidate | None:
    """A long piece in several parts."""
    length = float(np.max(parsed.notes["onset"] + parsed.notes["duration"]))
    if length < LEAST_QUARTERS or len(np.unique(parsed.notes["part"])) < 2:
        return None
    return Candidate(piece_id, "polyphony", None, (), frozenset(), "", notes_hash(parsed))


def group_rows(candidates: Sequence[Candidate]) -> list[IndexRow]:
    """Rows of the index with their groups; labelled pieces train until the splits are drawn."""
    pairs = [*_pairs(candidates, "chorales"), *_pairs(candidates, "tunes")]
    leaders = groups.join(len(candidates), pairs)
    splits: dict[bool, Split] = {True: "train", False: "unlabelled"}
    return [
        IndexRow(c.id, c.source, candidates[leader].id, c.key, splits[c.key is not None], c.notes_sha)
        for c, leader in zip(candidates, leaders, strict=True)
    ]


def _pairs(candidates: Sequence[Candidate], source: Source) -> list[tuple[int, int]]:
    """Pairs of candidates of one source that are versions of one melody, as numbers among all candidates."""
    places = [number for number, candidate in enumerate(candidates) if candidate.source == source]
    chosen = [candidates[place] for place in places]
    if source == "chorales":
        pairs = groups.alike_melodies([candidate.incipit for candidate in chosen])
    else:
        incipits = np.array([candidate.incipit for candidate in chosen], dtype=np.int64)
        titles = [candidate.title for candidate in chosen]
        pairs = groups.alike_tunes(incipits.reshape(-1, groups.INCIPIT_POINTS)) + groups.same_titles(titles)
    pairs += groups.sharing_phrases([candidate.phrases for candidate in chosen])
    return [(places[i], places[j]) for i, j in pairs]


def draw_splits(rows: Sequence[IndexRow]) -> list[IndexRow]:
    """Sixty test pieces of each mode and source, one of each group; what else is in those groups is left out.

    Small groups come first, so that little is left out; among equals the checksum of the identifier decides.
    """
    sizes = Counter(row.group for row in rows)
    order = sorted(rows, key=lambda row: (sizes[row.group], zlib.crc32(f"{row.id}|test".encode())))
    test: dict[str, str] = {}
    filled: Counter[tuple[str, str]] = Counter()
    for row in order:
        cell = (row.source, row.key.mode) if row.key else None
        if cell and row.group not in test and filled[cell] < TEST_PIECES:
            test[row.group] = row.id
            filled[cell] += 1
    kept = [row for row in rows if test.get(row.group, row.id) == row.id]
    return [replace(row, split="test") if row.group in test else row for row in kept]


def write_index(rows: Sequence[IndexRow], path: Path) -> None:
    """Write the index as CSV, one piece a line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([row.id, row.source, row.group, row.key or "", row.split, row.notes_sha])
