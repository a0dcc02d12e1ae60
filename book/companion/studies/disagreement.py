"""Where systems disagree: how often, on which clips, and what the networks hear there."""

import zlib
from typing import Any

import pandas as pd
import torch

from companion.answers import evaluate
from companion.estimators import NetworkSystem
from companion.observations import rounded
from companion.systems import T3, systems
from skey.corpus.plan import plan_clips, render_clip
from skey.inference.threads import one_thread
from skey.listeners import ask
from skey.vqt import from_bytes, log_vqt, to_bytes
from skey.weights import DEFAULT

NAME = "disagreement"  # the observation, and its notebook
COUNT = 4  # how many clips are heard
VOTERS = ("krumhansl", "supervised", "skey-fifths", DEFAULT, "released-skey")  # one of each kind


def voters(answers: pd.DataFrame) -> pd.DataFrame:
    """The answers of ``VOTERS``, those of them that were asked."""
    return answers[[name for name in VOTERS if name in answers]]


def disagreed_rows(answers: pd.DataFrame) -> list[int]:
    """The rows with the most different answers, ties in the order of a checksum of the track's name."""
    ties = [zlib.crc32(track.encode()) for track in answers.index]
    different = voters(answers).nunique(axis=1, dropna=False).tolist()
    return sorted(range(len(answers)), key=lambda row: (-different[row], ties[row]))[:COUNT]


def hear_disagreed() -> dict[str, dict[str, Any]]:
    """System → ``checksum`` of its weights, and clip to hear → the 24 probabilities in the order of KEYS.

    Features are rounded to bytes like those of the record, so that the largest probability is its answer.
    """
    entries: dict[str, dict[str, Any]] = {}
    clips, answers = {clip.id: clip for clip in plan_clips("test")}, evaluate(T3).answers
    chosen = [clips[answers.index[row]] for row in disagreed_rows(answers)]
    with one_thread(), torch.inference_mode():
        waves = {clip.id: torch.from_numpy(render_clip(clip)) for clip in chosen}
        heard = {clip: from_bytes(to_bytes(log_vqt(wave))) for clip, wave in waves.items()}
        for name, system in systems(*VOTERS).items():
            if isinstance(system, NetworkSystem):
                profiles = {clip: rounded(ask(system.listener, each)) for clip, each in heard.items()}
                entries[name] = {"checksum": system.checksum, **profiles}
    return entries
