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

_OTHER = {  # what is said of a checkpoint with another entry of that name
    "recordings": "was trained on other recordings or SoundFonts: give the same --audio and --soundfont",
    "start": "started from other weights: give the same --from",
}


class RunError(SkeyError):
    """A run cannot be continued or written; the message says why."""


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Write to the folder of a run, made where it is missing; ``RunError`` where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except Timeout as error:
        raise RunError(f"another training writes to {folder}: wait, or choose another --out") from error
    except OSError as error:
        raise RunError(f"cannot write the run to {folder}: {error.strerror or error}") from error


@dataclass
class RunState:
    """All that a run needs to go on from the end of an epoch: chance is drawn anew from seed and step."""

    network: Network
    optimiser: torch.optim.Optimizer
    epoch: int = 0
    log: list[Row] = field(default_factory=list)


class RunFolder:
    """Where a run writes: `checkpoint` and `log` after each epoch, `weights` at the end.

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
        with writing_to(self.path):
            lock = FileLock(self.path / "lock", timeout=0).acquire()
        with lock:
            yield

    def save(self, state: RunState) -> None:
        """Replace checkpoint and log, each whole; raises `RunError` where that fails."""
        table = io.StringIO(newline="")
        log = csv.DictWriter(table, dict.fromkeys(name for row in state.log for name in row))
        log.writeheader()
        log.writerows(state.log)
        with writing_to(self.path):
            # The checkpoint last: a run that is killed between the two makes the epoch and its row again.
            write_whole(self.log, table.getvalue().encode())
            write_whole(self.checkpoint, self._content(state))

    def _content(self, state: RunState, **more: object) -> bytes:
        """A checkpoint: tensors, numbers and texts alone."""
        file = io.BytesIO()
        tensors = {"network": state.network.state_dict(), "optimiser": state.optimiser.state_dict()}
        reached = {"epoch": state.epoch, "log": json.dumps(state.log)}
        torch.save({**self._fixed, **tensors, **reached, **more}, file)
        return file.getvalue()

    def load(self, state: RunState) -> None:
        """Put the checkpoint, if there is one, into a state; `RunError` where it is damaged or another's."""
        if not self.checkpoint.is_file():
            return
        try:
            content = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
            if fault := self._why_other(content):
                raise RunError(f"{self.checkpoint} {fault}, or remove it")
            state.network.load_state_dict(content["network"])
            state.optimiser.load_state_dict(content["optimiser"])
            state.epoch, state.log = content["epoch"], json.loads(content["log"])
        except RunError:
            raise
        except Exception as error:  # another program's file can raise anything
            raise RunError(f"{self.checkpoint} is damaged: remove it and start again") from error

    def _why_other(self, content: Mapping[str, Any]) -> str:
        """What tells a checkpoint from one of this run, or nothing."""
        if content["settings"] != self._fixed["settings"]:
            old, new = (json.loads(each["settings"]) for each in (content, self._fixed))
            return f"belongs to other settings ({', '.join(_changed(old, new))}): choose another --out"
        other = [what for name, what in _OTHER.items() if content.get(name, "") != self._fixed[name]]
        return f"{other[0]}, choose another --out" if other else ""

    def fail(self, state: RunState, step: int, terms: Mapping[str, float]) -> RunError:
        """Save the broken state as `failed.pt`; returns the error to raise."""
        path = self.path / "failed.pt"
        with writing_to(self.path):
            write_whole(path, self._content(state, step=step, terms=dict(terms)))
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
