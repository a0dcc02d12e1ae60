"""One table of answers: a row a track, a column a system; read from the record, or computed.

``answers.csv`` holds the table, ``answers.json`` beside it what is behind it (data, weights, code) and
``scores.csv`` what follows. Each table and figure of systems is a query on them.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from companion.datasets import Dataset, MissingData, Track, labelled_tracks, load_dataset
from companion.kept import KeptAnswers, System, kept_answers
from companion.parameters import ParameterError, Parameters
from companion.record import (
    RESULTS,
    RecordError,
    digest,
    find_checkout,
    provenance,
    read_json,
    write_if_changed,
    write_json,
)
from companion.scores import (
    COLUMNS,
    REFERENCE,
    TAGS,
    Answer,
    format_answer,
    parse_answer,
    relations,
    score,
    signatures,
    systems_in,
)
from companion.systems import SYSTEMS, checksums, systems, systems_of
from skey.audio import AudioError
from skey.corpus.processes import in_processes
from skey.metrics import RelationCounts, SignatureCounts

ANSWERS, ABOUT, SCORES = "answers.csv", "answers.json", "scores.csv"  # the files of a record, in its folder


@dataclass(frozen=True)
class Record:
    """A table of answers, and what is behind it.

    ``answers``: a row a track (its index is the track's id): ``TAGS``, the reference as a ``Key``, then a
    column a system, of keys, of key signatures as pitch classes, or of None. ``data``: name, title, hash and
    tracks of the data set; ``skipped``, where tracks of a collection could not be scored: track → why.
    ``weights``: system → sha256. ``made``: commit, time, machine, versions. ``folder``: where it lies.
    """

    answers: pd.DataFrame
    data: Mapping[str, Any]
    weights: Mapping[str, str]
    made: Mapping[str, Any]
    folder: Path

    @property
    def systems(self) -> list[str]:
        """The systems that have answers, in the order of the registry."""
        return systems_in(self.answers)


@dataclass(frozen=True)
class Evaluation:
    """Answers and scores of a table's systems; ``name``: that of its notebook, ``seed``: of intervals."""

    name: str
    record: Record
    answers: pd.DataFrame
    scores: pd.DataFrame
    seed: int = 0

    @property
    def systems(self) -> list[str]:
        """Those that have answers, in the order of the registry."""
        return systems_in(self.answers)

    def scored(self, metric: str) -> list[str]:
        """The systems that have such a score."""
        return list(dict.fromkeys(self.scores.system[self.scores.metric == metric]))

    def counts(self, system: str, metric: str) -> RelationCounts | SignatureCounts:
        """What the score of a system is made of, over all tracks."""
        return (signatures if metric == "ksea" else relations)(self.answers, system)


def open_dataset(parameters: Parameters) -> Dataset:
    """The data set that the parameters name, with their limit; its files may still be absent."""
    return load_dataset(parameters.dataset, root=parameters.root or None, limit=parameters.limit or None)


def evaluate(
    name: str, parameters: Parameters | None = None, asked: Mapping[str, System] | None = None
) -> Evaluation:
    """The answers and scores of a table's systems, by the name of its notebook, one of ``TABLES``.

    A record answers for the open corpus unless ``parameters.recompute``; any other data set is computed.
    ``asked``: the systems, where they are not those at hand. Raises ``RecordError`` without a record,
    ``MissingData`` or ``AudioError`` without sound, ``ParameterError`` where another result would be lost
    or ``output`` is to be read and holds none.
    """
    given = parameters or Parameters()
    checkout = find_checkout()
    if given.recompute or not given.of_shipped_data:
        record = compute(systems(*systems_of(name)) if asked is None else asked, given)
    else:
        folder = checkout / (given.output or RESULTS)
        if given.output and not (folder / ANSWERS).is_file():
            raise ParameterError(
                f"output={given.output!r} holds no answers, and none are computed without `-p recompute True`"
            )
        record = read_record(folder)
        if given.limit:
            record = on_tracks(record, open_dataset(given))
    found = [system for system in systems_of(name) if system in record.systems]
    answers = record.answers[[*TAGS, REFERENCE, *found]]
    recorded = not given.limit and not given.seed and (record.folder / SCORES).is_file()
    scores = read_scores(record.folder) if recorded else score(answers, given.seed)
    return Evaluation(name, record, answers, scores[scores.system.isin(systems_in(answers))], given.seed)


def compute(asked: Mapping[str, System], parameters: Parameters, jobs: int = 1) -> Record:
    """Ask systems about every labelled track of a data set, and write what they say into its record.

    Answers of other systems on the same tracks stay, on the open corpus those of the shipped record. Several
    ``jobs`` ask side by side, in processes: the systems must be picklable then.
    """
    checkout, began = find_checkout(), time.monotonic()
    dataset = open_dataset(parameters)
    if jobs > 1:
        ask_share = partial(_ask_share, checkout, asked, parameters, jobs)
        list(in_processes(ask_share, range(jobs), jobs))
    with kept_answers(checkout, asked) as kept:
        answers, data = ask_all(dataset, kept)
    folder = parameters.folder(checkout, str(data["hash"]))
    made = provenance(began)
    record = Record(answers, data, checksums(asked), made, folder)
    add_answers(record, _answers_before(folder, parameters, data))
    return read_record(folder)


def add_answers(new: Record, before: Record | None) -> None:
    """Write a record, and into it the answers of other systems that there were ``before`` on these tracks."""
    table, weights = new.answers, dict(new.weights)
    if before is not None:
        others = [name for name in before.systems if name not in new.systems]
        table, weights = table.join(before.answers[others]), {**before.weights, **weights}
    found = systems_in(table)
    names = [name for name in SYSTEMS if name in found] + sorted(set(found) - set(SYSTEMS))  # runs come last
    weights = {name: weights[name] for name in names if name in weights}
    write_record(replace(new, answers=table[[*TAGS, REFERENCE, *names]], weights=weights))


def ask_anew(dataset: Dataset, asked: Mapping[str, System]) -> pd.DataFrame:
    """What systems answer about each labelled track, nothing being kept: a row a track, a column a system."""
    tracks = labelled_tracks(dataset)
    rows = [{name: ask(log_vqt) for name, ask in asked.items()} for log_vqt in map(dataset.log_vqt, tracks)]
    return pd.DataFrame(rows, [track.id for track in tracks], dtype=object)


def _ask_share(
    checkout: Path, asked: Mapping[str, System], parameters: Parameters, shares: int, share: int
) -> None:
    """Keep the answers about one track in so many; those that cannot be used are named by ``ask_all``."""
    dataset = open_dataset(parameters)
    labels = dataset.data_hash()
    with kept_answers(checkout, asked) as kept:
        for track in labelled_tracks(dataset)[share::shares]:
            with suppress(AudioError, MissingData, OSError):
                kept.ask(kept.sound_of(dataset, track, labels), partial(dataset.log_vqt, track))


def ask_all(dataset: Dataset, kept: KeptAnswers) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The answers about every track with a key, and what the record says of the data."""
    tracks, labels = labelled_tracks(dataset), dataset.data_hash()
    found: dict[str, tuple[str, dict[str, Answer]]] = {}
    skipped = {track.id: track.unlabelled or "no key" for track in dataset.tracks()}
    # A bar that writes seldom: a reader's papermill waits 4 s for the output of a cell.
    for track in tqdm(tracks, dataset.title, unit="track", mininterval=10, disable=tracks[0].audio is None):
        try:
            sound = kept.sound_of(dataset, track, labels)
            found[track.id] = sound, kept.ask(sound, partial(dataset.log_vqt, track))
        except (AudioError, MissingData, OSError) as error:
            if track.audio is None:
                raise
            skipped[track.id] = reason_of(error, track)
        else:
            del skipped[track.id]
    if not found:
        dataset.require()
        first = tracks[0].id, skipped[tracks[0].id]
        raise AudioError(f"{dataset.title}: no track can be used; the first: {first}")
    used = [track for track in tracks if track.id in found]
    answers = {name: [found[track.id][1][name] for track in used] for name in kept.systems}
    data = describe(dataset, [found[track.id][0] for track in used]) | {"tracks": len(used)}
    return table_of(used, answers), data | ({"skipped": skipped} if skipped else {})


def reason_of(error: Exception, track: Track) -> str:
    """Why a track is skipped, in one line that names no folder of this machine."""
    if isinstance(error, FileNotFoundError):
        return "the audio is missing"
    said = " ".join(str(error).replace(str(track.audio), track.id).split())
    return said.removeprefix(f"{track.id}: ")


def table_of(tracks: Sequence[Track], answers: Mapping[str, Iterable[Answer]]) -> pd.DataFrame:
    """Answers about labelled tracks, in their order, as a table."""
    columns: dict[str, Iterable[object]] = {
        "group": [str(track.group) for track in tracks],
        **{tag: [str(track.tags.get(tag, "")) for track in tracks] for tag in TAGS[1:]},
        REFERENCE: [track.key for track in tracks],
        **answers,
    }
    index = pd.Index([track.id for track in tracks], dtype="object", name="id")
    # Of objects: pandas would make numbers with gaps of signatures that are not there.
    return pd.DataFrame({name: pd.Series(list(of), index, object) for name, of in columns.items()})


def describe(dataset: Dataset, sounds: Sequence[str] = ()) -> dict[str, str | int]:
    """Name, title and hash of a data set; the hash of files depends on their ``sounds`` too."""
    labels = dataset.data_hash()
    made = all(track.audio is None for track in dataset.tracks())
    known = labels if made else digest({"labels": labels, "sounds": list(sounds)})[: len(labels)]
    return {"name": dataset.name, "title": dataset.title, "hash": known}


def on_tracks(record: Record, dataset: Dataset) -> Record:
    """The recorded answers on the labelled tracks of a data set; raises ``RecordError`` without an answer."""
    ids = [track.id for track in labelled_tracks(dataset)]
    absent = [track for track in ids if track not in record.answers.index]
    if absent:
        raise RecordError(f"{record.folder} has no answers for {len(absent)} tracks such as {absent[0]}")
    data = describe(dataset) | {"tracks": len(ids)}
    return Record(record.answers.loc[ids], data, record.weights, record.made, record.folder)


def _answers_before(folder: Path, parameters: Parameters, data: Mapping[str, Any]) -> Record | None:
    """The answers on these tracks that are on record already; raises ``ParameterError`` for other tracks."""
    if (folder / ABOUT).is_file():
        before = read_record(folder)
        if before.data["hash"] != data["hash"]:
            raise ParameterError(
                f"output={parameters.output!r} holds answers on other tracks ({before.data['title']} "
                f"{before.data['hash']}, these are {data['hash']}): name another folder"
            )
        return before
    shipped = find_checkout() / RESULTS
    if not parameters.of_shipped_data or not (shipped / ABOUT).is_file():
        return None
    recorded = read_record(shipped)
    whole = describe(load_dataset(parameters.dataset))["hash"]
    return on_tracks(recorded, open_dataset(parameters)) if recorded.data["hash"] == whole else None


def read_record(folder: Path) -> Record:
    """The answers in a folder; raises ``RecordError`` where they are missing or unreadable."""
    remedy = "compute it with `papermill notebooks/table-3-key-and-mode.ipynb out.ipynb -p recompute True`"
    about = read_json(folder / ABOUT, remedy)
    try:
        return Record(read_answers(folder / ANSWERS), about["data"], about["weights"], about["made"], folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = f"restore it with git, or {remedy}"
        raise RecordError(f"{folder} holds no whole record ({error!r}): {said}") from error


def read_answers(path: Path) -> pd.DataFrame:
    """A table of answers; raises ``RecordError`` that names the line which cannot be read."""
    table = pd.read_csv(path, dtype=object, keep_default_na=False)
    if not {"id", REFERENCE} <= set(table) or table.empty or table.isna().any(axis=None):
        raise RecordError(f"{path}: expected the columns id, …, {REFERENCE}, … and rows, a field in each")
    table = table.set_index("id")
    names, rows = [REFERENCE, *systems_in(table)], []
    for line, row in enumerate(table[names].itertuples(index=False), start=2):
        try:
            rows.append([parse_answer(text) for text in row])
        except ValueError as error:
            raise RecordError(f"{path}, line {line}: {error}") from error
        if rows[-1][0] is None:
            raise RecordError(f"{path}, line {line}: there is no reference")
    parsed = pd.DataFrame(rows, table.index, names, object)
    return pd.concat([table.drop(columns=names), parsed], axis=1)


def read_scores(folder: Path) -> pd.DataFrame:
    """The recorded scores; raises ``RecordError`` where they are missing."""
    try:
        return pd.read_csv(folder / SCORES)[COLUMNS]
    except (OSError, ValueError, KeyError) as error:
        raise RecordError(f"{folder / SCORES} cannot be read ({error}): restore it with git") from error


def write_answers(table: pd.DataFrame, path: Path) -> bool:
    """Write a table of answers where it changed; returns whether it did."""
    shown = table.assign(**{name: table[name].map(format_answer) for name in systems_in(table)})
    return write_if_changed(path, shown.to_csv(lineterminator="\n"))


def write_record(record: Record) -> bool:
    """Write answers, what is behind them, and their scores; returns whether anything but ``made`` changed."""
    path = record.folder / ABOUT
    about = {"data": dict(record.data), "weights": dict(record.weights)}
    try:
        old = read_json(path)
    except RecordError:
        old = {}
    changed = write_answers(record.answers, record.folder / ANSWERS)
    if old | about == old and not changed and (record.folder / SCORES).is_file():
        return False
    write_json(path, {**about, "made": dict(record.made)})
    scores = score(record.answers)
    write_if_changed(record.folder / SCORES, scores.to_csv(index=False, lineterminator="\n"))
    return True
