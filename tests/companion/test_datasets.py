"""Facts of every data set: one shape, made-up collections in the published layouts, wrong labels."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sounds import frequency, sine

from companion.datasets import DATASETS, LabelError, MissingData, Track, labelled_tracks, load_dataset
from companion.datasets.base import evenly_spread
from companion.datasets.collections import GiantSteps, parse_gtzan
from companion.datasets.labels import parse_label
from skey.audio import SAMPLE_RATE
from skey.errors import SkeyError
from skey.keys import KEYS, Key, KeyParseError, parse_key


def write_tone(file: Path, key: Key) -> None:
    """The tonic of a key as a quiet stereo tone at 44.1 kHz; the ending decides the format."""
    file.parent.mkdir(parents=True, exist_ok=True)
    wave = sine(44_100, frequency(60 + key.tonic), seconds=3.0, amplitude=0.2)
    soundfile.write(file, np.stack([wave, 0.5 * wave], axis=1), 44_100)


def write_text(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def make_fmakv2(root: Path) -> list[str]:
    labels = "10,F# Major,x\n141,F Major,x\n124911,Bb minor,x\n"
    write_text(root / "fmakv2.csv", f"track_id,key_and_mode,spotify_uri\n{labels}")
    for name, key in (("000/000010", "F#"), ("000/000141", "F"), ("124/124911", "Bbm")):
        write_tone(root / f"{name}.mp3", parse_key(key))
    return ["F# major", "F major", "Bb minor"]


def make_gtzan(root: Path) -> list[str]:
    keys = root / "gtzan_key" / "gtzan_key" / "genres"
    numbers = {"blues.00000": "3", "blues.00001": "-1", "jazz.00042": "12", "rock.00099": "11\n"}
    for clip, number in numbers.items():
        write_text(keys / clip.split(".")[0] / f"{clip}.lerch.txt", number)
    write_tone(root / "genres" / "blues" / "blues.00000.wav", parse_key("C"))
    write_tone(root / "genres" / "jazz" / "jazz.00042.au", parse_key("Am"))
    write_tone(root / "genres_original" / "rock" / "rock.00099.wav", parse_key("Ab"))
    return ["C major", "A minor", "Ab major"]


def make_giantsteps(root: Path) -> list[str]:
    labels = {"10089.LOFI": "D major", "1004923.LOFI": "Bb minor\n"}
    for name, label in labels.items():
        write_text(root / "annotations" / "key" / f"{name}.key", label)
        write_tone(root / "audio" / f"{name}.mp3", parse_key(label))
    write_text(root / "annotations" / "genre" / "10089.LOFI.genre", "techno")
    return ["Bb minor", "D major"]


def make_folder(root: Path) -> list[str]:
    rows = 'a.wav,8A,one,Anna\n"sub, folder/b.flac",E♭ Major,one,\nc.ogg, d# min ,,Bo\n'
    write_text(root / "labels.csv", f"\ufefffile,key,group,artist\n{rows}")
    for name, key in (("a.wav", "Am"), ("sub, folder/b.flac", "Eb"), ("c.ogg", "Ebm")):
        write_tone(root / name, parse_key(key))
    return ["A minor", "Eb major", "Eb minor"]


def make_giantsteps_mtg(root: Path) -> list[str]:
    labels = {"5061": "D# minor", "10981": "B major / Cb major"}
    lines = ["ID\tMANUAL KEY\tC", *(f"{name}\t{label}\t2" for name, label in labels.items())]
    write_text(root / "annotations" / "annotations.txt", "\n".join(lines) + "\n")
    write_tone(root / "audio" / "5061.LOFI.mp3", parse_key("Ebm"))
    write_tone(root / "audio" / "10981.LOFI.mp3", parse_key("B"))
    return ["Eb minor", "B major"]


LAYOUTS: dict[str, Callable[[Path], list[str]]] = {
    "fmakv2": make_fmakv2,
    "gtzan": make_gtzan,
    "giantsteps": make_giantsteps,
    "giantsteps-mtg": make_giantsteps_mtg,
    "folder": make_folder,
}


@pytest.fixture(scope="module", params=LAYOUTS)
def collection(request, tmp_path_factory):
    """A tiny made-up collection in each published layout, and its keys."""
    root = tmp_path_factory.mktemp(request.param)
    keys = LAYOUTS[request.param](root)
    return load_dataset(request.param, root), keys


def test_every_data_set_but_the_open_corpus_has_a_made_up_collection_here():
    assert set(LAYOUTS) | {"open-corpus"} == set(DATASETS)


def test_every_collection_names_its_keys(collection):
    dataset, keys = collection
    tracks = dataset.tracks()
    assert [str(track.key) for track in tracks] == keys
    assert all(isinstance(track, Track) and track.group and track.audio for track in tracks)
    assert len({track.id for track in tracks}) == len(tracks)
    dataset.require()


def test_the_tonic_sounds_in_every_track(collection):
    dataset, _ = collection
    for track in dataset.tracks():
        assert track.key is not None
        wave = dataset.waveform(track)
        assert wave.dtype == np.float32 and np.abs(wave).max() == pytest.approx(1)
        assert wave.size == pytest.approx(3 * SAMPLE_RATE, rel=0.05)
        bins = dataset.log_vqt(track)
        assert tuple(bins.shape) == (99, wave.size // 512 + 1)
        assert int(bins.mean(dim=1).argmax() + 9) % 12 == track.key.tonic


def test_the_hash_follows_the_labels_and_nothing_else(collection, tmp_path):
    dataset, _ = collection
    LAYOUTS[dataset.name](tmp_path)
    again = load_dataset(dataset.name, tmp_path)
    assert again.data_hash() == dataset.data_hash() and len(again.data_hash()) == 16
    assert load_dataset(dataset.name, tmp_path, limit=1).data_hash() != dataset.data_hash()


def test_missing_audio_is_named_with_where_to_get_it(collection, tmp_path):
    dataset, keys = collection
    LAYOUTS[dataset.name](tmp_path)
    without = load_dataset(dataset.name, tmp_path)
    lost = without.tracks()[1]
    assert lost.audio is not None
    lost.audio.unlink()
    for attempt in (lambda: without.waveform(lost), lambda: without.log_vqt(lost), without.require):
        with pytest.raises(MissingData, match="Get it at") as caught:
            attempt()
        assert lost.audio.stem in str(caught.value) and dataset.url in str(caught.value)
    assert f"1 of {len(keys)} tracks" in str(caught.value)


def test_an_empty_root_is_no_collection(collection, tmp_path):
    dataset, _ = collection
    empty = load_dataset(dataset.name, tmp_path)
    for ask in (empty.tracks, empty.require):
        with pytest.raises(MissingData, match="missing") as caught:
            ask()
        assert str(tmp_path) in str(caught.value) and dataset.url in str(caught.value)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_root_that_is_not_there_is_named(name, tmp_path):
    for root in ("nowhere", "n" * 300):
        with pytest.raises(MissingData, match=f"there is no folder .*{root}"):
            load_dataset(name, tmp_path / root).tracks()
    with pytest.raises(MissingData, match="say in which folder it lies"):
        load_dataset(name).tracks()


def test_an_unknown_name_lists_the_data_sets():
    with pytest.raises(SkeyError, match="open-corpus, fmakv2, gtzan, giantsteps, giantsteps-mtg, folder"):
        load_dataset("fma")


def made_up_tracks(count: int) -> list[Track]:
    levels = ("full", "hard")
    return [Track(f"{i:03d}", KEYS[i // 2 % 24], f"{i}", tags={"level": levels[i % 2]}) for i in range(count)]


def test_a_sample_is_spread_evenly_over_tags_and_keys():
    sample = evenly_spread(made_up_tracks(240), 48)
    assert set(Counter(track.tags["level"] for track in sample).values()) == {24}
    assert set(Counter(track.key for track in sample).values()) == {2}
    assert list(sample) == sorted(sample, key=lambda track: track.id)


def test_a_limit_above_the_size_takes_everything_and_one_below_1_is_refused():
    assert len(evenly_spread(made_up_tracks(10), 11)) == len(evenly_spread(made_up_tracks(10), None)) == 10
    with pytest.raises(ValueError, match="at least 1"):
        load_dataset("folder", limit=0)


@pytest.mark.parametrize(
    "place", ["000010.mp3", "fma_large/000/000010.mp3", "000-019/000/000010.wav", "audio/10.mp3"]
)
def test_fma_audio_is_found_flat_and_in_folders(place, tmp_path):
    write_text(tmp_path / "fmakv2.csv", "track_id,key_and_mode,spotify_uri\n10,F# Major,\n")
    write_tone(tmp_path / place, parse_key("F#"))
    assert load_dataset("fmakv2", tmp_path).tracks()[0].audio == tmp_path / place


def test_absent_fma_audio_is_expected_in_its_folder_of_a_thousand(tmp_path):
    write_text(tmp_path / "fmakv2.csv", "track_id,key_and_mode,spotify_uri\n10,F# Major,\n124911,C minor,\n")
    expected = [track.audio for track in load_dataset("fmakv2", tmp_path).tracks()]
    assert expected == [tmp_path / "000" / "000010.mp3", tmp_path / "124" / "124911.mp3"]


@pytest.mark.parametrize(
    ("label", "key", "reason"),
    [
        ("", None, "no key"),
        ("-", None, "no key"),
        *((each, None, "no key") for each in ("Unknown", "X", "N", "Off", "All", "atonal", "?", "x\tsure")),
        *((each, None, "no key") for each in ("No key", "NaN", "NA")),
        ("E minor / G minor", None, "several keys: E minor / G minor"),
        ("G minor/major", None, "several keys: G minor/major"),
        ("A/E major", None, "several keys: A/E major"),
        ("a-a# minor", None, "several keys: a-a# minor"),
        ("C major, D major", None, "several keys: C major, D major"),
        ("C major;D major", None, "several keys: C major;D major"),
        ("Am - Bm", None, "several keys: Am - Bm"),
        ("8A/9A\tsure", None, "several keys: 8A/9A"),
        ("Am, 8A", "A minor", ""),
        ("A\tminor", "A minor", ""),
        ("C#\tminor\tnot sure", "Db minor", ""),
        ("F#\tmajor", "F# major", ""),
        ("A minor\t2", "A minor", ""),
        ("A minor\tmajor at the end", "A minor", ""),
        ("C major\tG major", None, "several keys: C major, G major"),
        ("Am\n8B\n", None, "several keys: Am, 8B"),
        ("Am\n8A", "A minor", ""),
        ("F#/Gb minor", "F# minor", ""),
        ("D# minor | Eb minor", "Eb minor", ""),
        ("B major \tsure\nnoted by ear", "B major", ""),
        ("E-flat major", "Eb major", ""),
    ],
)
def test_a_label_has_one_agreed_key_or_says_why_not(label, key, reason):
    assert parse_label(label) == (key and parse_key(key), reason)


@pytest.mark.parametrize("label", ["C major, not sure", "Am - or so", "Am (8B)"])
def test_a_label_with_a_remark_in_it_is_refused(label):
    with pytest.raises(KeyParseError):
        parse_label(label)


@pytest.mark.parametrize("name", ["fmakv2", "giantsteps", "giantsteps-mtg", "folder"])
def test_a_track_without_an_agreed_key_is_no_labelled_track(name, tmp_path):
    keys = LAYOUTS[name](tmp_path)
    table = min(tmp_path.glob("**/*.key"), default=None) or next(tmp_path.glob("**/*.[ct][sx][vt]"))
    text = table.read_text(encoding="utf-8")
    for found in ("Bb minor", "D# minor", "d# min"):
        text = text.replace(found, "C | G")
    table.write_text(text, encoding="utf-8")
    dataset = load_dataset(name, tmp_path)
    (without,) = [track.unlabelled for track in dataset.tracks() if track.key is None]
    assert without == "several keys: C | G"
    assert len(labelled_tracks(dataset)) == len(keys) - 1


def test_the_folders_of_mirdata_are_read(tmp_path):
    write_text(tmp_path / "gs" / "keys_gs+" / "10089 Anna - One.txt", "D major\n")
    write_tone(tmp_path / "gs" / "audio" / "10089 Anna - One.mp3", parse_key("D"))
    make_gtzan(tmp_path / "gtzan")
    (tmp_path / "gtzan" / "gtzan_genre").mkdir()
    (tmp_path / "gtzan" / "genres").rename(tmp_path / "gtzan" / "gtzan_genre" / "genres")
    for dataset in (GiantSteps(tmp_path / "gs"), load_dataset("gtzan", tmp_path / "gtzan")):
        dataset.require()
    assert [track.key for track in GiantSteps(tmp_path / "gs").tracks()] == [parse_key("D")]


@pytest.mark.parametrize(
    ("name", "place", "tags"),
    [
        ("gtzan", 1, {"genre": "jazz"}),
        ("giantsteps", 1, {"genre": "techno"}),
        ("folder", 0, {"artist": "Anna"}),
    ],
)
def test_genres_and_other_columns_are_tags(name, place, tags, tmp_path):
    LAYOUTS[name](tmp_path)
    assert load_dataset(name, tmp_path).tracks()[place].tags == tags


def test_a_genre_in_another_encoding_and_a_name_too_long_for_a_file_are_no_end(tmp_path):
    make_giantsteps(tmp_path / "gs")
    for genre in (tmp_path / "gs" / "annotations" / "genre").iterdir():
        genre.write_bytes("música".encode("latin-1"))
    assert {"genre": "m�sica"} in [track.tags for track in GiantSteps(tmp_path / "gs").tracks()]
    write_text(tmp_path / "labels.csv", f"file,key\n{'x' * 300},C\n")
    dataset = load_dataset("folder", tmp_path)
    for attempt in (dataset.require, lambda: dataset.waveform(dataset.tracks()[0])):
        with pytest.raises(MissingData, match=r"x{300}"):
            attempt()


def test_a_table_of_any_name_will_do_when_it_is_the_only_one(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "labels.csv").rename(tmp_path / "my keys.csv")
    for root in (tmp_path, tmp_path / "my keys.csv"):
        assert [track.group for track in load_dataset("folder", root).tracks()] == ["one", "one", "c.ogg"]
    write_text(tmp_path / "other.csv", "file,key\n")
    with pytest.raises(MissingData, match="2 other CSV files"):
        load_dataset("folder", tmp_path).tracks()


def test_every_wrong_line_is_reported_with_its_number_and_what_was_expected(tmp_path):
    rows = "a.wav,C major\nb.wav,H minor\n,D major\na.wav,E major\nc.wav,C,minor\n"
    write_text(tmp_path / "labels.csv", f"file,key\n{rows}")
    with pytest.raises(LabelError) as caught:
        load_dataset("folder", tmp_path).tracks()
    report = str(caught.value).splitlines()
    assert report[0] == "4 wrong label(s):"
    assert report[1].startswith("labels.csv, line 3: 'H minor' is not a key: expected a tonic and a mode")
    assert report[2] == "labels.csv, line 4: file '': expected a file name"
    assert report[3] == "labels.csv, line 5: track a.wav stands above already: expected each track once"
    assert report[4].startswith("labels.csv, line 6: 2 columns but more cells: expected")


def test_wrong_key_files_are_reported_by_name(tmp_path):
    make_gtzan(tmp_path)
    write_text(tmp_path / "gtzan_key" / "gtzan_key" / "genres" / "blues" / "blues.00000.lerch.txt", "24")
    with pytest.raises(LabelError, match=r"blues\.00000\.lerch\.txt: '24' is not a key number: expected -1"):
        load_dataset("gtzan", tmp_path).tracks()


TABLES = {"fmakv2": "fmakv2.csv", "giantsteps-mtg": "annotations/annotations.txt", "folder": "labels.csv"}
FMAK, MTG = b"track_id,key_and_mode\n", b"ID\tMANUAL KEY\tC\n"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("fmakv2", FMAK + b"10,C Major\n000010,A minor\n", "line 3: track 10 stands above"),
        ("fmakv2", FMAK + b"ten,C\n11,C Dorian\n", r"line 2: 'ten' is not a .* number\n.*line 3: 'C Dorian'"),
        ("giantsteps-mtg", MTG + b"10\t-\t0\n10\tA minor\t2\n", r"line 3: track 10\.LOFI stands above"),
        ("folder", b"name,key", "line 1: expected the columns file, key, found name, key"),
        ("folder", b"", "line 1: expected the columns file, key, found none"),
        ("folder", b"file,key,key\n", "line 1: expected each column once, found file, key, key"),
        ("folder", b"file,key\nx.wav,C\n./x.wav,D\n", "track x.wav stands above already"),
        ("folder", b"file,key\n\xff\xfe,C\n", "is not a CSV file in UTF-8"),
        ("folder", b'file,key\n"a.wav,C\n', "is not a CSV file in UTF-8"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(name, content, reason, tmp_path):
    table = tmp_path / TABLES[name]
    table.parent.mkdir(exist_ok=True)
    table.write_bytes(content)
    with pytest.raises(LabelError, match=reason):
        load_dataset(name, tmp_path).tracks()


def test_gtzan_counts_from_a_major_and_from_a_minor_and_has_no_other_numbers():
    names = ["A", "Bb", "B", "C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab"]
    keys = [f"{name} {mode}" for mode in ("major", "minor") for name in names]
    assert [str(parse_gtzan(str(number))) for number in range(24)] == keys
    assert parse_gtzan("-1") is None
    for number in ("24", "-2", "x", "", "1.5"):
        with pytest.raises(KeyParseError, match=r"-1 \(no key\) or 0\.\.23"):
            parse_gtzan(number)
