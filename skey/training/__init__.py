"""One training loop for every system: data, step, schedule, validation, checkpoints."""

from skey.training.checkpoint import RunError, RunFolder, RunState, TrainingFailed
from skey.training.data import TrainingData, load_data
from skey.training.loop import Machine, Run
from skey.training.validation import Watched, validate

__all__ = [
    "Machine",
    "Run",
    "RunError",
    "RunFolder",
    "RunState",
    "TrainingData",
    "TrainingFailed",
    "Watched",
    "load_data",
    "validate",
]
