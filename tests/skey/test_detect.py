"""``skey detect``: results alone on stdout, in every format, one by one or continued."""

import csv
import json
import os
import subprocess
import sys
from io import StringIO
from unittest.mock import Mock

import numpy as np
import pandas
import pytest
import soundfile
from click.testing import CliRunner
from sounds import cadence, noise
from test_decoding import claiming
from test_tags import save_fields

from skey import weights as library
from skey.cli import main
from skey.cli.journal import locked
from skey.cli.reports import Format
from skey.estimator import KeyEstimator
from skey.keys import KEYS, Key, Notation, format_key, parse_key

RATE = 22_050


def song(tonic, seconds=4.0):
    """A cadence in a major key, a second a chord."""
    return cadence(Key(tonic, "major"), seconds, beat=1.0)


@pytest.fixture(autouse=True)
def only_the_template_ships(monkeypatch, tmp_path):
    """These tests are of the command; the template answers them, whatever ships one day."""
    monkeypatch.setattr(library, "SHIPPED", tmp_path / "nothing")


@pytest.fixture
def folder(tmp_path):
    """C major, D major and noise, in two folders and three formats, beside what is no sound."""
    music = tmp_path / "music"
    (music / "more").mkdir(parents=True)
    soundfile.write(music / "a.wav", song(0), RATE)
    soundfile.write(music / "more" / "b.FLAC", song(2), RATE, format="FLAC")
    soundfile.write(music / "noise.ogg", noise(5), RATE)
    (music / "cover.jpg").write_bytes(b"no sound")
    (music / ".hidden.wav").write_bytes(b"no sound")
    return music


def detect(*arguments):
    return CliRunner().invoke(main, ["detect", *map(str, arguments)])


def test_text_holds_key_confidence_and_path_and_nothing_else(folder):
    ran = detect("-r", folder)
    rows = [line.split("\t") for line in ran.stdout.splitlines()]
    assert [(row[0], row[2]) for row in rows] == [
        ("C major", str(folder / "a.wav")),
        ("-", str(folder / "noise.ogg")),
        ("D major", str(folder / "more" / "b.FLAC")),
    ]
    assert "noise.ogg: no key: no tonality" in ran.stderr
    assert ran.exit_code == 0


def test_weights_that_ship_for_a_table_are_never_used_silently(folder, monkeypatch):
    monkeypatch.undo()
    for name, said in (("skey", True), ("semitone-open", False)):
        ran = detect(folder / "a.wav", "--weights", name)
        assert ("ships for the papers' tables; the weights for use are semitone-open" in ran.stderr) == said


def test_command_and_library_give_the_same_numbers(folder):
    ran = detect(folder / "a.wav", "--format", "jsonl", "--segments")
    record = json.loads(ran.stdout)
    estimate = KeyEstimator().estimate(folder / "a.wav")
    assert record["key"] == str(estimate.key)
    assert record["runner_up"] == str(estimate.runner_up)
    assert record["confidence"] == pytest.approx(estimate.confidence, abs=1e-4)
    assert record["tuning_cents"] == pytest.approx(estimate.tuning_cents, abs=0.1)
    assert list(record["probabilities"]) == [str(key) for key in KEYS]
    np.testing.assert_allclose(list(record["probabilities"].values()), estimate.probabilities, atol=1e-5)
    assert [(s["start"], s["end"], s["key"]) for s in record["segments"]] == [(0, 4, "C major")]


def test_what_is_too_uncertain_has_no_key_and_in_lab_no_line(folder):
    options = ("--segments", "--min-confidence", "0.99")
    ran = detect(folder / "a.wav", "--min-confidence", "1")
    assert ran.stdout.startswith("-\t0.00\t") and "too uncertain" in ran.stderr and ran.exit_code == 0
    [row] = csv.DictReader(StringIO(detect(folder / "a.wav", "--format", "csv", *options).stdout))
    assert (row["end"], row["key"], row["confidence"]) == ("4.0", "", "0.0")
    assert detect("-r", folder, "--format", "lab", *options).stdout == ""
    assert detect("-r", folder, "--format", "lab").stdout.count("\n") == 2


