"""The 24 major and minor keys: their value type, their order, the circle of fifths, and how two keys relate.

Conventions: a pitch class is a number of semitones above C (C = 0 … B = 11). A key signature is named by the
pitch class of the major key that has it, so that C major and A minor both have signature 0.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import SupportsIndex

from skey.notation import TONIC_NAMES as TONIC_NAMES
from skey.notation import KeyParseError as KeyParseError
from skey.notation import Mode as Mode
from skey.notation import Notation as Notation
from skey.notation import read_key, write_key

_LERCH_TONIC_OF_ZERO = 9


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One of the 24 keys: pitch class of the tonic, 0 (C) to 11 (B), and mode; ``ValueError`` for others."""

    tonic: int
    mode: Mode

    def __post_init__(self) -> None:
        if self.tonic not in range(12) or self.mode not in ("major", "minor"):
            raise ValueError(
                f"expected a tonic in 0..11 and 'major' or 'minor', not {self.tonic!r} {self.mode!r}"
            )

    @classmethod
    def from_index(cls, index: SupportsIndex) -> "Key":
        """The key at a place of :data:`KEYS`, 0..11 for C to B major, then minor; else ``ValueError``."""
        number = index.__index__()
        if number not in range(24):
            raise ValueError(f"expected a key index in 0..23, not {number}")
        return cls(number % 12, "minor" if number >= 12 else "major")

    @property
    def index(self) -> int:
        """The key's place in :data:`KEYS`: 0..11 for C to B major, 12..23 for C to B minor."""
        return self.tonic + (12 if self.mode == "minor" else 0)

    @property
    def signature(self) -> int:
        """Its key signature: the pitch class of the major key with the same accidentals (0 for A minor)."""
        return (self.tonic + 3) % 12 if self.mode == "minor" else self.tonic

    @property
    def relative(self) -> "Key":
        """The key of the other mode with the same signature (A minor for C major)."""
        return Key((self.tonic - 3) % 12, "minor") if self.mode == "major" else Key(self.signature, "major")

    @property
    def parallel(self) -> "Key":
        """The key of the other mode on the same tonic (C minor for C major)."""
        return Key(self.tonic, "minor" if self.mode == "major" else "major")

    def transposed(self, semitones: int) -> "Key":
        """The same key moved up by a number of semitones, or down by a negative one."""
        return Key((self.tonic + semitones) % 12, self.mode)

    def __str__(self) -> str:
        """The canonical name, such as ``Eb minor``."""
        return format_key(self)


class Relation(StrEnum):
    """How an estimated key relates to the reference, in the categories that MIREX weighs."""

    SAME = "same"
    FIFTH_UP = "fifth_up"
    """Same mode, a perfect fifth above the reference: the only fifth that ``mir_eval`` 0.8 credits."""
    FIFTH_DOWN = "fifth_down"
    """Same mode, a perfect fifth below the reference."""
    RELATIVE = "relative"
    """Other mode, same key signature."""
    PARALLEL = "parallel"
    """Other mode, same tonic."""
    OTHER = "other"


def relation(reference: Key, estimate: Key) -> Relation:
    """How an estimated key relates to the reference: the first that holds of :class:`Relation`."""
    if reference.mode == estimate.mode:
        steps = (estimate.tonic - reference.tonic) % 12
        return {0: Relation.SAME, 7: Relation.FIFTH_UP, 5: Relation.FIFTH_DOWN}.get(steps, Relation.OTHER)
    if estimate == reference.relative:
        return Relation.RELATIVE
    return Relation.PARALLEL if estimate == reference.parallel else Relation.OTHER


def parse_key(text: str) -> Key:
    """Read a key as data sets and tools write it: ``A Major``, ``C:maj``, ``Ebm``, ``d# min``, ``8B``, …

    :func:`skey.notation.read_key` lists all notations. Raises ``KeyParseError``, which says what was
    expected.
    """
    return Key(*read_key(text))


def parse_gtzan(number: int | str) -> Key | None:
    """Read a key number of Lerch's annotations of GTZAN (``KeyEnumeration.txt`` of alexanderlerch/gtzan_key).

    0..11 are A, Bb, … Ab major, 12..23 the same in minor, and -1, a modulating or unknown key, gives None.
    Raises ``KeyParseError`` for anything else.
    """
    try:
        value = int(number)
    except ValueError:
        value = -2
    if value not in range(-1, 24):
        raise KeyParseError(
            f"{number!r} is not a key number: expected -1 (no key) or 0..23 (0 = A major, 12 = A minor)"
        )
    return None if value < 0 else Key.from_index(value).transposed(_LERCH_TONIC_OF_ZERO)


def format_key(key: Key, notation: Notation = Notation.NAME) -> str:
    """Write a key, such as ``Eb minor``, ``7m`` or ``sf=-6 mi=1``; :func:`parse_key` reads each back."""
    return write_key(key.tonic, key.mode, Notation(notation))


KEYS = tuple(Key.from_index(index) for index in range(24))
"""All keys in index order: C to B major, then C to B minor."""

SIGNATURES_BY_FIFTHS = tuple(7 * fifths % 12 for fifths in range(12))
"""The 12 key signatures along the circle of fifths: C, G, D, A, …"""

CIRCLE_OF_FIFTHS = tuple(
    key for signature in SIGNATURES_BY_FIFTHS for key in (KEYS[signature], KEYS[signature].relative)
)
"""All keys by fifths, each major next to its relative minor: C, Am, G, Em, D, Bm, … (Figure 4, STONE)."""
