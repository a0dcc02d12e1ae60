"""The ONNX graph gives the probabilities of the tables and of `skey detect`, for sounds of any length."""

import json
import sys

import jaxtyping
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from skey.audio import MIN_SAMPLES, SAMPLE_RATE
from skey.calibration import reference_sound
from skey.cli import main
from skey.corpus.plan import plan_clips, render_clip
from skey.estimator import KeyEstimator
from skey.inference.filters import MIN_VQT_SAMPLES, SEGMENT_SAMPLES
from skey.keys import KEYS, Key
from skey.listeners import ask, listener
from skey.vqt import log_vqt
from skey.weights import load_weights
from skey.weights.export import INPUT, export_onnx
from skey.weights.store import LoadedModel

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")

SHIPPED = ("semitone-open", "stone", "supervised")


@pytest.fixture(scope="module")
def graph_of(tmp_path_factory):
    """The graphs of networks, in the runtime, each exported once."""
    folder, sessions = tmp_path_factory.mktemp("onnx"), {}

    def exported(loaded: LoadedModel):
        path = folder / loaded.header.checksum
        if path not in sessions:
            # A traced length is a tensor in the place of an int: the tests' shape checker refuses it.
            jaxtyping.config.update("jaxtyping_disable", True)
            try:
                export_onnx(loaded, path)
            finally:
                jaxtyping.config.update("jaxtyping_disable", False)
            sessions[path] = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return sessions[path]

    return exported


def answer(session, wave: np.ndarray) -> np.ndarray:
    return session.run(None, {INPUT: wave[None]})[0][0]


@pytest.fixture(scope="module")
def clips():
    """A clean and a degraded test clip, whole and in part: one window, several, and the least sound."""
    waves = [render_clip(clip) for clip in plan_clips("test")[1:121:119]]
    lengths = (2 * SEGMENT_SAMPLES, 22 * SAMPLE_RATE, SEGMENT_SAMPLES, MIN_SAMPLES)
    cut = [wave[:length] for wave in waves for length in lengths]
    cut.append(np.concatenate(waves)[: 52 * SAMPLE_RATE])
    return [wave / np.abs(wave).max() for wave in cut]


@pytest.mark.parametrize("name", SHIPPED)
def test_detect_tables_and_graph_agree_on_test_clips(name, clips, graph_of):
    session = graph_of(load_weights(name))
    network, estimator = listener(name), KeyEstimator(name)
    for wave in clips:
        asked = ask(network, log_vqt(torch.from_numpy(wave)))
        detected = np.array(estimator.estimate(wave, SAMPLE_RATE).probabilities)
        np.testing.assert_allclose(answer(session, wave), asked, atol=1e-4)
        # The estimator cuts windows from the sound; what the transform sees across their border is another.
        one_window = len(wave) <= network.window_seconds * SAMPLE_RATE
        np.testing.assert_allclose(detected, asked, atol=1e-4 if one_window else 2e-2)
        assert detected.argmax() == asked.argmax()


def test_a_rest_has_a_say_in_the_graph_from_the_sample_on_from_which_it_has_one_for_detect(clips, graph_of):
    session, estimator = graph_of(load_weights("semitone-open")), KeyEstimator("semitone-open")
    least = (60 + 7.5) * SAMPLE_RATE
    song = np.concatenate([clips[0], clips[4], clips[0]])
    for wave in (song[: int(least) - 1], song[: int(least)]):
        detected = np.array(estimator.estimate(wave, SAMPLE_RATE).probabilities)
        np.testing.assert_allclose(answer(session, wave / np.abs(wave).max()), detected, atol=2e-2)


@pytest.mark.parametrize("name", ["skey", "stone12"])
def test_the_graph_agrees_with_the_released_networks_on_the_golden_clips(shared, released, graph_of, name):
    loaded = released(name)
    session = graph_of(loaded)
    waves = [np.load(file) for file in sorted((shared / "parity").glob("*.npz"))]
    waves = [vectors["wave"] for vectors in waves if "wave" in vectors.files]
    assert len({len(wave) for wave in waves}) >= 5
    for wave in waves:
        asked = ask(listener(loaded), log_vqt(torch.from_numpy(wave)))
        np.testing.assert_allclose(answer(session, wave), asked, atol=1e-4)


def test_the_graph_says_what_it_is_and_what_its_outputs_mean(graph_of):
    for name, count in (("semitone-open", 24), ("stone", 12)):
        loaded = load_weights(name)
        session = graph_of(loaded)
        metadata = session.get_modelmeta().custom_metadata_map
        assert json.loads(metadata["skey"])["checksum"] == loaded.header.checksum
        assert json.loads(metadata["outputs"]) == [str(key) for key in KEYS[:count]]
        assert KEYS[int(answer(session, reference_sound("major")).argmax())] == Key(0, "major")


def test_the_graph_hears_what_the_transform_hears_and_its_help_says_from_which_length(graph_of):
    session = graph_of(load_weights("stone"))
    wave = reference_sound("major")[:MIN_VQT_SAMPLES]
    assert answer(session, wave).sum() == pytest.approx(1, abs=1e-4)
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="Pad"):
        answer(session, wave[:-1])
    said = " ".join(CliRunner().invoke(main, ["export", "--help"]).stdout.split())
    assert f"{MIN_VQT_SAMPLES:,} samples ({MIN_VQT_SAMPLES / SAMPLE_RATE:.3f} s)" in said
    assert f"less than {MIN_SAMPLES / SAMPLE_RATE:.2f} s" in said


def test_a_graph_goes_into_a_folder_that_is_there(tmp_path):
    done = CliRunner().invoke(main, ["export", "stone", "--onnx", str(tmp_path / "none" / "stone.onnx")])
    assert done.exit_code == 2 and f"there is no folder {tmp_path / 'none'}; make it first" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_graph_that_cannot_be_written_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: None)
    (tmp_path / "file").touch()
    done = CliRunner().invoke(main, ["export", "stone", "--onnx", str(tmp_path / "file" / "stone.onnx")])
    assert done.exit_code == 1 and done.stderr.startswith("Error: Cannot write ")


def test_without_onnx_one_line_names_the_extra_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    done = CliRunner().invoke(main, ["export", "stone", "--onnx", str(tmp_path / "stone.onnx")])
    assert done.exit_code == 1 and not list(tmp_path.iterdir())
    assert done.stderr == "Error: this needs onnx: pip install 'skey-companion[onnx]'\n"
