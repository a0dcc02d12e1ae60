"""The tables of the page on the open corpus: pieces by source and split, test clips by kind."""

from collections.abc import Sequence

import pandas as pd

from companion.pages.tables import markdown_table
from skey.corpus.pieces import IndexRow
from skey.corpus.plan import Clip


def pieces_table(index: Sequence[IndexRow]) -> str:
    """Pieces and groups of each source, and how many pieces each split has."""
    table = pd.DataFrame(list(index))
    counts = table.groupby("source", sort=False)["group"].agg(Pieces="size", Groups="nunique")
    splits = pd.crosstab(table["source"], table["split"])[table["split"].unique()]
    sizes = counts.join(splits).itertuples()
    rows = [[str(source), *(f"{size:,}" for size in row)] for source, *row in sizes]
    return markdown_table(["Source", *counts, *splits], rows)


def kinds_table(clips: Sequence[Clip]) -> str:
    """Clips of each source and level, by mode."""
    kinds = [f"{clip.source}, {clip.level}" for clip in clips]
    modes = [clip.key.mode if clip.key else "unknown" for clip in clips]
    counts = pd.crosstab(pd.Series(kinds), pd.Series(modes))
    return markdown_table(["Clips", *counts], [list(map(str, row)) for row in counts.itertuples()])
