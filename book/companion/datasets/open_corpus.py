"""The open corpus as a data set: real compositions played by our own sampler, made on demand."""

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import Tensor

from companion.datasets.base import Dataset, Track
from skey.corpus.build import SHARD_CLIPS, FeatureStore, MissingFeatures, build, open_store
from skey.corpus.pieces import Split
from skey.corpus.plan import Clip, labels_and_notes_digest, plan_clips, render_clip
from skey.shapes import Float32
from skey.vqt import from_bytes


class OpenCorpus(Dataset):
    """Clips of 30 s of Bach's chorales and of folk tunes, with keys that experts or the books confirm.

    ``root`` is the folder of the built features (the data directory by default), ``limit`` takes the first so
    many clips of a ``split``. ``build`` makes what is missing, by ``jobs`` processes, instead of raising
    ``MissingData``.
    """

    name = "open-corpus"
    title = "The open corpus"
    licence = (
        "notes: read from the installed music21, which has its encoders' permission to distribute them, "
        "in part for non-commercial use only; experts' keys: When in Rome, CC BY-SA 4.0; "
        "sound: SoundFont TimGM6mb in the installed pretty_midi, GPL-2"
    )
    citation = (
        "M. S. Cuthbert and C. Ariza, music21: A Toolkit for Computer-Aided Musicology and Symbolic Music "
        "Data, ISMIR 2010; M. Gotham et al., When in Rome: A Meta-corpus of Functional Harmony, TISMIR 6(1), "
        "2023"
    )
    url = "https://www.music21.org"
    layout = "nothing: the corpus is made on this machine by `skey corpus build`"

    def __init__(
        self,
        root: Path | str | None = None,
        limit: int | None = None,
        split: Split = "test",
        build: bool = False,
        jobs: int | None = None,
        progress: bool = False,
    ) -> None:
        super().__init__(root, limit)
        self.split: Split = split
        self.build, self.jobs, self.progress = build, jobs, progress

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """The planned clips in use, in the order of the tracks."""
        if self.split == "test":  # a limit beyond the last test piece is no mistake
            return plan_clips("test")[: self.limit]
        return plan_clips(self.split, self.limit)

    @cached_property
    def features(self) -> FeatureStore:
        """Log-VQT bytes of the clips in use, then others; ``MissingData`` if not built, nor to be."""
        count = len(self.clips)
        if self.build:
            return build(self.split, count, self.jobs, directory=self.root, progress=self.progress)
        try:
            return open_store(self.split, count, directory=self.root)
        except MissingFeatures as error:
            whole = math.ceil(count / SHARD_CLIPS) * SHARD_CLIPS
            with suppress(MissingFeatures):
                return open_store(self.split, whole, directory=self.root)
            raise self.absent(str(error)) from error

    def read_tracks(self) -> Sequence[Track]:
        """The planned clips; ``tags`` hold source, level and mode (``unknown`` without a label)."""
        tracks = []
        for clip in self.clips:
            mode = clip.key.mode if clip.key else "unknown"
            tags = {"source": clip.source, "level": clip.level, "mode": mode}
            tracks.append(Track(clip.id, clip.key, clip.group, tags=tags))
        return tracks

    def waveform(self, track: Track) -> Float32[np.ndarray, "samples"]:
        """Render one clip, (661500,) at 22,050 Hz, peak 1; raises ``KeyError`` for others' tracks."""
        return render_clip({clip.id: clip for clip in self.clips}[track.id])

    def log_vqt(self, track: Track) -> Float32[Tensor, "99 frames"]:
        """The built log-VQT, (99, 1292), rounded to 1/408; raises as :attr:`features`, or ``KeyError``."""
        return from_bytes(self.features[track.id])

    def advice(self) -> str:
        """The command that builds the clips in use."""
        folder = f"SKEY_DATA={self.root} " if self.root else ""
        return f"Build them with `{folder}skey corpus build --split {self.split} --clips {len(self.clips)}`"

    def require(self) -> None:
        """Raise ``MissingData`` where clips in use are not built, and will not be on demand."""
        if not self.build:
            len(self.features)  # opening them is the check

    def data_hash(self) -> str:
        """A hash of labels, splits and notes of the clips in use: the same on every machine."""
        return labels_and_notes_digest(self.clips)
