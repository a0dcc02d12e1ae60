"""The ONNX graph answers as the network does, for sounds of any length."""

import json
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch

from skey.calibration import reference_sound
from skey.keys import KEYS, Key
from skey.weights import LoadedModel, import_checkpoint
from skey.weights.export import INPUT, WaveformToProfile, export_onnx, shortest_input

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("onnx", reason="the extra `onnx` is not installed")


@pytest.fixture(scope="module", params=["skey", "stone12"])
def exported(shared: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest):
    loaded = import_checkpoint(shared / "parity" / "released" / f"{request.param}.pt")
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    # A traced length is a tensor that stands for an int, which the shape checker of the tests refuses.
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        export_onnx(loaded, path)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    return loaded, onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def golden(shared: Path) -> list[np.ndarray]:
    waves = [np.load(file) for file in sorted((shared / "parity").glob("*.npz"))]
    return [vectors["wave"] for vectors in waves if "wave" in vectors.files]


def answers(exported: tuple[LoadedModel, object], wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    loaded, session = exported
    with torch.inference_mode():
        ours = WaveformToProfile(loaded).eval()(torch.from_numpy(wave)[None])
    return ours.numpy()[0], session.run(None, {INPUT: wave[None]})[0][0]


def test_the_graph_agrees_with_torch_on_the_golden_clips(shared: Path, exported) -> None:
    waves = golden(shared)
    assert len({len(wave) for wave in waves}) >= 5
    for wave in waves:
        ours, graphs = answers(exported, wave)
        assert np.abs(ours - graphs).max() < 1e-4


def test_the_graph_takes_the_shortest_input_and_hears_c_major(exported) -> None:
    sound = reference_sound("major")
    ours, graphs = answers(exported, sound[-shortest_input(exported[0]) :])
    assert np.abs(ours - graphs).max() < 1e-4
    _, graphs = answers(exported, sound)
    assert KEYS[int(graphs.argmax())] == Key(0, "major")


def test_the_graph_says_where_it_comes_from(exported) -> None:
    loaded, session = exported
    header = json.loads(session.get_modelmeta().custom_metadata_map["skey"])
    assert header["checksum"] == loaded.header.checksum
