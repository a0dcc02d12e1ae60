"""The training loop: what it reads, what a step computes, and that a run does not mind interruptions."""

import csv
import math
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from skey.cli.step import plain_profile, plain_terms
from skey.corpus.build import FeatureStore, Shard, write_shard
from skey.corpus.plan import plan_clips
from skey.experiments import EXPERIMENTS, Experiment, Optimiser, at_scale
from skey.keys import KEYS
from skey.model import Architecture, ChromaNet
from skey.training import card, checkpoint, loop, step
from skey.training.checkpoint import RunError
from skey.training.data import Pool, TrainingData, cropped, draw_crops, epoch_order, load_data
from skey.training.loop import Machine, Run
from skey.training.step import (
    Batch,
    batch_loss,
    clip_gradients,
    decay_at,
    descend,
    make_optimiser,
    place_settings,
    rate_at,
    set_step,
)
from skey.weights import load_weights
from skey.weights.store import LoadedModel

SMALL = Architecture(channels=(2, 3, 4, 4, 3), kernels=(3, 3, 3, 3, 3), frames_per_step=8)


def small(name: str, epochs: int = 2) -> Experiment:
    experiment = at_scale(EXPERIMENTS[name], batch=4, epochs=epochs)
    architecture = replace(SMALL, outputs=experiment.architecture.outputs)
    return replace(experiment, architecture=architecture)


def store_of(folder: Path, features: np.ndarray) -> FeatureStore:
    shard = Shard(folder, "synthetic", tuple(f"clip{n}" for n in range(len(features))))
    folder.mkdir(parents=True, exist_ok=True)
    write_shard(shard, features, {})
    return FeatureStore([shard])


def synthetic_store(folder: Path) -> FeatureStore:
    """Noise whose loudest pitch class follows the clip's key."""
    features = np.random.default_rng(0).integers(0, 90, (14, 99, 1292), dtype=np.uint8)
    for clip, key in enumerate(KEYS[:14]):
        features[clip, (key.tonic + 3) % 12 :: 12] += 100
    return store_of(folder, features)


def synthetic_data(folder: Path) -> TrainingData:
    """Such clips, of which every third has no label."""
    pool = Pool.of(synthetic_store(folder), [KEYS[n] if n % 3 else None for n in range(14)])
    training = pool.kept(range(9))
    return TrainingData(training, training.labelled(), pool.kept(range(9, 14)), "synthetic", len(training))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthetic_data(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """S-KEY trained for three epochs without a stop."""
    trained = run("skey", data, tmp_path_factory.mktemp("whole"), epochs=3)
    trained.train()
    return trained


def run(
    name: str, data: TrainingData, folder: Path, epochs: int = 2, seed: int = 0, **more: LoadedModel
) -> Run:
    return Run(small(name, epochs), seed, data, folder, Machine("cpu", half_precision=False), **more)


@pytest.mark.parametrize("rule", ["paper", "code"])
def test_both_crops_stay_inside_and_the_third_view_is_at_most_an_octave_away(rule):
    c, moved = draw_crops(5000, torch.Generator().manual_seed(0), rule)
    assert set(c.tolist()) == set(range(16) if rule == "paper" else range(1, 13))
    assert set(moved.tolist()) == set(range(16) if rule == "paper" else range(12))
    assert int((moved - c).abs().max()) <= 12
    assert bool(((moved - c) % 12 == 0).any()) == (rule == "paper")


def test_a_crop_of_c_moves_every_item_down_by_its_own_c():
    x = torch.rand(3, 99, 5)
    y = cropped(x, torch.tensor([0, 4, 15]))
    assert torch.equal(y[1], x[1, 4:88])
    assert torch.equal(y[2], x[2, 15:99])


def test_every_clip_comes_once_before_any_comes_twice():
    order = epoch_order(5, 12, torch.Generator().manual_seed(1))
    assert sorted(order[:5]) == sorted(order[5:10]) == list(range(5))
    assert len(order) == 12


def test_segments_are_the_two_halves_of_a_clip_averaged_over_frames(data):
    store, row = data.training.places[2]
    stored = torch.from_numpy(np.array(store[row])).float() / 255 * 1.25
    segments = data.training.segments([2], 8)
    assert segments.shape == (1, 2, 99, 80)
    assert torch.allclose(segments[0, 0, 7, 3], stored[7, 24:32].mean())
    assert torch.allclose(segments[0, 1, 7, 3], stored[7, 646 + 24 : 646 + 32].mean())


def test_no_group_of_pieces_is_both_trained_on_and_watched(tmp_path, monkeypatch):
    monkeypatch.setenv("SKEY_DATA", str(tmp_path))
    monkeypatch.setattr("skey.corpus.build.clip_features", lambda clip: np.zeros((99, 1292), np.uint8))
    data = load_data(at_scale(EXPERIMENTS["semitone"], clips=120, unlabelled=120), jobs=1)
    plans = [*plan_clips("train", 120), *plan_clips("unlabelled", 120)]
    group = {clip.id: clip.group for clip in plans}
    trained, watched = (
        {group[store.clip_ids[row]] for store, row in pool.places}
        for pool in (data.training, data.validation)
    )
    assert watched.isdisjoint(trained) and len(data.training) + len(data.validation) == len(plans)
    assert 0.04 < len(data.validation) / len(plans) < 0.2
    assert {clip.group for clip in plan_clips("test")}.isdisjoint(watched | trained)


def test_the_rate_warms_up_linearly_and_falls_by_a_cosine_while_the_decay_rises():
    settings = Optimiser(rate=1e-3, warm_up=0.1)
    rates = [rate_at(step, 100, settings) for step in range(100)]
    assert rates[:10] == pytest.approx([1e-4 * (n + 1) for n in range(10)])
    assert max(rates) == pytest.approx(1e-3)
    assert rates[55] == pytest.approx(5e-4, rel=0.01)
    assert rates[-1] < 1e-6
    assert (decay_at(0, 100, settings), decay_at(100, 100, settings)) == pytest.approx((0.04, 0.4))


def test_offsets_norms_and_scales_do_not_decay():
    network = ChromaNet(Architecture(outputs=12))
    spared = {id(p) for p in make_optimiser(network, Optimiser()).param_groups[1]["params"]}
    for name, parameter in network.named_parameters():
        assert (id(parameter) in spared) == ("norm" in name or parameter.ndim < 2), name


def test_each_gradient_is_cut_on_its_own():
    network = ChromaNet(SMALL)
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, 100.0)
    network.classifier.bias.grad = torch.tensor([0.1, 0.1])
    clip_gradients(network, 3.0)
    assert network.classifier.weight.grad.norm().item() == pytest.approx(3, rel=1e-4)
    assert network.classifier.bias.grad.tolist() == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize("outputs", [12, 24])
