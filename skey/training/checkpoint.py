"""The folder of a training run: a checkpoint that is whole or absent, a log, and at the end the weights."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from skey.errors import SkeyError
from skey.experiments import Experiment
from skey.supervised import Network

Row = Mapping[str, float | int | str]


class RunError(SkeyError):
    """A run cannot be continued or written; the message says why."""


@dataclass
class RunState:
    """All that a run needs to go on from the end of an epoch: chance is drawn anew from seed and step."""

    network: Network
    optimiser: torch.optim.Optimizer
    epoch: int = 0
    log: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where one run of one experiment writes.

    `recordings` identifies recordings and SoundFonts, `start` the weights that it started from, if any.
    """

    path: Path
    experiment: Experiment
    seed: int
    recordings: str = ""
    start: str = ""

    @property
    def name(self) -> str:
        """Experiment and seed."""
        return f"{self.experiment.name}-s{self.seed}"

    @property
    def checkpoint(self) -> Path:
        """State at the end of the last finished epoch."""
        return self.path / "checkpoint.pt"

    @property
    def log(self) -> Path:
        """One row an epoch."""
        return self.path / "log.csv"

    @property
    def weights(self) -> Path:
        """The finished weights."""
        return self.path / f"{self.name}.safetensors"

    def settings(self) -> str:
        """Everything that must not change between the parts of a run, as JSON."""
        return json.dumps({"experiment": asdict(self.experiment), "seed": self.seed}, sort_keys=True)

    def save(self, state: RunState) -> None:
        """Replace checkpoint and log, each by an atomic rename; raises `RunError` where that fails."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            _replace(self.checkpoint, self._content(state))
            _write_csv(self.log, state.log)
        except OSError as error:
            raise RunError(f"cannot write the run to {self.path}: {error.strerror or error}") from error

    def _content(self, state: RunState) -> dict[str, Any]:
        """What a checkpoint holds: tensors, numbers and texts alone."""
        return {
            "settings": self.settings(),
            "recordings": self.recordings,
            "start": self.start,
            "epoch": state.epoch,
            "network": state.network.state_dict(),
            "optimiser": state.optimiser.state_dict(),
            "log": json.dumps(list(state.log)),
        }

    def load(self, state: RunState) -> None:
        """Put the checkpoint, if there is one, into a state; `RunError` where it is damaged or another's."""
        if not self.checkpoint.is_file():
            return
        try:
            content = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        except Exception as error:
            raise RunError(f"{self.checkpoint} is damaged: remove it and start again") from error
        if content["settings"] != self.settings():
            changed = ", ".join(_changed(json.loads(content["settings"]), json.loads(self.settings())))
            raise RunError(
                f"{self.checkpoint} belongs to other settings ({changed}): choose another --out, or remove it"
            )
        if content.get("recordings", "") != self.recordings:
            raise RunError(
                f"{self.checkpoint} was trained on other recordings or SoundFonts: give the same --audio and "
                "--soundfont, choose another --out, or remove it"
            )
        if content.get("start", "") != self.start:
            raise RunError(
                f"{self.checkpoint} started from other weights: give the same --from, choose another --out, "
                "or remove it"
            )
        state.network.load_state_dict(content["network"])
        state.optimiser.load_state_dict(content["optimiser"])
        state.epoch, state.log = content["epoch"], json.loads(content["log"])

    def fail(self, state: RunState, step: int, terms: Mapping[str, float]) -> RunError:
        """Save the broken state as `failed.pt`; returns the error to raise."""
        path = self.path / "failed.pt"
        self.path.mkdir(parents=True, exist_ok=True)
        _replace(path, self._content(state) | {"step": step, "terms": dict(terms)})
        said = ", ".join(f"{name} {value:.3g}" for name, value in terms.items())
        return RunError(
            f"step {step}: the loss or a gradient is not finite ({said}). The state is in {path}; the last "
            f"sound epoch is in {self.checkpoint}. Try a lower --rate."
        )


def _replace(path: Path, content: dict[str, Any]) -> None:
    partial = path.with_name(path.name + ".partial")
    torch.save(content, partial)
    partial.replace(path)


def _changed(old: Any, new: Any, name: str = "") -> Iterator[str]:  # noqa: ANN401 - JSON
    """The names of the settings that differ, the outer ones before a dot."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _changed(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    elif old != new:
        yield name


def _write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write the log whole; columns are those of the first row and whatever later rows add."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)
