"""Networks, pages and tables of answers for tests: a row a key, so that relations are counted by hand."""

import ast
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from companion.answers import Evaluation, Record, table_of
from companion.datasets import Dataset, Track
from companion.notebooks import FOLDER, read_notebook
from companion.observations import Observation, read_observation
from companion.record import RESULTS
from companion.scores import Answer, score
from skey.calibration import Calibration
from skey.keys import KEYS, Key
from skey.model import Architecture, ChromaNet
from skey.weights import Header
from skey.weights.store import save_weights

ROOT = Path(__file__).resolve().parents[2]


class Noise(Dataset):
    """A track a key whose loudest pitch class is its tonic."""

    name = "open-corpus"
    title = "A made-up corpus"
    licence = citation = url = layout = "none"

    def read_tracks(self) -> Sequence[Track]:
        return [Track(f"{key}", key, f"{key}", None, {"level": "full", "source": "tunes"}) for key in KEYS]

    def log_vqt(self, track: Track) -> Any:
        assert track.key is not None
        heard = torch.rand(99, 646, generator=torch.Generator().manual_seed(track.key.index)) / 2
        heard[(track.key.tonic + 3) % 12 :: 12] += 0.5
        return heard


def answers_to(answers: Mapping[str, Sequence[Answer]], references: Sequence[Key] = KEYS) -> pd.DataFrame:
    """A table with these references and answers."""
    return table_of([Track(str(n), key, str(n)) for n, key in enumerate(references)], answers)


def evaluation(name: str, answers: Mapping[str, Sequence[Answer]]) -> Evaluation:
    """A table as it would be with these answers alone."""
    table = answers_to(answers)
    data = {"name": "open-corpus", "title": "The open corpus", "hash": "0", "tracks": len(table)}
    record = Record(table, data, {}, {"commit": "0"}, Path("results"))
    return Evaluation(name, record, table, score(table))


def shipped(name: str) -> Observation:
    """The observation on record."""
    return read_observation(ROOT / RESULTS, name)


def functions_of(notebook: str) -> dict[str, Any]:
    """What a notebook imports and the functions that it defines, by name; nothing else of it is run."""
    cells = read_notebook(ROOT / FOLDER / f"{notebook}.ipynb").cells
    code = ast.parse("\n".join(cell.source for cell in cells if cell.cell_type == "code"))
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef
    code.body = [node for node in code.body if isinstance(node, kinds)]
    names: dict[str, Any] = {}
    exec(compile(code, notebook, "exec"), names)
    return names


def page_shown(address: str, profile: Path, *options: str) -> str:
    """A page after its scripts have run, as headless Chromium writes it down."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium here, in which a page's JavaScript could run")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command += [*options, "--dump-dom", address]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=600).stdout


def save_network(path: Path, seed: int, major: int = 9, whole_track: bool = False) -> Path:
    """A file of weights, all random, of a network that is called as its file."""
    torch.manual_seed(seed)
    network, calibration = ChromaNet(Architecture(frames_per_step=4)).eval(), Calibration(24, major, 6)
    given = (path.stem, path.stem, network.architecture, calibration, "MIT", "a test", "")
    save_weights(path, network, Header(*given, whole_track=whole_track))
    return path
