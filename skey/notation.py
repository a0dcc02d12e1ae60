"""How keys are written: one canonical spelling, and tolerant reading of what data sets and tools write.

Everything here works on a pair (tonic, mode), the tonic as a pitch class with C = 0; :mod:`skey.keys` turns
pairs into :class:`~skey.keys.Key` and back.
"""

import re
import unicodedata
from enum import StrEnum
from typing import Literal

from skey.errors import SkeyError

Mode = Literal["major", "minor"]
"""The two modes of the 24 keys."""

TONIC_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
"""The canonical spelling of each tonic, the same in both modes, by pitch class from C = 0."""

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MODE_WORDS: dict[str, Mode] = {"maj": "major", "major": "major", "min": "minor", "minor": "minor"}
_MODE_LETTERS: dict[str, Mode] = {"M": "major", "m": "minor"}

# A hyphen before a space is music21's flat ("e- minor"); before a letter it only joins ("e-minor", "E-flat").
_ACCIDENTAL_WORDS = (
    (r"(?<=[a-g])[\s-]*flat", "b"),
    (r"(?<=[a-g])[\s-]*sharp", "#"),
    (r"(?<=[a-g])-(?=\s)", "b"),
)
_NAME = re.compile(r"([A-Ga-g])([#b]{0,2})(?:[\s:_-]*([A-Za-z]+))?")
_ENHARMONIC = re.compile(r"([A-G][#b]?)\s*/\s*([A-G][#b]?)(\s*[A-Za-z]*)")
"""Two names of one tonic: ``F#/Gb minor``."""
_GERMAN = re.compile(r"([A-Ha-h])(is|es|s)?[\s-]*(dur|moll)", re.IGNORECASE)
_FRENCH = re.compile(
    r"(do|ut|ré|re|mi|fa|sol|la|si)\s*(dièse|diese|#|bémol|bemol|b)?\s*(majeur|mineur)", re.IGNORECASE
)
_FRENCH_TONICS = {"do": 0, "ut": 0, "ré": 2, "re": 2, "mi": 4, "fa": 5, "sol": 7, "la": 9, "si": 11}
_CENTS = re.compile(r"\s+[+-]\d{1,2}(\s*(cents?|ct))?$", re.IGNORECASE)
_CIRCLE_CODE = re.compile(r"(\d{1,2})\s*([ABDMabdm])")
_MIDI = re.compile(r"sf=([+-]?\d) mi=([01])")
_CIRCLE_LETTERS: dict[str, tuple[int, Mode]] = {
    "b": (8, "major"),
    "a": (8, "minor"),
    "d": (1, "major"),
    "m": (1, "minor"),
}
"""Letter of a code on the circle of fifths: the number that C major or A minor has, and the mode."""


class KeyParseError(SkeyError, ValueError):
    """A text that names none of the 24 keys; the message says what was expected."""


class Notation(StrEnum):
    """The ways in which :func:`skey.keys.format_key` writes a key."""

    NAME = "name"
    """``Eb minor``"""
    SPELLED = "spelled"
    """``E♭ minor``, ``C♯ minor``, ``D♭ major``: as musicians spell them, by the key signature."""
    SHORT = "short"
    """``Ebm``"""
    OPEN_KEY = "open-key"
    """``7m``: Open Key, C major = ``1d``, A minor = ``1m``, a fifth up adds one."""
    CAMELOT = "camelot"
    """``2A``: compatible with the Camelot wheel, C major = ``8B``, A minor = ``8A``."""
    TKEY = "tkey"
    """``Ebm``: the "initial key" frame of ID3v2.4, at most three characters."""
    MIDI = "midi"
    """``sf=-6 mi=1``: the two bytes of a MIDI key signature, sharps (flats negative) and minor."""


TAG_NOTATIONS = (Notation.TKEY, Notation.CAMELOT, Notation.OPEN_KEY)
"""The ways to write a key into tags: all have at most three characters, as ID3 asks for."""


def read_key(text: str) -> tuple[int, Mode]:
    """The pitch class of the tonic (C = 0) and the mode that a text names.

    Read are names (``A Major``, ``Cb minor``, ``d# min``, ``E-flat major``, ``E♭m``), Harte's ``C:maj``,
    music21's ``e- minor``, lower case for minor (``a``), German and French names (``fis-Moll``, ``si bémol
    majeur``), ``F#/Gb minor``, a key with its tuning (``A#m +50``), Open Key (``1d``), Camelot-compatible
    codes (``8B``) and ``sf=-6 mi=1``. Raises ``KeyParseError`` for any other text.
    """
    plain = unicodedata.normalize("NFKC", text).replace("♭", "b").replace("♯", "#").strip()
    plain = _CENTS.sub("", plain)
    readers = (_read_circle_code, _read_midi, _read_german, _read_french, _read_enharmonic, _read_name)
    found = next((key for reader in readers if (key := reader(plain))), None)
    if found is None:
        raise KeyParseError(
            f"{text!r} is not a key: expected a tonic and a mode such as 'Eb minor', 'C:maj' or 'F#m', "
            "an Open Key code '1d' to '12m', a Camelot-compatible code '1A' to '12B', or 'sf=-6 mi=1'"
        )
    return found


