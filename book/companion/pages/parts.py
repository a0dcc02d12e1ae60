"""What the pages compute from the record: scoreboard, status, figure and sound of the landing page."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import torch

from companion.answers import ANSWERS, Evaluation, Record, evaluate, open_dataset, read_record
from companion.claims import scoreboard
from companion.notebooks import EXECUTED, Run, notebook_names, read_notebook, read_runs
from companion.observations import read_observation, recorded_observations
from companion.pages import pseudo_label
from companion.pages.browser import browser_script
from companion.pages.cards import default_card, others_table
from companion.pages.landing import answer, few_drawing, few_systems
from companion.pages.listening import instructive_rows, listen
from companion.pages.tables import download, markdown_table, papers_table
from companion.pages.usage import using_parts, write_outputs
from companion.parameters import Parameters
from companion.plots import logo, scores_drawing, side_by_side
from companion.plots.method import clip_drawing, plane_drawing
from companion.record import RESULTS, TOLERANCE, write_if_changed
from companion.scores import REFERENCE, interval_of, points
from companion.sentences import checks, printed_text, refuse_stale
from companion.studies.excerpts import recorded_excerpts
from companion.studies.pretext import CROP, ONE_COLUMN, SHIFT, halves, pretext_clips
from companion.studies.pretext import points as profile_points
from companion.systems import T3, TABLES
from companion.training import FOLDER, choose, read_training_records, seconds_in_all
from skey.corpus.plan import render_clip
from skey.experiments import Experiment, at_scale, find_experiment
from skey.losses import LossSettings
from skey.model import Architecture, ChromaNet, count_parameters
from skey.vqt import SEGMENT_FRAMES
from skey.weights import DEFAULT

PAGES = Path("build") / "pages"  # where the computed parts lie, for the pages in ``book/`` to include

BROWSER = Path("build") / "browser" / "skey-network.js"
"""The estimator of *Try your own file* as data; the build copies its folder to the book's static files."""

FOLDED = "The answer, and what each system predicts"  # of the clip on the landing page
PICTURE = Path("book") / "_static" / "scoreboard.svg"  # the picture of the README, kept in the repository
LOGO = Path("book") / "_static" / "logo.svg"  # a key signature profile on the circle of fifths


def write_pages(checkout: Path) -> None:
    """Write every computed part below ``build/pages`` and the README's picture; what did not change stays.

    Raises ``SkeyError`` where a part or an executed notebook holds a sentence that is no longer true.
    """
    tables = {name: evaluate(name) for name in TABLES}
    answers, runs = tables[T3].answers, read_training_records(checkout / RESULTS)
    default, excerpts = choose(runs)[DEFAULT], recorded_excerpts(checkout / RESULTS)
    parts = {
        "scoreboard.md": scoreboard(list(tables.values())),
        "papers.md": papers_table(),
        "records.md": records_table(map(read_record, (checkout / RESULTS, checkout / RESULTS / FOLDER))),
        "runs.md": runs_table(read_runs(checkout), agreement(checkout, tables.values())),
        "answer.md": answer(tables, default, seconds_in_all(default, runs), excerpts),
        "few-systems.html": few_drawing(tables),
        "few-systems.md": few_systems(tables),
        "quiz.html": listen(answers, open_dataset(Parameters()), [instructive_rows(answers)[1]], FOLDED),
        **method_parts(checkout),
        **using_parts(),
        "default-card.md": default_card(checkout),
        "other-networks.md": others_table(checkout),
        "checks.md": checks_list(checkout),
    }
    paths = (checkout / EXECUTED / f"{name}.ipynb" for name in notebook_names(checkout))
    executed = {f"notebooks/{path.name}": printed_text(path) for path in paths if path.is_file()}
    refuse_stale(parts | executed)
    for name, text in parts.items():
        write_if_changed(checkout / PAGES / name, text + "\n")
    write_if_changed(checkout / BROWSER, browser_script())
    write_outputs(checkout)
    write_if_changed(checkout / LOGO, logo().standalone())
    headline = scores_drawing(tables[T3], "mirex", "MIREX score, system by system")
    write_if_changed(checkout / PICTURE, headline.standalone())


