"""Which clips a split has, and how each of them comes to sound.

A plan is a pure function of the index and a seed. The kinds of music come in turn: its first N clips are
balanced too.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from skey.audio import SAMPLE_RATE
from skey.corpus.arrangement import CLIP_SECONDS, Arrangement, arrange, draw_transposition, generator
from skey.corpus.degradation import Level, degrade, normalise_peak
from skey.corpus.pieces import IndexRow, Source, Split, index_row, load_piece, read_index, school_of
from skey.corpus.songs import compose, song_key
from skey.corpus.soundfont import soundfont
from skey.errors import SkeyError
from skey.keys import CIRCLE_OF_FIFTHS, Key
from skey.shapes import Float32

TRAINING_CLIPS = 2000
"""Clips of a training split, unless told otherwise."""

CLIP_SAMPLES = int(CLIP_SECONDS * SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class Clip:
    """Thirty seconds of one arrangement of a piece; ``key`` is that of the sound, after transposition.

    ``places`` says from which places of the piece (0 its beginning, 1 the latest possible) the stretches come
    that share the thirty seconds: one, or two without a label.
    """

    id: str
    piece_id: str
    source: Source
    group: str
    split: Split
    level: Level
    key: Key | None
    seed_text: str
    places: tuple[float, ...]


class PlanError(SkeyError, ValueError):
    """A plan of that size cannot be made."""


def plan_clips(split: Split, clips: int | None = None, seed: int = 0) -> tuple[Clip, ...]:
    """The clips of a split, in order.

    By default these are each of the 240 test pieces once, and 2,000 of the others, whose pieces come again in
    other arrangements. Labelled clips alternate between sources, modes and levels; unlabelled ones between
    schools of polyphony and levels. Raises ``PlanError`` for fewer than one clip, or more than test pieces.
    """
    rows = [row for row in read_index() if row.split == split]
    wanted = clips if clips is not None else len(rows) if split == "test" else TRAINING_CLIPS
    if wanted < 1 or (split == "test" and wanted > len(rows)):
        limit = f"between 1 and {len(rows)}" if split == "test" else "at least 1"
        raise PlanError(f"{wanted} clips of the {split} split: {limit} can be planned")
    return tuple(clip_of(row, number, level, seed) for row, number, level in islice(_deal(rows), wanted))


def _deal(rows: Sequence[IndexRow]) -> Iterator[tuple[IndexRow, int, Level]]:
    """Endless pieces, with the number of the arrangement and the level: the kinds in turn, levels in turn."""
    kinds: dict[tuple[str, str], list[IndexRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: generator(row.id, "order").random()):
        # What is balanced: source and mode, or the school where there is no mode.
        kinds[row.source, row.key.mode if row.key else school_of(row.id)].append(row)
    decks = [(len(pieces), enumerate(cycle(pieces))) for _, pieces in sorted(kinds.items())]
    for turn in count():
        for place, (pieces, deck) in enumerate(decks):
            number, row = next(deck)
            yield row, number // pieces, "hard" if (turn + place // 2) % 2 else "full"


def clip_of(row: IndexRow, number: int, level: Level, seed: int) -> Clip:
    """One clip of a piece, key and places drawn; ``number`` counts the piece's arrangements from 0."""
    seed_text = f"{row.id}|{number}|{seed}"
    key = row.key.transposed(draw_transposition(seed_text)) if row.key else None
    clip_id = f"{row.id}#{number}-{seed}-{level}"
    places = _places(seed_text, labelled=row.key is not None)
    return Clip(clip_id, row.id, row.source, row.group, row.split, level, key, seed_text, places)


def _places(seed_text: str, labelled: bool) -> tuple[float, ...]:
    """Where a clip begins: a labelled one holds the beginning or the end of its piece, as those have its key.

    An unlabelled one has two stretches, far enough apart for new notes and near enough for one movement.
    """
    rng = generator(seed_text, "place")
    if labelled:
        return (float(rng.integers(2)),)
    distance = rng.uniform(0.05, 0.2)
    first = rng.uniform(0.0, 1.0 - distance)
    return tuple(round(place, 6) for place in (first, first + distance))


