"""Scores on excerpts of real recordings, whose sound is not at hand: those of the weights, run by run."""

import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from made_up import ROOT

from companion.__main__ import main
from companion.estimators import NetworkSystem
from companion.record import RESULTS
from companion.studies.excerpts import RUNS, TABLE, recorded_runs, score_excerpts
from skey.keys import KEYS
from skey.metrics import mirex_points
from skey.vqt import from_bytes
from skey.weights import SHIPPED


def test_the_scores_on_real_excerpts_are_those_of_the_weights(shared):
    recorded = pd.read_csv(ROOT / RESULTS / TABLE)
    computed = score_excerpts(shared / "real-dev")
    here = recorded[recorded["system"].isin(computed["system"])]
    assert not computed.empty
    key = ["system", "part", "metric"]
    pd.testing.assert_frame_equal(computed.set_index(key).sort_index(), here.set_index(key).sort_index())


def test_runs_are_compared_with_the_first_of_them(tmp_path, monkeypatch):
    excerpts, names = tmp_path / "excerpts", ("skey", "stone24", "semitone")
    folders = [str(tmp_path / name) for name in names]
    excerpts.mkdir()
    features = {f"{n}": np.random.default_rng(n).integers(0, 255, (99, 700), np.uint8) for n in range(8)}
    np.savez(excerpts / "features.npz", **features)
    keys = pd.DataFrame({"clip": list(features), "kind": "popular", "key": [str(key) for key in KEYS[:8]]})
    keys.to_csv(excerpts / "keys.csv", index=False)
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").touch()
        (tmp_path / name / "run.safetensors").write_bytes((SHIPPED / f"{name}.safetensors").read_bytes())
    (tmp_path / RESULTS).mkdir()
    monkeypatch.setattr("companion.ship.find_checkout", lambda: tmp_path)
    done = CliRunner().invoke(main, ["record-excerpts", str(excerpts), *folders])
    assert not done.exception and (tmp_path / RESULTS / RUNS).is_file()
    table = recorded_runs(tmp_path / RESULTS)
    for name in names:
        system = NetworkSystem(SHIPPED / f"{name}.safetensors")
        points = mirex_points(KEYS[:8], [system(from_bytes(each)) for each in features.values()])
        assert table.mirex[name] == pytest.approx(100 * np.mean(points), abs=0.051)
        assert table.difference[name] == pytest.approx(table.mirex[name] - table.mirex["skey"], abs=0.11)
        assert table.low[name] <= table.difference[name] <= table.high[name]
    twin = shutil.copytree(tmp_path / "skey", tmp_path / "elsewhere" / "skey")
    refused = CliRunner().invoke(main, ["record-excerpts", str(excerpts), *folders, str(twin)])
    assert refused.exit_code == 1 and "two folders have one name" in refused.stderr


@pytest.mark.parametrize(
    "keys", ["", "clip,key\nx,C\n", "clip,kind,key\nx,popular,C\n", "clip,kind,key\nx,popular,H7\n"]
)
def test_a_folder_without_excerpts_is_one_clear_line(tmp_path, keys):
    (tmp_path / "keys.csv").write_text(keys)
    np.savez(tmp_path / "features.npz", y=np.zeros((99, 10), np.uint8))
    done = CliRunner().invoke(main, ["record-excerpts", str(tmp_path)])
    assert done.exit_code == 1 and "holds no excerpts" in done.stderr
