"""Calibration finds from sound alone what each output means."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from skey.calibration import SCALES, Calibration, calibrate, reference_sound, triad
from skey.errors import SkeyError
from skey.keys import KEYS, parse_key
from skey.model import Architecture, ChromaNet


@pytest.mark.parametrize(
    ("name", "outputs"),
    [("skey", "A major, B minor"), ("semitone24", "B minor, D major"), ("stone12", "Bb major")],
)
def test_calibration_finds_with_which_key_each_mode_of_a_released_network_begins(released, name, outputs):
    keys = released(name).header.calibration.output_keys()
    expected = [parse_key(first).transposed(q) for first in outputs.split(", ") for q in range(12)]
    assert list(keys) == expected


@pytest.mark.parametrize(("mode", "key"), [("major", "0 2 4 5 7 9 11"), ("minor", "9 11 0 2 4 5 8")])
def test_the_reference_sound_is_made_of_the_notes_of_its_key(mode, key):
    notes = {int(pitch_class) for pitch_class in key.split()}
    assert {pitch % 12 for pitch in SCALES[mode]} == notes
    sound = reference_sound(mode)
    assert sound.shape == (15 * 22_050,) and np.abs(sound).max() == pytest.approx(1)
    chords = [triad(mode, degree) for degree in range(7)]
    assert {pitch % 12 for chord in chords for pitch in chord} == notes | {7}  # the natural seventh
    assert all({(high - low) % 12 for low, high in pairwise(chord)} <= {3, 4} for chord in chords)


def test_a_one_hot_output_comes_out_as_its_own_key():
    calibration = Calibration(24, major=9, minor=11, major_column=1)
    for index, key in enumerate(calibration.output_keys()):
        profile = torch.zeros(1, 24)
        profile[0, index] = 1
        matrix = profile.reshape(1, 2, 12).transpose(1, 2)
        assert KEYS[int(calibration.key_profile(matrix).argmax())] == key
        assert int(calibration.signature_profile(matrix).argmax()) == key.signature


def test_a_key_signature_profile_is_rotated_to_start_at_c_and_tells_no_mode():
    calibration = Calibration(12, major=10, minor=7)
    for index, key in enumerate(calibration.output_keys()):
        assert int(calibration.signature_profile(torch.eye(12)[index : index + 1]).argmax()) == key.tonic
    with pytest.raises(SkeyError, match="signature"):
        calibration.key_profile(torch.rand(1, 12, 2))


class ChromaWithModes(ChromaNet):
    """Stands in for a trained network: matches the chroma with two scales, each mode rotated as it likes."""

    def __init__(self, major_row: int, minor_row: int, major_column: int) -> None:
        super().__init__(Architecture())
        self.rows, self.major_column = (major_row, minor_row), major_column

    def forward(self, cropped: Tensor) -> Tensor:
        level = cropped.reshape(len(cropped), 7, 12, -1).mean((1, 3))
        columns = []
        major, minor = (4, 0, 2, 0, 3, 1, 0, 3, 0, 1, 0, 2), (4, 0, 1, 3, 0, 1, 0, 3, 2, 0, 0, 2)
        for row, weights in zip(self.rows, (major, minor), strict=True):
            template = torch.tensor(weights, dtype=torch.float32)
            score = torch.stack([(level * template.roll(tonic)).sum(1) for tonic in range(12)], dim=1)
            columns.append(score.roll(row, dims=1))
        order = columns if self.major_column == 0 else columns[::-1]
        return (20 * torch.stack(order, dim=2)).flatten(1).softmax(1).reshape(-1, 12, 2)


@pytest.mark.parametrize(("major", "minor", "column"), [(0, 0, 0), (3, 3, 1), (5, 10, 0), (11, 4, 1)])
def test_each_mode_calibrates_on_its_own(major, minor, column):
    found = calibrate(ChromaWithModes(major, minor, column))
    assert found == Calibration(24, (9 - major) % 12, (9 - minor) % 12, column)


def test_calibration_leaves_a_network_in_training_as_it_was_and_refuses_broken_weights():
    network = ChromaNet().train()
    calibrate(network)
    assert network.training and int(network.mode_norm.num_batches_tracked) == 0
    torch.nn.init.constant_(network.classifier.weight, float("nan"))
    with pytest.raises(SkeyError, match="not finite"):
        calibrate(network)
