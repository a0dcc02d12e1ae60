"""What the pages compute from the record: scoreboard, status, figure and sound of the landing page."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from companion.answers import ANSWERS, Evaluation, Record, evaluate, read_record
from companion.claims import scoreboard
from companion.notebooks import EXECUTED, Run, notebook_names, read_runs
from companion.observations import read_observation, recorded_observations
from companion.pages.browser import browser_script
from companion.pages.cards import default_card, others_table
from companion.pages.chapters import method_parts
from companion.pages.landing import answer, few_drawing, few_systems, quiz
from companion.pages.tables import download, markdown_table, papers_table
from companion.pages.usage import using_parts, write_outputs
from companion.plots import Drawing, circle_drawing, scores_drawing
from companion.record import RESULTS, TOLERANCE, write_if_changed
from companion.scores import REFERENCE, interval_of, points
from companion.sentences import Check, checks, printed_text, refuse_stale
from companion.studies.excerpts import recorded_excerpts
from companion.systems import T3, TABLES
from companion.training import FOLDER, choose, read_training_records, seconds_in_all
from skey.weights import DEFAULT

PAGES = Path("build") / "pages"  # where the computed parts lie, for the pages in ``book/`` to include

BROWSER = Path("build") / "browser" / "skey-network.js"
"""The estimator of *Try your own file* as data; the build copies its folder to the book's static files."""

PICTURE = Path("book") / "_static" / "scoreboard.svg"  # the picture of the README, kept in the repository
LOGO = Path("book") / "_static" / "logo.svg"  # a key signature profile on the circle of fifths


def write_pages(checkout: Path) -> None:
    """Write every computed part below ``build/pages`` and the README's picture; what did not change stays.

    Raises ``SkeyError`` where a part or an executed notebook holds a sentence that is no longer true.
    """
    tables = {name: evaluate(name) for name in TABLES}
    runs = read_training_records(checkout / RESULTS)
    default, excerpts = choose(runs)[DEFAULT], recorded_excerpts(checkout / RESULTS)
    parts = {
        "scoreboard.md": scoreboard(list(tables.values())),
        "papers.md": papers_table(),
        "records.md": records_table(map(read_record, (checkout / RESULTS, checkout / RESULTS / FOLDER))),
        "runs.md": runs_table(read_runs(checkout), agreement(checkout, tables.values())),
        "answer.md": answer(tables, default, seconds_in_all(default, runs), excerpts),
        "few-systems.html": few_drawing(tables),
        "few-systems.md": few_systems(tables),
        "quiz.html": quiz(tables[T3]),
        **method_parts(checkout),
        **using_parts(read_observation(checkout / RESULTS, "speed")),
        "default-card.md": default_card(checkout),
        "other-networks.md": others_table(checkout),
        "checks.md": checks_list(checks(checkout)),
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


def checks_list(found: Iterable[Check]) -> str:
    """Each sentence with the code of its premise, page by page."""
    lines = []
    for page, group in groupby(found, key=lambda check: check.page):
        lines.append(f"[]({page})" if page.endswith(".ipynb") else page)
        for check in group:  # without links, which lead from the folder of their own page
            sentence = re.sub(r" ?\(?\[\]\([^)]*\)\)?|\[([^]]+)\]\([^)]*\)", r"\1", check.sentence)
            lines.append(f": {sentence} `{check.premise}`\n")
    return "\n".join(lines)


def logo() -> Drawing:
    """The book's logo: a profile that falls off evenly with the fifths on both sides of C."""
    fifths = 7 * np.arange(12) % 12
    return circle_drawing(np.exp(-np.minimum(fifths, 12 - fifths) / 1.5).tolist(), "skey companion")


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
