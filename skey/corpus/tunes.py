"""Folk tunes in ABC notation whose key the books state: O'Neill, Ryan and Aird."""

import re
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Shaped

from skey.corpus.scores import corpus_root
from skey.keys import Key, parse_key

BOOKS = ("oneills1850", "ryansMammoth", "airdsAirs")
"""The collections of music21 whose ``K:`` fields tell the mode; those of Essen are signatures only."""

_KEY_FIELD = re.compile(
    r"^K:\s*([A-G][#b]?)\s*(|m|[Mm]in|[Mm]inor|[Mm]aj|[Mm]ajor)\s*(?:%.*)?$", re.MULTILINE
)


def tune_ids() -> list[str]:
    """Identifiers ``tunes/BOOK/FILE/NUMBER`` of the tunes; the number counts from 1 within a file."""
    files = [path for book in BOOKS for path in sorted((corpus_root() / book).glob("*.abc"))]
    return [
        f"tunes/{path.parent.name}/{path.stem}/{number}"
        for path in files
        for number in range(1, len(_split_book(path.parent.name, path.stem)) + 1)
    ]


@lru_cache(maxsize=128)
def _split_book(book: str, stem: str) -> tuple[str, ...]:
    """The texts of the tunes in one file, cut where a reference number (``X:``) begins."""
    text = (
        (corpus_root() / book / f"{stem}.abc")
        .read_bytes()
        .decode("latin-1")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )
    return tuple(re.split(r"^(?=X:)", text, flags=re.MULTILINE)[1:])


def tune_text(tune_id: str) -> str:
    """The ABC text of one tune; raises ``KeyError`` where there is none of that identifier."""
    _, book, stem, number = tune_id.split("/")
    texts = _split_book(book, stem)
    if not number.isdecimal() or not 1 <= int(number) <= len(texts):
        raise KeyError(tune_id)
    return texts[int(number) - 1]


def tune_title(tune_id: str) -> str:
    """The first title of a tune in small letters, without the article and the name of its dance."""
    found = re.search(r"^T:(.*)$", tune_text(tune_id), re.MULTILINE)
    title = re.sub(r"\(.*?\)|\s--\s.*$|[^a-z ]|\bthe\b", " ", found.group(1).lower() if found else "")
    return " ".join(re.sub(r"\b(reel|hornpipe|jig|strathspey|slip|an?)\b", " ", title).split())


def stated_key(text: str) -> Key | None:
    """The key of the ``K:`` field; None where it names another mode, nothing at all, or several keys."""
    fields = re.findall(r"^K:.*$", text, re.MULTILINE)
    found = _KEY_FIELD.findall(text)
    if len(fields) != 1 or len(found) != 1 or "[K:" in text:
        return None
    tonic, mode = found[0]
    return parse_key(f"{tonic} {'minor' if mode[:3].lower() in ('m', 'min') else 'major'}")


def ends_on_tonic(notes: Shaped[np.ndarray, " notes"], key: Key) -> bool:
    """Whether the last note of a melody is the tonic, the books' own confirmation of the ``K:`` field."""
    return int(notes["pitch"][-1]) % 12 == key.tonic


def signature_of(score: Any) -> int | None:  # noqa: ANN401 - music21 is untyped
    """The pitch class of the major key whose signature the score begins with; None without a signature."""
    for signature in score.recurse().getElementsByClass("KeySignature"):
        return int(signature.sharps) * 7 % 12
    return None


def scale_confirms(notes: Shaped[np.ndarray, " notes"], key: Key) -> bool:
    """Whether the third of a melody is that of its mode, and a major tune's seventh is the leading note.

    Some editors write a mixolydian tune under a major ``K:`` and flatten its sevenths one by one.
    """
    degrees = (notes["pitch"].astype(np.int64) - key.tonic) % 12
    time = np.bincount(degrees, weights=notes["duration"], minlength=12)
    if key.mode == "minor":
        return bool(time[3] >= time[4])
    return bool(time[4] >= time[3] and time[11] >= time[10])
