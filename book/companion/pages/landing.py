"""The landing page's computed parts: three sentences, a table of few systems, a clip with a folded answer."""

from collections.abc import Mapping

import pandas as pd

from companion.answers import Evaluation
from companion.claims import (
    LEAST_SHARE,
    PAPERS_EXAMPLES,
    Verdict,
    examples_seen,
    judge_all,
    marks_legend,
    seeds,
)
from companion.pages.comparison import CHANCE
from companion.pages.tables import markdown_table, with_interval
from companion.paper import label, papers_numbers
from companion.plots import few_scores_drawing
from companion.scores import interval_of
from companion.sentences import holds_while
from companion.studies.alignment import mode_offset
from companion.systems import ABLATIONS, T1, T2, T3
from companion.training import TrainingRecord
from skey.weights import DEFAULT, SHIPPED, SUFFIX, read_header

LANDING: Mapping[str, tuple[str, tuple[str, ...]]] = {  # experiment → its score and the systems shown
    T1: ("ksea", ("feature-engineering", "stone", "released-stone12", "supervised")),
    T3: (
        "mirex",
        (
            *("krumhansl", "temperley-peaks", "skey", "skey-400"),
            *("skey-fifths", DEFAULT, "released-skey", "supervised"),
        ),
    ),
}

SCORED: Mapping[str, str] = {"ksea": "key signature (KSEA, %)", "mirex": "key (MIREX, %)"}  # by each score


def answer(
    tables: Mapping[str, Evaluation], default: TrainingRecord, seconds: float, excerpts: pd.DataFrame
) -> str:
    """What reproduced, what did not, what is new, as a list; ``seconds``: how long ``default`` trained."""
    judged = [each for each in judge_all(tables.values()) if each.claim.paper]
    papers = [each.verdict for each in judged]
    pairs = [each.claim.better + each.claim.worse for each in judged]
    unfair = sum("stone24" in pair or "stone-w1" in pair for pair in pairs)  # see the scoreboard
    sentences = (
        _reproduced(tables, papers, unfair),
        _not_reproduced(tables, papers, excerpts),
        _new(tables, default, seconds),
    )
    return "\n".join(sentences).replace(" %", "\N{NO-BREAK SPACE}%")


def _scores(table: Evaluation, metric: str) -> pd.DataFrame:
    return table.scores.query("part == 'all' and metric == @metric").set_index("system")


def _reproduced(tables: Mapping[str, Evaluation], papers: list[Verdict], unfair: int) -> str:
    ksea, mirex = _scores(tables[T1], "ksea").value, _scores(tables[T3], "mirex").value
    rising = ["stone24", "krumhansl", "skey", "temperley-peaks", "skey-400", "released-skey"]
    clips = read_header(SHIPPED / f"skey-400{SUFFIX}").training["clips"]
    return holds_while(
        lambda: (
            min(ksea["stone"], ksea["released-stone12"]) > ksea["feature-engineering"]
            and all(mirex[rising].diff()[1:] > 0)
            and unfair > 1
        ),
        "- **What reproduced.** A network learns key signatures without a label: STONE trained here has a "
        f"KSEA (score of key signatures) of {ksea['stone']:.1f} % and the released STONE "
        f"{ksea['released-stone12']:.1f} %, against "
        f"{ksea['feature-engineering']:.1f} % for the strongest pitch class. It learns the mode, too: S-KEY "
        f"trained here by the paper's rule, the best of {seeds('skey')} starts by its own loss, has a MIREX "
        f"score (of keys) of {mirex['skey']:.1f} %, "
        f"with four times the clips ({clips:,}) {mirex['skey-400']:.1f} %, "
        f"and the released S-KEY {mirex['released-skey']:.1f} %, against {mirex['krumhansl']:.1f} % for "
        f"Krumhansl's templates, {mirex['temperley-peaks']:.1f} % for the strongest that we found, and "
        f"{mirex['stone24']:.1f} % for 24-STONE, without S-KEY's rule. "
        f"Of the papers' {len(papers)} claims {papers.count('holds')} hold; the {unfair} on 24-STONE, whose "
        "mode follows the level of degradation here, and on ω = 1, which overfits our clips, are "
        "[no fair test](scoreboard.md).",
    )


