"""Training on a graphics card: what can be checked without one, and a run on one where there is one."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from test_training import data, run, small  # noqa: F401 - data is a fixture
from torch import nn

from skey.experiments import Optimiser
from skey.training import card, loop
from skey.training.checkpoint import RunError
from skey.training.data import TrainingData
from skey.training.loop import Machine, Run
from skey.training.step import descend, make_optimiser, place_settings, rate_at, set_step

needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card that CUDA can use")


def test_what_lies_on_the_card_is_what_the_pool_holds(
    data: TrainingData,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = data.training
    monkeypatch.setattr(card, "CLIPS_AT_ONCE", 4)
    copy = card.whole_on_card(pool, 4, torch.device("cpu"))
    assert copy is not None and torch.equal(copy, pool.segments(range(len(pool)), 4))


@pytest.mark.parametrize("name", ["skey", "semitone", "skey-late"])
def test_the_way_of_the_card_gives_the_same_weights_on_a_processor(
    name: str,
    data: TrainingData,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual, other = run(name, data, tmp_path / "usual"), run(name, data, tmp_path / "card")
    monkeypatch.setattr(loop, "Recorded", lambda step: step)
    other._on_card = True
    logs = [[dict(row) for row in each.epochs()] for each in (usual, other)]
    for a, b in zip(usual.state.network.parameters(), other.state.network.parameters(), strict=True):
        assert torch.equal(a, b)
    for mine, its in zip(*logs, strict=True):
        assert mine["validation_loss"] == its["validation_loss"]
        assert mine["signature"] == pytest.approx(its["signature"], rel=1e-5)


def test_on_a_card_numbers_that_are_none_are_found_at_the_end_of_the_epoch(
    data: TrainingData,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = run("skey", data, tmp_path)
    monkeypatch.setattr(loop, "Recorded", lambda step: step)
    broken._on_card = True
    with torch.no_grad():
        next(broken.state.network.parameters()).fill_(float("nan"))
    with pytest.raises(RunError, match="not finite"):
        broken.train()
    assert (tmp_path / "failed.pt").is_file() and not broken.folder.weights.exists()


def test_weights_shrink_as_adamw_shrinks_them() -> None:
    settings, steps = Optimiser(decay=0.3, final_decay=0.3), 4
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    optimiser = make_optimiser(ours, settings)
    groups = [
        {"params": [theirs.weight], "weight_decay": 0.3},
        {"params": [theirs.bias], "weight_decay": 0.0},
    ]
    reference = torch.optim.AdamW(groups, betas=settings.betas)
    for step in range(steps):
        set_step(optimiser, step, steps, settings)
        for group in reference.param_groups:
            group["lr"] = rate_at(step, steps, settings)
        for network, descends in ((ours, lambda: descend(optimiser)), (theirs, reference.step)):
            network.zero_grad()
            network(torch.ones(1, 3)).square().sum().backward()
            descends()
    assert torch.equal(ours.weight, theirs.weight) and torch.equal(ours.bias, theirs.bias)


def test_held_out_pieces_are_listened_to_as_often_as_asked_and_at_the_end(
    data: TrainingData,  # noqa: F811
    tmp_path: Path,
) -> None:
    seldom = Run(small("skey", 3), 0, data, tmp_path, Machine("cpu", half_precision=False, watch_every=2))
    assert ["validation_loss" in row for row in seldom.epochs()] == [False, True, True]
    assert seldom.folder.weights.is_file()


@needs_card
@pytest.mark.parametrize("name", ["skey", "stone", "semitone", "skey-late", "semitone-open"])
def test_a_run_on_a_card_is_stopped_and_goes_on(
    name: str,
    data: TrainingData,  # noqa: F811
    tmp_path: Path,
) -> None:
    def on_card(folder: Path) -> Run:
        return Run(small(name, 6), 0, data, folder, Machine("cuda"))

    whole, parts = on_card(tmp_path / "whole"), on_card(tmp_path / "parts")
    whole.train()
    assert len(list(islice(parts.epochs(), 3))) == 3
    resumed = on_card(tmp_path / "parts")
    resumed.resume()
    resumed.train()
    assert resumed.state.log[-1]["validation_loss"] == pytest.approx(
        whole.state.log[-1]["validation_loss"], rel=0.05
    )


def test_a_checkpoint_of_an_older_version_is_not_decayed_twice() -> None:
    optimiser = make_optimiser(nn.Linear(3, 2), Optimiser())
    older = optimiser.state_dict()
    for group in older["param_groups"]:
        group["weight_decay"] = 0.3
        del group["kept"]
    optimiser.load_state_dict(older)
    place_settings(optimiser)
    assert [(group["weight_decay"], group["kept"]) for group in optimiser.param_groups] == [(0.0, 1.0)] * 2
