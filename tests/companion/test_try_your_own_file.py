"""The page *Try your own file*: its JavaScript answers in a browser as the estimator does in Python."""

import base64
import html
import io
import json
import re
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import numpy as np
import pytest
import soundfile
from made_up import ROOT, page_shown
from sounds import cadence, noise

from companion.pages.browser import browser_script
from skey.audio import MIN_SAMPLES, SAMPLE_RATE, Wave
from skey.estimator import KeyEstimator
from skey.keys import KEYS, parse_key

PAGE = ROOT / "book" / "try-your-own-file.md"
PROGRAM = ROOT / "book" / "_static" / "try-your-own-file.js"

RUN = """
const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0)).buffer);
const estimate = skeyEstimator(window.SKEY);
const answers = CLIPS.map((clip) => estimate(floats(clip)));
document.body.textContent = JSON.stringify(answers);
"""

DROP = """
const wav = Uint8Array.from(atob(WAV), (byte) => byte.charCodeAt(0));
const transfer = new DataTransfer();
transfer.items.add(new File([wav], "clip.wav"));
const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
document.querySelector(".skey-try").dispatchEvent(drop);
const said = document.querySelector(".skey-try [role=status]");
const report = () => said.textContent.includes("reading") || fetch("/done");
new MutationObserver(report).observe(said, { childList: true });
"""


def sung(name: str, seconds: int, cents: float = 0) -> Wave:
    """A cadence over faint noise: without it the lowest bins hold rounding errors."""
    return (0.2 * cadence(parse_key(name), seconds, cents=cents) + 1e-3 * noise(seconds)).astype(np.float32)


CLIPS = {
    "short major": sung("D major", 8),
    "minor, a rest at the end": np.concatenate([sung("A minor", 24), np.zeros(4 * SAMPLE_RATE, np.float32)]),
    "flat major": sung("Eb major", 15),
    "silence, then an offset": np.concatenate(
        [np.zeros(5 * SAMPLE_RATE, np.float32), sung("F major", 10) + np.float32(0.1)]
    ),
    "a third of a semitone sharp": sung("B minor", 40, cents=34),
    "a long song, a short rest": sung("C# minor", 64),
    "modulation": np.concatenate([sung("F# major", 30), sung("G minor", 24)]),
    "silence": np.zeros(8 * SAMPLE_RATE, np.float32),
    "noise": noise(8),
    "a siren": (0.3 * np.sin(2000 * np.sin(np.arange(10 * SAMPLE_RATE) / 9000))).astype(np.float32),
    "one tone": (0.3 * np.sin(np.arange(10 * SAMPLE_RATE) / 8)).astype(np.float32),
    "hardly too short": sung("C major", 3)[: MIN_SAMPLES - 1],
}


def page(body: str, script: str) -> str:
    """A page with the program of the book, and a script that uses it."""
    scripts = [browser_script(), PROGRAM.read_text(encoding="utf-8"), script]
    return f"<!doctype html><meta charset=utf-8><body>{body}" + "".join(
        f"<script>{each}</script>" for each in scripts
    )


@pytest.fixture(scope="module")
def browser_answers(tmp_path_factory):
    """What the JavaScript says to each clip."""
    folder = tmp_path_factory.mktemp("page")
    clips = json.dumps([base64.b64encode(clip.astype("<f4").tobytes()).decode() for clip in CLIPS.values()])
    (folder / "page.html").write_text(page("", f"const CLIPS = {clips};{RUN}"), encoding="utf-8")
    text = page_shown((folder / "page.html").as_uri(), folder / "profile")
    body = re.search(r"<body>(.*)</body>", text, flags=re.DOTALL)
    assert body, text[:1000]
    return dict(zip(CLIPS, json.loads(html.unescape(body[1])), strict=True))


@pytest.mark.parametrize("name", CLIPS)
def test_the_browser_answers_as_the_estimator_does(name, browser_answers):
    expected, answer = KeyEstimator().estimate(CLIPS[name], SAMPLE_RATE), browser_answers[name]
    assert answer["key"] == (None if expected.key is None else KEYS.index(expected.key))
    assert answer["reason"] == expected.reason
    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-3)
    assert answer["duration"] == pytest.approx(expected.duration)
    found = [(s["key"], s["start"], s["end"]) for s in answer["segments"]]
    assert found == [(s.key and s.key.index, s.start, s.end) for s in expected.segments]
    confidences = [segment["confidence"] for segment in answer["segments"]]
    assert confidences == pytest.approx([segment.confidence for segment in expected.segments], abs=1e-3)


class Waiting(SimpleHTTPRequestHandler):
    """Serves a folder; `/wait`, a picture of the page, loads until `/done`, and Chromium waits for it."""

    done = Event()

    def do_GET(self) -> None:
        if self.path not in ("/wait", "/done"):
            return super().do_GET()
        self.done.wait(300) if self.path == "/wait" else self.done.set()
        return self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_page_decodes_a_dropped_file_and_draws_its_key(tmp_path):
    clip, sound = sung("Bb major", 16), io.BytesIO()
    soundfile.write(sound, np.stack([clip, clip], axis=1).repeat(2, axis=0), 2 * SAMPLE_RATE, format="WAV")
    wav = base64.b64encode(sound.getvalue()).decode()
    box = re.search(r'<div class="skey-try">.*?\n</div>', PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert box
    text = page(f'{box[0]}<img src="/wait">', f"const WAV = {wav!r};{DROP}")
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Waiting, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        drawn = page_shown(f"http://127.0.0.1:{server.server_port}/page.html", tmp_path / "profile")
        server.shutdown()
    assert re.search(r'role="status"[^>]*>clip.wav: Bb major \(Camelot 6B\), confidence', drawn)
    assert len(re.findall(r'<text x="-?\d', drawn)) == len(KEYS)
    assert re.findall(r'<text [^>]*class="best">([^<$]*)</text>', drawn) == ["Bb"]
    assert '<span>Bb major</span><span class="track major">' in drawn