SONG_LEVELS: tuple[Level, ...] = ("full", "full", "hard")
"""Levels of songs in turn: popular music is more often clean than not."""


def plan_songs(clips: int, seed: int = 0) -> tuple[Clip, ...]:
    """Songs of :mod:`skey.corpus.songs`, for training alone; each is a piece and a group of its own."""
    return tuple(
        Clip(name, name, "songs", name, "train", SONG_LEVELS[number % 3], song_key(name), name, (0.0,))
        for number, name in ((number, f"songs/{number}-{seed}") for number in range(clips))
    )


def arrangements(clip: Clip) -> tuple[Arrangement, ...]:
    """The arrangements whose sound, one after the other, makes the clip; raises as ``load_piece`` does."""
    if clip.source == "songs":
        return (compose(clip.seed_text, clip.level, CLIP_SECONDS),)
    piece = _remembered_piece(clip.piece_id)
    seconds = CLIP_SECONDS / len(clip.places)
    return tuple(arrange(piece, clip.level, clip.seed_text, place, seconds) for place in clip.places)


# A quartet takes seconds to parse, and other clips of this process will ask for it again.
_remembered_piece = lru_cache(maxsize=256)(load_piece)


def render_clip(clip: Clip, font: Path | None = None) -> Float32[np.ndarray, "661500"]:
    """A clip's sound: 30 s mono at 22,050 Hz, peak 1; by another SoundFont, or ``SoundFontError``."""
    sampler, seconds = soundfont(font), CLIP_SECONDS / len(clip.places)
    waves = [
        normalise_peak(sampler.render(part.notes, part.programs, seconds, part.tuning_cents))
        for part in arrangements(clip)
    ]
    return degrade(np.concatenate(waves)[:CLIP_SAMPLES], clip.level, degradation_generator(clip))


def degradation_generator(clip: Clip) -> np.random.Generator:
    """The source of the draws of a clip's degradation, at their beginning."""
    return generator(clip.seed_text, f"degradation {clip.level}")


def labels_and_notes_digest(clips: Sequence[Clip]) -> str:
    """Sixteen hexadecimal digits over labels, splits and notes of planned clips, the same everywhere."""
    lines = [
        "\t".join(
            [
                *(clip.id, clip.piece_id, clip.source, clip.group, clip.split, clip.level, str(clip.key)),
                index_row(clip.piece_id).notes_sha,
            ]
        )
        for clip in clips
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def describe(clips: Sequence[Clip]) -> dict[str, Any]:
    """Count clips by source, level and mode, by key along the circle of fifths, pieces and groups."""
    keys = Counter(str(clip.key or "unknown") for clip in clips)
    circle = [*map(str, CIRCLE_OF_FIFTHS), "unknown"]
    return {
        "clips": len(clips),
        "pieces": len({clip.piece_id for clip in clips}),
        "groups": len({clip.group for clip in clips}),
        "labels_and_notes": labels_and_notes_digest(clips),
        "kinds": dict(sorted(Counter(_kind(clip) for clip in clips).items())),
        "keys": {key: keys[key] for key in circle if keys[key]},
    }


def description_lines(split: str, counts: Mapping[str, Any]) -> list[str]:
    """What ``describe`` returned, for people: a table of kinds, then one of keys."""
    head = f"{split}: {counts['clips']} clips of {counts['pieces']} pieces in {counts['groups']} groups"
    tables = [
        [f"  {name:<28}{number:>6}" for name, number in counts[table].items()] for table in ("kinds", "keys")
    ]
    digest = f"labels and notes: {counts['labels_and_notes']}"
    return [head, "source, level, mode", *tables[0], "key, round the circle of fifths", *tables[1], digest]


def _kind(clip: Clip) -> str:
    return f"{clip.source} {clip.level} {clip.key.mode if clip.key else 'unknown'}"
