"""Bach's chorales, and the keys that experts gave them."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from skey.corpus.scores import corpus_root
from skey.keys import Key, parse_key

EXPERT_KEYS = Path(__file__).with_name("chorale_expert_keys.csv")
"""First and last key of the 371 chorales; origin and licence stand in the .txt beside it."""


@cache
def expert_keys() -> dict[str, frozenset[Key]]:
    """BWV number -> the keys of the experts' analyses that begin and end in one key."""
    keys: dict[str, set[Key]] = {}
    with EXPERT_KEYS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found = keys.setdefault(row["bwv"], set())
            if row["first_key"] == row["last_key"]:
                found.add(parse_key(row["first_key"]))
    return {bwv: frozenset(found) for bwv, found in keys.items()}


def chorale_ids() -> list[str]:
    """Identifiers ``chorales/bwvN`` of the chorales that experts analysed and music21 holds."""
    return [f"chorales/bwv{bwv}" for bwv in sorted(expert_keys()) if _files(f"bwv{bwv}")]


def _files(name: str) -> list[Path]:
    """The encodings of one chorale, the preferred format first."""
    paths = [corpus_root() / "bach" / f"{name}.{ending}" for ending in ("mxl", "xml", "krn")]
    return [path for path in paths if path.is_file()]


def chorale_path(chorale_id: str) -> Path:
    """The file of a chorale inside music21; raises ``KeyError`` where there is none."""
    files = _files(chorale_id.partition("/")[2])
    if not files:
        raise KeyError(chorale_id)
    return files[0]


def agreed_key(bwv: str, notes: Shaped[np.ndarray, " notes"], signature: int | None) -> Key | None:
    """The experts' key where the encoding confirms it, else None.

    Confirmed means: four parts, the last note of the bass is the tonic, and the signature is that of the key
    or one step sharper (minor, as dorian) or flatter (major, as mixolydian), as Bach's time wrote them.
    """
    if signature is None or len(np.unique(notes["part"])) != 4:
        return None
    bass = notes[notes["part"] == notes["part"].max()]
    last = int(bass["pitch"][np.argmax(bass["onset"])]) % 12
    agreed = {key for key in expert_keys()[bwv] if key.tonic == last and signature in _old_signatures(key)}
    return agreed.pop() if len(agreed) == 1 else None


def _old_signatures(key: Key) -> tuple[int, int]:
    """Today's signature of a key, and the dorian or mixolydian one that older scores give it."""
    return key.signature, (key.signature + (7 if key.mode == "minor" else 5)) % 12
