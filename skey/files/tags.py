"""The key in the tags of a music file, and nothing else touched: as a whole or not at all.

The new tags go into a copy in the same folder. Only when the key reads back from there, all other tags are
the same and the sound is the same to the last sample, the copy takes the place of the file.
"""

import hashlib
import io
import os
import shutil
import tempfile
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from uuid import UUID

import mutagen
from mutagen._vorbis import VComment
from mutagen.aiff import AIFF
from mutagen.apev2 import APEv2, APEv2File, _APEv2Data
from mutagen.asf import ASF, ASFTags
from mutagen.flac import FLAC
from mutagen.id3 import ID3, ID3FileType
from mutagen.mp4 import MP4, MP4FreeForm, MP4Tags
from mutagen.mp4._atom import Atoms
from mutagen.trueaudio import TrueAudio
from mutagen.wave import WAVE

from skey.files import id3
from skey.files.decoding import AudioError, PathLike, decoded
from skey.files.folders import keep_owner
from skey.files.id3 import TagError as TagError
from skey.keys import Key, Notation, format_key

ID3_KEY = "TKEY"
MP4_PREFIX = "----:com.apple.iTunes:"
MP4_KEY = f"{MP4_PREFIX}initialkey"
VORBIS_KEY = "INITIALKEY"
APE_KEY = "KEY"
ASF_KEY = "WM/InitialKey"
_MAIN_FIELDS: dict[type, str] = {ID3: ID3_KEY, MP4Tags: MP4_KEY, APEv2: APE_KEY, ASFTags: ASF_KEY}

Tags: TypeAlias = Any  # the tags of a file; mutagen has no types
Kind: TypeAlias = Any  # a class of files in mutagen

_FLAC_PADDING, _FLAC_COMMENTS = 1, 4
_ASF_PROPERTIES = UUID("8CABDCA1-A947-11CF-8EE4-00C00C205365").bytes_le
_PREFIX, _SUFFIX = ".skey-", ".part"
_LEFT_SECONDS = 600  # a copy of which nothing changed for so long is no longer being written


def write_key(path: PathLike, key: Key, *, notation: Notation = Notation.TKEY, dry_run: bool = False) -> str:
    """Write a key into the tags of a file: TKEY of ID3v2 (mp3, wav, aiff), INITIALKEY of Vorbis or MP4, ….

    Fields of other programs that name another key (TXXX:initialkey, KEY, …) get this one, too, but not those
    into which Mixed In Key packs more. Everything else, permissions and times among it, stays as it is, and
    so does the file under any other hard link. ``dry_run`` only says what would be written, or refuses it.

    Returns what is changed, such as ``TKEY: Am -> Ebm``; empty where the key is there already. Raises
    ``TagError``, the file being as it was, for a format without tags, a damaged or ID3v2.2 tag, a second tag
    that has another key, a file that cannot be written.
    """
    path, text = Path(path), format_key(key, notation)
    with _typed(path):
        file = _opened(path)
        for kind, value in _beside(path, file.tags):
            if id3.named_key(value) not in (None, key):
                raise TagError(f"its second tag ({kind}) has the key {value}; remove that tag first")
        changed = _to_change(file.tags, key, text)
        if isinstance(file.tags, ID3) and not _has_plain_id3(type(file)):
            raise TagError("keys cannot be written into files of this kind (DSF, DSDIFF)")
        # A write into the file itself would reach them, and a break in it would damage all.
        linked = "; not under its other names (hard links)" if changed and path.stat().st_nlink > 1 else ""
        if changed:
            _replace(path.resolve(), type(file), key, text, dry_run)
    return ", ".join(f"{name}: {old or 'none'} -> {text}" for name, old in changed.items()) + linked


def tagged_key(path: PathLike) -> str | None:
    """The text of the first field with a key, or None; what Mixed In Key packed comes last.

    Raises ``TagError`` where the tags cannot be read.
    """
    path = Path(path)
    with _typed(path):
        tags = _opened(path).tags
        values = [*_values(tags), *(value for _, value in _beside(path, tags))]
        return next(filter(id3.named_key, map(id3.unpacked, sorted(values, key=id3.is_packed))), None)


