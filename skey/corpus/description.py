"""What a split of the open corpus holds."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from skey.corpus.plan import Clip
from skey.corpus.sources import index_row
from skey.keys import CIRCLE_OF_FIFTHS


def labels_and_notes_digest(clips: Sequence[Clip]) -> str:
    """Sixteen hexadecimal digits over labels, splits and notes of planned clips: the same on every machine.

    Notes enter by the hash that the index has for each piece; a build refuses to go on where the installed
    music21 reads other notes (``NotesChanged``).
    """
    lines = ["\t".join([*_label(clip), index_row(clip.piece_id).notes_sha]) for clip in clips]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def describe(clips: Sequence[Clip]) -> dict[str, Any]:
    """Count clips by source, level and mode, by key along the circle of fifths, and pieces and groups.

    Returns numbers, strings and tables by name, ready for JSON; no key counts as ``unknown``.
    """
    keys = Counter(str(clip.key or "unknown") for clip in clips)
    circle = [*map(str, CIRCLE_OF_FIFTHS), "unknown"]
    return {
        "clips": len(clips),
        "pieces": len({clip.piece_id for clip in clips}),
        "groups": len({clip.group for clip in clips}),
        "labels_and_notes": labels_and_notes_digest(clips),
        "kinds": dict(sorted(Counter(_kind(clip) for clip in clips).items())),
        "keys": {key: keys[key] for key in circle if keys[key]},
    }


def lines(split: str, counts: Mapping[str, Any]) -> list[str]:
    """What ``describe`` returned, for people: a table of kinds, then one of keys."""
    head = f"{split}: {counts['clips']} clips of {counts['pieces']} pieces in {counts['groups']} groups"
    tables = [
        [f"  {name:<28}{number:>6}" for name, number in counts[table].items()] for table in ("kinds", "keys")
    ]
    digest = f"labels and notes: {counts['labels_and_notes']}"
    return [head, "source, level, mode", *tables[0], "key, round the circle of fifths", *tables[1], digest]


def _label(clip: Clip) -> list[str]:
    """Everything about a clip that must not differ between machines."""
    return [clip.id, clip.piece_id, clip.source, clip.group, clip.split, clip.level, str(clip.key)]


def _kind(clip: Clip) -> str:
    """Source, level and mode in one word each."""
    return f"{clip.source} {clip.level} {clip.key.mode if clip.key else 'unknown'}"
