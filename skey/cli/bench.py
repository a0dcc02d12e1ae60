"""``skey bench``: what an estimate costs on this machine."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from skey.cli.measure import Cost


@click.group()
def bench() -> None:
    """Measure start-up, speed and memory on this machine, beside named references in the same run."""


@bench.command()
@click.option("--runs", default=5, show_default=True, help="How often each is started; the median counts.")
def startup(runs: int) -> None:
    """Start-up of the command and of a first estimate."""
    from skey.cli.measure import startup as measured

    show(measured(runs))


@bench.command()
@click.option("--minutes", default=3.0, show_default=True, help="Length of the recording (44.1 kHz stereo).")
def speed(minutes: float) -> None:
    """Time of one estimate, beside nnAudio's transform of the whole track."""
    from skey.cli.measure import tracks

    show(tracks(60 * minutes, reference=True))


@bench.command()
@click.option("--minutes", default=60.0, show_default=True, help="Length of the recording (44.1 kHz stereo).")
@click.option("--reference", is_flag=True, help="Run nnAudio on the whole track too (13 GB for an hour).")
def memory(minutes: float, reference: bool) -> None:
    """Peak memory of one estimate of a long recording."""
    from skey.cli.measure import tracks

    show(tracks(60 * minutes, reference))


@bench.command()
@click.argument("experiment", default="skey")
@click.option("--batch", default=32, show_default=True, help="Pairs of segments in a step.")
@click.option("--threads", default=1, show_default=True, help="Threads of all three ways.")
def step(experiment: str, batch: int, threads: int) -> None:
    """Time of a training step, beside the same step written plainly as in the papers."""
    from dataclasses import replace

    import torch

    from skey.experiments import Scale, at_scale, find_experiment
    from skey.training.speed import measure_speed

    torch.set_num_threads(threads)
    system = replace(at_scale(find_experiment(experiment), Scale()), batch=batch)
    speed = measure_speed(system, half_precision=True)
    click.echo(f"{experiment}, batch {batch}, {threads} threads: seconds a step, times faster than plain")
    click.echo(f"plain, float32, all frames     {speed.plain:7.2f}")
    click.echo(
        f"ours, bfloat16, all frames     {speed.all_frames:7.2f} {speed.plain / speed.all_frames:6.1f}"
    )
    click.echo(f"ours, bfloat16, averaged frames{speed.averaged_frames:7.2f} {speed.gain:6.1f}")


def show(costs: Sequence["Cost"]) -> None:
    """Print one line a process."""
    width = max(len(cost.name) for cost in costs)
    click.echo(f"{'':<{width}}   wall s    CPU s  peak MB")
    for cost in costs:
        numbers = f"{cost.wall_seconds:9.2f}{cost.cpu_seconds:9.2f}{cost.peak_megabytes:9.0f}"
        click.echo(f"{cost.name:<{width}}{numbers}")
