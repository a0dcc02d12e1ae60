"""Make the index of the corpus anew: examine every candidate, group versions of a melody, draw the splits.

Pieces are versions of one melody, whatever their titles and keys, if their beginnings are alike up to
transposition, they share many stretches, or two tunes share a title that is more than a dance.
"""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from skey.cli import POSITIVE
from skey.corpus import pieces
from skey.corpus.processes import default_jobs
from skey.keys import Key, parse_key
from skey.shapes import Float64, Int, Shaped

COLUMNS = ["id", "source", "group", "key", "split", "notes_sha"]  # the columns of the index

EXPERT_KEYS = Path(__file__).with_name("chorale_expert_keys.csv")
"""First and last key of the 371 chorales; origin and licence stand in the .txt beside it."""

BOOKS = ("oneills1850", "ryansMammoth", "airdsAirs")  # collections whose ``K:`` fields tell the mode
TEST_PIECES = 60  # of each mode from each labelled source, each from a group of its own
LEAST_BARS = 8  # of a tune
LEAST_QUARTERS = 120.0  # of polyphony: two stretches of fifteen seconds and something between
INCIPIT_NOTES = 11  # of a chorale melody that are compared, repeated notes counted once
MOST_EDITS = 2  # between chorale melodies that are alike
INCIPIT_POINTS = 16  # of a tune that are compared: the quarters of its first four full bars
ALIKE_POINTS = 12  # or more agree in tunes that are alike
PHRASE_STEPS = 9  # of the stretches of melody that are compared
SHARED_PHRASES = 0.12  # of the shorter melody's stretches, and three at least, are common to those alike
COMMON_PHRASE = 40  # melodies at most have a stretch that says something: more have a scale
COMMONEST_TITLE = 4  # pieces at most have a title that says something

_KEY_FIELD = re.compile(
    r"^K:\s*([A-G][#b]?)\s*(|m|[Mm]in|[Mm]inor|[Mm]aj|[Mm]ajor)\s*(?:%.*)?$", re.MULTILINE
)

Pairs = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A piece that is good enough, what it is grouped by (incipit, phrases, title), the hash of its notes."""

    id: str
    source: pieces.Source
    key: Key | None
    notes_sha: str
    incipit: tuple[int, ...] = ()
    phrases: frozenset[tuple[int, ...]] = frozenset()
    title: str = ""


def build_index(path: Path = pieces.INDEX, jobs: int = 1) -> tuple[pieces.IndexRow, ...]:
    """Examine every candidate in ``jobs`` processes and write the index: a quarter of an hour on one core."""
    ids = [*chorale_ids(), *tune_ids(), *polyphony_ids()]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        examined = tqdm(pool.map(examine, ids, chunksize=16), unit="piece", total=len(ids))
        candidates = [found for found in examined if found]
    rows = draw_splits(group_rows(candidates))
    table = pd.DataFrame([[getattr(row, name) for name in COLUMNS] for row in rows], columns=COLUMNS)
    table.to_csv(path, index=False, lineterminator="\n")
    pieces.read_index.cache_clear()
    return pieces.read_index(path)


def examine(piece_id: str) -> Candidate | None:
    """Parse one piece and judge it: None where music21 cannot read it, or the key is not trustworthy."""
    if piece_id.startswith("tunes/") and stated_key(pieces.tune_text(piece_id)) is None:
        return None
    try:
        parsed = pieces.parse_piece(piece_id)
    except Exception:  # music21's parsers raise whatever they stumble over; such a piece is not used
        return None
    judge = {"chorales": _chorale, "tunes": _tune, "polyphony": _polyphony}
    return judge[piece_id.partition("/")[0]](piece_id, parsed) if len(parsed.notes) else None


def _chorale(piece_id: str, parsed: pieces.ParsedScore) -> Candidate | None:
    """A chorale whose encoding confirms the experts' key."""
    key = agreed_key(piece_id.removeprefix("chorales/bwv"), parsed.notes, parsed.signature)
    if key is None:
        return None
    top = _top_part(parsed.notes)
    return Candidate(
        piece_id, "chorales", key, pieces.notes_hash(parsed), _melody_intervals(top), _phrases(top)
    )


def _tune(piece_id: str, parsed: pieces.ParsedScore) -> Candidate | None:
    """A tune of eight bars or more that ends on the tonic of its ``K:`` field."""
    text = pieces.tune_text(piece_id)
    key = stated_key(text)
    if key is None or parsed.signature != key.signature or len(parsed.bars) < LEAST_BARS:
        return None
    if int(parsed.notes["pitch"][-1]) % 12 != key.tonic or not scale_confirms(parsed.notes, key):
        return None
    points = tune_incipit(parsed.notes, parsed.bars, parsed.beats_per_bar, key.tonic)
    phrases, title = _phrases(_top_part(parsed.notes)), _tune_title(text)
    return Candidate(
        piece_id, "tunes", key, pieces.notes_hash(parsed), tuple(points.tolist()), phrases, title
    )


