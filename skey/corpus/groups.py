"""Which pieces are versions of one melody, whatever their titles and keys.

The same tune stands in several books and the same chorale melody serves several chorales. Two pieces belong
together where their beginnings are alike up to transposition, where their melodies have many stretches in
common, or where two tunes share a title that is more than a dance.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float64, Int, Shaped

INCIPIT_NOTES = 11
"""Notes of a chorale melody that are compared, repeated notes counted once."""

INCIPIT_POINTS = 16
"""Points of a tune that are compared: the quarters of its first four full bars."""

ALIKE_POINTS = 12
"""Tunes are alike where so many of the points are."""

PHRASE_STEPS = 9
"""Steps of the stretches of melody that are compared."""

SHARED_PHRASES = 0.12
"""Melodies are alike that share so much of the shorter one's stretches, and at least three of them."""

COMMON_PHRASE = 40
"""A stretch that so many melodies have, such as a scale, says nothing."""


def tune_incipit(
    notes: Shaped[np.ndarray, " notes"], bars: Float64[np.ndarray, " bars"], usual: float, tonic: int
) -> Int[np.ndarray, " points"]:
    """The degrees (semitones above the tonic) that sound at each quarter of the first full bars."""
    first = 1 if len(bars) > 1 and bars[1] - bars[0] < usual - 1e-6 else 0
    points = bars[first] + np.arange(INCIPIT_POINTS) * usual / 4
    sounding = np.searchsorted(notes["onset"], points + 1e-6) - 1
    degrees: Int[np.ndarray, " points"] = (
        notes["pitch"][np.maximum(sounding, 0)].astype(np.int64) - tonic
    ) % 12
    return degrees


def melody_intervals(notes: Shaped[np.ndarray, " notes"]) -> tuple[int, ...]:
    """The first steps of the top part in semitones, without repeated notes and notes shorter than a beat."""
    top = notes[(notes["part"] == notes["part"].min()) & (notes["duration"] >= 1.0)]
    pitches = top["pitch"].astype(int)
    moving = pitches[np.append(True, np.diff(pitches) != 0)][:INCIPIT_NOTES]
    return tuple(int(step) for step in np.diff(moving))


def phrases(notes: Shaped[np.ndarray, " notes"]) -> frozenset[tuple[int, ...]]:
    """Every stretch of nine successive steps (semitones) in the top part."""
    steps = np.diff(notes["pitch"][notes["part"] == notes["part"].min()].astype(int)).tolist()
    return frozenset(tuple(steps[n : n + PHRASE_STEPS]) for n in range(len(steps) - PHRASE_STEPS + 1))


def sharing_phrases(melodies: Sequence[frozenset[tuple[int, ...]]]) -> list[tuple[int, int]]:
    """Pairs of melodies that have enough stretches in common."""
    bearers: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, melody in enumerate(melodies):
        for phrase in melody:
            bearers[phrase].append(number)
    few = (some for some in bearers.values() if len(some) <= COMMON_PHRASE)
    shared = Counter(pair for some in few for pair in combinations(some, 2))
    least = {pair: SHARED_PHRASES * min(len(melodies[n]) for n in pair) for pair in shared}
    return [pair for pair, count in shared.items() if count >= max(3.0, least[pair])]


def edit_distance(a: Sequence[int], b: Sequence[int]) -> int:
    """Levenshtein's distance between two sequences."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def alike_melodies(melodies: Sequence[tuple[int, ...]], furthest: int = 2) -> list[tuple[int, int]]:
    """Pairs of interval sequences at most ``furthest`` edits apart."""
    return [
        (i, j)
        for i, first in enumerate(melodies)
        for j in range(i)
        if edit_distance(first, melodies[j]) <= furthest
    ]


def alike_tunes(incipits: Int[np.ndarray, "tunes points"]) -> list[tuple[int, int]]:
    """Pairs of tunes that agree at ``ALIKE_POINTS`` points or more."""
    pairs = []
    for i, incipit in enumerate(incipits):
        alike: Bool[np.ndarray, " earlier"] = (incipits[:i] == incipit).sum(axis=1) >= ALIKE_POINTS
        pairs += [(i, int(j)) for j in np.flatnonzero(alike)]
    return pairs


def same_titles(titles: Sequence[str], commonest: int = 4) -> list[tuple[int, int]]:
    """Pairs with one title of two words or more, which at most ``commonest`` pieces bear."""
    bearers: dict[str, list[int]] = defaultdict(list)
    for number, title in enumerate(titles):
        if " " in title:
            bearers[title].append(number)
    return [(n, some[0]) for some in bearers.values() if len(some) <= commonest for n in some[1:]]


def join(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The first member of each item's group; the groups are the connected components of the pairs."""
    parent = list(range(count))
    for pair in pairs:
        first, second = (_root(parent, number) for number in pair)
        parent[max(first, second)] = min(first, second)
    return [_root(parent, number) for number in range(count)]


def _root(parent: list[int], number: int) -> int:
    """The first member of a number's group, with the path to it shortened."""
    while parent[number] != number:
        parent[number] = parent[parent[number]]
        number = parent[number]
    return number
