"""Every system of both papers as one frozen value; the defaults are the papers' setting.

What differs from a system is said by `replace`, and so is the smaller scale at which this repository trains.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from skey.errors import SkeyError
from skey.inference.architecture import AllConvolutional, Architecture, Settings
from skey.losses import LossSettings
from skey.supervised import CrossEntropy, Network, build_network


class UnknownExperiment(SkeyError, ValueError):
    """There is no system of that name."""


@dataclass(frozen=True, slots=True)
class Optimiser:
    """AdamW as the papers use it (Section 4.1, STONE; betas, decay, clipping as in the released code).

    `rate` is reached after a linear warm-up over `warm_up` of all steps, held for `hold` of them, and falls
    to `final_rate` by a cosine or along a line. The weight decay rises by a cosine, and spares offsets, norms
    and other parameters of one dimension. The gradient of each parameter is cut at `clip`.
    """

    rate: float = 1e-3
    final_rate: float = 0.0
    warm_up: float = 0.1
    hold: float = 0.0
    fall: Literal["cosine", "linear"] = "cosine"
    betas: tuple[float, float] = (0.9, 0.98)
    decay: float = 0.04
    final_decay: float = 0.4
    clip: float = 3.0


@dataclass(frozen=True, slots=True)
class Experiment:
    """One system: what is trained, on what, and how.

    `clips` are those of the training split that are used at most, `unlabelled` those of the split without
    labels, and `share` is the part of both that is kept. `supervision` uses no labels, alternates epochs with
    and without them (Semi-TONE), or uses labels alone (Sup-TONE), those of `labelled_share` of the training
    clips. `songs` are composed ones with labels (`skey.corpus.songs`), `recorded` the share of recordings in
    epochs without labels where there are any, `recolour` gives each segment another spectral envelope. An
    epoch has at most `steps` batches (the released code's 512). `crops` are drawn as the paper says or as the
    released code does (facts of Section 3).
    """

    name: str
    title: str
    architecture: Settings = field(default_factory=Architecture)
    loss: LossSettings | CrossEntropy = field(default_factory=LossSettings)
    supervision: Literal["none", "alternate", "only"] = "none"
    labelled_share: float = 1.0
    share: float = 1.0
    clips: int = 30_000
    unlabelled: int = 30_000
    songs: int = 0
    recorded: float = 0.5
    recolour: bool = False
    batch: int = 128
    steps: int = 512
    epochs: int = 50
    optimiser: Optimiser = field(default_factory=Optimiser)
    crops: Literal["paper", "code"] = "paper"

    def network(self) -> Network:
        """A network of this system, its parameters drawn by chance."""
        return build_network(self.architecture)


STONE = Experiment("stone", "STONE ω = 7", Architecture(outputs=12))
STONE_SEMITONES = replace(STONE, name="stone-w1", title="STONE ω = 1", loss=LossSettings(omega=1))
WITHOUT_OCTAVES = replace(
    STONE,
    name="stone-no-octaves",
    title="STONE w/o octave equivalence",
    architecture=Architecture(outputs=12, octave_equivalence=False),
)
WITHOUT_CPSD = replace(
    STONE, name="stone-no-cpsd", title="STONE w/o CPSD", loss=LossSettings(signature="cross-entropy")
)
WITHOUT_EQUIVARIANCE = replace(
    STONE,
    name="stone-invariance",
    title="STONE w/o CPSD, crop forgotten",
    loss=LossSettings(signature="invariance"),
)

STONE24 = Experiment("stone24", "24-STONE ω = 7", loss=LossSettings(mode="agreement"))
STONE24_SEMITONES = replace(
    STONE24, name="stone24-w1", title="24-STONE ω = 1", loss=LossSettings(omega=1, mode="agreement")
)

SEMITONE = replace(STONE24, name="semitone", title="Semi-TONE, all labels", supervision="alternate")
SUPTONE = replace(STONE24, name="suptone", title="Sup-TONE, all labels", supervision="only")

_PSEUDO_LABEL = LossSettings(mode="pseudo-label", mode_weight=1.5, average_weight=15.0)
SKEY = Experiment("skey", "S-KEY", loss=_PSEUDO_LABEL)
SKEY_PLUS_3 = replace(
    SKEY, name="skey-plus3", title="S-KEY, +3 as released", loss=replace(_PSEUDO_LABEL, sign=3)
)
SKEY_WITHOUT_AVERAGE = replace(
    SKEY, name="skey-no-average", title="S-KEY w/o L_avg", loss=replace(_PSEUDO_LABEL, average_weight=0.0)
)
SKEY_CALIBRATED = replace(
    SKEY,
    name="skey-calibrated",
    title="S-KEY, pseudo-label's row calibrated",
    loss=replace(_PSEUDO_LABEL, calibrated=True),
)

SUPERVISED = Experiment(
    "supervised",
    "Supervised CNN (2018)",
    architecture=AllConvolutional(),
    loss=CrossEntropy(),
    supervision="only",
    clips=1_159,
    unlabelled=0,
    batch=32,
    epochs=25,
    optimiser=Optimiser(warm_up=0.0, hold=0.1, fall="linear", betas=(0.9, 0.999), decay=0.0, final_decay=0.0),
)
"""As many clips as GSMK has tracks (Section 6.1, STONE); 25 epochs are its 100 of a quarter of the tracks."""

_PEAKS = replace(_PSEUDO_LABEL, calibrated=True, chroma="peaks")
SKEY_PEAKS = replace(
    SKEY_CALIBRATED,
    name="skey-peaks",
    title="S-KEY, pseudo-label from spectral peaks, row calibrated",
    loss=_PEAKS,
)
SKEY_LATE = replace(
    SKEY_PEAKS,
    name="skey-late",
    title="S-KEY, signature first, then the mode",
    loss=replace(_PEAKS, mode_from=0.35, mode_weight=0.3, average_weight=3.0),
)
_ENTROPY = replace(_PEAKS, signature="cross-entropy", mode_from=0.35)
SKEY_ENTROPY = replace(
    SKEY_PEAKS,
    name="skey-entropy",
    title="S-KEY, cross-entropy for CPSD, the mode later",
    loss=_ENTROPY,
)
"""The papers' weights: the cross-entropy of signatures is large enough to stand beside them."""
_SHARP = replace(_ENTROPY, opening="cpsd")
SKEY_SHARP = replace(
    SKEY_PEAKS,
    name="skey-sharp",
    title="S-KEY, CPSD first, then cross-entropy and the mode",
    loss=_SHARP,
)
SKEY_FIFTHS = replace(
    SKEY_PEAKS,
    name="skey-fifths",
    title="S-KEY, CPSD first, then cross-entropy and a label from fifths",
    loss=replace(_SHARP, with_fifth=True),
)


SKEY_OPEN = replace(
    SKEY_FIFTHS,
    name="skey-open",
    title="S-KEY, signature first, label from fifths; recordings, songs, recoloured",
    songs=2600,
    recolour=True,
)
SEMITONE_OPEN = replace(
    SEMITONE,
    name="semitone-open",
    title="Semi-TONE with labels of scores alone; recordings, songs, recoloured",
    loss=LossSettings(signature="cross-entropy", mode="agreement", mode_weight=0.3, labels="keys"),
    songs=2600,
    recolour=True,
)
"""The labels cost nothing: they are the keys of scores that were rendered. Of recordings none is known."""


def at_labels(experiment: Experiment, percent: int) -> Experiment:
    """The system with that part of the labels (Figure 3, STONE)."""
    title = f"{experiment.title.split(',')[0]}, {percent} % of the labels"
    name = f"{experiment.name}-{percent}"
    return replace(experiment, name=name, title=title, labelled_share=percent / 100)


def at_clips(experiment: Experiment, percent: int) -> Experiment:
    """The system with that part of the training clips (S-KEY: 60 thousand against a million tracks)."""
    title = f"{experiment.title}, {percent} % of the clips"
    return replace(experiment, name=f"{experiment.name}-{percent}", title=title, share=percent / 100)


EXPERIMENTS: Mapping[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        *(STONE, STONE_SEMITONES, WITHOUT_OCTAVES, WITHOUT_CPSD, WITHOUT_EQUIVARIANCE),
        *(STONE24, STONE24_SEMITONES),
        *(at_labels(SEMITONE, 1), at_labels(SEMITONE, 10), SEMITONE),
        *(at_labels(SUPTONE, 1), at_labels(SUPTONE, 10), SUPTONE),
        *(at_clips(SKEY, 1), at_clips(SKEY, 10), SKEY),
        *(SKEY_PLUS_3, SKEY_WITHOUT_AVERAGE, SKEY_CALIBRATED, SKEY_PEAKS, SKEY_LATE),
        *(SKEY_ENTROPY, SKEY_SHARP, SKEY_FIFTHS, SKEY_OPEN, SEMITONE_OPEN, SUPERVISED),
    )
}
"""Name of each system that `skey train` knows."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a training is; the defaults are what a processor core does in minutes.

    `frames_per_step` averages frames before the first block, which is not in the papers: the network then
    works on a quarter of the frames. A system that has no use for unlabelled clips gets none.
    """

    clips: int = 2000
    unlabelled: int = 576
    batch: int = 16
    steps: int = 70
    epochs: int = 4
    rate: float = 2e-3
    frames_per_step: int = 4


