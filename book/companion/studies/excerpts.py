"""How right the systems are on excerpts of real recordings, of which only the scores can be given away.

The folder of excerpts holds ``features.npz`` (clip → log-VQT as bytes, (99, frames)) and ``keys.csv`` (clip,
kind, key). Recipes were chosen while looking at these excerpts, so they are no test set.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from companion.record import Scores
from companion.results.experiment import predict
from companion.results.predictions import is_signature
from companion.results.scores import score_system
from companion.systems import TABLE_3, systems
from skey.keys import parse_key
from skey.vqt import from_bytes

TABLE = "excerpts.csv"
"""The scores, below the folder of the record."""

NUMBERS = ["n", "mirex", "mirex_low", "mirex_high"]
"""What is recorded of each system and part: excerpts, and MIREX with its 95 % interval, in percent."""


def score_excerpts(folder: Path) -> pd.DataFrame:
    """Ask every system of Table 3 at hand about every excerpt.

    Args:
        folder: of the excerpts.

    Returns:
        A row per system and part (all, and each kind of music): system, part, and ``NUMBERS``.
    """
    keys = pd.read_csv(folder / "keys.csv")
    with np.load(folder / "features.npz") as stored:
        features = [from_bytes(stored[clip]) for clip in keys["clip"]]
    references = [parse_key(key) for key in keys["key"]]
    parts = {"all": keys.index} | {kind: keys.index[keys["kind"] == kind] for kind in keys["kind"].unique()}
    rows = [
        {"system": name, "part": part}
        | score_system([references[row] for row in chosen], [answers[row] for row in chosen])
        for name, answers in predict(features, systems(*TABLE_3)).items()
        if not is_signature(answers)
        for part, chosen in parts.items()
    ]
    return pd.DataFrame(rows)[["system", "part", *NUMBERS]].round(1)


def recorded_excerpts(results: Path) -> Scores:
    """The scores on record."""
    table = pd.read_csv(results / TABLE)
    return {
        str(system): {str(row["part"]): {name: row[name] for name in NUMBERS} for _, row in rows.iterrows()}
        for system, rows in table.groupby("system", sort=False)
    }
