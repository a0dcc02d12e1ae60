"""The folder of a training run: a checkpoint that is whole or absent, a log, and at the end the weights."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from skey.errors import SkeyError
from skey.experiments import Experiment
from skey.files.folders import write_whole
from skey.supervised import Network

Row = Mapping[str, float | int | str]

_OTHER = {
    "recordings": "was trained on other recordings or SoundFonts: give the same --audio and --soundfont",
    "start": "started from other weights: give the same --from",
}
"""What is said of a checkpoint with another entry of that name."""


class RunError(SkeyError):
    """A run cannot be continued or written; the message says why."""


@dataclass
class RunState:
    """All that a run needs to go on from the end of an epoch: chance is drawn anew from seed and step."""

    network: Network
    optimiser: torch.optim.Optimizer
    epoch: int = 0
    log: list[Row] = field(default_factory=list)


class RunFolder:
    """Where a run writes: `checkpoint` and `log` after each epoch, in the end `weights`.

    `recordings` identifies recordings and SoundFonts, `start` the weights that it started from, if any.
    """

    def __init__(self, path: Path, experiment: Experiment, seed: int, recordings: str, start: str) -> None:
        self.path, self.name = path, f"{experiment.name}-s{seed}"
        self.checkpoint, self.log = path / "checkpoint.pt", path / "log.csv"
        self.weights = path / f"{self.name}.safetensors"
        settings = json.dumps({"experiment": asdict(experiment), "seed": seed}, sort_keys=True)
        self._fixed = {"settings": settings, "recordings": recordings, "start": start}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other trainings out of the folder; raises `RunError` where one is in it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / "lock", timeout=0).acquire()
        except Timeout as error:
            raise RunError(
                f"another training writes to {self.path}: wait, or choose another --out"
            ) from error
        except OSError as error:
            raise RunError(f"cannot write the run to {self.path}: {error.strerror or error}") from error
        with lock:
            yield

    def save(self, state: RunState) -> None:
        """Replace checkpoint and log, each whole; raises `RunError` where that fails."""
        table = io.StringIO(newline="")
        log = csv.DictWriter(table, dict.fromkeys(name for row in state.log for name in row))
        log.writeheader()
        log.writerows(state.log)
        self._write(self.checkpoint, self._content(state))
        self._write(self.log, table.getvalue().encode())

    def _content(self, state: RunState, **more: object) -> bytes:
        """A checkpoint: tensors, numbers and texts alone."""
        file = io.BytesIO()
        tensors = {"network": state.network.state_dict(), "optimiser": state.optimiser.state_dict()}
        reached = {"epoch": state.epoch, "log": json.dumps(state.log)}
        torch.save({**self._fixed, **tensors, **reached, **more}, file)
        return file.getvalue()

    def _write(self, path: Path, content: bytes) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
        except OSError as error:
            raise RunError(f"cannot write the run to {self.path}: {error.strerror or error}") from error

    def load(self, state: RunState) -> None:
        """Put the checkpoint, if there is one, into a state; `RunError` where it is damaged or another's."""
        if not self.checkpoint.is_file():
            return
        try:
            content = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
            self._refuse_other(content)
            state.network.load_state_dict(content["network"])
            state.optimiser.load_state_dict(content["optimiser"])
            state.epoch, state.log = content["epoch"], json.loads(content["log"])
        except RunError:
            raise
        except Exception as error:  # another program's file can raise anything
            raise RunError(f"{self.checkpoint} is damaged: remove it and start again") from error

    def _refuse_other(self, content: Mapping[str, Any]) -> None:
        """Raise `RunError` where a checkpoint is of another run."""
        if content["settings"] != self._fixed["settings"]:
            old, new = (json.loads(each["settings"]) for each in (content, self._fixed))
            changed = ", ".join(_changed(old, new))
            raise RunError(
                f"{self.checkpoint} belongs to other settings ({changed}): choose another --out, or remove it"
            )
        for name, what in _OTHER.items():
            if content.get(name, "") != self._fixed[name]:
                raise RunError(f"{self.checkpoint} {what}, choose another --out, or remove it")

    def fail(self, state: RunState, step: int, terms: Mapping[str, float]) -> RunError:
        """Save the broken state as `failed.pt`; returns the error to raise."""
        path = self.path / "failed.pt"
        self._write(path, self._content(state, step=step, terms=dict(terms)))
        said = ", ".join(f"{name} {value:.3g}" for name, value in terms.items())
        return RunError(
            f"step {step}: the loss or a gradient is not finite ({said}). The state is in {path}; the last "
            f"sound epoch is in {self.checkpoint}. Try a lower --rate."
        )


def _changed(old: Any, new: Any, name: str = "") -> Iterator[str]:  # noqa: ANN401 - JSON
    """The names of the settings that differ, the outer ones before a dot."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _changed(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    elif old != new:
        yield name
