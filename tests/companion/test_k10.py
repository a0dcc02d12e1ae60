"""K10: a network that others trained, asked as its description says."""

from hashlib import sha256

import numpy as np
import pytest
import torch

from companion.answers import read_record
from companion.record import RESULTS, find_checkout
from companion.studies.k10 import NAME, ask, build, read_network
from skey.corpus.plan import plan_clips, render_clip
from skey.errors import SkeyError
from skey.keys import parse_key


def test_it_has_as_many_parameters_as_its_description_says():
    assert sum(each.numel() for each in build().parameters()) == pytest.approx(109_000, rel=0.01)


def test_its_recorded_answers_are_those_of_its_weights(shared):
    if not (file := shared / "peers" / "k10.pt").is_file():
        pytest.skip("the weights of K10 are not here")
    record = read_record(find_checkout() / RESULTS)
    clips = plan_clips("test")[:3]
    said = ask(file, (render_clip(clip) for clip in clips))
    assert said == [record.answers.loc[clip.id, NAME] for clip in clips]
    assert record.weights[NAME] == sha256(file.read_bytes()).hexdigest()


def test_an_output_is_twice_the_pitch_class_and_one_more_for_minor(tmp_path):
    state = {name: torch.zeros_like(value) for name, value in build().state_dict().items()}
    state["24.bias"][2 * 9 + 1] = 1.0
    torch.save(state, tmp_path / "zeros.pt")
    assert ask(tmp_path / "zeros.pt", [np.zeros(110_250, np.float32)]) == [parse_key("A minor")]


def test_other_weights_are_refused_in_one_line(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("no weights")
    for name in ("other.pt", "text.pt"):
        with pytest.raises(SkeyError, match="does not hold the weights of K10") as refused:
            read_network(tmp_path / name)
        assert "\n" not in str(refused.value)
