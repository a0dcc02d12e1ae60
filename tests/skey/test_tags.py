"""The key in the tags: written as a whole or not at all, and not one byte of anything else changes."""

import base64
import errno
import io
import os
import re
import shutil
import struct
import sys
import tempfile
from pathlib import Path
from unittest.mock import Mock

import av
import mutagen
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TKEY, TXXX
from mutagen.mp4 import MP4Tags
from sounds import cadence
from test_decoding import claiming, encode

from skey.cli import main
from skey.files import id3, tags
from skey.files.tags import TagError, tagged_key, write_key
from skey.keys import KEYS, Notation, parse_key

EB_MINOR = parse_key("Eb minor")
RATE = 22_050


def music(seconds=1.0):
    """A cadence in C major, a second a chord."""
    return cadence(KEYS[0], seconds, beat=1.0)


@pytest.fixture
def song(tmp_path):
    def write(name, seconds=1.0):
        path = tmp_path / name
        if codec := {".m4a": "aac", ".wv": "wavpack"}.get(path.suffix):
            encode(path, codec, rate=RATE, samples=music(seconds))
        elif path.suffix == ".opus":
            soundfile.write(path, music(seconds), 24_000, format="OGG", subtype="OPUS")
        else:
            soundfile.write(path, music(seconds), RATE)
        return path

    return write


def save_fields(path, **fields):
    file = mutagen.File(path)
    file.update(fields)
    file.save()


def frame(name, content, flags=b"\0\0"):
    return name + struct.pack(">I", len(content)) + flags + content


def tagged(path, version, body, flags=0):
    header = b"ID3" + bytes([version, 0, flags]) + bytes(len(body) >> s & 127 for s in (21, 14, 7, 0))
    path.write_bytes(header + body + path.read_bytes())


def left_alone(path, reason="."):
    """Whether a file is refused for a reason, by a rehearsal too, and keeps its bytes."""
    before = path.read_bytes()
    for dry_run in (True, False):
        with pytest.raises(TagError, match=reason):
            write_key(path, EB_MINOR, dry_run=dry_run)
    return path.read_bytes() == before


AWKWARD = (
    frame(b"TPE1", b"\1" + "Één".encode("utf-16") + b"\0\0" + "Zwei".encode("utf-16")),
    frame(b"TIT2", b"\0Title\0Another title"),
    frame(b"TIT2", b"\0A second frame of that name"),
    frame(b"XABC", bytes(range(90))),
    frame(b"TCON", b"\0(17)Rock", b"\x40\0"),
)


@pytest.mark.parametrize("version", [3, 4])
def test_all_other_frames_stay_as_they_are_and_where_they_are(song, version):
    """mutagen would join the two artists, sort the frames and lose one of the titles."""
    path = song("a.mp3")
    sound = path.read_bytes() + b"TAG" + b"Title".ljust(125, b"\0")
    path.write_bytes(sound)
    tagged(path, version, b"".join(AWKWARD) + bytes(100))
    length = path.stat().st_size
    assert write_key(path, EB_MINOR) == "TKEY: none -> Ebm"
    key = frame(b"TKEY", b"\0Ebm")
    assert path.read_bytes()[10:] == b"".join(AWKWARD) + key + bytes(100 - len(key)) + sound
    assert path.stat().st_size == length
    assert write_key(path, parse_key("C")) == "TKEY: Ebm -> C"
    assert path.read_bytes()[10:].startswith(b"".join(AWKWARD) + frame(b"TKEY", b"\0C"))


def test_a_tag_without_room_grows(song):
    path = song("a.mp3")
    sound = path.read_bytes()
    tagged(path, 3, b"".join(AWKWARD))
    write_key(path, EB_MINOR)
    assert path.read_bytes()[10:].startswith(b"".join(AWKWARD) + frame(b"TKEY", b"\0Ebm"))
    assert path.read_bytes().endswith(bytes(500) + sound)


