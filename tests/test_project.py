"""The house keeps its own rules: small functions, imports downwards, documentation, one version, one lock."""

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from skey import __version__

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "skey").rglob("*.py"))
FLOORS = {
    1: "errors keys notation metrics bootstrap confusion audio decoding ffmpeg folders id3",
    2: "filters vqt spectrum architecture outputs model supervised networks inference templates losses"
    " calibration baselines weights export tonality confidence threads",
    3: "estimate estimator listeners tags reports journal datasets corpus experiments training bench"
    " results record claims paper plots kernels notebooks book systems observations alignment hearing"
    " profile_plots collapse evaluation_plots"
    " robustness robustness_plots reliability reliability_plots disagreement"
    " curve_plots differences difference_plots recordings"
    " pretext pseudo_labels transform rotation method_plots circle_plots",
    4: "cli __main__",
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names.split()}
HEAVY = {"torch", "music21", "matplotlib", "pandas", "nnAudio", "scipy", "lightning"}


def module_name(file: Path) -> str:
    """`skey/corpus/plan.py` belongs to the module `corpus`."""
    return file.relative_to(ROOT / "skey").with_suffix("").parts[0]


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its decorators and its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "skey")


def test_functions_are_small() -> None:
    sizes = sorted(code_lines(f) for file in SOURCES for f in functions(ast.parse(file.read_text("utf-8"))))
    assert statistics.median(sizes) <= 8
    assert sizes[int(0.9 * len(sizes))] <= 30
    assert sizes[-1] <= 50


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_downwards(file: Path) -> None:
    own = 0 if file == ROOT / "skey" / "__init__.py" else FLOOR_OF.get(module_name(file))
    assert own is not None, f"{file.name} stands on no floor: add it to FLOORS"
    for name in imported_modules(ast.parse(file.read_text("utf-8"))):
        if name.startswith("skey."):
            other = FLOOR_OF[name.split(".")[1]] if name != "skey.__version__" else 0
            assert other <= own, f"{file.relative_to(ROOT)} (floor {own}) imports {name} (floor {other})"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_public_function_is_documented_and_annotated(file: Path) -> None:
    for function in functions(ast.parse(file.read_text("utf-8"))):
        if function.name.startswith("_"):
            continue
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        where = f"{file.relative_to(ROOT)}:{function.lineno} {function.name}"
        assert not bare and function.returns is not None, f"{where}: not annotated"
        assert ast.get_docstring(function), f"{where}: not documented"


def test_the_command_line_starts_without_heavy_packages() -> None:
    code = "import sys, skey.cli; skey.cli.main(['--help'], standalone_mode=False); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(shown.stdout.split())


def test_the_environment_file_names_no_package_itself() -> None:
    dependencies = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    names = [entry.split("=")[0] for entry in dependencies if isinstance(entry, str)]
    assert names == ["python", "pip"]
    assert dependencies[-1]["pip"] == ["-c requirements.lock", "-e .[book,test]"]


def test_the_lock_pins_every_dependency_exactly() -> None:
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lock)
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lock}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    wanted += [name for extra in project["project"]["optional-dependencies"].values() for name in extra]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[<>=!\[ ]", name)[0]).lower() for name in wanted}
    assert names <= pinned


def test_the_version_is_the_same_in_the_citation() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert [reference["year"] for reference in citation["references"]] == [2024, 2025]


def test_the_readme_fits_on_120_lines() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120


def test_run_py_alone_says_what_it_can_do() -> None:
    shown = subprocess.run([sys.executable, ROOT / "run.py"], capture_output=True, text=True, check=True)
    assert all(f"python3 run.py {name}" in shown.stdout for name in ("reproduce", "test", "book"))


def test_run_py_needs_only_the_standard_library() -> None:
    tree = ast.parse((ROOT / "run.py").read_text("utf-8"))
    assert {name.split(".")[0] for name in imported_modules(tree)} <= sys.stdlib_module_names
