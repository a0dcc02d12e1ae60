"""ChromaNet against the papers' facts: sizes, equivariance, invariances."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import nn

from skey.calibration import reference_sound
from skey.errors import SkeyError
from skey.model import BINS, Architecture, ChromaNet, Depthwise, StochasticDepth, count_parameters
from skey.vqt import crop, log_vqt

KEYS_NET, SIGNATURES_NET = Architecture(), Architecture(outputs=12)


def fresh(architecture: Architecture) -> ChromaNet:
    return ChromaNet(architecture).eval()


def test_24_outputs_have_47284_parameters_12_about_90_thousand_and_the_ablation_a_linear_map_more():
    ablation = replace(SIGNATURES_NET, octave_equivalence=False)
    found = [count_parameters(ChromaNet(each)) for each in (KEYS_NET, SIGNATURES_NET, ablation)]
    assert found == [47_284, 89_952, 89_952 + 84 * 12 + 12]


@pytest.mark.parametrize("architecture", [KEYS_NET, SIGNATURES_NET, replace(KEYS_NET, frames_per_step=4)])
def test_a_profile_is_a_distribution_over_all_outputs(architecture):
    profile = fresh(architecture)(torch.rand(3, BINS, 646))
    assert profile.flatten(1).shape == (3, architecture.outputs)
    assert torch.allclose(profile.flatten(1).sum(1), torch.ones(3))
    assert (profile > 0).all()


@pytest.mark.parametrize("outputs", [12, 24])
def test_each_item_of_a_batch_is_heard_alone(outputs):
    network = fresh(Architecture(outputs=outputs))
    items = torch.rand(4, BINS, 200)
    alone = torch.cat([network(item[None]) for item in items])
    assert torch.allclose(network(items), alone, atol=1e-6)


def around_the_spiral(network: ChromaNet) -> Iterator[nn.Module]:
    """Makes frequency a circle of seven octaves, so that a shifted input has no border."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.padding_mode == "replicate":
            module.padding_mode = "circular"
            yield module


@pytest.mark.parametrize("octaves", [True, False], ids=["S-KEY", "ablation"])
def test_without_borders_a_shift_rotates_the_profile_exactly_but_for_the_ablation(octaves):
    network = fresh(replace(KEYS_NET, octave_equivalence=octaves)).double()
    assert len(list(around_the_spiral(network))) == 7
    x = torch.rand(1, BINS, 600, dtype=torch.float64)
    off = [network(x.roll(k, dims=1)) - network(x).roll(k, dims=1) for k in (1, 5, 7, 12)]
    largest = [float(each.detach().abs().max()) for each in off]
    assert max(largest) < 1e-12 if octaves else largest[2] > 1e-4


@pytest.mark.parametrize("name", ["skey", "semitone24", "stone12"])
def test_transposing_a_song_rotates_its_profile(released, name):
    network = released(name).network
    song = log_vqt(torch.from_numpy(reference_sound("major")))
    with torch.inference_mode():
        profiles = network(torch.stack([crop(song, c) for c in range(13)])).reshape(13, 12, -1)
    rows = profiles.sum(2).argmax(1)
    assert rows.tolist() == [(int(rows[0]) - c) % 12 for c in range(13)]
    assert (profiles[12] - profiles[0]).abs().max() < 0.1


def test_too_few_frames_for_seven_halvings_are_refused():
    network = fresh(KEYS_NET)
    with pytest.raises(SkeyError, match="at least 128"):
        network(torch.rand(1, BINS, 127))
    assert network(torch.rand(1, BINS, 128)).isfinite().all()


def test_stochastic_depth_is_silent_in_evaluation_and_keeps_the_mean_in_training():
    drop, branch = StochasticDepth(0.1), torch.ones(20_000, 1, 1, 1)
    assert torch.equal(drop.eval()(branch, branch), 2 * branch)
    thinned = drop.train()(branch, branch) - branch
    assert abs(float((thinned == 0).float().mean()) - 0.1) < 0.01
    assert abs(float(thinned.mean()) - 1) < 0.01


def test_gradients_reach_every_parameter_and_are_finite():
    network = ChromaNet(KEYS_NET)
    network(torch.rand(4, BINS, 256))[:, 0, 0].log().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert sum(float(p.grad.abs().sum()) > 0 for p in network.parameters() if p.grad is not None) > 50


def test_the_gradients_of_the_depthwise_convolution_are_those_of_pytorch():
    convolution = nn.Conv2d(3, 3, 5, groups=3).double()
    padded = torch.rand(2, 3, 9, 11, dtype=torch.double, requires_grad=True)
    inputs = (padded, convolution.weight, convolution.bias)
    ours, theirs = Depthwise.apply(*inputs), convolution(padded)
    assert torch.equal(ours, theirs)
    weights = torch.rand_like(ours)
    for mine, expected in zip(
        torch.autograd.grad((ours * weights).sum(), inputs),
        torch.autograd.grad((theirs * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, expected)


def test_a_network_in_training_computes_what_it_computes_otherwise():
    network = ChromaNet(replace(KEYS_NET, stochastic_depth=0.0))
    steps = torch.rand(2, BINS, 256)
    assert torch.equal(network.train().pool(steps), network.eval().pool(steps))
