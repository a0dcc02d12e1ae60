"""The claims with their verdicts: the scoreboard as Markdown, part by part, and as text for a terminal."""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

import pandas as pd

from companion.answers import Evaluation
from companion.claims import (
    LEAST_SHARE,
    LEAST_TRACKS,
    OTHER_TRAINING,
    PAPERS_EXAMPLES,
    RULES,
    Judgement,
    Verdict,
    examples_seen,
    judge_all,
    verdict,
    verdict_lines,
)
from companion.pages.tables import METRIC_TITLES, markdown_table, with_interval
from companion.paper import MARKS, Claim, ClaimKind, citation_key, dataset_title, label
from companion.systems import TABLES
from skey.metrics import Interval

SAID: dict[ClaimKind, str] = {"better": "above", "same": "as good as", "no worse": "no worse than"}
"""What a claim says of its first system beside its second."""

VERDICTS: dict[Verdict, tuple[str, str, str]] = {
    "holds": ("●", "holds", "hold"),
    "does not hold": ("✕", "does not hold", "do not hold"),
    "undecided at this size": ("◐", "is undecided at this size", "are undecided at this size"),
    "not a test": ("○", "is not a test", "are not tests"),
    "not computed here": ("–", "is not computed here", "are not computed here"),
}
"""Each verdict as a sign, and after a number: of one claim, and of several."""


def claims_table(found: Iterable[Judgement]) -> str:
    """Claim, what is compared, the papers' evidence, ours, verdict; then what the marks mean."""
    rows, marks = [], set()
    for each in found:
        claim = each.claim
        whose = f"{{cite}}`{citation_key(claim.paper)}`" if claim.paper else "*Ours.*"
        systems = f"{label(claim.better)} *{SAID[claim.kind]}* {label(claim.worse)}"
        seeds = (
            f"<br>*{run}: {difference:+.1f}, {verdict(difference, claim.kind)}*"
            for run, difference in each.other_seeds.items()
        )
        rows.append(
            [
                f'<span id="{claim.id}"></span>{claim.text} {whose}',
                f"{METRIC_TITLES[claim.metric]}: {systems}{_examples(claim)}",
                _papers_evidence(claim),
                with_interval(each.difference, "+.1f") + "".join(seeds),
                f"**{each.verdict}**",
            ]
        )
        marks |= {number.mark for number in claim.evidence() or ()}
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


def _examples(claim: Claim) -> str:
    shown = []
    for system in (claim.better, claim.worse):
        if seen := examples_seen(system):
            share = f" ({100 * seen / PAPERS_EXAMPLES:.2g} % of the paper's)"
            paper = claim.paper and system not in OTHER_TRAINING
            shown.append(f"{label(system)} {seen:,}{share if paper else ''}")
    return f"<br>*examples seen here: {'; '.join(shown)}*" if shown else ""


def _papers_evidence(claim: Claim) -> str:
    numbers = claim.evidence()
    if numbers is None:
        return "no number"
    where = "" if claim.dataset == "fmakv2" else f"<br>{dataset_title(claim.dataset)}"
    return f"{numbers[0]} against {numbers[1]}{where}"


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
