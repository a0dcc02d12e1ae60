"""The sampler of the open corpus: the General MIDI SoundFont inside the pretty_midi wheel, played by numpy.

Left out, because none of it decides a key: vibrato and tremolo, the modulation envelope's pitch, the filter's
movement (it stands at a middle value), exclusive classes, and MIDI controllers. Sample mode 3 loops through
the release too.

A sample is unrolled along its loop and resampled through its spectrum: bins above the new Nyquist frequency
are dropped and the others inverted at the new length. Nothing can therefore alias into another pitch, and the
zone's low-pass filter costs one multiplication. Pitch is right to within a cent: the two lengths, both cheap
for the transform, have the wanted ratio to 2 in 10,000, for a few of a thousand notes to 5 in 10,000.

Section numbers refer to the SoundFont Technical Specification 2.01 (E-mu Systems, 1998).
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from scipy.fft import irfft, rfft

from skey.audio import SAMPLE_RATE
from skey.errors import SkeyError
from skey.shapes import Complex64, Float32, Int16, Int64

EVENT: np.dtype[Any] = np.dtype(
    [("onset", "f8"), ("duration", "f8"), ("pitch", "i2"), ("velocity", "i2"), ("track", "i2")]
)
"""One sounding note: onset and duration in seconds, pitch and velocity as in MIDI, track counted from 0."""

DRUM_BANK = 128
"""The bank of the percussion kits in General MIDI SoundFonts; there a pitch names an instrument."""
Program = tuple[int, int]
"""Bank and preset."""

FILE_NAME = "TimGM6mb.sf2"
FILE_SHA256 = "82475b91a76de15cb28a104707d3247ba932e228bada3f47bba63c6b31aaf7a1"
LONGEST_NOTE = 600.0

Generators = dict[int, int]
START, END, LOOP_START, LOOP_END = 0, 1, 2, 3
START_COARSE, END_COARSE, LOOP_START_COARSE, LOOP_END_COARSE = 4, 12, 45, 50
FILTER_CUTOFF, FILTER_Q, ENVELOPE_TO_FILTER, MODULATION_SUSTAIN = 8, 9, 11, 29
PAN = 17
DELAY, ATTACK, HOLD, DECAY, SUSTAIN, RELEASE, KEY_TO_HOLD, KEY_TO_DECAY = 33, 34, 35, 36, 37, 38, 39, 40
INSTRUMENT, KEY_RANGE, VELOCITY_RANGE, SAMPLE = 41, 43, 44, 53
ATTENUATION, COARSE_TUNE, FINE_TUNE, SAMPLE_MODES, SCALE_TUNING, ROOT_KEY = 48, 51, 52, 54, 56, 58

POSITIONS = {
    "start": (START, START_COARSE),
    "end": (END, END_COARSE),
    "loop_start": (LOOP_START, LOOP_START_COARSE),
    "loop_end": (LOOP_END, LOOP_END_COARSE),
}
UNSIGNED = frozenset((INSTRUMENT, KEY_RANGE, VELOCITY_RANGE, SAMPLE))
NOT_ADDED = UNSIGNED.union((SAMPLE_MODES, ROOT_KEY), *POSITIONS.values())
DEFAULTS: Mapping[int, int] = {
    FILTER_CUTOFF: 13500,
    **dict.fromkeys((DELAY, ATTACK, HOLD, DECAY, RELEASE), -12000),
    SCALE_TUNING: 100,
    ROOT_KEY: -1,
}

PRESET_HEADER = np.dtype(
    [("name", "S20"), ("preset", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("unused", "<u4", 3)]
)
INSTRUMENT_HEADER = np.dtype([("name", "S20"), ("bag", "<u2")])
BAG = np.dtype([("generator", "<u2"), ("modulator", "<u2")])
GENERATOR = np.dtype([("operator", "<u2"), ("amount", "<i2")])
_POINTS = [(name, "<u4") for name in ("start", "end", "loop_start", "loop_end", "rate")]
SAMPLE_HEADER = np.dtype(
    [("name", "S20"), *_POINTS, ("key", "u1"), ("correction", "i1"), ("link", "<u2"), ("type", "<u2")]
)

RATIO_TOLERANCE = 2e-4
MARGIN = 256
# Within the margin, so that the circular wrap has no step whose ringing would reach the attack.
FADE = 128
SHORTEST_TRANSFORM = 4096
SILENCE_DECIBELS = 70.0
SHORTEST_RELEASE = 0.02
OPEN_FILTER = 0.5 * SAMPLE_RATE


class SoundFontError(SkeyError):
    """The SoundFont is missing, changed or damaged, or cannot play what was asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The volume envelope of a zone (9.1.7): seconds, ``sustain`` in decibels below the peak, cents a key."""

    delay: float
    attack: float
    hold: float
    decay: float
    sustain: float
    release: float
    key_to_hold: int
    key_to_decay: int


@dataclass(frozen=True, slots=True)
class Zone:
    """One sample and how it is played; positions are indices into the bank's sample points.

    For the MIDI pitch ``key`` the sample runs at its own ``rate`` (Hz), ``tuning`` semitones faster;
    ``scale`` is in semitones a key, ``gain`` an amplitude, ``cutoff`` in Hz, ``resonance`` in decibels.
    """

    keys: tuple[int, int]
    velocities: tuple[int, int]
    start: int
    end: int
    loop_start: int
    loop_end: int
    looped: bool
    rate: int
    key: int
    tuning: float
    scale: float
    gain: float
    cutoff: float
    resonance: float
    envelope: Envelope

    def answers(self, pitch: int, velocity: int) -> bool:
        """Whether this zone sounds for a MIDI ``pitch`` struck with a ``velocity``."""
        return self.keys[0] <= pitch <= self.keys[1] and self.velocities[0] <= velocity <= self.velocities[1]

    def step(self, pitch: int, tuning_cents: float | int, sample_rate: int) -> float:
        """Sample points consumed for each point of output at ``sample_rate`` when ``pitch`` is played."""
        semitones = self.scale * (pitch - self.key) + self.tuning + tuning_cents / 100
        return float(self.rate / sample_rate * 2.0 ** (semitones / 12))


@dataclass(frozen=True)
class Bank:
    """The sample points of a SoundFont and, for each (bank, preset), the zones that may answer."""

    points: Int16[np.ndarray, " points"]
    zones: Mapping[Program, tuple[Zone, ...]]


def read_bank(content: bytes) -> Bank:
    """Parse the bytes of a SoundFont 2 file (sections 4 to 7); raises ``SoundFontError`` for others."""
    if content[:4] != b"RIFF" or content[8:12] != b"sfbk":
        raise SoundFontError("not a SoundFont 2 file: it does not begin with RIFF … sfbk")
    try:
        return _bank(dict(_chunks(content, 12, len(content))))
    except (KeyError, ValueError, IndexError, struct.error) as error:
        raise SoundFontError(f"the SoundFont is damaged: {error!r}") from error


def _bank(chunks: Mapping[str, bytes]) -> Bank:
    samples, headers = (
        np.frombuffer(chunks["shdr"], SAMPLE_HEADER),
        np.frombuffer(chunks["phdr"], PRESET_HEADER),
    )
    bags = _bags(chunks["ibag"], chunks["igen"])
    instruments = [_resolved(own, SAMPLE) for own in _slices(chunks["inst"], INSTRUMENT_HEADER, bags)]
    presets = _slices(chunks["phdr"], PRESET_HEADER, _bags(chunks["pbag"], chunks["pgen"]))
    zones = {
        (int(header["bank"]), int(header["preset"])): tuple(
            _zone(generators, offset, samples[generators[SAMPLE]])
            for offset in _resolved(own, INSTRUMENT)
            for generators in instruments[offset[INSTRUMENT]]
        )
        for header, own in zip(headers, presets, strict=False)
    }
    return Bank(np.frombuffer(chunks["smpl"], "<i2").astype(np.int16, copy=False), zones)


def _chunks(content: bytes, start: int, stop: int) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every leaf chunk of a RIFF file, lists entered."""
    while start + 8 <= stop:
        name, size = struct.unpack_from("<4sI", content, start)
        if name == b"LIST":
            yield from _chunks(content, start + 12, start + 8 + size)
        else:
            yield name.decode("ascii"), content[start + 8 : start + 8 + size]
        start += 8 + size + size % 2