SUPERVISED_SCALE = Scale(unlabelled=0, batch=32, epochs=40, rate=1e-3, frames_per_step=16)
"""The classifier learns slowly, at its own rate: 40 times all clips take a core some ten minutes."""

OUR_SCALES: Mapping[str, Scale] = {
    **dict.fromkeys(("stone", "stone-w1", "stone-no-octaves", "stone-invariance"), Scale(steps=140)),
    **dict.fromkeys(
        ("stone-no-cpsd", "skey-late", "skey-sharp", "skey-fifths"),
        Scale(steps=140, epochs=12),
    ),
    **dict.fromkeys(("skey-open", "semitone-open"), Scale(steps=140, epochs=40)),
    SUPERVISED.name: SUPERVISED_SCALE,
}
"""The systems whose scale is not the usual one.

STONE and what Tables 1 and 2 set beside it have twice the steps, the strongest of either paper six times.
"""


def scale_of(experiment: Experiment) -> Scale:
    """The scale that a system has as it stands."""
    return Scale(
        clips=experiment.clips,
        unlabelled=experiment.unlabelled,
        batch=experiment.batch,
        steps=experiment.steps,
        epochs=experiment.epochs,
        rate=experiment.optimiser.rate,
        frames_per_step=experiment.architecture.frames_per_step,
    )


def our_scale(experiment: Experiment) -> Scale:
    """The scale at which this repository trains a system."""
    return OUR_SCALES.get(experiment.name, Scale())


def at_scale(experiment: Experiment, scale: Scale | None = None) -> Experiment:
    """The same system trained at another scale than the papers', by default at ours."""
    scale = scale or our_scale(experiment)
    return replace(
        experiment,
        architecture=replace(experiment.architecture, frames_per_step=scale.frames_per_step),
        optimiser=replace(experiment.optimiser, rate=scale.rate),
        clips=scale.clips,
        unlabelled=scale.unlabelled if experiment.unlabelled else 0,
        batch=scale.batch,
        steps=scale.steps,
        epochs=scale.epochs,
    )


def find_experiment(name: str) -> Experiment:
    """The system of that name, in the papers' setting.

    Raises:
        UnknownExperiment: there is none; the message lists all.
    """
    if name not in EXPERIMENTS:
        raise UnknownExperiment(f"there is no experiment {name!r}: expected one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
