"""Does the estimator's confidence mean what it says, and what is gained where doubtful answers are withheld?

C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, *On Calibration of Modern Neural Networks*, ICML 2017;
Y. Geifman and R. El-Yaniv, *Selective Classification for Deep Neural Networks*, NeurIPS 2017.
"""

from typing import Any

import numpy as np
import pandas as pd

from companion.datasets.open_corpus import OpenCorpus
from companion.observations import Entries, rounded
from companion.systems import checksums, systems
from skey.audio import SAMPLE_RATE
from skey.corpus.plan import render_clip
from skey.estimator import KeyEstimator
from skey.keys import KEYS
from skey.listeners import ask, listener
from skey.metrics import Interval, bootstrap_interval
from skey.shapes import Bool, Float, Float32
from skey.weights import DEFAULT

NAME = "confidence"  # the observation, and its notebook
LISTENERS = ("krumhansl", DEFAULT, "released-skey")  # what the estimator listens with, if at hand
BINS = 10  # classes of confidence, of equal width
LISTENED = 60  # clips of the *hard* level are heard for whether they have a key: half, to save time
COVERAGES = tuple(round(0.1 + 0.05 * step, 2) for step in range(19))  # of the tracks that get an answer
RESAMPLES = 2000  # how often tracks are drawn again for the interval of the calibration error


def ask_estimators(limit: int = 0) -> dict[str, dict[str, Any]]:
    """What the estimator answers to the first so many test clips (0: all) with each listener, how surely.

    ``no_key``: whether a clip has a key at all, of the first of the *hard* level.
    """
    dataset = OpenCorpus(limit=limit or None)
    dataset.require()
    entries: dict[str, dict[str, Any]] = {"clips": _clips(dataset)}
    asked = systems(*LISTENERS)
    sums = checksums(asked)
    for name in asked:
        heard_by = listener(name)
        said = [ask(heard_by, dataset.log_vqt(track)) for track in dataset.tracks()]
        keys = [str(KEYS[int(each.argmax())]) for each in said]
        confidence = rounded([each.max() for each in said])
        entries[name] = {"checksum": sums.get(name, ""), "keys": keys, "confidence": confidence}
    return entries


def _clips(dataset: OpenCorpus) -> dict[str, Any]:
    """Keys and levels of the clips, and which of the first *hard* ones have no key for the estimator."""
    hard = [clip for clip in dataset.clips if clip.level == "hard"][:LISTENED]
    no_key = {clip.id: reason_for_no_key(render_clip(clip)) is not None for clip in hard}
    return {
        "checksum": "",
        "keys": [str(clip.key) for clip in dataset.clips],
        "levels": [clip.level for clip in dataset.clips],
        "no_key": [no_key.get(clip.id) for clip in dataset.clips],
    }


def reason_for_no_key(wave: Float32[np.ndarray, " samples"]) -> str | None:
    """Why the estimator gives sound at 22,050 Hz no key, or None where it gives one, whatever the weights."""
    return KeyEstimator("krumhansl").estimate(wave, SAMPLE_RATE).reason


def judged_systems(entries: Entries) -> dict[str, pd.DataFrame]:
    """:func:`judged` of each system that was asked, in the order of ``LISTENERS``."""
    return {name: judged(entries, name) for name in LISTENERS if name in entries}


def judged(entries: Entries, system: str) -> pd.DataFrame:
    """The answers of one system: how sure it was of each (``confidence``), and whether it was ``right``."""
    said, references = entries[system], entries["clips"]["keys"]
    answers = pd.DataFrame({"key": said["keys"], "confidence": said["confidence"]})
    answers = answers.head(len(references))  # a limited run carries whole columns
    return answers[["confidence"]].assign(right=answers["key"] == references)


def share(right: "pd.Series[bool]") -> Interval:
    """The share of right answers, 0 to 1, with its 95 % interval."""
    return bootstrap_interval(right.to_numpy(float))


def classes(confidence: Any) -> Any:  # noqa: ANN401 - an array or a column
    """The class of each confidence: 0 for the least to ``BINS`` - 1."""
    return np.minimum((confidence * BINS).astype(int), BINS - 1)


def expected_error(confidence: Float[np.ndarray, "tracks"], right: Bool[np.ndarray, "tracks"]) -> float:
    """Expected calibration error, 0..1, over ``BINS`` classes of confidence."""
    surplus = np.bincount(classes(confidence), right - confidence)
    return float(np.abs(surplus).sum() / len(right))


def error_interval(answers: pd.DataFrame) -> Interval:
    """The expected calibration error, 0 to 1, with its 95 % percentile interval; never below zero."""
    confidence, right = answers["confidence"].to_numpy(), answers["right"].to_numpy()
    rows = np.random.default_rng(0).integers(len(answers), size=(RESAMPLES, len(answers)))
    drawn = [expected_error(confidence[row], right[row]) for row in rows]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(expected_error(confidence, right), float(low), float(high))


def accuracy_at(answers: pd.DataFrame, coverage: float) -> Interval:
    """The share of right answers among the surest, a share ``coverage`` of all tracks, with its interval."""
    count = max(1, round(coverage * len(answers)))
    surest = answers.sort_values("confidence", ascending=False, kind="stable")
    return share(surest["right"][:count])
