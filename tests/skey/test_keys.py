"""Facts of the 24 keys: spelling, signatures, the circle of fifths, how two keys relate, every notation."""

import contextlib

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skey.errors import SkeyError
from skey.keys import (
    CIRCLE_OF_FIFTHS,
    KEYS,
    SIGNATURES_BY_FIFTHS,
    Key,
    KeyParseError,
    Notation,
    Relation,
    format_key,
    parse_key,
    relation,
)

keys = st.sampled_from(KEYS)


def test_there_are_24_keys_in_index_order_and_one_spelling_serves_both_modes():
    assert [key.index for key in KEYS] == list(range(24)) and len(set(KEYS)) == 24
    names = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
    assert [str(key) for key in KEYS] == [f"{name} {mode}" for mode in ("major", "minor") for name in names]


def test_a_minor_has_no_accidentals_and_shares_the_signature_of_c_major():
    assert parse_key("A minor").signature == parse_key("C major").signature == 0
    assert parse_key("Eb minor").signature == parse_key("F# major").signature == 6


def test_the_circle_of_fifths_puts_each_major_key_next_to_its_relative_minor():
    names = [format_key(key, Notation.SHORT) for key in CIRCLE_OF_FIFTHS]
    assert names[:8] == ["C", "Am", "G", "Em", "D", "Bm", "A", "F#m"] and names[-2:] == ["F", "Dm"]
    assert sorted(CIRCLE_OF_FIFTHS) == sorted(KEYS)
    assert SIGNATURES_BY_FIFTHS[:4] == (0, 7, 2, 9)


@given(keys)
def test_relative_keys_share_a_signature_and_parallel_keys_a_tonic(key):
    assert key.relative.signature == key.signature and key.relative.mode != key.mode
    assert key.parallel.tonic == key.tonic and key.parallel.mode != key.mode
    assert key.relative.relative == key == key.parallel.parallel


@given(keys, st.integers(-30, 30))
def test_transposing_moves_tonic_and_signature_alike(key, semitones):
    moved = key.transposed(semitones)
    assert (moved.tonic - key.tonic) % 12 == (moved.signature - key.signature) % 12 == semitones % 12
    assert moved.mode == key.mode and moved.transposed(-semitones) == key


@pytest.mark.parametrize(("tonic", "mode"), [(12, "major"), (-1, "minor")])
def test_a_tonic_outside_the_octave_is_no_key(tonic, mode):
    with pytest.raises(ValueError, match=r"0\.\.11"):
        Key(tonic, mode)


def test_the_neighbours_of_c_major():
    found = {str(key): relation(parse_key("C major"), key) for key in KEYS}
    assert {name: each for name, each in found.items() if each is not Relation.OTHER} == {
        "C major": Relation.SAME,
        "G major": Relation.FIFTH_UP,
        "F major": Relation.FIFTH_DOWN,
        "A minor": Relation.RELATIVE,
        "C minor": Relation.PARALLEL,
    }


@given(keys, keys, st.integers(0, 11))
def test_a_relation_survives_transposition_and_mirrors_when_swapped(a, b, semitones):
    assert relation(a.transposed(semitones), b.transposed(semitones)) is relation(a, b)
    mirrored = {Relation.FIFTH_UP: Relation.FIFTH_DOWN, Relation.FIFTH_DOWN: Relation.FIFTH_UP}
    assert relation(b, a) is mirrored.get(relation(a, b), relation(a, b))


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("notation", list(Notation))
def test_every_key_returns_from_every_notation(key, notation):
    assert parse_key(format_key(key, notation)) == key


def test_keys_are_spelled_by_their_key_signature():
    minor = [format_key(Key(tonic, "minor"), Notation.SPELLED).removesuffix(" minor") for tonic in range(12)]
    major = [format_key(Key(tonic, "major"), Notation.SPELLED).removesuffix(" major") for tonic in range(12)]
    assert minor == ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "G♯", "A", "B♭", "B"]
    assert major == ["C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"]


