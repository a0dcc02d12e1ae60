"""GTZAN with Lerch's keys: 837 of its 1,000 clips of 30 s have one (none of the classical ones)."""

from collections.abc import Sequence
from pathlib import Path

from skey.datasets.base import AUDIO_SUFFIXES, Dataset, MissingData, Track
from skey.datasets.labels import parse_each
from skey.keys import parse_gtzan

_ENDING = ".lerch.txt"
_AUDIO_FOLDERS = ("genres", "genres_original", "Data/genres_original", "gtzan_genre/genres", ".")
"""Where the archive, the copy that most people have, and mirdata keep the folders of genres."""


class GTZAN(Dataset):
    """The genre collection of Tzanetakis and Cook with the key annotations of Lerch."""

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
            expected = root / "gtzan_key" / "genres" / "blues" / f"blues.00000{_ENDING}"
            raise MissingData(
                f"{self.title}: {expected} and all other key files are missing. {self.advice()}"
            )
        places = ((str(file.relative_to(root)), file) for _, file in sorted(files.items()))
        return [track for track in parse_each(str(root), places, self._track) if track.key]

    def _track(self, file: Path) -> Track:
        clip, genre = file.name.removesuffix(_ENDING), file.name.split(".")[0]
        folders = [self.folder() / folder / genre for folder in _AUDIO_FOLDERS]
        candidates = [folder / f"{clip}{suffix}" for folder in folders for suffix in AUDIO_SUFFIXES]
        expected = folders[0] / f"{clip}.wav"
        audio = next((each for each in candidates if each.is_file()), expected)
        key = parse_gtzan(file.read_text(encoding="utf-8", errors="replace").strip())
        return Track(clip, key, group=clip, audio=audio, tags={"genre": genre})