def test_csv_has_one_row_a_file_or_with_segments_one_a_segment(folder):
    rows, parts = (
        list(csv.DictReader(StringIO(detect("-r", folder, "--format", "csv", *more).stdout)))
        for more in ([], ["--segments"])
    )
    assert sorted((row["key"], row["reason"][:11]) for row in rows) == [
        ("", "no tonality"),
        ("C major", ""),
        ("D major", ""),
    ]
    assert {(row["start"], row["end"], row["key"]) for row in parts} == {
        ("0.0", "4.0", "C major"),
        ("0.0", "4.0", "D major"),
        ("0.0", "5.0", ""),
    }


def test_json_is_one_array(folder):
    assert len(json.loads(detect("-r", folder, "--format", "json").stdout)) == 3
    assert json.loads(detect(folder / "missing.wav", "--format", "json").stdout) == []


@pytest.mark.parametrize("notation", list(Notation))
def test_keys_are_written_in_any_notation(folder, notation):
    ran = detect(folder / "a.wav", "--notation", notation.value)
    assert ran.stdout.split("\t")[0] == format_key(parse_key("C major"), notation)


def test_one_bad_file_is_reported_and_the_rest_goes_on(folder):
    (folder / "b.wav").write_text("words")
    long = folder / f"{'x' * 300}.wav"
    ran = detect(folder / "missing.mp3", long, folder / "b.wav", folder / "a.wav", "--jobs", "2")
    assert ran.stdout.startswith("C major\t")
    assert ran.stdout.count("\n") == 1
    assert ran.stderr.count("missing.mp3: there is no such file") == 1
    assert ran.stderr.count(f"{long} cannot be opened: ") == 1
    assert ran.stderr.count("b.wav: not a readable sound file") == 1
    assert ran.exit_code == 1


def test_a_file_may_have_the_name_of_standard_input(folder, monkeypatch):
    monkeypatch.chdir((folder / "a.wav").rename(folder / "-").parent)
    ran = detect("./-")
    assert ran.stdout.startswith("C major") and ran.stdout.endswith(f"\t{folder / '-'}\n")


def test_what_a_folder_holds_and_is_left_out_is_named(folder):
    (folder / "tune.MID").write_bytes(b"MThd")
    (folder / ".album").mkdir()
    ran = detect("-r", folder)
    assert ran.exit_code == 0
    for name, reason in ((".hidden.wav", "dot"), (".album", "dot"), ("tune.MID", "cannot be decoded")):
        (line,) = [line for line in ran.stderr.splitlines() if f"{name}: left out" in line]
        assert reason in line
    assert "cover.jpg" not in ran.stderr


def test_quiet_says_results_and_failures_alone(folder):
    ran = detect("-r", folder, folder / "missing.wav", "--quiet")
    assert ran.stdout.count("\n") == 3
    assert ran.stderr == f"{folder / 'missing.wav'}: there is no such file; check the name\n"
    soundfile.write(folder / "cut.mp3", song(0), RATE)
    (folder / "cut.mp3").write_bytes((folder / "cut.mp3").read_bytes()[:400])
    command = [sys.executable, "-m", "skey", "detect", folder / "cut.mp3", "--quiet"]
    (line,) = subprocess.run(command, capture_output=True, text=True).stderr.splitlines()
    assert line.startswith(f"{folder / 'cut.mp3'}: not a readable sound file (no frames of sound)")


