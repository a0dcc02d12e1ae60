"""The page *Try your own file*: its JavaScript answers in a browser as the estimator does in Python."""

import base64
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_estimator import noise

from companion.pages.browser import browser_script
from skey.audio import SAMPLE_RATE, Wave
from skey.estimator import KeyEstimator
from skey.keys import KEYS, parse_key

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "book" / "_static" / "try-your-own-file.js"
CHROMIUM = shutil.which("chromium")
SECONDS = 300

RUN = """
const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0)).buffer);
const estimate = skeyEstimator(window.SKEY);
const answers = CLIPS.map((clip) => estimate(floats(clip), window.SKEY.sampleRate));
document.body.textContent = JSON.stringify(answers);
"""


CADENCES = {"major": "047 59c 7be 047", "minor": "037 58c 7be 037"}
"""I IV V I and i iv V i: semitones above the tonic, in hexadecimal."""


def sung(name: str, seconds: int) -> Wave:
    """A cadence, a second a chord, over faint noise: without it the lowest bins hold rounding errors."""
    key, times = parse_key(name), np.arange(SAMPLE_RATE) / SAMPLE_RATE
    fade = np.exp(-times) * np.minimum(1, 50 * times)
    beats = []
    for chord in CADENCES[key.mode].split():
        steps = [int(step, 16) for step in chord]
        pitches = [48 + key.tonic + step for step in (steps[0] - 12, *steps)]
        waves = [
            np.sin(2 * np.pi * n * 440 * 2 ** ((p - 69) / 12) * times) / n
            for p in pitches
            for n in range(1, 5)
        ]
        beats.append(0.05 * fade * np.sum(waves, axis=0))
    return (np.resize(np.concatenate(beats), times.size * seconds) + 1e-3 * noise(seconds)).astype(np.float32)


CLIPS = {
    "short major": sung("D major", 8),
    "minor, a rest at the end": np.concatenate([sung("A minor", 24), np.zeros(4 * SAMPLE_RATE, np.float32)]),
    "flat major": sung("Eb major", 15),
    "modulation": np.concatenate([sung("F# major", 30), sung("G minor", 24)]),
    "silence": np.zeros(8 * SAMPLE_RATE, np.float32),
    "noise": noise(8),
    "too short": sung("C major", 2),
}


@pytest.fixture(scope="module")
def browser_answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the JavaScript says to each clip, in headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium here, in which the page's JavaScript could run")
    folder = tmp_path_factory.mktemp("page")
    clips = json.dumps([base64.b64encode(clip.astype("<f4").tobytes()).decode() for clip in CLIPS.values()])
    scripts = [browser_script(), PROGRAM.read_text(encoding="utf-8"), f"const CLIPS = {clips};{RUN}"]
    page = folder / "page.html"
    page.write_text(
        "<!doctype html><meta charset=utf-8><body>" + "".join(f"<script>{text}</script>" for text in scripts),
        encoding="utf-8",
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [CHROMIUM, *options, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=True,
    )
    body = re.search(r"<body>(.*)</body>", done.stdout, flags=re.DOTALL)
    assert body, done.stderr
    return dict(zip(CLIPS, json.loads(html.unescape(body[1])), strict=True))


@pytest.mark.parametrize("name", CLIPS)
def test_the_browser_answers_as_the_estimator_does(
    name: str, browser_answers: dict[str, dict[str, Any]]
) -> None:
    expected, answer = KeyEstimator().estimate(CLIPS[name], SAMPLE_RATE), browser_answers[name]
    assert answer["key"] == (None if expected.key is None else KEYS.index(expected.key))
    assert answer["reason"] == expected.reason
    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-3)
    assert answer["duration"] == pytest.approx(expected.duration)
    found = [(s["key"], s["start"], s["end"]) for s in answer["segments"]]
    assert found == [(s.key and s.key.index, s.start, s.end) for s in expected.segments]
    confidences = [segment["confidence"] for segment in answer["segments"]]
    assert confidences == pytest.approx([segment.confidence for segment in expected.segments], abs=1e-3)


def test_the_clips_have_keys_of_both_modes_and_none() -> None:
    keys = [KeyEstimator().estimate(clip, SAMPLE_RATE).key for clip in CLIPS.values()]
    assert {key.mode if key else None for key in keys} == {"major", "minor", None}
