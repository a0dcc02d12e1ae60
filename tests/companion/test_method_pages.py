"""The pages on the method: what their figures are made of, what their records say, that snippets run."""

import math
import re
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from made_up import ROOT, shipped
from sounds import sine
from torch import Tensor

from companion.datasets import DATASETS
from companion.plots import method as plots
from companion.studies import alignment, pretext, pseudo_labels
from skey.calibration import Calibration
from skey.experiments import Experiment
from skey.keys import KEYS
from skey.losses import LossSettings, Views, cpsd_loss, dft, pseudo_label
from skey.model import Architecture, ChromaNet
from skey.weights import Header
from skey.weights.store import LoadedModel

TEXTS = [*(ROOT / "book").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
SMALL = {"channels": (2, 3, 4), "kernels": (3, 3, 3), "frames_per_step": 8}


def small_model(outputs: Any) -> LoadedModel:
    """A network with random weights."""
    network = ChromaNet(Architecture(outputs=outputs, **SMALL)).eval()
    calibration = Calibration(outputs, 9, 6)
    header = Header("n", "n", network.architecture, calibration, "MIT", "a test", "sum", False)
    return LoadedModel(header, network)


def test_the_third_view_is_the_first_moved_down_by_k():
    segments = torch.rand(2, 99, 7)
    views = pretext.views_of(segments)
    assert torch.equal(views["a_moved"][:-7], views["a"][pretext.SHIFT :])
    assert torch.equal(views["a"], segments[0, 2:86]) and torch.equal(views["b"], segments[1, 2:86])


@pytest.mark.parametrize("clip", ["sure", "torn"])
@pytest.mark.parametrize("omega", [7, 1])
def test_the_three_losses_of_the_figure_are_the_loss_of_training(clip, omega):
    for entry in shipped("figure-1-pretext-task").entries.values():
        raw = [torch.tensor(entry[clip][view])[None] for view in pretext.VIEWS]
        whole = cpsd_loss(Views(*raw, torch.tensor([entry["k"]])), omega)
        shown = sum(term.distance for term in pretext.terms(entry, clip, omega).values())
        assert shown == pytest.approx(whole.item(), abs=1e-5)


def test_the_table_is_named_by_its_major_column():
    y = torch.zeros(2, 12)
    y[1, 4] = 1
    entry = {"calibration": asdict(Calibration(24, 8, 5, major_column=1)), "major": y.tolist()}
    named = pretext.named_structure(entry, "major")
    assert named[0, 0] == 1 and named.sum() == 1


def test_only_four_circles_tell_all_signatures_apart_and_two_of_them_are_the_others_run_backwards():
    places = [dft(torch.eye(12), omega).numpy().round(5) for omega in range(12)]
    assert [omega for omega in range(12) if len(set(places[omega])) == 12] == [1, 5, 7, 11]
    assert places[5] == pytest.approx(places[7].conj(), abs=1e-5)


def test_a_network_with_one_column_is_asked_for_it_in_both_modes():
    entry = {"calibration": asdict(Calibration(12, 0, 9)), "minor": np.eye(12)[:, None].tolist()}
    assert np.array_equal(alignment.by_crop(entry, "minor"), np.eye(12))


def study_of(*chromas: Tensor) -> pseudo_labels.Study:
    """Clips in C major with these chromas."""
    labels = pseudo_labels._labels(chromas)
    louder = {("decibels", name == "fifths"): pseudo_labels._bits(bits) for name, bits in labels.items()}
    everything = np.ones(len(chromas), dtype=bool)
    signatures = np.zeros(len(chromas), dtype=int)
    return pseudo_labels.Study(signatures, everything, {"all": everything}, louder)


@pytest.mark.parametrize("sign", [-3, 3])
@pytest.mark.parametrize("with_fifth", [False, True])
def test_the_record_of_comparisons_gives_what_the_rule_of_training_gives(sign, with_fifth):
    chroma, roots = torch.rand(200, 12), torch.randint(12, (200,))
    rows = torch.nn.functional.one_hot(roots, 12).float()
    trained = pseudo_label(Views(rows, rows, rows, roots), chroma, sign, with_fifth=with_fifth)
    said = pseudo_labels.says_major(study_of(*chroma), roots.numpy(), sign, with_fifth=with_fifth)
    assert said.tolist() == trained.bool().tolist()


def test_pairs_of_equal_offsets_are_the_accuracy_at_that_offset():
    study = pseudo_labels.read_study(shipped("skey-pseudo-label").entries)
    shares = pseudo_labels.consistency(study, -3)
    at = [pseudo_labels.right(study, study.signatures + offset, -3).mean() for offset in range(12)]
    assert np.diag(shares) == pytest.approx(100 * np.array(at))
    assert shares[2, 9] == pytest.approx(100 * pseudo_labels.right_at_pair(study, -3, (2, 9)).mean())


@pytest.mark.parametrize("outputs", [12, 24])
def test_a_network_is_asked_for_a_row_a_clip_and_for_its_mode_if_it_knows_any(outputs):
    heard = [torch.rand(99, 1292, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    found = pseudo_labels.observe_rows(small_model(outputs), heard)
    assert len(found["rows"]) == 3 and set(found["rows"]) <= set(range(12))
    assert ("major" in found) == (outputs == 24)


def test_a_row_as_trained_is_pitch_class_a_plus_q_and_a_calibrated_one_counts_from_c():
    study = study_of(*torch.eye(12)[:2])
    entry = {"rows": [3, 0, 5], "row_of_c": 3}
    assert pseudo_labels.trained_roots(entry, study).tolist() == [0, 9]
    assert pseudo_labels.calibrated_roots(entry, study).tolist() == [0, 9]
    assert pseudo_labels.offsets(entry, study)["major"][9] == 1


def test_a_silent_log_vqt_can_be_drawn():
    assert "<svg" in plots.view_drawing("a", torch.zeros(84, 646), "silence").svg


def test_a_point_a_little_below_c_is_told_at_0_degrees_and_by_the_name_of_its_view():
    points = {"a": 1 - 0.001j, "b": -1j, "a_moved": 1j}
    said = plots.plane_drawing(points, 7, "points").description
    assert "A cropped by c: length 1.00 at 0 degrees" in said
    assert (
        "B cropped by c: length 1.00 at 270 degrees; A cropped by c + k: length 1.00 at 90 degrees." in said
    )


def test_every_equation_of_the_paper_is_in_the_book():
    told = "".join(text.read_text(encoding="utf-8").replace("\\\\", "\\") for text in TEXTS)
    assert all(rf"\tag{{{number}}}" in told for number in (*range(1, 12), *range(13, 18)))


def run_snippet(number: int) -> dict[str, Any]:
    """The names that a block of Python on the page defines."""
    page = (ROOT / "book" / "extend.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    exec(compile(snippets[number], "extend.md", "exec"), names)
    return names


def test_the_data_set_of_the_page_can_be_loaded_and_heard(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for kind in ("keys", "audio"):
        (tmp_path / "records" / kind).mkdir(parents=True)
    for place, key in enumerate((KEYS[0], KEYS[21])):
        (tmp_path / "records" / "keys" / f"song-{place}.txt").write_text(str(key))
        soundfile.write(tmp_path / "records" / "audio" / f"song-{place}.flac", sine(22_050), 22_050)
    monkeypatch.setitem(DATASETS, "beatles", run_snippet(0)["Beatles"])
    run_snippet(1)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1)[0] for line in printed] == ["song-0", "song-1"]
    assert "A minor (99, 173)" in printed[1]


def test_the_experiment_of_the_page_differs_in_what_it_says():
    experiment = run_snippet(2)["EXPERIMENTS"]["skey-w1"]
    assert isinstance(experiment, Experiment) and isinstance(experiment.loss, LossSettings)
    assert (experiment.loss.omega, experiment.loss.mode) == (1, "pseudo-label")
    assert experiment.loss.average_weight == 30


def test_the_loss_of_the_page_is_small_where_the_network_is_sure():
    loss = run_snippet(3)["certainty_loss"]
    for y, expected in ((torch.eye(12)[:1], 0), (torch.full((1, 12), 1 / 12), math.log(12))):
        found = loss(Views(y, y, y, torch.zeros(1).long()))
        assert found.item() == pytest.approx(expected, abs=1e-5)
