"""How right the systems are on excerpts of real recordings, of which only the scores can be given away.

The folder of excerpts holds ``features.npz`` (clip → log-VQT as bytes, (99, frames)) and ``keys.csv`` (clip,
kind, key). Recipes were chosen while looking at these excerpts, so they are no test set.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from companion.pages.tables import markdown_table, with_interval
from companion.paper import label
from companion.systems import TABLE_3, systems
from skey.keys import Key, parse_key
from skey.metrics import bootstrap_interval, mirex_points
from skey.vqt import from_bytes

TABLE = "excerpts.csv"
"""The scores, below the folder of the record: system, part, n, MIREX with its 95 % interval, in percent."""

ALL = "all"


def score_excerpts(folder: Path) -> pd.DataFrame:
    """Ask every system of Table 3 at hand about every excerpt.

    Args:
        folder: of the excerpts.

    Returns:
        A row per system and part (all, and each kind of music): system, part, n, mirex, low, high.
    """
    keys = pd.read_csv(folder / "keys.csv")
    with np.load(folder / "features.npz") as stored:
        features = [from_bytes(stored[clip]) for clip in keys["clip"]]
    references = [parse_key(key) for key in keys["key"]]
    rows = []
    for name, system in systems(*TABLE_3).items():
        answers = [system(each) for each in features]
        if not all(isinstance(answer, Key) for answer in answers):
            continue
        points = 100 * mirex_points(references, answers)
        for part in (ALL, *keys["kind"].unique()):
            chosen = points[(keys["kind"] == part) | (part == ALL)]
            interval = bootstrap_interval(chosen)
            rows.append((name, part, len(chosen), interval.value, interval.low, interval.high))
    return pd.DataFrame(rows, columns=["system", "part", "n", "mirex", "low", "high"]).round(1)


def recorded_excerpts(results: Path) -> pd.DataFrame:
    """The scores on record."""
    return pd.read_csv(results / TABLE)


def excerpts_table(scores: pd.DataFrame) -> str:
    """Systems by kind of music, each score with its 95 % interval, as Markdown."""
    sizes = scores.groupby("part", sort=False)["n"].first()
    numbers = scores.rename(columns={"low": "mirex_low", "high": "mirex_high"}).to_dict("records")
    cells = scores.assign(
        cell=[with_interval({str(name): value for name, value in each.items()}, "mirex") for each in numbers]
    )
    cells = cells.pivot(index="system", columns="part", values="cell")
    order = scores[scores["part"] == ALL].sort_values("mirex")["system"]
    rows = [[label(name), *cells.loc[name, list(sizes.index)]] for name in order]
    return markdown_table(["MIREX, %", *(f"{part} ({n} excerpts)" for part, n in sizes.items())], rows)
