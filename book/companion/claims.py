"""Do the papers' claims hold on our data? One function decides, from a paired bootstrap, never by hand.

The difference of two systems' points on the same tracks has a 95 % interval, and ``RULES`` says where it must
lie; where it crosses a border, the claim is undecided. Of a system with several seeds the chosen one decides.
A claim of a paper is not tested by a network that saw few of the paper's examples, unless it holds all the
same; nor is any claim tested by a loser that saw fewer examples.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from typing import Literal

import pandas as pd

from companion.answers import Evaluation, evaluate, read_record
from companion.pages.tables import METRIC_TITLES, markdown_table, with_interval
from companion.paper import MARKS, Claim, ClaimKind, citation_key, claims, dataset_title, label
from companion.record import RESULTS, find_checkout
from companion.scores import difference
from companion.systems import TABLES
from companion.training import FOLDER, TrainingRecord, choose, read_training_records
from skey.metrics import Interval
from skey.weights import SHIPPED, SUFFIX, read_header

Verdict = Literal["holds", "does not hold", "undecided at this size", "not a test", "not computed here"]

PAPERS_EXAMPLES = 60_000 * 50
"""Pairs of segments that the papers' networks saw: 60 thousand tracks in 50 epochs (Section 4.1, STONE)."""

LEAST_SHARE = 0.1  # the part of them from which on a network of ours tests what a paper claims
OTHER_TRAINING = ("supervised",)  # networks of ours that no paper trained on those examples

LEAST_TRACKS = 20  # on fewer nothing is decided: an interval of so few is too narrow

MARGIN = 5.0  # percentage points within which two systems count as equally good

RULES: Mapping[ClaimKind, str] = {  # what decides each kind of claim; anything else is undecided
    "better": "the whole interval above zero: holds; below zero: does not hold",
    "same": f"the whole interval within ±{MARGIN:g} points: holds; outside: does not hold",
    "no worse": f"the whole interval below zero: does not hold; else above −{MARGIN:g} points: holds",
}


SAID: dict[ClaimKind, str] = {"better": "above", "same": "as good as", "no worse": "no worse than"}
"""What a claim says of its first system beside its second."""

