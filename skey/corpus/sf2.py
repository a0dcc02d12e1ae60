"""Reading a SoundFont 2 file: its chunks, and its presets resolved into playable zones.

Source: SoundFont Technical Specification 2.01 (E-mu Systems, 1998); section numbers below refer to it.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Int16

from skey.errors import SkeyError

Generators = dict[int, int]
Program = tuple[int, int]

START, END, LOOP_START, LOOP_END = 0, 1, 2, 3
START_COARSE, END_COARSE, LOOP_START_COARSE, LOOP_END_COARSE = 4, 12, 45, 50
FILTER_CUTOFF, FILTER_Q, ENVELOPE_TO_FILTER, MODULATION_SUSTAIN = 8, 9, 11, 29
PAN = 17
DELAY, ATTACK, HOLD, DECAY, SUSTAIN, RELEASE, KEY_TO_HOLD, KEY_TO_DECAY = 33, 34, 35, 36, 37, 38, 39, 40
INSTRUMENT, KEY_RANGE, VELOCITY_RANGE, SAMPLE = 41, 43, 44, 53
ATTENUATION, COARSE_TUNE, FINE_TUNE, SAMPLE_MODES, SCALE_TUNING, ROOT_KEY = 48, 51, 52, 54, 56, 58

UNSIGNED = frozenset((INSTRUMENT, KEY_RANGE, VELOCITY_RANGE, SAMPLE))
DEFAULTS: Mapping[int, int] = {
    FILTER_CUTOFF: 13500,
    **dict.fromkeys((DELAY, ATTACK, HOLD, DECAY, RELEASE), -12000),
    SCALE_TUNING: 100,
    ROOT_KEY: -1,
}
NOT_ADDED = (
    UNSIGNED
    | {SAMPLE_MODES, ROOT_KEY, START, END, LOOP_START, LOOP_END}
    | {
        START_COARSE,
        END_COARSE,
        LOOP_START_COARSE,
        LOOP_END_COARSE,
    }
)
FULL_RANGE = (0, 127)

PRESET_HEADER = np.dtype(
    [("name", "S20"), ("preset", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("unused", "<u4", 3)]
)
INSTRUMENT_HEADER = np.dtype([("name", "S20"), ("bag", "<u2")])
BAG = np.dtype([("generator", "<u2"), ("modulator", "<u2")])
GENERATOR = np.dtype([("operator", "<u2"), ("amount", "<i2")])
SAMPLE_HEADER = np.dtype(
    [
        ("name", "S20"),
        *((field, "<u4") for field in ("start", "end", "loop_start", "loop_end", "rate")),
        ("key", "u1"),
        ("correction", "i1"),
        ("link", "<u2"),
        ("type", "<u2"),
    ]
)


class SoundFontError(SkeyError):
    """The SoundFont cannot be used, or cannot play what was asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The volume envelope of a zone (9.1.7): times in seconds, `sustain` in decibels below the peak.

    `key_to_hold` and `key_to_decay` shorten the times by so many cents (of a factor of two) a key above 60.
    """

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

    For the MIDI pitch `key` the sample runs at its own `rate` (Hz), `tuning` semitones faster; `scale` is
    in semitones a key; `gain` is an amplitude and holds the mix of left and right; `cutoff` is in Hz,
    `resonance` in decibels.
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
        """Whether this zone sounds for a MIDI `pitch` struck with a `velocity`."""
        return self.keys[0] <= pitch <= self.keys[1] and self.velocities[0] <= velocity <= self.velocities[1]

    def step(self, pitch: int, tuning_cents: float | int, sample_rate: int) -> float:
        """Sample points consumed for each point of output at `sample_rate` when `pitch` is played."""
        semitones = self.scale * (pitch - self.key) + self.tuning + tuning_cents / 100
        return float(self.rate / sample_rate * 2.0 ** (semitones / 12))


@dataclass(frozen=True)
class Bank:
    """The sample points of a SoundFont and, for each (bank, preset), the zones that may answer."""

    points: Int16[np.ndarray, " points"]
    zones: Mapping[Program, tuple[Zone, ...]]


def read_bank(content: bytes) -> Bank:
    """Parse the bytes of a SoundFont 2 file (sections 4 to 7).

    Returns the sample points and the zones of every preset. Raises `SoundFontError` for anything else.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"sfbk":
        raise SoundFontError("not a SoundFont 2 file: it does not begin with RIFF … sfbk")
    try:
        return _bank(dict(_chunks(content, 12, len(content))))
    except (KeyError, ValueError, IndexError, struct.error) as error:
        raise SoundFontError(f"the SoundFont is damaged: {error!r}") from error


