"""``python3 run.py check``: do the recorded numbers still hold?

Scores are computed again from answers and, to recompute, answers from weights and features. Corpus, headers
of weights and the papers' counts are compared with the record. Each difference gets a line.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from companion.answers import ask_anew, describe, open_dataset, read_record, read_scores, table_of
from companion.claims import judge_all, verdict_lines
from companion.datasets import labelled_tracks
from companion.kept import System
from companion.paper import paper_tables
from companion.parameters import Parameters
from companion.record import RESULTS, RecordError, find_checkout, flat, moved, read_json, write_json
from companion.scores import format_answer, score, systems_in
from companion.systems import SYSTEMS, checksums, systems
from companion.training import FOLDER, SHIPPED, choose, facts_of, read_training_records
from skey.cli import POSITIVE
from skey.corpus import plan
from skey.corpus.build import FeatureStore, open_store
from skey.errors import WeightsError
from skey.experiments import find_experiment
from skey.shapes import UInt8
from skey.weights import read_arrays

CORPUS_RECORD = Path("data", "open-corpus.json")  # where the record keeps the corpus, below ``results/``

TOLERANCE = 2
"""How far a value of a fingerprint may lie from the recorded one, out of 255.

Machines round in different orders, which moves a byte by one step where it lay on an edge, and a mean over
1,292 of them by far less; its own rounding adds at most one. No two of the 240 test clips lie within 2 of
each other in all values, and a semitone moves some value of each by 6 or more.
"""


@click.command()
@click.option("--recompute", is_flag=True, help="Also compute the answers again, from weights and features.")
@click.option("--clips", type=POSITIVE, help="To recompute: only the first so many clips.")
@click.option("--results", type=click.Path(path_type=Path), help="Folder of the record [default: results/].")
def check(recompute: bool, clips: int | None, results: Path | None) -> None:
    """Compute every recorded number again and name each one that moved.

    Exits with status 1 where any did; otherwise lists the papers' claims with their verdicts.
    """
    if clips and not recompute:
        raise click.UsageError("--clips is for --recompute")
    folder, at_hand = results or find_checkout() / RESULTS, systems()
    faults = check_record(folder, at_hand if recompute else None, clips)
    for fault in faults:
        click.echo(fault)
    for line in not_recomputed(folder, at_hand) if recompute else ():
        click.echo(line)
    if faults:
        raise click.exceptions.Exit(1)
    for line in verdict_lines(judge_all()):
        click.echo(line)
    click.echo(f"all {'answers and scores' if recompute else 'scores'} are as recorded")


def check_record(
    folder: Path, asked: Mapping[str, System] | None = None, clips: int | None = None
) -> list[str]:
    """Every way in which the record in a folder does not hold, a line each."""
    return [
        *check_answers(folder, asked, clips),
        *(f"{FOLDER}: {line}" for line in check_answers(folder / FOLDER)),
        *check_runs(folder),
        *check_weights(folder, folder.parent / SHIPPED),
        *check_paper(),
        *check_corpus(folder, asked is not None),
    ]


def check_answers(
    folder: Path, asked: Mapping[str, System] | None = None, clips: int | None = None
) -> Iterator[str]:
    """What does not hold of the answers in a folder: tracks, scores and, where systems are given, answers."""
    try:
        record, scores = read_record(folder), read_scores(folder)
    except RecordError as error:
        yield str(error)
        return
    yield from moved(by_number(scores), by_number(score(record.answers)), "the answers give")
    dataset = open_dataset(Parameters(record.data["name"]))
    known = table_of(labelled_tracks(dataset), {})
    yield from moved(record.data, {**describe(dataset), "tracks": len(known)}, "the data set gives")
    yield from moved(by_cell(record.answers[known.columns]), by_cell(known), "the data set gives")
    if asked is not None:
        given = {name: asked[name] for name in record.systems if name in asked}
        sums = checksums(given)
        yield from moved({name: record.weights.get(name) for name in sums}, sums, "the weights here are")
        again = ask_anew(open_dataset(Parameters(record.data["name"], limit=clips or 0)), given)
        recorded = record.answers.loc[again.index.intersection(record.answers.index), list(given)]
        yield from moved(by_cell(recorded), by_cell(again), "the features give")


def by_number(scores: pd.DataFrame) -> dict[str, float]:
    """``system / part / metric / value`` → the number, and so for the ends of intervals and n."""
    long = scores.melt(["system", "part", "metric"], var_name="number", value_name="found")
    names = long[["system", "part", "metric", "number"]].agg(" / ".join, axis=1)
    return dict(zip(names, long["found"], strict=True))


def by_cell(answers: pd.DataFrame) -> dict[str, str]:
    """``track / column`` → what stands there."""
    return {
        f"{track} / {name}": cell if isinstance(cell, str) else format_answer(cell)
        for name in answers
        for track, cell in answers[name].items()
    }


def check_runs(results: Path) -> list[str]:
    """Runs of which answers are on record but no training, or one that gave other weights; or the reverse."""
    with suppress(RecordError):  # the checks of answers and weights name it
        trained = {run.name: run.weights for run in read_training_records(results)}
        return moved(read_record(results / FOLDER).weights, trained, "its training says")
    return []


def check_weights(results: Path, weights: Path) -> Iterator[str]:
    """Shipped weights that are missing, damaged, not on record, not of the chosen run, or ill described."""
    try:
        chosen = choose(read_training_records(results))
    except RecordError as error:
        yield str(error)
        return
    recorded: Mapping[str, str] = {}
    with suppress(RecordError):  # the check of answers names it
        recorded = read_record(results).weights
    files = sorted(weights.glob("*.safetensors"))
    for name in sorted(chosen.keys() & recorded.keys() - {file.stem for file in files}):
        yield f"{name}.safetensors: is on record and does not ship; restore it with git"
    for file in files:
        if file.stem not in chosen:
            yield f"{file.name}: no run of {file.stem} is on record"
            continue
        try:
            header, _ = read_arrays(file)
        except WeightsError as error:
            yield f"{file.name}: {error}"
            continue
        run = chosen[file.stem]
        said = facts_of(header, header.name)
        lines = moved(flat({name: getattr(run, name) for name in said}), flat(said), "the weights say")
        system = find_experiment(run.settings["name"])
        described: dict[str, object] = {"name": run.system, "title": run.title, "licence": "MIT"}
        described |= {"whole_track": False, "window_seconds": system.window_seconds}
        described |= {"range_db": system.range_db}
        lines += moved(described, {name: getattr(header, name) for name in described}, "the weights say")
        if file.stem in recorded and recorded[file.stem] != header.checksum:
            lines.append("the recorded answers are of other weights")
        yield from (f"{run.name}: {line}" for line in lines)


def check_paper() -> list[str]:
    """Rows of the papers' tables whose counts do not give the percentage that is printed."""
    return [
        f"paper.toml: {table.title}, {system}: printed {row['percent']}, the counts give "
        f"{table.computed_percent(system):.2f}"
        for table in paper_tables().values()
        for system, row in table.systems.items()
        # KSEA is printed without decimals.
        if abs(table.computed_percent(system) - row["percent"]) > (0.51 if table.metric == "ksea" else 0.06)
    ]


