"""What differs between kinds of systems in the one loop: the loss, and how outputs get their meaning."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from skey.calibration import Calibration, calibrate
from skey.experiments import Experiment
from skey.losses import LossSettings
from skey.supervised import KEYS_BY_NAME, CrossEntropy
from skey.training.step import batch_loss, label_loss


@dataclass(frozen=True, slots=True)
class Task:
    """How one kind of system learns.

    `loss` takes what `skey.training.step.batch_loss` takes. `calibrate` says what the outputs of a network
    mean. `reads_labels` is whether the loss cannot be watched without labels.
    """

    loss: Callable[..., Mapping[str, Tensor]]
    calibrate: Callable[[Any], Calibration]
    reads_labels: bool


TASKS: Mapping[type, Task] = {
    LossSettings: Task(batch_loss, calibrate, reads_labels=False),
    CrossEntropy: Task(label_loss, lambda _: KEYS_BY_NAME, reads_labels=True),
}
"""The task behind each kind of loss settings."""


def task_of(experiment: Experiment) -> Task:
    """How the system learns."""
    return TASKS[type(experiment.loss)]
