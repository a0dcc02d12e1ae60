"""What the README shows works: its snippets run, its table is that of the record, its files exist."""

import re
import shlex

import pytest
import soundfile
from click.testing import CliRunner, Result
from made_up import ROOT
from sounds import cadence

from companion.answers import evaluate
from companion.pages.readme import with_results
from companion.record import RESULTS
from companion.studies.excerpts import recorded_excerpts
from companion.systems import T3
from skey.audio import SAMPLE_RATE
from skey.cli import main
from skey.keys import KEYS

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [line for language, text in BLOCKS if not language for line in text.splitlines()]
SKEY = [line for line in COMMANDS if line.startswith("skey ")]


@pytest.fixture
def songs(tmp_path, monkeypatch):
    """A folder in which the README's names exist: one song, one folder of music, no imported weights."""
    (tmp_path / "music").mkdir()
    for name in ("song.flac", "music/first.flac", "music/second.wav"):
        soundfile.write(tmp_path / name, cadence(KEYS[0]), SAMPLE_RATE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKEY_DATA", str(tmp_path / "data"))
    return tmp_path


def run(line: str) -> Result:
    return CliRunner().invoke(main, shlex.split(line)[1:])


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_the_python_of_the_readme_runs(code, songs, capsys):
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "C major" in printed


@pytest.mark.parametrize("line", [line for line in SKEY if "detect" in line and "--weights" not in line])
def test_the_detect_commands_of_the_readme_run(line, songs):
    before = {path: path.read_bytes() for path in songs.rglob("*.*") if path.is_file()}
    ran = run(line)
    assert ran.exit_code == 0, ran.stderr
    written = (songs / "keys.csv").read_text() if "-o" in line else ran.stdout + ran.stderr
    assert "C major" in written or "8B" in written
    assert all(path.read_bytes() == content for path, content in before.items())


def test_the_import_of_the_readme_gives_the_authors_answer(shared, songs):
    (songs / "skey.pt").write_bytes((shared / "parity" / "released" / "skey.pt").read_bytes())
    answers = [run(line) for line in SKEY if "skey.pt" in line or "released-skey" in line]
    assert [ran.exit_code for ran in answers] == [0, 0], answers
    assert "C major" in answers[-1].stdout


def test_the_readme_fits_on_120_lines():
    assert len(README.splitlines()) <= 120


def test_the_table_of_the_readme_is_that_of_the_record():
    excerpts = recorded_excerpts(ROOT / RESULTS)
    assert with_results(README, evaluate(T3), excerpts) == README, "run: python -m companion.pages.readme"


def test_the_files_and_notebooks_that_the_readme_names_exist():
    links = re.findall(r"\]\(([^)]+)\)", README)
    notebooks = [line.split()[1] for line in COMMANDS if line.startswith("papermill")]
    assert len(links) >= 3 and notebooks
    assert all((ROOT / name).is_file() for name in (*links, *notebooks))
