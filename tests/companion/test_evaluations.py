"""Tables and figures of the papers: each has its notebook, record and page, and shows what it says."""

from itertools import pairwise

import pytest
from click.testing import CliRunner
from made_up import ROOT, evaluation

from companion.__main__ import main
from companion.answers import evaluate
from companion.claims import examples_seen, scoreboard, scoreboard_lines
from companion.notebooks import FOLDER, read_notebook
from companion.pages.comparison import collections_table, comparison_table, why_below
from companion.pages.tables import sources_line
from companion.paper import claims, label, paper_tables, papers_numbers
from companion.record import RESULTS
from companion.systems import T1, T2, T3, TABLES, systems_of
from skey.keys import KEYS

IN_THE_PAPERS = [*(f"Table {n}" for n in (1, 2, 3)), *(f"Figure {n}" for n in (1, 2, 3, 4)), "S-KEY's table"]


def titles() -> dict[str, str]:
    """Notebook → its first heading."""
    notebooks = (ROOT / FOLDER).glob("*.ipynb")
    return {path.stem: read_notebook(path).cells[0].source.splitlines()[0].lstrip("# ") for path in notebooks}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_a_notebook_of_its_title(name):
    assert titles()[name] == TABLES[name].title


@pytest.mark.parametrize("item", IN_THE_PAPERS)
def test_each_table_and_figure_of_the_papers_is_found_by_its_name(item):
    (name,) = [name for name, title in titles().items() if title == item or title.startswith(f"{item}:")]
    assert name in TABLES or list((ROOT / RESULTS / "observations").glob(f"{name}.*"))


def test_every_row_of_the_papers_tables_is_a_system_that_is_asked_beside_it():
    first = {table.papers[0]: name for name, table in TABLES.items() if table.papers}
    for name, table in paper_tables().items():
        assert set(table.systems) <= set(systems_of(first[name]))


@pytest.mark.parametrize("name", [T1, T2, T3])
def test_below_each_row_of_the_paper_stands_ours(name):
    rows = comparison_table(evaluate(name)).splitlines()[2:]
    for above, below in pairwise(rows):
        if "*paper:" in above:
            assert "*ours:" in below and above.split("<br>")[0] == below.split("<br>")[0]
    papers = [line for line in rows if "*paper:" in line]
    assert len(papers) >= len(paper_tables()[TABLES[name].papers[0]].systems)


def test_a_row_has_shares_and_counts_and_a_system_that_only_the_paper_has_is_said_to_be_not_computed():
    text = comparison_table(evaluation(T2, {"stone": [key.signature for key in KEYS]}))
    assert "| 19.1<br>*1,049* | 23.1<br>*1,267* | 57.8<br>*3,173* | 31 |" in text
    assert "| STONE ω = 7<br>*ours: The open corpus, n = 24* | 100.0 | 0.0 | 0.0 |" in text
    assert text.count("*ours: not computed here* | – | – | – | – |") == 3


def test_s_keys_table_has_the_papers_collections_with_their_marks_and_ours():
    rows = collections_table(evaluate("skey-table")).splitlines()
    assert rows[0].endswith(
        "| FMAKv2 | GTZAN | GiantSteps | Schubert Winterreise | ours: The open corpus, n = 240 |"
    )
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows[2:]]
    named = {first.split("<br>")[0]: others for first, *others in cells}
    assert named["S-KEY, 1 M tracks"] == ["73.2 (Q2)", "74.4 (Q2)", "72.1 (Q2)", "90.4 (Q2)", "–"]
    assert named["S-KEY, 60 k tracks"][:2] == ["72.1 (Q1)", "–"]
    assert named["S-KEY"][:4] == ["–"] * 4
    assert named["S-KEY as released"][:4] == ["–", "–", "72.1 (Q1)", "–"]
    assert named["Template matching (Krumhansl)"][0] == "53.4"
    assert not any("far below" in first for first, *_ in cells)


def test_a_score_far_below_the_papers_says_what_the_network_saw_and_whether_it_learnt_the_mode():
    table = evaluate("table-3-key-and-mode")
    reason = why_below(table, "stone24", "mirex", papers_numbers("mirex")["skey-1m"].percent)
    assert f"far below: saw {examples_seen('stone24'):,} examples" in reason and "mode not learnt" in reason
    assert why_below(table, "stone24", "mirex", papers_numbers("mirex")["stone24"].percent) == ""


def test_below_a_table_stands_what_was_asked_for_and_not_computed():
    line = sources_line(evaluation("skey-table", {"krumhansl": KEYS, "skey": KEYS}))
    absent = [label(name) for name in systems_of("skey-table") if name not in ("krumhansl", "skey")]
    assert line.endswith(f"· not computed here: {', '.join(absent)}")
    everything = dict.fromkeys(systems_of("skey-table"), KEYS)
    assert "not computed here" not in sources_line(evaluation("skey-table", everything))


@pytest.fixture(scope="module")
def every():
    return [evaluate(name) for name in TABLES]


def test_the_scoreboard_has_every_claim_and_every_experiment_in_the_papers_order(every):
    page = scoreboard(every)
    assert all(claim.text in page for claim in claims())
    tested = [name for name in TABLES if any(claim.experiment == name for claim in claims())]
    places = [page.index(f'href="notebooks/{name}.html"') for name in tested]
    assert places == sorted(places)
    for claim in claims():
        assert f'href="#{claim.id}"' in page and f'id="{claim.id}"' in page


def test_check_and_reproduce_print_the_verdicts_of_the_scoreboard(every):
    page, lines = scoreboard(every), scoreboard_lines(every)
    verdicts = lines[1 : 1 + len(claims())]
    assert [line.split()[0] for line in verdicts] == [claim.id for claim in claims()]
    shown = CliRunner().invoke(main, ["check"], catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    assert [line for line in shown.output.splitlines() if line in verdicts] == verdicts
    assert all(f"**{line.rsplit('  ', 1)[1]}**" in page for line in verdicts)


def test_in_a_terminal_every_score_has_one_short_line(every):
    lines = scoreboard_lines(every)
    scores = lines[lines.index("Scores, % [95 % interval]") + 1 :]
    assert len({line.split("[")[0][:38] for line in scores}) == len(scores)
    assert max(map(len, lines)) <= 100
    assert any(line.split()[:2] == ["MIREX", "krumhansl"] and line.endswith("n = 240") for line in scores)
