"""FMAKv2: expert keys of 5,489 tracks of the Free Music Archive, the test set of STONE and S-KEY."""

from collections.abc import Sequence
from pathlib import Path

from skey.datasets.base import AUDIO_SUFFIXES, Dataset, LabelError, MissingData, Track
from skey.datasets.labels import Row, parse_label, read_table

_DEPTHS = ("*", "*/*", "*/*/*")
"""Flat, in folders of thousands, or with one more folder around those (``fma_large``, ``000-019``)."""


class FMAKv2(Dataset):
    """FMAKv2 as Zenodo and the Free Music Archive distribute it."""

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
        table = self.folder() / "fmakv2.csv"
        if not table.is_file():
            raise MissingData(f"{self.title}: {table} is missing. {self.advice()}")
        audio = find_numbered_audio(self.folder())
        return read_table(table, ("track_id", "key_and_mode"), lambda row: self._track(row, audio))

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
    for pattern in _DEPTHS:
        for file in sorted(root.glob(pattern)):
            if file.suffix.lower() in AUDIO_SUFFIXES and file.stem.isdecimal():
                found.setdefault(int(file.stem), file)
    return found
