"""Tables and figures of the papers: each has its notebook, record and page, and shows what it says."""

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from companion.__main__ import main
from companion.claims import judge_all, verdict_lines
from companion.notebooks import EXECUTED, FOLDER, read_notebook
from companion.pages.comparison import comparison_table, relations_table
from companion.pages.evaluations import (
    collections_table,
    data_drawing,
    modes_table,
    spread_drawings,
    spread_table,
    supervision_drawing,
)
from companion.pages.scoreboard import in_order, metrics_of, scoreboard, scoreboard_lines
from companion.pages.tables import sources_line
from companion.paper import claims, label, paper_tables
from companion.plots import COLOURS
from companion.plots.evaluation import Panel, growth_drawing, our_values
from companion.record import RESULTS, read_record, recorded_experiments
from companion.results import Experiment, Predictions, read_experiment, score_predictions
from companion.studies.collapse import spread
from companion.systems import EVALUATIONS, RELEASED
from skey.baselines import BASELINES
from skey.experiments import EXPERIMENTS
from skey.keys import KEYS
from skey.metrics import Interval

ROOT = Path(__file__).resolve().parents[2]
IN_THE_PAPERS = (
    "Table 1",
    "Table 2",
    "Table 3",
    "Figure 1",
    "Figure 2",
    "Figure 3",
    "Figure 4",
    "S-KEY's table",
)
TABLE = Predictions(
    tracks=tuple(map(str, KEYS)),
    tags={},
    references=KEYS,
    answers={
        "always-c-major": (KEYS[0],) * 24,
        "stone": tuple(key.signature for key in KEYS),
        "krumhansl": tuple(key.relative for key in KEYS),
        "stone24": (None,) * 24,
    },
)


def recorded(name: str) -> Experiment:
    return read_experiment(ROOT / RESULTS, name)


def made_up(name: str, answers: Mapping[str, tuple]) -> Experiment:
    """The record of an experiment as it would be with these answers to all 24 keys."""
    old = recorded(name)
    table = Predictions(TABLE.tracks, {}, KEYS, answers)
    fields = {
        **{f: getattr(old.record, f) for f in old.record.__dataclass_fields__},
        "scores": score_predictions(table),
    }
    return Experiment(type(old.record)(**fields), table, old.folder)


def titles() -> dict[str, str]:
    """Notebook → its first heading."""
    notebooks = (ROOT / FOLDER).glob("*.ipynb")
    return {path.stem: read_notebook(path).cells[0].source.splitlines()[0].lstrip("# ") for path in notebooks}


def chapters() -> list[str]:
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    return [chapter["file"] for part in parts for chapter in part["chapters"]]


# Nothing is forgotten


def test_every_system_has_a_label_a_colour_and_a_place_in_an_evaluation() -> None:
    asked = {system for evaluation in EVALUATIONS.values() for system in evaluation.systems}
    assert asked == {*BASELINES, *EXPERIMENTS, *RELEASED}
    assert all(label(system) and system in COLOURS for system in asked)


@pytest.mark.parametrize("name", EVALUATIONS)
def test_an_evaluation_has_a_notebook_of_its_title_a_record_and_a_page(name: str) -> None:
    assert titles()[name] == EVALUATIONS[name].title
    assert f"{EXECUTED.as_posix()}/{name}" in chapters()
    record = read_record(ROOT / RESULTS, name)
    assert set(record.scores) <= set(EVALUATIONS[name].systems)
    assert metrics_of(recorded(name)) == EVALUATIONS[name].metrics


@pytest.mark.parametrize("item", IN_THE_PAPERS)
def test_each_table_and_figure_of_the_papers_is_found_by_its_name(item: str) -> None:
    (name,) = [name for name, title in titles().items() if title == item or title.startswith(f"{item}:")]
    assert f"{EXECUTED.as_posix()}/{name}" in chapters()
    assert (ROOT / RESULTS / f"{name}.json").is_file() or (
        ROOT / RESULTS / "observations" / f"{name}.json"
    ).is_file()


def test_every_row_of_the_papers_tables_is_a_system_that_is_asked_beside_it() -> None:
    first = {evaluation.tables[0]: evaluation for evaluation in EVALUATIONS.values() if evaluation.tables}
    for name, table in paper_tables().items():
        assert set(table.systems) <= set(first[name].systems)


