"""How right the systems are on excerpts of real recordings, of which only the scores can be given away.

The folder of excerpts holds ``features.npz`` (clip → log-VQT as bytes, (99, frames)) and ``keys.csv`` (clip,
kind, key). Recipes were chosen while looking at these excerpts, so they are no test set.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from companion.estimators import NetworkSystem
from companion.scores import COLUMNS, REFERENCE, difference, percent, score
from companion.systems import T3, systems, systems_of
from companion.training import weights_by_name
from skey.errors import SkeyError
from skey.inference.confidence import sharpen
from skey.keys import KEYS, parse_key
from skey.listeners import ask
from skey.metrics import bootstrap_interval
from skey.vqt import from_bytes
from skey.weights import read_header

TABLE = "excerpts.csv"  # the scores, below the folder of the record
RUNS = "excerpts-of-runs.csv"  # the scores of runs that differ in one thing, each beside the first


def score_excerpts(folder: Path) -> pd.DataFrame:
    """What every system of Table 3 at hand scores on the excerpts in a folder, with the columns ``COLUMNS``.

    MIREX by part (all, and each kind of music); of networks also how often they are ``right`` (key and mode),
    their ``confidence``, ``overconfidence``, the difference, and that as ``fitted`` by rendered clips.
    """
    keys, features = _excerpts(folder)
    asked = systems(*systems_of(T3))
    scores = score(_answers(keys, features, asked)).query("metric == 'mirex'")
    networks = {name: each for name, each in asked.items() if isinstance(each, NetworkSystem)}
    trust = [row for name, network in networks.items() for row in _trust(keys, features, name, network)]
    return pd.concat([scores, pd.DataFrame(trust, columns=COLUMNS)]).round(1)


def _trust(
    keys: "pd.Series[Any]", features: Sequence[Tensor], name: str, network: NetworkSystem
) -> list[dict[str, Any]]:
    """How often the key of a network is right, and how confident it is, as rows of scores."""
    probabilities = np.stack([ask(network.listener, each) for each in features])
    best = [KEYS[place] for place in probabilities.argmax(axis=1)]
    right = np.array([answer == key for answer, key in zip(best, keys, strict=True)], dtype=float)
    confidence = probabilities.max(axis=1).astype(float)
    points = {"right": right, "confidence": confidence, "overconfidence": confidence - right}
    header = read_header(network.file)
    if fitted := header.training.get("temperature"):
        points["fitted"] = sharpen(probabilities, fitted / header.temperature).max(axis=1) - right
    return [
        {"system": name, "part": "all", "metric": metric, **asdict(percent(bootstrap_interval(each)))}
        | {"n": len(keys)}
        for metric, each in points.items()
    ]


def score_runs(folder: Path, runs: Sequence[Path]) -> pd.DataFrame:
    """What the networks of finished runs, folders of ``skey train``, score on the excerpts in a folder.

    Raises ``RunError`` where two of the folders have one name.
    """
    networks = {name: NetworkSystem(file) for name, file in weights_by_name(runs).items()}
    answers, first = _answers(*_excerpts(folder), networks), next(iter(networks))
    above = {name: asdict(difference(answers, name, first, "mirex")) for name in networks}
    table = pd.DataFrame(above).T.rename(columns={"value": "difference"})
    mirex = score(answers).query("metric == 'mirex' and part == 'all'").set_index("system").value
    table.insert(0, "mirex", mirex)
    return table.rename_axis("run").round(1)


def _answers(
    keys: "pd.Series[Any]", features: Sequence[Tensor], asked: Mapping[str, Callable[..., Any]]
) -> pd.DataFrame:
    answers = {name: list(map(system, features)) for name, system in asked.items()}
    return pd.DataFrame({"source": keys.index, REFERENCE: keys.values, **answers}, dtype=object)


def _excerpts(folder: Path) -> tuple["pd.Series[Any]", list[Tensor]]:
    """The key of each excerpt, by its kind of music, and its log-VQT, (99, frames)."""
    try:
        table = pd.read_csv(folder / "keys.csv", dtype=str)
        with np.load(folder / "features.npz") as stored:
            features = [from_bytes(stored[clip]) for clip in table["clip"]]
        return pd.Series(list(map(parse_key, table["key"])), table["kind"], object), features
    except (OSError, ValueError, LookupError) as error:
        raise SkeyError(
            f"{folder} holds no excerpts ({error}): expected features.npz (clip → log-VQT as bytes) and "
            "keys.csv with clip, kind and key"
        ) from error


def recorded_excerpts(results: Path) -> pd.DataFrame:
    """The scores on record."""
    return pd.read_csv(results / TABLE)[COLUMNS]


def recorded_runs(results: Path) -> pd.DataFrame:
    """The scores of runs on record, by run."""
    return pd.read_csv(results / RUNS, index_col="run")