def _bags(bags: bytes, generators: bytes) -> list[Generators]:
    table = np.frombuffer(generators, GENERATOR).tolist()
    edges = np.frombuffer(bags, BAG)["generator"].tolist()
    return [
        {op: amount & 0xFFFF if op in UNSIGNED else amount for op, amount in table[a:b]}
        for a, b in pairwise(edges)
    ]


def _slices(headers: bytes, dtype: np.dtype[np.void], bags: list[Generators]) -> Iterator[list[Generators]]:
    """The zones of each header; the last one only closes the list."""
    return (bags[a:b] for a, b in pairwise(np.frombuffer(headers, dtype)["bag"].tolist()))


def _resolved(bags: list[Generators], target: int) -> list[Generators]:
    """The zones that point at something, the global zone's generators (7.3, 7.7) filled in."""
    common = bags[0] if bags and target not in bags[0] else {}
    return [common | bag for bag in bags if target in bag]


def _zone(generators: Generators, offset: Generators, sample: np.void) -> Zone:
    """A playable zone: instrument values over the defaults, the preset's values added to them (9.4)."""
    amounts = dict(DEFAULTS) | generators
    for operator in offset.keys() - NOT_ADDED:
        amounts[operator] = amounts.get(operator, 0) + offset[operator]
    get = amounts.get
    start, end, loop_start, loop_end = (
        int(sample[name]) + generators.get(fine, 0) + 32768 * generators.get(coarse, 0)
        for name, (fine, coarse) in POSITIONS.items()
    )
    return Zone(
        keys=_range(generators, offset, KEY_RANGE),
        velocities=_range(generators, offset, VELOCITY_RANGE),
        start=start,
        end=end,
        loop_start=loop_start,
        loop_end=loop_end,
        looped=get(SAMPLE_MODES, 0) in (1, 3) and start <= loop_start < loop_end <= end,
        rate=int(sample["rate"]),
        key=int(sample["key"]) if amounts[ROOT_KEY] < 0 else amounts[ROOT_KEY],
        tuning=(100 * get(COARSE_TUNE, 0) + get(FINE_TUNE, 0) + int(sample["correction"])) / 100,
        scale=amounts[SCALE_TUNING] / 100,
        gain=_gain(get(ATTENUATION, 0), get(PAN, 0)),
        cutoff=_cutoff(amounts),
        resonance=get(FILTER_Q, 0) / 10,
        envelope=_envelope(amounts),
    )


