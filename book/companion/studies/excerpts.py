"""How right the systems are on excerpts of real recordings, of which only the scores can be given away.

The folder of excerpts holds ``features.npz`` (clip → log-VQT as bytes, (99, frames)) and ``keys.csv`` (clip,
kind, key). Recipes were chosen while looking at these excerpts, so they are no test set.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from companion.scores import COLUMNS, REFERENCE, score
from companion.systems import T3, systems, systems_of
from skey.keys import parse_key
from skey.vqt import from_bytes

TABLE = "excerpts.csv"
"""The scores, below the folder of the record."""


def score_excerpts(folder: Path) -> pd.DataFrame:
    """Ask every system of Table 3 at hand about every excerpt.

    Args:
        folder: of the excerpts.

    Returns:
        MIREX with its 95 % interval by system and part (all, and each kind of music), see
        :data:`companion.scores.COLUMNS`.
    """
    keys = pd.read_csv(folder / "keys.csv")
    with np.load(folder / "features.npz") as stored:
        features = [from_bytes(stored[clip]) for clip in keys["clip"]]
    answers = pd.DataFrame(
        {"source": keys["kind"], REFERENCE: [parse_key(key) for key in keys["key"]]}
    ).assign(
        **{
            name: pd.Series([system(log_vqt) for log_vqt in features], dtype=object)
            for name, system in systems(*systems_of(T3)).items()
        }
    )
    scores = score(answers)
    return scores[scores.metric == "mirex"].round(1)


def recorded_excerpts(results: Path) -> pd.DataFrame:
    """The scores on record."""
    return pd.read_csv(results / TABLE)[COLUMNS]
