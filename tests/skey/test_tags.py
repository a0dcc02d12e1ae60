"""The key in the tags: TKEY of ID3, INITIALKEY of Vorbis and MP4, and not one byte of anything else."""

import struct

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.id3 import APIC, COMM, ID3, TIT2, TKEY, TXXX
from mutagen.mp4 import MP4

from skey.files.tags import MP4_KEY, TagError, write_key
from skey.keys import parse_key

EB_MINOR = parse_key("Eb minor")
RATE = 22_050


@pytest.fixture
def sound(tmp_path):
    def write(name):
        times = np.arange(RATE) / RATE
        soundfile.write(tmp_path / name, 0.5 * np.sin(2 * np.pi * 440 * times), RATE)
        return tmp_path / name

    return write


def frames(path):
    """All frames but the key, as they are stored."""
    tags = ID3(path, translate=False, load_v1=False)
    return (
        tags.version,
        sorted(repr(frame) for name, frame in tags.items() if name != "TKEY"),
        tags.unknown_frames,
    )


@pytest.mark.parametrize("version", [3, 4])
def test_tkey_is_added_and_no_other_frame_touched(sound, version):
    path = sound("song.mp3")
    tags = ID3()
    for frame in (
        TIT2(encoding=1, text=["Für Elise"]),
        TXXX(encoding=0, desc="mood", text=["calm"]),
        COMM(encoding=1, lang="deu", desc="", text=["ä"]),
        APIC(encoding=0, mime="image/png", type=3, desc="", data=bytes(range(256))),
    ):
        tags.add(frame)
    tags.save(path, v2_version=version, v1=2)
    before, sound_before, v1_before = frames(path), soundfile.read(path)[0], path.read_bytes()[-128:]
    assert write_key(path, EB_MINOR) == "TKEY: none -> Ebm"
    assert frames(path) == before
    assert before[0] == (2, version, 0)
    assert ID3(path)["TKEY"].text == ["Ebm"]
    assert np.array_equal(soundfile.read(path)[0], sound_before)
    assert path.read_bytes()[-128:] == v1_before
    assert v1_before.startswith(b"TAG")


@pytest.mark.parametrize("name", ["song.mp3", "song.wav", "song.aiff"])
def test_files_without_tags_get_one_that_holds_the_key_alone(sound, name):
    path = sound(name)
    before = soundfile.read(path)[0]
    write_key(path, EB_MINOR)
    tags = mutagen.File(path).tags
    assert list(tags) == ["TKEY"]
    assert np.array_equal(soundfile.read(path)[0], before)


def test_what_an_id3v1_tag_says_is_not_hidden_by_the_new_tag(sound):
    path = sound("song.mp3")
    path.write_bytes(path.read_bytes() + b"TAG" + b"Title".ljust(30, b"\0") + bytes(94) + b"\xff")
    write_key(path, EB_MINOR)
    tags = ID3(path, load_v1=False)
    assert (str(tags["TIT2"]), str(tags["TKEY"])) == ("Title", "Ebm")


@pytest.mark.parametrize("name", ["song.flac", "song.ogg", "song.opus"])
def test_vorbis_comments_get_an_initial_key(sound, tmp_path, name):
    path = tmp_path / name
    soundfile.write(
        path, np.zeros(48_000), 48_000, **({"format": "OGG", "subtype": "OPUS"} if "opus" in name else {})
    )
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    file.tags["TITLE"] = ["Für Elise"]
    file.save()
    assert write_key(path, EB_MINOR) == "INITIALKEY: none -> Ebm"
    tags = mutagen.File(path).tags
    assert (tags["INITIALKEY"], tags["TITLE"]) == (["Ebm"], ["Für Elise"])
    assert "KEY" not in tags


def atom(name, *content):
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), name) + data


def test_mp4_gets_the_freeform_initial_key(tmp_path):
    path = tmp_path / "song.m4a"
    header = atom(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 44_100, 44_100, 0, 0))
    handler = atom(b"hdlr", bytes(8), b"soun", bytes(13))
    movie = atom(b"moov", atom(b"trak", atom(b"mdia", header, handler)))
    path.write_bytes(atom(b"ftyp", b"M4A ", bytes(4)) + movie + atom(b"mdat", bytes(64)))
    assert write_key(path, EB_MINOR) == f"{MP4_KEY}: none -> Ebm"
    assert bytes(MP4(path)[MP4_KEY][0]) == b"Ebm"
    assert write_key(path, EB_MINOR) == ""


def test_a_dry_run_says_what_it_would_write_and_writes_nothing(sound):
    path = sound("song.mp3")
    ID3().save(path)
    tags = ID3(path)
    tags.add(TKEY(encoding=0, text=["Am"]))
    tags.save(path)
    before = path.read_bytes()
    assert write_key(path, EB_MINOR, dry_run=True) == "TKEY: Am -> Ebm"
    assert path.read_bytes() == before


def test_a_tag_of_id3v22_is_left_alone(sound):
    path = sound("song.mp3")
    frame = b"TT2" + (6).to_bytes(3, "big") + b"\0Title"
    path.write_bytes(b"ID3\2\0\0" + bytes([0, 0, 0, len(frame)]) + frame + path.read_bytes())
    before = path.read_bytes()
    with pytest.raises(TagError, match=r"ID3v2\.2"):
        write_key(path, EB_MINOR)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content"), [("song.txt", b"words"), ("song.flac", b"fLaC"), ("none.mp3", None)]
)
def test_files_without_room_for_tags_are_refused(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TagError):
        write_key(path, EB_MINOR)
