"""Figures 1 and 2 of STONE on real clips: what networks say to three views of one, and to either mode."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from companion.observations import rounded
from companion.studies.alignment import at_hand, described
from skey.calibration import Calibration
from skey.corpus.plan import Clip, plan_clips, render_clip
from skey.inference.filters import SEGMENT_SAMPLES
from skey.losses import cross_power, dft, distance
from skey.shapes import Float, Float32
from skey.vqt import crop, log_vqt
from skey.weights.store import LoadedModel

CROP = 2  # c of Figure 1, in semitones
SHIFT = 7  # k of Figure 1: a fifth, so that the third view lies one step away on the circle of fifths

VIEWS: Mapping[str, str] = {"a": "A cropped by c", "b": "B cropped by c", "a_moved": "A cropped by c + k"}
"""The three views of Figure 1, T_c A, T_c B and T_{c+k} A, as the record calls them and in words."""

ONE_COLUMN = ("stone", "released-stone12")  # of 12 outputs, for Figure 1, which shows the first
TWO_COLUMNS = ("stone24", "released-semitone24", "skey-fifths", "released-skey")  # of 24, for Figure 2


@dataclass(frozen=True, slots=True)
class Term:
    """A distance of Eq. 9 over ``k`` semitones; ``power``: Eq. 4, ``target``: where Eq. 5 wants it."""

    k: int
    power: complex
    target: complex
    distance: float


def pretext_clips() -> dict[str, Clip]:
    """The clips of Figure 1; "torn", picked by hand, leans to the subdominant, then to the dominant."""
    torn = next(clip for clip in plan_clips("test") if clip.piece_id == "chorales/bwv407")
    return {"sure": structure_clips()[0], "torn": torn}


def structure_clips() -> tuple[Clip, Clip]:
    """The clips of Figure 2, of the test set: the first clean chorale in major and tune in minor."""
    clean = [clip for clip in plan_clips("test") if clip.key and clip.level == "full"]
    kinds = [(clip.source, clip.key.mode) for clip in clean if clip.key]
    return clean[kinds.index(("chorales", "major"))], clean[kinds.index(("tunes", "minor"))]


def halves(wave: Float32[np.ndarray, " samples"]) -> Float32[Tensor, "2 99 646"]:
    """The log-VQTs of the segments A and B of a clip of 30 s: its first and its last 15 s."""
    segments = np.stack([wave[:SEGMENT_SAMPLES], wave[-SEGMENT_SAMPLES:]])
    return log_vqt(torch.from_numpy(segments))


def views_of(segments: Float32[Tensor, "2 99 frames"]) -> dict[str, Float32[Tensor, "84 frames"]]:
    """The three views of Figure 1 by name: T_c A, T_c B, T_{c+k} A."""
    a, b = segments
    return {"a": crop(a, CROP), "b": crop(b, CROP), "a_moved": crop(a, CROP + SHIFT)}


def observe_pretext() -> dict[str, dict[str, Any]]:
    """What each network of 12 outputs at hand says to each view of each clip."""
    heard = {name: views_of(halves(render_clip(clip))) for name, clip in pretext_clips().items()}
    return {
        system: {
            **described(loaded),
            "c": CROP,
            "k": SHIFT,
            **{
                name: {view: _answer(loaded, seen)[0] for view, seen in views.items()}
                for name, views in heard.items()
            },
        }
        for system, loaded in at_hand(ONE_COLUMN).items()
    }


def observe_structure() -> dict[str, dict[str, Any]]:
    """What each network of Figure 2 at hand says to the first segment of a major and of a minor clip."""
    heard = {clip.key.mode: crop(halves(render_clip(clip))[0], 0) for clip in structure_clips() if clip.key}
    return {
        name: {**described(loaded), **{mode: _answer(loaded, view) for mode, view in heard.items()}}
        for name, loaded in at_hand(TWO_COLUMNS).items()
    }


def profiles(entry: Mapping[str, Any], clip: str) -> dict[str, Float[Tensor, "12"]]:
    """The calibrated profile of each view of a clip (Eq. 11): C first, of what sounds after the crop."""
    calibration = Calibration(**entry["calibration"])
    return {view: calibration.signature_profile(torch.tensor(entry[clip][view])[None])[0] for view in VIEWS}


def points(entry: Mapping[str, Any], clip: str) -> dict[str, complex]:
    """Eq. 2 of each view's profile, on the circle of fifths."""
    return {view: complex(dft(each[None], omega=7)[0]) for view, each in profiles(entry, clip).items()}


def terms(entry: Mapping[str, Any], clip: str, omega: int = 7) -> dict[str, Term]:
    """L_AB (Eq. 6), L_AA (Eq. 7) and L_BA (Eq. 8) of a clip in the record of Figure 1."""
    heard, k = profiles(entry, clip), int(entry["k"])

    def term(first: str, second: str, steps: int) -> Term:
        a, b = heard[first][None], heard[second][None]
        target = complex(np.exp(-2j * np.pi * omega * steps / 12))
        power = complex(cross_power(a, b, omega)[0])
        return Term(steps, power, target, float(distance(a, b, steps, omega)[0]))

    return {"L_AB": term("a", "b", 0), "L_AA": term("a", "a_moved", k), "L_BA": term("b", "a_moved", k)}


def named_structure(entry: Mapping[str, Any], mode: str) -> Float[Tensor, "12 2"]:
    """Y of a clip of Figure 2: rows by pitch class of their major key, C first; columns major, minor."""
    calibration = Calibration(**entry["calibration"])
    y = torch.tensor(entry[mode]).T.roll(calibration.major, dims=0)
    return y if calibration.major_column == 0 else y.flip(1)


@torch.inference_mode()
def _answer(loaded: LoadedModel, view: Float32[Tensor, "84 frames"]) -> list[list[float]]:
    """The network's own profile of one cropped log-VQT, a list of 12 probabilities a column."""
    columns: list[list[float]] = rounded(loaded.network(view[None])[0].reshape(12, -1).T)
    return columns
