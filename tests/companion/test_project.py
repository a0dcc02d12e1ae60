"""The house keeps its own rules: imports downwards, one version, one lock, tests where the README says."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import pytest
import yaml
from made_up import ROOT

from companion.__main__ import COMMANDS
from skey import __version__

README = (ROOT / "README.md").read_text("utf-8")
MAY_IMPORT = {
    "music": "",
    "inference": "music",
    "networks": "music inference",
    "weights": "music inference networks",
    "estimator": "music inference weights",
    "corpus": "music inference networks",
    "training": "music inference networks weights estimator corpus",
    "cli": "music inference networks weights estimator corpus training",
}
"""Each part of the library, and on which others it stands."""
PART_OF = {
    **dict.fromkeys(["errors", "keys", "metrics", "shapes", "audio", "files"], "music"),
    "listeners": "estimator",
    "__main__": "cli",
}
"""Modules at the top of the library; the others are networks, and a folder is a part of its own name."""


def part_of(module: str) -> str:
    """`skey.corpus.plan` belongs to the corpus."""
    name = module.split(".")[1]
    return PART_OF.get(name, name if name in MAY_IMPORT else "networks")


def imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module == "skey")


def test_imports_point_one_way():
    for file in sorted((ROOT / "skey").rglob("*.py")):
        if file == ROOT / "skey" / "__init__.py":
            continue
        names = set(imported_modules(ast.parse(file.read_text("utf-8"))))
        assert not {name for name in names if name.split(".")[0] == "companion"}, file
        own = part_of(".".join(file.relative_to(ROOT).with_suffix("").parts))
        for name in names:
            if name.startswith("skey.") and name != "skey.__version__":
                other = part_of(name)
                allowed = (own, *MAY_IMPORT[own].split())
                assert other in allowed, f"{file.relative_to(ROOT)} ({own}) imports {name} ({other})"


def test_the_lock_pins_every_dependency_exactly():
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lock)
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lock}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    wanted += [name for extra in project["project"]["optional-dependencies"].values() for name in extra]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[<>=!\[ ]", name)[0]).lower() for name in wanted}
    assert names - {"skey-companion"} <= pinned


def test_continuous_integration_runs_what_the_readme_tells_to_run():
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    commands = [line for line in lines if line.startswith("python3 run.py")]
    assert commands == ["python3 run.py reproduce --smoke", "python3 run.py test"]
    assert all(line.removesuffix(" --smoke") in README and line.split()[2] in COMMANDS for line in commands)


def test_changes_are_tested_on_every_python_that_is_promised():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    promised = [each.rsplit(" ", 1)[1] for each in project["classifiers"] if ":: Python :: 3." in each]
    assert workflow["jobs"]["linux"]["strategy"]["matrix"]["python"] == promised
    assert f"{promised[0]} to {promised[-1]}" in README


@pytest.mark.parametrize(
    "workflow", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda p: p.stem
)
def test_a_workflow_may_only_read_and_its_actions_are_pinned(workflow):
    content = yaml.safe_load(workflow.read_text("utf-8"))
    assert content["permissions"] == {"contents": "read"}
    writers = {name for name, job in content["jobs"].items() if "permissions" in job}
    assert writers == ({"publish"} if workflow.stem == "pages" else set())
    used = [step["uses"] for job in content["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[a-z-]+@v\d+", each) for each in used)


def test_the_version_is_the_same_in_the_citation():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == __version__
    assert [reference["year"] for reference in citation["references"]] == [2024, 2025]


def test_run_py_alone_says_what_it_can_do():
    shown = subprocess.run([sys.executable, ROOT / "run.py"], capture_output=True, text=True, check=True)
    assert all(f"python3 run.py {name}" in shown.stdout for name in ("reproduce", "test", "book"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE")
def test_run_py_ends_in_silence_where_nobody_reads_on():
    shown = subprocess.run(f"'{sys.executable}' '{ROOT / 'run.py'}' | true", shell=True, capture_output=True)
    assert shown.stderr == b""


@pytest.fixture
def clone(tmp_path):
    """As much of the checkout as `run.py` needs."""
    for name in ("run.py", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run_python(folder, *arguments):
    """What the same Python, started in a folder, did and printed."""
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True)


@pytest.mark.skipif(os.name == "nt", reason="needs a shell script in place of Python")
def test_run_py_becomes_the_command_where_it_was_called(clone):
    elsewhere, inside = clone / "elsewhere", clone / ".venv/bin/python"
    for folder in (elsewhere, inside.parent):
        folder.mkdir(parents=True)
    inside.write_text('#!/bin/sh\necho $$ "$PWD" "$*"\n')
    inside.chmod(0o755)
    assert not run_python(clone, "-c", "import run; run.STAMP.write_text(run.fingerprint())").returncode
    # The same process: Ctrl-C and `kill` reach the command, which ends in its own time.
    run_py = f"runpy.run_path({str(clone / 'run.py')!r}, run_name='__main__')"
    code = f"import os, runpy; print(os.getpid(), flush=True); {run_py}"
    mine, its, said = run_python(elsewhere, "-c", code, "detect", "song.wav").stdout.split(maxsplit=2)
    assert its == mine and said == f"{elsewhere.resolve()} -m companion detect song.wav\n"
    clone.rename(copy := clone.with_name(f"{clone.name} moved"))
    stale = "import run; assert not run.is_prepared(), 'it names the old folder'"
    assert not run_python(copy, "-c", stale).returncode


def test_run_py_leaves_an_environment_alone_that_it_did_not_make(clone):
    (clone / ".venv").mkdir()
    (clone / ".venv/theirs").touch()
    done = run_python(clone, "run.py", "test")
    assert done.returncode == 1 and "run.py did not make" in done.stderr
    assert [file.name for file in (clone / ".venv").iterdir()] == ["theirs"]


def test_run_py_makes_no_environment_anew_that_runs_it(clone):
    (clone / ".venv").mkdir()
    (clone / ".venv/skey-companion.stamp").write_text("of an older lock")
    code = "import run, sys; sys.prefix = str(run.VENV); run.prepare_environment()"
    done = run_python(clone, "-c", code)
    assert done.returncode == 1 and "call `deactivate` first" in done.stderr
    assert (clone / ".venv/skey-companion.stamp").is_file()


def test_a_second_run_py_does_not_disturb_an_installation(clone):
    again = "subprocess.run([sys.executable, 'run.py', 'test']).returncode"
    code = f"import run, subprocess, sys; f = open('.venv.lock', 'w'); run.lock(f); sys.exit({again})"
    done = run_python(clone, "-c", code)
    assert done.returncode == 1 and "Another run.py is installing here" in done.stderr
    assert not (clone / ".venv").exists()


def test_the_companion_too_writes_utf_8_whatever_the_locale_is():
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "companion", "systems"]
    shown = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert "24-STONE ω = 1" in shown.stdout.decode()


def test_run_py_needs_only_the_standard_library():
    tree = ast.parse((ROOT / "run.py").read_text("utf-8"))
    assert {name.split(".")[0] for name in imported_modules(tree)} <= sys.stdlib_module_names


def test_no_file_of_the_repository_is_large_or_a_package_of_others():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert [file.name for file in files if file.stat().st_size > 2e6 or file.suffix == ".whl"] == []
