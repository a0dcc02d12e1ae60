"""The 24 keys: their value type, their order, the circle of fifths, how two keys relate, and every notation.

A pitch class counts semitones above C (0..11). A key signature is named by the pitch class of the major key
that has it: C major and A minor both have signature 0.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral
from typing import Literal, get_args

from skey.errors import SkeyError

Mode = Literal["major", "minor"]  # the two modes of the 24 keys
TONIC_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")  # in both modes
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11, "H": 11}
_MODES: dict[str, Mode] = dict.fromkeys(("M", "maj", "major", "dur"), "major")
_MODES |= dict.fromkeys(("m", "min", "minor", "moll"), "minor")

# A hyphen before a space is music21's flat ("e- minor"), and at the end after a small letter ("e-"), but not
# after a capital, where jazz means minor. Before a letter it only joins ("e-minor", "E-flat").
_ACCIDENTAL_WORDS = (
    (r"(?<=[a-g])[\s-]*flat", "b"),
    (r"(?<=[a-g])[\s-]*sharp", "#"),
    (r"(?<=^[A-G])B(?=[\s:_-]*m(in|aj))", "b"),  # ``EB MINOR``
    (r"(?<=[a-g])-(?=\s)|(?-i:(?<=^[a-g]))-$", "b"),
    (r"(?<=^[ac-g])is(?=m?$)", "#"),
    (r"(?<=^[cdfg])es(?=m?$)|(?<=^[ae])s(?=m?$)", "b"),
)
"""Signs that are written as words, also German ones without a mode (``Fis``, ``es``)."""
_NAME = re.compile(r"([A-Ga-g]|[Hh](?=m?$))([#b]{0,2})(?:[\s:_-]*([A-Za-z]+)\.?)?")
_ENHARMONIC = re.compile(r"([A-G][#b]?)\s*/\s*([A-G][#b]?)([\s:_-]*[A-Za-z]*)")  # ``F#/Gb minor``
_TWICE = re.compile(r"(.+?)(?:\s*/\s*|\s+-\s+)(.+)|(.+?)\s*\((.+)\)")  # ``C#m/Dbm``, ``8A - Am``, ``Am (8A)``
_GERMAN = r"([A-H])((?<!B)[ie]s|(?<=[AE])s)?[\s:_-]*(dur|moll)"  # elsewhere ``cs`` is C sharp, ``bes`` B flat
_ROMANCE = (
    r"(do|ut|ré|re|mi|fa|sol|la|si)\s*"
    r"(dièse|diese|diesis|sostenido|#|bémol|bemol|bemolle|b)?\s*"
    r"(majeur|mineur|maggiore|minore|mayor|menor)"
)
_FOREIGN = {
    _GERMAN: {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 10, "h": 11},
    _ROMANCE: {"do": 0, "ut": 0, "ré": 2, "re": 2, "mi": 4, "fa": 5, "sol": 7, "la": 9, "si": 11},
}
"""Patterns of tonic, sign and mode, and the tonics."""
_SHARPS = ("is", "#", "dièse", "diese", "diesis", "sostenido")
_MAJORS = ("dur", "majeur", "maggiore", "mayor")
_CENTS = re.compile(r"\s+[+-]\d{1,2}(\s*(cents?|ct))?$", re.IGNORECASE)
_CIRCLE_CODE = re.compile(r"(\d{1,2})\s*([ABDMabdm])")
_MIDI = re.compile(r"sf=([+-]?\d) mi=([01])")
_CIRCLE_ORIGIN = {"b": 8, "a": 8, "d": 1, "m": 1}  # number of C major or A minor, by letter


class KeyParseError(SkeyError, ValueError):
    """A text that names none of the 24 keys; the message says what was expected."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One of the 24 keys: pitch class of the tonic, 0 (C) to 11 (B), and mode; ``ValueError`` for others."""

    tonic: int
    mode: Mode

    def __post_init__(self) -> None:
        is_tonic = isinstance(self.tonic, Integral) and self.tonic in range(12)  # 3.0 is no place in a list
        if not is_tonic or self.mode not in ("major", "minor"):
            raise ValueError(f"expected a tonic in 0..11 and 'major' or 'minor', not {self!r}")

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
        return format_key(self)


