"""The scoreboard, as a page and as text: every claim with its verdict, then the scores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from companion.claims import judge_all, verdict_lines
from companion.pages.tables import METRIC_TITLES, scores_table, sources_line
from companion.pages.verdicts import claims_table, claims_total, rules_list, verdict_counts
from companion.paper import Number, papers_numbers
from companion.results import Experiment
from companion.results.scores import recorded_interval
from companion.systems import EVALUATIONS

INTRODUCTION = (
    "The verdict is computed, never written by hand: the two systems answer the same tracks, the difference "
    "of their points is resampled, and the 95 % interval of that difference, in percentage points, decides. "
    "What it must look like depends on what is claimed of the first system beside the second:"
)
"""What precedes the rules."""

CAUTION = (
    "A comparison that these rules leave open is *undecided at this size* of the test set. The intervals are "
    "over tracks: they say what other music of the same kind might have given, and not what another training "
    "might have."
)
"""What follows the rules."""


def scoreboard(experiments: Iterable[Experiment]) -> str:
    """The page: total, rules, claims, and each experiment's scores and downloads, in the papers' order."""
    ordered = in_order(experiments)
    judged = judge_all(ordered)
    sections = [_section(experiment) for experiment in ordered]
    head = [claims_total(judged), "## Claims", INTRODUCTION, rules_list(), CAUTION, claims_table(judged)]
    return "\n\n".join([*head, "## Scores", *sections])


def in_order(experiments: Iterable[Experiment]) -> list[Experiment]:
    """Experiments as the papers have them, then those that only this companion has."""
    order = list(EVALUATIONS)
    return sorted(
        experiments,
        key=lambda each: (order.index(each.name) if each.name in order else len(order), each.name),
    )


def metrics_of(experiment: Experiment) -> tuple[str, ...]:
    """The scores by which an experiment is shown: those of the papers, else the first that any system has."""
    if experiment.name in EVALUATIONS:
        wanted = EVALUATIONS[experiment.name].metrics
    else:
        wanted = ("mirex",) if _has(experiment, "mirex") else ("ksea",)
    return tuple(metric for metric in wanted if _has(experiment, metric))


def _has(experiment: Experiment, metric: str) -> bool:
    """Whether any system of an experiment has such a score."""
    return any(metric in parts["all"] for parts in experiment.record.scores.values())


def _section(experiment: Experiment) -> str:
    """Scores and downloads of one experiment."""
    tables = [scores_table(experiment, metric, papers_numbers(metric)) for metric in metrics_of(experiment)]
    return "\n\n".join([f"### [](notebooks/{experiment.name}.ipynb)", *tables, sources_line(experiment)])


def scoreboard_lines(experiments: Iterable[Experiment]) -> list[str]:
    """The scoreboard for a terminal: a line a claim, then a line for each system that has a score."""
    ordered = in_order(experiments)
    judged = judge_all(ordered)
    return [
        "Claims: our difference in points [95 % interval], verdict",
        *verdict_lines(judged),
        f"Of {len(judged)} claims: {verdict_counts(judged)}.",
        "",
        "Scores, % [95 % interval]",
        *_score_lines(ordered),
    ]


def _score_lines(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Each score of each system once, however many experiments have it."""
    for metric in dict.fromkeys(metric for each in experiments for metric in metrics_of(each)):
        scored = {
            (system, str(experiment.record.data["hash"])): parts["all"]
            for experiment in experiments
            if metric in metrics_of(experiment)
            for system, parts in experiment.record.scores.items()
            if metric in parts["all"]
        }
        for (system, _), numbers in scored.items():
            yield f"{METRIC_TITLES[metric]:<14} {system:<22} {_cell(numbers, metric)}"


def _cell(numbers: Mapping[str, Number], metric: str) -> str:
    """A score, its interval, and on how many tracks."""
    score = recorded_interval(numbers, metric)
    return f"{score.value:5.1f} [{score.low:5.1f}, {score.high:5.1f}]  n = {numbers['n']}"
