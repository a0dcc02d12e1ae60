"""Published collections of recordings with annotated keys, and a folder of one's own with a table."""

import os
from collections.abc import Sequence
from pathlib import Path

from companion.datasets.base import AUDIO_SUFFIXES, Dataset, LabelError, Track
from companion.datasets.labels import Row, parse_each, parse_label, read_table
from skey.keys import KEYS, Key, KeyParseError


def find_audio(folders: Sequence[Path], name: str, usual: str = ".mp3") -> Path:
    """The audio of that name in the first of the folders that has it; else where it should lie."""
    places = [folder / f"{name}{suffix}" for folder in folders for suffix in AUDIO_SUFFIXES]
    return next((place for place in places if place.is_file()), folders[0] / f"{name}{usual}")


class FMAKv2(Dataset):
    """Expert keys of 5,489 tracks of the Free Music Archive, the test set of STONE and S-KEY."""

    name = "fmakv2"
    title = "FMAKv2"
    licence = "keys: CC BY 4.0; audio: the Creative Commons licence that each artist chose"
    citation = (
        "S. Wong and G. Hernandez, FMAK: A Dataset of Key and Mode Annotations for the Free Music Archive, "
        "ISMIR 2023; revised labels: FMAKv2, doi:10.5281/zenodo.12759100"
    )
    url = "https://zenodo.org/records/12759100 (keys) and https://zenodo.org/records/10719860 (audio, 39 GB)"
    layout = "fmakv2.csv, and the audio as 000/000010.mp3 (also one folder deeper, or flat: 000010.mp3)"

    def read_tracks(self) -> Sequence[Track]:
        """Read ``fmakv2.csv``, in its order; a track whose audio is nowhere points at where it should lie."""
        audio = find_numbered_audio(self.folder())
        table, columns = self.label_file("fmakv2.csv"), ("track_id", "key_and_mode")
        return read_table(table, columns, lambda row: self._track(row, audio))

    def _track(self, row: Row, audio: dict[int, Path]) -> Track:
        if not row["track_id"].isdecimal():
            raise LabelError(f"{row['track_id']!r} is not a track_id: expected a number")
        number = int(row["track_id"])
        expected = self.folder() / f"{number:06d}"[:3] / f"{number:06d}.mp3"
        key, unlabelled = parse_label(row["key_and_mode"])
        return Track(str(number), key, str(number), audio.get(number, expected), unlabelled=unlabelled)


def find_numbered_audio(root: Path) -> dict[int, Path]:
    """Audio named by a track number (``000/000010.mp3``), up to two folders deep, the least deep first."""
    found: dict[int, Path] = {}
    for pattern in ("*", "*/*", "*/*/*"):
        for file in sorted(root.glob(pattern)):
            if file.suffix.lower() in AUDIO_SUFFIXES and file.stem.isdecimal():
                found.setdefault(int(file.stem), file)
    return found


_ENDING = ".lerch.txt"
# Where the archive, the copy that most people have, and mirdata keep the folders of genres.
_AUDIO_FOLDERS = ("genres", "genres_original", "Data/genres_original", "gtzan_genre/genres", ".")


class GTZAN(Dataset):
    """The genre collection of Tzanetakis and Cook with Lerch's keys, which 837 of its 1,000 clips have."""

    name = "gtzan"
    title = "GTZAN"
    licence = "keys: MIT; audio: no licence stated, for research"
    citation = (
        "G. Tzanetakis and P. Cook, Musical Genre Classification of Audio Signals, IEEE Transactions on "
        "Speech and Audio Processing 10(5), 2002; keys by A. Lerch, https://github.com/alexanderlerch/gtzan_key"
    )
    url = "https://github.com/alexanderlerch/gtzan_key (keys) and http://marsyas.info (audio)"
    layout = "gtzan_key/genres/blues/blues.00000.lerch.txt … and genres/blues/blues.00000.wav …"

    def read_tracks(self) -> Sequence[Track]:
        """Read the clips that have a key, by genre and number; clips that Lerch marks -1 are left out."""
        root = self.folder()
        files = {file.name: file for file in sorted(root.glob(f"gtzan_key*/**/*{_ENDING}"))}
        if not files:
            self.label_file(f"gtzan_key/genres/blues/blues.00000{_ENDING}")  # raises
        places = ((str(file.relative_to(root)), file) for _, file in sorted(files.items()))
        return [track for track in parse_each(str(root), places, self._track) if track.key]

    def _track(self, file: Path) -> Track:
        clip, genre = file.name.removesuffix(_ENDING), file.name.split(".")[0]
        audio = find_audio([self.folder() / folder / genre for folder in _AUDIO_FOLDERS], clip, ".wav")
        key = parse_gtzan(file.read_text(encoding="utf-8", errors="replace").strip())
        return Track(clip, key, group=clip, audio=audio, tags={"genre": genre})


