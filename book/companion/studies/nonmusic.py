"""Sounds that are no music, made by code: noise, signals, machines, weather, speech, drums."""

import io
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeAlias

import numpy as np
import soundfile
from scipy.signal import butter, lfilter, sosfilt

from skey.audio import SAMPLE_RATE, prepare
from skey.corpus.soundfont import DRUM_BANK, EVENT, soundfont
from skey.shapes import Float

Wave: TypeAlias = Float[np.ndarray, " samples"]
Generator: TypeAlias = np.random.Generator

SECONDS = 15
VARIANTS = 12  # sounds of each kind; the threshold was chosen on some of those with even numbers
_DRUMS = (35, 36, 38, 40, 41, 42, 45, 46, 48, 49, 51)  # kicks, snares, hi-hats, toms, cymbals
SPOKEN = "speech, espeak-ng"  # the kind that a program makes, which is not installed everywhere

_SAMPLES = SECONDS * SAMPLE_RATE
_TIMES = np.arange(_SAMPLES) / SAMPLE_RATE


def sounds(kinds: Collection[str], limit: int = 0) -> Iterator[tuple[str, int, Wave]]:
    """Kind, number and samples (22,050 Hz, peak 1) of each sound; ``SPOKEN`` needs espeak-ng."""
    for number in range(VARIANTS)[: limit or None]:
        for kind in kinds:
            rng = np.random.default_rng([number, *kind.encode()])
            wave = KINDS[kind](rng)
            yield kind, number, (wave / np.abs(wave).max()).astype(np.float32)


def _noise(rng: Generator, slope: float) -> Wave:
    """Gaussian noise that falls by so many times 3 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(_SAMPLES))
    spectrum[1:] /= np.arange(1, spectrum.size) ** (slope / 2)
    spectrum[0] = 0
    return np.fft.irfft(spectrum, _SAMPLES)


def _narrow_noise(rng: Generator) -> Wave:
    """A band of noise of a third of an octave or less."""
    centre, octaves = rng.uniform(100, 2000), rng.uniform(0.02, 0.33)
    edges = centre * 2 ** np.array([-octaves / 2, octaves / 2])
    return np.asarray(sosfilt(butter(2, edges, "band", fs=SAMPLE_RATE, output="sos"), _noise(rng, 0)))


def _oscillator(frequency: float | Wave, harmonics: Wave) -> Wave:
    """Harmonics of those amplitudes over a frequency that can glide."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(frequency, _SAMPLES)) / SAMPLE_RATE
    top = np.max(frequency)
    orders = range(1, harmonics.size + 1)
    partials = (a * np.sin(n * phase) for n, a in zip(orders, harmonics, strict=True) if n * top < 10_000)
    return np.asarray(sum(partials))


def _falling(count: int, power: float = 1.0) -> Wave:
    return np.arange(1, count + 1) ** -power


def _hum(rng: Generator) -> Wave:
    """The hum of mains, 50 or 60 Hz, and a little noise."""
    harmonics = _falling(20) * rng.uniform(0.1, 1, 20)
    return _oscillator(rng.choice([50.0, 60.0]), harmonics) + rng.uniform(0, 0.3) * _noise(rng, 0)


def _siren(rng: Generator) -> Wave:
    """A wail between two pitches, up and down in 0.3 to 6 s."""
    low, high, period = rng.uniform(400, 700), rng.uniform(900, 1600), rng.uniform(0.3, 6)
    swing = (1 - np.cos(2 * np.pi * _TIMES / period)) / 2
    return _oscillator(low * (high / low) ** swing, _falling(8, 1.5))


def _two_tone_siren(rng: Generator) -> Wave:
    low, ratio, period = rng.uniform(350, 500), rng.uniform(1.2, 1.5), rng.uniform(0.8, 1.5)
    return _oscillator(np.where(_TIMES % period < period / 2, low, low * ratio), _falling(6, 1.5))


def _sweep(rng: Generator) -> Wave:
    """A sine that glides over octaves, once or again and again."""
    low, high, period = rng.uniform(30, 200), rng.uniform(2000, 9000), rng.choice([1.0, 5.0, 15.0])
    return _oscillator(low * (high / low) ** (_TIMES % period / period), np.ones(1))


def _clicks(rng: Generator) -> Wave:
    """A metronome, or clicks at random."""
    click = np.zeros(_SAMPLES)
    regular = np.arange(0, SECONDS, rng.uniform(0.3, 1))
    times = regular if rng.random() < 0.5 else rng.uniform(0, SECONDS, 40)
    click[(times * SAMPLE_RATE).astype(int)] = rng.uniform(0.3, 1, times.size)
    return np.asarray(lfilter([1], [1, -rng.uniform(0, 0.95)], click))


