"""GiantSteps: keys of two-minute previews of electronic dance music, 604 for tests and 1,486 for training."""

from collections.abc import Sequence
from pathlib import Path

from skey.datasets.base import AUDIO_SUFFIXES, Dataset, MissingData, Track
from skey.datasets.labels import Row, parse_each, parse_label, read_table

_LABELS = ("annotations/key/*.key", "keys_gs+/*.txt")
"""Where the collection itself, and mirdata, keep a file with the key of each track."""


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
            expected = self.folder() / "annotations" / "key" / "10089.LOFI.key"
            raise MissingData(f"{self.title}: {expected} and all others are missing. {self.advice()}")
        places = ((file.name, file) for file in files)
        return parse_each(str(files[0].parent), places, self._labelled)

    def _labelled(self, file: Path) -> Track:
        return self._track(file.stem, file.read_text(encoding="utf-8", errors="replace"))

    def _track(self, name: str, label: str) -> Track:
        genre = self.folder() / "annotations" / "genre" / f"{name}.genre"
        tags = {"genre": genre.read_text(encoding="utf-8").strip()} if genre.is_file() else {}
        candidates = [self.folder() / "audio" / f"{name}{suffix}" for suffix in AUDIO_SUFFIXES]
        audio = next((each for each in candidates if each.is_file()), candidates[0])
        key, unlabelled = parse_label(label)
        return Track(name, key, name, audio, tags, unlabelled)


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
        table = self.folder() / "annotations" / "annotations.txt"
        if not table.is_file():
            raise MissingData(f"{self.title}: {table} is missing. {self.advice()}")
        return read_table(table, ("ID", "MANUAL KEY"), self._row, delimiter="\t")

    def _row(self, row: Row) -> Track:
        return self._track(f"{row['ID']}.LOFI", row["MANUAL KEY"])
