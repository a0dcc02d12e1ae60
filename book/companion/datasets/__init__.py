"""Recordings with annotated keys: collections of one shape, which say what is missing and where to get it."""

from pathlib import Path

from companion.datasets.base import Dataset as Dataset
from companion.datasets.base import LabelError as LabelError
from companion.datasets.base import MissingData as MissingData
from companion.datasets.base import Track as Track
from companion.datasets.base import labelled_tracks as labelled_tracks
from companion.datasets.collections import GTZAN, FMAKv2, Folder, GiantSteps, GiantStepsMTG
from companion.datasets.open_corpus import OpenCorpus
from skey.errors import SkeyError

DATASETS: dict[str, type[Dataset]] = {
    dataset.name: dataset for dataset in (OpenCorpus, FMAKv2, GTZAN, GiantSteps, GiantStepsMTG, Folder)
}


def load_dataset(name: str, root: Path | str | None = None, limit: int | None = None) -> Dataset:
    """A data set by name, below ``root``, or an even sample of it; ``SkeyError`` for another name."""
    if name not in DATASETS:
        raise SkeyError(f"there is no data set {name!r}: expected one of {', '.join(DATASETS)}")
    return DATASETS[name](root=root, limit=limit)
