"""What the book computes for its chapters: figures, layers, sizes and settings of the networks."""

from pathlib import Path

import pandas as pd
import torch

from companion.observations import read_observation
from companion.pages import pseudo_label
from companion.pages.tables import markdown_table
from companion.plots import side_by_side
from companion.plots.method import clip_drawing, plane_drawing
from companion.record import RESULTS
from companion.studies.pretext import CROP, ONE_COLUMN, SHIFT, first_recorded, halves, points, pretext_clips
from skey.corpus.plan import render_clip
from skey.experiments import Experiment, at_scale, find_experiment
from skey.losses import LossSettings
from skey.model import Architecture, ChromaNet, count_parameters
from skey.vqt import SEGMENT_FRAMES


def method_parts(checkout: Path) -> dict[str, str]:
    """Every computed part of the chapters: path below ``build/pages`` → its text."""
    segments = halves(render_clip(pretext_clips()["sure"]))
    crops = clip_drawing(segments, CROP, SHIFT, "A clip and what three crops keep of it")
    labels = read_observation(checkout / RESULTS, "skey-pseudo-label").entries
    views = read_observation(checkout / RESULTS, "figure-1-pretext-task").entries
    entry = views[first_recorded(views, ONE_COLUMN)]
    titles = {"sure": "A clip that the network is sure of", "torn": "A clip that pulls both ways"}
    planes = [plane_drawing(points(entry, clip), 7, title) for clip, title in titles.items()]
    return {
        "method/crops.html": crops._repr_html_(),
        "method/points.html": side_by_side(planes),
        "method/pseudo-label.html": pseudo_label.offsets_figure(labels, -3)._repr_html_(),
        "method/layers.md": layers_table(),
        "method/sizes.md": sizes_table(),
        "method/settings.md": settings_table(),
    }


def layers_table() -> str:
    """What becomes of 15 s of sound, step by step: channels, kernel, frequencies, frames."""
    settings, frames = Architecture(), SEGMENT_FRAMES
    rows = [["input", "1", "", "84", str(frames)]]
    layers = zip(settings.channels, settings.kernels, strict=True)
    for number, (channels, kernel) in enumerate(layers, start=1):
        frames //= 2
        rows.append([f"block {number}", str(channels), f"{kernel} × {kernel}", "84", str(frames)])
    last = str(settings.channels[-1])
    rows.append(["octave equivalence, Eq. 1", last, "", "12", str(frames)])
    rows.append(["mean over time", last, "", "12", "1"])
    rows.append(["last map, softmax", "1 or 2", "", "12", "1"])
    return markdown_table(["", "Channels", "Kernel", "Frequencies", "Frames"], rows)


def sizes_table() -> str:
    """Trainable parameters of the networks."""
    kinds = {
        "STONE, 12 outputs": Architecture(outputs=12),
        "24-STONE, Semi-TONE, Sup-TONE, S-KEY, 24 outputs": Architecture(),
        "STONE without octave equivalence": Architecture(outputs=12, octave_equivalence=False),
    }
    with torch.device("meta"):
        rows = [[name, f"{count_parameters(ChromaNet(kind)):,}"] for name, kind in kinds.items()]
    return markdown_table(["Network", "Trainable parameters"], rows)


def settings_table() -> str:
    """The papers' settings of STONE and of S-KEY beside the scale at which this repository trains."""
    columns = {name: find_experiment(name) for name in ("stone", "skey")}
    columns |= {f"{name}, here": at_scale(each) for name, each in columns.items()}
    described = pd.DataFrame({name: _settings(each) for name, each in columns.items()})
    return markdown_table(["", "STONE", "S-KEY", "STONE, here", "S-KEY, here"], described.itertuples())


def _settings(experiment: Experiment) -> dict[str, str]:
    """Settings that differ between papers and repository, by name."""
    music, loss = experiment.clips + experiment.unlabelled, experiment.loss
    assert isinstance(loss, LossSettings)
    weights = f"{loss.mode_weight:g}, {loss.average_weight:g}"
    return {
        "tracks, here clips, at most": f"{music:,}",
        "batch": str(experiment.batch),
        "epochs": str(experiment.epochs),
        "largest learning rate": f"{experiment.optimiser.rate:g}",
        "frames averaged before the network": str(experiment.architecture.frames_per_step),
        "steps an epoch": f"{min(experiment.steps, music // experiment.batch):,}",
        "ω": str(loss.omega),
        "½ in Eq. 5": "yes" if loss.half else "no",
        "weights of mode and average (S-KEY: Q1)": "–" if loss.mode == "none" else weights,
    }
