"""The key estimator: answers that hold in every form of asking, and none where there is no tonality."""

import csv
import io
import sys
import time
from dataclasses import replace
from pathlib import Path
from queue import Queue
from threading import Event

import numpy as np
import pytest
import soundfile
import torch
from sounds import cadence, noise

from skey.audio import SAMPLE_RATE, AudioError, EmptyAudio, prepare, read_audio
from skey.cli.measure import measure
from skey.errors import SkeyError, WeightsError
from skey.estimator import KeyEstimator, Segment, merged
from skey.files.decoding import UnreadableAudio
from skey.inference.confidence import fit_temperature, sharpen
from skey.inference.tonality import TONAL_PROMINENCE, measure_tonality
from skey.keys import KEYS, Key, parse_key
from skey.listeners import Network, mean_profile, windows
from skey.vqt import log_vqt
from skey.weights import load_weights


@pytest.fixture(scope="module")
def estimator():
    return KeyEstimator("krumhansl")


@pytest.mark.parametrize("name", ["C major", "F# major", "Bb major", "A minor", "Eb minor"])
def test_a_cadence_names_its_key_and_the_runner_up_comes_second(estimator, name):
    estimate = estimator.estimate(cadence(parse_key(name)), SAMPLE_RATE)
    assert (str(estimate.key), estimate.signature) == (name, estimate.key.signature)
    assert estimate.reason is None and sum(estimate.probabilities) == pytest.approx(1)
    ordered = sorted(estimate.probabilities)
    assert [estimate.runner_up_confidence, estimate.confidence] == ordered[-2:]
    assert estimate.probabilities[estimate.runner_up.index] == ordered[-2]
    tied = replace(estimate, key=KEYS[3], probabilities=(0.0,) * 3 + (0.5,) * 2 + (0.0,) * 19)
    assert tied.runner_up == KEYS[4]


def test_path_array_and_batch_give_the_same_numbers(tmp_path, estimator):
    paths, rate = [], 44_100
    for key in (Key(0, "major"), Key(9, "minor"), Key(4, "major")):
        paths.append(tmp_path / f"{key}.wav")
        stereo = np.stack([cadence(key, 16, rate)] * 2, axis=1)
        soundfile.write(paths[-1], stereo, rate, subtype="FLOAT")
    one_by_one = [estimator.estimate(path) for path in paths]
    arrays = [estimator.estimate(soundfile.read(path, dtype="float32")[0], rate) for path in paths]
    assert arrays == one_by_one
    for jobs in (1, 2):
        batch = [outcome.estimate for outcome in estimator.estimate_many(paths, jobs)]
        for theirs, ours in zip(batch, one_by_one, strict=True):
            assert theirs.key == ours.key
            np.testing.assert_allclose(theirs.probabilities, ours.probabilities, atol=1e-6)


