"""`skey bench`: what a key estimate costs here, each program in fresh processes, in turn with the others."""

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import soundfile

from skey.cli import POSITIVE, Number
from skey.errors import SkeyError
from skey.shapes import Float32

AS_JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print JSON, with the machine's name.")
RUNS = partial(click.Option, ["--runs"], type=POSITIVE, help="Turns; the median of each counts.")
LENGTH = "Length of the recording (44.1 kHz stereo)."
MINUTES = partial(click.Option, ["--minutes"], type=Number(min=0.5), help=LENGTH)
SOURCE_RATE = 44_100  # samples per second of the made-up recordings: what most music comes in
BLOCK_SECONDS = 15  # of the cadence, and of the shortest recordings
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
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
FORMATS = {"wav": "PCM_16", "flac": "PCM_16", "mp3": "MPEG_LAYER_III"}  # how each is written
ESTIMATE = (
    "import sys; from skey.estimator import KeyEstimator; estimator = KeyEstimator(); "
    "[estimator.estimate(file) for file in sys.argv[1:]]"
)
DECODE = (
    "import sys; from skey.audio import stream_audio; "
    "[all(True for _ in stream_audio(file)) for file in sys.argv[1:]]"
)
PEERS = {
    "essentia": (
        "Essentia KeyExtractor",
        "import sys; from essentia.standard import KeyExtractor, MonoLoader; "
        "[KeyExtractor()(MonoLoader(filename=file)()) for file in sys.argv[1:]]",
    ),
    "keyfinder": ("libkeyfinder", "import sys, keyfinder; [keyfinder.key(file) for file in sys.argv[1:]]"),
}
"""Python module of a peer: its name, and the program that asks it for the keys of files."""


@click.group()
def bench() -> None:
    """Measure start-up, speed and memory on this machine, beside other programs where they are installed.

    These are Essentia and libkeyfinder, by their Python modules `essentia` and `keyfinder`.
    """


@bench.command(params=[RUNS(default=5), AS_JSON])
def startup(runs: int, as_json: bool) -> None:
    """Start-up of the command and of a first estimate, beside importing torch alone where it is here."""
    torch = {"python -c 'import torch'": [sys.executable, "-c", "import torch"]}
    with made_up_recording(BLOCK_SECONDS) as path:
        commands = {
            **(torch if importlib.util.find_spec("torch") else {}),
            "skey detect --help": [sys.executable, "-m", "skey", "detect", "--help"],
            "a first estimate (15 s of sound)": [sys.executable, "-c", ESTIMATE, str(path)],
        }
        _show_costs(commands, runs, as_json)


@bench.command(params=[MINUTES(default=3.0), RUNS(default=5), AS_JSON])
def speed(minutes: float, runs: int, as_json: bool) -> None:
    """CPU seconds of an estimate from wav, flac and mp3, beside decoding alone and other programs.

    They are of the first 15 s of sound, of the whole recording, and of a minute beyond these 15 s.
    """
    lengths, commands = (BLOCK_SECONDS, 60 * minutes), dict[str, list[str]]()
    with tempfile.TemporaryDirectory() as folder:
        for ending, length in product(FORMATS, lengths):
            path = Path(folder) / f"{length:g}.{ending}"
            write_recording(path, length, FORMATS[ending])
            named = _commands(programs(), path)
            commands |= {f"{name} {path.name}": command for name, command in named.items()}
        costs = {cost.name: cost for cost in interleaved(commands, runs)}
    rows = []
    for ending, name in product(FORMATS, programs()):
        first, whole = (costs[f"{name} {length:g}.{ending}"] for length in lengths)
        slope = (whole.cpu_seconds - first.cpu_seconds) / (lengths[1] - lengths[0]) * 60
        rows.append(
            {"program": name, "format": ending, "first_answer": first.cpu_seconds}
            | {"whole": whole.cpu_seconds, "per_minute": slope}
            | {"wall": whole.wall_seconds, "megabytes": whole.peak_megabytes}
        )
    show(rows, as_json)


@bench.command(params=[MINUTES(default=60.0), RUNS(default=1), AS_JSON])
@click.option("--reference", is_flag=True, help="Run nnAudio on the whole track too (13 GB for an hour).")
def memory(minutes: float, runs: int, reference: bool, as_json: bool) -> None:
    """Peak memory of one estimate of a long recording."""
    wanted = programs() | ({"nnAudio's VQT of the whole track": REFERENCE} if reference else {})
    with made_up_recording(60 * minutes) as path:
        _show_costs(_commands(wanted, path), runs, as_json)


@bench.command(params=[RUNS(default=1), AS_JSON])
@click.option("--clips", type=POSITIVE, default=200, help="Clips of 30 s, as wav.")
def folder(clips: int, runs: int, as_json: bool) -> None:
    """CPU seconds of one process that estimates many clips, beside other programs."""
    with made_up_recording(2 * BLOCK_SECONDS) as path:
        _show_costs(_commands(programs(), *[path] * clips), runs, as_json)


