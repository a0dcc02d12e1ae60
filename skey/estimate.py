"""What an estimate of the key of a recording says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from skey.keys import KEYS, Key


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording in one key.

    Args:
        start: in seconds.
        end: in seconds.
        key: its key; None where nothing tonal sounds or the weights tell key signatures only.
        signature: pitch class of the major key with its key signature, or None.
        confidence: probability of the answer, 0 where there is none.
    """

    start: float
    end: float
    key: Key | None
    signature: int | None
    confidence: float


@dataclass(frozen=True, slots=True)
class KeyEstimate:
    """The key of a recording, or why it has none.

    Args:
        key: the likeliest key; None where there is none, or where the weights tell key signatures only.
        signature: pitch class of the major key with its key signature; None where there is no answer.
        reason: why there is no key, otherwise None.
        probabilities: 24 in the order of KEYS, or 12 of key signatures from C; equal where nothing is known.
        tuning_cents: cents above A4 = 440 Hz, -50..50; None where nothing tonal sounds.
        duration: in seconds.
        segments: stretches of 15 s at least, equal neighbours merged.
    """

    key: Key | None
    signature: int | None
    reason: str | None
    probabilities: tuple[float, ...]
    tuning_cents: float | None
    duration: float
    segments: tuple[Segment, ...] = ()

    @property
    def confidence(self) -> float:
        """Calibrated probability of the answer, 0 where there is none."""
        return 0.0 if self.signature is None else max(self.probabilities)

    @property
    def runner_up(self) -> Key | None:
        """The second likeliest key; None where there is no key."""
        return None if self.key is None else KEYS[self._second()]

    @property
    def runner_up_confidence(self) -> float:
        """Calibrated probability of the runner-up, 0 where there is no answer."""
        return 0.0 if self.signature is None else self.probabilities[self._second()]

    def at_least(self, confidence: float) -> "KeyEstimate":
        """The same estimate, its answer withheld when it is less certain than that.

        Args:
            confidence: 0..1.

        Returns:
            An estimate whose reason says so where the answer was withheld.
        """
        if self.signature is None or self.confidence >= confidence:
            return self
        reason = f"too uncertain: {self.confidence:.2f}, and {confidence:.2f} was asked for"
        return replace(self, key=None, signature=None, reason=reason)

    def _second(self) -> int:
        """Index of the second largest probability."""
        return sorted(range(len(self.probabilities)), key=self.probabilities.__getitem__)[-2]


def answer(probabilities: Sequence[float]) -> tuple[Key | None, int]:
    """The likeliest answer.

    Args:
        probabilities: 24 in the order of KEYS, or 12 of key signatures from C.

    Returns:
        The key (None for 12) and the pitch class of the major key with its signature.
    """
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    return (KEYS[best], KEYS[best].signature) if len(probabilities) == len(KEYS) else (None, best)


def merged(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Join neighbours with the same answer; their confidence is the mean by duration.

    Args:
        segments: in the order of time.

    Returns:
        Fewer segments, no two neighbours alike.
    """
    return tuple(_joined(list(group)) for _, group in groupby(segments, key=lambda s: (s.key, s.signature)))


def _joined(group: Sequence[Segment]) -> Segment:
    """One segment in the place of several with the same answer."""
    seconds = [segment.end - segment.start for segment in group]
    weighted = sum(s.confidence * t for s, t in zip(group, seconds, strict=True))
    return replace(group[0], end=group[-1].end, confidence=weighted / max(sum(seconds), 1e-9))
