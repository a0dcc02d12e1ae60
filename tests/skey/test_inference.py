"""What the estimator computes in numpy is what training computes in torch."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from skey import vqt
from skey.audio import TooShortAudio
from skey.calibration import reference_sound
from skey.corpus.plan import plan_clips, render_clip
from skey.errors import SkeyError
from skey.inference import spectrum
from skey.inference.architecture import Calibration
from skey.inference.filters import MIN_VQT_SAMPLES
from skey.inference.network import NumpyChromaNet, _gelu
from skey.listeners import Network, TorchNetwork, ask
from skey.model import Architecture, ChromaNet
from skey.weights import Header, load_weights
from skey.weights.store import LoadedModel, save_weights

ARCHITECTURES = [
    Architecture(),
    Architecture(outputs=12),
    Architecture(frames_per_step=4),
    Architecture(outputs=12, frames_per_step=4, kernels=(5,) * 7),
    Architecture(octave_equivalence=False),
    Architecture(channels=(2, 8, 3), kernels=(3, 9, 5), expansion=2),
]


def lively(architecture: Architecture, seed: int = 0) -> ChromaNet:
    """A network whose parameters are all large enough to matter."""
    torch.manual_seed(seed)
    network = ChromaNet(architecture).eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.add_(0.2 * torch.rand_like(value))
            assert not name.endswith("num_batches_tracked") or value == 0
    return network


def arrays(network: ChromaNet) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


@cache
def music() -> np.ndarray:
    """A cadence in C major, then the same in A minor."""
    return np.concatenate([reference_sound("major")[: 8 * 22_050], reference_sound("minor")[: 7 * 22_050]])


def header(architecture: Architecture) -> Header:
    calibration = Calibration(architecture.outputs, 9, 11, 1 if architecture.outputs == 24 else 0)
    return Header("test", "A test", architecture, calibration, "MIT", "here", "")


@pytest.mark.parametrize("samples", [MIN_VQT_SAMPLES, 65_023, 65_024, 100_001, 15 * 22_050])
def test_the_log_vqt_in_numpy_is_that_of_torch(samples):
    wave = music()[:samples]
    ours, theirs = spectrum.magnitude(wave), vqt.LogVQT().magnitude(torch.from_numpy(wave)[None])[0].numpy()
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-6 * theirs.max())
    ours, theirs = spectrum.log_vqt(wave), vqt.log_vqt(torch.from_numpy(wave)).numpy()
    loud = theirs > theirs.max() - 0.375  # 30 dB down, a millionth of the maximum is 5e-5 of a log-VQT
    np.testing.assert_allclose(ours[loud], theirs[loud], atol=1e-4)


@pytest.mark.parametrize("frames", [512, 646, 1001])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=range(len(ARCHITECTURES)))
def test_the_network_in_numpy_answers_as_in_torch(architecture, frames):
    network = lively(architecture, seed=frames)
    x = np.random.default_rng(frames).random((84, frames), np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(x)[None])[0].numpy().reshape(12, -1)
    assert np.ptp(expected) > 1e-3
    profile = NumpyChromaNet(architecture, arrays(network)).profile(x)
    assert profile.dtype == np.float32
    np.testing.assert_allclose(profile, expected, atol=1e-5)


def test_too_few_samples_and_too_few_frames_are_refused_as_in_torch():
    with pytest.raises(TooShortAudio, match="16639"):
        spectrum.log_vqt(music()[: MIN_VQT_SAMPLES - 1])
    with pytest.raises(SkeyError, match="127 frames"):
        NumpyChromaNet(Architecture(), arrays(ChromaNet())).profile(np.zeros((84, 127), np.float32))


@pytest.mark.parametrize("architecture", ARCHITECTURES[:4], ids=range(4))
@pytest.mark.parametrize("frames", [130, 646])
def test_both_listeners_name_the_same_keys(tmp_path, architecture, frames):
    path = tmp_path / "test.safetensors"
    save_weights(path, lively(architecture), header(architecture))
    loaded, x = load_weights(path), spectrum.log_vqt(music())[:, :frames]
    assert loaded.network.architecture == architecture
    expected = TorchNetwork(path).profile(x)
    for weights in (path, loaded):
        np.testing.assert_allclose(Network(weights).profile(x), expected, atol=1e-5)
    ask = loaded.profile if architecture.outputs == 24 else loaded.signature_profile
    np.testing.assert_allclose(expected, ask(torch.from_numpy(x)[None])[0], atol=1e-6)
    assert np.ptp(expected) > 1e-3


@pytest.mark.parametrize(("range_db", "heard"), [(80, True), (40, False)])
def test_a_network_hears_down_to_its_range_and_no_further(tmp_path, range_db, heard):
    path = tmp_path / "test.safetensors"
    save_weights(path, lively(Architecture()), replace(header(Architecture()), range_db=range_db))
    x = np.full((99, 646), 0.25)  # 60 dB below the tone
    x[40] = 1.0
    soft = x.copy()
    soft[50] = 0.45  # 44 dB below it
    for listener in (Network(path), TorchNetwork(path)):
        assert np.allclose(listener.profile(x), listener.profile(soft), atol=1e-6) == (not heard)
    np.testing.assert_allclose(Network(path).profile(soft), TorchNetwork(path).profile(soft), atol=1e-5)


def test_music_without_its_lowest_octave_or_its_treble_keeps_its_key():
    network, kept = Network("semitone-open"), []
    for clip in plan_clips("test")[::20]:
        whole = spectrum.log_vqt(render_clip(clip))
        for missing in (slice(12), slice(75, None)):  # below 55 Hz, above 2 kHz
            part = whole.copy()
            part[missing] = whole.max() - 1
            kept.append(ask(network, part).argmax() == ask(network, whole).argmax())
    assert np.mean(kept) > 0.75, "with a range of 80 dB it was a quarter"


def test_what_a_loaded_model_was_changed_to_is_what_is_heard():
    """A model in training listens with its weights of the moment, not with those of a file."""
    network = lively(Architecture(), seed=1)
    loaded = LoadedModel(header(Architecture()), network)
    x = spectrum.log_vqt(music())
    before = Network(loaded).profile(x)
    with torch.no_grad():
        network.classifier.weight.mul_(-3)
    after = Network(loaded).profile(x)
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, loaded.profile(torch.from_numpy(x)[None])[0], atol=1e-5)


def test_the_activation_is_that_of_torch_and_large_values_do_not_warn():
    x = np.concatenate([np.linspace(-8, 8, 4001), [-300, -40, 0, 40, 300]]).astype(np.float32)
    with np.errstate(over="ignore"):
        ours = _gelu(x)
    np.testing.assert_allclose(ours, torch.nn.functional.gelu(torch.from_numpy(x)), rtol=1e-6, atol=2e-6)
    loud = NumpyChromaNet(Architecture(), arrays(lively(Architecture())))
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(loud.profile(np.full((84, 128), 1e3, np.float32))).all()
