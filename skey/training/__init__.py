"""One training loop for every system: data, step, schedule, validation, checkpoints."""