READ = {
    "A major": "A Major|A|a major|La mayor",
    "C major": "C:maj|8B|1d|CM|Do maggiore|C (8B)|B#",
    "Db major": "C# Dur|Do sostenido mayor",
    "D major": "sf=+2 mi=0",
    "Eb major": "EBMAJOR|E-flat MAJOR|Es-Dur|Es|E-flat - Eb",
    "F major": "12 d|E# major",
    "G major": "  Gmaj\n",
    "Ab major": "As-Dur|G♯/A♭ major",
    "Bb major": "Bb|B- major|B-Dur|Si bémol majeur|Bb-Dur|B:dur|A#/B Dur|Si bemolle maggiore",
    "B major": "H-Dur|H|B/Cb Dur",
    "C minor": "Cm|c-Moll",
    "Db minor": "C#m/Dbm|C#/Db:min",
    "Eb minor": "EBMINOR|Eb:min|Ebm|d# min|E♭ minor|e- minor|e-|D♯m/E♭m|es|esm",
    "F# major": "Fis",
    "F# minor": "F♯m|F sharp Minor|F-sharp minor|fis-Moll|fa dièse mineur|F#/Gb minor|F#-Moll|fis|"
    "Fism|F# Moll",
    "G minor": "g_min|F## minor",
    "Ab minor": "abm|sf=-7 mi=1|Abm/G#m",
    "A minor": "8a|08A|1m|a|A-minor|la mineur|Am -12 cents|A min.|Am (8A)|8A - Am|Am\x00|\ufeffAm|"
    "Am/8A|La menor|a\tm",
    "Bb minor": "BB MIN|bb|A#m +50|b-|b_moll|b-flat",
    "B minor": "BMINOR|Cb minor|b|h-moll|Hm|h",
}
REFUSED = (
    "| |H minor|0B|13A|0d|C dorian|E-|major|A minor B|7|-1|o|sf=8 mi=0|Amm|F#/G minor|Xis-Dur|la bizarre|+50"
    "|Am (8B)|8A - C|C#m/Dm|Am/|(8A)|Am Bm|Am\0Bm|Bis|Hes|Cs|E--|A..|Am (8A|cs-Moll|Bes-Dur|Fs dur"
)


@pytest.mark.parametrize(
    ("text", "expected"), [(text, key) for key, texts in READ.items() for text in texts.split("|")]
)
def test_what_data_sets_tools_and_musicians_elsewhere_write_is_understood(text, expected):
    assert str(parse_key(text)) == expected


@pytest.mark.parametrize("text", REFUSED.split("|"))
def test_what_names_no_key_is_refused_with_what_was_expected(text):
    with pytest.raises(KeyParseError, match=r"expected a tonic and a mode such as 'Eb minor'") as caught:
        parse_key(text)
    assert repr(text) in str(caught.value)
    assert isinstance(caught.value, SkeyError) and isinstance(caught.value, ValueError)


@given(st.text(max_size=12))
def test_any_text_is_a_key_or_a_typed_error(text):
    with contextlib.suppress(KeyParseError):
        assert parse_key(text) in KEYS


def test_a_fifth_up_adds_one_on_both_wheels_of_the_djs():
    for notation in (Notation.OPEN_KEY, Notation.CAMELOT):
        for key in KEYS:
            here, there = (int(format_key(k, notation)[:-1]) for k in (key, key.transposed(7)))
            assert there == here % 12 + 1


def test_the_initial_key_frame_of_id3_has_at_most_three_characters():
    frames = [format_key(key, Notation.TKEY) for key in KEYS]
    assert max(map(len, frames)) == 3 and "Ebm" in frames
    assert all(frame[0] in "ABCDEFG" and set(frame[1:]) <= set("#bm") for frame in frames)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_midi_file_with_our_signature_holds_the_same_key(key):
    sharps, minor = (int(each.split("=")[1]) for each in format_key(key, Notation.MIDI).split())
    data = bytes([0xFF, 0x59, 2, sharps % 256, minor])
    assert parse_key(mido.MetaMessage.from_bytes(data).key) == key
    assert -6 <= sharps <= 6