def test_an_unsynchronised_tag_stays_one(song):
    path = song("a.mp3")
    picture = frame(b"APIC", b"\0image/png\0\3\0" + b"\xff\xe0\xff\0\xff\xff")
    tagged(path, 3, re.sub(rb"\xff(?=[\xe0-\xff\0])", b"\xff\0", picture + b"\0"), 0x80)
    before = ID3(path, translate=False)["APIC:"].data
    write_key(path, EB_MINOR)
    after = ID3(path, translate=False)
    assert (after["APIC:"].data, after["TKEY"].text) == (before, ["Ebm"])


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("name", [b"TXXX", b"TKEY", b"TIT2"])
def test_an_empty_frame_is_no_hindrance(song, version, name):
    path = song("a.mp3")
    sound, artist = path.read_bytes(), frame(b"TPE1", b"\0Artist")
    tagged(path, version, frame(name, b"") + artist + bytes(50))
    assert write_key(path, EB_MINOR) == "TKEY: none -> Ebm"
    key = frame(b"TKEY", b"\0Ebm")
    frames = key + artist if name == b"TKEY" else frame(name, b"") + artist + key
    assert path.read_bytes()[10:] == (frames + bytes(60 + len(artist) - len(frames))) + sound
    assert tagged_key(path) == "Ebm"


def test_sizes_that_a_known_program_writes_wrongly_are_understood(song):
    path = song("a.mp3")
    tagged(path, 4, frame(b"APIC", b"\0image/png\0\3\0" + bytes(range(256))) + bytes(50))
    write_key(path, EB_MINOR)
    assert ID3(path)["APIC:"].data == bytes(range(256))
    assert ID3(path)["TKEY"].text == ["Ebm"]


def test_fields_of_other_programs_that_contradict_the_key_are_brought_along(song):
    path = song("a.mp3")
    old = ID3()
    for encoding, name, text in (
        (3, "initialkey", "Bm"),
        (1, "INITIAL_KEY", "10A"),
        (0, "KEY", "2A"),
        (3, "mood", "C"),
    ):
        old.add(TXXX(encoding=encoding, desc=name, text=[text]))
    old.save(path)
    assert write_key(path, EB_MINOR) == (
        "TKEY: none -> Ebm, TXXX:INITIAL_KEY: 10A -> Ebm, TXXX:initialkey: Bm -> Ebm"
    )
    new = ID3(path)
    assert [str(new[f"TXXX:{name}"]) for name in ("initialkey", "INITIAL_KEY", "KEY", "mood")] == [
        "Ebm", "Ebm", "2A", "C",
    ]  # fmt: skip
    assert write_key(path, EB_MINOR) == ""


