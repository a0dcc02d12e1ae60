"""Where systems disagree: how often, on which clips, and what the networks hear there."""

import zlib
from collections.abc import Sequence
from typing import Any

import torch

from companion.observations import DIGITS
from companion.record import RESULTS, find_checkout
from companion.results import Answer, Predictions, read_experiment
from companion.results.predictions import is_signature
from companion.systems import systems
from skey.corpus.plan import Clip, plan_clips, render_clip
from skey.inference.threads import one_thread
from skey.listeners import NetworkSystem, ask
from skey.vqt import from_bytes, log_vqt, to_bytes

NAME = "disagreement"
"""The observation, and its notebook."""

TABLE = "table-3-key-and-mode"
"""The record whose systems are compared."""

COUNT = 12
"""How many clips are heard."""

_CONSTANT = "always-c-major"


def voters(predictions: Predictions) -> dict[str, tuple[Answer, ...]]:
    """The systems that answer keys, without the constant, with their answers."""
    return {
        system: answers
        for system, answers in predictions.answers.items()
        if system != _CONSTANT and not is_signature(answers)
    }


def different_answers(predictions: Predictions) -> list[int]:
    """How many different keys the voters name, track by track; no answer counts as one more."""
    return [len(set(row)) for row in zip(*voters(predictions).values(), strict=True)]


def disagreed_rows(predictions: Predictions, count: int = COUNT) -> list[int]:
    """The rows with the most different answers, ties in the order of a checksum of the track's name."""
    different = different_answers(predictions)
    ties = [zlib.crc32(track.encode()) for track in predictions.tracks]
    return sorted(range(len(predictions)), key=lambda row: (-different[row], ties[row]))[:count]


def agreement(first: Sequence[Answer], second: Sequence[Answer]) -> float:
    """The share of tracks on which two systems name the same key, 0 to 1."""
    return sum(a == b for a, b in zip(first, second, strict=True)) / len(first)


def most_named(row: Sequence[Answer]) -> Answer:
    """The key that most systems name; of several, the one named first."""
    return max(row, key=row.count)


def unanimity(predictions: Predictions) -> list[tuple[int, int, int, int]]:
    """For each number of different answers: tracks, those where most voters are right, those where any is."""
    rows = list(zip(*voters(predictions).values(), strict=True))
    different = different_answers(predictions)
    found = []
    for number in sorted(set(different)):
        mine = [place for place, count in enumerate(different) if count == number]
        most = sum(most_named(rows[place]) == predictions.references[place] for place in mine)
        some = sum(predictions.references[place] in rows[place] for place in mine)
        found.append((number, len(mine), most, some))
    return found


def hear_disagreed() -> dict[str, dict[str, Any]]:
    """The 24 probabilities of each network at hand for each of the clips to hear.

    The clips are those of the shipped record of Table 3; features are rounded to bytes like those that the
    record was computed from, so that the largest probability is its answer.

    Returns:
        System → ``checksum`` of its weights, and clip → probabilities in the order of KEYS.
    """
    predictions = read_experiment(find_checkout() / RESULTS, TABLE).predictions
    networks = {
        name: system
        for name, system in systems().items()
        if name in voters(predictions) and isinstance(system, NetworkSystem)
    }
    entries: dict[str, dict[str, Any]] = {
        name: {"checksum": network.checksum} for name, network in networks.items()
    }
    with one_thread(), torch.inference_mode():
        for clip in chosen_clips(predictions):
            features = from_bytes(to_bytes(log_vqt(torch.from_numpy(render_clip(clip)))))
            for name, network in networks.items():
                profile = ask(network.listener, features).tolist()
                entries[name][clip.id] = [round(share, DIGITS) for share in profile]
    return entries


def chosen_clips(predictions: Predictions) -> list[Clip]:
    """The clips of the open corpus that are heard, the most disagreed about first."""
    clips = {clip.id: clip for clip in plan_clips("test")}
    return [clips[predictions.tracks[row]] for row in disagreed_rows(predictions)]
