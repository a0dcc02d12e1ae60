"""What goes into the repository: finished runs with their weights, and the open corpus as it was built."""

import time
from hashlib import sha256
from pathlib import Path

import click

from companion import training
from companion.answers import read_scores
from companion.check import CORPUS_RECORD, write_corpus_record
from companion.datasets import labelled_tracks
from companion.datasets.open_corpus import OpenCorpus
from companion.record import RESULTS, find_checkout
from companion.scores import interval_of, leading_metric
from companion.studies import k10
from companion.studies.excerpts import RUNS, TABLE, score_excerpts, score_runs
from companion.systems import SYSTEMS
from skey.corpus.build import build
from skey.weights import DEFAULT

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=FOLDER)
def ship(runs: tuple[Path, ...]) -> None:
    """Put the finished RUNS (folders of `skey train`) into the repository.

    Every run gets its record in results/training. Of each system the weights of one seed go to skey/weights,
    and their answers into results/: those with the lowest loss on held-out training pieces, whatever their
    scores. Give all seeds of a system at once: records of others are removed. A folder with another name than
    SYSTEM-sSEED is a variant, which is recorded and never chosen.
    """
    build()  # what the runs are asked about, where it is missing
    for system, run in training.ship(find_checkout(), runs).items():
        loss = f"validation loss {run.validation_loss:.4f}, {run.score_words}"
        click.echo(f"{training.SHIPPED / system}.safetensors: {run.name}, {loss}")


@click.command("record-corpus")
def record_corpus() -> None:
    """Write the description and the fingerprints of the built test clips into results/."""
    results = find_checkout() / RESULTS
    changed = write_corpus_record(results)
    click.echo(f"{results / CORPUS_RECORD}: {'written' if changed else 'says the same already'}")


@click.command("record-excerpts")
@click.argument("folder", type=FOLDER)
@click.argument("runs", nargs=-1, type=FOLDER)
def record_excerpts(folder: Path, runs: tuple[Path, ...]) -> None:
    """Score the systems of Table 3 on the excerpts in FOLDER (features.npz, keys.csv), and record it.

    With RUNS, which are to be compared with the first of them, those instead.
    """
    path = find_checkout() / RESULTS / (RUNS if runs else TABLE)
    table = score_runs(folder, runs) if runs else score_excerpts(folder).set_index("system")
    table.to_csv(path, lineterminator="\n")
    click.echo(f"{path}: written")


@click.command("record-k10")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def record_k10(file: Path) -> None:
    """Ask K10, whose weights FILE holds, about the test clips, and record its answers."""
    began, corpus, results = time.monotonic(), OpenCorpus(), find_checkout() / RESULTS
    answers = k10.ask(file, map(corpus.waveform, labelled_tracks(corpus)))
    checksum = sha256(file.read_bytes()).hexdigest()
    training.put_columns(results, corpus, {k10.NAME: answers}, {k10.NAME: checksum}, began)
    click.echo(f"{results}: holds the answers of {k10.NAME}")


@click.command()
def systems() -> None:
    """List every system with its score on the open corpus, the mark of the default, and its title."""
    scores = read_scores(find_checkout() / RESULTS)
    for name, system in SYSTEMS.items():
        metric = leading_metric(scores, name)
        score = interval_of(scores, name, metric)
        said = f"{metric.upper():<5} {score.value:5.1f} %" if score else "not computed"
        click.echo(f"{name:<20} {said:<14} {system.title}{'  [default]' if name == DEFAULT else ''}")