def _polyphony(piece_id: str, parsed: pieces.ParsedScore) -> Candidate | None:
    length = float(np.max(parsed.notes["onset"] + parsed.notes["duration"]))
    if length < LEAST_QUARTERS or len(np.unique(parsed.notes["part"])) < 2:
        return None
    return Candidate(piece_id, "polyphony", None, pieces.notes_hash(parsed))


def _tune_title(text: str) -> str:
    """The first title of a tune in small letters, without the article and the name of its dance."""
    found = re.search(r"^T:(.*)$", text, re.MULTILINE)
    title = re.sub(r"\(.*?\)|\s--\s.*$|[^a-z ]|\bthe\b", " ", found.group(1).lower() if found else "")
    return " ".join(re.sub(r"\b(reel|hornpipe|jig|strathspey|slip|an?)\b", " ", title).split())


def chorale_ids() -> list[str]:
    """Identifiers ``chorales/bwvN`` of the chorales that experts analysed and music21 holds."""
    return [f"chorales/bwv{bwv}" for bwv in sorted(expert_keys()) if pieces.chorale_files(f"bwv{bwv}")]


@cache
def expert_keys() -> dict[str, frozenset[Key]]:
    """BWV number -> the keys of the experts' analyses that begin and end in one key."""
    table = pd.read_csv(EXPERT_KEYS, dtype=str)
    same = table["first_key"].where(table["first_key"] == table["last_key"])
    return {bwv: frozenset(map(parse_key, keys.dropna())) for bwv, keys in same.groupby(table["bwv"])}


def agreed_key(bwv: str, notes: Shaped[np.ndarray, " notes"], signature: int | None) -> Key | None:
    """The experts' key of a chorale where the encoding confirms it, else None.

    Confirmed means: four parts, the last note of the bass is the tonic, and the signature is that of the key
    or one step sharper (minor, as dorian) or flatter (major, as mixolydian), as Bach's time wrote them.
    """
    if signature is None or len(np.unique(notes["part"])) != 4:
        return None
    bass = notes[notes["part"] == notes["part"].max()]
    last = int(bass["pitch"][np.argmax(bass["onset"])]) % 12
    agreed = {
        key
        for key in expert_keys()[bwv]
        if key.tonic == last and (signature - key.signature) % 12 in (0, 7 if key.mode == "minor" else 5)
    }
    return agreed.pop() if len(agreed) == 1 else None


def tune_ids() -> list[str]:
    """Identifiers ``tunes/BOOK/FILE/NUMBER`` of the tunes; the number counts from 1 within a file."""
    files = [path for book in BOOKS for path in sorted((pieces.corpus_root() / book).glob("*.abc"))]
    return [
        f"tunes/{path.parent.name}/{path.stem}/{number}"
        for path in files
        for number in range(1, len(pieces.split_book(path.parent.name, path.stem)) + 1)
    ]


def stated_key(text: str) -> Key | None:
    """The key of an ABC ``K:`` field; None where it names another mode, nothing at all, or several keys."""
    fields = re.findall(r"^K:.*$", text, re.MULTILINE)
    found = _KEY_FIELD.findall(text)
    if len(fields) != 1 or len(found) != 1 or "[K:" in text:
        return None
    tonic, mode = found[0]
    return parse_key(f"{tonic} {'minor' if mode[:3].lower() in ('m', 'min') else 'major'}")


def scale_confirms(notes: Shaped[np.ndarray, " notes"], key: Key) -> bool:
    """Whether the third of a melody is that of its mode, and a major tune's seventh is the leading note.

    Some editors write a mixolydian tune under a major ``K:`` and flatten its sevenths one by one.
    """
    degrees = (notes["pitch"].astype(np.int64) - key.tonic) % 12
    time = np.bincount(degrees, weights=notes["duration"], minlength=12)
    if key.mode == "minor":
        return bool(time[3] >= time[4])
    return bool(time[4] >= time[3] and time[11] >= time[10])


def polyphony_ids() -> list[str]:
    """Identifiers ``polyphony/FOLDER/…/FILE`` of the pieces; of two encodings of one piece the first."""
    paths: dict[Path, Path] = {}
    for folder in (folder for folders in pieces.SCHOOLS.values() for folder in folders):
        for path in sorted((pieces.corpus_root() / folder).rglob("*")):
            if path.suffix in (".mxl", ".xml", ".krn", ".abc", ".musicxml"):
                paths.setdefault(path.with_suffix(""), path)
    return [f"polyphony/{path.relative_to(pieces.corpus_root()).as_posix()}" for path in paths.values()]


def group_rows(candidates: Sequence[Candidate]) -> list[pieces.IndexRow]:
    """Rows of the index with their groups; labelled pieces train until the splits are drawn."""
    pairs = [*_pairs(candidates, "chorales"), *_pairs(candidates, "tunes")]
    leaders = join(len(candidates), pairs)
    splits: dict[bool, pieces.Split] = {True: "train", False: "unlabelled"}
    return [
        pieces.IndexRow(c.id, c.source, candidates[leader].id, c.key, splits[c.key is not None], c.notes_sha)
        for c, leader in zip(candidates, leaders, strict=True)
    ]


