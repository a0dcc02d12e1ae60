"""Training on a graphics card: the features lie on it, and all kernels of a step are asked for at once."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from skey.training.data import Pairs, Pool
from skey.training.step import Batch

PLAIN_STEPS = 3  # steps before one is recorded: libraries and the optimiser prepare in the first
CLIPS_AT_ONCE = 256


def whole_on_card(pool: Pool, frames_per_step: int, device: torch.device) -> Pairs | None:
    """Both segments of every clip on a device; None where they would take more than half of what is free."""
    places = [range(i, min(i + CLIPS_AT_ONCE, len(pool))) for i in range(0, len(pool), CLIPS_AT_ONCE)]
    first = pool.segments(places[0], frames_per_step, device)
    wanted = first.nbytes // len(places[0]) * len(pool)
    if device.type == "cuda" and wanted > torch.cuda.mem_get_info(device)[0] // 2:
        return None
    return torch.cat([first, *(pool.segments(part, frames_per_step, device) for part in places[1:])])


class Recorded:
    """A kind of step as a CUDA graph: it must do the same with every batch, and wait for nothing."""

    def __init__(self, step: Callable[[Batch, Tensor], Mapping[str, Tensor]]) -> None:
        self._step = step
        self._steps_taken = 0
        self._graph = torch.cuda.CUDAGraph()
        self._batch: Batch
        self._row: Tensor
        self._terms: Mapping[str, Tensor]

    def __call__(self, batch: Batch, row: Tensor) -> Mapping[str, Tensor]:
        """What the step returns; the tensors are overwritten by the next step."""
        self._steps_taken += 1
        if self._steps_taken <= PLAIN_STEPS:
            return self._plain(batch, row)
        if self._steps_taken == PLAIN_STEPS + 1:
            self._record(batch, row)
        for mine, given in zip(_tensors(self._batch), _tensors(batch), strict=True):
            mine.copy_(given)
        self._row.copy_(row)
        self._graph.replay()
        return self._terms

    def _plain(self, batch: Batch, row: Tensor) -> Mapping[str, Tensor]:
        """A step beside the usual stream, as PyTorch asks for before a recording."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            terms = self._step(batch, row)
        torch.cuda.current_stream().wait_stream(stream)
        return terms

    def _record(self, batch: Batch, row: Tensor) -> None:
        labels = batch.labels and (batch.labels[0].clone(), batch.labels[1].clone())
        a, b, c, moved = (given.clone() for given in (batch.a, batch.b, batch.c, batch.moved))
        self._batch, self._row = Batch(a, b, c, moved, labels), row.clone()
        with torch.cuda.graph(self._graph):
            self._terms = self._step(self._batch, self._row)


def _tensors(batch: Batch) -> tuple[Tensor, ...]:
    return (batch.a, batch.b, batch.c, batch.moved, *(batch.labels or ()))