def _not_reproduced(tables: Mapping[str, Evaluation], papers: list[Verdict], excerpts: pd.DataFrame) -> str:
    share = (examples_seen("skey") or 0) / PAPERS_EXAMPLES
    clips = int(read_header(SHIPPED / f"skey{SUFFIX}").training["clips"])
    real = excerpts.query("part == 'all' and metric == 'mirex'").set_index("system").value
    few = papers.count("not a test")
    untested = f"Not a test, for our networks saw even less: {few}. " if few else ""
    return holds_while(
        lambda: (
            LEAST_SHARE <= share < 1
            and "does not hold" in papers
            and real["released-skey"] > real["skey"] > real["skey-400"]
        ),
        f"- **What did not, or was not tested.** {papers.count('does not hold')} claims do not hold here. "
        f"The networks behind them saw {100 * share:.0f} % of the papers' {PAPERS_EXAMPLES / 1e6:.0f} "
        f"million pairs, but from {clips:,} clips; the supervised network had labels of the same music. "
        f"{untested}Undecided on {len(tables[T3].answers)} clips: {papers.count('undecided at this size')}. "
        f"On {excerpts.n.max()} excerpts of real recordings S-KEY trained here has {real['skey']:.1f} %, "
        f"with four times the clips {real['skey-400']:.1f} %, the released {real['released-skey']:.1f} %. "
        "Nothing was run on FMAKv2, the papers' test set, whose audio was not at hand.",
    )


def _new(tables: Mapping[str, Evaluation], default: TrainingRecord, seconds: float) -> str:
    ksea, mirex = _scores(tables[T2], "ksea").value, _scores(tables[ABLATIONS], "mirex").value
    lowest, score = _scores(tables[ABLATIONS], "mode").low, _scores(tables[T3], "mirex").value[default.system]
    many, few = examples_seen("stone") or 0, examples_seen("skey-fifths") or 0
    steps = mode_offset(read_header(SHIPPED / f"skey{SUFFIX}").calibration)
    return holds_while(
        lambda: (
            ksea["stone-no-cpsd"] > ksea["stone"]
            and examples_seen("stone-no-cpsd") == many
            and min(lowest[name] for name in ("skey-late", "skey-sharp", "skey-fifths")) > CHANCE
            and examples_seen("skey-late") == examples_seen("skey-sharp") == few
            and steps == -1
            and default.training["device"] == "cpu"
        ),
        "- **What is new.** A cross-entropy whose target is rotated by the crop can replace CPSD, STONE's "
        f"loss (KSEA {ksea['stone-no-cpsd']:.1f} %, "
        f"CPSD {ksea['stone']:.1f} %, after {many:,} examples each). "
        f"S-KEY learns the mode from {few:,} examples if the signature comes first, in three variants (MIREX "
        f"up to {mirex['skey-fifths']:.1f} %). Where the "
        "paper's rule learns the mode, it sets the minor column a fifth off, as in the released network "
        "([findings](findings.md)). The network of `skey detect` was trained in "
        f"{seconds / 60:.0f} minutes without a GPU and without the key of any recording "
        f"(MIREX {score:.1f} %); recipes were chosen with an eye on excerpts of recordings.",
    )


def few_drawing(tables: Mapping[str, Evaluation]) -> str:
    """The same systems as a figure: our scores as dots, those of the papers as diamonds."""
    panels = {
        SCORED[metric]: (_scores(tables[name], metric).reindex(systems), papers_numbers(metric))
        for name, (metric, systems) in LANDING.items()
    }
    return few_scores_drawing(panels, "The papers beside this companion")._repr_html_()


def few_systems(tables: Mapping[str, Evaluation]) -> str:
    """Both claims in one table: few systems, examples seen in training, the paper's value and ours."""
    rows, marks = [], []
    for name, (metric, systems) in LANDING.items():
        papers = papers_numbers(metric)
        for system in systems:
            rows.append(
                [
                    f"{label(system)}<br>*{SCORED[metric]}*",
                    f"{seen:,}" if (seen := examples_seen(system)) else "–",
                    str(papers.get(system, "–")),
                    with_interval(interval_of(tables[name].scores, system, metric)),
                ]
            )
            marks += [papers[system].mark] if system in papers else []
    header = ["System", "Examples seen here", "Paper, FMAKv2", f"Here, {len(tables[T3].answers)} clips"]
    return "\n\n".join([markdown_table(header, rows), marks_legend(marks)])