def test_the_fast_layout_computes_what_the_plain_one_does(outputs):
    network = ChromaNet(replace(SMALL, outputs=outputs, frames_per_step=1)).eval()
    x = torch.rand(3, 84, 70)
    ours = network(x).reshape(3, 12, -1)
    assert torch.allclose(plain_profile(network, x), ours, atol=1e-6)


def batch_of(data: TrainingData, clips: list[int]) -> Batch:
    segments = data.training.segments(clips, SMALL.frames_per_step)
    c, moved = draw_crops(8, torch.Generator().manual_seed(2))
    place = torch.tensor(clips)
    return Batch(segments[:, 0], segments[:, 1], c[place], moved[place])


def settled_network() -> ChromaNet:
    torch.manual_seed(0)
    return ChromaNet(replace(SMALL, stochastic_depth=0.0)).train()


def test_groups_of_items_give_the_loss_and_gradient_of_one_pass(data):
    batch, results = batch_of(data, list(range(8))), []
    for group in (step.GROUP, 3):
        network = settled_network()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(step, "GROUP", group)
            loss = sum(batch_loss(None, network, EXPERIMENTS["skey"].loss, batch).values())
        loss.backward()
        gradients = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
        results.append((loss.item(), torch.cat(gradients)))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    assert torch.allclose(results[0][1], results[1][1], atol=1e-5)


@pytest.mark.parametrize("name", ["stone", "stone24", "skey", "skey-peaks"])
def test_the_plain_step_of_the_bench_has_the_terms_of_training(name, data):
    network, loss, batch = settled_network(), EXPERIMENTS[name].loss, batch_of(data, list(range(8)))
    plain = {name: value.item() for name, value in plain_terms(network, loss, batch).items()}
    ours = {name: value.item() for name, value in batch_loss(None, network, loss, batch).items()}
    assert plain == pytest.approx(ours, rel=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        *("stone", "stone-no-cpsd", "stone-invariance", "stone24"),
        *("skey", "skey-calibrated", "semitone", "suptone"),
    ],
)
def test_every_kind_of_system_trains_and_its_weights_load(name, data, tmp_path):
    trained = run(name, data, tmp_path / name)
    state = trained.train()
    assert len(state.log) == 2
    loaded = load_weights(trained.folder.weights)
    assert loaded.header.training["steps"] == 2 * 2
    assert loaded.signature_profile(torch.rand(1, 99, 646)).sum().item() == pytest.approx(1, abs=1e-5)
    with trained.folder.log.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(math.isfinite(float(row["validation_loss"])) for row in rows)


