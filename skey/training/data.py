"""What training reads: clips from the feature store by memory map, two segments each, cropped on the fly."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from skey.corpus.build import FeatureStore, build, build_songs, font_digest
from skey.corpus.pieces import Split
from skey.corpus.plan import plan_clips, plan_songs
from skey.errors import SkeyError
from skey.experiments import Experiment
from skey.inference.filters import CROPPED_BINS
from skey.keys import Key
from skey.model import average_frames
from skey.shapes import Float, Int
from skey.training.recordings import Recordings, Skipped, is_held_out
from skey.training.shards import open_audio
from skey.vqt import MAX_CROP, SEGMENT_FRAMES, from_bytes

WATCHED_BESIDES = 100  # held-out songs, and pairs of held-out recordings, that are watched at most
NEPERS = 8 * float(np.log(10))  # natural logarithm of a magnitude per unit of the log-VQT

Crops = Int[Tensor, " batch"]
Pairs = Float[Tensor, "batch 2 99 steps"]
Device = torch.device | str
Rule = Literal["paper", "code"]  # by which crops are drawn


@dataclass(frozen=True, slots=True)
class Pool:
    """Clips that are drawn from: where their features lie, and their keys where those are known."""

    places: tuple[tuple[FeatureStore | Recordings, int], ...]
    keys: tuple[Key | None, ...]

    @classmethod
    def of(cls, store: FeatureStore | Recordings, keys: Sequence[Key | None] | None = None) -> "Pool":
        """All that a store holds, with the keys where there are any."""
        rows = range(len(store))
        return cls(tuple((store, row) for row in rows), tuple(keys or (None,) * len(rows)))

    def __len__(self) -> int:
        return len(self.places)

    def log_vqt(self, clip: int) -> Float[Tensor, "99 frames"]:
        """What is stored of a clip: both segments, with what lies between them or without it."""
        store, row = self.places[clip]
        return from_bytes(np.asarray(store[row]))

    def segments(self, clips: Sequence[int], frames_per_step: int, device: Device = "cpu") -> Pairs:
        """Both 15-s segments of each clip on a device, frames averaged as the network wants them."""
        stored = np.stack([store[row] for store, row in (self.places[clip] for clip in clips)])
        whole = from_bytes(torch.from_numpy(stored).to(device))
        halves = torch.stack([whole[..., :SEGMENT_FRAMES], whole[..., -SEGMENT_FRAMES:]], dim=1)
        steps = average_frames(halves.flatten(0, 1), frames_per_step)
        return steps.reshape(len(clips), 2, *steps.shape[1:])

    def labels(self, clips: Sequence[int], device: Device) -> tuple[Crops, Crops]:
        """Key signature (pitch class) and mode (1 for minor) of clips whose key is known, on a device."""
        keys = [key for key in (self.keys[clip] for clip in clips) if key is not None]
        pairs = [(key.signature, int(key.mode == "minor")) for key in keys]
        signatures, modes = torch.tensor(pairs, device=device).T
        return signatures, modes

    def __add__(self, other: "Pool") -> "Pool":
        return Pool(self.places + other.places, self.keys + other.keys)

    def kept(self, rows: Iterable[int]) -> "Pool":
        """The pool of these clips alone, as far as there are so many."""
        rows = [row for row in rows if row < len(self)]
        return Pool(tuple(self.places[row] for row in rows), tuple(self.keys[row] for row in rows))

    def part(self, share: float) -> "Pool":
        """The first part of the clips, one at least; plans are balanced from their beginning."""
        return self.kept(range(max(1, round(len(self) * share))))

    def labelled(self) -> "Pool":
        """The clips whose key is known."""
        return self.kept([row for row, key in enumerate(self.keys) if key is not None])


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What one system learns from and is watched on.

    `digest` identifies the bytes; `clips` is how many there were before a share was taken, on which the steps
    do not depend. The last `recorded` clips of `training` are pairs of segments of `tracks` recordings;
    `recordings` identifies these and those that are watched; `skipped` could not be used; `soundfonts` are
    those besides the corpus's.
    """

    training: Pool
    labelled: Pool
    validation: Pool
    digest: str
    clips: int
    recorded: int = 0
    tracks: int = 0
    recordings: str = ""
    skipped: tuple[Skipped, ...] = ()
    soundfonts: tuple[str, ...] = ()


