"""Tables of the book as Markdown: the papers' numbers beside ours, part by part, and the downloads."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from skey.claims import Judgement, judge
from skey.metrics import Interval, RelationCounts
from skey.paper import (
    MARKS,
    Number,
    PaperNumber,
    PaperTable,
    citation_key,
    claims,
    dataset_title,
    label,
    paper_numbers,
    paper_tables,
)
from skey.record import find_checkout, predictions_path, record_path
from skey.results import Experiment

METRIC_TITLES: Mapping[str, str] = {
    "mirex": "MIREX",
    "mirex_ascending": "MIREX, ascending fifth only",
    "mode": "Mode accuracy",
    "ksea": "KSEA",
}
"""How the book calls each score."""


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> str:
    """A Markdown table: its first ``text`` columns set to the left, the others, numbers, to the right."""
    lines = [header, [*[":--"] * text, *["--:"] * (len(header) - text)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_interval(numbers: Mapping[str, Number], metric: str) -> str:
    """A score in percent, and below it the 95 % interval: ``73.2`` and ``[67.1, 79.0]``."""
    value, low, high = (numbers[metric + end] for end in ("", "_low", "_high"))
    return f"**{value:.1f}**<br>[{low:.1f},\N{NO-BREAK SPACE}{high:.1f}]"


def scores_table(experiment: Experiment, metric: str, papers: Mapping[str, Number] | None = None) -> str:
    """Systems by parts of the data: ``metric`` in percent with intervals, the papers' value before them.

    ``papers``: system → percent. Systems that have no such score are left out.
    """
    scores = {name: parts for name, parts in experiment.record.scores.items() if metric in parts["all"]}
    parts = list(next(iter(scores.values())))
    sizes = [f"{part}<br>n\N{NO-BREAK SPACE}= {next(iter(scores.values()))[part]['n']}" for part in parts]
    column = ["papers"] if papers is not None else []
    rows = [
        [
            label(system),
            *([f"{papers[system]:g}" if system in papers else "–"] if papers is not None else []),
            *(with_interval(scores[system][part], metric) for part in parts),
        ]
        for system in scores
    ]
    return markdown_table([METRIC_TITLES[metric], *column, *sizes], rows)


def papers_percentages(*tables: str) -> dict[str, Number]:
    """System → percent as printed, from one or several of the papers' tables."""
    found = (paper_tables()[table] for table in tables)
    return {system: row["percent"] for table in found for system, row in table.systems.items()}


def glued_numbers(experiment: Experiment) -> dict[str, float]:
    """Numbers for the prose by name: ``krumhansl_hard_mirex``, its ``_low`` and ``_high``, the counts."""
    return {
        f"{system}_{part}_{name}": float(value)
        for system, parts in experiment.record.scores.items()
        for part, numbers in parts.items()
        for name, value in numbers.items()
    }


def relations_table(experiment: Experiment, table: PaperTable) -> str:
    """Shares of each relation in percent, the paper's row above ours, for systems that both have."""
    header = ["", "Correct", "Fifth", "Relative", "Parallel", "Wrong", "MIREX"]
    rows: list[list[str]] = []
    for system in experiment.record.scores:
        if system in table.systems:
            counts = table.counts(system)
            if isinstance(counts, RelationCounts):
                score = f"{table.row(system)['percent']:.1f}"
                where = f"{dataset_title(table.dataset)}, n = {table.tracks:,}"
                rows.append([f"{label(system)}<br>*paper: {where}*", *_shares(counts), score])
        if "mirex" in experiment.record.scores[system]["all"]:
            rows.append(_our_relations(experiment, system))
    return markdown_table(header, rows)


def _our_relations(experiment: Experiment, system: str) -> list[str]:
    """Our row of the table of relations."""
    numbers = experiment.record.scores[system]["all"]
    counts = RelationCounts(**{name: int(numbers[name]) for name in RelationCounts.__dataclass_fields__})
    data = experiment.record.data
    where = f"{data['title']}, n = {data['tracks']:,}"
    return [f"{label(system)}<br>*ours: {where}*", *_shares(counts), with_interval(numbers, "mirex")]


