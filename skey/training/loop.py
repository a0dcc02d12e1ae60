"""One loop for every system of both papers."""

import math
import os
import platform
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor
from tqdm import tqdm

from skey import __version__
from skey.calibration import signature_row
from skey.experiments import Experiment, Loss
from skey.files.folders import commit_of
from skey.inference.filters import SEGMENT_SECONDS
from skey.inference.threads import keep_freed_memory
from skey.losses import Terms
from skey.model import PITCH_CLASSES, ChromaNet, count_parameters
from skey.supervised import Network
from skey.training.card import Recorded, whole_on_card
from skey.training.checkpoint import Row, RunError, RunFolder, RunState
from skey.training.data import Pool, TrainingData, draw_crops, epoch_order, mixed_order, recoloured
from skey.training.step import (
    Batch,
    backward,
    batch_loss,
    calibration_of,
    clip_gradients,
    descend,
    make_optimiser,
    place_settings,
    set_step,
    use_half_precision,
)
from skey.training.validation import confidence_of, validate
from skey.weights import Header
from skey.weights.file import clips_in_batch
from skey.weights.store import LoadedModel, save_weights

CALIBRATE_EVERY = 20  # steps after which a calibrated pseudo-label listens to the reference sound again
ROW_OF_A_ABOVE_C = 9
NORMS = "norms"  # beside the terms of the loss: the sum of the norms of the gradients


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how a run computes (speed and rounding alone), and the epochs between two validations."""

    device: str = "auto"
    processes: int = 1
    half_precision: bool | None = None
    progress: bool = False
    watch_every: int = 1

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
        except (RuntimeError, ValueError, ImportError) as error:
            raise RunError(f"--device {self.device} cannot be used here ({error}): try cpu") from error

    def uses_half_precision(self) -> bool:
        """As asked, or else wherever the processor multiplies bfloat16 by itself."""
        fast = torch.cuda.is_available() or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
        return fast if self.half_precision is None else self.half_precision


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
        keep_freed_memory()
        self.experiment, self.seed, self.data = experiment, seed, data
        self.machine = machine or Machine()
        self.start = start.header if start else None
        besides = "-".join([data.recordings, *data.soundfonts])
        self.folder = RunFolder(path, experiment, seed, besides, self.start.checksum if self.start else "")
        self.fabric = self.machine.fabric()
        self.fabric.launch()
        self._sow("weights")
        network = (start_of(experiment, start) if start else experiment.network()).to(self.fabric.device)
        use_half_precision(network, self.machine.uses_half_precision())
        self.state = RunState(network, make_optimiser(network, experiment.optimiser))
        self._chroma_row = 0
        self._on_card = self.fabric.device.type == "cuda"
        self._copies = dict[int, Tensor | None]()
        self._taken = dict[tuple[Loss, bool], Callable[[Batch, Tensor], Terms]]()

    def _sow(self, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
        """Seed the process for a purpose, so that it depends on nothing that happened before."""
        number = zlib.crc32(f"{self.experiment.name}|{self.seed}|{purpose}".encode())
        torch.manual_seed(number)
        return torch.Generator(device).manual_seed(number)

    @property
    def batch(self) -> int:
        """Clips in a batch over all processes, each of which has as many."""
        found = {"clips": len(self.data.training), "processes": self.fabric.world_size}
        return clips_in_batch(self.experiment.batch, found)

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

        Raises `RunError` where the loss or a gradient is not finite, the state being saved, where the folder
        cannot be written to, and where another training writes to it.
        """
        is_first = self.fabric.is_global_zero
        with self.folder.locked() if is_first else nullcontext():
            while self.state.epoch < self.experiment.epochs:
                row = self._epoch()
                self.state.epoch += 1
                self.state.log.append(row)
                if is_first:
                    self.folder.save(self.state)
                self.fabric.barrier()
                yield row
            if is_first:
                self._finish()

    def train(self) -> RunState:
        """Train to the last epoch; see `epochs`."""
        for _ in self.epochs():
            pass
        return self.state

    def resume(self) -> None:
        """Go back to the last finished epoch, if there is one; see `RunFolder.load`."""
        self.folder.load(self.state)
        place_settings(self.state.optimiser)

    def _epoch(self) -> Row:
        """All steps of an epoch and the validation after it; returns the row of the log."""
        started, sums = time.perf_counter(), dict[str, float | Tensor]()
        epoch, network = self.state.epoch + 1, self.state.network.train()
        for number, batch in enumerate(self._batches()):
            terms = self._step(number, batch)
            sums = {name: sums.get(name, 0.0) + value / self.steps_per_epoch for name, value in terms.items()}
        means = {name: float(value) for name, value in sums.items()}
        self._refuse_broken(epoch * self.steps_per_epoch - 1, means)
        seconds = time.perf_counter() - started
        row: dict[str, float | int | str] = {
            "epoch": epoch,
            "rate": float(self.state.optimiser.param_groups[0]["lr"]),
            "seconds": round(seconds, 3),
            "clips_per_second": round(self.steps_per_epoch * self.batch / seconds, 2),
            **means,
        }
        if epoch % self.machine.watch_every == 0 or epoch == self.experiment.epochs:
            row |= validate(network, self.experiment, self.data.validation, self._chroma_row)
        return row

    def _batches(self) -> Iterator[Batch]:
        """The batches of the current epoch, this process's part of each, on its device."""
        epoch, wanted = self.state.epoch, self.steps_per_epoch * self.batch
        supervised, generator = self.is_supervised(epoch), self._sow(f"order {epoch}")
        pool = self.data.labelled if supervised else self.data.training
        if supervised:
            order = epoch_order(len(pool), wanted, generator)
        else:
            order = mixed_order(self.data, self.experiment.recorded, wanted, generator)
        title = f"{self.folder.name} epoch {epoch + 1}/{self.experiment.epochs}"
        hidden = not (self.machine.progress and self.fabric.is_global_zero)
        size, rank, device = self.batch // self.fabric.world_size, self.fabric.global_rank, self.fabric.device
        mine, rows = slice(rank * size, (rank + 1) * size), torch.arange(size, device=device)
        for number in tqdm(range(self.steps_per_epoch), title, disable=hidden, leave=False):
            clips = order[number * self.batch : (number + 1) * self.batch][mine]
            c, moved = draw_crops(self.batch, generator, self.experiment.crops)
            a = torch.randint(2, (self.batch,), generator=generator)[mine].to(device)  # either may be A
            segments = self._segments(pool, clips)
            if self.experiment.recolour:
                segments = recoloured(segments, self._sow(f"colours {epoch} {number} {rank}", device))
            labels = pool.labels(clips, device) if supervised else None
            crops = c[mine].to(device), moved[mine].to(device)
            yield Batch(segments[rows, a], segments[rows, 1 - a], *crops, labels)

    def _segments(self, pool: Pool, clips: list[int]) -> Tensor:
        """Both segments of each clip; on a card the whole pool is there after the first time, if it fits."""
        frames, device = self.experiment.architecture.frames_per_step, self.fabric.device
        if self._on_card and id(pool) not in self._copies:
            self._copies[id(pool)] = whole_on_card(pool, frames, device)
        copy = self._copies.get(id(pool))
        if copy is None:
            return pool.segments(clips, frames, device)
        return copy[torch.tensor(clips, device=device)]

    def _step(self, number: int, batch: Batch) -> Mapping[str, float | Tensor]:
        """One step of the optimiser; returns what `_learn` does. On a card what is broken is known later."""
        steps = self.experiment.epochs * self.steps_per_epoch
        step = self.state.epoch * self.steps_per_epoch + number
        self._sow(f"step {step} {self.fabric.global_rank}")
        set_step(self.state.optimiser, step, steps, self.experiment.optimiser)
        loss, row = self.experiment.loss.at(step / steps), self._row_for(number)
        if not self._on_card:
            terms = self._learn(loss, False, batch, row)
            values = {name: value.item() for name, value in terms.items()}
            self._refuse_broken(step, values)
            descend(self.state.optimiser)
            return values
        kind = (loss, batch.labels is not None)
        if kind not in self._taken:
            plain = partial(self._learn, loss, True)
            self._taken[kind] = Recorded(plain) if self.fabric.world_size == 1 else plain
        return self._taken[kind](batch, torch.full((), row, device=self.fabric.device))

    def _learn(self, loss: Loss, descends: bool, batch: Batch, row: int | Tensor) -> Terms:
        """Gradients of a batch, cut, and a step if asked; returns the terms and the sum of the norms."""
        network, optimiser = self.state.network, self.state.optimiser
        terms = batch_loss(self.fabric, network, loss, batch, row)
        optimiser.zero_grad()
        backward(self.fabric, network, torch.stack(list(terms.values())).sum())
        norms = clip_gradients(network, self.experiment.optimiser.clip)
        if descends:
            descend(optimiser)
        return {name: value.detach() for name, value in terms.items()} | {NORMS: norms.sum()}

    def _refuse_broken(self, step: int, terms: dict[str, float]) -> None:
        """Take the norms out of the terms; raise where they are no numbers, as after a loss that is none."""
        if not math.isfinite(terms.pop(NORMS, 0.0)):
            raise self.folder.fail(self.state, step, terms)

    def _row_for(self, number: int) -> int:
        """The row of the chroma's first pitch class: 0 as in the papers, or as calibration now finds it."""
        network, wanted = self.state.network, self.experiment.loss.calibrated
        if wanted and isinstance(network, ChromaNet) and number % CALIBRATE_EVERY == 0:
            self._chroma_row = (signature_row(network) + ROW_OF_A_ABOVE_C) % PITCH_CLASSES
        return self._chroma_row

    def _finish(self) -> None:
        """Write the weights, with what they were trained on and by."""
        experiment, data, device = self.experiment, self.data, self.fabric.device
        network = self.state.network.cpu().eval()
        card = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
        use_half_precision(network, False)
        header = Header(
            name=self.folder.name,
            title=f"{experiment.title}, seed {self.seed}",
            architecture=network.architecture,
            calibration=calibration_of(network),
            licence="MIT",
            source=f"skey-companion {__version__}",
            window_seconds=experiment.window_seconds,
            range_db=experiment.range_db,
        )
        known = {name: getattr(self.start, name) for name in ("name", "checksum", "examples") if self.start}
        summary = {
            "experiment": asdict(experiment),
            "seed": self.seed,
            **({"started_from": known} if known else {}),
            "data": data.digest,
            "clips": len(data.training),
            "recorded_tracks": data.tracks,
            "recorded_hours": round(data.recorded * SEGMENT_SECONDS / 3600, 2),
            "soundfonts": list(data.soundfonts),
            "labelled_clips": len(data.labelled) if experiment.supervision != "none" else 0,
            "steps": experiment.epochs * self.steps_per_epoch,
            "parameters": count_parameters(network),
            "seconds": round(sum(float(row["seconds"]) for row in self.state.log)),
            "device": str(device),
            "processes": self.fabric.world_size,
            "half_precision": self.machine.uses_half_precision(),
            "torch": torch.__version__,
            "machine": card or f"{platform.machine()} processor, {os.cpu_count()} cores",
            "commit": commit_of(Path(__file__).parent, Path(__file__).name),
            "last_epoch": self.state.log[-1],
            **confidence_of(LoadedModel(header, network), data.validation),
        }
        save_weights(self.folder.weights, network, replace(header, training=summary))


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
