"""The open corpus on record: its description, and the fingerprint of each clip."""

import json

import numpy as np
from click.testing import CliRunner
from made_up import ROOT
from test_corpus_build import noise, planned

from companion import check
from companion.__main__ import main
from skey.corpus import build as build_module
from skey.corpus.build import build, build_clips
from skey.corpus.plan import plan_clips


def spectrum() -> np.ndarray:
    """A made-up clip in which one pitch class is loud."""
    levels = np.random.default_rng(0).integers(60, 80, (99, 1292))
    levels[0::12] += 60
    return levels.astype(np.uint8)


def test_recording_twice_changes_nothing_and_clips_that_differ_are_named(checkout, monkeypatch):
    monkeypatch.setenv("SKEY_DATA", str(checkout / "data"))
    monkeypatch.setattr(
        build_module, "clip_features", lambda clip: np.full((99, 1292), len(clip.piece_id) * 3, np.uint8)
    )
    build("test", jobs=1)
    assert "written" in CliRunner().invoke(main, ["record-corpus"]).stdout
    assert "says the same already" in CliRunner().invoke(main, ["record-corpus"]).stdout
    assert check.check_corpus(checkout / "results", recompute=True) == []
    path = checkout / "results" / check.CORPUS_RECORD
    content = json.loads(path.read_text("utf-8"))
    clip = plan_clips("test")[7].id
    content["fingerprints"][clip] = "ff" * 99
    path.write_text(json.dumps({**content, "pieces": 239}), encoding="utf-8")
    pieces, sound = check.check_corpus(checkout / "results", recompute=True)
    assert "pieces: record 239, planned 240" in pieces and clip in sound


def test_without_a_record_the_command_that_makes_it_is_named(checkout):
    (fault,) = check.check_corpus(checkout / "results")
    assert "record-corpus" in fault


def test_rounding_on_another_machine_is_within_the_tolerance():
    jitter = np.random.default_rng(1).integers(-1, 2, (99, 1292))
    here = {"c": check.clip_fingerprint(spectrum()).tobytes().hex()}
    there = {"c": check.clip_fingerprint((spectrum() + jitter).astype(np.uint8)).tobytes().hex()}
    assert check.compare_fingerprints(there, here) == []


def test_a_semitone_or_two_decibels_are_outside_the_tolerance():
    here = check.clip_fingerprint(spectrum())
    semitone = check.clip_fingerprint(np.roll(spectrum(), 1, axis=0))
    two_decibels = check.clip_fingerprint(spectrum() + np.uint8(round(2 / 80 * 255 / 1.25)))
    for other in (semitone, two_decibels):
        assert np.abs(here.astype(int) - other).max() > check.TOLERANCE
        built = {"c": here.tobytes().hex()}
        assert check.compare_fingerprints({"c": other.tobytes().hex()}, built) == ["c"]


def test_a_clip_that_the_record_does_not_know_differs(tmp_path):
    built = check.fingerprint(build_clips(planned(3), tmp_path, noise))
    recorded = {clip: value for clip, value in built.items() if clip != "c1"}
    assert set(built) == {"c0", "c1", "c2"}
    assert check.compare_fingerprints(recorded, built) == ["c1"]
    assert check.compare_fingerprints(built, recorded) == []
    assert check.compare_fingerprints(built | {"c0": "00"}, built) == ["c0"]


def test_no_recorded_clip_passes_for_another_nor_for_itself_a_semitone_higher():
    prints = check.read_corpus_record(ROOT / "results")["fingerprints"]
    means = np.array([list(bytes.fromhex(value)) for value in prints.values()], int)
    for place, own in enumerate(means):
        others = np.delete(means, place, axis=0)
        for other in (*others, np.roll(own, 1)):
            assert np.abs(other - own).max() > check.TOLERANCE