def _pairs(candidates: Sequence[Candidate], source: pieces.Source) -> Pairs:
    """Pairs of candidates of one source that are versions of one melody, as numbers among all candidates."""
    places = [number for number, candidate in enumerate(candidates) if candidate.source == source]
    chosen = [candidates[place] for place in places]
    if source == "chorales":
        numbered = enumerate(candidate.incipit for candidate in chosen)
        pairs = [(i, j) for (i, a), (j, b) in combinations(numbered, 2) if edit_distance(a, b) <= MOST_EDITS]
    else:
        incipits = np.array([candidate.incipit for candidate in chosen], dtype=np.int64)
        titles = [candidate.title for candidate in chosen]
        pairs = alike_tunes(incipits.reshape(-1, INCIPIT_POINTS)) + same_titles(titles)
    pairs += _sharing_phrases([candidate.phrases for candidate in chosen])
    return [(places[i], places[j]) for i, j in pairs]


def draw_splits(rows: Sequence[pieces.IndexRow]) -> list[pieces.IndexRow]:
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


def tune_incipit(
    notes: Shaped[np.ndarray, " notes"], bars: Float64[np.ndarray, " bars"], usual: float, tonic: int
) -> Int[np.ndarray, " points"]:
    """The degrees (semitones above the tonic) that sound at each quarter of the first full bars."""
    first = 1 if len(bars) > 1 and bars[1] - bars[0] < usual - 1e-6 else 0
    points = bars[first] + np.arange(INCIPIT_POINTS) * usual / 4
    sounding = np.searchsorted(notes["onset"], points + 1e-6) - 1
    return np.asarray((notes["pitch"][np.maximum(sounding, 0)].astype(np.int64) - tonic) % 12)


def _top_part(notes: Shaped[np.ndarray, " notes"]) -> Shaped[np.ndarray, " some"]:
    return np.asarray(notes[notes["part"] == notes["part"].min()])


def _melody_intervals(melody: Shaped[np.ndarray, " notes"]) -> tuple[int, ...]:
    """The first steps of a melody in semitones, without repeated notes and notes shorter than a beat."""
    steps = np.diff(melody["pitch"][melody["duration"] >= 1.0].astype(int))
    return tuple(steps[steps != 0][: INCIPIT_NOTES - 1].tolist())


def _phrases(melody: Shaped[np.ndarray, " notes"]) -> frozenset[tuple[int, ...]]:
    """Every stretch of nine successive steps of a melody in semitones."""
    steps = np.diff(melody["pitch"].astype(int)).tolist()
    return frozenset(tuple(steps[n : n + PHRASE_STEPS]) for n in range(len(steps) - PHRASE_STEPS + 1))


def _sharing_phrases(melodies: Sequence[frozenset[tuple[int, ...]]]) -> Pairs:
    bearers: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, melody in enumerate(melodies):
        for phrase in melody:
            bearers[phrase].append(number)
    few = (some for some in bearers.values() if len(some) <= COMMON_PHRASE)
    shared = Counter(pair for some in few for pair in combinations(some, 2))
    sizes = list(map(len, melodies))
    return [(i, j) for (i, j), n in shared.items() if n >= max(3, SHARED_PHRASES * min(sizes[i], sizes[j]))]


def edit_distance(a: Sequence[int], b: Sequence[int]) -> int:
    """Levenshtein's distance between two sequences."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def alike_tunes(incipits: Int[np.ndarray, "tunes points"]) -> Pairs:
    """Pairs of tunes that agree at ``ALIKE_POINTS`` points or more."""
    return [
        (i, int(j))
        for i, incipit in enumerate(incipits)
        for j in np.flatnonzero((incipits[:i] == incipit).sum(axis=1) >= ALIKE_POINTS)
    ]


def same_titles(titles: Sequence[str]) -> Pairs:
    """Pairs with one title of two words or more, which at most ``COMMONEST_TITLE`` pieces bear."""
    places = pd.Series(range(len(titles))).groupby(list(titles))
    bearers = [list(some) for title, some in places if " " in str(title) and len(some) <= COMMONEST_TITLE]
    return [(n, first) for first, *others in bearers for n in others]


def join(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The first member of each item's group; the groups are the connected components of the pairs."""
    edges = np.array(list(pairs), dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(edges.shape[1]), tuple(edges)), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    return [int(place) for place in first[group]]


@click.command("record-index")
@click.option("--jobs", type=POSITIVE, help="Processes; as many as there are cores by default.")
def record_index(jobs: int | None) -> None:
    """Examine every score of the installed music21 and write the committed index anew (slow)."""
    rows = build_index(pieces.INDEX, jobs or default_jobs())
    click.echo(f"{len(rows)} pieces in {pieces.INDEX}")
