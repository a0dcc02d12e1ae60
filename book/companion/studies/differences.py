"""How much better one system is than another on the same tracks, part by part, with intervals."""

from dataclasses import dataclass

import pandas as pd

from companion.paper import label
from companion.scores import difference, parts_of
from skey.metrics import Interval


@dataclass(frozen=True, slots=True)
class Pair:
    """Two systems, ours first, and the score by which they are compared."""

    ours: str
    other: str
    metric: str

    def in_words(self) -> str:
        """Ours − the other, and the score."""
        return f"{label(self.ours)} − {label(self.other)}, {self.metric.upper()}"


def differences(answers: pd.DataFrame, pair: Pair, seed: int = 0) -> dict[str, Interval]:
    """Ours minus the other on each part of the tracks, see :func:`companion.scores.difference`."""
    return {
        part: difference(table, pair.ours, pair.other, pair.metric, seed)
        for part, table in parts_of(answers).items()
    }