def _shares(counts: RelationCounts) -> list[str]:
    """Correct, fifth (both directions), relative, parallel, wrong as percentages of all tracks."""
    numbers = (counts.same, counts.fifth, counts.relative, counts.parallel, counts.other)
    return [f"{100 * number / counts.total:.1f}" for number in numbers]


def judgements(experiment: Experiment) -> list[Judgement]:
    """The papers' claims that this experiment can test, each with its verdict."""
    seed = int(experiment.record.parameters["seed"])
    asked = experiment.predictions.answers
    mine = (
        claim
        for claim in claims()
        if claim.experiment == experiment.name and claim.better in asked and claim.worse in asked
    )
    return [judge(claim, experiment.predictions, seed) for claim in mine]


def claims_table(found: Iterable[Judgement]) -> str:
    """Claim, the papers' evidence, ours, verdict."""
    rows = [
        [
            f"{judgement.claim.text} {{cite}}`{citation_key(judgement.claim.paper)}`",
            _papers_evidence(judgement),
            _our_evidence(judgement.difference),
            f"**{judgement.verdict}**",
        ]
        for judgement in found
    ]
    return markdown_table(["Claim", "Papers, %", "Ours: difference", "Verdict"], rows)


def _our_evidence(difference: Interval) -> str:
    """A difference in percentage points with its 95 % interval."""
    return f"**{difference.value:+.1f}**<br>[{difference.low:+.1f},\N{NO-BREAK SPACE}{difference.high:+.1f}]"


def _papers_evidence(judgement: Judgement) -> str:
    """Both printed numbers."""
    better, worse = judgement.claim.papers_percentages()
    return f"{METRIC_TITLES[judgement.claim.metric]} {better:g} against {worse:g}"


def papers_table() -> str:
    """Every percentage of the papers that the companion compares with, and how well each is known."""
    tables = (
        PaperNumber(
            table.paper, table.title.split(":")[0], system, table.dataset, table.metric, percent, table.mark
        )
        for table in paper_tables().values()
        for system, percent in papers_percentages(table.id).items()
    )
    rows = [_papers_row(number) for number in (*tables, *paper_numbers())]
    return markdown_table(["System", "Data", "Score", "Where", "How known", "%"], rows, text=5)


def _papers_row(number: PaperNumber) -> list[str]:
    """One percentage of a paper."""
    return [
        label(number.system),
        dataset_title(number.dataset),
        METRIC_TITLES[number.metric],
        f"{number.where} {{cite}}`{citation_key(number.paper)}`",
        MARKS[number.mark],
        f"{number.percent:g}",
    ]


def sources_line(experiment: Experiment) -> str:
    """Under each table: notebook, parameters, commit, data hash, JSON and CSV as downloads."""
    record = experiment.record
    parameters = ", ".join(f"{name}={value}" for name, value in record.parameters.items())
    parts = [
        download("notebook", find_checkout() / "notebooks" / f"{record.experiment}.ipynb"),
        f"parameters `{parameters}`",
        f"commit `{record.made['commit']}`",
        f"data `{record.data['hash']}`",
        *(f"weights of {label(system)} `{checksum[:12]}`" for system, checksum in record.weights.items()),
        download("JSON", record_path(experiment.folder, record.experiment)),
        download("CSV", predictions_path(experiment.folder, record.experiment)),
    ]
    return " · ".join(parts)


def download(text: str, path: Path) -> str:
    """A link that makes the book carry a copy of the file; a plain path for files outside the checkout."""
    relative = os.path.relpath(path, find_checkout())
    if relative.startswith(".."):
        return f"{text} `{path}`"
    return f"{{download}}`{text} </{Path(relative).as_posix()}>`"