def _bank(chunks: Mapping[str, bytes]) -> Bank:
    """Sample points and presets out of the named chunks."""
    samples = np.frombuffer(chunks["shdr"], SAMPLE_HEADER)
    instrument_bags = _bags(chunks["ibag"], chunks["igen"])
    instruments = [
        _resolved(bags, SAMPLE) for bags in _slices(chunks["inst"], INSTRUMENT_HEADER, instrument_bags)
    ]
    preset_bags = _bags(chunks["pbag"], chunks["pgen"])
    headers = np.frombuffer(chunks["phdr"], PRESET_HEADER)
    presets = _slices(chunks["phdr"], PRESET_HEADER, preset_bags)
    zones = {
        (int(header["bank"]), int(header["preset"])): tuple(_preset_zones(bags, instruments, samples))
        for header, bags in zip(headers, presets, strict=False)
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
    """The generators of every zone, in the order of the file."""
    table = np.frombuffer(generators, GENERATOR).tolist()
    edges = np.frombuffer(bags, BAG)["generator"].tolist()
    return [
        {op: amount & 0xFFFF if op in UNSIGNED else amount for op, amount in table[a:b]}
        for a, b in pairwise(edges)
    ]


def _slices(headers: bytes, dtype: np.dtype[np.void], bags: list[Generators]) -> Iterator[list[Generators]]:
    """The zones that belong to each header; the last header only closes the list."""
    edges = np.frombuffer(headers, dtype)["bag"].tolist()
    return (bags[a:b] for a, b in pairwise(edges))


def _resolved(bags: list[Generators], target: int) -> list[Generators]:
    """The zones that point at something, the global zone's generators (7.3, 7.7) filled in."""
    common = bags[0] if bags and target not in bags[0] else {}
    return [common | bag for bag in bags if target in bag]


def _preset_zones(
    bags: list[Generators], instruments: list[list[Generators]], samples: np.ndarray
) -> Iterator[Zone]:
    """Every zone of every instrument that a preset uses."""
    for offset in _resolved(bags, INSTRUMENT):
        for generators in instruments[offset[INSTRUMENT]]:
            yield _zone(generators, offset, samples[generators[SAMPLE]])


def _added(generators: Generators, offset: Generators) -> Generators:
    """Instrument values over the defaults, the preset's values added to them (9.4)."""
    amounts = dict(DEFAULTS) | generators
    for operator in offset.keys() - NOT_ADDED:
        amounts[operator] = amounts.get(operator, 0) + offset[operator]
    return amounts


def _range(generators: Generators, offset: Generators, operator: int) -> tuple[int, int]:
    """Where the key or velocity ranges of instrument zone and preset zone overlap."""
    packed = [zone[operator] for zone in (generators, offset) if operator in zone]
    pairs = [(value & 0xFF, value >> 8) for value in packed] + [FULL_RANGE]
    return max(low for low, _ in pairs), min(high for _, high in pairs)


def _zone(generators: Generators, offset: Generators, sample: np.void) -> Zone:
    """A playable zone from the generators of both levels and the sample's header."""
    amounts = _added(generators, offset)
    get = amounts.get
    key = int(sample["key"]) if amounts[ROOT_KEY] < 0 else amounts[ROOT_KEY]
    cents = 100 * get(COARSE_TUNE, 0) + get(FINE_TUNE, 0) + int(sample["correction"])
    start, end, loop_start, loop_end = _positions(generators, sample)
    return Zone(
        keys=_range(generators, offset, KEY_RANGE),
        velocities=_range(generators, offset, VELOCITY_RANGE),
        start=start,
        end=end,
        loop_start=loop_start,
        loop_end=loop_end,
        looped=get(SAMPLE_MODES, 0) in (1, 3) and start <= loop_start < loop_end <= end,
        rate=int(sample["rate"]),
        key=key,
        tuning=cents / 100,
        scale=amounts[SCALE_TUNING] / 100,
        gain=_gain(get(ATTENUATION, 0), get(PAN, 0)),
        cutoff=_cutoff(amounts),
        resonance=get(FILTER_Q, 0) / 10,
        envelope=_envelope(amounts),
    )


def _positions(generators: Generators, sample: np.void) -> tuple[int, ...]:
    """Start, end, loop start, loop end, with the fine and coarse offsets of the zone."""
    fields = (
        ("start", START, START_COARSE),
        ("end", END, END_COARSE),
        ("loop_start", LOOP_START, LOOP_START_COARSE),
        ("loop_end", LOOP_END, LOOP_END_COARSE),
    )
    get = generators.get
    return tuple(int(sample[name]) + get(fine, 0) + 32768 * get(coarse, 0) for name, fine, coarse in fields)


def _gain(attenuation: int, pan: int) -> float:
    """Amplitude of a zone in the mono mix.

    Centibels of attenuation count 0.4, as on the hardware that SoundFonts were tuned on (and in FluidSynth).
    Left and right of a constant-power pan (0.1 % steps from the middle) are averaged, the middle being 1.
    """
    angle = np.pi / 4 * (1 + np.clip(pan, -500, 500) / 500)
    mix = (np.cos(angle) + np.sin(angle)) / np.sqrt(2)
    return float(10 ** (-0.4 * max(attenuation, 0) / 200) * mix)


def _cutoff(amounts: Generators) -> float:
    """Cutoff in Hz: it stands still half-way between the modulation envelope's peak and its sustain."""
    sustain = 1 - np.clip(amounts.get(MODULATION_SUSTAIN, 0), 0, 1000) / 1000
    cents = amounts[FILTER_CUTOFF] + amounts.get(ENVELOPE_TO_FILTER, 0) * (1 + sustain) / 2
    return float(_hertz(cents))


def _hertz(cents: float) -> float:
    """Absolute cents (8.1.2) to Hz, within the range that the specification allows a filter."""
    return float(8.176 * 2.0 ** (min(max(cents, 1500), 13500) / 1200))


def _envelope(amounts: Generators) -> Envelope:
    """Timecents to seconds, centibels to decibels."""
    delay, attack, hold, decay, release = (
        2.0 ** (min(amounts[operator], 8000) / 1200) for operator in (DELAY, ATTACK, HOLD, DECAY, RELEASE)
    )
    sustain = min(max(amounts.get(SUSTAIN, 0), 0), 1000) / 10
    keyed = amounts.get(KEY_TO_HOLD, 0), amounts.get(KEY_TO_DECAY, 0)
    return Envelope(delay, attack, hold, decay, sustain, release, *keyed)