def checks_list(checkout: Path) -> str:
    """Each sentence with the code of its premise, notebook by notebook, then those of the pages."""
    code, lines = {}, []
    for name in notebook_names(checkout):
        cells = read_notebook(checkout / "notebooks" / f"{name}.ipynb").cells
        code[f"[](notebooks/{name}.ipynb)"] = "\n".join(c.source for c in cells if c.cell_type == "code")
    code |= {
        path.stem: path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))
    }
    for page, text in code.items():
        found = list(checks(text))
        lines += [page] if found else []
        for sentence, premise in found:  # without links, which lead from the folder of their own page
            words = re.sub(r" ?\(?\[\]\([^)]*\)\)?|\[([^]]+)\]\([^)]*\)", r"\1", sentence)
            lines.append(f": {words} `{premise}`\n")
    return "\n".join(lines)


def records_table(records: Iterable[Record]) -> str:
    """When, on what, by which commit the answers of systems and of runs last changed."""
    rows = [
        [
            download(f"{len(record.systems)} columns", record.folder / ANSWERS),
            f"{record.data['title']}, {record.data['tracks']} tracks",
            str(record.made["finished"]).replace("T", " "),
            f"`{record.made['commit']}`",
            str(record.made["machine"]),
        ]
        for record in records
    ]
    return markdown_table(["Answers", "Data", "Computed (UTC)", "Commit", "Machine"], rows, text=5)


def runs_table(runs: Mapping[str, Run], agreeing: Mapping[str, str]) -> str:
    """Each notebook: a tick with what agrees with the record, how it ran, when, and for how long."""
    rows = []
    for name, run in runs.items():
        given = {key: value for key, value in run.parameters.items() if key != "output" and value}
        source = "computed" if given.pop("recompute", False) else "from the record"
        rows.append(
            [
                f"[](notebooks/{name}.ipynb)",
                agreeing.get(name, "✓ ran"),
                ", ".join([source, *(f"{key} = {value}" for key, value in given.items())]),
                run.finished.replace("T", " "),
                f"`{run.commit}`",
                f"{run.seconds:.1f}",
            ]
        )
    header = ["Notebook", "Agrees with the record", "Parameters", "Executed (UTC)", "Commit", "Seconds"]
    return markdown_table(header, rows, text=5)


def agreement(checkout: Path, tables: Iterable[Evaluation]) -> dict[str, str]:
    """Notebook → a tick or a cross, and what was compared."""
    found = {}
    for table in tables:
        same = []
        for metric in TABLES[table.name].metrics:
            for name in table.scored(metric):
                mean = 100 * points(metric, table.answers[REFERENCE], table.answers[name]).mean()
                score = interval_of(table.scores, name, metric)
                same.append(score is not None and bool(abs(score.value - mean) < TOLERANCE))
        found[table.name] = _tick(same, "scores follow from the answers")
    weights = read_record(checkout / RESULTS).weights
    for name in recorded_observations(checkout / RESULTS):
        entries = read_observation(checkout / RESULTS, name).entries
        same = [entries[each].get("checksum") == weights[each] for each in entries if each in weights]
        found[name] = _tick(same, "networks as on record")
    return found


def _tick(same: Sequence[bool], words: str) -> str:
    """A tick where all agree, and how many do; ``✓ ran`` where there is nothing to compare."""
    return f"{'✓' if all(same) else '✗'} {sum(same)} of {len(same)} {words}" if same else "✓ ran"


def method_parts(checkout: Path) -> dict[str, str]:
    """Every computed part of the chapters: path below ``build/pages`` → its text."""
    segments = halves(render_clip(pretext_clips()["sure"]))
    crops = clip_drawing(segments, CROP, SHIFT, "A clip and what three crops keep of it")
    labels = read_observation(checkout / RESULTS, "skey-pseudo-label").entries
    entry = read_observation(checkout / RESULTS, "figure-1-pretext-task").entries[ONE_COLUMN[0]]
    titles = {"sure": "A clip with a clear key", "torn": "An ambiguous clip"}
    planes = [plane_drawing(profile_points(entry, clip), 7, title) for clip, title in titles.items()]
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