def _single_tone(rng: Generator) -> Wave:
    """One pitch for all the time, from a sine to a sawtooth."""
    return _oscillator(rng.uniform(80, 1200), _falling(int(rng.choice([1, 1, 5, 20]))))


def _drone(rng: Generator) -> Wave:
    """One tone with its harmonics, or an open fifth, that never changes."""
    low, ratios = rng.uniform(60, 260), (1.0, 1.5)[: rng.integers(1, 3)]
    return np.asarray(sum(_oscillator(low * ratio, _falling(30)) for ratio in ratios))


def _beeps(rng: Generator) -> Wave:
    """One pitch, switched on and off, as of an alarm or in Morse."""
    switched = np.repeat(rng.random(SECONDS * 10) < 0.5, SAMPLE_RATE // 10)
    regular = _TIMES % 1 < 0.4
    return _oscillator(rng.uniform(400, 3000), _falling(3)) * (switched if rng.random() < 0.5 else regular)


def _dial_tone(rng: Generator) -> Wave:
    """350 and 440 Hz, the ring tone of 440 and 480 Hz, or Europe's 425 Hz; steady or in pulses."""
    pair = [(350.0, 440.0), (440.0, 480.0), (425.0,)][int(rng.integers(3))]
    pulse = _TIMES % 4 < 2 if rng.random() < 0.5 else 1.0
    return np.asarray(np.sum([_oscillator(f, np.ones(1)) for f in pair], axis=0) * pulse)


def _dialling(rng: Generator) -> Wave:
    """Digits of a telephone, each of two sines."""
    sound = np.zeros(_SAMPLES)
    for start in np.arange(0, SECONDS - 0.3, 0.3):
        at = slice(int(start * SAMPLE_RATE), int((start + 0.2) * SAMPLE_RATE))
        for frequency in (rng.choice([697, 770, 852, 941]), rng.choice([1209, 1336, 1477])):
            sound[at] += np.sin(2 * np.pi * frequency * _TIMES[at])
    return sound


def _rain(rng: Generator) -> Wave:
    drops = np.zeros(_SAMPLES)
    for _ in range(int(rng.integers(100, 1500))):
        start, frequency = int(rng.integers(_SAMPLES - 2000)), rng.uniform(800, 6000)
        ring = np.exp(-_TIMES[:2000] * rng.uniform(100, 400)) * np.sin(2 * np.pi * frequency * _TIMES[:2000])
        drops[start : start + 2000] += rng.uniform(0.1, 1) * ring
    return drops + rng.uniform(0.02, 0.5) * _noise(rng, 0.5)


def _wind(rng: Generator) -> Wave:
    """Noise through a resonance that wanders."""
    wander = np.interp(_TIMES, np.linspace(0, SECONDS, 12), rng.uniform(200, 900, 12))
    envelope = np.interp(_TIMES, np.linspace(0, SECONDS, 10), rng.uniform(0.1, 1, 10))
    carrier = np.exp(2j * np.pi * np.cumsum(wander) / SAMPLE_RATE)
    slow = lfilter([1], [1, -rng.uniform(0.97, 0.995)], rng.standard_normal((2, _SAMPLES)))
    return np.asarray(np.real((slow[0] + 1j * slow[1]) * carrier) * envelope + 0.3 * _noise(rng, 2))


def _engine(rng: Generator) -> Wave:
    speed = np.interp(_TIMES, np.linspace(0, SECONDS, 8), rng.uniform(30, 120, 8))
    return _oscillator(speed, _falling(40, 0.8) * rng.uniform(0.2, 1, 40)) + 0.3 * _noise(rng, 1)


def _birds(rng: Generator) -> Wave:
    """Chirps: short glides of a high sine."""
    sound = np.zeros(_SAMPLES)
    for start in rng.uniform(0, SECONDS - 0.3, int(rng.integers(20, 80))):
        length = int(rng.uniform(0.05, 0.25) * SAMPLE_RATE)
        at = slice(int(start * SAMPLE_RATE), int(start * SAMPLE_RATE) + length)
        low, high = rng.uniform(1800, 6000, 2)
        glide = np.geomspace(low, high, length)
        sound[at] += np.hanning(length) * np.sin(2 * np.pi * np.cumsum(glide) / SAMPLE_RATE)
    return sound + 0.005 * _noise(rng, 1)


def _applause(rng: Generator) -> Wave:
    claps = np.zeros(_SAMPLES)
    claps[rng.integers(0, _SAMPLES, int(rng.integers(500, 4000)))] = 1
    burst = rng.standard_normal(400) * np.exp(-np.arange(400) / 80)
    return np.convolve(claps, burst)[:_SAMPLES]


def _drums(rng: Generator) -> Wave:
    """A pattern of kick, snare and hi-hat: gliding sines and bursts of noise."""
    sound, beat = np.zeros(_SAMPLES + SAMPLE_RATE), 60 / rng.uniform(80, 160)
    times = _TIMES[:SAMPLE_RATE]
    kick = np.exp(-times * 8) * np.sin(2 * np.pi * (50 * times - 4 * np.exp(-times * 30)))
    snare = np.exp(-times * 15) * (
        rng.standard_normal(times.size) + np.sin(2 * np.pi * rng.uniform(150, 250) * times)
    )
    hat = np.exp(-times * 40) * np.diff(rng.standard_normal(times.size + 1))
    for step in range(int(SECONDS / beat * 2)):
        at = int(step * beat / 2 * SAMPLE_RATE)
        hits = (kick, step % 4 == 0 or rng.random() < 0.2), (snare, step % 4 == 2), (hat, True)
        for drum, hit in hits:
            sound[at : at + times.size] += drum * hit * rng.uniform(0.5, 1)
    return sound[:_SAMPLES]


def _drum_kit(rng: Generator) -> Wave:
    """A General MIDI drum kit of the corpus's SoundFont, hit at random on a grid."""
    step = 30 / rng.uniform(70, 150)
    rows = [
        (at, step, rng.choice(_DRUMS), rng.integers(60, 120), 0)
        for at in np.arange(0, SECONDS - 1, step)
        for _ in range(int(rng.integers(0, 3)))
    ]
    return soundfont().render(np.array(rows, EVENT), ((DRUM_BANK, 0),), SECONDS)


def _vowels(rng: Generator) -> Wave:
    """Voiced speech of a formant synthesiser: pulses whose pitch falls and rises, gliding formants."""
    knots = np.linspace(0, SECONDS, 45)
    pitch = np.interp(_TIMES, knots, rng.uniform(90, 230) * 2 ** rng.uniform(-0.3, 0.3, 45))
    sound = _oscillator(pitch, _falling(50))
    blocks = np.array_split(np.arange(_SAMPLES), 45 * 4)
    spoken = np.zeros(_SAMPLES)
    for low, high, width in ((300, 800, 80), (900, 2200, 120), (2300, 3000, 160)):
        formant = np.interp(_TIMES, knots, rng.uniform(low, high, 45))
        state = np.zeros(2)
        for at in blocks:
            radius, angle = np.exp(-np.pi * width / SAMPLE_RATE), 2 * np.pi * formant[at[0]] / SAMPLE_RATE
            poles = [1, -2 * radius * np.cos(angle), radius**2]
            part, state = lfilter([1 - radius], poles, sound[at], zi=state)
            spoken[at] += part
    pauses = np.repeat(rng.random(45) > 0.25, -(-_SAMPLES // 45))[:_SAMPLES]
    return spoken * np.convolve(pauses, np.hanning(1000) / 500, "same")


TEXTS: Mapping[str, str] = {  # the fable that the International Phonetic Association has read
    "en": "The north wind and the sun were disputing which was the stronger, when a traveller came along.",
    "de": "Einst stritten sich Nordwind und Sonne, wer von ihnen beiden wohl der Stärkere wäre.",
    "fr": "La bise et le soleil se disputaient, chacun assurant qu'il était le plus fort.",
    "it": "Si bisticciavano un giorno il vento di tramontana e il sole, quando videro un viaggiatore.",
}


def _speech(rng: Generator) -> Wave:
    """A fable, read by espeak-ng in one of four languages, at a pitch and a speed."""
    language = str(rng.choice(list(TEXTS)))
    pitch, speed = int(rng.integers(10, 90)), int(rng.integers(110, 190))
    voice = f"{language}{rng.choice(['', '+f3', '+m3', '+f2'])}"
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", TEXTS[language]]
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    spoken, rate = soundfile.read(io.BytesIO(wav), dtype="float32")
    return np.resize(prepare(spoken, rate), _SAMPLES)


KINDS: Mapping[str, Callable[[Generator], Wave]] = {  # each kind of sound, and what makes one
    "white noise": lambda rng: _noise(rng, 0),
    "pink noise": lambda rng: _noise(rng, 1),
    "brown noise": lambda rng: _noise(rng, 2),
    "narrow noise": _narrow_noise,
    "rain": _rain,
    "wind": _wind,
    "applause": _applause,
    "clicks": _clicks,
    "drums, synthetic": _drums,
    "drum kit": _drum_kit,
    "mains hum": _hum,
    "single tone": _single_tone,
    "drone": _drone,
    "beeps": _beeps,
    "dial tone": _dial_tone,
    "dialling": _dialling,
    "sweep": _sweep,
    "siren": _siren,
    "two-tone siren": _two_tone_siren,
    "engine": _engine,
    "birds": _birds,
    "speech, formants": _vowels,
    SPOKEN: _speech,
}