def _range(generators: Generators, offset: Generators, operator: int) -> tuple[int, int]:
    """Where the key or velocity ranges of instrument zone and preset zone overlap."""
    packed = [zone[operator] for zone in (generators, offset) if operator in zone]
    pairs = [(value & 0xFF, value >> 8) for value in packed] + [(0, 127)]
    return max(low for low, _ in pairs), min(high for _, high in pairs)


def _gain(attenuation: int, pan: int) -> float:
    """Amplitude of a zone in the mono mix.

    Centibels of attenuation count 0.4, as on the hardware that SoundFonts were tuned on (and in FluidSynth).
    Left and right of a constant-power pan (0.1 % steps from the middle) are averaged, the middle being 1.
    """
    angle = np.pi / 4 * (1 + np.clip(pan, -500, 500) / 500)
    mix = (np.cos(angle) + np.sin(angle)) / np.sqrt(2)
    return float(10 ** (-0.4 * max(attenuation, 0) / 200) * mix)


def _cutoff(amounts: Generators) -> float:
    """Cutoff in Hz (8.1.2): it stands half-way between the modulation envelope's peak and sustain."""
    sustain = 1 - np.clip(amounts.get(MODULATION_SUSTAIN, 0), 0, 1000) / 1000
    cents = amounts[FILTER_CUTOFF] + amounts.get(ENVELOPE_TO_FILTER, 0) * (1 + sustain) / 2
    return float(8.176 * 2.0 ** (min(max(cents, 1500), 13500) / 1200))


def _envelope(amounts: Generators) -> Envelope:
    delay, attack, hold, decay, release = (
        2.0 ** (min(amounts[operator], 8000) / 1200) for operator in (DELAY, ATTACK, HOLD, DECAY, RELEASE)
    )
    sustain = min(max(amounts.get(SUSTAIN, 0), 0), 1000) / 10
    keyed = amounts.get(KEY_TO_HOLD, 0), amounts.get(KEY_TO_DECAY, 0)
    return Envelope(delay, attack, hold, decay, sustain, release, *keyed)


