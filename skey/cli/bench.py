"""``skey bench``: what an estimate costs on this machine."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from skey.cli import Number, measure

POSITIVE = click.IntRange(min=1)
AS_JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print JSON, with the machine's name.")
CLIPS = click.Option(
    ["--clips"], type=POSITIVE, default=200, show_default=True, help="Clips of 30 s, as wav."
)


def _runs(turns: int) -> click.Option:
    """How many turns to take."""
    said = "Turns; the median of each counts."
    return click.Option(["--runs"], type=POSITIVE, default=turns, show_default=True, help=said)


def _minutes(length: float) -> click.Option:
    """The recording's length."""
    said, kind = "Length of the recording (44.1 kHz stereo).", Number(min=0.5)
    return click.Option(["--minutes"], type=kind, default=length, show_default=True, help=said)


@click.group()
def bench() -> None:
    """Measure start-up, speed and memory on this machine, beside other programs where they are installed.

    Programs run in turn, each in a process of its own. Essentia and libkeyfinder are measured where their
    Python modules, `essentia` and `keyfinder`, are installed.
    """


@bench.command(params=[_runs(5), AS_JSON])
def startup(runs: int, as_json: bool) -> None:
    """Start-up of the command and of a first estimate."""
    show([cost._asdict() for cost in measure.startup(runs)], as_json)


@bench.command(params=[_minutes(3.0), _runs(5), AS_JSON])
def speed(minutes: float, runs: int, as_json: bool) -> None:
    """CPU seconds of an estimate from wav, flac and mp3, beside decoding alone and other programs."""
    show(measure.speed(60 * minutes, runs), as_json)


@bench.command(params=[_minutes(60.0), _runs(1), AS_JSON])
@click.option("--reference", is_flag=True, help="Run nnAudio on the whole track too (13 GB for an hour).")
def memory(minutes: float, runs: int, reference: bool, as_json: bool) -> None:
    """Peak memory of one estimate of a long recording."""
    show([cost._asdict() for cost in measure.memory(60 * minutes, reference, runs)], as_json)


@bench.command(params=[CLIPS, _runs(1), AS_JSON])
def folder(clips: int, runs: int, as_json: bool) -> None:
    """CPU seconds of one process that estimates many clips, beside other programs."""
    show([cost._asdict() for cost in measure.folder(clips, runs)], as_json)


@bench.command(params=[_runs(3), AS_JSON])
@click.argument("experiment", default="skey")
def step(experiment: str, runs: int, as_json: bool) -> None:
    """CPU seconds of a training step of EXPERIMENT, beside the same step written plainly as in the papers."""
    from skey.cli.stages import measure_training

    show(measure_training(experiment, runs), as_json)


@bench.command(params=[_minutes(3.0), _runs(3), AS_JSON])
def stages(minutes: float, runs: int, as_json: bool) -> None:
    """CPU seconds of each stage of an estimate, and of training S-KEY on many tracks."""
    from skey.cli.stages import measure_stages

    show(measure_stages(minutes, runs), as_json)


def show(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print a table with a line a row, or JSON with the machine."""
    if as_json:
        click.echo(json.dumps({"machine": measure.machine(), "rows": rows}, indent=1))
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
