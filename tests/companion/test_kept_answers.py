"""Kept answers: asked once, and again as soon as anything changed that they depend on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from made_up import save_network

from companion import kept
from companion.estimators import BASELINES, NetworkSystem
from companion.kept import code_digest, identity, kept_answers
from companion.scores import Answer
from skey.keys import KEYS


@dataclass(frozen=True)
class MadeUp:
    """A system with an answer that counts how often it is asked."""

    answer: Answer = KEYS[3]
    asked: list[str] = field(default_factory=list, repr=False, compare=False)

    def __call__(self, log_vqt: str) -> Answer:
        self.asked.append(log_vqt)
        return self.answer


def ask(folder: Path, systems: dict[str, Any], sound: str = "a") -> dict[str, Answer]:
    with kept_answers(folder, systems) as answers:
        return answers.ask(sound, lambda: f"log-VQT of {sound}")


def test_a_second_run_finds_the_answers_of_the_first(tmp_path):
    systems = {"key": MadeUp(), "signature": MadeUp(7), "silent": MadeUp(None)}
    first = ask(tmp_path, systems)
    assert first == ask(tmp_path, systems) == {"key": KEYS[3], "signature": 7, "silent": None}
    assert [each.asked for each in systems.values()] == [["log-VQT of a"]] * 3


def test_other_sound_another_setting_and_a_new_system_are_asked(tmp_path):
    old, new = MadeUp(), MadeUp(KEYS[4])
    ask(tmp_path, {"system": old})
    ask(tmp_path, {"system": old}, "b")
    assert ask(tmp_path, {"system": new, "old": old})["system"] == KEYS[4]
    assert (len(old.asked), len(new.asked)) == (2, 1)


def test_other_code_is_asked_anew(tmp_path, monkeypatch):
    system = MadeUp()
    ask(tmp_path, {"system": system})
    monkeypatch.setattr(kept, "code_digest", lambda: "other code")
    ask(tmp_path, {"system": system})
    assert len(system.asked) == 2 and len(code_digest()) == 64


def test_a_function_without_a_name_that_lasts_is_always_asked(tmp_path):
    asked: list[str] = []
    for _ in range(2):
        ask(tmp_path, {"function": asked.append})
    assert len(asked) == 2


def test_every_baseline_and_network_is_told_from_every_other(tmp_path):
    def network(seed: int, major: int) -> NetworkSystem:
        return NetworkSystem(save_network(tmp_path / f"{seed}-{major}" / "x.safetensors", seed, major))

    systems = [*BASELINES.values(), network(1, 9), network(2, 9), network(1, 8)]
    names = [identity(system) for system in systems]
    assert None not in names and len(set(names)) == len(systems)
    assert identity(network(1, 9)) == identity(network(1, 9))
