"""Recordings with annotated keys: collections of one shape, which say what is missing and where to get it."""

import importlib
from pathlib import Path

from skey.datasets.base import Dataset as Dataset
from skey.datasets.base import LabelError as LabelError
from skey.datasets.base import MissingData as MissingData
from skey.datasets.base import Track as Track
from skey.datasets.base import labelled_tracks as labelled_tracks
from skey.errors import SkeyError

DATASETS = {
    "open-corpus": "skey.datasets.open_corpus:OpenCorpus",
    "fmakv2": "skey.datasets.fmakv2:FMAKv2",
    "gtzan": "skey.datasets.gtzan:GTZAN",
    "giantsteps": "skey.datasets.giantsteps:GiantSteps",
    "giantsteps-mtg": "skey.datasets.giantsteps:GiantStepsMTG",
    "folder": "skey.datasets.folder:Folder",
}
"""Name of each data set: module and class, imported when it is loaded."""


def load_dataset(name: str, root: Path | str | None = None, limit: int | None = None) -> Dataset:
    """A data set by name; nothing is read before its tracks are asked for.

    ``root`` is the folder where the collection lies, which the open corpus does not need; ``limit`` uses only
    so many tracks, spread evenly over tags and keys. Raises ``SkeyError`` for another name.
    """
    if name not in DATASETS:
        raise SkeyError(f"there is no data set {name!r}: expected one of {', '.join(DATASETS)}")
    module, class_name = DATASETS[name].split(":")
    dataset: Dataset = getattr(importlib.import_module(module), class_name)(root=root, limit=limit)
    return dataset
