"""One loop for every system of both papers."""

import os
import platform
import subprocess
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from lightning_fabric import Fabric
from tqdm import tqdm

from skey import __version__
from skey.calibration import signature_row
from skey.experiments import Experiment
from skey.model import PITCH_CLASSES, ChromaNet, count_parameters
from skey.supervised import Network
from skey.training.checkpoint import Row, RunError, RunFolder, RunState
from skey.training.data import Pool, TrainingData, draw_crops, epoch_order, mixed_order, recoloured
from skey.training.step import (
    Batch,
    backward,
    clip_gradients,
    make_optimiser,
    set_step,
    task_of,
    use_half_precision,
)
from skey.training.validation import Watched, confidence_of, validate
from skey.weights import Header
from skey.weights.store import LoadedModel, save_weights

CALIBRATE_EVERY = 20
"""Steps after which a calibrated pseudo-label listens to the reference sound again."""

ROW_OF_A_ABOVE_C = 9

SEGMENT_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how a run computes; it changes speed and rounding, nothing else.

    `processes` are those of all machines together.
    """

    device: str = "auto"
    processes: int = 1
    half_precision: bool | None = None
    progress: bool = False

    def fabric(self) -> Fabric:
        """Devices and processes; raises ``RunError`` where there are no such devices or not as many."""
        started = int(os.environ.get("WORLD_SIZE", 1))
        if started not in (1, self.processes):
            raise RunError(f"torchrun started {started} processes: say --processes {started}, too")
        accelerator = {"cuda": "gpu"}.get(self.device, self.device)
        strategy = "ddp" if self.processes > 1 else "auto"
        here = int(os.environ.get("LOCAL_WORLD_SIZE", started)) if started > 1 else self.processes
        nodes = self.processes // here
        try:
            return Fabric(accelerator=accelerator, devices=here, num_nodes=nodes, strategy=strategy)
        except (RuntimeError, ValueError) as error:
            raise RunError(f"--device {self.device} cannot be used here ({error}): try cpu") from error

    def uses_half_precision(self) -> bool:
        """As asked; where nothing was asked, wherever the processor multiplies bfloat16 by itself."""
        if self.half_precision is not None:
            return self.half_precision
        return torch.cuda.is_available() or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Run:
    """One training of one system: `train()` goes from where the state is to the last epoch."""

    def __init__(
        self,
        experiment: Experiment,
        seed: int,
        data: TrainingData,
        path: Path,
        machine: Machine | None = None,
        start: LoadedModel | None = None,
    ) -> None:
        """Prepare a run from random weights, or from those of `start`; ``RunError`` if these do not fit."""
        self.experiment, self.seed, self.data = experiment, seed, data
        self.machine = machine or Machine()
        self.task = task_of(experiment)
        self.start = start.header if start else None
        checksum = self.start.checksum if self.start else ""
        besides = "-".join([data.recordings, *data.soundfonts])
        self.folder = RunFolder(path, experiment, seed, besides, checksum)
        self.fabric = self.machine.fabric()
        self.fabric.launch()
        self._sow("weights")
        network = (start_of(experiment, start) if start else experiment.network()).to(self.fabric.device)
        use_half_precision(network, self.machine.uses_half_precision())
        self.state = RunState(network, make_optimiser(network, experiment.optimiser))
        self._chroma_row = 0

    def _sow(self, purpose: str) -> torch.Generator:
        """Seed the process for a purpose, so that it depends on nothing that happened before."""
        number = zlib.crc32(f"{self.experiment.name}|{self.seed}|{purpose}".encode())
        torch.manual_seed(number)
        return torch.Generator().manual_seed(number)

    @property
    def batch(self) -> int:
        """Clips in a batch over all processes; fewer than asked where there are fewer clips."""
        size = min(self.experiment.batch, len(self.data.training))
        return max(size // self.fabric.world_size, 1) * self.fabric.world_size

    @property
    def steps_per_epoch(self) -> int:
        """As set, but at most the whole batches in all clips; the same for any share of clips or labels."""
        return max(1, min(self.experiment.steps, self.data.clips // self.experiment.batch))

    def is_supervised(self, epoch: int) -> bool:
        """Whether an epoch uses labels: never, always, or every other one (Section 6.1, STONE)."""
        kind = self.experiment.supervision
        return kind == "only" or (kind == "alternate" and epoch % 2 == 1)

    def epochs(self) -> Iterator[Row]:
        """Train to the last epoch, saving each and yielding its row of the log; then write the weights.

        Raises `RunError`, the state being saved, where the loss or a gradient is not finite, and
        `RunError` where the folder cannot be written to.
        """
        while self.state.epoch < self.experiment.epochs:
            row = self._epoch()
            self.state.epoch += 1
            self.state.log.append(row)
            if self.fabric.is_global_zero:
                self.folder.save(self.state)
            self.fabric.barrier()
            yield row
        if self.fabric.is_global_zero:
            self._finish()

    def train(self) -> RunState:
        """Train to the last epoch; raises as `epochs` does."""
        for _ in self.epochs():
            pass
        return self.state

    def resume(self) -> None:
        """Go back to the last finished epoch, if there is one; raises `RunError` as `RunFolder.load` does."""
        self.folder.load(self.state)

    def _epoch(self) -> Row:
        """All steps of an epoch and the validation after it; returns the row of the log."""
        started, sums = time.perf_counter(), dict[str, float]()
        self.state.network.train()
        for number, batch in enumerate(self._batches()):
            terms = self._step(number, batch)
            sums = {name: sums.get(name, 0.0) + value / self.steps_per_epoch for name, value in terms.items()}
        seconds = time.perf_counter() - started
        watched = validate(self.state.network, self.experiment, self.data.validation, self._chroma_row)
        head = {
            "epoch": self.state.epoch + 1,
            "rate": self.state.optimiser.param_groups[0]["lr"],
            "seconds": round(seconds, 3),
            "clips_per_second": round(self.steps_per_epoch * self.batch / seconds, 2),
        }
        return head | sums | log_of(watched)

    def _batches(self) -> Iterator[Batch]:
        """The batches of the current epoch, this process's part of each."""
        supervised = self.is_supervised(self.state.epoch)
        pool = self.data.labelled if supervised else self.data.training
        generator = self._sow(f"order {self.state.epoch}")
        wanted = self.steps_per_epoch * self.batch
        if supervised:
            order = epoch_order(len(pool), wanted, generator)
        else:
            order = mixed_order(self.data, self.experiment.recorded, wanted, generator)
        title = f"{self.folder.name} epoch {self.state.epoch + 1}/{self.experiment.epochs}"
        hidden = not (self.machine.progress and self.fabric.is_global_zero)
        for number in tqdm(range(self.steps_per_epoch), title, disable=hidden, leave=False):
            clips = order[number * self.batch : (number + 1) * self.batch]
            crops = draw_crops(self.batch, generator, self.experiment.crops)
            first = torch.randint(2, (self.batch,), generator=generator)
            yield self._batch(pool, clips, crops, first, supervised, number)

    def _batch(
        self,
        pool: Pool,
        clips: list[int],
        crops: tuple[torch.Tensor, torch.Tensor],
        first: torch.Tensor,
        supervised: bool,
        number: int,
    ) -> Batch:
        """This process's part of a batch, on its device; either segment may be A."""
        size = self.batch // self.fabric.world_size
        part = slice(self.fabric.global_rank * size, (self.fabric.global_rank + 1) * size)
        segments = pool.segments(clips[part], self.experiment.architecture.frames_per_step)
        if self.experiment.recolour:
            colours = self._sow(f"colours {self.state.epoch} {number} {self.fabric.global_rank}")
            segments = recoloured(segments, colours)
        rows, a = torch.arange(size), first[part]
        device = self.fabric.device
        return Batch(
            a=segments[rows, a].to(device),
            b=segments[rows, 1 - a].to(device),
            c=crops[0][part].to(device),
            moved=crops[1][part].to(device),
            labels=pool.labels(clips[part]) if supervised else None,
        )

    def _step(self, number: int, batch: Batch) -> Mapping[str, float]:
        """One step of the optimiser; returns the terms of the loss."""
        network, settings = self.state.network, self.experiment.optimiser
        steps = self.experiment.epochs * self.steps_per_epoch
        step = self.state.epoch * self.steps_per_epoch + number
        self._sow(f"step {step} {self.fabric.global_rank}")
        set_step(self.state.optimiser, step, steps, settings)
        loss = self.experiment.loss.at(step / steps)
        terms = self.task.loss(self.fabric, network, loss, batch, self._row_for(number))
        self.state.optimiser.zero_grad()
        backward(self.fabric, network, torch.stack(list(terms.values())).sum())
        values = {name: value.item() for name, value in terms.items()}
        norms = [p.grad.norm() for p in network.parameters() if p.grad is not None]
        if not torch.stack(norms).isfinite().all():  # a loss that is no number leaves no gradient that is one
            raise self.folder.fail(self.state, step, values)
        clip_gradients(network, settings.clip)
        self.state.optimiser.step()
        return values

    def _row_for(self, number: int) -> int:
        """The row of the chroma's first pitch class: 0 as in the papers, or as calibration now finds it."""
        network, wanted = self.state.network, self.experiment.loss.calibrated
        if wanted and isinstance(network, ChromaNet) and number % CALIBRATE_EVERY == 0:
            self._chroma_row = (signature_row(network) + ROW_OF_A_ABOVE_C) % PITCH_CLASSES
        return self._chroma_row

    def _finish(self) -> None:
        use_half_precision(self.state.network, False)
        network = self.state.network.cpu().eval()
        header = Header(
            name=self.folder.name,
            title=f"{self.experiment.title}, seed {self.seed}",
            architecture=network.architecture,
            calibration=self.task.calibrate(network),
            licence="MIT",
            source=f"skey-companion {__version__}",
            checksum="",
            window_seconds=self.experiment.window_seconds,
            training=self._summary(),
        )
        confidence = confidence_of(LoadedModel(header, network), self.data.validation)
        summary = {**header.training, **confidence}
        save_weights(self.folder.weights, network, replace(header, training=summary))

    def _origin(self) -> dict[str, object]:
        if not self.start:
            return {}
        origin = {"name": self.start.name, "checksum": self.start.checksum, "examples": self.start.examples}
        return {"started_from": origin}

    def _summary(self) -> dict[str, object]:
        last = self.state.log[-1] if self.state.log else {}
        return {
            "experiment": asdict(self.experiment),
            "seed": self.seed,
            **self._origin(),
            "data": self.data.digest,
            "clips": len(self.data.training),
            "recorded_tracks": self.data.tracks,
            "recorded_hours": round(self.data.recorded * SEGMENT_SECONDS / 3600, 2),
            "soundfonts": list(self.data.soundfonts),
            "labelled_clips": len(self.data.labelled) if self.experiment.supervision != "none" else 0,
            "steps": self.experiment.epochs * self.steps_per_epoch,
            "parameters": count_parameters(self.state.network),
            "seconds": round(sum(float(row["seconds"]) for row in self.state.log)),
            "device": str(self.fabric.device),
            "processes": self.fabric.world_size,
            "half_precision": self.machine.uses_half_precision(),
            "torch": torch.__version__,
            "machine": machine_name(self.fabric.device),
            "commit": code_commit(),
            "last_epoch": dict(last),
        }