def substance(log: list) -> list:
    """The log without times."""
    return [{k: v for k, v in row.items() if k not in ("seconds", "clips_per_second")} for row in log]


def test_another_seed_gives_another_run(data, whole, tmp_path):
    other = next(run("skey", data, tmp_path, epochs=3, seed=1).epochs())
    assert substance([other]) != substance(whole.state.log[:1])


def test_a_run_that_was_stopped_in_the_middle_of_an_epoch_goes_on_bit_for_bit(
    data, whole, tmp_path, monkeypatch
):
    stopped = run("skey", data, tmp_path, epochs=3)
    take, steps = stopped._step, iter(range(4))

    def stopping(number: int, batch: Batch) -> Any:
        if next(steps) == 3:
            raise KeyboardInterrupt
        return take(number, batch)

    monkeypatch.setattr(stopped, "_step", stopping)
    with pytest.raises(KeyboardInterrupt):
        stopped.train()
    resumed = run("skey", data, tmp_path, epochs=3)
    resumed.resume()
    assert resumed.state.epoch == 1
    assert substance(resumed.train().log) == substance(whole.state.log)
    ours, theirs = resumed.state.network.state_dict(), whole.state.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_killed_between_log_and_checkpoint_has_every_row_in_the_end(data, tmp_path, monkeypatch):
    killed, write, calls = run("skey", data, tmp_path, epochs=1), checkpoint.write_whole, iter(range(2))

    def write_once(*file: Any) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt
        write(*file)

    monkeypatch.setattr(checkpoint, "write_whole", write_once)
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    monkeypatch.undo()
    resumed = run("skey", data, tmp_path, epochs=1)
    resumed.resume()
    resumed.train()
    with resumed.folder.log.open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1"]


def test_a_checkpoint_of_other_settings_or_half_of_one_is_not_continued(data, whole, tmp_path):
    with pytest.raises(RunError, match="other settings"):
        run("skey", data, whole.folder.path, epochs=5).resume()
    half = run("skey", data, tmp_path, epochs=3)
    half.folder.checkpoint.write_bytes(whole.folder.checkpoint.read_bytes()[:1000])
    with pytest.raises(RunError, match="damaged"):
        half.resume()
    ours = torch.load(whole.folder.checkpoint, weights_only=True)
    for foreign in ([1], {"state_dict": {}}, ours | {"network": {}}, ours | {"settings": 3}):
        torch.save(foreign, half.folder.checkpoint)
        with pytest.raises(RunError, match="damaged"):
            half.resume()


def test_two_trainings_do_not_write_to_one_folder(data, whole, tmp_path):
    first, second = (run("skey", data, tmp_path, epochs=3) for _ in range(2))
    rows = first.epochs()
    next(rows)
    with pytest.raises(RunError, match="another training writes to"):
        second.train()
    assert substance([*rows] and first.state.log) == substance(whole.state.log)
    second.resume()
    assert substance(second.train().log) == substance(whole.state.log)


def test_a_run_from_weights_counts_their_examples_and_goes_on_from_them_alone(data, whole, tmp_path):
    start = load_weights(whole.folder.weights)
    second = run("skey", data, tmp_path / "second", epochs=1, start=start)
    for name, value in second.state.network.state_dict().items():
        assert torch.equal(value, start.network.state_dict()[name])
    second.train()
    header = load_weights(second.folder.weights).header
    assert header.training["started_from"]["checksum"] == start.header.checksum
    assert start.header.examples and header.examples == start.header.examples * 4 // 3
    with pytest.raises(RunError, match="other weights"):
        run("skey", data, tmp_path / "second", epochs=1).resume()
    with pytest.raises(RunError, match="another network"):
        run("stone", data, tmp_path / "third", start=start)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_state(data, tmp_path):
    broken = run("skey", data, tmp_path / "x")
    torch.nn.init.constant_(broken.state.network.classifier.weight, float("nan"))
    with pytest.raises(RunError, match="not finite"):
        broken.train()
    kept = torch.load(tmp_path / "x" / "failed.pt", weights_only=True)
    assert kept["step"] == 0
    assert not (tmp_path / "x" / "checkpoint.pt").exists()


