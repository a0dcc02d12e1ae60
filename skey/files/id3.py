"""The key in an ID3v2 tag of an mp3, wav or aiff, byte by byte: all other frames and their order stay."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from mutagen.id3 import ID3, BitPaddedInt, ParseID3v1

from skey.errors import SkeyError
from skey.keys import Key, KeyParseError, parse_key

KEY_FRAME = b"TKEY"
TEXT_FRAME = b"TXXX"
NEW_PADDING = 1024  # room that a tag gets when it has to grow, so that it need not grow again

HEADER = 10
_UNSYNCHRONISED, _REFUSED_FLAGS = 0x80, 0x50
_CODECS = {b"\0": "latin-1", b"\1": "utf-16", b"\2": "utf-16-be", b"\3": "utf-8"}
_V1_BYTES = 128
_PACKED = re.compile(r"\be(?:y[AJ]|w[0ko])[\w+/]{8,}")
"""Base64 of a JSON object: it begins with a brace, and a quotation mark or white space."""

Order: TypeAlias = Literal["little", "big"]
_CHUNKS: dict[bytes, Order] = {b"RIFFWAVE": "little", b"FORMAIFF": "big", b"FORMAIFC": "big"}
"""What a file of chunks is called in its head: the order of the bytes in its numbers."""
_CHUNKS_START = 12


class TagError(SkeyError):
    """The key cannot be written into a file; the file is as it was."""


@dataclass(frozen=True, slots=True)
class Tag:
    """An ID3v2.3 or 2.4 tag: its frames with their headers, in order; ``size`` counts the padding too."""

    version: int
    flags: int
    frames: tuple[bytes, ...]
    size: int

    def to_bytes(self) -> bytes:
        """The tag in as many bytes as before, or in more where it does not fit."""
        body = b"".join(self.frames)
        body = body.ljust(self.size, b"\0") if len(body) <= self.size else body + bytes(NEW_PADDING)
        if self.version == 3 and self.flags & _UNSYNCHRONISED:
            body = re.sub(rb"\xff(?=[\xe0-\xff\0]|\Z)", b"\xff\0", body)
        return b"ID3" + bytes([self.version, 0, self.flags]) + BitPaddedInt.to_str(len(body), width=4) + body

    def with_key(self, key: Key, text: str) -> "Tag":
        """The tag with a key, written as ``text``, in one TKEY and where another field says another key."""
        places = [i for i, frame in enumerate(self.frames) if frame.startswith(KEY_FRAME)]
        new = _frame(KEY_FRAME, b"\0" + text.encode())
        frames = list(self.frames if places else (*self.frames, new))
        for place in places:
            frames[place] = new if place == places[0] else b""
        for i, frame in enumerate(frames):
            field = text_field(frame)
            if field is not None and is_key_field(field[0]) and contradicts(field[1], key):
                frames[i] = _text_frame(frame, field[0], text)
        return replace(self, frames=tuple(frames))


def named_key(text: str) -> Key | None:
    """The key that a field names, in whatever notation; None for a blank, a placeholder, other words."""
    try:
        return parse_key(text)
    except KeyParseError:
        return None


def contradicts(value: str | None, key: Key) -> bool:
    """Whether a field is to get this key: it says something else, and Mixed In Key did not pack it."""
    return named_key(value or "") != key and not is_packed(value)


def is_packed(value: str | None) -> bool:
    """Whether Mixed In Key keeps its data in a field, as base64 of JSON: plain text would break them."""
    return _PACKED.search(value or "") is not None


def unpacked(text: str) -> str:
    """The text of a field, or the key that Mixed In Key packed into it; empty where that cannot be read."""
    if not is_packed(text):
        return text
    try:
        return str(json.loads(base64.b64decode(f"{text}=="))["key"])  # Some leave the padding out.
    except (ValueError, LookupError, TypeError):
        return ""


def is_key_field(name: str) -> bool:
    """Whether programs keep a key in a field of that name (``initialkey``, ``INITIAL_KEY``, ``KEY``)."""
    return re.sub(r"[\s_-]", "", name).lower() in ("initialkey", "key")


def text_field(frame: bytes) -> tuple[str, str] | None:
    """Name and content of a TXXX frame; None for another frame, or one that is empty or packed."""
    codec = _CODECS.get(frame[HEADER : HEADER + 1])
    if not frame.startswith(TEXT_FRAME) or frame[8:10] != b"\0\0" or codec is None:
        return None
    text = frame[HEADER + 1 :].decode(codec, errors="replace")
    name, _, value = text.partition("\0")
    return name, value.strip("\0\ufeff")


def read_tag(data: bytes) -> Tag:
    """Take a tag apart; ``TagError`` for ID3v2.2, an extended header, a checksum, a footer, or damage."""
    version, flags = data[3], data[5]
    if version == 2:
        raise TagError("its ID3v2.2 tag would have to be rewritten; bring it to ID3v2.3 or 2.4 first")
    if version not in (3, 4) or flags & _REFUSED_FLAGS:
        raise TagError("its ID3 tag has an extended header or is of an unknown version; write it anew first")
    body = data[HEADER:]
    if version == 3 and flags & _UNSYNCHRONISED:
        body = body.replace(b"\xff\0", b"\xff")
    frames = _frames(body, _from_syncsafe) if version == 4 else None
    if frames is None:  # Some programs write plain sizes into 2.4, too.
        frames = _frames(body, int.from_bytes)
    if frames is None:
        raise TagError("its ID3 tag is damaged; write it anew first")
    return Tag(version, flags, frames, len(body))


def copy_with_key(source: BinaryIO, target: BinaryIO, key: Key, text: str) -> None:
    """Copy an mp3, wav or aiff with the key in its tag; ``TagError`` for damaged tags and chunks."""
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    head = source.read(_CHUNKS_START)
    if order := _CHUNKS.get(head[:4] + head[8:]):
        target.write(head)
        _copy_chunks(source, target, order, key, text)
    else:
        end = tag_end(head)
        if end > size:
            raise TagError("its ID3 tag claims more bytes than the file has")
        tag = _tag_at(source, 0, end) if end else _new_tag(source)
        target.write(tag.with_key(key, text).to_bytes())
        _copy(source, target, end, size)


def further_tags(path: Path) -> list[bytes]:
    """What ID3 chunks of a wav or aiff hold, or ID3v2 tags before a sound, all but the first, and at the end.

    They are followed as far as they can be read. FFmpeg reads all tags that stand before a sound.
    """
    tags, place = [], 0
    with path.open("rb") as file, suppress(TagError):
        last = _tag_at_end(file)
        file.seek(0)
        head = file.read(_CHUNKS_START)
        if order := _CHUNKS.get(head[:4] + head[8:]):
            for name, start, end in _chunks(file, order):
                if _is_tag(name):
                    file.seek(start)
                    tags.append(file.read(end - start))
        size = path.stat().st_size
        while 0 < (length := tag_end(head)) <= size - place:
            file.seek(place)
            tags.append(file.read(length))
            place = file.tell()
            head = file.read(HEADER)
    return [*tags[1:], *last]


def _chunks(file: BinaryIO, order: Order) -> Iterator[tuple[bytes, int, int]]:
    """Name of each chunk after the head, and where its content begins and ends."""
    size, place = file.seek(0, io.SEEK_END), _CHUNKS_START
    while place < size:
        file.seek(place)
        header = file.read(8)
        if len(header) < 8 or (end := place + 8 + int.from_bytes(header[4:], order)) > size:
            raise TagError("its header claims another length than the file has; export it again")
        yield header[:4], place + 8, end
        place = end + (end - place) % 2


def _is_tag(name: bytes) -> bool:
    return name.lower() == b"id3 "


def _copy_chunks(source: BinaryIO, target: BinaryIO, order: Order, key: Key, text: str) -> None:
    """Copy what follows the head of a wav or aiff, and correct the length that the head says."""
    tag = None
    for name, start, end in _chunks(source, order):
        if _is_tag(name) and tag is None:
            tag = _tag_at(source, start, end)
            target.write(_chunk(order, name, tag.with_key(key, text).to_bytes()))
        else:
            _copy(source, target, start - 8, end)
            target.write(bytes((end - start) % 2))
    if tag is None:
        name = b"id3 " if order == "little" else b"ID3 "
        target.write(_chunk(order, name, Tag(4, 0, (), 0).with_key(key, text).to_bytes()))
    length = target.tell() - 8
    if length > 0xFFFFFFFF:
        raise TagError("it is longer than 4 GB, which its format cannot say")
    target.seek(4)
    target.write(length.to_bytes(4, order))


def _copy(source: BinaryIO, target: BinaryIO, place: int, end: int) -> None:
    source.seek(place)
    while place < end:
        block = source.read(min(end - place, 2**20))
        if not block:
            raise TagError("the file became shorter meanwhile")
        target.write(block)
        place += len(block)


def _chunk(order: Order, name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, order) + content + bytes(len(content) % 2)


def tag_end(head: bytes) -> int:
    """Where the tag ends that begins with this header; 0 where none does."""
    if not head.startswith(b"ID3"):
        return 0
    return HEADER + _from_syncsafe(head[6:10]) + (HEADER if head[5] & 0x10 else 0)


def is_before_aac(path: Path) -> bool:
    """Whether a tag stands before frames of AAC (ADTS), which mutagen would take for those of an mp3."""
    with path.open("rb") as file:
        file.seek(end := tag_end(file.read(HEADER)))
        return end > 0 and int.from_bytes(file.read(2), "big") & 0xFFF6 == 0xFFF0


def _tag_at(file: BinaryIO, start: int, end: int) -> Tag:
    """The tag in a stretch of a file, which may be longer than the tag."""
    file.seek(start)
    data = file.read(end - start)
    if len(data) < HEADER or not 0 < tag_end(data) <= len(data):
        raise TagError("its ID3 tag is damaged; write it anew first")
    return read_tag(data[: tag_end(data)])


def v1_tag(file: BinaryIO) -> bytes:
    """The ID3v1 tag at the end of a file; empty where there is none."""
    file.seek(max(file.seek(0, io.SEEK_END) - _V1_BYTES, 0))
    last = file.read()
    return last if last.startswith(b"TAG") else b""


def _tag_at_end(file: BinaryIO) -> list[bytes]:
    """The ID3v2.4 tag at the end of a file, or before its ID3v1 tag, if there is one; its footer tells."""
    end = file.seek(0, io.SEEK_END) - len(v1_tag(file))
    file.seek(max(end - HEADER, 0))
    footer = file.read(HEADER)
    length = _from_syncsafe(footer[6:10]) + 2 * HEADER
    if not footer.startswith(b"3DI") or length > end:
        return []
    file.seek(end - length)
    return [file.read(length)]


def _new_tag(file: BinaryIO) -> Tag:
    """A tag for a file that has none: with what its ID3v1 tag says, which it would hide."""
    if _tag_at_end(file):
        raise TagError("its ID3 tag is at its end, and a new one would hide it; bring it to the front first")
    old = v1_tag(file)
    if not old:
        return Tag(4, 0, (), 0)
    if not old[3:-1].isascii():
        raise TagError(
            "its ID3v1 tag is in an encoding that nobody can tell, and the new tag would hide it; "
            "bring it to ID3v2 first"
        )
    tags = ID3()  # type: ignore[no-untyped-call]
    for frame in (ParseID3v1(old) or {}).values():  # type: ignore[no-untyped-call]
        tags.add(frame)  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    tags.save(buffer, v1=0, padding=lambda info: 0)
    return read_tag(buffer.getvalue()) if buffer.getvalue() else Tag(4, 0, (), 0)


def _frames(body: bytes, size: Callable[[bytes], int]) -> tuple[bytes, ...] | None:
    """The frames up to the padding, or None where sizes written like that do not add up."""
    frames: list[bytes] = []
    place = 0
    while place < len(body) and body[place]:
        end = place + HEADER + size(body[place + 4 : place + 8].ljust(4, b"\xff"))
        if end > len(body) or not re.fullmatch(rb"[A-Z0-9]{3}[A-Z0-9 ]", body[place : place + 4]):
            return None
        frames.append(body[place:end])
        place = end
    return tuple(frames) if not any(body[place:]) else None


def _frame(name: bytes, content: bytes) -> bytes:
    """A frame of less than 128 bytes, which 2.3 and 2.4 write alike."""
    return name + len(content).to_bytes(4, "big") + b"\0\0" + content


def _text_frame(old: bytes, name: str, text: str) -> bytes:
    """A TXXX frame with another content in the encoding that it has."""
    encoding = old[HEADER : HEADER + 1]
    codec = _CODECS[encoding]
    end = bytes(2 if codec.startswith("utf-16") else 1)
    return _frame(TEXT_FRAME, encoding + name.encode(codec) + end + text.encode(codec))


def _from_syncsafe(four: bytes) -> int:
    """A size of seven bits a byte; more than any tag holds where an eighth is set."""
    return BitPaddedInt(four) if BitPaddedInt.has_valid_padding(four) else 1 << 32  # type: ignore[no-untyped-call]