@pytest.mark.parametrize("name", ["a.flac", "a.ogg"])
def test_comments_of_other_programs_are_brought_along(song, name):
    path = song(name)
    save_fields(path, initial_key="Bm", TITLE="T", KEY="2A", INITIALKEY=["Ebm", "Bm"])
    assert write_key(path, EB_MINOR) == "INITIALKEY: Ebm and Bm -> Ebm, INITIAL_KEY: Bm -> Ebm"
    assert sorted(pair for pair in mutagen.File(path).tags if pair[0] != "ENCODER") == [
        ("INITIALKEY", "Ebm"), ("INITIAL_KEY", "Ebm"), ("KEY", "2A"), ("TITLE", "T"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["ИМЯ=".encode(), "ИМЯ=".encode("cp1251"), b"A~B=", b"=", b"no name "])
def test_comments_that_would_be_lost_are_not_rewritten(song, name):
    path = song("a.flac")
    comment = name + b"value"
    save_fields(path, TITLE="x" * (len(comment) - 6))
    title = b"TITLE=" + b"x" * (len(comment) - 6)
    path.write_bytes(path.read_bytes().replace(title, comment))
    assert comment in path.read_bytes()
    assert left_alone(path, "names are not ASCII")


def test_a_field_of_an_ape_tag_is_one_whatever_its_case(song):
    path = song("a.wv")
    save_fields(path, Key="Cm", Initial_Key="Cm", Title="T")
    assert write_key(path, EB_MINOR) == "KEY: Cm -> Ebm, INITIAL_KEY: Cm -> Ebm"
    new = mutagen.File(path).tags
    assert {name.upper(): str(value) for name, value in new.items() if name.upper() != "ENCODER"} == {
        "KEY": "Ebm", "INITIAL_KEY": "Ebm", "TITLE": "T",
    }  # fmt: skip
    assert write_key(path, EB_MINOR) == ""


@pytest.mark.parametrize(("old", "new"), [(b"Titlf", b"TITLE"), (b"\x03\0\0\0\0\0\0", b"\x02\0\0\0\0\0\0")])
def test_an_ape_tag_of_which_a_part_would_be_lost_is_left_alone(song, old, new):
    """Its fields differ in case alone, or are more than it says."""
    path = song("a.wv")
    APEv2(path).delete()
    sound = path.read_bytes()
    save_fields(path, Title="T", Titlf="U", Artist="A")
    tag = path.read_bytes().removeprefix(sound)
    assert old in tag
    path.write_bytes(sound + tag.replace(old, new))
    assert left_alone(path, "APE tag has fields of one name")


def packed(text):
    return base64.b64encode(text.encode()).decode()


MIXED_IN_KEY = packed('{"algorithm":94,"key":"8A","source":"mixedinkey"}')


def mark(path, name, value):
    """Write a field as another program does; returns its full name."""
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    if isinstance(file.tags, ID3):
        name, value = f"TXXX:{name}", TXXX(encoding=3, desc=name, text=[value])
    elif isinstance(file.tags, MP4Tags):
        name, value = tags.MP4_PREFIX + name, value.encode()
    file.tags[name] = value if isinstance(file.tags, ID3) else [value]
    file.save()
    return name


@pytest.mark.parametrize(
    ("suffix", "field"),
    [*((each, "KEY") for each in ("flac", "ogg", "mp3", "wav", "m4a")), ("wv", "InitialKey")],
)
def test_what_mixed_in_key_packed_into_a_field_is_read_and_stays_as_it_is(song, suffix, field):
    path = song(f"a.{suffix}")
    name = mark(path, field, MIXED_IN_KEY)
    assert tagged_key(path) == "8A"
    assert ", " not in write_key(path, EB_MINOR)
    assert tagged_key(path) == "Ebm"
    assert tags._texts(mutagen.File(path).tags, name) == [MIXED_IN_KEY]
    assert write_key(path, EB_MINOR) == ""


@pytest.mark.parametrize(
    ("text", "key"),
    [
        *((packed('{"key":"8A"}' + " " * spaces), "8A") for spaces in range(3)),
        (packed('{"key":"8A"} ').rstrip("="), "8A"),
        (packed('{ "key": "10B" }'), "10B"),
        (packed('{\n  "key": "10B"\n}'), "10B"),
        (packed('{"algorithm":94}'), None),
        (packed('{"key":"All"}'), None),
        (packed('{"key":["8A"]}'), None),
        (packed('{"key":"8A","a":1}')[:-9], None),
        (packed('{"key":"8A","a"}'), None),
    ],
)
def test_what_mixed_in_key_packed_is_a_key_where_it_can_be_unpacked(song, text, key):
    path = song("a.flac")
    mark(path, "key", text)
    assert tagged_key(path) == key
    assert write_key(path, EB_MINOR) == "INITIALKEY: none -> Ebm"
    assert mutagen.File(path)["key"] == [text]


@pytest.mark.parametrize(("name", "field"), [("a.wv", "KEY"), ("a.flac", "INITIALKEY")])
def test_the_field_for_the_key_is_not_written_where_mixed_in_key_packed_something_into_it(song, name, field):
    path = song(name)
    mark(path, field, MIXED_IN_KEY)
    assert tagged_key(path) == "8A"
    assert left_alone(path, f"{field} holds data of Mixed In Key")


@pytest.mark.parametrize("value", [" ", "-", "None", "Unknown", "0", "o", "off key"])
@pytest.mark.parametrize("name", ["a.mp3", "a.flac"])
def test_a_blank_or_a_placeholder_is_no_key_and_gives_way_to_one(song, name, value):
    path = song(name)
    mark(path, "INITIALKEY", value)
    if name == "a.mp3":
        save_fields(path, TKEY=TKEY(encoding=3, text=[value]))
    assert tagged_key(path) is None
    assert f"{value} -> Ebm" in write_key(path, EB_MINOR)
    assert tagged_key(path) == "Ebm"


def test_a_placeholder_does_not_hide_the_key_behind_it(song):
    path = song("a.flac")
    save_fields(path, INITIALKEY="-", KEY=["Unknown", "Bm"])
    assert tagged_key(path) == "Bm"


@pytest.mark.parametrize(
    ("suffix", "field"),
    [
        *((suffix, "TKEY") for suffix in ("mp3", "wav", "aiff")),
        *((suffix, "INITIALKEY") for suffix in ("flac", "ogg", "opus")),
        ("m4a", tags.MP4_KEY),
        ("wv", tags.APE_KEY),
    ],
)
def test_every_format_keeps_sound_permissions_and_times_and_a_second_run_changes_nothing(song, suffix, field):
    path = song(f"a.{suffix}")
    path.chmod(0o640)
    os.utime(path, ns=(10**18, 10**18))
    sound = tags._fingerprint(path)
    assert tagged_key(path) is None
    assert write_key(path, EB_MINOR, notation=Notation.CAMELOT) == f"{field}: none -> 2A"
    assert tagged_key(path) == "2A"
    assert field != "TKEY" or list(mutagen.File(path).tags) == ["TKEY"]
    assert tags._fingerprint(path) == sound
    assert path.stat().st_mtime_ns == 10**18
    assert path.stat().st_mode & 0o777 == 0o640
    before = path.read_bytes()
    assert write_key(path, EB_MINOR, notation=Notation.CAMELOT) == ""
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_file_keeps_its_group_where_its_owner_is_another_who_shares_it(song, monkeypatch):
    def not_root(path, owner, group):
        if owner != -1:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        given.append(group)

    path, given = song("a.mp3"), []
    monkeypatch.setattr(tags.os, "chown", not_root, raising=False)
    write_key(path, EB_MINOR)
    assert given == [path.stat().st_gid]


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.flac", "a.ogg", "a.m4a"])
def test_a_full_disk_leaves_the_file_as_it_was(song, monkeypatch, name):
    path = song(name)
    monkeypatch.setattr(tags.os, "fsync", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
    assert left_alone(path, "No space left")
    assert list(path.parent.iterdir()) == [path]


def test_a_sound_that_would_change_is_not_put_in_the_place_of_the_file(song, monkeypatch):
    path = song("a.mp3")
    half, whole = path.stat().st_size // 2, tags.id3.copy_with_key
    monkeypatch.setattr(tags.id3, "copy_with_key", lambda source, target, *_: target.write(source.read(half)))
    assert left_alone(path, "does not read back")
    monkeypatch.setattr(tags.id3, "copy_with_key", lambda *files: whole(*files) or files[1].truncate(half))
    assert left_alone(path, "sound would change")


def test_what_another_program_writes_meanwhile_is_kept(song, monkeypatch):
    path, verify = song("a.flac"), tags._verify

    def edited_then_verified(*arguments):
        verify(*arguments)
        save_fields(path, TITLE="new")

    monkeypatch.setattr(tags, "_verify", edited_then_verified)
    with pytest.raises(TagError, match="another program changed"):
        write_key(path, EB_MINOR)
    assert mutagen.File(path).tags == [("TITLE", "new")]


def test_an_unforeseen_error_is_one_file_s_error(song, tmp_path, monkeypatch):
    for name in ("a.flac", "b.flac"):
        song(name, 4)
    opened = mutagen.File
    monkeypatch.setattr(
        mutagen, "File", lambda path, *more: 1 // 0 if path.name == "a.flac" else opened(path, *more)
    )
    ran = CliRunner().invoke(main, ["detect", "-r", str(tmp_path), "--write-tags", "--tag-confidence", "0"])
    assert ran.exit_code == 1
    assert "a.flac: its tags cannot be read: ZeroDivisionError" in ran.stderr
    assert "b.flac: wrote INITIALKEY" in ran.stderr


def test_a_write_protected_file_stays_as_it_is_and_so_do_those_of_such_a_folder(song, monkeypatch):
    path = song("a.mp3")
    path.chmod(0o444)
    monkeypatch.setattr(tags.os, "access", lambda path, mode: False)  # Root may write everything.
    assert left_alone(path, "write-protected")
    monkeypatch.setattr(tags.os, "access", lambda path, mode: path.is_file())
    assert left_alone(path, "folder is write-protected")


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.flac", "a.m4a", "a.wv"])
def test_a_rehearsal_says_what_is_written_and_changes_neither_file_nor_folder(song, name, tmp_path):
    path, elsewhere = song(name), Path(tempfile.gettempdir())
    before = path.read_bytes(), path.stat(), tmp_path.stat().st_mtime_ns, set(elsewhere.glob(".skey-*"))
    said = write_key(path, EB_MINOR, dry_run=True)
    after = path.read_bytes(), path.stat(), tmp_path.stat().st_mtime_ns, set(elsewhere.glob(".skey-*"))
    assert after[0] == before[0]
    assert after[1].st_mtime_ns == before[1].st_mtime_ns
    assert after[2:] == before[2:]
    assert said == write_key(path, EB_MINOR)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have no place in a folder there")
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.mp3")
    for read_or_write in (tagged_key, lambda path: write_key(path, EB_MINOR)):
        with pytest.raises(TagError, match="not a regular file"):
            read_or_write(tmp_path / "a.mp3")


def test_a_path_may_be_text(song):
    path = str(song("a.mp3"))
    assert write_key(path, EB_MINOR) == "TKEY: none -> Ebm"
    assert tagged_key(path) == "Ebm"


def test_a_link_stays_a_link_and_a_hard_link_that_is_left_out_is_named(song, tmp_path):
    path = song("a.mp3")
    before = path.read_bytes()
    (tmp_path / "link.mp3").symlink_to(path)
    (tmp_path / "hard.mp3").hardlink_to(path)
    said = write_key(tmp_path / "link.mp3", EB_MINOR)
    assert said == "TKEY: none -> Ebm; not under its other names (hard links)"
    assert (tmp_path / "link.mp3").is_symlink()
    assert tagged_key(path) == "Ebm"
    assert (tmp_path / "hard.mp3").read_bytes() == before


def test_what_an_id3v1_tag_says_is_not_hidden_by_the_new_tag(song):
    path = song("song.mp3")
    path.write_bytes(path.read_bytes() + b"TAG" + b"Title".ljust(30, b"\0") + bytes(94) + b"\xff")
    write_key(path, EB_MINOR)
    tags = ID3(path, load_v1=False)
    assert (str(tags["TIT2"]), str(tags["TKEY"])) == ("Title", "Ebm")


@pytest.mark.parametrize("has_ape", [True, False])
def test_an_id3v1_tag_behind_an_ape_tag_stays_the_last(song, has_ape):
    path = song("a.wv")
    if not has_ape:
        APEv2(path).delete()
    old = b"TAG" + b"Title".ljust(125, b"\0")
    path.write_bytes(path.read_bytes() + old)
    for key in ("Eb minor", "C"):
        write_key(path, parse_key(key))
        assert path.read_bytes().endswith(old)
        assert path.read_bytes().count(b"TAG" + b"Title") == path.read_bytes().count(b"APETAGEX") - 1 == 1
    assert tagged_key(path) == "C"


@pytest.mark.parametrize("name", ["a.mp3", "a.flac"])
def test_the_key_of_a_second_tag_is_seen_and_not_contradicted(song, name):
    path = song(name)
    if name == "a.mp3":
        second = APEv2()
        second["InitialKey"] = "Bm"
        second.save(path)
    else:
        cover = frame(b"APIC", b"\0image/png\0\3\0" + bytes(2**21))
        tagged(path, 3, frame(b"TKEY", b"\0Bm") + cover)
    assert tagged_key(path) == "Bm"
    assert left_alone(path, "second tag .* has the key Bm")
    write_key(path, parse_key("Bm"))
    assert tags._opened(path).tags[tags._key_fields(tags._opened(path).tags)[0]] == ["Bm"]


@pytest.mark.parametrize("version", [2, 3])
def test_the_key_of_a_second_tag_behind_the_first_is_seen_and_not_contradicted(song, version):
    path = song("a.mp3")
    tagged(path, version, b"TKE\0\0\3\0Bm" if version == 2 else frame(b"TKEY", b"\0Bm"))
    tagged(path, 3, frame(b"TIT2", b"\0Title") + bytes(50))
    assert id3.further_tags(path)[0][3] == version
    assert tagged_key(path) == "Bm"
    assert left_alone(path, r"second tag \(ID3\) has the key Bm")
    assert write_key(path, parse_key("Bm")) == "TKEY: none -> Bm"


@pytest.mark.parametrize("last", [b"", b"TAG" + b"Title".ljust(125, b"\0")])
def test_the_key_of_a_tag_at_the_end_of_a_file_is_seen_and_not_contradicted(song, last):
    path = song("a.mp3")
    body = frame(b"TKEY", b"\0Bm")
    length = b"\4\0\x10\0\0\0" + bytes([len(body)])
    path.write_bytes(path.read_bytes() + b"ID3" + length + body + b"3DI" + length + last)
    assert tagged_key(path) == "Bm"
    assert left_alone(path, r"second tag \(ID3\) has the key Bm")
    with pytest.raises(TagError, match="is at its end"):
        write_key(path, parse_key("Bm"))
    tagged(path, 3, frame(b"TIT2", b"\0Title") + bytes(50))
    assert write_key(path, parse_key("Bm")) == "TKEY: none -> Bm"
    assert tagged_key(path) == "Bm"


@pytest.mark.parametrize("fragments", ["frag_keyframe+empty_moov+default_base_moof", "dash"])
def test_an_index_of_fragments_that_would_point_elsewhere_is_not_left_behind(tmp_path, fragments):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", options={"movflags": fragments, "frag_duration": "300000"}) as out:
        stream = out.add_stream("aac", rate=RATE, layout="mono")
        sound = av.AudioFrame.from_ndarray(music()[None], "fltp", "mono")
        sound.sample_rate = RATE
        out.mux([*stream.encode(sound), *stream.encode(None)])
    content = path.read_bytes()
    assert content[-12:-8] == b"mfro"
    assert left_alone(path, "index of its fragments")
    path.write_bytes(content[: content.rindex(b"mfra") - 4])
    assert write_key(path, EB_MINOR)


def atom(name, content):
    return struct.pack(">I4s", len(content) + 8, name) + content


def test_the_other_atoms_of_an_m4a_stay_as_they_are(song):
    """mutagen would make a word of the genre's number, shorten the disc's, and lose the picture's name."""
    path = song("a.m4a")
    free = atom(b"mean", bytes(4) + b"com.apple.iTunes") + atom(b"name", bytes(4) + b"ARTISTS")
    atoms = (
        atom(b"gnre", atom(b"data", bytes(8) + b"\0\x12"))
        + atom(b"disk", atom(b"data", bytes(8) + struct.pack(">4H", 0, 1, 2, 0)))
        + atom(b"covr", atom(b"data", b"\0\0\0\x0d\0\0\0\0png") + atom(b"name", b"\0\0\0\0a.png"))
        + atom(b"----", free + atom(b"data", b"\0\0\0\1\0\0\0\0A"))
        + atom(b"----", free + atom(b"data", b"\0\0\0\1\0\0\0\0B"))
    )
    room = "x" * (len(atoms) - 24)
    save_fields(path, **{"\xa9cmt": room})
    comment = atom(b"\xa9cmt", atom(b"data", b"\0\0\0\1" + bytes(4) + room.encode()))
    path.write_bytes(path.read_bytes().replace(comment, atoms))
    for key in ("Eb minor", "C"):
        write_key(path, parse_key(key))
        assert atoms in path.read_bytes()
        assert path.read_bytes().count(b"initialkey") == 1
    assert tagged_key(path) == "C"


def test_the_key_of_a_tta_goes_into_the_tag_that_it_has(tmp_path):
    path = encode(tmp_path / "a.tta", "tta", "tta", rate=RATE, samples=music())
    save = APEv2(path)
    assert write_key(path, EB_MINOR) == "KEY: none -> Ebm"
    with av.open(str(path)) as file:
        assert file.metadata == {"KEY": "Ebm", "encoder": save["encoder"]}
    assert write_key(path, EB_MINOR) == ""
    save.delete(path)
    assert write_key(path, EB_MINOR) == "TKEY: none -> Ebm"
    with av.open(str(path)) as file:
        assert file.metadata == {"TKEY": "Ebm"}


def test_the_key_in_a_tag_before_aac_is_read_and_written_where_there_is_such_a_tag(tmp_path):
    path = encode(tmp_path / "a.aac", "aac", "adts", rate=RATE, samples=music())
    assert left_alone(path, "support tags")
    sound, title = path.read_bytes(), frame(b"TIT2", b"\0Title")
    tagged(path, 4, title + frame(b"TKEY", b"\0Bm") + bytes(50))
    assert tagged_key(path) == "Bm"
    assert write_key(path, EB_MINOR) == "TKEY: Bm -> Ebm"
    assert path.read_bytes()[10:] == title + frame(b"TKEY", b"\0Ebm") + bytes(49) + sound


@pytest.mark.parametrize("is_told", [True, False])
def test_a_wma_tells_its_size_as_before(tmp_path, is_told):
    path = encode(tmp_path / "a.wma", "wmav2", "asf", rate=RATE, samples=music(), b="96000")
    before = path.stat().st_size.to_bytes(8, "little")
    place = path.read_bytes().index(before)
    if not is_told:
        path.write_bytes(path.read_bytes().replace(before, bytes(8)))
    assert write_key(path, EB_MINOR) == "WM/InitialKey: none -> Ebm"
    told = path.read_bytes()[place:][:8]
    assert path.stat().st_size > int.from_bytes(before, "little")
    assert int.from_bytes(told, "little") == is_told * path.stat().st_size


def test_a_second_tag_that_claims_more_than_the_file_holds_is_not_read(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"ID3\3\0\0" + bytes(4) + b"ID3\3\0\0" + b"\xff" * 4 + encoded("MP3"))
    assert id3.further_tags(tmp_path / "a.mp3") == []


@pytest.mark.parametrize("placeholder", ["-", MIXED_IN_KEY])
def test_a_second_tag_without_a_plain_key_contradicts_none(song, placeholder):
    path = song("a.mp3")
    second = APEv2()
    second["Key"] = placeholder
    second.save(path)
    assert write_key(path, EB_MINOR) == "TKEY: none -> Ebm"
    assert APEv2(path)["Key"] == placeholder


def with_second_chunk(path, key):
    """Add a second ID3 chunk with a key to a wav or aiff."""
    content, order = path.read_bytes(), "<" if path.suffix == ".wav" else ">"
    write_key(path, parse_key(key))
    (start,) = [place.start() for place in re.finditer(b"(?i)id3 ", path.read_bytes())]
    chunk = path.read_bytes()[start:]
    path.write_bytes(content)
    write_key(path, parse_key("C"))
    content = path.read_bytes() + chunk
    path.write_bytes(content[:4] + struct.pack(f"{order}I", len(content) - 8) + content[8:])


@pytest.mark.parametrize("name", ["a.wav", "a.aiff"])
def test_the_key_of_a_second_chunk_is_seen_and_not_contradicted(song, name):
    path = song(name)
    with_second_chunk(path, "Bm")
    assert mutagen.File(path).tags["TKEY"] == ["C"]
    assert left_alone(path, r"second tag \(ID3\) has the key Bm")
    assert write_key(path, parse_key("Bm")) == "TKEY: C -> Bm"
    assert path.read_bytes().count(b"TKEY") == 2


def test_a_kind_of_file_that_keys_are_not_written_into_is_named(tmp_path):
    path = tmp_path / "a.dsf"
    sound = bytes(8_192)
    header = struct.pack("<QIIIIIIQII", 52, 1, 0, 2, 2, 2_822_400, 1, 8 * 4_096, 4_096, 0)
    content = b"fmt " + header + b"data" + struct.pack("<Q", 12 + len(sound)) + sound
    path.write_bytes(b"DSD " + struct.pack("<QQQ", 28, 28 + len(content), 0) + content)
    assert tagged_key(path) is None
    assert left_alone(path, "DSF")


def encoded(kind):
    buffer = io.BytesIO()
    soundfile.write(buffer, music(), RATE, format=kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.mp3", encoded("FLAC"), "what its suffix says"),
        ("a.flac", encoded("MP3"), "what its suffix says"),
        ("a.flac", b"fLaC", "cannot be read"),
        ("a.txt", b"words", "without tags"),
        ("a.mp3", b"ID3\2\0\0\0\0\0\x0cTT2\0\0\6\0Title" + encoded("MP3"), r"ID3v2\.2"),
        ("a.mp3", encoded("MP3") + b"TAG" + "Песня".encode("cp1251").ljust(125), "nobody can tell"),
        ("a.wav", encoded("RF64"), "."),
        ("a.wav", claiming(encoded("WAV"), 0xFFFFFFFF), "another length"),
        ("a.wav", claiming(encoded("WAV"), 10**6), "another length"),
    ],
)
def test_what_is_damaged_or_in_disguise_is_left_alone(tmp_path, name, content, reason):
    path = tmp_path / name
    path.write_bytes(content)
    assert left_alone(path, reason)
    path.unlink()
    with pytest.raises(TagError, match="No such file"):
        write_key(path, EB_MINOR)


def chunks(content):
    """Name and content of each chunk, read strictly."""
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8
    place, found = 12, []
    while place < len(content):
        size = struct.unpack("<I", content[place + 4 : place + 8])[0]
        found.append((content[place : place + 4], content[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    assert place == len(content)
    return found


@pytest.mark.parametrize("samples", [1_001, 1_000])
@pytest.mark.parametrize("cut", [0, 1])
def test_an_odd_chunk_gets_its_pad_byte_and_others_find_the_tag(tmp_path, samples, cut):
    path = tmp_path / "a.wav"
    soundfile.write(path, music()[:samples], RATE, subtype="PCM_U8")
    content = path.read_bytes()
    content = content[: len(content) - cut * (samples % 2) * (len(content) % 2 == 0)]
    path.write_bytes(content)
    data = content[content.index(b"data") + 8 :][:samples]
    write_key(path, EB_MINOR)
    found = dict(chunks(path.read_bytes()))
    assert found[b"data"] == data
    assert found[b"id3 "].startswith(b"ID3")
    with av.open(str(path)) as file:
        assert file.metadata["TKEY"] == "Ebm"
    assert write_key(path, EB_MINOR) == ""


def test_other_chunks_stay_before_and_after_the_tag(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, music(), RATE)
    write_key(path, EB_MINOR)
    content = path.read_bytes() + b"LIST" + struct.pack("<I", 11) + b"INFOISFT\1\0\0\0"[:11] + b"\0"
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    before = chunks(path.read_bytes())
    write_key(path, parse_key("C"))
    after = chunks(path.read_bytes())
    assert [name for name, _ in after] == [name for name, _ in before]
    assert [c for name, c in after if name != b"id3 "] == [c for name, c in before if name != b"id3 "]


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open is not replaced there")
@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.flac", "a.ogg", "a.m4a", "a.wv"])
def test_a_file_is_replaced_whole_at_once_so_that_a_kill_at_any_moment_leaves_one(song, monkeypatch, name):
    path, replace, until_then = song(name), Path.replace, []
    before = path.read_bytes()

    def replacing(copy, target):
        until_then.append(target.read_bytes())
        replace(copy, target)

    monkeypatch.setattr(Path, "replace", replacing)
    with path.open("rb") as old:
        write_key(path, EB_MINOR)
        assert until_then == [before] == [old.read()]


def test_a_copy_has_the_suffix_of_its_file_for_it_may_decide_how_damaged_sound_is_decoded(song, monkeypatch):
    path, heard, fingerprint = song("a.mp3"), [], tags._fingerprint
    monkeypatch.setattr(tags, "_fingerprint", lambda path: [heard.append(path), fingerprint(path)][1])
    write_key(path, EB_MINOR)
    assert len(heard) == 2
    assert all(each.suffix == ".mp3" for each in heard)
    assert not list(path.parent.glob(".skey-*"))


@pytest.mark.parametrize("name", [".skey-abc.part.mp3", ".skey-abc.part"])  # an older name, too
def test_copies_of_a_run_that_was_killed_are_removed_by_the_next_one(song, name, monkeypatch):
    path = song("a.mp3")
    left = path.with_name(name)
    left.touch()
    write_key(path, EB_MINOR)
    assert left.exists(), "it may be in use"
    tags._remove_leftovers.cache_clear()
    monkeypatch.setattr(tags.time, "time", lambda: left.stat().st_ctime + 1_000)
    write_key(path, parse_key("C"))
    assert not left.exists()


@pytest.mark.parametrize("name", ["a.mp3", "a.wav", "a.aiff", "a.flac", "a.ogg", "a.m4a", "a.wv"])
def test_damaged_files_are_tagged_whole_or_refused_by_a_typed_error(song, name):
    path = song(name)
    write_key(path, parse_key("C"))
    content = path.read_bytes()
    generator = np.random.default_rng(1)
    for _ in range(30):
        damaged = bytearray(content[: int(len(content) * generator.uniform(0.3, 1))])
        for place in generator.integers(0, min(len(damaged), 3_000), 8):
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        sound = tags._fingerprint(path)
        try:
            write_key(path, EB_MINOR)
        except TagError:
            assert path.read_bytes() == damaged
        else:
            assert tagged_key(path) == "Ebm"
            assert tags._fingerprint(path) == sound
        assert list(path.parent.iterdir()) == [path]


def test_uncertain_keys_are_not_written_and_tagged_files_can_be_skipped(song, tmp_path):
    path = song("a.flac", 4)
    before = path.read_bytes()
    run = CliRunner().invoke
    ran = run(main, ["detect", str(path), "--write-tags", "--tag-confidence", "1"])
    assert "is under 1 (--tag-confidence)" in ran.stderr
    assert path.read_bytes() == before
    options = ["--write-tags", "--tag-confidence", "0", "--tag-notation", "open-key"]
    assert "INITIALKEY: none -> " in run(main, ["detect", str(path), *options]).stderr
    assert tagged_key(path)[-1] in "dm"
    skipped = run(main, ["detect", str(path), "--skip-tagged"])
    assert (skipped.stdout, skipped.exit_code) == ("", 0)
    assert "skipped, since its tags have the key" in skipped.stderr


def test_the_cases_on_record_are_tagged_or_left_alone(shared, tmp_path):
    for case in (shared / "cases").iterdir():
        shutil.copyfile(case, tmp_path / case.name)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    a_minor = parse_key("Am")
    for path in before:
        try:
            write_key(path, a_minor)
        except TagError:
            assert path.read_bytes() == before[path]
        else:
            assert tagged_key(path) == "Am"
            assert write_key(path, a_minor) == ""
    untouched = {path.name for path in before if path.read_bytes() == before[path]}
    assert untouched == {
        "INDEX.tsv",
        "mp3-id3v1-cyrillic.mp3",
        "opus.webm",
        "wav-data-size-ffffffff.wav",
        "wav-data-size-zero.wav",
    }
    with av.open(str(tmp_path / "wav-odd-data-without-pad.wav")) as file:
        assert file.metadata["TKEY"] == "Am"
