"""Tables of the book as Markdown: the papers' numbers beside ours, part by part, and the downloads."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from companion.answers import ABOUT, ANSWERS, Evaluation
from companion.observations import Observation, observation_path
from companion.paper import MARKS, PaperNumber, citation_key, dataset_title, every_number, label
from companion.record import find_checkout
from companion.scores import interval_of
from companion.systems import systems_of
from skey.metrics import Interval

METRIC_TITLES: Mapping[str, str] = {  # how the book calls each score
    "mirex": "MIREX",
    "mirex_ascending": "MIREX, ascending fifth only",
    "mode": "Mode accuracy",
    "ksea": "KSEA",
}

_LISTED = 50  # how many skipped tracks are named below a table


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> str:
    """A Markdown table: its first ``text`` columns set to the left, the others, numbers, to the right."""
    lines = [header, [*[":--"] * text, *["--:"] * (len(header) - text)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def definitions(terms: Mapping[str, str]) -> str:
    """A Markdown list of terms, each with its definition."""
    return "\n\n".join(f"{term}\n: {text}" for term, text in terms.items())


def with_interval(found: Interval | None, form: str = ".1f") -> str:
    """**73.2**, and below it its interval, [67.1, 79.0]; or a dash. ``form``: ``+.1f`` for a difference."""
    if found is None:
        return "–"
    value, low, high = f"{found:{form}}".split()
    return f"**{value}**<br>{low}\N{NO-BREAK SPACE}{high}"


def scores_table(table: Evaluation, metric: str, papers: Mapping[str, PaperNumber] | None = None) -> str:
    """Systems by parts of the data: ``metric`` in percent with intervals, the papers' value before them."""
    scores = table.scores[table.scores.metric == metric]
    sizes = scores.drop_duplicates("part").set_index("part").n
    columns = [f"{part}<br>n\N{NO-BREAK SPACE}= {n}" for part, n in sizes.items()]
    rows = []
    for system in table.scored(metric):
        cells = [with_interval(interval_of(scores, system, metric, part)) for part in sizes.index]
        quoted = [] if papers is None else [str(papers.get(system, "–"))]
        rows.append([label(system), *quoted, *cells])
    return markdown_table([METRIC_TITLES[metric], *([] if papers is None else ["papers"]), *columns], rows)


def papers_table() -> str:
    """Every percentage of the papers that the companion compares with, and how well each is known."""
    rows = [
        [
            label(number.system),
            dataset_title(number.dataset),
            METRIC_TITLES[number.metric],
            f"{number.where} {{cite}}`{citation_key(number.paper)}`",
            MARKS[number.mark],
            str(number.percent),
        ]
        for number in every_number()
    ]
    return markdown_table(["System", "Data", "Score", "Where", "How known", "%"], rows, text=5)


def sources_line(table: Evaluation) -> str:
    """Under a table: notebook, commit, data, answers as downloads, what is missing."""
    record, sums = table.record, table.record.weights
    weights = [f"{label(system)} `{sums[system][:12]}`" for system in table.systems if system in sums]
    absent = [label(system) for system in systems_of(table.name) if system not in table.systems]
    parts = [
        download("notebook", find_checkout() / "notebooks" / f"{table.name}.ipynb"),
        f"commit `{record.made['commit']}`",
        f"data: {record.data['title']} `{record.data['hash']}`, {record.data['tracks']} tracks",
        f"weights: {', '.join(weights)}" if weights else "",
        download("answers", record.folder / ANSWERS),
        download("what is behind them", record.folder / ABOUT),
        f"not computed here: {', '.join(absent)}" if absent else "",
    ]
    return "\n".join([" · ".join(filter(None, parts)), *_skipped(record.data)])


def observation_line(observation: Observation) -> str:
    """Under a figure: notebook, commit, weights and record as downloads, and what was not computed here."""
    checkout, carried = find_checkout(), ", ".join(observation.made["carried"])
    sums = {name: entry.get("checksum") for name, entry in observation.entries.items()}
    weights = ", ".join(f"{name} `{checksum[:12]}`" for name, checksum in sums.items() if checksum)
    parts = [
        download("notebook", checkout / "notebooks" / f"{observation.name}.ipynb"),
        f"commit `{observation.made['commit']}`",
        f"weights {weights}" if weights else "",
        download("JSON", observation_path(checkout / "results", observation.name)),
        f"from the record, as their weights are not here: {carried}" if carried else "",
    ]
    return " · ".join(filter(None, parts))


def _skipped(data: Mapping[str, Any]) -> list[str]:
    reasons: Mapping[str, str] = data.get("skipped", {})
    if not reasons:
        return []
    more = len(reasons) - _LISTED
    return [
        f"\n**Skipped: {len(reasons)} of {data['tracks'] + len(reasons)} tracks**\n",
        *(f"- `{track}`: {reason}" for track, reason in list(reasons.items())[:_LISTED]),
        *([f"- and {more} more, in `answers.json`"] if more > 0 else []),
    ]


def download(text: str, path: Path) -> str:
    """A link that makes the book carry a copy of the file; a plain path for files outside the checkout."""
    relative = os.path.relpath(path, find_checkout())
    if relative.startswith(".."):
        return f"{text} `{path}`"
    return f"{{download}}`{text} </{Path(relative).as_posix()}>`"