class Relation(StrEnum):
    """How an estimated key relates to the reference, in the categories that MIREX weighs."""

    SAME = "same"
    FIFTH_UP = "fifth_up"  # same mode, a perfect fifth above the reference: all that ``mir_eval`` 0.8 credits
    FIFTH_DOWN = "fifth_down"  # same mode, a perfect fifth below the reference
    RELATIVE = "relative"  # other mode, same key signature
    PARALLEL = "parallel"  # other mode, same tonic
    OTHER = "other"


def relation(reference: Key, estimate: Key) -> Relation:
    """How an estimated key relates to the reference: the first that holds of :class:`Relation`."""
    if reference.mode == estimate.mode:
        steps = (estimate.tonic - reference.tonic) % 12
        return {0: Relation.SAME, 7: Relation.FIFTH_UP, 5: Relation.FIFTH_DOWN}.get(steps, Relation.OTHER)
    if estimate == reference.relative:
        return Relation.RELATIVE
    return Relation.PARALLEL if estimate == reference.parallel else Relation.OTHER


class Notation(StrEnum):
    """The ways in which :func:`format_key` writes a key."""

    NAME = "name"  # ``Eb minor``
    SPELLED = "spelled"  # ``E♭ minor``, ``C♯ minor``: as musicians spell them, by the key signature
    SHORT = "short"  # ``Ebm``
    OPEN_KEY = "open-key"  # ``7m``: Open Key, C major = ``1d``, A minor = ``1m``, a fifth up adds one
    CAMELOT = "camelot"  # ``2A``: compatible with the Camelot wheel, C major = ``8B``, A minor = ``8A``
    TKEY = "tkey"  # ``Ebm``: the "initial key" frame of ID3v2.4, at most three characters
    MIDI = "midi"  # ``sf=-6 mi=1``: the two bytes of a MIDI key signature, sharps (flats negative) and minor


TAG_NOTATIONS = (Notation.TKEY, Notation.CAMELOT, Notation.OPEN_KEY)  # of at most three characters


def parse_key(text: str) -> Key:
    """Read a key as data sets and tools write it; raises ``KeyParseError`` for any other text.

    Read are names (``A Major``, ``Cb minor``, ``d# min``, ``E-flat major``, ``E♭m``), Harte's ``C:maj``,
    music21's ``e- minor``, lower case for minor (``a``), German, French, Italian and Spanish names
    (``fis-Moll``, ``Hm``, ``si bémol majeur``), ``F#/Gb minor``, a key with its tuning (``A#m +50``), Open
    Key (``1d``), Camelot (``8B``), ``sf=-6 mi=1``, and two of these that agree (``Am (8A)``).
    """
    plain = unicodedata.normalize("NFKC", text if isinstance(text, str) else "")
    # A byte order mark begins some files, a NUL ends some tags.
    plain = plain.strip().strip("\ufeff\0").strip()
    plain = _CENTS.sub("", plain.replace("♭", "b").replace("♯", "#"))
    found = _read_one(plain) or _read_twice(plain)
    if found is None:
        raise KeyParseError(
            f"{text!r} is not a key: expected a tonic and a mode such as 'Eb minor', 'C:maj' or 'F#m', "
            "an Open Key code '1d' to '12m', a Camelot-compatible code '1A' to '12B', or 'sf=-6 mi=1'"
        )
    return found


def _read_one(text: str) -> Key | None:
    readers = (_read_code, _read_foreign, _read_enharmonic, _read_name)
    return next((key for reader in readers if (key := reader(text))), None)


def _read_twice(text: str) -> Key | None:
    """Two names of one key (``C#m/Dbm``, ``Am (8A)``), or None, also where they are of two."""
    match = _TWICE.fullmatch(text)
    first, second = (_read_one(name) for name in match.groups() if name) if match else (None, None)
    return first if first == second else None


