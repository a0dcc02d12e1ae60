"""Do the papers' claims hold on our data? One function decides, from a paired bootstrap, never by hand.

The difference of two systems' points on the same tracks, in percentage points, has a 95 % interval, and
``RULES`` says where it must lie. Where it crosses a border, the claim is undecided at this size of the test
set. Of a system with several seeds the chosen one decides, and the others stand beside it.

A claim of a paper is not tested by a network that saw a small part of the paper's examples: unless it holds
all the same, the verdict is "not a test". Nor is any claim tested by a loser that saw fewer examples.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import pandas as pd

from companion.answers import Evaluation, evaluate, read_record
from companion.paper import Claim, ClaimKind, claims
from companion.record import RESULTS, find_checkout
from companion.scores import difference
from companion.systems import TABLES
from companion.training import FOLDER, choose, read_training_records
from skey.metrics import Interval
from skey.weights import SHIPPED, SUFFIX, read_header

Verdict = Literal["holds", "does not hold", "undecided at this size", "not a test", "not computed here"]

PAPERS_EXAMPLES = 60_000 * 50
"""Pairs of segments that the papers' networks saw: 60 thousand tracks in 50 epochs (Section 4.1, STONE)."""

LEAST_SHARE = 0.1  # the part of them from which on a network of ours tests what a paper claims
OTHER_TRAINING = ("supervised",)  # networks of ours that no paper trained on those examples

LEAST_TRACKS = 20
"""On fewer tracks nothing is decided: an interval of so few is too narrow, and of one it has no width."""

MARGIN = 5.0  # percentage points within which two systems count as equally good

RULES: Mapping[ClaimKind, str] = {
    "better": "the whole interval above zero: holds; below zero: does not hold",
    "same": f"the whole interval within ±{MARGIN:g} points: holds; outside: does not hold",
    "no worse": f"the whole interval below zero: does not hold; else above −{MARGIN:g} points: holds",
}
"""What decides each kind of claim; anything else is undecided."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A claim with our evidence: first minus second system, in percentage points, None without either.

    ``other_seeds``: the same with a network from another seed, by the name of its run.
    """

    claim: Claim
    difference: Interval | None
    verdict: Verdict
    other_seeds: Mapping[str, Interval] = field(default_factory=dict)


@cache
def examples_seen(system: str) -> int | None:
    """How many examples the shipped network of a system saw in training; None for what was not trained here.

    Weights of that name in a user's own folder are not what is judged.
    """
    file = SHIPPED / f"{system}{SUFFIX}"
    return read_header(file).examples if file.is_file() else None


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


def verdict(difference: Interval, kind: ClaimKind = "better") -> Verdict:
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
    if not {claim.better, claim.worse} <= set(table.systems):
        return Judgement(claim, None, "not computed here")
    found = difference(table.answers, claim.better, claim.worse, claim.metric, table.seed)
    enough = len(table.answers) >= LEAST_TRACKS
    said: Verdict = verdict(found, claim.kind) if enough else "undecided at this size"
    seeds = _with_other_seeds(claim, table)
    return Judgement(claim, found, said if is_test(claim, said) else "not a test", seeds)


def _with_other_seeds(claim: Claim, table: Evaluation) -> dict[str, Interval]:
    """The difference with each network that was not chosen; nothing on other tracks than those on record."""
    answers, others = _answers_of_other_seeds()
    if not table.answers.index.equals(answers.index):
        return {}
    pair = claim.better, claim.worse
    return {
        run: difference(table.answers.assign(**{system: answers[run]}), *pair, claim.metric, table.seed)
        for run, system in others.items()
        if system in pair
    }


@cache
def _answers_of_other_seeds() -> tuple[pd.DataFrame, dict[str, str]]:
    """The answers of all runs on record, and run → system of the seeds that were not chosen."""
    results = find_checkout() / RESULTS
    runs = read_training_records(results)
    chosen = {run.name for run in choose(runs).values()}
    others = {run.name: run.system for run in runs if run.is_candidate and run.name not in chosen}
    return read_record(results / FOLDER).answers, others


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
