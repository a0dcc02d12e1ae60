"""GiantSteps: keys of 604 two-minute previews of electronic dance music, as listeners corrected them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from skey.datasets.base import AUDIO_SUFFIXES, Dataset, Track
from skey.datasets.errors import MissingData
from skey.datasets.labels import parse_each
from skey.keys import parse_key


class GiantSteps(Dataset):
    """The original 604 tracks of the GiantSteps key data set, not the revised 600 that mirdata loads."""

    name = "giantsteps"
    title = "GiantSteps (604)"
    licence = "keys: CC BY-SA 4.0; audio: previews of Beatport, not redistributable"
    citation = (
        "P. Knees, Á. Faraldo, P. Herrera, R. Vogl, S. Böck, F. Hörschläger and M. Le Goff, Two Data Sets "
        "for Tempo Estimation and Key Detection in Electronic Dance Music Annotated from User Corrections, "
        "ISMIR 2015"
    )
    url = "https://github.com/GiantSteps/giantsteps-key-dataset (its audio_dl.sh fetches the audio)"
    layout = "annotations/key/10089.LOFI.key … and audio/10089.LOFI.mp3 …"

    def read_tracks(self) -> Sequence[Track]:
        """Read the tracks in the order of their names, with the genre where there is one.

        Raises:
            MissingData: there are no key files under the root.
            LabelError: key files hold something else.
        """
        folder = self.folder() / "annotations" / "key"
        files = sorted(folder.glob("*.key"))
        if not files:
            raise MissingData(
                f"{self.title}: {folder / '10089.LOFI.key'} and all others are missing. {self.advice()}"
            )
        return parse_each(str(folder), ((file.name, file) for file in files), self._track)

    def published_checksums(self) -> Mapping[str, str]:
        """MD5 of each audio file by path under the root, from the folder ``md5`` of the collection."""
        files = sorted((self.folder() / "md5").glob("*.md5"))
        return {f"audio/{file.stem}.mp3": file.read_text(encoding="utf-8").split()[0] for file in files}

    def _track(self, file: Path) -> Track:
        """The track that one key file annotates."""
        genre = self.folder() / "annotations" / "genre" / f"{file.stem}.genre"
        tags = {"genre": genre.read_text(encoding="utf-8").strip()} if genre.is_file() else {}
        candidates = [self.folder() / "audio" / f"{file.stem}{suffix}" for suffix in AUDIO_SUFFIXES]
        audio = next((each for each in candidates if each.is_file()), candidates[0])
        key = parse_key(file.read_text(encoding="utf-8", errors="replace"))
        return Track(file.stem, key, group=file.stem, audio=audio, tags=tags)