def _read_foreign(text: str) -> Key | None:
    """A German name (``fis-Moll``, ``B-Dur`` for B flat, ``H-Dur`` for B) or a Romance one (``la menor``)."""
    for pattern, tonics in _FOREIGN.items():
        if match := re.fullmatch(pattern, text, re.IGNORECASE):
            tonic, sign, mode = (each and each.lower() for each in match.groups())
            step = 1 if sign in _SHARPS else -1 if sign else 0
            return Key((tonics[tonic] + step) % 12, "major" if mode in _MAJORS else "minor")
    return None


def _read_enharmonic(text: str) -> Key | None:
    """Two names of one tonic (``F#/Gb minor``), or None, also where they are of two."""
    match = _ENHARMONIC.fullmatch(text)
    first = match and _read_name(match[1] + match[3])
    return first if match and first == _read_name(match[2] + match[3]) else None


def _read_name(text: str) -> Key | None:
    for pattern, sign in _ACCIDENTAL_WORDS:
        text = re.sub(pattern, sign, text, flags=re.IGNORECASE)
    match = _NAME.fullmatch(text)
    if not match:
        return None
    letter, signs, word = match.groups()
    word = word or ("M" if letter.isupper() else "m")
    mode = _MODES.get(word) or _MODES.get(word.lower())
    return mode and Key((_LETTERS[letter.upper()] + signs.count("#") - signs.count("b")) % 12, mode)


def _read_code(text: str) -> Key | None:
    """A Camelot-compatible or Open Key code, or the two bytes of a MIDI key signature."""
    if (match := _CIRCLE_CODE.fullmatch(text)) and 1 <= int(match[1]) <= 12:
        letter = match[2].lower()
        return _from_fifths(int(match[1]) - _CIRCLE_ORIGIN[letter], "major" if letter in "bd" else "minor")
    if (match := _MIDI.fullmatch(text)) and abs(int(match[1])) <= 7:
        return _from_fifths(int(match[1]), "minor" if match[2] == "1" else "major")
    return None


def _from_fifths(fifths: int, mode: Mode) -> Key:
    """The key whose signature lies so many fifths above that of C major."""
    return Key((7 * fifths + (9 if mode == "minor" else 0)) % 12, mode)


def format_key(key: Key, notation: Notation = Notation.NAME) -> str:
    """Write a key, such as ``Eb minor``, ``7m`` or ``sf=-6 mi=1``; :func:`parse_key` reads each back."""
    notation, name, minor = Notation(notation), TONIC_NAMES[key.tonic], key.mode == "minor"
    if notation is Notation.NAME:
        return f"{name} {key.mode}"
    if notation is Notation.SPELLED:
        return f"{_spelled(key)} {key.mode}"
    if notation in (Notation.SHORT, Notation.TKEY):
        return name + ("m" if minor else "")
    if notation is Notation.MIDI:
        return f"sf={_sharps(key)} mi={int(minor)}"
    letter = ("dm" if notation is Notation.OPEN_KEY else "BA")[minor]
    return f"{(_sharps(key) + _CIRCLE_ORIGIN[letter.lower()] - 1) % 12 + 1}{letter}"


def _spelled(key: Key) -> str:
    """The tonic by its key signature: the line of fifths goes F C G D A E B, then F♯ and so on."""
    accidentals, letter = divmod(_sharps(key) + (1 if key.mode == "major" else 4), 7)
    return "FCGDAEB"[letter] + {-1: "♭", 0: "", 1: "♯"}[accidentals]


def _sharps(key: Key) -> int:
    """The sharps of the key signature, -6..6, flats negative; of six F# major has sharps, Eb minor flats."""
    fifths = 7 * key.signature % 12
    return fifths - 12 if fifths > 6 or (fifths == 6 and key.mode == "minor") else fifths


KEYS = tuple(Key(tonic, mode) for mode in get_args(Mode) for tonic in range(12))  # C to B major, then minor
SIGNATURES_BY_FIFTHS = tuple(7 * fifths % 12 for fifths in range(12))  # C, G, D, A, …

CIRCLE_OF_FIFTHS = tuple(key for major in SIGNATURES_BY_FIFTHS for key in (KEYS[major], KEYS[major].relative))
"""All keys by fifths, each major next to its relative minor: C, Am, G, Em, D, Bm, … (Figure 4, STONE)."""