def load_data(
    experiment: Experiment,
    jobs: int | None = None,
    progress: bool = False,
    audio: Sequence[str | Path] = (),
    soundfonts: Sequence[Path] = (),
) -> TrainingData:
    """Build what is missing of the features, and divide them into training and validation by groups.

    ``audio``: recordings without labels, or shards; each SoundFont plays as many songs again. ``SkeyError``
    where nothing is left to train on or to watch, and as `refuse_unused` does.
    """
    refuse_unused(experiment, audio, soundfonts)
    training, validation, digests = Pool((), ()), Pool((), ()), list[str]()
    splits: dict[Split, int] = {"train": experiment.clips, "unlabelled": experiment.unlabelled}
    made = [(plan_clips(k, n), build(k, n, jobs, progress=progress), n) for k, n in splits.items() if n]
    for seed, font in enumerate((None, *soundfonts) if experiment.songs else ()):
        store = build_songs(experiment.songs, jobs, progress, seed, font)
        made.append((plan_songs(experiment.songs, seed), store, WATCHED_BESIDES))
    for plan, store, most in made:
        pool = Pool.of(store, [clip.key for clip in plan])
        held_out = np.array([is_held_out(clip.group) for clip in plan])
        training += pool.kept(np.flatnonzero(~held_out).tolist())
        validation += pool.kept(np.flatnonzero(held_out)[:most].tolist())
        digests.append(store.digest()[:16])
    kept = training.part(experiment.share)
    labelled = kept.labelled().part(experiment.labelled_share)
    tracks, skipped = open_audio(audio, jobs, progress)
    watched = [track for track in tracks if is_held_out(track.digest)] or tracks[:1]
    apart = frozenset(watched)  # of a million tracks one in ten is
    heard = [track for track in tracks if track not in apart] or tracks
    recorded = Pool.of(Recordings(heard))
    validation += Pool.of(Recordings(watched)).kept(range(WATCHED_BESIDES))
    recordings = Recordings(tracks).digest() if tracks else ""
    if experiment.supervision != "none" and not len(labelled):
        raise SkeyError(f"{experiment.name} learns from labels, and there are none: ask for more --clips")
    if not len(kept + recorded) or not len(validation):
        raise SkeyError(
            f"{len(kept + recorded)} clips to train on, {len(validation)} to watch: ask for more --clips, "
            "or give more --audio"
        )
    return TrainingData(
        kept + recorded,
        labelled,
        validation,
        digest="-".join(filter(None, [*digests, recordings[:16]])),
        clips=len(training) + len(recorded),
        recorded=len(recorded),
        tracks=len(heard),
        recordings=recordings,
        skipped=skipped,
        soundfonts=tuple(font_digest(font) for font in soundfonts),
    )


def refuse_unused(experiment: Experiment, audio: Sequence[str | Path], soundfonts: Sequence[Path]) -> None:
    """Raise ``SkeyError`` for sound that a system has no use for, and for labels that it lacks."""
    if soundfonts and not experiment.songs:
        raise SkeyError(f"{experiment.name} has no songs to play here: leave out --soundfont")
    if experiment.supervision != "none" and not experiment.clips + experiment.songs:
        raise SkeyError(f"{experiment.name} learns from labels, and there are none: leave out --no-corpus")
    if audio and experiment.supervision == "only":
        raise SkeyError(f"{experiment.name} learns from labels alone: leave out --audio, or this system")


def epoch_order(clips: int, wanted: int, generator: torch.Generator) -> list[int]:
    """Random places of clips, each once before any twice, until there are as many as wanted."""
    rounds = range(-(-wanted // clips))
    return torch.cat([torch.randperm(clips, generator=generator) for _ in rounds])[:wanted].tolist()


def mixed_order(data: TrainingData, share: float, wanted: int, generator: torch.Generator) -> list[int]:
    """Random places in the training clips, of which a share are recordings where there is both."""
    corpus = len(data.training) - data.recorded
    recorded = 0 if not data.recorded else wanted if not corpus else round(share * wanted)
    order = epoch_order(corpus, wanted - recorded, generator) if recorded < wanted else []
    if recorded:
        order += [corpus + place for place in epoch_order(data.recorded, recorded, generator)]
        order = [order[place] for place in torch.randperm(wanted, generator=generator).tolist()]
    return order


def recoloured(segments: Pairs, generator: torch.Generator) -> Pairs:
    """Each segment with another spectral envelope and an unpitched layer (ours, not the papers').

    One SoundFont has one envelope, and a network learns it. Each segment is equalised by a smooth random
    curve of some 6 dB, and gets noise of a random level, slope and rhythm; it keeps its maximum, and its
    floor 80 dB (1) below it.
    """
    items, device = segments.flatten(0, 1), segments.device
    count, bins, steps = items.shape

    def curve(knots: int, size: int, deviation: float) -> Tensor:
        points = deviation * torch.randn(count, 1, knots, generator=generator, device=device)
        return F.interpolate(points, size=size, mode="linear", align_corners=True)[:, 0]

    peak = items.amax(dim=(1, 2), keepdim=True)
    level = peak - torch.empty(count, 1, 1, device=device).uniform_(0.3, 0.9, generator=generator)
    noise = level + curve(4, bins, 0.08)[:, :, None] + curve(max(steps // 4, 2), steps, 0.08)[:, None]
    coloured = torch.logaddexp(NEPERS * (items + curve(8, bins, 0.04)[:, :, None]), NEPERS * noise) / NEPERS
    coloured = coloured - coloured.amax(dim=(1, 2), keepdim=True) + peak
    return torch.maximum(coloured, peak - 1).reshape(segments.shape)


def draw_crops(items: int, generator: torch.Generator, rule: Rule = "paper") -> tuple[Crops, Crops]:
    """Crops c of the pair and c + k of the third view, in semitones, 0 to 15 (Sections 3.1 and 4.1, STONE).

    `rule`: "paper" draws c in 0..15 and k in -12..12, uniformly over the pairs that stay inside; "code" draws
    c in 1..12, c + k in 0..11 and k no multiple of 12, as the released code does.
    """
    pairs = [(c, moved) for c in range(MAX_CROP + 1) for moved in range(MAX_CROP + 1) if abs(moved - c) <= 12]
    if rule == "code":
        pairs = [(c, moved) for c in range(1, 13) for moved in range(12) if (moved - c) % 12]
    drawn = torch.randint(len(pairs), (items,), generator=generator)
    c, moved = torch.tensor(pairs)[drawn].T
    return c, moved


def cropped(segments: Float[Tensor, "batch 99 steps"], crops: Crops) -> Float[Tensor, "batch 84 steps"]:
    """T_c of each item with its own crop (Section 3.1, STONE)."""
    bins = crops[:, None] + torch.arange(CROPPED_BINS, device=segments.device)
    return segments.gather(1, bins[:, :, None].expand(-1, -1, segments.shape[2]))
