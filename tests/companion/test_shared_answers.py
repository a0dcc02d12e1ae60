"""Shared answers: asked once in a run, and again as soon as anything changed that they depend on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from companion.results import shared
from companion.results.predictions import Answer
from companion.results.shared import VARIABLE, are_shared, code_digest, identity, shared_answers
from skey.baselines import BASELINES, AlwaysCMajor, TemplateMatching
from skey.calibration import Calibration
from skey.keys import KEYS
from skey.model import ChromaNet
from skey.weights import FrontEnd, Header, save_weights
from skey.weights.system import NetworkSystem

MUSIC = {"hash": "a", "tracks": ["1", "2", "3"]}


class Asked:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> tuple[Answer, ...]:
        self.times += 1
        return (KEYS[3], 7, None)


@dataclass(frozen=True)
class MadeUp:
    """A system with a setting."""

    setting: int = 0

    def __call__(self, log_vqt: object) -> None:
        raise AssertionError("only `ask` is called")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "answers"))
    return tmp_path / "answers"


@pytest.fixture
def network(tmp_path: Path) -> Callable[[int, int], NetworkSystem]:
    """A network with random weights and some calibration."""

    def save(seed: int, major: int) -> NetworkSystem:
        torch.manual_seed(seed)
        made = ChromaNet().eval()
        header = Header(
            name="made-up",
            title="made up",
            architecture=made.architecture,
            calibration=Calibration(24, major, 6),
            licence="MIT",
            source="a test",
            checksum="",
            front_end=FrontEnd(),
        )
        path = tmp_path / f"{seed}-{major}.safetensors"
        save_weights(path, made, header)
        return NetworkSystem(path)

    return save


def test_the_second_who_needs_an_answer_finds_that_of_the_first(folder: Path) -> None:
    ask = Asked()
    assert shared_answers(MadeUp(), MUSIC, ask) == shared_answers(MadeUp(), MUSIC, ask) == (KEYS[3], 7, None)
    assert ask.times == 1
    assert [json.loads(file.read_text()) for file in folder.glob("*.json")] == [[str(KEYS[3]), "G", ""]]


def test_other_music_and_another_setting_are_asked_anew(folder: Path) -> None:
    ask = Asked()
    shared_answers(MadeUp(), MUSIC, ask)
    shared_answers(MadeUp(), {**MUSIC, "hash": "b"}, ask)
    shared_answers(MadeUp(), {**MUSIC, "tracks": ["1", "2"]}, ask)
    shared_answers(MadeUp(1), MUSIC, ask)
    assert ask.times == 4


def test_other_code_is_asked_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Asked()
    shared_answers(MadeUp(), MUSIC, ask)
    monkeypatch.setattr(shared, "code_digest", lambda: "other code")
    shared_answers(MadeUp(), MUSIC, ask)
    assert ask.times == 2 and len(code_digest()) == 64


def test_without_a_folder_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    ask = Asked()
    shared_answers(MadeUp(), MUSIC, ask)
    shared_answers(MadeUp(), MUSIC, ask)
    assert ask.times == 2 and not are_shared()


def test_a_function_without_a_name_that_lasts_is_always_asked(folder: Path) -> None:
    ask = Asked()
    for _ in range(2):
        shared_answers(lambda log_vqt: KEYS[0], MUSIC, ask)
    assert ask.times == 2


def test_every_baseline_and_network_is_told_from_every_other(network: Callable[..., NetworkSystem]) -> None:
    systems = [*BASELINES.values(), network(1, 9), network(2, 9), network(1, 8)]
    names = [identity(system) for system in systems]
    assert None not in names and len(set(names)) == len(systems)
    assert identity(network(1, 9)) == identity(network(1, 9))
    assert identity(AlwaysCMajor()) != identity(TemplateMatching())
