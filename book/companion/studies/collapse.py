"""Does a system answer one thing whatever sounds? How its key signatures are spread over the test set."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from companion.results import Answer
from skey.keys import SIGNATURES_BY_FIFTHS, TONIC_NAMES, Key


@dataclass(frozen=True, slots=True)
class Spread:
    """How answers are spread over the twelve key signatures.

    ``shares``: 12 numbers in 0..1 along the circle of fifths from C; ``distinct``: how many signatures are
    answered at all; ``most_frequent``: the tonic of the major key of the commonest one and its share;
    ``entropy`` in bits, from 0 (one answer) to log2 12 (all alike).
    """

    shares: tuple[float, ...]
    distinct: int
    most_frequent: tuple[str, float]
    entropy: float


def spread(answers: Sequence[Answer]) -> Spread:
    """The spread of answers, keys or key signatures; tracks without an answer are left out."""
    counted = Counter(answer.signature if isinstance(answer, Key) else answer for answer in answers)
    counted.pop(None, None)
    total = max(sum(counted.values()), 1)
    shares = tuple(counted[signature] / total for signature in SIGNATURES_BY_FIFTHS)
    largest = max(range(12), key=lambda place: shares[place])
    return Spread(
        shares=shares,
        distinct=sum(share > 0 for share in shares),
        most_frequent=(TONIC_NAMES[SIGNATURES_BY_FIFTHS[largest]], shares[largest]),
        entropy=math.fsum(share * math.log2(1 / share) for share in shares if share > 0),
    )
