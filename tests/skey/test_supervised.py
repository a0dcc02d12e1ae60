"""The supervised classifier of 2018: its layers, its labels, its training, its weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_training import store_of
from test_weights import header, rewritten

from skey.cli.step import ways_to_step
from skey.errors import SkeyError, WeightsError
from skey.estimator import KeyEstimator
from skey.experiments import EXPERIMENTS, SUPERVISED, Experiment, Optimiser, at_scale
from skey.inference.architecture import AllConvolutional
from skey.keys import KEYS
from skey.listeners import ask, listener
from skey.model import count_parameters
from skey.supervised import KEYS_BY_NAME, KeyClassifier, key_in_crop
from skey.training.data import Pool, TrainingData, cropped
from skey.training.loop import Machine, Run
from skey.training.step import rate_at
from skey.weights import load_weights, read_header
from skey.weights.store import save_weights

SMALL = AllConvolutional(filters=8, dropout=0.0, frames_per_step=64)


def small(epochs: int) -> Experiment:
    experiment = replace(at_scale(SUPERVISED, batch=12, epochs=epochs), architecture=SMALL)
    return replace(experiment, optimiser=replace(SUPERVISED.optimiser, rate=3e-3))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One clip a key in which the tonic's triad sounds in every octave, with noise."""
    features = np.random.default_rng(0).integers(0, 60, (24, 99, 1292), dtype=np.uint8)
    for place, key in enumerate(KEYS):
        for weight, step in ((150, 0), (60, 4 if key.mode == "major" else 3), (90, 7)):
            features[place, (key.tonic + step + 3) % 12 :: 12] += np.uint8(weight)
    pool = Pool.of(store_of(tmp_path_factory.mktemp("store"), features), KEYS)
    often = pool.kept(10 * list(range(24)))
    return TrainingData(often, often, pool, "synthetic", len(often))


def settled(architecture: AllConvolutional = SMALL) -> KeyClassifier:
    return KeyClassifier(architecture).eval()


@pytest.mark.parametrize("n", [8, 20])
def test_it_has_the_parameters_of_its_table(n):
    convolutions = [(5, 1, n), (3, n, n), (3, n, 2 * n), (3, 2 * n, 2 * n), (3, 2 * n, 4 * n)]
    convolutions += [(3, 4 * n, 4 * n), (3, 4 * n, 8 * n), (3, 8 * n, 8 * n), (1, 8 * n, 24)]
    expected = sum(kernel**2 * inputs * maps + 2 * maps for kernel, inputs, maps in convolutions)
    assert count_parameters(KeyClassifier(AllConvolutional(filters=n))) == expected


def test_it_answers_with_the_probabilities_of_24_keys():
    profile = settled()(torch.rand(3, 84, 600))
    assert profile.shape == (3, 12, 2)
    assert torch.allclose(profile.sum((1, 2)), torch.ones(3))
    assert KEYS_BY_NAME.output_keys() == KEYS
    assert bool(settled()(torch.zeros(1, 84, 600)).isfinite().all())


def test_its_maps_move_with_the_music_away_from_the_borders():
    network = settled()
    music = torch.rand(1, 1, 168, 168)
    with torch.no_grad():
        maps, moved = network.layers(music), network.layers(music.roll((8, -8), (2, 3)))
    assert torch.allclose(moved[..., 7:15, 6:14], maps[..., 6:14, 7:15], rtol=1e-3, atol=1e-7)
    assert not torch.allclose(moved[..., 7:15, 6:14], maps[..., 7:15, 6:14], rtol=1e-3, atol=1e-7)


def test_transposing_one_clip_leaves_the_answers_to_the_others():
    network, clips = settled(), torch.rand(3, 99, 20)
    before = network.pool(cropped(clips, torch.tensor([0, 0, 0])))
    after = network.pool(cropped(clips, torch.tensor([0, 1, 0])))
    assert torch.allclose(before[[0, 2]], after[[0, 2]], atol=1e-7)
    assert not torch.allclose(before[1], after[1], atol=1e-6)


def test_the_label_moves_down_with_the_crop():
    for key in KEYS:
        labels = torch.tensor([key.signature]), torch.tensor([int(key.mode == "minor")])
        for c in range(16):
            assert KEYS[int(key_in_crop(*labels, torch.tensor([c])))] == key.transposed(-c)


def test_the_rate_is_held_and_then_falls_along_a_line():
    rates = [rate_at(step, 100, SUPERVISED.optimiser) for step in range(101)]
    assert set(rates[:11]) == {1e-3}
    assert rates[55] == pytest.approx(5e-4)
    assert rates[100] == 0
    assert rate_at(55, 100, Optimiser(warm_up=0.1)) == pytest.approx(rates[55], rel=0.01)


def test_only_labelled_clips_are_asked_for():
    assert at_scale(SUPERVISED, unlabelled=100).unlabelled == at_scale(SUPERVISED).unlabelled == 0
    assert at_scale(EXPERIMENTS["suptone"], unlabelled=100).unlabelled == 100


def test_it_learns_the_keys_of_its_clips_and_its_weights_answer_alike(data, tmp_path):
    training = Run(small(8), 0, data, tmp_path, Machine("cpu", half_precision=False))
    losses = [row["keys"] for row in training.train().log]
    assert losses[-1] < losses[0] - 0.5
    loaded = load_weights(training.folder.weights)
    segments = data.training.segments(range(24), 1)[:, 0]
    answers = [KEYS[index] for index in loaded.profile(segments).argmax(1).tolist()]
    assert sum(answer == key for answer, key in zip(answers, KEYS, strict=True)) >= 12
    asked = listener(training.folder.weights)
    assert [KEYS[ask(asked, clip).argmax()] for clip in segments[:4]] == answers[:4]
    assert KeyEstimator(training.folder.weights).listener.profile(segments[0]).shape == (24,)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    network = settled(replace(SMALL, filters=4))
    sealed = save_weights(tmp_path / "x.safetensors", network, header(calibration=KEYS_BY_NAME))
    assert sealed.kind == "all-convolutional"
    assert read_header(tmp_path / "x.safetensors") == sealed
    loaded = load_weights(tmp_path / "x.safetensors")
    sound = torch.rand(2, 99, 646)
    assert loaded.network.architecture == network.architecture
    assert torch.equal(loaded.raw_profile(sound), network(sound[:, :84]))
    assert loaded.profile(sound[..., :40]).shape == (2, 24)


def test_a_header_without_a_kind_is_that_of_a_chromanet(tmp_path):
    chromanet = EXPERIMENTS["stone24"].network()
    path = tmp_path / "old.safetensors"
    sealed = save_weights(path, chromanet, header())
    assert sealed.kind == "chromanet"
    assert load_weights(rewritten(path, {}, without="kind")).header == sealed


def test_weights_of_a_kind_that_nobody_knows_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    save_weights(path, settled(), header(calibration=KEYS_BY_NAME))
    with pytest.raises(WeightsError, match="unknown kind 'transformer'"):
        read_header(rewritten(path, {"kind": "transformer"}))
    with pytest.raises(WeightsError):
        read_header(rewritten(path, {"kind": "chromanet"}))


def test_too_short_a_sound_is_refused_with_the_least_length():
    with pytest.raises(SkeyError, match="at least 512"):
        settled()(torch.rand(1, 84, 511))


def test_no_plain_step_is_made_up_for_it():
    with pytest.raises(SkeyError, match="no ChromaNet"):
        ways_to_step(small(1))