# Tables


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("table-1-key-signature", "STONE, ω = 7<br>*paper: FMAKv2, n = 5,489* | 65.3 | 22.3 | 12.3 | 77 |"),
        ("table-2-ablations", "STONE without CPSD<br>*paper: FMAKv2, n = 5,489* | 19.1 | 23.1 | 57.8 | 31 |"),
        (
            "table-3-key-and-mode",
            "24-STONE, ω = 7<br>*paper: FMAKv2, n = 5,489* | 44.5 | 11.4 | 24.0 | 2.1 | 17.9 | 57.9 |",
        ),
    ],
)
def test_below_each_row_of_the_paper_stands_ours(name: str, row: str) -> None:
    rows = comparison_table(recorded(name)).splitlines()[2:]
    assert any(row in line for line in rows)
    for above, below in pairwise(rows):
        if "*paper:" in above:
            assert "*ours:" in below and above.split("<br>")[0] == below.split("<br>")[0]
    papers = [line for line in rows if "*paper:" in line]
    assert len(papers) >= len(paper_tables()[EVALUATIONS[name].tables[0]].systems)


@pytest.mark.parametrize("name", EVALUATIONS)
def test_systems_stand_in_the_order_of_their_table_whatever_the_order_of_the_record(name: str) -> None:
    shown = [system for system in EVALUATIONS[name].systems if system in recorded(name).record.scores]
    assert list(recorded(name).record.scores) == list(recorded(name).predictions.answers) == shown


def test_a_system_that_only_the_paper_has_is_said_to_be_not_computed() -> None:
    text = comparison_table(made_up("table-2-ablations", {"stone": TABLE.answers["stone"]}))
    assert "| STONE, ω = 7<br>*ours: The open corpus, n = 240* | 100.0 | 0.0 | 0.0 |" in text
    assert text.count("*ours: not computed here* | – | – | – | – |") == 3


def test_our_relations_leave_out_systems_that_answer_signatures() -> None:
    rows = relations_table(made_up("figure-4-confusion", TABLE.answers)).splitlines()[2:]
    assert [row.split("<br>")[0] for row in rows] == [
        "| " + label(s) for s in ("always-c-major", "krumhansl", "stone24")
    ]
    assert "| 0.0 | 0.0 | 100.0 | 0.0 | 0.0 |" in rows[1]


def test_s_keys_table_has_the_papers_collections_with_their_marks_and_ours() -> None:
    rows = collections_table(recorded("skey-table")).splitlines()
    assert rows[0].endswith(
        "| FMAKv2 | GTZAN | GiantSteps | Schubert Winterreise | ours: The open corpus, n = 240 |"
    )
    named = {row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]] for row in rows[2:]}
    assert named["S-KEY, 1 M tracks"] == ["73.2 (Q2)", "74.4 (Q2)", "72.1 (Q2)", "90.4 (Q2)", "–"]
    assert named["S-KEY, 60 k tracks"][:2] == ["72.1 (Q1)", "–"]
    assert named["S-KEY"][:4] == ["–"] * 4
    assert named["S-KEY, as released"][:4] == ["–", "–", "72.1 (Q1)", "–"]
    assert named["Template matching (Krumhansl)"][0] == "53.4"


def test_right_answers_are_counted_mode_by_mode() -> None:
    rows = modes_table(TABLE).splitlines()[2:]
    assert rows[0].endswith("| 8.3 | 0.0 | 0.0 |")
    assert rows[1].endswith("| 100.0 | 100.0 | – |")
    assert rows[2].endswith("| 0.0 | 0.0 | 50.0 |")
    assert rows[3].endswith("| 0.0 | 0.0 | – |")


def test_below_a_table_stands_what_was_asked_for_and_not_computed() -> None:
    line = sources_line(made_up("skey-data", {"krumhansl": KEYS, "skey": KEYS}))
    assert line.endswith(
        "· not computed here: S-KEY, 1 % of the clips, S-KEY, 10 % of the clips, S-KEY, as released"
    )
    everything = dict.fromkeys(EVALUATIONS["skey-data"].systems, KEYS)
    assert "not computed here" not in sources_line(made_up("skey-data", everything))


# Collapse


def test_a_constant_has_one_answer_and_no_entropy() -> None:
    found = spread(TABLE.answers["always-c-major"])
    assert (found.distinct, found.most_frequent, found.entropy) == (1, ("C", 1.0), 0.0)
    assert found.shares[0] == 1


def test_all_keys_in_equal_number_are_twelve_signatures_of_full_entropy() -> None:
    for answers in (KEYS, TABLE.answers["stone"], TABLE.answers["krumhansl"]):
        found = spread(answers)
        assert found.distinct == 12 and found.entropy == pytest.approx(math.log2(12))


def test_no_answer_is_no_collapse() -> None:
    assert spread((None, None)).distinct == 0
    assert spread((None, 7, KEYS[7])).most_frequent == ("G", 1.0)


