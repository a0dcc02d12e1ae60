"""``skey bench``: what an estimate costs on this machine."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])
POSITIVE = click.IntRange(min=1)


def _measured(runs: int) -> Callable[[Command], Command]:
    """The options that all have: how many turns, and JSON."""

    def add(command: Command) -> Command:
        """The command with these options."""
        as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, with the machine's name.")
        turns = click.option(
            "--runs", type=POSITIVE, default=runs, show_default=True, help="Turns; the median of each counts."
        )
        return turns(as_json(command))

    return add


def _minutes(length: float) -> Callable[[Command], Command]:
    """The option of the recording's length."""
    said = "Length of the recording (44.1 kHz stereo)."
    return click.option(
        "--minutes", type=click.FloatRange(min=0.5), default=length, show_default=True, help=said
    )


@click.group()
def bench() -> None:
    """Measure start-up, speed and memory on this machine, beside other programs where they are installed.

    Programs run in turn, each in a process of its own. Essentia and libkeyfinder are measured where their
    Python modules, `essentia` and `keyfinder`, are installed.
    """


@bench.command()
@_measured(5)
def startup(runs: int, as_json: bool) -> None:
    """Start-up of the command and of a first estimate."""
    from skey.cli.measure import startup as measured

    show([asdict(cost) for cost in measured(runs)], as_json)


@bench.command()
@_minutes(3.0)
@_measured(5)
def speed(minutes: float, runs: int, as_json: bool) -> None:
    """CPU seconds of an estimate from wav, flac and mp3, beside decoding alone and other programs."""
    from skey.cli.measure import speed as measured

    show(measured(60 * minutes, runs), as_json)


@bench.command()
@_minutes(60.0)
@_measured(1)
@click.option("--reference", is_flag=True, help="Run nnAudio on the whole track too (13 GB for an hour).")
def memory(minutes: float, runs: int, reference: bool, as_json: bool) -> None:
    """Peak memory of one estimate of a long recording."""
    from skey.cli.measure import memory as measured

    show([asdict(cost) for cost in measured(60 * minutes, reference, runs)], as_json)


@bench.command()
@click.argument("experiment", default="skey")
@click.option("--batch", default=32, show_default=True, help="Pairs of segments in a step.")
@click.option("--threads", default=1, show_default=True, help="Threads of all three ways.")
@_measured(3)
def step(experiment: str, batch: int, threads: int, runs: int, as_json: bool) -> None:
    """Time of a training step, beside the same step written plainly as in the papers."""
    from dataclasses import replace

    import torch

    from skey.experiments import Scale, at_scale, find_experiment
    from skey.training.speed import measure_speed

    torch.set_num_threads(threads)
    system = replace(at_scale(find_experiment(experiment), Scale()), batch=batch)
    seconds = measure_speed(system, half_precision=True, repeats=runs)
    ways = ("plain, float32, all frames", "ours, bfloat16, all frames", "ours, bfloat16, averaged frames")
    rows = [
        {"step": way, "seconds": taken, "times": seconds[0] / taken}
        for way, taken in zip(ways, seconds, strict=True)
    ]
    show(rows, as_json)


@bench.command()
@click.option("--clips", type=POSITIVE, default=200, show_default=True, help="Clips of 30 s, as wav.")
@_measured(1)
def folder(clips: int, runs: int, as_json: bool) -> None:
    """CPU seconds of one process that estimates many clips, beside other programs."""
    from skey.cli.measure import folder as measured

    show([asdict(cost) for cost in measured(clips, runs)], as_json)


@bench.command()
@_minutes(3.0)
@_measured(3)
def stages(minutes: float, runs: int, as_json: bool) -> None:
    """CPU seconds of each stage of an estimate, and of training on many tracks."""
    from skey.cli.stages import measure_stages

    show(measure_stages(minutes, runs), as_json)


def show(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print a table with a line a row, or JSON with the machine."""
    if as_json:
        from skey.cli.measure import machine

        click.echo(json.dumps({"machine": machine(), "rows": rows}, indent=1))
        return
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        click.echo("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    """A number with three digits, or more before the point."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
