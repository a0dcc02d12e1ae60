"""How much better one system is than another on the same tracks, part by part, with intervals."""

from dataclasses import dataclass

from companion.paper import label
from companion.results import Predictions, points, subsets
from skey.metrics import Interval, paired_bootstrap


@dataclass(frozen=True, slots=True)
class Pair:
    """Two systems, ours first, and the score by which they are compared."""

    ours: str
    other: str
    metric: str

    def is_answered(self, predictions: Predictions) -> bool:
        """Whether both systems were asked."""
        return {self.ours, self.other} <= set(predictions.answers)

    def in_words(self) -> str:
        """Ours − the other, and the score."""
        return f"{label(self.ours)} − {label(self.other)}, {self.metric.upper()}"


def differences(predictions: Predictions, pair: Pair, seed: int = 0) -> dict[str, Interval]:
    """Ours minus the other, in percentage points with 95 % intervals, on each part of the tracks.

    Args:
        predictions: of both systems.
        pair: whom to compare, by what.
        seed: of the paired bootstrap over tracks.
    """
    ours, other = (
        points(pair.metric, predictions.references, predictions.answers[system])
        for system in (pair.ours, pair.other)
    )
    return {
        part: _percent(paired_bootstrap(ours[rows], other[rows], seed=seed))
        for part, rows in subsets(predictions).items()
    }


def _percent(share: Interval) -> Interval:
    """An interval in percentage points."""
    return Interval(100 * share.value, 100 * share.low, 100 * share.high)
