"""Continuous integration: what it runs, here and on a public host, is what the README says."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from companion.__main__ import COMMANDS
from companion.build import INDEX
from companion.check import check_answers
from companion.notebooks import FOLDER, default_parameters, notebook_names
from companion.record import RESULTS
from companion.run import SMOKE_CLIPS
from companion.systems import systems
from skey.corpus.build import build, corpus_folder

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
WORKFLOWS: dict[str, dict[Any, Any]] = {
    path.stem: yaml.safe_load(path.read_text("utf-8"))
    for path in (ROOT / ".github" / "workflows").glob("*.yml")
}
SUBSET = 8
"""How many test clips are computed again, from the notes on."""


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"]]


def commands(name: str) -> list[str]:
    return [step["run"] for step in steps(name) if "run" in step]


def ci_commands() -> list[str]:
    """The commands of ``.ci/run`` that reach the project."""
    return [line for line in CI.splitlines() if line.startswith("python3 run.py")]


# Here


def test_continuous_integration_runs_what_the_readme_tells_to_run():
    assert ci_commands() == ["python3 run.py reproduce --smoke", "python3 run.py test"]
    assert all(line.removesuffix(" --smoke") in README for line in ci_commands())
    assert all(line.split()[2] in COMMANDS for line in ci_commands())


@pytest.mark.parametrize("name", notebook_names(ROOT))
def test_every_notebook_can_compute_anew_below_another_folder(name):
    known = default_parameters(ROOT / FOLDER / f"{name}.ipynb")
    assert known.get("recompute", False) is False
    assert "output" in known or "recompute" not in known


def test_the_first_clips_give_the_recorded_answers_again_with_the_shipped_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("SKEY_DATA", str(tmp_path))
    build("test", clips=SUBSET, jobs=1)
    assert corpus_folder("test").is_relative_to(tmp_path) and SUBSET < SMOKE_CLIPS
    assert list(check_answers(ROOT / RESULTS, systems(), clips=SUBSET)) == []


# On a public host


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_and_only_the_publisher_may_write(name):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    jobs = WORKFLOWS[name]["jobs"].items()
    writers = {job: content["permissions"] for job, content in jobs if "permissions" in content}
    assert writers == ({"publish": {"pages": "write", "id-token": "write"}} if name == "pages" else {})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_of_one_publisher_and_pinned_to_a_major_version(name):
    used = [step["uses"] for step in steps(name) if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[a-z-]+@v\d+", each) for each in used)


def test_changes_are_tested_on_every_python_and_system_that_is_promised():
    found = WORKFLOWS["tests"]["jobs"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    promised = [each.rsplit(" ", 1)[1] for each in project["classifiers"] if ":: Python :: 3." in each]
    assert found["linux"]["strategy"]["matrix"]["python"] == promised
    assert f"{promised[0]} to {promised[-1]}" in README
    assert found["others"]["strategy"]["matrix"]["system"] == ["macos-latest", "windows-latest"]
    assert commands("tests") == [".ci/run", "python run.py test"]


def test_each_week_the_same_is_run_without_the_lock():
    install, listing, *rest = commands("weekly")
    assert "--upgrade-strategy eager" in install and "requirements.lock" not in install
    assert listing == "python -m pip list"
    assert [f"python3 run.py {line.removeprefix('python -m companion ')}" for line in rest] == ci_commands()


def test_a_release_publishes_the_book_that_the_readme_builds():
    assert commands("pages") == ["python3 run.py book"] and "`python3 run.py book`" in README
    (upload,) = [step for step in steps("pages") if "upload-pages" in step.get("uses", "")]
    assert upload["with"]["path"] == INDEX.parent.as_posix()
