"""The key of a recording: sound in, :class:`KeyEstimate` out, by the mean of its tonal windows (STONE)."""

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skey import audio
from skey.audio import SAMPLE_RATE, AudioError, BinaryFile, PathLike, Wave
from skey.errors import SkeyError, WeightsError
from skey.files.folders import STDIN
from skey.inference.filters import SEGMENT_SECONDS
from skey.inference.spectrum import log_vqt
from skey.inference.threads import keep_freed_memory, one_blas_thread
from skey.inference.tonality import MIN_ACTIVE_SECONDS, Tonality, measure_tonality, sounding, tuning_cents
from skey.keys import KEYS, Key
from skey.listeners import Listener, listener
from skey.shapes import Float

if TYPE_CHECKING:
    from concurrent.futures import Future

    import torch

    from skey.weights.store import LoadedModel

BETWEEN_CENTS = 40  # a piece that is so far from the tuning of its key is about as far from the next key
IN_TUNE_CENTS = 10  # what is nearer to A4 = 440 Hz is heard by the papers' own front end
LEAST_SHARE = 0.2  # of what sounds, the least that has to be music for a key of the whole


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording in one key, from ``start`` to ``end`` in seconds; see :class:`KeyEstimate`."""

    start: float
    end: float
    key: Key | None
    signature: int | None
    confidence: float

    def at_least(self, confidence: float) -> "Segment":
        """The same stretch, without its answer where that is less certain (0..1)."""
        if self.confidence >= confidence:
            return self
        return replace(self, key=None, signature=None, confidence=0.0)


@dataclass(frozen=True, slots=True)
class KeyEstimate:
    """The key of a recording, or why it has none.

    Args:
        key: the likeliest key; None where there is none, or where the weights tell key signatures only.
        signature: pitch class of the major key with its key signature; None where there is no answer.
        reason: why there is no key, otherwise None.
        probabilities: 24 in the order of KEYS, or 12 of key signatures from C; equal where nothing is known.
        tuning_cents: cents above A4 = 440 Hz, -50..50, beyond only where a piece drifts there; None where
            nothing tonal sounds.
        duration: in seconds.
        segments: the windows (15 or 30 s, as the weights ask), equal neighbours merged.
        follows_tuning: whether the front end was tuned so; as published it stays at 440 Hz.
    """

    key: Key | None
    signature: int | None
    reason: str | None
    probabilities: tuple[float, ...]
    tuning_cents: float | None
    duration: float
    segments: tuple[Segment, ...] = ()
    follows_tuning: bool = field(default=True, compare=False)

    @property
    def confidence(self) -> float:
        """Probability of the answer, 0 where there is none; how far to trust it: the book's *Confidence*."""
        return 0.0 if self.signature is None else max(self.probabilities)

    @property
    def runner_up(self) -> Key | None:
        """The second likeliest key; None where there is no key."""
        if self.key is None:
            return None
        places = range(len(self.probabilities))
        return KEYS[sorted(places, key=self.probabilities.__getitem__, reverse=True)[1]]

    @property
    def runner_up_confidence(self) -> float:
        """Probability of the runner-up, 0 where there is no answer."""
        return 0.0 if self.signature is None else sorted(self.probabilities)[-2]

    @property
    def between(self) -> Key | None:
        """The key a semitone away that is about as right, where a piece is tuned between two keys.

        None, too, where the tuning is not followed: then nobody knows which of the two is the key.
        """
        cents = self.tuning_cents or 0.0
        if self.key is None or not self.follows_tuning or abs(cents) < BETWEEN_CENTS:
            return None
        return Key((self.key.tonic + (1 if cents > 0 else -1)) % 12, self.key.mode)

    def at_least(self, confidence: float) -> "KeyEstimate":
        """The same estimate without answers that are less certain (0..1); the reason says so of the whole."""
        segments = merged(segment.at_least(confidence) for segment in self.segments)
        if self.signature is None or self.confidence >= confidence:
            return replace(self, segments=segments)
        reason = f"too uncertain: {below(self.confidence, confidence)}, and {confidence:g} was asked for"
        return replace(self, key=None, signature=None, reason=reason, segments=segments)