def test_a_fault_of_ours_in_one_file_is_reported_like_any_other(tmp_path, estimator, monkeypatch):
    monkeypatch.setattr(estimator, "estimate", lambda path: 1 // 0)
    (outcome,) = estimator.estimate_many([tmp_path / "x.wav"])
    assert "unexpected ZeroDivisionError" in str(outcome.error)


def test_lists_tensors_and_file_objects_are_heard_as_arrays_are(tmp_path, estimator):
    song = cadence(Key(2, "major"))
    expected = estimator.estimate(song, SAMPLE_RATE)
    stereo = np.stack([song, song])
    for sound in (song.tolist(), torch.from_numpy(song), torch.from_numpy(stereo), stereo, stereo.T):
        assert estimator.estimate(sound, SAMPLE_RATE).key == expected.key
    soundfile.write(tmp_path / "a.wav", song, SAMPLE_RATE, subtype="FLOAT")
    assert estimator.estimate(io.BytesIO((tmp_path / "a.wav").read_bytes())) == expected
    with (tmp_path / "a.wav").open("rb") as file:
        assert estimator.estimate(file) == expected
    for nonsense in ([[1.0], [1.0, 2.0]], ["a"], None, {"a": 1}, torch.empty(9, device="meta")):
        with pytest.raises(AudioError):
            estimator.estimate(nonsense, SAMPLE_RATE)
    for paths in (["a.wav", "b.wav"], (Path("a.wav"), Path("b.wav"))):
        with pytest.raises(AudioError, match="several files go to estimate_many"):
            estimator.estimate(paths)


SONG = np.zeros(66_150, np.float32)


@pytest.mark.parametrize(
    ("attempt", "error", "said"),
    [
        *(
            (
                lambda it, rate=rate: it.estimate(SONG, rate),
                AudioError,
                f"{rate!r} is no sample rate: expected",
            )
            for rate in ("22050", 0, -44_100, float("nan"))
        ),
        (lambda it: it.estimate(SONG, None), ValueError, "an array needs its sample_rate"),
        (lambda it: it.estimate(b"song.wav"), AudioError, "expected a file or samples, not bytes"),
        (lambda it: it.estimate(None), AudioError, "expected a file or samples, not NoneType"),
        (lambda it: it.estimate(5), AudioError, "expected a file or samples, not int"),
        (lambda it: it.estimate(iter([1.0])), AudioError, "expected a file or samples, not list_it"),
        (lambda it: it.estimate(io.BufferedWriter(io.BytesIO())), AudioError, "the sound is closed or open"),
        (lambda it: it.estimate((gone := io.BytesIO(), gone.close())[0]), AudioError, "the sound is closed"),
        (lambda _: KeyEstimator(5), WeightsError, "expected a name or a file of weights, not 5"),
        (lambda it: [*it.estimate_many(["song.wav"], jobs=0)], SkeyError, "0 jobs: expected a whole number"),
        (lambda it: [*it.estimate_many([b"song.wav"])], AudioError, "expected paths as text or pathlib"),
        (lambda it: it.estimate([], 22_050), EmptyAudio, "the array is empty"),
        *(
            (lambda _, it=it: prepare(it, 22_050), AudioError, "expected an array of samples, not")
            for it in ("song.wav", None, [0.5])
        ),
        *(
            (lambda _, it=it: read_audio(it), UnreadableAudio, "expected a path or a file opened with 'rb'")
            for it in (None, SONG)
        ),
    ],
)
def test_wrong_arguments_are_refused_with_what_to_do(estimator, unchecked, attempt, error, said):
    with pytest.raises(error, match=f"^{said}"):
        attempt(estimator)
    assert "is silent" in estimator.estimate(SONG, np.int16(22_050)).reason


def test_modulation_shows_in_the_segments(estimator):
    song = np.concatenate([cadence(Key(0, "major"), 30), cadence(Key(6, "major"), 30), noise(15)])
    segments = estimator.estimate(song, SAMPLE_RATE).segments
    expected = [(0, 30, Key(0, "major")), (30, 60, Key(6, "major")), (60, 75, None)]
    assert [(s.start, s.end, s.key) for s in segments] == expected


def test_equal_neighbours_merge_with_their_mean_confidence_by_duration():
    rest = Segment(45.0, 60.0, None, None, 0.0)
    first, second = merged([Segment(0.0, 15.0, KEYS[0], 0, 0.5), Segment(15.0, 45.0, KEYS[0], 0, 0.8), rest])
    assert (first.start, first.end, first.key) == (0, 45, KEYS[0])
    assert first.confidence == pytest.approx(0.7) and second == rest


def test_neighbours_whose_keys_are_withheld_are_one_stretch_without_a_key(estimator):
    song = np.concatenate([cadence(Key(0, "major"), 30), cadence(Key(6, "major"), 30)])
    (nothing,) = estimator.estimate(song, SAMPLE_RATE).at_least(1.0).segments
    assert nothing == Segment(0.0, 60.0, None, None, 0.0)


def test_a_rest_of_less_than_half_a_window_has_no_say(estimator):
    song = cadence(Key(0, "major"), 30)
    longer = np.concatenate([song, cadence(Key(6, "major"), 5)])
    whole, with_rest = estimator.estimate(song, SAMPLE_RATE), estimator.estimate(longer, SAMPLE_RATE)
    assert with_rest.probabilities == whole.probabilities
    assert with_rest.segments[-1].end == 35


@pytest.mark.parametrize("seconds", [15, 30])
def test_windows_are_as_long_as_the_weights_ask(seconds):
    loaded = load_weights("semitone-open")
    loaded = replace(loaded, header=replace(loaded.header, window_seconds=seconds))
    song = np.concatenate([cadence(Key(0, "major"), 30), cadence(Key(6, "major"), 30)])
    heard = [s for s in KeyEstimator(loaded).estimate(song, SAMPLE_RATE).segments if s.key]
    assert [(s.start, s.end, s.key) for s in heard] == [(0, 30, Key(0, "major")), (30, 60, Key(6, "major"))]
    features = log_vqt(torch.from_numpy(prepare(song, SAMPLE_RATE)[: 30 * SAMPLE_RATE]))
    items = list(windows(features.numpy(), seconds))
    profile = np.mean([Network(loaded).profile(item) for item in items], axis=0)
    assert len(items) == 30 // seconds
    np.testing.assert_allclose(mean_profile(Network(loaded), features), profile, atol=1e-6)


def coloured(exponent, seconds, seed):
    spectrum = np.fft.rfft(noise(seconds, seed))
    spectrum[1:] /= np.arange(1, spectrum.size) ** (exponent / 2)
    spectrum[0] = 0
    sound = np.fft.irfft(spectrum)
    return (sound / np.abs(sound).max()).astype(np.float32)


@pytest.mark.parametrize("seconds", [2.95, 15])
@pytest.mark.parametrize("exponent", [0, 2, 4])
def test_noise_of_any_colour_and_length_has_no_tonality(exponent, seconds):
    for seed in range(3):
        assert measure_tonality(coloured(exponent, seconds, seed)).prominence < 0.6 * TONAL_PROMINENCE


def test_bursts_of_noise_and_clicks_have_no_tonality():
    times = np.arange(15 * SAMPLE_RATE)
    for sound in (noise(15) * np.exp(-(times % 5_512) / 1_500), times % 11_025 == 0):
        assert not measure_tonality(sound.astype(np.float32)).tonal


@pytest.mark.parametrize("key", [KEYS[0], KEYS[14], KEYS[22]], ids=str)
def test_music_under_noise_stays_tonal(key):
    assert measure_tonality(cadence(key, 15) + noise(15)).prominence > TONAL_PROMINENCE


def test_the_authors_audio_is_music_but_for_noise_click_and_sine(shared, estimator):
    without = {
        outcome.path.name[:2]: outcome.estimate.reason
        for outcome in estimator.estimate_many(sorted((shared / "parity" / "audio").iterdir()))
        if outcome.estimate.key is None
    }
    assert sorted(without) == ["29", "30", "31", "34"]
    assert "no tonality" in without["29"] and "no tonality" in without["31"]
    assert "too little sound" in without["30"]
    assert "too short" in without["34"]


@pytest.mark.parametrize(
    ("release", "column"), [("skey", "skey"), ("semitone24", "stone24"), ("stone12", "stone12")]
)
def test_released_weights_answer_as_the_authors_code_does(shared, released, release, column):
    estimator = KeyEstimator(released(release), as_published=True)
    assert estimator.whole_track == (release == "skey"), "each is run its authors' way"
    with (shared / "parity" / "index.csv").open() as file:
        for row in csv.DictReader(file):
            estimate = estimator.estimate(shared / "parity" / "audio" / row["file"])
            if row["file"][:2] in ("29", "30", "34"):
                assert estimate.signature is None
                continue
            expected = parse_key(row[column])
            assert estimate.signature == expected.signature
            assert estimate.key == (None if release == "stone12" else expected), row["file"]


def partials(frequency, seconds=12):
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(frequency, seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return sum(np.sin(n * phase) / n for n in range(1, 20)).astype(np.float32) / 4


SIREN = 440 + 200 * np.sin(np.arange(90 * SAMPLE_RATE) / 4_000)
PITCHED = {"hum": (50,), "tone": (220,), "siren": (SIREN[: 12 * SAMPLE_RATE],)}
PITCHED |= {f"fifth on {hertz} Hz": (hertz, 1.5 * hertz) for hertz in (65.4, 116.5, 220)}
PITCHED |= {f"triad on {hertz} Hz": (hertz, 1.25 * hertz, 1.5 * hertz) for hertz in (65.4, 116.5, 220)}


@pytest.mark.parametrize("name", PITCHED)
def test_pitched_sounds_that_are_no_music_have_no_key_but_for_the_papers(name):
    sound = sum(map(partials, PITCHED[name]))
    estimate = KeyEstimator().estimate(sound, SAMPLE_RATE)
    assert estimate.key is None and "no tonality" in estimate.reason
    published = KeyEstimator("krumhansl", as_published=True).estimate(sound, SAMPLE_RATE)
    assert (published.key is not None) == measure_tonality(sound).tonal


@pytest.mark.parametrize("cents", [-45, -17, 5, 30, 45])
@pytest.mark.parametrize("weights", ["krumhansl", None])
def test_music_out_of_tune_keeps_its_key(weights, cents):
    key = Key(9, "minor")
    estimate = KeyEstimator(weights).estimate(cadence(key, 20, cents=cents), SAMPLE_RATE)
    assert estimate.key == key
    assert estimate.tuning_cents == pytest.approx(cents, abs=2)
    neighbour = {-45: Key(8, "minor"), 45: Key(10, "minor")}
    assert estimate.between == neighbour.get(cents)


def test_whoever_does_not_follow_the_tuning_names_no_neighbour():
    between_d_and_eb = cadence(Key(2, "minor"), 30, cents=46)
    for choice in ({"as_published": True}, {"whole_track": True}):
        estimate = KeyEstimator(**choice).estimate(between_d_and_eb, SAMPLE_RATE)
        assert estimate.tuning_cents == pytest.approx(46, abs=2)
        assert (estimate.key, estimate.between) == (Key(3, "minor"), None)  # and not E, the next above E flat


def test_a_tuning_that_drifts_past_the_middle_does_not_jump_to_the_next_key():
    key = Key(0, "major")
    parts = [cadence(key, 15, cents=cents)[: 15 * SAMPLE_RATE] for cents in (40, 47, 60, 65)]
    estimate = KeyEstimator().estimate(np.concatenate(parts), SAMPLE_RATE)
    assert [segment.key for segment in estimate.segments] == [key]


def test_speech_with_a_jingle_has_no_key_and_in_tune_nothing_differs_from_the_papers(estimator):
    sirens = partials(SIREN, 90)
    song = cadence(Key(2, "major"), 15)
    assert estimator.estimate(np.concatenate([sirens, song]), SAMPLE_RATE).key is None
    assert estimator.estimate(np.concatenate([sirens[: 15 * SAMPLE_RATE], song]), SAMPLE_RATE).key is not None
    published = KeyEstimator("krumhansl", as_published=True).estimate(song, SAMPLE_RATE)
    assert estimator.estimate(song, SAMPLE_RATE) == published


def test_the_whole_track_in_one_pass_is_the_profile_of_its_log_vqt(estimator):
    song = cadence(Key(7, "major"), 40)
    whole = KeyEstimator("krumhansl", whole_track=True).estimate(song, SAMPLE_RATE)
    profile = estimator.listener.profile(log_vqt(torch.from_numpy(prepare(song, SAMPLE_RATE))))
    expected = estimator.listener.probabilities(profile)
    np.testing.assert_allclose(whole.probabilities, expected, atol=1e-5)


def test_what_is_hardly_too_little_does_not_read_as_enough(estimator):
    burst = estimator.estimate(np.pad(noise(1.3), 2 * SAMPLE_RATE), SAMPLE_RATE)
    assert burst.reason == "too little sound: 1.48 s in all, and at least 1.5 s are needed"
    estimate = estimator.estimate(cadence(Key(0, "major")), SAMPLE_RATE)
    assert estimate.at_least(estimate.confidence) == estimate
    doubtful = replace(estimate, probabilities=(0.498, *23 * [0.502 / 23]))
    withheld = doubtful.at_least(0.5)
    assert withheld.key is None and withheld.probabilities == doubtful.probabilities
    assert doubtful.at_least(0.5).reason == "too uncertain: 0.498, and 0.5 was asked for"
    assert doubtful.at_least(0.9).reason == "too uncertain: 0.50, and 0.9 was asked for"


def test_the_fitted_temperature_makes_overconfidence_honest():
    """Seven right answers in ten, each claimed with nearly full certainty."""
    profiles = np.full((10, 24), 0.01 / 23)
    profiles[:, 0] = 0.99
    honest = sharpen(profiles, fit_temperature(profiles, [KEYS[0]] * 7 + [KEYS[5]] * 3))
    assert honest[0, 0] == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize("key", [Key(2, "minor"), Key(6, "major")], ids=str)
def test_neither_an_offset_nor_silence_beside_it_changes_the_answer(key):
    estimator, music, silence = KeyEstimator(), cadence(key, 12), np.zeros(5 * SAMPLE_RATE, np.float32)
    plain = estimator.estimate(music, SAMPLE_RATE)
    assert plain.key == key
    loud, faint = 0.8 * music + np.float32(0.01), 4e-4 * music + np.float32(0.99)
    for sound in (loud, np.concatenate([silence, loud]), np.concatenate([loud, silence]), faint):
        estimate = estimator.estimate(sound, SAMPLE_RATE)
        assert estimate.key == key
        assert np.allclose(estimate.probabilities, plain.probabilities, atol=0.05)


def test_what_is_finished_is_not_lost_when_the_user_interrupts(monkeypatch, tmp_path):
    names = ["first", "slow", "third"]
    done = Event()

    def estimate(self, path):
        if path.name == "slow":
            done.wait(5)
            raise KeyboardInterrupt
        if path.name == "third":
            done.set()
        raise AudioError(path.name)

    monkeypatch.setattr(KeyEstimator, "estimate", estimate)
    found = KeyEstimator("krumhansl").estimate_many([tmp_path / name for name in names], jobs=2)
    assert [next(found).path.name, next(found).path.name] == ["first", "third"]
    with pytest.raises(KeyboardInterrupt):
        next(found)


def test_whoever_drops_the_results_half_way_is_told_of_no_thread(monkeypatch):
    wanted, dropped = Event(), Queue()

    def estimate(self, path):
        if path.name == "second":  # Python collects a generator in any thread.
            wanted.wait(5)
            try:
                dropped.put(found.close())
            except RuntimeError as error:
                dropped.put(error)
        raise AudioError(path.name)

    monkeypatch.setattr(KeyEstimator, "estimate", estimate)
    found = KeyEstimator("krumhansl").estimate_many(["first", "second"], jobs=2)
    next(found)
    wanted.set()
    assert dropped.get(timeout=5) is None


def test_nothing_is_heard_any_more_where_one_of_many_is_no_path(monkeypatch):
    heard, go_on = [], Event()
    paths = iter([*"abcdefgh", b"no path"])  # of a list beartype looks at one item, drawn by chance

    def estimate(self, path):
        heard.append(path.name)
        go_on.wait(5)
        raise AudioError(path.name)

    monkeypatch.setattr(KeyEstimator, "estimate", estimate)
    with pytest.raises(AudioError, match="expected paths"):
        list(KeyEstimator("krumhansl").estimate_many(paths, jobs=2))
    go_on.set()
    time.sleep(0.1)
    assert len(heard) <= 2


def test_one_path_is_not_taken_for_its_letters(tmp_path):
    path = tmp_path / "x.wav"
    assert [outcome.path for outcome in KeyEstimator("krumhansl").estimate_many(str(path))] == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="this system does not account for one process")
def test_memory_does_not_grow_with_the_length_of_the_music(tmp_path):
    code = "import sys; from skey.estimator import KeyEstimator; KeyEstimator().estimate(sys.argv[1])"
    minute = np.stack([cadence(Key(0, "major"), 60, 44_100)] * 2, axis=1)
    peaks = []
    for minutes in (1, 3):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", 44_100, 2) as file:
            for _ in range(minutes):
                file.write(minute)
        peaks.append(measure("estimate", [sys.executable, "-c", code, str(path)]).peak_megabytes)
    assert max(peaks) < 600
    assert peaks[1] - peaks[0] < 20
