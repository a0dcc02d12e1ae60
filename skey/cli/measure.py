"""What one key estimate costs in time and memory, each beside a named reference measured in the same run.

Everything runs in fresh processes: start-up and peak memory belong to a process, not to a function.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float32

from skey.errors import SkeyError

SOURCE_RATE = 44_100
"""Samples per second of the made-up recordings: what most music comes in."""
BLOCK_SECONDS = 15
REFERENCE = """
import sys, numpy, soundfile, soxr, torch
from nnAudio.features.vqt import VQT
sound, rate = soundfile.read(sys.argv[1], dtype="float32", always_2d=True)
wave = soxr.resample(sound, rate, 22050).mean(axis=1)
front_end = VQT(sr=22050, fmin=27.5, n_bins=99, bins_per_octave=12, gamma=0, verbose=False)
with torch.no_grad():
    front_end(torch.from_numpy(wave / numpy.abs(wave).max())[None])
"""
"""The whole track through nnAudio's transform at once, as in the authors' package (network left out)."""
ACCOUNTANT = """
import subprocess, sys, time
try:
    import resource
except ImportError:
    sys.exit("this system does not account for one process; Linux and macOS do")
began = time.perf_counter()
ran = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
unit = 1 if sys.platform == "darwin" else 1024
wall = time.perf_counter() - began
print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e6)
sys.exit(ran.returncode)
"""
"""A small process between: on Linux a child's peak memory begins at that of the process that started it."""
ESTIMATE = "import sys; from skey.estimator import KeyEstimator; KeyEstimator().estimate(sys.argv[1])"


@dataclass(frozen=True)
class Cost:
    """What one process took; ``peak_megabytes`` is its largest resident memory, in 10⁶ bytes."""

    name: str
    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float


def measure(name: str, command: Sequence[str]) -> Cost:
    """Run one command in a fresh process and account for it; its output is thrown away.

    Raises ``SkeyError`` where it failed, or the system cannot account for a single process (Windows).
    """
    ran = subprocess.run([sys.executable, "-S", "-c", ACCOUNTANT, *command], capture_output=True, text=True)
    if ran.returncode:
        raise SkeyError(f"{name} failed: {ran.stderr.strip()[-500:]}")
    return Cost(name, *map(float, ran.stdout.split()))


def startup(runs: int = 5) -> list[Cost]:
    """Start-up of the command and of a first estimate, beside importing torch alone; medians of ``runs``."""
    with made_up_recording(BLOCK_SECONDS) as path:
        commands = {
            "python -c 'import torch'": [sys.executable, "-c", "import torch"],
            "skey detect --help": [sys.executable, "-m", "skey", "detect", "--help"],
            "a first estimate (15 s of sound)": [sys.executable, "-c", ESTIMATE, str(path)],
        }
        costs = [[measure(name, command) for _ in range(runs)] for name, command in commands.items()]
    return [sorted(each, key=attrgetter("wall_seconds"))[(runs - 1) // 2] for each in costs]


def tracks(seconds: float, reference: bool) -> list[Cost]:
    """One estimate of a 44.1 kHz stereo recording; on wish nnAudio's VQT of it too (13 GB for an hour)."""
    with made_up_recording(seconds) as path:
        costs = [measure("skey: one estimate", [sys.executable, "-c", ESTIMATE, str(path)])]
        if reference:
            command = [sys.executable, "-c", REFERENCE, str(path)]
            costs.append(measure("nnAudio's VQT of the whole track", command))
    return costs


@contextmanager
def made_up_recording(seconds: float) -> Iterator[Path]:
    """A cadence in C major, repeated, as a 16-bit stereo WAV that is removed afterwards; in steps of 15 s."""
    block = cadence()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cadence.wav"
        with soundfile.SoundFile(path, "w", SOURCE_RATE, 2, "PCM_16") as file:
            for _ in range(max(1, round(seconds / BLOCK_SECONDS))):
                file.write(block)
        yield path


def cadence() -> Float32[np.ndarray, "samples 2"]:
    """15 s of I-IV-V-I in C major, each note six harmonics strong: (661500, 2) at 44.1 kHz, peak below 1."""
    chords = ((60, 64, 67), (65, 69, 72), (67, 71, 74), (60, 64, 67))
    times = np.arange(BLOCK_SECONDS * SOURCE_RATE // len(chords)) / SOURCE_RATE
    sound = np.concatenate([sum(_note(pitch, times) for pitch in chord) for chord in chords])
    stereo = np.repeat(sound[:, None], 2, axis=1)
    return np.pad(stereo, ((0, BLOCK_SECONDS * SOURCE_RATE - len(stereo)), (0, 0))).astype(np.float32)


def _note(pitch: int, times: np.ndarray) -> np.ndarray:
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    waves = [np.sin(2 * np.pi * h * frequency * times) / h for h in range(1, 7)]
    return np.asarray(0.1 * np.exp(-times) * np.sum(waves, axis=0))
