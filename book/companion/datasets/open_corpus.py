"""The open corpus as a data set: real compositions played by our own sampler, made on demand."""

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property

import numpy as np
from torch import Tensor

from companion.datasets.base import Dataset, Track
from skey.corpus.build import SHARD_CLIPS, FeatureStore, MissingFeatures, open_store
from skey.corpus.plan import Clip, labels_and_notes_digest, plan_clips, render_clip
from skey.shapes import Float32
from skey.vqt import from_bytes


class OpenCorpus(Dataset):
    """Clips of 30 s of Bach's chorales and of folk tunes, with keys that experts or the books confirm.

    The test split. ``root``: the folder of the built features (the data directory by default), ``limit``
    takes the first so many clips.
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

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """The planned clips in use, in the order of the tracks."""
        return plan_clips("test")[: self.limit]  # a limit beyond the last test piece is no mistake

    @cached_property
    def features(self) -> FeatureStore:
        """Log-VQT bytes of the clips in use, then others; ``MissingData`` where they are not built."""
        count = len(self.clips)
        try:
            return open_store("test", count, directory=self.root)
        except MissingFeatures as error:
            whole = math.ceil(count / SHARD_CLIPS) * SHARD_CLIPS
            with suppress(MissingFeatures):
                return open_store("test", whole, directory=self.root)
            raise self.absent(str(error)) from error

    def read_tracks(self) -> Sequence[Track]:
        """The planned clips; ``tags`` hold source and level."""
        return [
            Track(clip.id, clip.key, clip.group, tags={"source": clip.source, "level": clip.level})
            for clip in self.clips
        ]

    def waveform(self, track: Track) -> Float32[np.ndarray, "samples"]:
        """Render one clip, (661500,) at 22,050 Hz, peak 1; raises ``KeyError`` for others' tracks."""
        return render_clip({clip.id: clip for clip in self.clips}[track.id])

    def log_vqt(self, track: Track) -> Float32[Tensor, "99 frames"]:
        """The built log-VQT, (99, 1292), rounded to 1/408; raises as :attr:`features`, or ``KeyError``."""
        return from_bytes(self.features[track.id])

    def advice(self) -> str:
        """The command that builds the clips in use."""
        folder = f"SKEY_DATA={self.root} " if self.root else ""
        return f"Build them with `{folder}skey corpus build --split test --clips {len(self.clips)}`"

    def require(self) -> None:
        """Raise ``MissingData`` where clips in use are not built."""
        len(self.features)  # opening them is the check

    def data_hash(self) -> str:
        """A hash of labels, splits and notes of the clips in use: the same on every machine."""
        return labels_and_notes_digest(self.clips)
