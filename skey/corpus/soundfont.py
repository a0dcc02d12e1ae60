"""The sampler of the open corpus: the General MIDI SoundFont inside the pretty_midi wheel, played by numpy.

Played: key and velocity ranges, global zones, root keys, coarse and fine tuning, scale tuning, loops,
attenuation, pan (mixed to mono), the volume envelope, velocity. Left out, because none of it decides a key:
vibrato and tremolo, the modulation envelope's pitch, the filter's movement (it stands at a middle value),
exclusive classes, and MIDI controllers. Sample mode 3 loops through the release too.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from skey.audio import SAMPLE_RATE
from skey.corpus.events import EVENT
from skey.corpus.sampler import held_envelope, release_envelope, sound
from skey.corpus.sf2 import Bank, Program, SoundFontError, Zone, read_bank

FILE_NAME = "TimGM6mb.sf2"
FILE_SIZE = 5_994_284
FILE_SHA256 = "82475b91a76de15cb28a104707d3247ba932e228bada3f47bba63c6b31aaf7a1"
LONGEST_NOTE = 600.0


class MissingSoundFont(SoundFontError):
    """pretty_midi, or the SoundFont inside it, is not installed."""


class ChangedSoundFont(SoundFontError):
    """The SoundFont is not the one that the corpus is made with."""


class MissingPreset(SoundFontError):
    """The SoundFont has no such bank and preset."""


def installed_soundfont() -> Path:
    """Path of TimGM6mb.sf2 (GPL-2) inside the installed pretty_midi, which is not imported for it.

    Raises `MissingSoundFont` when it is not there.
    """
    spec = find_spec("pretty_midi")
    path = Path(spec.origin).with_name(FILE_NAME) if spec and spec.origin else None
    if path is None or not path.is_file():
        raise MissingSoundFont(f"{FILE_NAME} is missing: install pretty_midi 0.2.x, whose wheel holds it")
    return path


def check_soundfont(content: bytes) -> None:
    """Raise `ChangedSoundFont` unless `content` is the file that the corpus is made with, byte for byte."""
    if len(content) != FILE_SIZE or hashlib.sha256(content).hexdigest() != FILE_SHA256:
        raise ChangedSoundFont(
            f"{FILE_NAME} is not the file that the corpus is made with ({len(content):,} bytes instead of "
            f"{FILE_SIZE:,}, or another checksum): reinstall pretty_midi 0.2.x"
        )


class SoundFont:
    """A General MIDI synthesizer whose output is the same bytes in every process.

    Reads the installed TimGM6mb.sf2, or the file at `path`, which must be the same one. Raises
    `MissingSoundFont` or `ChangedSoundFont`.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read and check the file; about 60 ms."""
        content = (path or installed_soundfont()).read_bytes()
        check_soundfont(content)
        self.bank: Bank = read_bank(content)

    @property
    def programs(self) -> tuple[Program, ...]:
        """Every (bank, preset) there is, in order; bank 128 holds the drum kits."""
        return tuple(sorted(self.bank.zones))

    def zones(self, program: Program, pitch: int, velocity: int) -> tuple[Zone, ...]:
        """What sounds when a `program` (bank, preset) is asked for a MIDI `pitch` and `velocity`, or nothing.

        Raises `MissingPreset`.
        """
        if program not in self.bank.zones:
            raise MissingPreset(f"{FILE_NAME} has no preset {program[1]} in bank {program[0]}")
        return tuple(zone for zone in self.bank.zones[program] if zone.answers(pitch, velocity))

    def render(
        self,
        events: np.ndarray,
        programs: Sequence[Program],
        seconds: float | int,
        tuning_cents: float | int = 0.0,
    ) -> Float32[np.ndarray, " samples"]:
        """The sound of `events` (dtype `EVENT`) in mono at 22,050 Hz, `seconds` long, not normalised.

        `programs` gives (bank, preset) of each track, `tuning_cents` shifts every track, drums included.
        A key for which the preset has no sample is silent. Raises `MissingPreset`, and `SoundFontError`
        for events that are of another dtype, not finite, or of a track without program.
        """
        _check_events(events, programs, seconds)
        mix = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
        for program, pitch, notes in _same_key(events, programs):
            for zone, struck in self._by_zone(program, pitch, notes):
                _add_notes(mix, self.bank, zone, pitch, struck, tuning_cents)
        return mix

    def _by_zone(self, program: Program, pitch: int, notes: np.ndarray) -> Iterator[tuple[Zone, np.ndarray]]:
        """The zones that answer a key, each with the notes that it sounds for."""
        velocities = notes["velocity"].tolist()
        answering = [self.zones(program, pitch, velocity) for velocity in velocities]
        for zone in dict.fromkeys(zone for zones in answering for zone in zones):
            yield zone, notes[[zone in zones for zones in answering]]


@lru_cache(maxsize=1)
def default_soundfont() -> SoundFont:
    """The installed SoundFont, read once per process."""
    return SoundFont()


def _check_events(events: np.ndarray, programs: Sequence[Program], seconds: float | int) -> None:
    """Raise `SoundFontError` for what cannot be played."""
    if events.dtype != EVENT:
        raise SoundFontError(f"events must have the dtype EVENT, not {events.dtype}")
    if not 0 < seconds <= LONGEST_NOTE:
        raise SoundFontError(f"{seconds} seconds: between 0 and {LONGEST_NOTE:g} can be rendered")
    if not (np.isfinite(events["onset"]).all() and np.isfinite(events["duration"]).all()):
        raise SoundFontError("an event's onset or duration is not finite")
    if len(events) and not (events["track"].min() >= 0 and events["track"].max() < len(programs)):
        raise SoundFontError(f"an event names a track outside the {len(programs)} programs")


def _same_key(events: np.ndarray, programs: Sequence[Program]) -> Iterator[tuple[Program, int, np.ndarray]]:
    """Notes of the same program and pitch together, in an order that does not depend on the events' order."""
    ordered = np.sort(events, order=("track", "pitch", "onset", "duration", "velocity"))
    edges = np.flatnonzero(np.diff(ordered["track"]) | np.diff(ordered["pitch"])) + 1
    for notes in np.split(ordered, edges):
        if len(notes):
            yield tuple(programs[notes["track"][0]]), int(notes["pitch"][0]), notes