def _beside(path: Path, tags: Tags) -> Iterator[tuple[str, str]]:
    """What a second tag says, and its kind: APEv2 after an mp3, ID3 before a flac or once more."""
    second: list[tuple[Kind, Path | io.BytesIO]] = [
        *((kind, path) for kind in (ID3, APEv2) if not isinstance(tags, kind)),
        *((ID3, io.BytesIO(content)) for content in id3.further_tags(path)),
    ]
    for kind, source in second:
        with suppress(mutagen.MutagenError):
            yield from ((kind.__name__, value) for value in _values(kind(source)))


@contextmanager
def _typed(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the tags of one file is a TagError: a damaged tag can raise anything."""
    try:
        yield
    except TagError as error:
        raise TagError(f"{path}: {error}") from error
    except (mutagen.MutagenError, OSError) as error:
        raise TagError(f"{path}: its tags cannot be read or written: {error}") from error
    except Exception as error:
        raise TagError(f"{path}: its tags cannot be read: {type(error).__name__}: {error}") from error


def _opened(path: Path, kind: Kind = None) -> Any:  # noqa: ANN401 - mutagen has no types
    """The file with its tags, empty ones where it has none; ID3 frames in the version that they are in."""
    if path.exists() and not path.is_file():
        raise TagError("not a regular file")  # A pipe would be waited for.
    kind = kind or (ID3FileType if id3.is_before_aac(path) else mutagen.File)
    try:
        file = kind(path)
    except mutagen.MutagenError as error:
        if any(isinstance(each, OSError) for each in error.args):
            raise
        raise TagError(f"its tags cannot be read ({error}); is it what its suffix says?") from error
    if file is None:
        raise TagError("a format without tags that mutagen knows")
    if _has_plain_id3(type(file)):
        file = type(file)(path, translate=False, load_v1=False)
    if file.tags is None and isinstance(file, TrueAudio) and (ape := _opened(path, APEv2File)).tags:
        return ape  # FFmpeg passes over an ID3 tag where there is this one.
    if file.tags is None:
        file.add_tags()
    return file


def _has_plain_id3(kind: Kind) -> bool:
    """Whether :mod:`skey.files.id3` writes the tags of such files."""
    return issubclass(kind, ID3FileType | WAVE | AIFF)


def _key_fields(tags: Tags) -> list[str]:
    """The main field, and the fields of other programs that are there."""
    main = next((name for kind, name in _MAIN_FIELDS.items() if isinstance(tags, kind)), VORBIS_KEY)
    prefix = {ID3_KEY: "TXXX:", MP4_KEY: MP4_PREFIX}.get(main, "")
    others = [
        name
        for name in tags.keys()  # noqa: SIM118 - no mapping
        if name.startswith(prefix) and id3.is_key_field(name.removeprefix(prefix).removeprefix("WM/"))
    ]
    if main in (VORBIS_KEY, APE_KEY):  # Their case does not matter.
        others = [name.upper() for name in others]
    return [main, *sorted(set(others) - {main})]


def _values(tags: Tags) -> Iterator[str]:
    """What the fields that hold a key say, one by one."""
    return (text for name in _key_fields(tags) for text in _texts(tags, name))


def _texts(tags: Tags, name: str) -> list[str]:
    """The texts of a field, each once; ID3 and APE put zeros between several."""
    values = tags.get(name, [])
    values = values if isinstance(values, list) else [values]
    texts = [value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in values]
    return [text for text in dict.fromkeys("\0".join(texts).split("\0")) if text]


def _value(tags: Tags, name: str) -> str | None:
    """The text of a field; several that differ are joined, and name no key."""
    return " and ".join(_texts(tags, name)) or None


def _to_change(tags: Tags, key: Key, text: str) -> dict[str, str | None]:
    """The fields to write and what they hold: the main one, and others that name another key."""
    main, *others = ((name, _value(tags, name)) for name in _key_fields(tags))
    if id3.is_packed(main[1]):
        raise TagError(f"its {main[0]} holds data of Mixed In Key, which a key would break")
    contradicting = [(name, value) for name, value in others if id3.contradicts(value, key)]
    return dict([main, *contradicting] if main[1] != text else contradicting)


def _replace(path: Path, kind: Kind, key: Key, text: str, dry_run: bool) -> None:
    """Write the tags into a copy, look at it, and put it in the place of the file; not in a rehearsal."""
    if not os.access(path, os.W_OK):
        raise TagError("the file is write-protected")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise TagError("its folder is write-protected, and the new file is made there")
    before, folder = path.stat(), Path(tempfile.gettempdir()) if dry_run else path.parent
    _remove_leftovers(folder)
    # FFmpeg tries the decoder of the suffix first: damaged sound would differ under another one.
    handle, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX + path.suffix, dir=folder)
    os.close(handle)
    copy = Path(name)
    try:
        _write_copy(path, copy, kind, key, text)
        _verify(path, copy, kind, key, text)
        if dry_run:
            return
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise TagError("another program changed the file meanwhile; try again")
        keep_owner(path, copy)
        shutil.copystat(path, copy)
        copy.replace(path)
    finally:
        copy.unlink(missing_ok=True)


@lru_cache
def _remove_leftovers(folder: Path) -> None:
    """Remove the copies of runs that were killed, once a folder; what changed of late may be in use."""
    for left in folder.glob(f"{_PREFIX}*{_SUFFIX}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_ctime > _LEFT_SECONDS:
                left.unlink()


def _write_copy(path: Path, copy: Path, kind: Kind, key: Key, text: str) -> None:
    """The file with the key in its tags, handed over to the disk."""
    with path.open("rb") as source, copy.open("r+b") as target:
        if _has_plain_id3(kind):
            id3.copy_with_key(source, target, key, text)
        else:
            shutil.copyfileobj(source, target)
            # mutagen would drop an ID3v1 tag behind an APEv2 tag, or put the APEv2 tag behind it.
            behind = id3.v1_tag(source) if issubclass(kind, APEv2File) else b""
            target.truncate(target.tell() - len(behind))
            target.flush()
            file = _opened(copy, kind)
            value = MP4FreeForm(text.encode()) if isinstance(file.tags, MP4Tags) else text  # type: ignore[no-untyped-call]
            changed = _to_change(file.tags, key, text)
            if isinstance(file.tags, MP4Tags):
                _keep_atoms(file.tags, target, changed)
            for name in changed:
                file.tags[name] = [value]
            file.save()
            target.seek(0, io.SEEK_END)
            target.write(behind)
            if issubclass(kind, ASF):
                _correct_size(target, path.stat().st_size)
        target.flush()
        os.fsync(target.fileno())


def _correct_size(file: BinaryIO, old: int) -> None:
    """Correct the size of a wma that its header tells, which mutagen leaves as it was."""
    new = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(24)  # It ends with how long the header is.
    head += file.read(int.from_bytes(head[16:], "little"))
    place = head.find(_ASF_PROPERTIES) + 40
    if head[place : place + 8] == old.to_bytes(8, "little"):
        file.seek(place)
        file.write(new.to_bytes(8, "little"))


def _keep_atoms(tags: Tags, file: BinaryIO, changed: Container[str]) -> None:
    """Have mutagen write back all other atoms as they are, which it does with those that it cannot read.

    It would write numbers and genres in another way, and leave the names of pictures out.
    """
    tags.clear()
    tags._failed_atoms = {}
    file.seek(0)
    with suppress(KeyError):  # There is no tag yet.
        for atom in Atoms(file).path(b"moov", b"udta", b"meta", b"ilst")[-1].children:
            name, (_, content) = atom.name, atom.read(file)
            first = int.from_bytes(content[:4], "big")  # A free name stands in two atoms.
            second = first + int.from_bytes(content[first : first + 4], "big")
            free = b":".join((name, content[12:first], content[first + 12 : second])).decode("latin-1")
            if free not in changed:
                tags._failed_atoms.setdefault(name.decode("latin-1"), []).append(content)


def _verify(path: Path, copy: Path, kind: Kind, key: Key, text: str) -> None:
    """Raise ``TagError`` for a copy with another sound, other tags, or without the key."""
    old, new = _opened(path, kind).tags, _opened(copy, kind).tags
    if _to_change(new, key, text):
        raise TagError("the key does not read back from its tags; the file was not touched")
    if _others(old) != _others(new) and not (isinstance(old, ID3) and not old):
        raise TagError("other tags would change with the key; the file was not touched")
    if issubclass(kind, APEv2File) and _loses_items(path, old):
        raise TagError("its APE tag has fields of one name, or more than it counts; write it anew first")
    if issubclass(kind, FLAC) and _flac_blocks(path) != _flac_blocks(copy):
        raise TagError("other blocks would change with the tags; the file was not touched")
    if issubclass(kind, MP4) and _has_index(path) and path.stat().st_size != copy.stat().st_size:
        raise TagError("the index of its fragments would point elsewhere; make a plain m4a of it first")
    if _fingerprint(path) != _fingerprint(copy):
        raise TagError("its sound would change with the tags; the file was not touched")


def _others(tags: Tags) -> list[str]:
    """All fields but those that may get the key."""
    keys = {name.lower() for name in _key_fields(tags) if not id3.is_packed(_value(tags, name))}
    names = [name for name in tags.keys() if name.lower() not in keys]  # noqa: SIM118 - no mapping
    fields = [f"{name}={tags[name]!r}" for name in names]
    if any("\ufffd" in field for field in fields):
        raise TagError("its tags hold bytes that are no text; write them anew first")
    if _loses_comments(tags):
        raise TagError("its tags hold fields whose names are not ASCII, or none; write them anew first")
    return sorted(fields)


def _loses_comments(tags: Tags) -> bool:
    """Whether mutagen would change or leave out Vorbis comments: their names are not as the format has them.

    Where it reads another character than ASCII, it puts a question mark.
    """
    if not isinstance(tags, VComment) or not tags._size:
        return False
    rest = tags._size - len(tags.write(framing=False))  # type: ignore[no-untyped-call]
    return rest not in (0, 1) or any("?" in name for name, _ in tags)


def _loses_items(path: Path, tags: Tags) -> bool:
    """Whether mutagen left out items of an APE tag when it read them."""
    with path.open("rb") as file:
        whole = _APEv2Data(file).tag or b""  # type: ignore[no-untyped-call]
    return len(whole.rstrip(b"\0")) > sum(len(name) + len(bytes(value)) + 9 for name, value in tags.items())


def _flac_blocks(path: Path) -> list[bytes]:
    """Digests of all blocks of a flac file before its sound but comments and padding."""
    blocks: list[bytes] = []
    with path.open("rb") as file:
        file.seek(id3.tag_end(file.read(id3.HEADER)) + len(b"fLaC"))
        while len(head := file.read(4)) == 4:
            content = file.read(int.from_bytes(head[1:], "big"))
            if head[0] & 0x7F not in (_FLAC_PADDING, _FLAC_COMMENTS):
                blocks.append(hashlib.blake2b(content).digest())
            if head[0] & 0x80:
                break
    return blocks


def _has_index(path: Path) -> bool:
    """Whether an MP4 ends with an index of where its fragments lie (mfra), which mutagen leaves as it is."""
    with path.open("rb") as file:
        file.seek(-16, io.SEEK_END)
        return file.read()[4:8] == b"mfro"


def _fingerprint(path: Path) -> str:
    """A digest of all samples, or why there are none."""
    digest = hashlib.blake2b()
    try:
        for rate, block in decoded(path):
            digest.update(f"{rate} {block.shape}".encode())
            digest.update(block.tobytes())
    except AudioError as error:
        return type(error).__name__
    return digest.hexdigest()