def compare_records(recorded: Path, computed: Path) -> list[str]:
    """Answers and, on the same tracks, scores that were computed otherwise than they are recorded."""
    old, new = read_record(recorded), read_record(computed)
    known = new.answers.index.intersection(old.answers.index)
    lines = moved(old.weights, new.weights, "computed with")
    lines += moved(
        by_cell(old.answers.loc[known, systems_in(old.answers)]),
        by_cell(new.answers.loc[known, systems_in(new.answers)]),
        "the features give",
    )
    if len(known) == len(old.answers):
        lines += moved(by_number(read_scores(recorded)), by_number(read_scores(computed)), "computed here")
    if len(known) < len(new.answers):
        lines.append(f"{len(new.answers) - len(known)} computed tracks are not in the record")
    return lines


def not_recomputed(folder: Path, at_hand: Mapping[str, object]) -> list[str]:
    """A line for each recorded system whose weights are not here."""
    try:
        recorded = read_record(folder).systems
    except RecordError:  # the check of the record names it
        return []
    return [
        f"{name} not recomputed: its weights are not here (`{SYSTEMS[name].brought_by}`)"
        for name in recorded
        if name in SYSTEMS and SYSTEMS[name].brought_by and name not in at_hand
    ]


def fingerprint(store: FeatureStore) -> dict[str, str]:
    """The fingerprint of every clip of a store, by clip id: 198 hexadecimal digits."""
    return {clip: clip_fingerprint(store[clip]).tobytes().hex() for clip in store.clip_ids}


def clip_fingerprint(features: UInt8[np.ndarray, "bins frames"]) -> UInt8[np.ndarray, "bins"]:
    """The mean of a clip's log-VQT bytes over time: uint8 (bins, frames) to uint8 (bins,)."""
    means: np.ndarray = np.round(features.mean(axis=1, dtype=np.float64)).astype(np.uint8)
    return means


def compare_fingerprints(recorded: Mapping[str, str], built: Mapping[str, str]) -> list[str]:
    """The built clips that the record does not know, or that lie outside the tolerance, by their ids."""
    other = []
    for clip, value in built.items():
        old, new = (list(bytes.fromhex(each)) for each in (recorded.get(clip, ""), value))
        if len(old) != len(new) or np.abs(np.subtract(old, new)).max() > TOLERANCE:
            other.append(clip)
    return other


def write_corpus_record(results: Path) -> bool:
    """Write what the built test clips hold below the folder ``results``; returns whether the file changed."""
    record = {**plan.describe(plan.plan_clips("test")), "fingerprints": fingerprint(open_store("test"))}
    return write_json(results / CORPUS_RECORD, record)


def read_corpus_record(results: Path) -> dict[str, Any]:
    """The recorded corpus below the folder ``results``; raises ``RecordError`` where there is none."""
    remedy = "write it anew with `python3 run.py corpus build && python3 run.py record-corpus`"
    content = read_json(results / CORPUS_RECORD, remedy)
    if not isinstance(content.get("fingerprints"), dict):
        raise RecordError(f"{results / CORPUS_RECORD} has no fingerprints: restore it with git, or {remedy}")
    return content


def check_corpus(results: Path, recompute: bool = False) -> list[str]:
    """What the recorded corpus says otherwise than the plan of the test clips, a line each."""
    try:
        recorded = read_corpus_record(results)
    except RecordError as error:
        return [str(error)]
    fingerprints = recorded.pop("fingerprints")
    planned = json.loads(json.dumps(plan.describe(plan.plan_clips("test"))))
    faults = moved(recorded, planned, "planned")
    if recompute:
        other = compare_fingerprints(fingerprints, fingerprint(open_store("test")))
        faults += [f"{clip} sounds otherwise" for clip in other]
    return [f"{CORPUS_RECORD}: {fault}" for fault in faults]
