"""Which code trained on which machine."""

import os
import platform
import subprocess
from pathlib import Path

import torch

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