@pytest.mark.parametrize(
    ("format_", "segments"), [*((each, False) for each in Format), (Format.TEXT, True), (Format.CSV, True)]
)
def test_a_run_that_was_interrupted_anywhere_continues_to_the_same_results(
    folder, tmp_path, format_, segments
):
    options = ["--format", format_.value, *(["--segments"] if segments else [])]
    whole, output = tmp_path / "whole", tmp_path / "output"
    assert detect("-r", folder, *options, "-o", whole).stdout == ""
    content = whole.read_bytes()
    for cut in (0, 3, len(content) // 3, len(content) // 2, len(content) - 3, len(content)):
        output.write_bytes(content[:cut])
        (tmp_path / "output.run").write_bytes((tmp_path / "whole.run").read_bytes())
        assert detect("-r", folder, *options, "-o", output, "--resume").exit_code == 0
        assert output.read_bytes() == content


def test_ctrl_c_is_a_line_and_the_status_that_shells_give_it(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(KeyEstimator, "estimate_many", Mock(side_effect=KeyboardInterrupt))
    ran = detect("-r", folder, "-o", tmp_path / "keys")
    assert ran.exit_code == 130 and ran.stderr.endswith("\nStopped.\n")
    assert (tmp_path / "keys").read_text() == ""


def keys_of(output):
    with output.open(newline="") as file:
        return {row["path"].rsplit("/", 1)[-1]: row["key"] for row in csv.DictReader(file)}


def test_a_resumed_run_hears_only_what_is_new_or_has_changed(folder, tmp_path):
    output = tmp_path / "keys.csv"
    options = ["--format", "csv", "-o", output]
    detect("-r", folder, *options)
    for file in (output, tmp_path / "keys.csv.run"):
        file.write_text(file.read_text().replace("C major", "F major").replace("D major", "G major"))
    soundfile.write(folder / "more" / "b.FLAC", song(4, 5), RATE, format="FLAC")
    soundfile.write(folder / "new.wav", song(9), RATE)
    assert detect("-r", folder, *options, "--resume").exit_code == 0
    assert keys_of(output) == {"a.wav": "F major", "b.FLAC": "E major", "new.wav": "A major", "noise.ogg": ""}


@pytest.mark.parametrize(("layout", "mode"), [("key", " major"), ("mirex", "\tmajor")])
def test_where_the_place_of_a_line_says_the_file_each_has_its_line_in_every_run(
    folder, monkeypatch, layout, mode
):
    first, last, late, other = (folder / name for name in ("a.wav", "more/b.FLAC", "late.wav", "other.wav"))
    files, options = [folder / "cover.jpg", first, late, first, last], ["--format", layout, "--jobs", "2"]
    soundfile.write(other, song(4), RATE)

    def resumed(*files):
        assert detect(*files, *options, "-o", folder / "keys", "--resume").exit_code == 1
        return (folder / "keys").read_text()

    def lines(keys):
        return "".join(f"{key}{mode}\n" if key != "-" else "\n" for key in keys)

    assert detect(*files, *options).stdout == resumed(*files) == resumed(*files) == lines("-C-CD")
    os.utime(first)
    assert resumed(*files) == lines("-C-CD")
    soundfile.write(late, song(9), RATE)
    assert resumed(*files) == lines("-CACD")
    assert resumed(other, *files) == lines("E-CACD")
    monkeypatch.setattr(KeyEstimator, "estimate_many", Mock(side_effect=KeyboardInterrupt))
    detect(other, *files, *options, "-o", folder / "keys", "--resume")
    assert (folder / "keys").read_text() == lines("E"), "what failed is heard again, and leaves no place"


def test_names_are_of_one_folder_in_results_that_are_continued(folder, tmp_path, monkeypatch):
    output = tmp_path / "keys.csv"
    monkeypatch.chdir(folder)
    detect("a.wav", "--format", "csv", "-o", output)
    monkeypatch.chdir(folder / "more")
    ran = detect("b.FLAC", "--format", "csv", "-o", output, "--resume")
    assert ran.exit_code == 1 and "other settings (folder " in ran.stderr
    assert keys_of(output) == {"a.wav": "C major"}


@pytest.mark.skipif(os.name == "nt", reason="links and permissions of POSIX")
def test_a_resumed_run_keeps_links_permissions_and_group(folder, tmp_path):
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.touch(0o600)
    group = os.getgroups()[-1] if os.geteuid() else 12_345  # root may give any
    os.chown(real, -1, group)
    link.symlink_to(real)
    for file in (folder / "a.wav", folder / "more"):
        detect(folder / "a.wav", file, "-r", "--format", "csv", "-o", link, "--resume")
    assert link.is_symlink()
    assert list(keys_of(real)) == ["a.wav", "b.FLAC"]
    assert (real.stat().st_mode & 0o777, real.stat().st_gid) == (0o600, group)


def test_a_resumed_run_tags_what_was_heard_before(folder, tmp_path):
    options = ["-o", tmp_path / "keys"]
    detect("-r", folder, *options)
    for _ in range(2):
        ran = detect("-r", folder, *options, "--resume", "--write-tags", "--tag-confidence", "0")
        assert (tmp_path / "keys").read_text().count("\n") == 3
    assert ran.stderr.count("has this key in its tags already") == 2


@pytest.mark.parametrize("damage", [{"key": 99}, {"key": "C"}, {"confidence": None}, {"path": 3}])
def test_a_damaged_journal_is_not_believed(folder, tmp_path, damage):
    output, journal = tmp_path / "keys", tmp_path / "keys.run"
    detect(folder / "a.wav", "-o", output)
    first, entry = journal.read_text().splitlines()
    journal.write_text(f"{first}\n{json.dumps(json.loads(entry) | damage)}\n")
    ran = detect(folder / "a.wav", "-o", output, "--resume", "--write-tags")
    assert ran.exit_code == 1
    assert "was changed after it was written" in ran.stderr


@pytest.mark.parametrize("text", ["a shopping list", "path,key\n", "C major\t0.9\tx.wav\n"])
@pytest.mark.parametrize("options", [[], ["--resume"], ["--resume", "--format", "csv"]])
def test_what_is_no_result_of_ours_is_never_written_over(folder, tmp_path, text, options):
    output = tmp_path / "notes.txt"
    output.write_text(text)
    ran = detect("-r", folder, "-o", output, *options)
    assert ran.exit_code == 1
    assert "Error" in ran.stderr
    assert output.read_text() == text
    if not options:
        assert detect("-r", folder, "-o", output, "--overwrite").exit_code == 0
        assert "C major" in output.read_text()
        assert detect("-r", folder, "-o", output).exit_code == 0


@pytest.mark.parametrize("options", [[], ["--resume"]])
def test_neither_a_stale_journal_nor_a_file_of_its_name_lets_anything_be_lost(folder, tmp_path, options):
    output, journal = tmp_path / "notes", tmp_path / "notes.run"
    journal.write_text("my own")
    ran = detect(folder / "a.wav", "-o", output, *options)
    assert ran.exit_code == 1 and f"{journal} exists and is not known" in ran.stderr
    assert journal.read_text() == "my own" and not output.exists()
    journal.unlink()
    for file in ("a.wav", "cover.jpg"):
        for format_ in ("text", "json"):
            detect(folder / file, "-o", output, "--overwrite", "--format", format_)
            assert detect(folder / file, "-o", output, "--format", format_).stderr.count("Error") == 0
            output.write_text("[\n  1\n]\n")
            ran = detect(folder / file, "-o", output, "--format", format_, *options)
            assert ran.exit_code == 1 and output.read_text() == "[\n  1\n]\n"


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="stdout has no name there")
def test_stdout_has_two_names_and_no_journal(folder, tmp_path):
    command = [sys.executable, "-m", "skey", "detect", folder / "a.wav", "--weights", "krumhansl", "-o"]
    for name in ("-", "/dev/stdout"):
        with (tmp_path / "keys").open("w") as keys:
            subprocess.run([*command, name], stdout=keys, check=True, cwd=tmp_path)
        assert (tmp_path / "keys").read_text().startswith("C major")
    assert not {"-", "-.run", "keys.run"} & {path.name for path in tmp_path.iterdir()}
    assert not os.path.exists("/dev/stdout.run")


def test_results_stay_where_a_run_finds_no_sound_file(folder, tmp_path):
    output = tmp_path / "keys.csv"
    options = ["-o", output, "--format", "csv"]
    detect("-r", folder, *options)
    before = output.read_bytes()
    (tmp_path / "empty").mkdir()
    for nothing, said in (("missing", "no such file"), ("empty", "no sound files there")):
        ran = detect("-r", tmp_path / nothing, *options)
        assert ran.exit_code == 1 and said in ran.stderr
        assert output.read_bytes() == before


def test_a_sound_file_is_never_written_over(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder / "a.wav")
    before = (folder / "a.wav").read_bytes()
    for output in (folder / "a.wav", folder / "new.mp3", tmp_path / "link"):
        ran = detect(folder / "a.wav", "-o", output, "--overwrite")
        assert ran.exit_code == 1
        assert "sound file" in ran.stderr
    assert (folder / "a.wav").read_bytes() == before
    assert not (folder / "new.mp3").exists()


@pytest.mark.parametrize(
    ("setting", "change"),
    [
        ("notation", ["--notation", "camelot"]),
        ("format", ["--format", "json"]),
        ("segments", ["--segments"]),
        ("min-confidence", ["--min-confidence", "0.1"]),
        *(("version", []), ("weights", [])),
    ],
)
def test_results_of_other_settings_are_not_continued(folder, tmp_path, setting, change):
    output, journal = tmp_path / "keys", tmp_path / "keys.run"
    detect(folder / "a.wav", "-o", output)
    before = output.read_bytes()
    if not change:
        first, entry = journal.read_text().splitlines()
        journal.write_text(f"{json.dumps(json.loads(first) | {setting: 'other'})}\n{entry}\n")
    ran = detect("-r", folder, "-o", output, "--resume", *change)
    assert ran.exit_code == 1 and f"other settings ({setting} " in ran.stderr
    assert output.read_bytes() == before


def test_the_second_of_two_runs_on_one_output_is_refused(folder, tmp_path):
    with locked(tmp_path / "keys"):
        ran = detect(folder / "a.wav", "-o", tmp_path / "keys")
    assert ran.exit_code == 1
    assert "another run" in ran.stderr
    assert detect(folder / "a.wav", "-o", tmp_path / "keys").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["keys", "keys.run"]


@pytest.mark.skipif(sys.platform == "win32", reason="names are freer elsewhere")
def test_names_of_any_kind_read_back_the_same(tmp_path, monkeypatch):
    names = [
        *("a\nb.wav", "a\rb.wav", 'a"b,c;d.wav', "a\tb.wav", "=1+1.wav", "\u2028.wav", "\u202evaw.wav"),
        *("-x.wav", " .wav", "a\\b.wav", "\x1b[1m\x9b.wav", "Дорога.wav"),
    ]
    monkeypatch.chdir(tmp_path)
    for name in [*names, os.fsdecode(b"caf\xe9.wav")]:
        with open(name, "wb") as file:  # noqa: PTH123 - a name as it stands
            soundfile.write(file, song(0), RATE, format="WAV")
    files = ["--", *names, os.fsdecode(b"caf\xe9.wav")]
    detect("-o", "keys.csv", "--format", "csv", *files)
    rows = pandas.read_csv("keys.csv")["path"]
    assert [name.removeprefix("./") for name in rows] == [*names, "caf\\udce9.wav"]
    assert not any(name.startswith(("=", "-")) for name in rows)
    printed = detect("--min-confidence", "1", *files)  # by which every key is too uncertain
    assert b"\tcaf\xe9.wav\n" in printed.stdout_bytes
    for name in ("a\\nb.wav", "a\\\\b.wav", "\\x1b[1m\\x9b.wav", "\\u2028.wav", "\\u202evaw.wav"):
        assert f"\t{name}\n".encode() in printed.stdout_bytes and f"{name}: no key: " in printed.stderr
    detect("-o", "keys.json", "--format", "json", *files)
    read = json.loads((tmp_path / "keys.json").read_text("utf-8"))
    assert [record["path"] for record in read] == files[1:]


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--resume"], ["--dry-run"], ["--notation", "solfège"], ["--jobs", "0"]),
        *(["-", "--write-tags"], ["-", "--write-tags", "--dry-run"], ["--skip-tagged", "--format", "key"]),
        *(["--segments", "--format", "key"], ["--segments", "--format", "mirex"]),
        *([option, "nan"] for option in ("--tag-confidence", "--min-confidence")),
        *(["--tag-notation", "camelot"], ["--tag-confidence", "0.5"]),
    ],
)
def test_options_that_make_no_sense_are_refused(folder, arguments):
    ran = detect(folder / "a.wav", *arguments)
    assert ran.exit_code == 2
    assert "Usage" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["music"], "add -r"),
        (["-r", "empty"], "no sound files there"),
        (["music/a.wav", "--weights", "nonesuch"], "nonesuch"),
        (["music/a.wav", "-o", "nowhere/keys.csv"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(folder, tmp_path, monkeypatch, arguments, said):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    ran = detect(*arguments)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert said in ran.stderr and "Traceback" not in ran.stderr


def test_tags_are_written_only_on_request_and_only_where_there_is_a_key(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    pretended = detect("-r", folder, "--write-tags", "--dry-run")
    assert "would write INITIALKEY: none -> D" in pretended.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert "wrote INITIALKEY: none -> D" in detect("-r", folder, "--write-tags").stderr
    changed = sorted(path.name for path in before if path.read_bytes() != before[path])
    assert changed == ["a.wav", "b.FLAC"]
    assert "has this key in its tags already" in detect("-r", folder, "--write-tags").stderr


@pytest.fixture
def signatures(shared, tmp_path):
    """The file of the released network with twelve outputs, imported by the command."""
    checkpoint, target = shared / "parity" / "released" / "stone12.pt", tmp_path / "stone12.safetensors"
    done = CliRunner().invoke(main, ["weights", "import", str(checkpoint), "-o", str(target)])
    assert done.exit_code == 0
    return target


def test_released_weights_with_twelve_outputs_name_both_keys_of_the_signature(shared, signatures):
    cadence = shared / "parity" / "audio" / "25_cadence_C_22050_float.wav"
    ran = detect(cadence, "--weights", signatures)
    assert ran.stdout.startswith("C major / A minor\t")


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_key_signature_is_not_written_into_tags(folder, signatures, options):
    before = (folder / "a.wav").read_bytes()
    ran = detect(folder / "a.wav", "--weights", signatures, "--write-tags", *options)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "gives key signatures, not keys" in ran.stderr and "Traceback" not in ran.stderr
    assert (folder / "a.wav").read_bytes() == before


def test_the_files_that_a_rehearsal_refuses_are_those_that_are_refused(folder):
    (folder / "stream.wav").write_bytes(claiming((folder / "a.wav").read_bytes(), 0xFFFFFFFF))
    said = [detect("-r", folder, "--write-tags", *options) for options in (["--dry-run"], [])]
    assert [ran.exit_code for ran in said] == [1, 1]
    rehearsed, real = (ran.stderr.replace("would write", "wrote") for ran in said)
    assert "stream.wav: its header claims another length" in rehearsed
    assert rehearsed == real


def test_a_placeholder_in_the_place_of_a_key_is_not_skipped(folder):
    save_fields(folder / "more" / "b.FLAC", INITIALKEY="-")
    assert detect("-r", folder / "more", "--skip-tagged").stdout.startswith("D major")


def test_a_dash_is_standard_input_and_is_heard_anew_by_a_resumed_run(folder, tmp_path):
    for file, options, key in (
        ("a.wav", [], "C major"),
        ("a.wav", ["-o", tmp_path / "keys"], "C major"),
        ("more/b.FLAC", ["-o", tmp_path / "keys", "--resume"], "D major"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "skey", "detect", "-", "--weights", "krumhansl", *options],
            input=(folder / file).read_bytes(),
            capture_output=True,
            timeout=120,
        )
        (line,) = (done.stdout.decode() or (tmp_path / "keys").read_text()).splitlines()
        assert line.startswith(key) and line.endswith("\t-")
        assert done.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="terminals are others elsewhere")
def test_on_a_terminal_results_and_the_bar_of_progress_share_no_line(folder):
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, "-m", "skey", "detect", "--weights", "krumhansl", "a.wav", "more/b.FLAC"]
    subprocess.run(command, cwd=folder, stdout=theirs, stderr=theirs, timeout=120)
    shown = os.read(ours, 2**16).decode()
    os.close(theirs)
    os.close(ours)
    assert "100%" in shown
    for result in ("C major\t", "D major\t"):
        before = shown[: shown.index(result)].split("\n")[-1]
        assert before.endswith("\r")
        assert not before.split("\r")[-2].strip()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep the folder of a process")
def test_standard_input_is_heard_in_a_folder_that_is_gone(folder, tmp_path):
    code = (
        "import os, runpy, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
        "sys.argv = ['skey', 'detect', '-', 'a.wav', '--weights', 'krumhansl']\n"
        "runpy.run_module('skey', run_name='__main__')"
    )
    with (folder / "a.wav").open("rb") as sound:
        ran = subprocess.run(
            [sys.executable, "-P", "-c", code], cwd=tmp_path, stdin=sound, capture_output=True, text=True
        )
    assert ran.stdout.startswith("C major") and ran.stdout.endswith("\t-\n")
    assert ran.stderr == "a.wav: there is no such file; check the name\n"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no full device")
@pytest.mark.parametrize(
    ("redirection", "results", "said"),
    [
        ("2>&-", 2, ""),
        ("2>/dev/full", 2, ""),
        (">&-", 0, "standard output is closed"),
        (">/dev/full", 0, "standard output: No space left"),
        ("<&-", 2, "has 0 bytes"),
    ],
)
def test_streams_that_are_closed_or_full_are_named_and_cost_no_results(folder, redirection, results, said):
    call = f"{sys.executable} -m skey detect --weights krumhansl music/a.wav missing - music/more/b.FLAC"
    command = ["sh", "-c", f"{call} {redirection}"]
    ran = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert ran.stdout.count("\n") == ran.stdout.count("major") == results
    assert said in ran.stderr and "Traceback" not in ran.stderr
    assert ran.returncode == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no full device")
def test_every_command_says_in_a_line_that_the_disk_is_full():
    command = ["sh", "-c", f"{sys.executable} -m skey weights list >/dev/full"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (1, "Error: [Errno 28] No space left on device\n")


def test_lab_and_jams_hold_the_key_of_the_whole_file(folder):
    assert detect(folder / "a.wav", "--format", "lab").stdout == "0.00\t4.00\tC major\n"
    document = json.loads(detect(folder / "a.wav", "--format", "jams").stdout)
    (annotation,) = document["annotations"]
    assert annotation["namespace"] == "key_mode"
    assert document["file_metadata"]["identifiers"] == {"path": str(folder / "a.wav")}
    assert annotation["data"][0]["value"] == "C:major"
    assert annotation["data"][0]["duration"] == document["file_metadata"]["duration"] == 4.0