VERDICTS: dict[Verdict, tuple[str, str, str]] = {  # as a sign, and of one claim and of several
    "holds": ("●", "holds", "hold"),
    "does not hold": ("✕", "does not hold", "do not hold"),
    "undecided at this size": ("◐", "is undecided at this size", "are undecided at this size"),
    "not a test": ("○", "is not a test", "are not tests"),
    "not computed here": ("–", "is not computed here", "are not computed here"),
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """First minus second system in points, None without either; ``other_seeds``: the same by name of run."""

    claim: Claim
    difference: Interval | None
    verdict: Verdict
    other_seeds: Mapping[str, Interval] = field(default_factory=dict)


@cache
def examples_seen(system: str) -> int | None:
    """How many examples a network that ships, or a run, saw in training; None if it was not trained here."""
    file, run = SHIPPED / f"{system}{SUFFIX}", _runs()[1].get(system)
    return read_header(file).examples if file.is_file() else run.examples if run else None


def seeds(system: str) -> int:
    """From how many seeds a system was trained on record, its variants included."""
    return len({run.seed for run in _runs()[1].values() if run.system == system})


def is_test(claim: Claim, found: Verdict) -> bool:
    """Whether the networks behind a verdict saw enough for it to be one."""
    first, second = (
        None if system in OTHER_TRAINING else examples_seen(system) for system in (claim.better, claim.worse)
    )
    if not claim.paper:
        winner, loser = (first, second) if found == "holds" else (second, first)
        return winner is None or loser is None or loser >= winner
    too_few = [seen is not None and seen < LEAST_SHARE * PAPERS_EXAMPLES for seen in (first, second)]
    if found != "holds":
        return not any(too_few)
    return not (too_few[1] and second is not None and second < (first or PAPERS_EXAMPLES))


def verdict(difference: Interval, kind: ClaimKind) -> Verdict:
    """What the interval of a difference, in percentage points, says of a claim of that kind."""
    low, high = difference.low, difference.high
    holds, fails = {
        "better": (low > 0, high < 0),
        "same": (low > -MARGIN and high < MARGIN, low > MARGIN or high < -MARGIN),
        "no worse": (low > -MARGIN and high >= 0, high < 0),
    }[kind]
    return "holds" if holds else "does not hold" if fails else "undecided at this size"


def judge(claim: Claim, table: Evaluation) -> Judgement:
    """Test one claim on the tracks of its table."""
    answers, (runs, _) = table.answers, _runs()
    if answers.index.equals(runs.index):  # A claim may name a run, and other seeds stand below it.
        answers = answers.join(runs[runs.columns.difference(answers.columns)])
    if not {claim.better, claim.worse} <= set(answers):
        return Judgement(claim, None, "not computed here")
    found = difference(answers, claim.better, claim.worse, claim.metric, table.seed)
    enough = len(answers) >= LEAST_TRACKS
    said: Verdict = verdict(found, claim.kind) if enough else "undecided at this size"
    pair = claim.better, claim.worse
    seeds = {
        run: difference(answers.assign(**{system: answers[run]}), *pair, claim.metric, table.seed)
        for run, system in _other_seeds().items()
        if run in answers and system in pair
    }
    return Judgement(claim, found, said if is_test(claim, said) else "not a test", seeds)


@cache
def _runs() -> tuple[pd.DataFrame, dict[str, TrainingRecord]]:
    """The answers of all runs on record, and by name what is on record of their training."""
    results = find_checkout() / RESULTS
    return read_record(results / FOLDER).answers, {run.name: run for run in read_training_records(results)}


@cache
def _other_seeds() -> dict[str, str]:
    """Run → system of the seeds that were not chosen."""
    runs = _runs()[1]
    chosen = choose(runs.values())
    candidates = {name: run.system for name, run in runs.items() if run.is_candidate}
    return {name: system for name, system in candidates.items() if chosen[system].name != name}


def judgements(table: Evaluation) -> list[Judgement]:
    """Every claim that this table tests, with its verdict, in the order of ``claims.csv``."""
    return [judge(claim, table) for claim in claims() if claim.experiment == table.name]


def judge_all(tables: Iterable[Evaluation] | None = None) -> list[Judgement]:
    """Every claim with its verdict: what scoreboard, check and reproduce show; by default of the record."""
    tables = map(evaluate, TABLES) if tables is None else tables
    found = {judgement.claim.id: judgement for table in tables for judgement in judgements(table)}
    return [found.get(claim.id) or Judgement(claim, None, "not computed here") for claim in claims()]


def verdict_lines(found: Iterable[Judgement]) -> list[str]:
    """A line for each claim: its name, our difference with its 95 % interval in points, the verdict."""
    return [
        f"{each.claim.id:<40} {f'{each.difference:+.1f}' if each.difference else '–':>24}  {each.verdict}"
        for each in found
    ]


def claims_table(found: Iterable[Judgement]) -> str:
    """Claim, what is compared, the papers' evidence, ours, verdict; then what the marks mean."""
    rows, marks = [], set()
    for each in found:
        claim = each.claim
        whose = f"{{cite}}`{citation_key(claim.paper)}`" if claim.paper else "*Ours.*"
        numbers = claim.evidence() or ()
        evidence = " against ".join(map(str, numbers)) or "no number"
        if numbers and claim.dataset != "fmakv2":
            evidence += f"<br>{dataset_title(claim.dataset)}"
        systems = f"{_title(claim.better)} *{SAID[claim.kind]}* {_title(claim.worse)}"
        seeds = (
            f"<br>*{run}: {difference:+.1f}, {verdict(difference, claim.kind)}*"
            for run, difference in each.other_seeds.items()
        )
        rows.append(
            [
                f'<span id="{claim.id}"></span>{claim.text} {whose}',
                f"{METRIC_TITLES[claim.metric]}: {systems}{_examples(claim)}",
                evidence,
                with_interval(each.difference, "+.1f") + "".join(seeds),
                f"**{each.verdict}**",
            ]
        )
        marks |= {number.mark for number in numbers}
    header = ["Claim", "Here", "Papers, %", "Ours: difference", "Verdict"]
    return "\n\n".join([markdown_table(header, rows, text=3), marks_legend(marks)])


def verdict_counts(found: Iterable[Judgement]) -> str:
    """How many claims have which verdict, in words: ``12 hold, 1 is not a test``."""
    counted = Counter(each.verdict for each in found)
    return ", ".join(
        f"{counted[name]} {one if counted[name] == 1 else several}"
        for name, (_, one, several) in VERDICTS.items()
        if counted[name]
    )


def claims_total(found: Iterable[Judgement]) -> str:
    """How many claims have which verdict, those of the papers apart from ours, as a list."""
    judged = list(found)
    papers, ours = ([each for each in judged if bool(each.claim.paper) is paper] for paper in (True, False))
    return (
        f"- **{len(papers)} claims of the papers:** {verdict_counts(papers)}.\n"
        f"- **{len(ours)} of this companion:** {verdict_counts(ours)}."
    )


def dot_strip(found: Iterable[Judgement]) -> str:
    """A dot per claim, table by table, with a link to the claim's row; then what the dots mean. HTML."""
    dots: dict[str, list[str]] = {name: [] for name in TABLES}
    used = set()
    for each in found:
        claim, text = each.claim, escape(each.claim.text)
        said = f'title="{text}" aria-label="{text}: {each.verdict}"'
        dots[claim.experiment].append(f'<a href="#{claim.id}" {said}>{VERDICTS[each.verdict][0]}</a>')
        used.add(each.verdict)
    lines = (
        f'<tr><th><a href="notebooks/{name}.html">{escape(TABLES[name].title)}</a></th>'
        f"<td>{' '.join(mine)}</td></tr>"
        for name, mine in dots.items()
        if mine
    )
    legend = " · ".join(f"{dot} {verdict}" for verdict, (dot, *_) in VERDICTS.items() if verdict in used)
    return f'<table class="companion-strip">{"".join(lines)}</table>\n\n{legend}'


def rules_text() -> str:
    """How a verdict is computed: the rule that decides each kind of claim, and what is not a test."""
    rules = "\n".join(f"- *{SAID[kind]}*: {rule}" for kind, rule in RULES.items())
    return f"""The verdict is computed, never written by hand: the two systems answer the same tracks, the
difference of their points is resampled, and the 95 % interval of that difference, in percentage points,
decides. What it must look like depends on what is claimed of the first system beside the second:

{rules}
- *not a test*: a paper's claim that does not hold, or is undecided, with a network of ours that saw less than
  {LEAST_SHARE:.0%} of the paper's {PAPERS_EXAMPLES / 1e6:.1f} million examples; or that holds against such a
  network which saw fewer than its rival; or a question of our own of two networks of ours, where the one with
  the lower score saw fewer

A comparison that these rules leave open is *undecided at this size* of the test set; so is any on fewer than
{LEAST_TRACKS} tracks. The intervals are over tracks: they say what other music of the same kind might have
given, and not what another training might have. Of a system with several seeds the one with the lowest loss
on held-out pieces decides; in italics below the difference stands what the others would give."""


def marks_legend(marks: Iterable[str]) -> str:
    """What the marks mean that stand beside numbers; nothing where every number was read in the paper."""
    used = set(marks) - {"P"}
    return "; ".join(f"({mark}) {meaning}" for mark, meaning in MARKS.items() if mark in used)


def _title(name: str) -> str:
    run = _runs()[1].get(name)
    return f"{label(run.system)} ({name})" if run else label(name)


def _examples(claim: Claim) -> str:
    shown = []
    for system in (claim.better, claim.worse):
        if seen := examples_seen(system):
            share = f" ({100 * seen / PAPERS_EXAMPLES:.2g} % of the paper's)"
            paper = claim.paper and system not in OTHER_TRAINING
            shown.append(f"{_title(system)} {seen:,}{share if paper else ''}")
    return f"<br>*examples seen here: {'; '.join(shown)}*" if shown else ""


def scoreboard(tables: Sequence[Evaluation]) -> str:
    """The page: total, a dot per claim that links to it, claims, and the rules behind the verdicts."""
    judged = judge_all(tables)
    folded = f"````{{dropdown}} How a verdict is computed\n{rules_text()}\n````"
    return "\n\n".join([claims_total(judged), dot_strip(judged), "## Claims", folded, claims_table(judged)])


def scoreboard_lines(tables: Sequence[Evaluation]) -> list[str]:
    """The scoreboard for a terminal: a line a claim, then a line for each score of each system."""
    judged = judge_all(tables)
    shown = [each.scores[each.scores.metric.isin(TABLES[each.name].metrics)] for each in tables]
    scores = pd.concat(shown).query("part == 'all'").drop_duplicates(["system", "metric"])
    return [
        "Claims: our difference in points [95 % interval], verdict",
        *verdict_lines(judged),
        f"Of {len(judged)} claims: {verdict_counts(judged)}.",
        "",
        "Scores, % [95 % interval]",
        *(
            f"{METRIC_TITLES[str(row['metric'])]:<14} {row['system']:<22} "
            f"{Interval(row['value'], row['low'], row['high']):5.1f}  n = {row['n']}"
            for _, row in scores.sort_values("metric", ascending=False, kind="stable").iterrows()
        ),
    ]
