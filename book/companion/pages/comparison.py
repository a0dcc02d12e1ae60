"""The papers' tables as Markdown, row by row: what the paper counts, and below it what we count."""

from collections.abc import Iterator, Mapping, Sequence

from companion.answers import Evaluation
from companion.claims import MARGIN, OTHER_TRAINING, PAPERS_EXAMPLES, examples_seen, seeds
from companion.pages.tables import markdown_table, with_interval
from companion.paper import Number, PaperTable, dataset_title, label, paper_tables, papers_numbers
from companion.scores import interval_of
from companion.systems import SKEY, TABLES, systems_of
from skey.metrics import RelationCounts, SignatureCounts

HEADERS: Mapping[str, tuple[str, ...]] = {  # the columns of a table by its score
    "ksea": ("", "Correct", "Fifth", "Wrong", "KSEA"),
    "mirex": ("", "Correct", "Fifth", "Relative", "Parallel", "Wrong", "MIREX"),
}

CHANCE = 50  # the mode accuracy of a guess, in percent: half of the clips of the open corpus are minor
PAPERS_DATASETS = ("fmakv2", "gtzan", "giantsteps", "winterreise")  # the collections of S-KEY's table


def comparison_table(table: Evaluation) -> str:
    """Shares of each outcome in percent, the paper's row above ours."""
    papers = [paper_tables()[name] for name in TABLES[table.name].papers]
    names = dict.fromkeys((*systems_of(table.name), *papers[0].systems))
    rows = [row for name in names for row in _rows(table, name, papers)]
    return markdown_table(HEADERS[papers[0].metric], rows)


def _rows(table: Evaluation, system: str, papers: Sequence[PaperTable]) -> Iterator[list[str]]:
    """The paper's row and ours of one system, with the reason where it is far below: both, one, or none."""
    printed = next((each for each in papers if system in each.systems), None)
    metric, data = papers[0].metric, table.record.data
    if printed is not None:
        where = f"*paper: {dataset_title(printed.dataset)}, n = {printed.tracks:,}*"
        score = format(printed.systems[system]["percent"], ".1f" if metric == "mirex" else ".0f")
        yield [f"{label(system)}<br>{where}", *_shares(printed.counts(system), "<br>*{:,}*"), score]
    if system in table.scored(metric):
        number = papers_numbers(metric).get(system)
        why = why_below(table, system, metric, number.percent if number else None)
        where = f"*ours: {data['title']}, n = {data['tracks']:,}*{why}"
        score = with_interval(interval_of(table.scores, system, metric))
        yield [f"{label(system)}<br>{where}", *_shares(table.counts(system, metric)), score]
    elif printed is not None:
        yield [f"{label(system)}<br>*ours: not computed here*", *["–"] * (len(HEADERS[metric]) - 1)]


def why_below(table: Evaluation, system: str, metric: str, percent: Number | None) -> str:
    """The reason for a score of ours whose whole interval is more than ``MARGIN`` points below a percentage.

    Examples, seeds, and whether the mode is learnt; or that it is as low as a constant. Else empty.
    """
    ours, constant = (interval_of(table.scores, name, metric) for name in (system, "always-c-major"))
    if percent is None or ours is None or ours.high >= percent - MARGIN:
        return ""
    low = papers_numbers(metric)["always-c-major"].percent if constant else 0
    if constant and percent <= low and ours.low <= constant.value and system != "always-c-major":
        return f"<br>*as low as the constant, as in the paper: {constant.value:.1f} here, {low} there*"
    seen = examples_seen(system)
    if seen is None:
        return "<br>*far below: nothing was trained, the music differs*"
    share = f" of the paper's {PAPERS_EXAMPLES:,} ({seen / PAPERS_EXAMPLES:.1%})"
    reasons = [f"saw {seen:,} examples{'' if system in OTHER_TRAINING else share}"]
    reasons.append(f"seeds: {seeds(system)}")
    if mode := interval_of(table.scores, system, "mode"):
        reasons.append(f"mode {'' if mode.low > CHANCE else 'not '}learnt ({mode.value:.0f} % right)")
    return f"<br>*far below: {', '.join(reasons)}*"


def _shares(counts: RelationCounts | SignatureCounts, below: str = "") -> list[str]:
    """Each outcome as a percentage of all tracks, fifths both ways together, and what is ``below``."""
    names = ("correct", "same", "fifth", "relative", "parallel", "other")
    numbers = [getattr(counts, name) for name in names if hasattr(counts, name)]
    return [f"{100 * number / counts.total:.1f}{below.format(number)}" for number in numbers]


def collections_table(table: Evaluation) -> str:
    """S-KEY's table: the papers' MIREX on each of their collections with its mark, then ours."""
    papers = [papers_numbers("mirex", dataset, ours=False) for dataset in PAPERS_DATASETS]
    printed = {name: number.percent for name, number in papers_numbers("mirex").items()}
    names = list(systems_of(SKEY))
    names[names.index("skey-1") : names.index("skey-1")] = ["skey-60k", "skey-1m"]
    rows = [
        [
            label(system) + why_below(table, system, "mirex", printed.get(system)),
            *(str(numbers.get(system, "–")) for numbers in papers),
            with_interval(interval_of(table.scores, system, "mirex")),
        ]
        for system in names
    ]
    ours = f"ours: {table.record.data['title']}, n = {table.record.data['tracks']}"
    return markdown_table(["MIREX, %", *map(dataset_title, PAPERS_DATASETS), ours], rows)
