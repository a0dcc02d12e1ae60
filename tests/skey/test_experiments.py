"""The systems of both papers, and how they differ from each other."""

from dataclasses import asdict

import pytest

from skey.errors import SkeyError
from skey.experiments import EXPERIMENTS, SKEY, STONE24, Experiment, at_scale, find_experiment
from skey.losses import LossSettings
from skey.model import ChromaNet, count_parameters
from skey.supervised import KeyClassifier
from skey.training.checkpoint import _changed

CHROMANETS = [name for name, experiment in EXPERIMENTS.items() if isinstance(experiment.loss, LossSettings)]


def differences(a: Experiment, b: Experiment) -> set[str]:
    """Names of the settings, nested ones with a dot, in which two systems differ besides their names."""
    return set(_changed(asdict(a), asdict(b))) - {"name", "title"}


def test_every_system_but_the_supervised_baseline_is_a_chromanet():
    assert set(EXPERIMENTS) - set(CHROMANETS) == {"supervised"}
    networks = [EXPERIMENTS[name].network() for name in CHROMANETS]
    assert all(isinstance(each, ChromaNet) and count_parameters(each) >= 47_284 for each in networks)
    assert isinstance(EXPERIMENTS["supervised"].network(), KeyClassifier)


@pytest.mark.parametrize("name", CHROMANETS)
def test_modes_are_trained_where_there_are_modes(name):
    experiment = EXPERIMENTS[name]
    assert (experiment.loss.mode == "none") == (experiment.architecture.outputs == 12)
    assert experiment.supervision == "none" or experiment.architecture.outputs == 24


@pytest.mark.parametrize(
    ("one", "other", "setting"),
    [
        ("stone", "stone-no-octaves", "architecture.octave_equivalence"),
        ("stone", "stone-no-cpsd", "loss.signature"),
        ("semitone", "suptone", "supervision"),
        ("semitone", "semitone-1", "labelled_share"),
    ],
)
def test_these_systems_differ_in_one_thing(one, other, setting):
    assert differences(EXPERIMENTS[one], EXPERIMENTS[other]) == {setting}


def test_skey_differs_from_24_stone_in_its_loss_alone():
    assert all(name.startswith("loss.") for name in differences(STONE24, SKEY))


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS.keys())
def test_our_scale_changes_how_much_and_not_what_is_trained(experiment):
    allowed = {"clips", "unlabelled", "batch", "steps", "epochs"}
    allowed |= {"optimiser.rate", "architecture.frames_per_step"}
    assert differences(experiment, at_scale(experiment)) <= allowed
    assert at_scale(experiment, epochs=3).epochs == 3


def test_an_unknown_system_is_told_the_known_ones():
    assert find_experiment("skey") is SKEY
    with pytest.raises(SkeyError, match="stone24"):
        find_experiment("key-bert")