def answer(probabilities: Sequence[float]) -> tuple[Key | None, int]:
    """The likeliest key (None for 12 probabilities) and its signature; both as in :class:`KeyEstimate`."""
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    return (KEYS[best], KEYS[best].signature) if len(probabilities) == len(KEYS) else (None, best)


def below(confidence: float, asked: float) -> str:
    """A confidence, 0..1, with two decimals, or with as many as show that it is less than what is asked."""
    digits = next((n for n in range(2, 17) if round(confidence, n) < asked), 17)
    return f"{confidence:.{digits}f}"


def merged(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Join neighbours in time that have the same answer; their confidence is the mean by duration."""
    joined = []
    for _, same in groupby(segments, key=lambda s: (s.key, s.signature)):
        group = list(same)
        seconds = [segment.end - segment.start for segment in group]
        weighted = sum(s.confidence * t for s, t in zip(group, seconds, strict=True))
        confidence = weighted / max(sum(seconds), 1e-9)
        joined.append(replace(group[0], end=group[-1].end, confidence=confidence))
    return tuple(joined)


OFFSET = 0.01  # a mean of more than this share of the peak is a fault of the recording
QUIET = 1e-3  # a window whose peak is under this share of the recording's (-60 dB) has no say
LEAST_VOTE_SECONDS = SEGMENT_SECONDS / 2  # a shorter rest at the end has no say (STONE drops every rest)
Sound = Any  # a file, a binary file object, or samples: an array, a list, or a tensor of torch on any device


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of many recordings: an estimate, or the error that prevented it."""

    path: Path
    estimate: KeyEstimate | None
    error: SkeyError | None


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of sound, and the samples of the recording that it speaks for: its own last ones."""

    start: int
    end: int
    wave: Wave

    @property
    def own(self) -> Wave:
        """What it speaks for; the last window overlaps the one before."""
        return self.wave[self.start - self.end :]


@dataclass(frozen=True, slots=True)
class _Heard:
    """What was heard in one window; no profile where nothing tonal sounds."""

    start: float
    end: float
    sounding: float  # seconds of it that are not silent
    own: float  # those of what it speaks for
    peak: float
    tonality: Tonality
    profile: Float[np.ndarray, "values"] | None


class _Tuning:
    """The tuning of a recording as far as it was heard, so that no window jumps to the next key."""

    def __init__(self) -> None:
        self.cents, self._sum = 0.0, 0j

    def followed(self, tonality: Tonality) -> int:
        """Add a window; returns whole cents to tune the front end by, 0 where it is nearly in tune."""
        self._sum += tonality.tuning
        self.cents += (tuning_cents(self._sum) - self.cents + 50) % 100 - 50
        return round(self.cents) if abs(self.cents) > IN_TUNE_CENTS else 0


class KeyEstimator:
    """Estimates keys; loads its weights once.

    Args:
        weights: a file, a name that ``skey weights list`` shows, or a loaded model; ``"krumhansl"`` for that
            template; None for the weights that ship as the default, or the template where they do not ship.
        device: where a network runs (the front end runs on the CPU). On the CPU only the supervised CNN
            needs torch.
        whole_track: one pass over the whole recording, in memory that grows with its length, or the mean over
            windows; None for what the weights say of themselves.
        as_published: as the papers do it: tuned to 440 Hz, and with a key for everything that has spectral
            lines, such as speech or a single tone. One pass over the whole recording implies it.

    Raises ``WeightsError`` where there are no such weights or they are damaged, ``SkeyError`` where there is
    no such device, ``ModuleNotFoundError`` where torch is needed and not installed.
    """

    def __init__(
        self,
        weights: "str | Path | LoadedModel | None" = None,
        *,
        device: "str | torch.device" = "cpu",
        whole_track: bool | None = None,
        as_published: bool = False,
    ) -> None:
        keep_freed_memory()
        if not (isinstance(weights, str | Path | None) or hasattr(weights, "header")):
            raise WeightsError(f"expected a name or a file of weights, not {weights!r}: `skey weights list`")
        self.listener: Listener = listener(weights, device)
        self.whole_track = self.listener.whole_track if whole_track is None else whole_track
        self.as_published = as_published or self.whole_track

    def estimate(self, sound: Sound, sample_rate: int | float | None = None) -> KeyEstimate:
        """Estimate the key of one recording; silence, white noise, too little sound give no key and a reason.

        ``sound`` is a file, a binary file object, or samples (an array, a list, a tensor of torch), as
        (samples,), (samples, channels) or (channels, samples), which need their ``sample_rate`` per second.
        Raises ``AudioError`` where the recording is missing, unreadable, empty or not finite, ``ValueError``
        where an array has no sample rate.
        """
        with one_blas_thread:
            return self._estimate(_blocks(sound, sample_rate, self.listener.window_seconds))

    def estimate_many(self, paths: PathLike | Iterable[PathLike], jobs: int = 1) -> Iterator[Outcome]:
        """Estimate the keys of many files; one that cannot be read does not stop the others.

        ``-`` is standard input; ``jobs`` threads work. Yields the outcomes in the order of the paths; what is
        finished when the user interrupts is yielded before the ``KeyboardInterrupt`` goes on. Raises
        ``SkeyError`` where something is no path, or there are no threads.
        """
        if not isinstance(jobs, Integral) or jobs < 1:
            raise SkeyError(f"{jobs!r} jobs: expected a whole number of threads, at least 1")
        if jobs == 1:
            yield from map(self._outcome, _paths(paths))
            return
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(jobs)
        waiting: deque[Future[Outcome]] = deque()
        try:
            waiting.extend(pool.submit(self._outcome, path) for path in _paths(paths))
            while waiting:
                outcome = waiting[0].result()
                waiting.popleft()
                yield outcome
        except KeyboardInterrupt:
            yield from (each.result() for each in waiting if each.done() and not each.exception())
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # that closes this may be one of its threads

    def _outcome(self, path: Path) -> Outcome:
        try:
            return Outcome(path, self.estimate(sys.stdin.buffer if path == STDIN else path), None)
        except SkeyError as error:
            return Outcome(path, None, error)
        except Exception as error:  # Nobody's folder of music is to be lost over a fault of ours in one file.
            return Outcome(path, None, SkeyError(f"{path}: unexpected {type(error).__name__}: {error}"))

    def _estimate(self, blocks: Iterator[Wave]) -> KeyEstimate:
        """Hear all windows, then the whole where that is asked for, and conclude."""
        kept: list[Wave] = []
        heard: list[_Heard] = []
        tuning = _Tuning()
        for window in _windows(blocks):
            kept += [window.own] if self.whole_track else []
            if heard and heard[-1].profile is not None and window.own.size < LEAST_VOTE_SECONDS * SAMPLE_RATE:
                # It would have no say: its network need not run.
                heard[-1] = replace(heard[-1], end=window.end / SAMPLE_RATE)
            else:
                heard.append(self._hear(window, tuning))
        duration, peak = max([h.end for h in heard], default=0.0), max([h.peak for h in heard], default=0.0)
        heard = [h if h.peak >= QUIET * peak else replace(h, profile=None) for h in heard]
        if reason := _why_no_key(heard, duration, peak):
            outputs, nothing = self.listener.outputs, Segment(0.0, duration, None, None, 0.0)
            return KeyEstimate(None, None, reason, (1 / outputs,) * outputs, None, duration, (nothing,))
        whole = self._profile(np.concatenate(kept)) if self.whole_track else _mean_profile(heard)
        probabilities, segments = self._probabilities(whole), merged(map(self._segment, heard))
        cents, follows = tuning.cents, not self.as_published
        return KeyEstimate(*answer(probabilities), None, probabilities, cents, duration, segments, follows)

    def _hear(self, window: _Window, tuning: "_Tuning") -> _Heard:
        """Peak and tonality of one window, and its profile where it is tonal, in the tuning so far."""
        start, end = window.start / SAMPLE_RATE, window.end / SAMPLE_RATE
        peak = float(np.abs(window.own).max())
        if window.wave.size < audio.MIN_SAMPLES or peak < audio.SILENCE_PEAK:
            return _Heard(start, end, 0.0, 0.0, peak, Tonality(0.0, 0.0, 0j), None)
        loud = sounding(window.wave)
        wave = loud if loud.size >= audio.MIN_SAMPLES else window.wave
        tonality = measure_tonality(window.wave)
        profile = None
        if tonality.tonal if self.as_published else tonality.musical:
            cents = tuning.followed(tonality)
            profile = self._profile(wave, 0 if self.as_published else cents)
        own = loud if window.own.size == window.wave.size else sounding(window.own)
        seconds = wave.size / SAMPLE_RATE, own.size / SAMPLE_RATE
        return _Heard(start, end, *seconds, peak, tonality, profile)

    def _profile(self, wave: Wave, cents: int = 0) -> Float[np.ndarray, "values"]:
        """What the listener says to a stretch of sound that is tuned so many cents above 440 Hz."""
        offset = wave.mean()
        if abs(offset) > OFFSET * np.abs(wave).max():
            wave = wave - offset
        return self.listener.profile(log_vqt(audio.normalise(wave), cents))

    def _probabilities(self, profile: Float[np.ndarray, "values"]) -> tuple[float, ...]:
        return tuple(self.listener.probabilities(profile).tolist())

    def _segment(self, heard: _Heard) -> Segment:
        if heard.profile is None:
            return Segment(heard.start, heard.end, None, None, 0.0)
        probabilities = self._probabilities(heard.profile)
        return Segment(heard.start, heard.end, *answer(probabilities), max(probabilities))


def _paths(paths: PathLike | Iterable[PathLike]) -> Iterator[Path]:
    """The paths; raises ``AudioError`` for bytes and for what is no path at all."""
    try:
        yield from map(Path, [paths] if isinstance(paths, str | os.PathLike) else paths)
    except TypeError as error:
        raise AudioError(f"expected paths as text or pathlib.Path: {error}") from error


def _blocks(sound: Sound, sample_rate: int | float | None, seconds: int) -> Iterator[Wave]:
    if isinstance(sound, str | os.PathLike | BinaryFile):
        return audio.stream_audio(sound, seconds)
    try:
        samples = np.asanyarray(sound.detach().cpu() if hasattr(sound, "detach") else sound)
        if not samples.ndim:
            raise TypeError("a path is text, and samples are an array, a list or a tensor")
        if samples.dtype.kind in "OSU":
            raise TypeError("numpy sees no numbers in it; several files go to estimate_many")
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(f"expected a file or samples, not {type(sound).__name__}: {error}") from error
    if sample_rate is None:
        raise ValueError("an array needs its sample_rate")
    return audio.stream_array(samples, sample_rate, seconds)


def _windows(blocks: Iterable[Wave]) -> Iterator[_Window]:
    """A window a block; the last one reaches back, so that a short rest is heard in its context."""
    start, before = 0, np.zeros(0, np.float32)
    for block in blocks:
        end = start + block.size
        yield _Window(start, end, np.concatenate([before[block.size :], block]))
        start, before = end, block


def _why_no_key(heard: Sequence[_Heard], duration: float, peak: float) -> str | None:
    try:
        audio.check_audible(round(duration * SAMPLE_RATE), peak)
    except (audio.SilentAudio, audio.TooShortAudio) as error:
        return str(error)
    active = sum(h.tonality.active_seconds for h in heard)
    if active < MIN_ACTIVE_SECONDS:
        heard_seconds = f"{audio.floored(active):g} s in all"
        return f"too little sound: {heard_seconds}, and at least {MIN_ACTIVE_SECONDS} s are needed"
    if not any(h.tonality.tonal for h in heard):
        return "no tonality: the spectrum has no lines that stand out as those of pitches do (noise?)"
    if sum(h.tonality.active_seconds for h in heard if h.profile is not None) < LEAST_SHARE * active:
        return "no tonality: no several pitches that stay, agree and change (speech, a machine, one tone?)"
    return None


def _mean_profile(heard: Sequence[_Heard]) -> Float[np.ndarray, "values"]:
    """The mean of the profiles of the tonal windows by how long they sound; a short rest has no say."""
    tonal = [h for h in heard if h.profile is not None]
    voting = [h for h in tonal if h.own >= LEAST_VOTE_SECONDS] or tonal
    profiles = [h.profile for h in voting if h.profile is not None]
    weights = [h.sounding for h in voting]
    if len(set(weights)) == 1:
        return np.asarray(np.mean(profiles, axis=0))
    return np.asarray(np.average(profiles, axis=0, weights=weights))
