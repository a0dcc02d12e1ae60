"""The tables of the page on the open corpus: pieces by source and split, test clips by kind."""

from collections import Counter
from collections.abc import Sequence

from companion.pages.tables import markdown_table
from skey.corpus.pieces import IndexRow
from skey.corpus.plan import Clip


def pieces_table(index: Sequence[IndexRow]) -> str:
    """Pieces and groups of each source, and how many pieces each split has."""
    splits = tuple(dict.fromkeys(row.split for row in index))
    rows = []
    for source in dict.fromkeys(row.source for row in index):
        mine = [row for row in index if row.source == source]
        counts = Counter(row.split for row in mine)
        cells = [len(mine), len({row.group for row in mine}), *(counts[split] for split in splits)]
        rows.append([source, *(f"{cell:,}" for cell in cells)])
    return markdown_table(["Source", "Pieces", "Groups", *splits], rows)


def kinds_table(clips: Sequence[Clip]) -> str:
    """Clips of each source and level, by mode."""
    counts = Counter((clip.source, clip.level, clip.key.mode if clip.key else "unknown") for clip in clips)
    modes = sorted({mode for _, _, mode in counts})
    kinds = sorted({kind[:2] for kind in counts})
    rows = [
        [f"{source}, {level}", *(str(counts[source, level, mode]) for mode in modes)]
        for source, level in kinds
    ]
    return markdown_table(["Clips", *modes], rows)
