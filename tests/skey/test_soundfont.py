"""The sampler sounds what is written: pitches, loops, envelopes, levels, and the same bytes everywhere."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from sounds import frequency, intonation, out_of_tune, pitch

from skey.audio import SAMPLE_RATE
from skey.corpus import arrangement
from skey.corpus.arrangement import RANGES
from skey.corpus.soundfont import (
    DRUM_BANK,
    EVENT,
    Envelope,
    SoundFont,
    SoundFontError,
    Zone,
    fast_lengths,
    held_envelope,
    installed_soundfont,
    read_bank,
    release_envelope,
    sound,
    soundfont,
    transform_lengths,
)

PIANO, FLUTE, STRINGS, DRUMS = (0, 0), (0, 73), (0, 48), (DRUM_BANK, 0)
AT_ONCE = Envelope(0.0, 0.001, 0.0, 1.0, 0.0, 0.1, 0, 0)


@pytest.fixture(scope="module")
def font():
    return soundfont()


def notes(*rows: tuple[float, float, int, int, int]) -> np.ndarray:
    return np.array(list(rows), EVENT)


def phrase() -> np.ndarray:
    """Two bars for flute, strings and drums, with a chord and a note that outlasts the clip."""
    melody = [(0.25 * n, 0.24, 72 + n, 60 + 5 * n, 0) for n in range(8)]
    chord = [(0.0, 1.9, pitch, 80, 1) for pitch in (48, 55, 64)]
    drums = [(0.5 * n, 0.1, 36 if n % 2 else 38, 90, 2) for n in range(4)]
    return notes(*melody, *chord, *drums, (1.5, 3.0, 67, 70, 1))


def sine_zone(
    hertz: float, seconds: float, rate: int = 44100, looped: bool = False
) -> tuple[np.ndarray, Zone]:
    """A sampled sine at MIDI pitch 69, whose loop, if any, is the middle half."""
    count = round(seconds * rate)
    points = np.rint(16000 * np.sin(2 * np.pi * hertz * np.arange(count) / rate)).astype(np.int16)
    places = {"start": 0, "end": count, "loop_start": count // 4, "loop_end": 3 * count // 4}
    pitch = {"rate": rate, "key": 69, "tuning": 0.0, "scale": 1.0}
    plain = {"gain": 1.0, "cutoff": 20000.0, "resonance": 0.0, "envelope": AT_ONCE}
    return points, Zone((0, 127), (0, 127), looped=looped, **places, **pitch, **plain)


def level(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


@pytest.mark.parametrize("preset", RANGES)
def test_every_preset_in_use_has_samples_and_sounds_the_written_pitch(font, preset):
    low, high = RANGES[preset]
    assert out_of_tune(font, (0, preset), sorted({*range(low, high + 1, 7), high})) == []
    for key in range(low, high + 1):
        assert all(font.zones((0, preset), key, velocity) for velocity in (1, 40, 80, 127)), key


@pytest.mark.parametrize("preset", [78, 86, 112, 119, 125])
def test_presets_that_are_out_of_tune_are_not_in_use(font, preset):
    assert preset not in RANGES
    assert out_of_tune(font, (0, preset), (48, 60)) == [48, 60]


@pytest.mark.parametrize("cents", [-40.0, -13.0, 25.0, 40.0])
def test_detuning_moves_every_note_by_so_many_cents(font, cents):
    note = notes((0.0, 1.5, 64, 100, 0))
    plain, detuned = (font.render(note, [PIANO], 1.5, tuning)[2205:] for tuning in (0.0, cents))
    assert intonation(detuned, 64).cents - intonation(plain, 64).cents == pytest.approx(cents, abs=3)


@pytest.mark.parametrize("semitones", [-24, -7, 0, 1, 6, 12, 24])
@pytest.mark.parametrize("rate", [11025, 22050, 44100, 44642])
def test_a_transposed_sample_is_in_tune_to_half_a_cent(semitones, rate):
    points, zone = sine_zone(440.0, 4.0, rate)
    wave = sound(points, zone, 69 + semitones, 20000)
    cents = 1200 * np.log2(pitch(wave[:20000]) / frequency(69 + semitones))
    assert cents == pytest.approx(0, abs=0.5)


def test_what_is_transposed_beyond_the_band_vanishes_instead_of_folding_back():
    points, zone = sine_zone(4000.0, 2.0)
    inside, beyond = (sound(points, zone, pitch, 5000)[500:4500] for pitch in (69, 69 + 24))
    assert level(beyond) < 1e-3 * level(inside)


def test_resampling_keeps_the_amplitude():
    points, zone = sine_zone(440.0, 3.0)
    peaks = [np.abs(sound(points, zone, pitch, 8000)[500:7500]).max() for pitch in (57, 69, 81)]
    assert peaks == pytest.approx([16000 / 32768] * 3, rel=0.01)


def test_a_sample_ends_but_a_loop_sounds_on():
    once, looped = (sound(*sine_zone(441.0, 0.4, looped=loop), 69, 3 * SAMPLE_RATE) for loop in (False, True))
    assert len(once) == pytest.approx(0.4 * SAMPLE_RATE, abs=2) and len(looped) == 3 * SAMPLE_RATE
    assert level(looped[-SAMPLE_RATE:]) == pytest.approx(level(looped[1000:5000]), rel=0.02)


def test_the_filter_of_a_zone_takes_off_12_decibels_an_octave():
    points, zone = sine_zone(4000.0, 2.0)
    octave, dull = sine_zone(2000.0, 2.0)[0], replace(zone, cutoff=500.0)
    high, low = (level(sound(wave, dull, 69, 8000)[1000:7000]) for wave in (points, octave))
    assert 20 * np.log10(low / high) == pytest.approx(12, abs=0.5)


def test_transform_lengths_are_fast_and_have_the_ratio_of_the_pitch():
    for step in 2 ** np.linspace(-3, 4, 57):
        short, long = transform_lengths(30000, float(step))
        assert long >= 30000 and long / short == pytest.approx(step, rel=3e-4)
        assert short in fast_lengths(2 * short) and long in fast_lengths(2 * long)


def test_the_envelope_rises_linearly_holds_and_falls_by_the_decibel():
    envelope = Envelope(0.1, 0.2, 0.3, 1.0, 20.0, 0.5, 0, 0)
    curve = held_envelope(envelope, 60, SAMPLE_RATE * 2)
    seconds = (np.array([0.05, 0.2, 0.3, 0.55, 0.7, 1.5]) * SAMPLE_RATE).astype(int)
    assert curve[seconds] == pytest.approx([0, 0.5, 1, 1, 10**-0.5, 0.1], abs=2e-3)


def test_the_release_falls_by_100_decibels_in_its_time():
    curve = release_envelope(replace(AT_ONCE, release=2.0))
    assert curve[0] == 1 and curve[SAMPLE_RATE] == pytest.approx(10**-2.5, rel=1e-3)
    assert (np.diff(curve) < 0).all()


def test_higher_keys_decay_faster_where_the_zone_says_so():
    envelope = replace(AT_ONCE, sustain=90.0, key_to_decay=100)
    low, high = (held_envelope(envelope, pitch, 4000)[-1] for pitch in (60, 72))
    assert 20 * np.log10(high) == pytest.approx(2 * 20 * np.log10(low), rel=0.02)


def test_a_note_starts_on_its_onset_and_fades_after_its_end(font):
    wave = font.render(notes((0.5, 0.5, 72, 100, 0)), [FLUTE], 3.0)
    assert not wave[: SAMPLE_RATE // 2].any()
    assert level(wave[12000:20000]) > 0.01
    assert level(wave[-SAMPLE_RATE // 2 :]) < 0.01 * level(wave[12000:20000])


def test_twice_the_velocity_is_four_times_the_amplitude(font):
    soft, loud = (font.render(notes((0.0, 0.5, 72, v, 0)), [FLUTE], 0.5) for v in (50, 100))
    np.testing.assert_allclose(loud, 4 * soft, atol=1e-6)


def test_notes_add_up(font):
    first, second = notes((0.0, 0.4, 60, 80, 0)), notes((0.2, 0.4, 64, 90, 0))
    apart = font.render(first, [PIANO], 1.0) + font.render(second, [PIANO], 1.0)
    together = font.render(np.concatenate([first, second]), [PIANO], 1.0)
    np.testing.assert_allclose(together, apart, atol=1e-6)


def test_a_clip_has_the_asked_length_whatever_the_order_of_the_events(font):
    events = phrase()
    wave, reverse = (font.render(e, [FLUTE, STRINGS, DRUMS], 2.0) for e in (events, events[::-1].copy()))
    assert wave.tobytes() == reverse.tobytes()
    assert wave.shape == (2 * SAMPLE_RATE,) and wave.dtype == np.float32
    assert np.isfinite(wave).all() and 0.01 < np.abs(wave).max() < 8


def test_a_clip_is_the_same_bytes_in_another_process_with_other_threads(font):
    here = font.render(phrase(), [FLUTE, STRINGS, DRUMS], 2.0, 17.0)
    script = (
        "import hashlib, sys, numpy as np; from skey.corpus.soundfont import EVENT, SoundFont\n"
        f"events = np.array({phrase().tolist()}, EVENT)\n"
        f"wave = SoundFont().render(events, {[FLUTE, STRINGS, DRUMS]}, 2.0, 17.0)\n"
        "sys.stdout.buffer.write(wave.tobytes())\n"
    )
    threads = os.environ | {"OMP_NUM_THREADS": "3", "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", script], env=threads, capture_output=True, check=True)
    assert other.stdout == here.tobytes()


def test_notes_outside_the_clip_are_not_heard(font):
    assert not font.render(notes(), [], 0.5).any()
    assert not font.render(notes((5.0, 1.0, 60, 100, 0), (-2.0, 1.0, 60, 100, 0)), [PIANO], 1.0).any()


@pytest.mark.parametrize("kit", arrangement.DRUM_KITS)
def test_every_drum_in_use_sounds(font, kit):
    for key in {key for groove in arrangement.GROOVES for key in groove}:
        assert np.abs(font.render(notes((0.0, 0.1, key, 100, 0)), [(DRUM_BANK, kit)], 0.5)).max() > 0.01, key


@pytest.mark.parametrize(
    ("events", "programs", "seconds", "message"),
    [
        *((notes((0.0, 1.0, 60, 100, track)), [PIANO], 1.0, "outside the 1 programs") for track in (1, -1)),
        (notes((np.nan, 1.0, 60, 100, 0)), [PIANO], 1.0, "not finite"),
        (notes((0.0, np.inf, 60, 100, 0)), [PIANO], 1.0, "not finite"),
        *((notes((0.0, 1.0, 60, 100, 0)), [PIANO], each, f"{each} seconds") for each in (0.0, 1e6)),
        (notes((0.0, 1.0, 60, 100, 0)), [(DRUM_BANK, 5)], 1.0, "no preset 5 in bank 128"),
        (np.zeros(3), [PIANO], 1.0, "dtype EVENT"),
    ],
)
def test_an_event_that_cannot_be_played_is_refused(font, events, programs, seconds, message):
    with pytest.raises(SoundFontError, match=message):
        font.render(events, programs, seconds)


def test_a_changed_soundfont_is_found(tmp_path, monkeypatch):
    content = bytearray(installed_soundfont().read_bytes())
    content[3_000_000] ^= 1
    changed = tmp_path / "changed.sf2"
    changed.write_bytes(content)
    monkeypatch.setattr("skey.corpus.soundfont.installed_soundfont", lambda: changed)
    with pytest.raises(SoundFontError, match="reinstall pretty_midi"):
        SoundFont()


def test_a_missing_soundfont_is_named(monkeypatch):
    monkeypatch.setattr("skey.corpus.soundfont.find_spec", lambda name: None)
    with pytest.raises(SoundFontError, match=r"TimGM6mb\.sf2 is missing: install pretty_midi"):
        installed_soundfont()


def test_what_is_no_soundfont_or_is_truncated_is_refused():
    for content in (b"", b"RIFF\x04\x00\x00\x00WAVE"):
        with pytest.raises(SoundFontError, match="not a SoundFont"):
            read_bank(content)
    for content in (b"RIFF\x04\x00\x00\x00sfbk", installed_soundfont().read_bytes()[:5_900_000]):
        with pytest.raises(SoundFontError, match="damaged"):
            read_bank(content)