def parse_gtzan(number: str) -> Key | None:
    """The key of a number in Lerch's annotations of GTZAN: 0..11 A, Bb, … Ab major, 12..23 minor, -1 none."""
    if number not in map(str, range(-1, 24)):
        raise KeyParseError(
            f"{number!r} is not a key number: expected -1 (no key) or 0..23 (0 = A major, 12 = A minor)"
        )
    return None if number == "-1" else KEYS[int(number)].transposed(9)


_LABELS = ("annotations/key/*.key", "keys_gs+/*.txt")  # in the collection itself, and in mirdata


class GiantSteps(Dataset):
    """The 604 tracks of the GiantSteps key data set, or the 600 of its revision in the folders of mirdata."""

    name = "giantsteps"
    title = "GiantSteps"
    licence = "keys: CC BY-SA 4.0; audio: previews of Beatport, not redistributable"
    citation = (
        "P. Knees, Á. Faraldo, P. Herrera, R. Vogl, S. Böck, F. Hörschläger and M. Le Goff, Two Data Sets "
        "for Tempo Estimation and Key Detection in Electronic Dance Music Annotated from User Corrections, "
        "ISMIR 2015"
    )
    url = "https://github.com/GiantSteps/giantsteps-key-dataset (its audio_dl.sh fetches the audio)"
    layout = "annotations/key/10089.LOFI.key … (or mirdata's keys_gs+) and audio/10089.LOFI.mp3 …"

    def read_tracks(self) -> Sequence[Track]:
        """Read the tracks in the order of their names, with the genre where there is one."""
        files = next((found for each in _LABELS if (found := sorted(self.folder().glob(each)))), None)
        if files is None:
            files = [self.label_file("annotations/key/10089.LOFI.key")]  # raises
        texts = ((file.name, (file.stem, file.read_text("utf-8", "replace"))) for file in files)
        return parse_each(str(files[0].parent), texts, lambda raw: self._track(*raw))

    def _track(self, name: str, label: str) -> Track:
        genre = self.folder() / "annotations" / "genre" / f"{name}.genre"
        tags = {"genre": genre.read_text("utf-8", "replace").strip()} if genre.is_file() else {}
        key, unlabelled = parse_label(label)
        return Track(name, key, name, find_audio([self.folder() / "audio"], name), tags, unlabelled)


class GiantStepsMTG(GiantSteps):
    """The larger set of the Music Technology Group: 1,486 labels, some of several keys and some of none."""

    name = "giantsteps-mtg"
    title = "GiantSteps MTG"
    citation = (
        "Á. Faraldo, Tonality Estimation in Electronic Dance Music: A Computational and Musically Informed "
        "Examination, PhD thesis, Universitat Pompeu Fabra, Barcelona, 2017"
    )
    url = "https://github.com/GiantSteps/giantsteps-mtg-key-dataset (its audio_dl.sh fetches the audio)"
    layout = "annotations/annotations.txt and audio/5061.LOFI.mp3 …"

    def read_tracks(self) -> Sequence[Track]:
        """Read ``annotations.txt``, in its order; a track without one agreed key has none."""
        table, columns = self.label_file("annotations/annotations.txt"), ("ID", "MANUAL KEY")
        return read_table(table, columns, lambda row: self._track(f"{row['ID']}.LOFI", row[columns[1]]), "\t")


class Folder(Dataset):
    """Recordings and a table ``file,key[,group]``, files relative to it; other columns become tags.

    The root is the table, or a folder with ``labels.csv`` or one other CSV. A track without a group is one.
    """

    name = "folder"
    title = "Folder with a CSV"
    licence = "your own"
    citation = "none: the recordings and their labels are your own"
    url = "your own disk"
    layout = "the recordings, and a table labels.csv with the columns file,key or file,key,group"

    def read_tracks(self) -> Sequence[Track]:
        """Read the table, in its order."""
        table = self._table()
        return read_table(table, ("file", "key"), lambda row: _track(row, table.parent))

    def _table(self) -> Path:
        if self.root and os.path.isfile(self.root):
            return self.root
        usual = self.folder() / "labels.csv"
        tables = [usual] if usual.is_file() else sorted(self.folder().glob("*.csv"))
        if len(tables) != 1:
            found = f"{len(tables)} other CSV files" if tables else "no CSV file"
            raise self.absent(f"{usual} is missing, found {found}")
        return tables[0]


def _track(row: Row, folder: Path) -> Track:
    if not row["file"]:
        raise LabelError("file '': expected a file name")
    file = Path(row["file"]).as_posix()  # ./x.wav is x.wav
    tags = {name: text for name, text in row.items() if name not in ("file", "key", "group")}
    key, unlabelled = parse_label(row["key"])
    return Track(file, key, row.get("group") or file, folder / file, tags, unlabelled)
