"""The page on training: its curves, and the table of runs with their commands."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from companion.claims import PAPERS_EXAMPLES
from companion.pages.tables import download, markdown_table, with_interval
from companion.paper import label
from companion.plots import INK, Drawing, colour, draw, shade, styled
from companion.record import RESULTS, find_checkout, flat
from companion.systems import SYSTEMS
from companion.training import TrainingRecord, choose, completed, record_file
from skey.experiments import at_scale, find_experiment
from skey.shapes import Float
from skey.weights.file import clips_in_batch

OPTIONS: Mapping[str, str] = {  # how much is trained: settings, and their options of `skey train`
    **{name: f"--{name}" for name in ("clips", "unlabelled", "batch", "steps", "epochs")},
    "optimiser / rate": "--rate",
    "architecture / frames_per_step": "--frames-per-step",
}

TERMS: Mapping[str, tuple[str, str]] = {  # column of the log → name of the term, line style
    "signature": ("key signature", "-"),
    "mode": ("mode", "--"),
    "average": ("average of modes", ":"),
    "keys": ("key", "-"),
}

KEY_SIGNATURE_ROWS: Mapping[str, int] = {"major": 0, "minor": 3}  # semitones above the tonic


def command(run: TrainingRecord, runs: Sequence[TrainingRecord]) -> str:
    """The command that trains a run again; ``MUSIC`` is the folder of `skey corpus music`."""
    experiment, settings = find_experiment(run.settings["name"]), completed(run.settings)
    usual = flat(asdict(at_scale(experiment)))
    differs = {name for name, value in usual.items() if settings[name] != value}
    words = [f"skey train {experiment.name} --seed {run.seed}"]
    words += [f"{option} {settings[name]}" for name, option in OPTIONS.items() if name in differs]
    words += ["--no-songs"] if "songs" in differs else []
    words += ["--recolour" if settings["recolour"] else "--no-recolour"] if "recolour" in differs else []
    words += ["--audio MUSIC"] if run.training.get("recorded_tracks") else []
    if start := run.training.get("started_from"):
        before = [each.name for each in runs if each.weights == start["checksum"]]
        words.append(f"--from {(before or [start['name']])[0]}")
    words.append("--half-precision" if run.training["half_precision"] else "--full-precision")
    return " ".join(words)


def runs_table(records: Sequence[TrainingRecord]) -> str:
    """All runs: command, size, time, last validation loss, scores, and which one was chosen."""
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


def steps_of(record: TrainingRecord) -> Float[np.ndarray, " epochs"]:
    """At which step each row of a curve was written."""
    epochs = record.curve["epoch"].to_numpy(float)
    return np.asarray(epochs * record.training["steps"] / max(epochs.max(), 1))


def examples_of(record: TrainingRecord) -> Float[np.ndarray, " epochs"]:
    """How many examples, those of runs that it started from included, a run had seen at each row."""
    before = record.training.get("started_from", {}).get("examples") or 0  # unknown of imported weights
    batch = clips_in_batch(int(record.settings["batch"]), record.training)
    return np.asarray(before + steps_of(record) * batch)


def systems_of(records: Sequence[TrainingRecord]) -> dict[str, list[TrainingRecord]]:
    """The runs of each system, in the order in which systems occur."""
    names = dict.fromkeys(run.system for run in records)
    return {name: [run for run in records if run.system == name] for name in names}


def family_curves(records: Sequence[TrainingRecord]) -> list[Drawing]:
    """`score_curves` of each family of systems."""
    families = dict.fromkeys(SYSTEMS[run.system].family for run in records)
    runs = {name: [run for run in records if SYSTEMS[run.system].family == name] for name in families}
    return [score_curves(each, f"{name}: scores on held-out pieces") for name, each in runs.items()]


@styled
def score_curves(records: Sequence[TrainingRecord], title: str) -> Drawing:
    """A panel a system, a line a run: held-out MIREX (solid), KSEA (dotted); dashed: the papers' end."""
    systems = systems_of(records)
    rows, said = -(-len(systems) // 2), []
    figure = Figure(figsize=(5.6, 0.4 + 1.25 * rows), layout="constrained")
    panels = figure.subplots(rows, 2, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(systems) :]:
        axes.set_axis_off()
    for axes, (system, seeds) in zip(panels.flat, systems.items(), strict=False):
        for metric, style in (("ksea", ":"), ("mirex", "-")):
            scored = [run for run in seeds if metric in run.curve]
            for run in scored:
                values = 100 * run.curve[metric]
                axes.plot(examples_of(run), values, style, color=colour(system), linewidth=1.4)
            if ends := ", ".join(f"{100 * run.curve[metric].iloc[-1]:.0f} %" for run in scored):
                said.append(f"{label(system)} ends at {metric.upper()} {ends}")
        axes.axvline(PAPERS_EXAMPLES, color=INK, linestyle="--", linewidth=0.8)
        axes.set_title("\n".join(wrap(label(system), 36)), fontsize=9, loc="left")
        axes.set(xscale="log", xlim=(500, 5e6), ylim=(0, 100), yticks=(0, 50, 100))
        axes.set_xticks([1e3, 1e4, 1e5, 1e6], ["1 k", "10 k", "100 k", "1 M"])
        axes.set_xticks([], minor=True)
        axes.grid(axis="y", color=INK, alpha=0.15, linewidth=0.6)
    figure.supxlabel("examples", fontsize=10)
    figure.supylabel("score, %", fontsize=10)
    return draw(figure, title, "; ".join(said) + ".")


@styled
def loss_curves(runs: Sequence[TrainingRecord]) -> Drawing:
    """The terms of a system's loss by step, in training and on held-out pieces: a thin line a run."""
    system = runs[0].system
    figure = Figure(figsize=(5.6, 2.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, prefix, title in zip(panels, ("", "validation_"), ("training", "held out"), strict=True):
        for term, (name, style) in TERMS.items():
            for run in (run for run in runs if prefix + term in run.curve):
                values = run.curve[prefix + term]
                axes.plot(steps_of(run), values, style, color=colour(system), linewidth=1.1, label=name)
                name = "_"  # the other runs have no place in the legend
        axes.set(xlabel="steps", title=title)
        axes.grid(axis="y", color=INK, alpha=0.15, linewidth=0.6)
    panels[0].set_ylabel("loss")
    panels[0].legend(frameon=False, fontsize=9)
    last = ", ".join(f"{run.validation_loss:.3f}" for run in runs)
    return draw(figure, f"{label(system)}: loss", f"Last loss on held-out pieces, run by run: {last}.")


@styled
def rows_drawing(record: TrainingRecord) -> Drawing:
    """Over the epochs, how many semitones the largest row of the signature profile lies above the tonic."""
    figure = Figure(figsize=(6.4, 2.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    steps, said = np.array([0, *steps_of(record)]), []
    for axes, (mode, row) in zip(panels, KEY_SIGNATURE_ROWS.items(), strict=True):
        shares = shares_by_row(record, mode)
        shade(axes, (steps, np.arange(-0.5, 12)), shares.T, colour(record.system))
        axes.add_patch(Rectangle((0, row - 0.5), steps[-1], 1, fill=False, edgecolor=INK, linewidth=1.0))
        axes.set(title=f"{mode} pieces", xlabel="steps", ylim=(-0.6, 11.6), xlim=(0, steps[-1]))
        said.append(f"{100 * shares[-1, row]:.0f} % of the {mode} pieces lie on their key signature")
        said += [f"{100 * shares[-1, 0]:.0f} % on their tonic"] if row else []
    panels[0].set(ylabel="semitones above the tonic", yticks=range(12))
    title = f"{label(record.system)}, seed {record.seed}: row above the tonic"
    return draw(figure, title, f"At the end {'; '.join(said)}.")


def shares_by_row(record: TrainingRecord, mode: str) -> Float[np.ndarray, "epochs 12"]:
    """Which share of the held-out pieces of a mode has its row 0, 1, ... 11 semitones above the tonic."""
    counts = record.curve[f"rows_{mode}"].str.split(expand=True).to_numpy(float)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