@bench.command(params=[RUNS(default=3), AS_JSON])
@click.argument("experiment", default="skey")
def step(experiment: str, runs: int, as_json: bool) -> None:
    """CPU seconds of a training step of EXPERIMENT, beside the same step written plainly as in the papers."""
    from skey.cli.step import in_turn, ways_to_step
    from skey.experiments import find_experiment

    show(in_turn(ways_to_step(find_experiment(experiment)), runs), as_json)


def _show_costs(commands: Mapping[str, Sequence[str]], runs: int, as_json: bool) -> None:
    """Run commands, by name, in turn, and print what each takes."""
    show([cost._asdict() for cost in interleaved(commands, runs)], as_json)


def show(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print a table with a line a row and numbers of three digits, or JSON with the machine."""
    if as_json:
        click.echo(json.dumps({"machine": machine(), "rows": rows}, indent=1))
        return

    def cell(value: object) -> str:
        if not isinstance(value, float):
            return str(value)
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"

    cells = [list(rows[0]), *(list(map(cell, row.values())) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        click.echo("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


class Cost(NamedTuple):
    """What one process took; ``peak_megabytes`` is its largest resident memory, in 10⁶ bytes."""

    name: str
    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float


def measure(name: str, command: Sequence[str]) -> Cost:
    """What a command takes in a fresh process; ``SkeyError`` where it failed, and on Windows."""
    ran = subprocess.run(
        [sys.executable, "-S", "-c", ACCOUNTANT, *command],
        capture_output=True,
        text=True,
        env=os.environ | ONE_THREAD,
    )
    if ran.returncode:
        raise SkeyError(f"{name} failed: {ran.stderr.strip()[-500:]}")
    return Cost(name, *map(float, ran.stdout.split()))


def interleaved(commands: Mapping[str, Sequence[str]], runs: int) -> list[Cost]:
    """Run several commands (by name) in turn, ``runs`` times; of each the median of each number."""
    turns = [[measure(name, command)[1:] for name, command in commands.items()] for _ in range(runs)]
    medians = np.median(turns, axis=0).tolist()
    return [Cost(name, *numbers) for name, numbers in zip(commands, medians, strict=True)]


def programs() -> dict[str, str]:
    """Name → Python code that is given files: the estimator, decoding alone, and each peer that is here."""
    found = {name: code for module, (name, code) in PEERS.items() if importlib.util.find_spec(module)}
    return {"skey": ESTIMATE, "decoding and resampling alone": DECODE} | found


def _commands(codes: Mapping[str, str], *files: Path) -> dict[str, list[str]]:
    """Command lines, by name, of Python programs that are given the files."""
    return {name: [sys.executable, "-c", code, *map(str, files)] for name, code in codes.items()}


def machine() -> dict[str, Any]:
    """What computes: processor, cores, system, versions, and how busy it is with other work."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    models = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    return {
        "processor": (models or [platform.processor() or platform.machine()])[0],
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


@contextmanager
def made_up_recording(seconds: int | float) -> Iterator[Path]:
    """A cadence in C major, repeated, as a 16-bit stereo WAV that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cadence.wav"
        write_recording(path, seconds)
        yield path


def write_recording(path: Path, seconds: int | float, subtype: str = "PCM_16") -> None:
    """Write the repeated cadence to a file, whose format follows from the name."""
    block, samples = cadence(), round(seconds * SOURCE_RATE)
    with soundfile.SoundFile(path, "w", SOURCE_RATE, 2, subtype) as file:
        for start in range(0, samples, len(block)):
            file.write(block[: samples - start])


def cadence() -> Float32[np.ndarray, "samples 2"]:
    """15 s of I-IV-V-I in C major, each note six harmonics strong: (661500, 2) at 44.1 kHz, peak below 1."""
    chords = ((60, 64, 67), (65, 69, 72), (67, 71, 74), (60, 64, 67))
    times = np.arange(BLOCK_SECONDS * SOURCE_RATE // len(chords)) / SOURCE_RATE

    def note(pitch: int) -> np.ndarray:
        frequency = 440 * 2 ** ((pitch - 69) / 12)
        waves = [np.sin(2 * np.pi * h * frequency * times) / h for h in range(1, 7)]
        return np.asarray(0.1 * np.exp(-times) * np.sum(waves, axis=0))

    sound = np.concatenate([sum(map(note, chord)) for chord in chords])
    stereo = np.repeat(sound[:, None], 2, axis=1)
    return np.pad(stereo, ((0, BLOCK_SECONDS * SOURCE_RATE - len(stereo)), (0, 0))).astype(np.float32)
