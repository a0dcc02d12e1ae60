"""What the page on training computes: the table of runs with their commands, the budget in words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pandas as pd

from companion.pages.tables import download, markdown_table, with_interval
from companion.paper import label
from companion.plots.curve import systems_of
from companion.record import RESULTS, find_checkout, flat
from companion.training import TrainingRecord, choose, completed, record_file
from skey.experiments import at_scale, find_experiment

FRAMES = "architecture / frames_per_step"

OPTIONS: Mapping[str, str] = {
    **{name: f"--{name}" for name in ("clips", "unlabelled", "batch", "steps", "epochs")},
    "optimiser / rate": "--rate",
    FRAMES: "--frames-per-step",
}
"""The settings that say how much a system is trained, and their options of `skey train`."""

NOTHING = "No run is on record yet: `skey train` makes one, and `python3 run.py ship` records it."


def command(run: TrainingRecord, runs: Sequence[TrainingRecord]) -> str:
    """The command that trains a run again, to the same weights on one machine.

    ``MUSIC`` is the folder of `skey corpus music`; weights to start from are named by their run.
    """
    experiment, settings = find_experiment(run.settings["name"]), completed(run.settings)
    usual = flat(asdict(at_scale(experiment)))
    differs = {name for name, value in usual.items() if settings[name] != value}
    words = [f"skey train {experiment.name} --seed {run.seed}"]
    words += [f"{option} {settings[name]}" for name, option in OPTIONS.items() if name in differs]
    words += [f"--no-{name}" for name in ("songs", "recolour") if name in differs]
    words += ["--audio MUSIC"] if run.training.get("recorded_tracks") else []
    if start := run.training.get("started_from"):
        before = [each.name for each in runs if each.weights == start["checksum"]]
        words.append(f"--from {(before or [start['name']])[0]}")
    words.append("--half-precision" if run.training["half_precision"] else "--full-precision")
    return " ".join(words)


def averaging_words(records: Sequence[TrainingRecord]) -> str:
    """What averaging frames costs, in words: runs with the same seed that differ in nothing else."""
    alike: dict[tuple[object, ...], dict[int, TrainingRecord]] = {}
    for record in records:
        settings = completed(record.settings)
        scale = (settings[name] for name in OPTIONS if name != FRAMES)
        alike.setdefault((record.system, record.seed, *scale), {})[settings[FRAMES]] = record
    lines = [
        f"- {label(str(system))}: {'; '.join(_averaged(*each) for each in sorted(runs.items()))}."
        for (system, *_), runs in alike.items()
        if len(runs) > 1
    ]
    return "\n".join(lines) or "No two runs on record differ in that alone."


def _averaged(frames: int, record: TrainingRecord) -> str:
    said = "every frame" if frames == 1 else f"means of {frames} frames"
    return f"{said} (`{record.name}`), {record.score_words}, held-out loss {record.validation_loss:.4f}"


def runs_table(records: Sequence[TrainingRecord]) -> str:
    """All runs: command, size, time, last validation loss, scores, and which one was chosen."""
    if not records:
        return NOTHING
    chosen_names = {run.name for run in choose(records).values()}
    header = ["Run", "Steps", "Minutes", "Held-out loss", "KSEA", "MIREX", "Chosen"]
    rows = []
    for record in records:
        link = download(record.name, record_file(find_checkout() / RESULTS, record.name))
        card = f"<br>on {record.training['machine']}" if record.on_card else ""
        rows.append(
            [
                f"{label(record.system)}<br>{link}{card}<br>`{command(record, records)}`",
                f"{record.training['steps']:,}",
                f"{record.training['seconds'] / 60:.0f}",
                f"{record.validation_loss:.4f}",
                with_interval(record.score("ksea")),
                with_interval(record.score("mirex")),
                "yes" if record.name in chosen_names else "",
            ]
        )
    return markdown_table(header, rows)


def budget_words(records: Sequence[TrainingRecord]) -> str:
    """How long all runs took together, on which machines, in words."""
    if not records:
        return NOTHING
    machines = [str(run.training.get("machine", run.training["device"])) for run in records]
    hours = pd.Series([run.training["seconds"] / 3600 for run in records])
    spent = hours.groupby(machines, sort=False)
    parts = [f"{each.sum():.1f} hours on {name} ({len(each)})" for name, each in spent]
    return f"{len(records)} runs, {hours.sum():.1f} hours in all: {'; '.join(parts)}."


def chosen_words(records: Sequence[TrainingRecord]) -> str:
    """How the choice among seeds relates to their scores, system by system, in words."""
    chosen, lines = choose(records), []
    for system, runs in systems_of([record for record in records if record.is_candidate]).items():
        scores = [score.value for run in runs if (score := run.score(run.metric))]
        span = f"{runs[0].metric.upper()} {min(scores):.1f} to {max(scores):.1f} %"
        if len(runs) > 1:
            lines.append(f"- {label(system)}: {len(runs)} seeds, {span}, chosen {chosen[system].score_words}")
    return "\n".join(lines) or "No system has several seeds on record."
