"""Every sound file is heard in full, by libsndfile where it is right and by FFmpeg where it is not."""

import errno
import io
import os
import socket
import struct
import subprocess
import sys
from functools import partial

import av
import numpy as np
import pytest
import soundfile
from sounds import pitch, sine

from skey.audio import SAMPLE_RATE, AudioError, read_audio, stream_audio
from skey.cli.measure import measure
from skey.estimator import KeyEstimator
from skey.keys import parse_key

RATE = 44_100
COPY = "import sys, shutil; shutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer)"


def encode(path, codec, container=None, *, rate=RATE, samples=None, layout="mono", **options):
    """Write a mono sound by FFmpeg."""
    samples = sine(rate) if samples is None else samples
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout, options=options)
        for start in range(0, len(samples), RATE):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + RATE], "fltp", "mono")
            frame.sample_rate, frame.pts = rate, start
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def mp3_frames(samples, level):
    """An mp3 of constant bit rate without the frame that tells its length."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="MP3", bitrate_mode="CONSTANT", compression_level=level)
    content = buffer.getvalue()
    first = content.index(b"\xff\xfb")
    second = content.index(content[first : first + 2], first + 4)
    has_header = any(word in content[first:second] for word in (b"Xing", b"Info"))
    return content[second if has_header else first :]


@pytest.fixture
def joined(tmp_path):
    """An mp3 whose loud bit rate of the first second says nothing of the seven that follow."""
    path = tmp_path / "joined.mp3"
    path.write_bytes(mp3_frames(sine(RATE, seconds=1), 0.0) + mp3_frames(sine(RATE, 660, 7), 0.9))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "container", "rate"),
    [
        ("a.m4a", "aac", "ipod", 44_100),
        ("a.aac", "aac", "adts", 44_100),
        ("a.mp4", "aac", "mp4", 48_000),
        ("alac.m4a", "alac", "ipod", 44_100),
        ("a.wv", "wavpack", "wv", 44_100),
        ("a.webm", "libopus", "webm", 48_000),
        ("a.mka", "flac", "matroska", 44_100),
        ("flac.oga", "flac", "ogg", 44_100),
        ("a.tta", "tta", "tta", 44_100),
        ("a.ac3", "ac3", "ac3", 48_000),
        ("a.voc", "pcm_u8", "voc", 50_000),
    ],
)
def test_what_libsndfile_does_not_know_is_heard_in_full(tmp_path, name, codec, container, rate):
    with pytest.raises(soundfile.SoundFileError):
        soundfile.SoundFile(encode(tmp_path / name, codec, container, rate=rate))
    wave = read_audio(tmp_path / name)
    assert wave.size / SAMPLE_RATE == pytest.approx(4, abs=0.1)
    assert pitch(wave) == pytest.approx(440, abs=0.5)


@pytest.mark.parametrize("layout", ["5.1", "7.1", "hexadecagonal"])
def test_eight_channels_and_more_are_heard(tmp_path, layout):
    with av.open(str(encode(tmp_path / "a.wv", "wavpack", layout=layout))) as file:
        assert next(file.decode(audio=0)).format.is_planar
    assert pitch(read_audio(tmp_path / "a.wv")) == pytest.approx(440, abs=0.5)


def test_an_mp3_whose_length_was_guessed_from_its_first_frame_is_heard_in_full(joined):
    with soundfile.SoundFile(joined) as file:
        assert file.frames / RATE < 5
    wave = read_audio(joined)
    assert wave.size / SAMPLE_RATE == pytest.approx(8, abs=0.2)
    assert pitch(wave[-2 * SAMPLE_RATE :]) == pytest.approx(660, abs=0.5)


def test_an_ordinary_mp3_is_heard_by_libsndfile_to_the_last_bit(tmp_path):
    soundfile.write(tmp_path / "a.mp3", sine(RATE), SAMPLE_RATE)
    with soundfile.SoundFile(tmp_path / "a.mp3") as file:
        theirs = file.read(10 * SAMPLE_RATE, dtype="float32")
    assert np.array_equal(np.concatenate(list(stream_audio(tmp_path / "a.mp3"))), theirs)


def test_ffmpeg_is_not_imported_for_what_libsndfile_reads_alone(tmp_path):
    soundfile.write(tmp_path / "a.flac", sine(RATE), RATE)
    code = "import sys; from skey import audio; audio.read_audio(sys.argv[1]); assert 'av' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.flac")]).returncode == 0


def claiming(content, size):
    """A wav whose header says so many bytes of samples."""
    content = bytearray(content)
    place = content.index(b"data") + 4
    content[4:8] = content[place : place + 4] = struct.pack("<I", size)
    return content


def without_length(content):
    """A flac whose header says no number of samples."""
    return content[:21] + bytes([content[21] & 0xF0, *bytes(4)]) + content[26:]


@pytest.mark.parametrize(
    ("name", "left"),
    [("a.flac", without_length), *(("a.wav", partial(claiming, size=size)) for size in (0, 0xFFFFFFFF))],
)
def test_a_file_of_unknown_length_is_heard_in_full(tmp_path, name, left):
    """As a program leaves it that writes into a pipe."""
    path = tmp_path / name
    soundfile.write(path, sine(RATE), RATE)
    path.write_bytes(left(path.read_bytes()))
    assert read_audio(path).size == 4 * SAMPLE_RATE


@pytest.mark.parametrize("zeros", [100_000, 400_000])
def test_zeros_before_the_first_frame_do_not_hide_an_mp3(tmp_path, zeros):
    path = tmp_path / "a.mp3"
    path.write_bytes(bytes(zeros) + mp3_frames(sine(RATE), 0.5))
    assert read_audio(path).size / SAMPLE_RATE == pytest.approx(4, abs=0.1)


def test_files_of_two_sample_rates_joined_to_one_are_heard_in_full(tmp_path):
    path = tmp_path / "a.mp3"
    second = encode(tmp_path / "b.mp3", "libmp3lame", "mp3", rate=32_000, samples=sine(32_000))
    path.write_bytes(mp3_frames(sine(RATE, seconds=1), 0.0) + second.read_bytes())
    assert pitch(read_audio(path)) == pytest.approx(440, abs=0.5)
    assert read_audio(path).size / SAMPLE_RATE == pytest.approx(5, abs=0.3)


@pytest.mark.parametrize("second", [("VORBIS", 48_000, 1), ("VORBIS", 22_050, 1), ("OPUS", 48_000, 2)])
@pytest.mark.parametrize("broken", [b"", b"OggS\0\2" + bytes(100)])
def test_an_ogg_of_one_stream_after_the_other_is_heard_in_full(tmp_path, second, broken):
    with (tmp_path / "a.ogg").open("wb") as file:
        for hertz, (codec, rate, channels) in ((440, ("VORBIS", 48_000, 1)), (660, second)):
            buffer, tone = io.BytesIO(), sine(rate, hertz)
            soundfile.write(buffer, np.stack([tone] * channels, 1), rate, format="OGG", subtype=codec)
            file.write(buffer.getvalue())
        file.write(broken)
    wave = read_audio(tmp_path / "a.ogg")
    assert wave.size / SAMPLE_RATE == pytest.approx(8, abs=0.1)
    assert pitch(wave[: 2 * SAMPLE_RATE]) == pytest.approx(440, abs=0.5)
    assert pitch(wave[-2 * SAMPLE_RATE :]) == pytest.approx(660, abs=0.5)


def test_tags_that_are_no_text_do_not_hide_the_sound(tmp_path, joined):
    title = "Песня".encode("cp1251")
    joined.write_bytes(joined.read_bytes() + b"TAG" + title.ljust(30, b"\0") + bytes(94) + b"\xff")
    assert read_audio(joined).size / SAMPLE_RATE == pytest.approx(8, abs=0.2)


def test_a_file_object_is_heard_as_its_file(tmp_path, joined):
    paths = [tmp_path / "a.flac", tmp_path / "a.mp3", tmp_path / "a.ogg", joined]
    for path in paths[:3]:
        soundfile.write(path, sine(RATE), RATE)
    for path in paths:
        expected = read_audio(path)
        with path.open("rb") as file:
            assert np.array_equal(read_audio(file), expected)
        assert np.array_equal(read_audio(io.BytesIO(path.read_bytes())), expected)
    with pytest.raises(AudioError, match="0 bytes"):
        read_audio(io.BytesIO())


def test_a_pipe_passed_as_a_file_object_is_heard_to_its_end(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(RATE), RATE)
    copy = [sys.executable, "-c", COPY, tmp_path / "a.wav"]
    with subprocess.Popen(copy, stdout=subprocess.PIPE) as process:
        assert np.array_equal(read_audio(process.stdout), read_audio(tmp_path / "a.wav"))


def test_a_pipe_that_holds_no_sound_is_not_called_by_its_number():
    reading, writing = os.pipe()
    os.write(writing, b"words")
    os.close(writing)
    with os.fdopen(reading, "rb") as file, pytest.raises(AudioError, match=r"^the sound: not a readable"):
        read_audio(file)


class Failing(io.BytesIO):
    """A file object that cannot be read to its end."""

    error: BaseException

    def read(self, size=-1, /):
        if size and self.tell() >= 5_000:
            raise self.error
        return super().read(5_000 if size < 0 else min(size, 5_000))

    def readinto(self, buffer, /):
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


@pytest.mark.parametrize("kind", [OSError, ValueError, EOFError, KeyboardInterrupt])
@pytest.mark.parametrize("is_seekable", [True, False])
@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.mp3"])
def test_what_keeps_a_file_object_from_being_read_is_raised_once(
    tmp_path, monkeypatch, capsys, name, is_seekable, kind
):
    soundfile.write(tmp_path / name, sine(RATE), RATE)
    file = Failing((tmp_path / name).read_bytes())
    error = kind()
    monkeypatch.setattr(Failing, "error", error, raising=False)
    monkeypatch.setattr(Failing, "seekable", lambda self: is_seekable)
    with pytest.raises(KeyboardInterrupt if kind is KeyboardInterrupt else AudioError) as raised:
        read_audio(file)
    assert error in (raised.value, raised.value.__cause__)
    assert capsys.readouterr().err == ""  # libsndfile's binding prints what is raised in it


def test_a_file_object_of_text_or_of_samples_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(RATE), RATE)
    with (tmp_path / "a.wav").open() as file, soundfile.SoundFile(tmp_path / "a.wav") as samples:
        for other in (file, io.StringIO("words"), samples):
            with pytest.raises(AudioError, match="not bytes; open it with 'rb'"):
                read_audio(other)


def test_a_wav_of_64_bit_integers_is_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", sine(RATE), RATE, subtype="DOUBLE")
    content = (tmp_path / "a.wav").read_bytes().replace(b"fmt \x10\0\0\0\3\0", b"fmt \x10\0\0\0\1\0")
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match="rare kind"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_file_is_called_what_it_is(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "empty.wav").touch()
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.wav")
        for name, kind in (
            *(("pipe.wav", "FIFO"), ("/dev/null", "device"), ("s.wav", "socket"), (tmp_path, "folder")),
            *(("missing.wav", "no such file"), ("empty.wav", "is empty: it has 0 bytes")),
        ):
            with pytest.raises(AudioError, match=kind):
                read_audio(name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.m3u8", b"#EXTM3U\n#EXTINF:4,\na.mp3\n"),
        ("list.txt", b"ffconcat version 1.0\nfile a.mp3\n"),
        ("list.mp3", b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\na.aac\n#EXT-X-ENDLIST\n"),
    ],
)
def test_a_list_opens_no_other_file(tmp_path, monkeypatch, name, content):
    encode(tmp_path / "a.mp3", "libmp3lame", "mp3")
    encode(tmp_path / "a.aac", "aac", "adts")
    (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AudioError, match="not a readable sound file"):
        read_audio(tmp_path / name)


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.wv", "wavpack"), ("a.mp3", "libmp3lame")])
def test_damaged_files_are_heard_in_part_or_refused_by_a_typed_error(tmp_path, name, codec):
    content = encode(tmp_path / name, codec).read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(20):
        damaged = bytearray(content[: int(len(content) * generator.uniform(0.05, 1))])
        for place in generator.integers(0, len(damaged), 30):
            damaged[place] ^= 0x55
        (tmp_path / name).write_bytes(damaged)
        try:
            seconds = sum(block.size for block in stream_audio(tmp_path / name)) / SAMPLE_RATE
        except AudioError as error:
            assert str(error)
        else:
            assert seconds < 60


class Bounded(io.BytesIO):
    """A file on a disk where nothing can lie beyond a terabyte."""

    def seek(self, offset, whence=0):
        if offset > 2**40:
            raise OSError(errno.EINVAL, "Invalid argument")
        return super().seek(offset, whence)


def test_a_damaged_header_that_leads_beyond_any_file_does_not_hide_the_sound(tmp_path):
    content = bytearray(encode(tmp_path / "a.wma", "wmav2", "asf", b="96000").read_bytes())
    content[46:54] = struct.pack("<Q", 2**56)  # the length of the first object in it
    assert pitch(read_audio(Bounded(content))) == pytest.approx(440, abs=0.5)


@pytest.mark.skipif(sys.platform == "win32", reason="this system does not account for one process")
def test_memory_does_not_grow_with_the_length_of_what_ffmpeg_decodes(tmp_path):
    code = "import sys; from skey.audio import stream_audio\nfor _ in stream_audio(sys.argv[1]): pass"
    minute = sine(RATE, seconds=60)
    peaks = []
    for minutes in (1, 3):
        path = encode(tmp_path / f"{minutes}.m4a", "aac", samples=np.tile(minute, minutes))
        peaks.append(measure("stream", [sys.executable, "-c", code, str(path)]).peak_megabytes)
    assert peaks[1] - peaks[0] < 20


TEN_SECONDS_OF_A_MINOR = """
    wav-data-size-ffffffff.wav wav-data-size-zero.wav wav-odd-data-without-pad.wav
    mp3-vbr-no-xing.mp3 mp3-xing-zero-frames.mp3 mp3-xing-a-third.mp3
    mp3-zeros-after-tag.mp3 mp3-zeros-before.mp3 flac-zero-total-samples.flac
    ogg-flac.oga aac.m4a alac.m4a wavpack.wv opus.webm
"""


@pytest.mark.parametrize(
    ("name", "key", "seconds"),
    [
        *((name, "Am", 10) for name in TEN_SECONDS_OF_A_MINOR.split()),
        ("vbr-no-xing-C-then-Gb.mp3", "F# major", 32.05),
        ("vbr-with-xing-C-then-Gb.mp3", "F# major", 32.05),
        ("silence-12s-then-10s-Am.flac", "Am", 22),
    ],
)
def test_the_cases_on_record_have_their_key_and_their_length(shared, name, key, seconds):
    estimate = KeyEstimator().estimate(shared / "cases" / name)
    assert estimate.key == parse_key(key)
    assert estimate.duration == pytest.approx(seconds, abs=0.06)
