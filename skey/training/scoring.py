"""The score of a finished run on the labelled clips of the open test set."""

from pathlib import Path

from skey.corpus.build import build
from skey.corpus.plan import plan_clips
from skey.keys import KEYS
from skey.listeners import ask, listener
from skey.metrics import bootstrap_interval, ksea_points, mirex_points
from skey.vqt import from_bytes


def score_words(file: Path, jobs: int | None = None) -> str:
    """The score of weights with its 95 % interval: ``MIREX 81.5 [77.5, 85.5] %``, KSEA without modes.

    It makes the features that are missing, in so many processes (None: one for each core).
    """
    asked, store = listener(file), build("test", jobs=jobs, progress=True)
    labelled = [(clip.id, clip.key) for clip in plan_clips("test") if clip.key is not None]
    answers = [int(ask(asked, from_bytes(store[name])).argmax()) for name, _ in labelled]
    if asked.outputs == len(KEYS):
        metric, points = "MIREX", mirex_points([key for _, key in labelled], [KEYS[each] for each in answers])
    else:
        metric, points = "KSEA", ksea_points([key.signature for _, key in labelled], answers)
    return f"{metric} {bootstrap_interval(100 * points):.1f} %"
