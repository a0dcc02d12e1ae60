"""What the page on training computes: the table of runs, their common settings, the budget in words."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from companion.pages.tables import download, markdown_table, with_interval
from companion.paper import label
from companion.plots.curve import systems_of
from companion.record import RESULTS, find_checkout
from companion.training import TrainingRecord, choose, record_file

SCALE = ("clips", "unlabelled", "batch", "steps", "epochs")
"""Settings that say how much a system is trained; all others make it what it is, and its name tells them."""

FRAMES = "frames averaged"
"""The one setting of an architecture that is a matter of scale."""

NOTHING = "No run is on record yet: `skey train` makes one, and `python3 run.py ship` records it."


def differing_settings(records: Sequence[TrainingRecord]) -> dict[str, str]:
    """For each run, which settings are not those that most runs share, apart from what its system is."""
    usual, found = common_settings(records), {}
    for record in records:
        others = {name: each for name, each in _scale(record).items() if str(each) != usual[name]}
        found[record.name] = ", ".join(f"{name.replace('_', ' ')} {each}" for name, each in others.items())
    return found


def common_settings(records: Sequence[TrainingRecord]) -> dict[str, str]:
    """The most frequent value of each setting."""
    table = pd.DataFrame([_scale(record) for record in records]).astype(str)
    return {str(name): table[name].value_counts().index[0] for name in table}


def _scale(record: TrainingRecord) -> dict[str, Any]:
    """The settings of a run that do not follow from its system's name."""
    scale = {name: record.settings[name] for name in SCALE} | {"rate": record.settings["optimiser"]["rate"]}
    return scale | {FRAMES: record.settings["architecture"]["frames_per_step"]}


def settings_line(records: Sequence[TrainingRecord]) -> str:
    """What most runs share, in words."""
    usual = common_settings(records)
    shared = ", ".join(f"{setting.replace('_', ' ')} {value}" for setting, value in usual.items())
    return f"What most runs share: {shared}. What differs stands with the run."


def averaging_words(records: Sequence[TrainingRecord]) -> str:
    """What averaging frames costs, in words: runs with the same seed that differ in nothing else."""
    alike: dict[tuple[object, ...], dict[int, TrainingRecord]] = {}
    for record in records:
        scale = _scale(record)
        frames = int(scale.pop(FRAMES))
        alike.setdefault((record.system, record.seed, *scale.values()), {})[frames] = record
    lines = [
        f"- {label(str(system))}: {'; '.join(_averaged(*each) for each in sorted(runs.items()))}."
        for (system, *_), runs in alike.items()
        if len(runs) > 1
    ]
    return "\n".join(lines) or "No two runs on record differ in that alone."


def _averaged(frames: int, record: TrainingRecord) -> str:
    """How a run with so many averaged frames ended."""
    said = "every frame" if frames == 1 else f"means of {frames} frames"
    return f"{said} (`{record.name}`), {record.score_words}, held-out loss {record.validation_loss:.4f}"


def runs_table(records: Sequence[TrainingRecord]) -> str:
    """All runs: what differs, size, time, last validation loss, scores, and which one was chosen."""
    if not records:
        return NOTHING
    differs = differing_settings(records)
    chosen_names = {run.name for run in choose(records).values()}
    header = ["Run", "Steps", "Minutes", "Held-out loss", "KSEA", "MIREX", "Chosen"]
    folder, rows = find_checkout() / RESULTS, []
    for record in records:
        link = download(record.name, record_file(folder, record.name))
        card = f"on {record.training['machine']}" if record.on_card else ""
        rows.append(
            [
                "<br>".join(filter(None, (label(record.system), link, differs[record.name], card))),
                f"{record.training['steps']:,}",
                f"{60 * hours(record):.0f}",
                f"{record.validation_loss:.4f}",
                with_interval(record.score("ksea")),
                with_interval(record.score("mirex")),
                "yes" if record.name in chosen_names else "",
            ]
        )
    return markdown_table(header, rows)


def hours(record: TrainingRecord) -> float:
    """How long a run trained."""
    return float(record.training["seconds"]) / 3600


def budget_words(records: Sequence[TrainingRecord]) -> str:
    """How long all runs took together, on which machines, in words."""
    if not records:
        return NOTHING
    machines = [str(run.training.get("machine", run.training["device"])) for run in records]
    spent = pd.Series([hours(run) for run in records]).groupby(machines, sort=False)
    parts = [f"{each.sum():.1f} hours on {name} ({len(each)})" for name, each in spent]
    return f"{len(records)} runs, {sum(map(hours, records)):.1f} hours in all: {'; '.join(parts)}."


def chosen_words(records: Sequence[TrainingRecord]) -> str:
    """How the choice among seeds relates to their scores, system by system, in words."""
    chosen, lines = choose(records), []
    for system, runs in systems_of([record for record in records if record.is_candidate]).items():
        scores = [score.value for run in runs if (score := run.score(run.metric))]
        span = f"{runs[0].metric.upper()} {min(scores):.1f} to {max(scores):.1f} %"
        if len(runs) > 1:
            lines.append(f"- {label(system)}: {len(runs)} seeds, {span}, chosen {chosen[system].score_words}")
    return "\n".join(lines) or "No system has several seeds on record."


def training_numbers(records: Sequence[TrainingRecord]) -> dict[str, float]:
    """Numbers for the prose."""
    return {
        "runs": float(len(records)),
        "systems": float(len(systems_of(records))),
        "hours": sum(map(hours, records)),
    }