def _add_notes(
    mix: np.ndarray, bank: Bank, zone: Zone, pitch: int, notes: np.ndarray, tuning_cents: float | int
) -> None:
    """Add every note of one key to the mix; the sample is resampled once, for the longest of them."""
    onsets = np.rint(notes["onset"] * SAMPLE_RATE).astype(int)
    held = np.rint(notes["duration"] * SAMPLE_RATE).astype(int).clip(1)
    heard = (onsets >= 0) & (onsets < len(mix))
    if not heard.any():
        return
    held = np.minimum(held, len(mix) - onsets)
    release = release_envelope(zone.envelope)
    raw = sound(bank.points, zone, pitch, int(held[heard].max()) + len(release), tuning_cents)
    envelope = held_envelope(zone.envelope, pitch, int(held[heard].max()) + 1)
    gains = zone.gain * velocity_gain(notes["velocity"])
    for onset, length, gain in zip(onsets[heard].tolist(), held[heard].tolist(), gains[heard], strict=True):
        note = _note(raw, envelope, release, length) * np.float32(gain)
        mix[onset : onset + len(note)] += note[: len(mix) - onset]


def _note(raw: np.ndarray, envelope: np.ndarray, release: np.ndarray, held: int) -> np.ndarray:
    """A sample under its envelope: held so many samples, then released from the level it has there."""
    body = raw[:held] * envelope[: min(held, len(raw))]
    tail = raw[held : held + len(release)]
    return np.concatenate([body, tail * (envelope[held] * release[: len(tail)])])


def velocity_gain(velocity: np.ndarray) -> np.ndarray:
    """Amplitude of a MIDI velocity, 1 at 127: its square, which is the concave curve of 8.4.1."""
    return np.asarray((np.clip(velocity, 0, 127) / 127.0) ** 2)
