"""Notebooks: kept without outputs, run with their own parameters and with no other, the same bytes."""

import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import nbformat
import pytest
from made_up import ROOT
from test_datasets import LAYOUTS

from companion.answers import read_record
from companion.notebooks import (
    EXECUTED,
    FOLDER,
    RUNS,
    NotebookError,
    default_parameters,
    notebook_names,
    read_notebook,
    read_runs,
    run_notebooks,
)
from companion.parameters import ParameterError, Parameters, refuse_outside
from companion.sentences import printed_text
from companion.systems import T3

NAMES = notebook_names(ROOT)
EXPERIMENTS = [name for name in NAMES if "dataset" in default_parameters(ROOT / FOLDER / f"{name}.ipynb")]


def source(name: str) -> Path:
    return ROOT / FOLDER / f"{name}.ipynb"


def write_notebook(checkout: Path, *cells: str, name: str = "made-up") -> Path:
    """A notebook whose first cell holds its parameters, in a checkout of its own."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.cells[0].metadata["tags"] = ["parameters"]
    notebook.metadata["language_info"] = {"name": "python"}
    (checkout / FOLDER).mkdir(exist_ok=True)
    path = checkout / FOLDER / f"{name}.ipynb"
    path.write_text(nbformat.writes(notebook))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_kept_without_outputs_and_without_traces_of_a_run(name):
    notebook = read_notebook(source(name))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert [cell.id for cell in notebook.cells] == [f"cell-{place}" for place in range(len(notebook.cells))]
    assert "papermill" not in notebook.metadata


@pytest.mark.parametrize("name", NAMES)
def test_the_code_that_a_reader_sees_fits_the_page(name):
    hidden = {"remove-input", "remove-cell", "hide-input", "hide-cell"}
    cells = [cell for cell in read_notebook(source(name)).cells if cell.cell_type == "code"]
    shown = [cell.source for cell in cells if not hidden & set(cell.metadata.get("tags", []))]
    too_wide = [line for code in shown for line in code.splitlines() if len(line) > 79]
    assert shown and not too_wide


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_can_compute_anew_below_another_folder(name):
    known = default_parameters(source(name))
    assert known.get("recompute", False) is False
    assert "output" in known or "recompute" not in known


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_parameters_of_an_experiment_are_the_fields_and_the_defaults_of_parameters(name):
    assert default_parameters(source(name)) == asdict(Parameters())


@pytest.mark.parametrize("name", NAMES)
def test_unknown_parameters_are_refused_in_the_cell_after_that_which_papermill_sets(name):
    """Elsewhere the last cell but one is another, and nothing is refused."""
    cells = [cell.source for cell in read_notebook(source(name)).cells if cell.cell_type == "code"]
    assert "refuse_unknown(In" in cells[1] or "notebook_parameters(\n    In" in cells[1]


@pytest.mark.parametrize(
    ("values", "given", "said"),
    [
        (range(240), {"number": 999}, "number=999: expected 0 to 239"),
        (range(240), {"number": True}, "number=True: expected 0 to 239"),
        ([1, 2], {"players": "abc"}, "players='abc': expected 1 or 2"),
        ([False, True], {"measure": "abc"}, "measure='abc': expected False or True"),
    ],
)
def test_a_parameter_of_one_notebook_alone_is_refused_under_its_name(values, given, said):
    with pytest.raises(ParameterError, match=re.escape(said)):
        refuse_outside(values, **given)
    refuse_outside(values, **dict.fromkeys(given, values[-1]))


def test_every_command_line_that_is_refused_names_the_parameter(tmp_path):
    command = [sys.executable, "-m", "papermill", source(EXPERIMENTS[0]), tmp_path / "refused.ipynb"]
    done = subprocess.run([*command, "-p", "limti", "48"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "ParameterError: unknown parameter limti: this notebook knows dataset, root, limit" in done.stderr


@pytest.mark.parametrize(("name", "dataset"), [*((name, "folder") for name in EXPERIMENTS), (T3, "fmakv2")])
def test_papermill_runs_an_experiment_on_a_folder_of_ones_own_and_on_fmakv2(execute, name, dataset, tmp_path):
    keys = LAYOUTS[dataset](tmp_path / "songs")
    execute(name, dataset=dataset, root=str(tmp_path / "songs"), output=str(tmp_path))
    record = read_record(tmp_path)
    assert record.data["name"] == dataset
    assert list(map(str, record.answers["reference"])) == keys
    assert record.data["title"] in printed_text(tmp_path / source(name).name)


def test_a_wrong_root_says_which_file_is_missing_and_where_to_get_it(execute, tmp_path):
    with pytest.raises(NotebookError, match=r"MissingData: .*fmakv2\.csv.*https://zenodo\.org"):
        execute(T3, dataset="fmakv2", root=str(tmp_path))


def test_a_second_run_changes_no_byte(tmp_path):
    write_notebook(tmp_path, "n = 0", "print(n)")
    run_notebooks(tmp_path, {"made-up": {"n": 7}})
    executed = tmp_path / EXECUTED / "made-up.ipynb"
    before = executed.read_bytes(), executed.stat().st_mtime_ns
    (run,) = run_notebooks(tmp_path, {"made-up": {"n": 7}})
    assert (executed.read_bytes(), executed.stat().st_mtime_ns) == before
    assert read_runs(tmp_path) == {"made-up": run} and run.parameters == {"n": 7}
    assert str(tmp_path) not in executed.read_text()
    injected = read_notebook(executed).cells[1]
    assert injected.source.startswith("# Parameters") and "remove-input" in injected.metadata.tags


def test_notebooks_share_a_process_but_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    tell = "import os; print('secret' in globals(), 'process', os.getpid()); secret = n"
    for name in ("one", "two"):
        write_notebook(tmp_path, "n = 0", tell, name=name)
    run_notebooks(tmp_path, {"one": {}, "two": {}})
    shown = [read_notebook(tmp_path / EXECUTED / f"{name}.ipynb").cells[-1] for name in ("one", "two")]
    assert shown[0].outputs[0].text == shown[1].outputs[0].text
    assert shown[0].outputs[0].text.startswith("False process")
    assert [cell.execution_count for cell in shown] == [2, 2]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("x = 1\n1 / n", r"one\.ipynb, cell 2 \(In \[3\], 'x = 1'\):\nZeroDivisionError"),
        ("import os; os._exit(1)", r"one\.ipynb: its process ended"),
    ],
)
def test_what_fails_names_its_cell_and_takes_no_other_notebook_with_it(cell, told, tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    write_notebook(tmp_path, "n = 0", "1 / 1", cell, name="one")
    write_notebook(tmp_path, "n = 0", "print(n)", name="two")
    with pytest.raises(NotebookError, match=told):
        run_notebooks(tmp_path, {"one": {}, "two": {}})
    assert not (tmp_path / EXECUTED / "one.ipynb").exists()
    assert read_runs(tmp_path).keys() == {"two"}
    (tmp_path / FOLDER / "two.ipynb").unlink()
    assert read_runs(tmp_path) == {}, "a notebook that is gone has no run"


def test_a_run_that_is_not_for_the_book_leaves_it_alone(tmp_path):
    write_notebook(tmp_path, "n = 0", "print(n)")
    run_notebooks(tmp_path, {"made-up": {"n": 7}}, publish=False)
    assert not (tmp_path / EXECUTED).exists() and not (tmp_path / RUNS).exists()


@pytest.mark.parametrize("cell", ["n = 2 * 3", "import os", "n, m = 1, 2", "print(n)"])
def test_parameters_are_literals_in_one_tagged_cell(cell, tmp_path):
    path = write_notebook(tmp_path, cell)
    with pytest.raises(NotebookError, match="NAME = LITERAL"):
        default_parameters(path)
    path.write_text(path.read_text().replace('"parameters"', '"other"'))
    with pytest.raises(NotebookError, match="0 cells tagged"):
        default_parameters(path)
