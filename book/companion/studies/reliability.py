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
from skey.shapes import Float32
from skey.weights import DEFAULT

NAME = "confidence"  # the observation, and its notebook
LISTENERS = ("krumhansl", DEFAULT, "released-skey")  # what the estimator listens with, if at hand
LISTENED = 60  # clips of the *hard* level are heard for whether they have a key: half, to save time


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


def judged(entries: Entries, system: str) -> pd.DataFrame:
    """The answers of one system: how sure it was of each (``confidence``), and whether it was ``right``."""
    said, references = entries[system], entries["clips"]["keys"]
    answers = pd.DataFrame({"key": said["keys"], "confidence": said["confidence"]})
    answers = answers.head(len(references))  # a limited run carries whole columns
    return answers[["confidence"]].assign(right=answers["key"] == references)