def _read_german(text: str) -> tuple[int, Mode] | None:
    """A German name (``fis-Moll``, ``Es-Dur``, ``B-Dur`` for B flat, ``H-Dur`` for B), or None."""
    match = _GERMAN.fullmatch(text)
    if not match:
        return None
    letter, change = match[1].upper(), (match[2] or "").lower()
    tonic = {"H": 11, "B": 10}.get(letter, _LETTERS.get(letter, 0))
    step = 1 if change == "is" else -1 if change else 0
    return (tonic + step) % 12, "major" if match[3].lower() == "dur" else "minor"


def _read_french(text: str) -> tuple[int, Mode] | None:
    """A French name (``fa dièse mineur``, ``si bémol majeur``), or None."""
    match = _FRENCH.fullmatch(text)
    if not match:
        return None
    sign = (match[2] or "").lower()
    step = 1 if sign in ("#", "dièse", "diese") else -1 if sign else 0
    mode: Mode = "major" if match[3].lower() == "majeur" else "minor"
    return (_FRENCH_TONICS[match[1].lower()] + step) % 12, mode


def _read_enharmonic(text: str) -> tuple[int, Mode] | None:
    """Two names of one tonic (``F#/Gb minor``), or None, also where they are of two."""
    match = _ENHARMONIC.fullmatch(text)
    first = match and _read_name(match[1] + match[3])
    return first if match and first == _read_name(match[2] + match[3]) else None


def _read_name(text: str) -> tuple[int, Mode] | None:
    for pattern, sign in _ACCIDENTAL_WORDS:
        text = re.sub(pattern, sign, text, flags=re.IGNORECASE)
    match = _NAME.fullmatch(text)
    mode = match and _read_mode(match[3], match[1])
    if not match or not mode:
        return None
    return (_LETTERS[match[1].upper()] + match[2].count("#") - match[2].count("b")) % 12, mode


def _read_mode(word: str | None, letter: str) -> Mode | None:
    """The mode that a word names; without a word a capital letter means major and a small one minor."""
    if not word:
        return "major" if letter.isupper() else "minor"
    return _MODE_LETTERS.get(word) or _MODE_WORDS.get(word.lower())


def _read_circle_code(text: str) -> tuple[int, Mode] | None:
    match = _CIRCLE_CODE.fullmatch(text)
    if not match or not 1 <= int(match[1]) <= 12:
        return None
    origin, mode = _CIRCLE_LETTERS[match[2].lower()]
    return _from_fifths(int(match[1]) - origin, mode)


def _read_midi(text: str) -> tuple[int, Mode] | None:
    match = _MIDI.fullmatch(text)
    if not match or abs(int(match[1])) > 7:
        return None
    return _from_fifths(int(match[1]), "minor" if match[2] == "1" else "major")


def _from_fifths(fifths: int, mode: Mode) -> tuple[int, Mode]:
    """The key whose signature lies so many fifths above that of C major."""
    return (7 * fifths + (9 if mode == "minor" else 0)) % 12, mode


def write_key(tonic: int, mode: Mode, notation: Notation) -> str:
    """Write a key, its tonic a pitch class (C = 0), in one notation; :func:`read_key` reads it back."""
    if notation is Notation.NAME:
        return f"{TONIC_NAMES[tonic]} {mode}"
    if notation is Notation.SPELLED:
        return f"{_spelled(tonic, mode)} {mode}"
    if notation in (Notation.SHORT, Notation.TKEY):
        return TONIC_NAMES[tonic] + ("m" if mode == "minor" else "")
    if notation is Notation.MIDI:
        return f"sf={signature_sharps(tonic, mode)} mi={int(mode == 'minor')}"
    letters = "dm" if notation is Notation.OPEN_KEY else "BA"
    letter = letters[mode == "minor"]
    number = (signature_sharps(tonic, mode) + _CIRCLE_LETTERS[letter.lower()][0] - 1) % 12 + 1
    return f"{number}{letter}"


def _spelled(tonic: int, mode: Mode) -> str:
    """The tonic by its key signature: the line of fifths goes F C G D A E B, then F♯ and so on."""
    fifths_above_f = signature_sharps(tonic, mode) + (1 if mode == "major" else 4)
    accidentals, letter = divmod(fifths_above_f, 7)
    return "FCGDAEB"[letter] + {-1: "♭", 0: "", 1: "♯"}[accidentals]


def signature_sharps(tonic: int, mode: Mode) -> int:
    """The number of sharps in the key signature, -6..6, flats negative, with as few accidentals as possible.

    Of the two ways to write six accidentals the canonical spelling decides: F# major has 6, Eb minor -6.
    """
    fifths = 7 * (tonic - (9 if mode == "minor" else 0)) % 12
    return fifths - 12 if fifths > 6 or (fifths == 6 and mode == "minor") else fifths
