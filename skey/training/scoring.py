"""A finished run: its weights, and their score on the labelled clips of the open test set."""

from pathlib import Path

from skey.datasets import Dataset, labelled_tracks, load_dataset
from skey.datasets.open_corpus import OpenCorpus
from skey.keys import Key
from skey.listeners import NetworkSystem
from skey.metrics import bootstrap_interval, ksea_points, mirex_points
from skey.training.checkpoint import RunError


def open_test_set(build: bool = False, progress: bool = False) -> Dataset:
    """The labelled clips on which every run is scored; `build` makes what is missing, with a bar if asked."""
    dataset = load_dataset("open-corpus")
    if build and isinstance(dataset, OpenCorpus):
        dataset.build, dataset.progress = True, progress
    return dataset


def score_words(file: Path, dataset: Dataset) -> str:
    """The score of weights with its 95 % interval: ``MIREX 81.5 [77.5, 85.5] %``, KSEA without modes."""
    system, tracks = NetworkSystem(file), labelled_tracks(dataset)
    answers = [system(dataset.log_vqt(track)) for track in tracks]
    references = [track.key for track in tracks if track.key is not None]
    if keys := [answer for answer in answers if isinstance(answer, Key)]:
        metric, points = "MIREX", mirex_points(references, keys)
    else:
        signatures = [answer for answer in answers if isinstance(answer, int)]
        metric, points = "KSEA", ksea_points([key.signature for key in references], signatures)
    return f"{metric} {bootstrap_interval(100 * points):.1f} %"


def weights_of(folder: Path) -> Path:
    """The weights of a finished run; raises ``RunError`` where there is not exactly one file of them."""
    found = sorted(folder.glob("*.safetensors"))
    if len(found) != 1 or not (folder / "log.csv").is_file():
        raise RunError(f"{folder} holds no finished run: expected log.csv and one file of weights")
    return found[0]
