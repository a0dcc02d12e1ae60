"""The key in the tags of a music file, and nothing else touched."""

from pathlib import Path
from typing import Any

import mutagen
from mutagen.aiff import AIFF
from mutagen.id3 import ID3, TKEY, ID3FileType
from mutagen.mp4 import MP4FreeForm, MP4Tags
from mutagen.wave import WAVE

from skey.errors import SkeyError
from skey.keys import Key, Notation, format_key

ID3_KEY = "TKEY"
MP4_KEY = "----:com.apple.iTunes:initialkey"
VORBIS_KEY = "INITIALKEY"
OTHER_VORBIS_KEY = "KEY"
"""Read by other players; written only where it is there already, so that the two do not contradict."""

_ID3_VERSION_22 = 2
_ID3V1_BYTES = 128


class TagError(SkeyError):
    """The key cannot be written into a file; the file is as it was."""


def write_key(path: Path, key: Key, *, dry_run: bool = False) -> str:
    """Write a key into the tags of a file: TKEY of ID3v2 (mp3, wav, aiff), INITIALKEY of Vorbis or MP4.

    The version of an ID3 tag, its other frames and an ID3v1 tag stay as they are.

    Args:
        path: the file.
        key: its key, written as ID3v2.4 prescribes: ``Ebm``.
        dry_run: only say what would be written.

    Returns:
        What is changed, such as ``TKEY: Am -> Ebm``; empty where the key is there already.

    Raises:
        TagError: a format without tags, a damaged or ID3v2.2 tag, a file that cannot be written.
    """
    text = format_key(key, Notation.TKEY)
    try:
        file = _opened(path)
        changed = {name: old for name in _fields(file.tags) if (old := _value(file.tags, name)) != text}
        if changed and not dry_run:
            for name in changed:
                _set(file.tags, name, text)
            _save(file, path)
    except (mutagen.MutagenError, OSError) as error:
        raise TagError(f"{path}: its tags cannot be read or written: {error}") from error
    return ", ".join(f"{name}: {old or 'none'} -> {text}" for name, old in changed.items())


def _opened(path: Path) -> Any:  # noqa: ANN401 - mutagen has no types
    """The file with its tags, new ones where it has none; ID3 frames in the version that they are in."""
    file = mutagen.File(path)
    if file is None:
        raise TagError(f"{path}: a format without tags that mutagen knows")
    if isinstance(file, ID3FileType | WAVE | AIFF):
        file = _opened_id3(type(file), path)
    if file.tags is None:
        file.add_tags()
    return file


def _opened_id3(kind: Any, path: Path) -> Any:  # noqa: ANN401 - mutagen has no types
    """The ID3 tag untranslated; frames of an ID3v1 tag only where there is no other tag."""
    file = kind(path, translate=False, load_v1=False)
    if file.tags is None:
        return kind(path, translate=False)
    if file.tags.version[1] == _ID3_VERSION_22:
        raise TagError(
            f"{path}: its ID3v2.2 tag would have to be rewritten; bring it to ID3v2.3 or 2.4 first"
        )
    return file


def _fields(tags: Any) -> tuple[str, ...]:  # noqa: ANN401 - mutagen has no types
    """The fields that hold the key in tags of this kind."""
    if isinstance(tags, ID3):
        return (ID3_KEY,)
    if isinstance(tags, MP4Tags):
        return (MP4_KEY,)
    return (VORBIS_KEY, OTHER_VORBIS_KEY) if OTHER_VORBIS_KEY in tags else (VORBIS_KEY,)


def _value(tags: Any, name: str) -> str | None:  # noqa: ANN401 - mutagen has no types
    """What a field holds now."""
    if name not in tags:
        return None
    value = tags[name] if isinstance(tags, ID3) else tags[name][0]
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _set(tags: Any, name: str, text: str) -> None:  # noqa: ANN401 - mutagen has no types
    """Put the key into a field."""
    if isinstance(tags, ID3):
        frame = TKEY(encoding=0, text=[text])  # type: ignore[no-untyped-call]
        tags.setall(name, [frame])  # type: ignore[no-untyped-call]
    elif isinstance(tags, MP4Tags):
        tags[name] = [MP4FreeForm(text.encode())]  # type: ignore[no-untyped-call]
    else:
        tags[name] = [text]


def _save(file: Any, path: Path) -> None:  # noqa: ANN401 - mutagen has no types
    """Write the tags back; mutagen would make an ID3v1 tag anew, so its bytes are put back."""
    if not isinstance(file.tags, ID3):
        file.save()
        return
    old = path.read_bytes()[-_ID3V1_BYTES:]
    file.save(v2_version=3 if file.tags.version[1] == 3 else 4)
    if old.startswith(b"TAG"):
        with path.open("r+b") as raw:
            raw.seek(-_ID3V1_BYTES, 2)
            raw.write(old)