def test_the_spread_is_drawn_for_the_keys_and_for_each_system() -> None:
    drawings = spread_drawings(TABLE)
    assert [each.title for each in drawings] == ["Annotated keys", *(label(name) for name in TABLE.answers)]
    assert "C major, 100 % of the tracks" in drawings[1].description
    rows = spread_table(TABLE).splitlines()[2:]
    assert rows[1].endswith("| C major | 100.0 | 1 | 0.00 |")


# Curves


def test_a_curve_has_the_points_that_were_computed_and_dashed_lines_are_named() -> None:
    values = {
        "semitone-1": Interval(50.0, 40.0, 60.0),
        "semitone": Interval(70.0, 65.0, 75.0),
        "stone24": Interval(45.0, 40.0, 50.0),
    }
    curves = {
        "Semi-TONE": {1.0: "semitone-1", 10.0: "semitone-10", 100.0: "semitone"},
        "Sup-TONE": {1.0: "suptone-1"},
    }
    panel = Panel(
        "Ours", curves, values, {1.0: "1 %", 10.0: "10 %", 100.0: "100 %"}, ("stone24", "supervised")
    )
    drawing = growth_drawing([panel], "Labels", "MIREX, %", "share")
    assert (
        drawing.description
        == "Ours: Semi-TONE 1 %: 50.0 %, Semi-TONE 100 %: 70.0 %, 24-STONE, ω = 7: 45.0 %."
    )
    assert COLOURS["semitone"] in drawing.svg and COLOURS["stone24"] in drawing.svg
    assert COLOURS["suptone"] not in drawing.svg


def test_a_panel_without_any_value_is_drawn_empty() -> None:
    panel = Panel("Ours", {"S-KEY": {1.0: "skey-1"}}, {}, {1.0: "1 %"})
    assert "nothing computed" in growth_drawing([panel], "Data", "MIREX, %", "clips").description


def test_figure_3_has_the_papers_curves_beside_ours() -> None:
    said = supervision_drawing(made_up("figure-3-supervision", {"semitone-10": KEYS})).description
    assert "Semi-TONE 10 %: 65.9 %, Semi-TONE 100 %: 68.8 %, Sup-TONE 1 %: 47.2 %" in said
    assert "Ours: The open corpus: Semi-TONE 10 %: 100.0 %." in said


def test_the_curve_of_s_key_has_the_papers_two_amounts_of_data() -> None:
    said = data_drawing(made_up("skey-data", {"skey-1": KEYS, "skey": KEYS})).description
    assert "S-KEY 60 k: 72.1 %, S-KEY 1 M: 73.2 %" in said
    assert "S-KEY 1 %: 100.0 %, S-KEY 100 %: 100.0 %" in said


def test_systems_without_a_score_have_no_value() -> None:
    assert set(our_values(score_predictions(TABLE), "mirex")) == {"always-c-major", "krumhansl", "stone24"}


# The scoreboard


@pytest.fixture(scope="module")
def every() -> list[Experiment]:
    return [recorded(name) for name in recorded_experiments(ROOT / RESULTS)]


def test_the_scoreboard_has_every_claim_and_every_experiment_in_the_papers_order(
    every: list[Experiment],
) -> None:
    names = [each.name for each in in_order(every)]
    assert names[: len(EVALUATIONS)] == list(EVALUATIONS)
    page = scoreboard(every)
    assert all(claim.text in page for claim in claims())
    assert [page.index(f"### [](notebooks/{name}.ipynb)") for name in names] == sorted(
        page.index(f"### [](notebooks/{name}.ipynb)") for name in names
    )
    for name in names:
        for ending in ("ipynb", "json", "csv"):
            assert f"{name}.{ending}>`" in page


def test_check_and_reproduce_print_the_verdicts_of_the_scoreboard(every: list[Experiment]) -> None:
    verdicts = verdict_lines(judge_all(every))
    assert len(verdicts) == len(claims())
    printed = scoreboard_lines(every)
    assert printed[1 : 1 + len(verdicts)] == verdicts
    shown = CliRunner().invoke(main, ["check"], catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    assert [line for line in shown.output.splitlines() if line in verdicts] == verdicts
    page = scoreboard(every)
    for judgement in judge_all(every):
        assert page.count(f"**{judgement.verdict}**") >= 1


def test_in_a_terminal_every_score_has_one_short_line(every: list[Experiment]) -> None:
    lines = scoreboard_lines(every)
    scores = lines[lines.index("Scores, % [95 % interval]") + 1 :]
    assert len({line.split("[")[0][:38] for line in scores}) == len(scores)
    assert max(map(len, lines)) <= 100
    assert any(line.split()[:2] == ["MIREX", "krumhansl"] and line.endswith("n = 240") for line in scores)