def sound(
    points: Int16[np.ndarray, " points"], zone: Zone, pitch: int, count: int, tuning_cents: float | int = 0.0
) -> Float32[np.ndarray, " samples"]:
    """``zone`` playing a MIDI ``pitch`` for ``count`` samples or to its end, peak 1, before its envelope."""
    step = zone.step(pitch, tuning_cents, SAMPLE_RATE)
    available = count if zone.looped else min(count, int((zone.end - zone.start) / step))
    short, long = transform_lengths(ceil(available * step), step)
    played = _unrolled(points, zone, long)
    played[-FADE:] *= np.linspace(1, 0, FADE, dtype=np.float32)
    spectrum = rfft(played)[: short // 2 + 1]
    if zone.cutoff < OPEN_FILTER:
        spectrum *= _low_pass(len(spectrum), short, zone.cutoff, zone.resonance)
    kept = np.zeros(short // 2 + 1, np.complex64)
    kept[: len(spectrum)] = spectrum * np.float32(short / long / 32768)
    return np.asarray(irfft(kept, short)[:available])


@lru_cache(maxsize=4096)
def transform_lengths(needed: int, step: float) -> tuple[int, int]:
    """Lengths (output, input), both fast for the Fourier transform, with input / output near ``step``.

    The input holds the ``needed`` points and a margin against the circular wrap. Of the lengths up to twice
    that, the first within ``RATIO_TOLERANCE`` is taken, else the closest.
    """
    least = max(SHORTEST_TRANSFORM, ceil((needed + MARGIN) / step))
    # Up to the next power of two: few different tables are then needed.
    short = fast_lengths(1 << (2 * least - 1).bit_length())
    short = short[(short >= least) & (short <= 2 * least)]
    long = fast_lengths(1 << (ceil(2 * least * step) - 1).bit_length())
    nearest = long[np.searchsorted(long, short * (step * (1 - RATIO_TOLERANCE)))]
    error = np.abs(nearest / (short * step) - 1)
    best = int(np.argmax(error <= RATIO_TOLERANCE) if error.min() <= RATIO_TOLERANCE else np.argmin(error))
    return int(short[best]), int(nearest[best])


@lru_cache(maxsize=64)
def fast_lengths(most: int) -> Int64[np.ndarray, " lengths"]:
    """Every length up to ``most`` without a prime factor above 13, in order."""
    lengths = np.ones(1, np.int64)
    for prime in (2, 3, 5, 7, 11, 13):
        powers = prime ** np.arange(int(np.log(most) / np.log(prime)) + 1)
        lengths = np.multiply.outer(lengths, powers).ravel()
        lengths = lengths[lengths <= most]
    return np.sort(lengths)


def _unrolled(points: Int16[np.ndarray, " points"], zone: Zone, count: int) -> Float32[np.ndarray, " count"]:
    """``count`` points of a sample: its attack, then its loop again and again, or silence after its end."""
    if not zone.looped:
        once = points[zone.start : min(zone.end, zone.start + count)]
        return np.pad(once.astype(np.float32), (0, count - len(once)))
    attack = points[zone.start : min(zone.loop_end, zone.start + count)].astype(np.float32)
    loop = points[zone.loop_start : zone.loop_end].astype(np.float32)
    return np.concatenate([attack, np.resize(loop, count - len(attack))])


def _low_pass(bins: int, length: int, cutoff: float, resonance: float) -> Complex64[np.ndarray, " bins"]:
    """Response of the two-pole low-pass of a zone (8.1.2) at the bins of a transform of ``length``.

    ``cutoff`` in Hz; ``resonance`` in decibels of the peak above the gain at 0 Hz, halved there (8.1.3).
    """
    frequency = np.arange(bins, dtype=np.float32) * np.float32(SAMPLE_RATE / length / cutoff)
    quality = 10 ** ((resonance - 3.01) / 20)
    response = 10 ** (-resonance / 40) / (1 - frequency**2 + 1j * frequency / np.float32(quality))
    return np.asarray(response, np.complex64)


def held_envelope(envelope: Envelope, pitch: int, count: int) -> Float32[np.ndarray, " count"]:
    """Amplitude while the key is down: delay, linear attack, hold, decay by the decibel to the sustain."""
    hold = envelope.hold * 2 ** (envelope.key_to_hold * (60 - pitch) / 1200)
    decay = envelope.decay * 2 ** (envelope.key_to_decay * (60 - pitch) / 1200)
    time = np.arange(count, dtype=np.float32) / np.float32(SAMPLE_RATE) - np.float32(envelope.delay)
    rise = np.clip(time / np.float32(envelope.attack), 0, 1)
    fall = np.clip((time - np.float32(envelope.attack + hold)) * np.float32(100 / decay), 0, envelope.sustain)
    return np.asarray(rise * _decibels_down(fall), np.float32)


def release_envelope(envelope: Envelope) -> Float32[np.ndarray, " samples"]:
    """Amplitude after the key is up, from 1: 100 dB a release time, until it is 70 dB down."""
    release = max(envelope.release, SHORTEST_RELEASE)
    count = int(release * SILENCE_DECIBELS / 100 * SAMPLE_RATE)
    return _decibels_down(np.arange(count, dtype=np.float32) * np.float32(100 / release / SAMPLE_RATE))


def _decibels_down(decibels: Float32[np.ndarray, " samples"]) -> Float32[np.ndarray, " samples"]:
    return np.exp(decibels * np.float32(-np.log(10) / 20))


def installed_soundfont() -> Path:
    """TimGM6mb.sf2 (GPL-2) inside pretty_midi, which is not imported for it; raises ``SoundFontError``."""
    spec = find_spec("pretty_midi")
    path = Path(spec.origin).with_name(FILE_NAME) if spec and spec.origin else None
    if path is None or not path.is_file():
        raise SoundFontError(f"{FILE_NAME} is missing: install pretty_midi 0.2.x, whose wheel holds it")
    return path


class SoundFont:
    """A General MIDI synthesizer whose output is the same bytes in every process.

    Plays the installed TimGM6mb.sf2, which the corpus is made with, or another SoundFont at ``path``;
    ``SoundFontError`` where the installed one was changed, and for what is no SoundFont.
    """

    def __init__(self, path: Path | None = None) -> None:
        content = (path or installed_soundfont()).read_bytes()
        self.name = path.name if path else FILE_NAME
        if not path and hashlib.sha256(content).hexdigest() != FILE_SHA256:
            raise SoundFontError(
                f"{FILE_NAME} is not the file that the corpus is made with: reinstall pretty_midi 0.2.x"
            )
        self.bank: Bank = read_bank(content)

    @property
    def programs(self) -> tuple[Program, ...]:
        """Every (bank, preset) there is, in order; bank 128 holds the drum kits."""
        return tuple(sorted(self.bank.zones))

    def zones(self, program: Program, pitch: int, velocity: int) -> tuple[Zone, ...]:
        """What sounds when a ``program`` is asked for a MIDI ``pitch`` and ``velocity``, or nothing."""
        if program not in self.bank.zones:
            raise SoundFontError(f"{self.name} has no preset {program[1]} in bank {program[0]}")
        return tuple(zone for zone in self.bank.zones[program] if zone.answers(pitch, velocity))

    def render(
        self,
        events: np.ndarray,
        programs: Sequence[Program],
        seconds: float | int,
        tuning_cents: float | int = 0.0,
    ) -> Float32[np.ndarray, " samples"]:
        """The sound of ``events`` (dtype ``EVENT``) in mono at 22,050 Hz, ``seconds`` long, not normalised.

        ``tuning_cents`` shifts every track, drums included. A key without a sample is silent. Raises
        ``SoundFontError`` for an absent preset, and for events that are of another dtype, not finite, or of a
        track without program.
        """
        _check_events(events, programs, seconds)
        mix = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
        for program, pitch, notes in _same_key(events, programs):
            answering = [self.zones(program, pitch, velocity) for velocity in notes["velocity"].tolist()]
            for zone in dict.fromkeys(zone for zones in answering for zone in zones):
                struck = notes[[zone in zones for zones in answering]]
                _add_notes(mix, self.bank, zone, pitch, struck, tuning_cents)
        return mix


@lru_cache(maxsize=2)
def soundfont(path: Path | None = None) -> SoundFont:
    """The installed SoundFont or that at ``path``, read once per process; see :class:`SoundFont`."""
    return SoundFont(path)


def _check_events(events: np.ndarray, programs: Sequence[Program], seconds: float | int) -> None:
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
    longest, release = int(held[heard].max()), release_envelope(zone.envelope)
    raw = sound(bank.points, zone, pitch, longest + len(release), tuning_cents)
    envelope = held_envelope(zone.envelope, pitch, longest + 1)
    # The square of the velocity is the concave curve of 8.4.1.
    gains = zone.gain * (np.clip(notes["velocity"], 0, 127) / 127.0) ** 2
    for onset, length, gain in zip(onsets[heard].tolist(), held[heard].tolist(), gains[heard], strict=True):
        body = raw[:length] * envelope[: min(length, len(raw))]
        tail = raw[length : length + len(release)]
        # A note is released from the level that it has at its end.
        note = np.concatenate([body, tail * (envelope[length] * release[: len(tail)])]) * np.float32(gain)
        mix[onset : onset + len(note)] += note[: len(mix) - onset]