def test_semi_tone_alternates_and_sup_tone_does_not(data, tmp_path):
    semi, sup, none = (run(name, data, tmp_path / name) for name in ("semitone", "suptone", "skey"))
    assert [semi.is_supervised(epoch) for epoch in range(4)] == [False, True, False, True]
    assert all(sup.is_supervised(epoch) for epoch in range(4))
    assert not any(none.is_supervised(epoch) for epoch in range(4))


def test_training_lowers_the_loss_of_supervised_clips(data, tmp_path):
    experiment = replace(small("suptone", epochs=12), optimiser=Optimiser(rate=1e-2))
    log = Run(experiment, 0, data, tmp_path / "x", Machine("cpu", half_precision=False)).train().log
    losses = [row["signature"] + row["mode"] for row in log]
    assert min(losses[-3:]) < losses[0]


def test_what_lies_on_the_card_is_what_the_pool_holds(data, monkeypatch):
    pool = data.training
    monkeypatch.setattr(card, "CLIPS_AT_ONCE", 4)
    copy = card.whole_on_card(pool, 4, torch.device("cpu"))
    assert copy is not None and torch.equal(copy, pool.segments(range(len(pool)), 4))


@pytest.mark.parametrize("name", ["skey", "semitone", "skey-late"])
def test_the_way_of_the_card_gives_the_same_weights_on_a_processor(name, data, tmp_path, monkeypatch):
    usual, other = run(name, data, tmp_path / "usual"), run(name, data, tmp_path / "card")
    monkeypatch.setattr(loop, "Recorded", lambda step: step)
    other._on_card = True
    logs = [[dict(row) for row in each.epochs()] for each in (usual, other)]
    for a, b in zip(usual.state.network.parameters(), other.state.network.parameters(), strict=True):
        assert torch.equal(a, b)
    for mine, its in zip(*logs, strict=True):
        assert mine["validation_loss"] == its["validation_loss"]
        assert mine["signature"] == pytest.approx(its["signature"], rel=1e-5)


def test_on_a_card_numbers_that_are_none_are_found_at_the_end_of_the_epoch(data, tmp_path, monkeypatch):
    broken = run("skey", data, tmp_path)
    monkeypatch.setattr(loop, "Recorded", lambda step: step)
    broken._on_card = True
    with torch.no_grad():
        next(broken.state.network.parameters()).fill_(float("nan"))
    with pytest.raises(RunError, match="not finite"):
        broken.train()
    assert (tmp_path / "failed.pt").is_file() and not broken.folder.weights.exists()


def test_weights_shrink_as_adamw_shrinks_them():
    settings = Optimiser(decay=0.3, final_decay=0.3)
    ours, theirs = nn.Linear(3, 2), nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    optimiser = make_optimiser(ours, settings)
    pairs = ((theirs.weight, 0.3), (theirs.bias, 0.0))
    groups = [{"params": [parameter], "weight_decay": decay} for parameter, decay in pairs]
    reference = torch.optim.AdamW(groups, betas=settings.betas)
    for number in range(4):
        set_step(optimiser, number, 4, settings)
        for group in reference.param_groups:
            group["lr"] = rate_at(number, 4, settings)
        for network, descends in ((ours, lambda: descend(optimiser)), (theirs, reference.step)):
            network.zero_grad()
            network(torch.ones(1, 3)).square().sum().backward()
            descends()
    assert torch.equal(ours.weight, theirs.weight) and torch.equal(ours.bias, theirs.bias)


def test_held_out_pieces_are_listened_to_as_often_as_asked_and_at_the_end(data, tmp_path):
    seldom = Run(small("skey", 3), 0, data, tmp_path, Machine("cpu", half_precision=False, watch_every=2))
    assert ["validation_loss" in row for row in seldom.epochs()] == [False, True, True]
    assert seldom.folder.weights.is_file()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card that CUDA can use")
@pytest.mark.parametrize("name", ["skey", "stone", "semitone", "skey-late", "semitone-open"])
def test_a_run_on_a_card_is_stopped_and_goes_on(name, data, tmp_path):
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


def test_a_checkpoint_of_an_older_version_is_not_decayed_twice():
    optimiser = make_optimiser(nn.Linear(3, 2), Optimiser())
    older = optimiser.state_dict()
    for group in older["param_groups"]:
        group["weight_decay"] = 0.3
        del group["kept"]
    optimiser.load_state_dict(older)
    place_settings(optimiser)
    assert [(group["weight_decay"], group["kept"]) for group in optimiser.param_groups] == [(0.0, 1.0)] * 2