def start_of(experiment: Experiment, start: LoadedModel) -> Network:
    """A network of the experiment with another run's weights; ``RunError`` where it is another network."""
    wanted, given = experiment.network(), start.network.architecture
    if wanted.architecture != given:
        raise RunError(
            f"{start.header.name} is another network than {experiment.name} at this scale: --from wants the "
            "same architecture and --frames-per-step"
        )
    wanted.load_state_dict(start.network.state_dict())
    return wanted


def log_of(watched: Watched) -> dict[str, float | int | str]:
    """The columns of the log that validation fills."""
    row: dict[str, float | int | str] = {f"validation_{name}": value for name, value in watched.terms.items()}
    row["validation_loss"] = watched.loss
    scores = {"ksea": watched.ksea, "mirex": watched.mirex}
    row |= {name: score for name, score in scores.items() if score is not None}
    return row | {f"rows_{mode}": " ".join(map(str, counts)) for mode, counts in watched.rows.items()}


COMMIT = ("describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+changes")
"""What git is asked for the commit of a clone: 12 digits, with ``+changes`` where tracked files differ."""


def code_commit() -> str:
    """The commit of the code that runs; ``unknown`` where git does not keep it."""
    here = Path(__file__)
    try:
        for question in (("ls-files", "--error-unmatch", here.name), COMMIT):
            said = subprocess.run(
                ["git", *question], cwd=here.parent, capture_output=True, text=True, check=True
            )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def machine_name(device: torch.device) -> str:
    """What computes: the model of the graphics processor, or the processor's kind and number of cores."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{platform.machine()} processor, {os.cpu_count()} cores"
