"""Which code trained on which machine."""

import os
import platform
from pathlib import Path

import torch

from skey.record import CheckoutError, current_commit, find_checkout


def code_commit() -> str:
    """The commit of the code that runs, ``+changes`` where it was edited; ``unknown`` outside a checkout."""
    try:
        return current_commit(find_checkout(Path(__file__).parent))
    except CheckoutError:
        return "unknown"


def machine_name(device: torch.device) -> str:
    """What computes: the model of the graphics processor, or the processor's kind and number of cores."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{platform.machine()} processor, {os.cpu_count()} cores"
