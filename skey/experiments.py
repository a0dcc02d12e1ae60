"""Every system of both papers as one frozen value, in the papers' setting; `replace` says what differs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from skey.errors import SkeyError
from skey.inference.architecture import AllConvolutional, Architecture, Settings
from skey.losses import LossSettings
from skey.supervised import CrossEntropy, Network, build_network
from skey.vqt import SEGMENT_FRAMES

Loss = LossSettings | CrossEntropy


@dataclass(frozen=True, slots=True)
class Optimiser:
    """AdamW as the papers use it (Section 4.1, STONE; betas, decay, clipping as in the released code).

    `rate` is reached after a linear warm-up over `warm_up` of all steps, held for `hold` of them, and falls
    to `final_rate`. The weight decay rises by a cosine, and spares parameters of one dimension. The gradient
    of each parameter is cut at `clip`.
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

    `clips` of the training split and `unlabelled` ones are used at most, of both a `share`. `supervision`
    uses no labels, alternates epochs with and without them (Semi-TONE), or uses labels alone (Sup-TONE), of
    `labelled_share` of the training clips. `songs` are composed ones with labels (`skey.corpus.songs`),
    `recorded` is the share of recordings in epochs without labels, `recolour` gives each segment another
    spectral envelope. An epoch has at most `steps` batches (the released code's 512). `crops` are drawn as
    the paper says or as the released code does. The network estimates from windows of `window_seconds`, each
    heard down to `range_db` below its loudest point, so that a band may be empty that never was in training.
    """

    name: str
    title: str
    architecture: Settings = field(default_factory=Architecture)
    loss: Loss = field(default_factory=LossSettings)
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
    window_seconds: int = 15
    range_db: int = 80

    def network(self) -> Network:
        """A network of this system, its parameters drawn by chance."""
        return build_network(self.architecture)


def variant(base: Experiment, name: str, title: str, **changes: Any) -> Experiment:  # noqa: ANN401 - any setting
    """A system under another name that differs from ``base`` in these settings alone."""
    return replace(base, name=name, title=title, **changes)


STONE = Experiment("stone", "STONE ω = 7", Architecture(outputs=12))
_NO_OCTAVES = Architecture(outputs=12, octave_equivalence=False)
_INVARIANCE = LossSettings(signature="invariance")
STONE24 = Experiment("stone24", "24-STONE ω = 7", loss=LossSettings(mode="agreement"))
SEMITONE = variant(STONE24, "semitone", "Semi-TONE, all labels", supervision="alternate")
SUPTONE = variant(STONE24, "suptone", "Sup-TONE, all labels", supervision="only")

_PSEUDO_LABEL = LossSettings(mode="pseudo-label", mode_weight=1.5, average_weight=15.0)
SKEY = Experiment("skey", "S-KEY", loss=_PSEUDO_LABEL)

_CALIBRATED = replace(_PSEUDO_LABEL, calibrated=True)
_PEAKS = replace(_CALIBRATED, chroma="peaks")
_LATE = replace(_PEAKS, mode_from=0.35, mode_weight=0.3, average_weight=3.0)
# The papers' weights: the cross-entropy of signatures is large enough to stand beside them.
_ENTROPY = replace(_PEAKS, signature="cross-entropy", mode_from=0.35)
_SHARP = replace(_ENTROPY, opening="cpsd")
_FIFTHS = replace(_SHARP, with_fifth=True)
# These labels cost nothing: they are the keys of scores that were rendered. Of recordings none is known.
_FREE_LABELS = LossSettings(signature="cross-entropy", mode="agreement", mode_weight=0.3, labels="keys")
_OPEN_MUSIC: Mapping[str, Any] = {"songs": 2600, "recolour": True, "window_seconds": 30, "range_db": 40}

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


EXPERIMENTS: Mapping[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        STONE,
        variant(STONE, "stone-w1", "STONE ω = 1", loss=LossSettings(omega=1)),
        variant(STONE, "stone-no-octaves", "STONE w/o octave equivalence", architecture=_NO_OCTAVES),
        variant(STONE, "stone-no-cpsd", "STONE w/o CPSD", loss=LossSettings(signature="cross-entropy")),
        variant(STONE, "stone-invariance", "STONE w/o CPSD, crop forgotten", loss=_INVARIANCE),
        STONE24,
        variant(STONE24, "stone24-w1", "24-STONE ω = 1", loss=LossSettings(omega=1, mode="agreement")),
        # Parts of the labels (Figure 3, STONE), and of the training clips (S-KEY).
        variant(SEMITONE, "semitone-1", "Semi-TONE, 1 % of the labels", labelled_share=0.01),
        variant(SEMITONE, "semitone-10", "Semi-TONE, 10 % of the labels", labelled_share=0.1),
        SEMITONE,
        variant(SUPTONE, "suptone-1", "Sup-TONE, 1 % of the labels", labelled_share=0.01),
        variant(SUPTONE, "suptone-10", "Sup-TONE, 10 % of the labels", labelled_share=0.1),
        SUPTONE,
        variant(SKEY, "skey-1", "S-KEY, 1 % of the clips", share=0.01),
        variant(SKEY, "skey-10", "S-KEY, 10 % of the clips", share=0.1),
        SKEY,
        variant(SKEY, "skey-plus3", "S-KEY, +3 as released", loss=replace(_PSEUDO_LABEL, sign=3)),
        variant(SKEY, "skey-no-average", "S-KEY w/o L_avg", loss=replace(_PSEUDO_LABEL, average_weight=0.0)),
        variant(SKEY, "skey-calibrated", "S-KEY, pseudo-label's row calibrated", loss=_CALIBRATED),
        variant(SKEY, "skey-peaks", "S-KEY, pseudo-label from spectral peaks, row calibrated", loss=_PEAKS),
        variant(SKEY, "skey-late", "S-KEY, signature first, then the mode", loss=_LATE),
        variant(SKEY, "skey-entropy", "S-KEY, cross-entropy for CPSD, the mode later", loss=_ENTROPY),
        variant(SKEY, "skey-sharp", "S-KEY, CPSD first, then cross-entropy", loss=_SHARP),
        variant(SKEY, "skey-fifths", "S-KEY, label from fifths", loss=_FIFTHS),
        variant(SKEY, "skey-open", "S-KEY, label from fifths, open music", loss=_FIFTHS, **_OPEN_MUSIC),
        variant(SEMITONE, "semitone-open", "Semi-TONE, open music", loss=_FREE_LABELS, **_OPEN_MUSIC),
        SUPERVISED,
    )
}
"""Name of each system that `skey train` knows."""

OUR_SCALE: Mapping[str, int | float] = {
    **{"clips": 2000, "unlabelled": 576, "batch": 128, "steps": 18, "epochs": 131},
    **{"rate": 2e-3, "frames_per_step": 4},
}
"""How much this repository trains a system: a tenth of the papers' pairs, in their batches, of a quarter of
the frames (not in the papers). That takes a processor core one to three hours with bfloat16 and more without,
a graphics card a minute."""

_MINUTES = {"batch": 16, "steps": 70, "epochs": 4}  # what a processor core does in minutes

_FEWER_EPOCHS = ("stone-invariance", "skey-late", "skey-entropy", "skey-sharp", "skey-fifths")
OUR_SCALES: Mapping[str, Mapping[str, int | float]] = {
    **{name: {"epochs": 26} for name in _FEWER_EPOCHS},
    "semitone-open": _MINUTES | {"steps": 140, "epochs": 40},
    "skey-1": {"epochs": 699},
    "supervised": _MINUTES | {"batch": 32, "epochs": 40, "rate": 1e-3, "frames_per_step": 16},
}
"""What differs for some systems: ``skey train NAME`` trains what ships under that name."""


def scaled(experiment: Experiment, **scale: Any) -> Experiment:  # noqa: ANN401 - whole numbers and a rate
    """The same system with other values of what ``OUR_SCALE`` names.

    A system that has no use for unlabelled clips gets none. ``SkeyError`` where so many frames are averaged
    that a segment is too short for the network.
    """
    rate = scale.pop("rate", experiment.optimiser.rate)
    frames = scale.pop("frames_per_step", experiment.architecture.frames_per_step)
    scale |= {} if experiment.unlabelled else {"unlabelled": 0}
    architecture = replace(experiment.architecture, frames_per_step=frames)
    if (most := frames * SEGMENT_FRAMES // architecture.minimum_frames) < frames:
        raise SkeyError(f"{experiment.name} averages at most {most} frames per step, not {frames}")
    optimiser = replace(experiment.optimiser, rate=rate)
    return replace(experiment, architecture=architecture, optimiser=optimiser, **scale)


def at_scale(experiment: Experiment, **changes: Any) -> Experiment:  # noqa: ANN401 - as above
    """The system at the scale at which this repository trains it, with these changes."""
    return scaled(experiment, **{**OUR_SCALE, **OUR_SCALES.get(experiment.name, {}), **changes})


def find_experiment(name: str) -> Experiment:
    """The system of that name, in the papers' setting; raises ``SkeyError``."""
    if name not in EXPERIMENTS:
        raise SkeyError(f"there is no experiment {name!r}: expected one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
