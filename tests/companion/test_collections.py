"""Real collections: what cannot be scored is skipped and named, and no result is lost or overwritten."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import soundfile
from sounds import cadence

from companion import kept
from companion.answers import Evaluation, compute, evaluate, read_record
from companion.datasets import LabelError, MissingData
from companion.estimators import BASELINES
from companion.pages.tables import sources_line
from companion.parameters import ParameterError, Parameters
from companion.record import RESULTS
from skey.audio import SAMPLE_RATE, AudioError
from skey.keys import KEYS, Key

NAME = "table-3-key-and-mode"
SYSTEMS = {name: BASELINES[name] for name in ("always-c-major", "krumhansl")}


def write_triad(path: Path, key: Key, seconds: float = 4) -> None:
    """The tonic triad of a key."""
    soundfile.write(path, cadence(key, seconds, beat=seconds), SAMPLE_RATE)


def make_collection(folder: Path, keys: tuple[Key, ...] = KEYS[::8]) -> Path:
    """A triad of each key; one file is no sound, one too short, one absent, one without a key."""
    folder.mkdir()
    for number, key in enumerate(keys):
        write_triad(folder / f"{number}.wav", key)
    (folder / "broken.wav").write_bytes(b"this is no sound")
    write_triad(folder / "short.wav", KEYS[0], seconds=1)
    write_triad(folder / "no key.wav", KEYS[0])
    lines = ["file,key", *(f"{number}.wav,C major" for number in range(len(keys)))]
    lines += ["broken.wav,C major", "short.wav,C major", "absent.wav,C major", "no key.wav,unknown"]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def run(root: Path, systems: dict[str, Any] | None = None, **given: Any) -> Evaluation:
    return evaluate(NAME, Parameters("folder", str(root), **given), systems or SYSTEMS)


def test_what_cannot_be_scored_is_skipped_named_and_counted(checkout, tmp_path, capsys):
    experiment = run(make_collection(tmp_path / "songs"))
    assert "6/6" in capsys.readouterr().err, "a progress bar is shown over the tracks"
    assert list(experiment.answers.index) == ["0.wav", "1.wav", "2.wav"]
    assert tuple(experiment.answers["krumhansl"]) == KEYS[::8]
    skipped = experiment.record.data["skipped"]
    assert list(skipped) == ["broken.wav", "short.wav", "absent.wav", "no key.wav"]
    assert skipped["broken.wav"].startswith("not a readable sound file")
    assert "too short: 1 s" in skipped["short.wav"]
    assert (skipped["absent.wav"], skipped["no key.wav"]) == ("the audio is missing", "no key")
    shown = sources_line(experiment)
    assert "Folder with a CSV" in shown and "3 tracks" in shown
    assert "**Skipped: 4 of 7 tracks**" in shown
    assert all(f"- `{track}`: {reason}" in shown for track, reason in skipped.items())
    assert str(tmp_path) not in (experiment.record.folder / "answers.json").read_text()


def test_a_stopped_run_goes_on_where_it_stopped(checkout, tmp_path, monkeypatch):
    root = make_collection(tmp_path / "songs")
    template = type(BASELINES["krumhansl"])
    asked: list[int] = []
    answer = template.__call__

    def stopping(self: Any, log_vqt: Any) -> Key:
        asked.append(len(asked))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return answer(self, log_vqt)

    monkeypatch.setattr(template, "__call__", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(root)
    assert tuple(run(root).answers["krumhansl"]) == KEYS[::8]
    assert len(asked) == 2 + 2, "the first track is not asked about again"
    run(root.rename(tmp_path / "elsewhere"))
    assert len(asked) == 2 + 2, "the sound is known by its content"


def test_several_processes_give_the_table_of_one(checkout, tmp_path):
    root = str(make_collection(tmp_path / "songs"))
    several, one = (
        compute(SYSTEMS, Parameters("folder", root, recompute=True, output=f"by-{jobs}"), jobs)
        for jobs in (2, 1)
    )
    assert several.answers.equals(one.answers) and several.data == one.data
    assert tuple(one.answers["krumhansl"]) == KEYS[::8]
    with closing(sqlite3.connect(kept.FOLDER / "answers.sqlite")) as rows:
        assert rows.execute("SELECT count(*) FROM answers").fetchone() == (2 * 3,)


def test_two_collections_with_equal_labels_keep_a_result_each(checkout, tmp_path):
    one = run(make_collection(tmp_path / "one"))
    two = run(make_collection(tmp_path / "two", KEYS[1::8]))
    folders = [each.record.folder for each in (one, two)]
    assert [folder.name for folder in folders] == [f"folder-{e.record.data['hash']}" for e in (one, two)]
    assert folders[0] != folders[1] and read_record(folders[0]).answers.equals(one.record.answers)
    assert run(tmp_path / "one").record.folder == folders[0]
    with pytest.raises(ParameterError, match="holds answers on other tracks"):
        run(tmp_path / "one", output=str(folders[1]))


def test_another_table_puts_its_systems_beside_those_that_are_there(checkout, tmp_path):
    root = make_collection(tmp_path / "songs")
    run(root, {"krumhansl": BASELINES["krumhansl"]})
    assert run(root, {"always-c-major": BASELINES["always-c-major"]}).systems == list(SYSTEMS)


def test_a_file_is_read_for_its_checksum_only_where_it_changed(checkout, tmp_path, monkeypatch):
    root = make_collection(tmp_path / "songs")
    run(root)
    read: list[object] = []
    digest = kept.file_digest
    monkeypatch.setattr(kept, "file_digest", lambda *given: read.append(given) or digest(*given))
    run(root)
    assert read == []
    write_triad(root / "0.wav", KEYS[5])
    assert run(root).answers["krumhansl"]["0.wav"] == KEYS[5] and len(read) == 1


@pytest.mark.parametrize(
    "given", [{"limit": 24}, {"seed": 1}, {"dataset": "folder", "root": "songs"}, {"dataset": "fmakv2"}]
)
@pytest.mark.parametrize("output", ["results", "./results/", "results/mine"])
def test_nothing_else_is_written_into_the_shipped_record(checkout, given, output):
    with pytest.raises(ParameterError, match="name another folder, or leave `output` away"):
        evaluate(NAME, Parameters(**given, output=output), SYSTEMS)
    assert not (checkout / RESULTS).exists()


def test_a_root_without_a_data_set_asks_which_one_lies_there(tmp_path):
    with pytest.raises(ParameterError, match=r"-p dataset NAME`, one of fmakv2, gtzan, .*folder$"):
        Parameters(root=str(tmp_path))


def test_a_collection_of_which_nothing_can_be_used_says_why(checkout, tmp_path):
    root = make_collection(tmp_path / "songs", ())
    with pytest.raises(MissingData, match=r"1 of 4 tracks is missing"):
        run(root)
    (root / "labels.csv").write_text("file,key\nbroken.wav,C major\nno key.wav,-\n")
    with pytest.raises(AudioError, match=r"no track can be used; the first: .*broken\.wav"):
        run(root)
    (root / "labels.csv").write_text("file,key\nno key.wav,-\n")
    with pytest.raises(LabelError, match="no track with a key"):
        run(root)
