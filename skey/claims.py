"""Do the papers' claims hold on our data? One function decides, from a paired bootstrap, never by hand."""

from dataclasses import dataclass
from typing import Literal

from skey.metrics import Interval, paired_bootstrap
from skey.paper import Claim
from skey.results import Predictions, points

Verdict = Literal["holds", "does not hold", "undecided at this size"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """A claim with our evidence: the difference better minus worse, in percentage points, and the verdict."""

    claim: Claim
    difference: Interval
    verdict: Verdict


def verdict(difference: Interval) -> Verdict:
    """What the interval of a difference says of the claim that it is positive."""
    if difference.low > 0:
        return "holds"
    return "does not hold" if difference.high < 0 else "undecided at this size"


def judge(claim: Claim, predictions: Predictions, seed: int = 0) -> Judgement:
    """Test one claim on the tracks of its experiment.

    The difference of the two systems' points on the same tracks is resampled (``seed``); the claim holds
    where its whole 95 % interval is above zero, does not where it is below, and is undecided otherwise.
    """
    better, worse = (
        points(claim.metric, predictions.references, predictions.answers[system])
        for system in (claim.better, claim.worse)
    )
    share = paired_bootstrap(better, worse, seed=seed)
    difference = Interval(100 * share.value, 100 * share.low, 100 * share.high)
    return Judgement(claim, difference, verdict(difference))
