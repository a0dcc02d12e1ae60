"""The header of a weights file: everything besides the numbers that rebuilding the estimator needs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from skey.errors import WeightsError as WeightsError
from skey.inference.architecture import KINDS, Architecture, Settings
from skey.inference.filters import SEGMENT_SECONDS
from skey.inference.outputs import Calibration

FORMAT = 1
"""Raised when a reader of today could not understand a file of tomorrow."""

_LIMITS: Mapping[str, tuple[float, float]] = {
    "outputs": (12, 24),
    "channels": (1, 512),
    "kernels": (1, 99),
    "expansion": (1, 16),
    "layer_scale": (0.0, 100.0),
    "stochastic_depth": (0.0, 1.0),
    "octave_equivalence": (0, 1),
    "frames_per_step": (1, 256),
    "filters": (1, 128),
    "dropout": (0.0, 1.0),
}
"""The least and the greatest value of each setting of a network."""

_MOST_BLOCKS = 12

LONGEST_WINDOW = 120
"""Seconds: memory grows with the window."""

OLDEST_KIND = "chromanet"
"""Of a header that says nothing: the first files held nothing else."""


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """The log-VQT that the network was trained on (facts of the released code; Section 3.1, STONE).

    Frequencies in Hz, `hop` in samples, `floor_db` below the loudest bin of the item, `crop` the first bin
    that the network reads when it estimates.
    """

    sample_rate: int = 22_050
    fmin: float = 27.5
    bins: int = 99
    bins_per_octave: int = 12
    hop: int = 512
    gamma: float = 0.0
    floor_db: float = 80.0
    crop: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """What a weights file says about itself.

    `whole_track` is how its authors estimate: one pass over the track, or the mean over windows of
    `window_seconds`.
    `training` is a summary of how the weights came about, `checksum` the SHA-256 of names, shapes and values.
    """

    name: str
    title: str
    architecture: Settings
    calibration: Calibration
    licence: str
    source: str
    checksum: str
    whole_track: bool = False
    front_end: FrontEnd = FrontEnd()
    training: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT
    window_seconds: int = SEGMENT_SECONDS

    @property
    def kind(self) -> str:
        """Which kind of network it is, a name of `skey.inference.architecture.KINDS`."""
        return next(name for name, settings in KINDS.items() if isinstance(self.architecture, settings))

    @property
    def temperature(self) -> float:
        """By which the log probabilities are divided to be honest: see :mod:`skey.inference.confidence`."""
        return float(self.training.get("temperature", 1.0))

    @property
    def examples(self) -> int | None:
        """How many examples trained it, earlier runs included; None where the header does not say."""
        steps, batch = self.training.get("steps"), self.training.get("experiment", {}).get("batch")
        before = self.training.get("started_from", {}).get("examples", 0)
        return None if steps is None or batch is None or before is None else int(steps) * int(batch) + before

    def to_json(self) -> str:
        """The header as one line of JSON with sorted keys."""
        return json.dumps(asdict(self) | {"kind": self.kind}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Header":
        """Read a header back.

        Raises:
            WeightsError: the text is no header, or one of a newer format.
        """
        try:
            return cls(**_typed(json.loads(text)))
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise WeightsError(f"The header of the weights file cannot be read: {error}") from error


def _typed(raw: dict[str, Any]) -> dict[str, Any]:
    """The fields of a header with their own types in place of JSON's."""
    if raw["format"] != FORMAT:
        raise ValueError(
            f"its format is {raw['format']}, this version reads {FORMAT}. Upgrade skey-companion."
        )
    architecture: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in raw["architecture"].items()
    }
    kind = raw.pop("kind", OLDEST_KIND)
    if kind not in KINDS:
        raise ValueError(f"it holds a network of the unknown kind {kind!r}. Upgrade skey-companion.")
    _check_fields(raw)
    front_end = FrontEnd(**raw["front_end"])
    if front_end != FrontEnd():
        changed = [f.name for f in fields(FrontEnd) if getattr(front_end, f.name) != f.default]
        raise ValueError(f"it was trained on another front end ({', '.join(changed)})")
    settings, calibration = KINDS[kind](**architecture), Calibration(**raw["calibration"])
    _check_settings(settings)
    _check_calibration(calibration, settings.outputs)
    return raw | {"architecture": settings, "calibration": calibration, "front_end": front_end}


def _check_fields(raw: dict[str, Any]) -> None:
    """Refuse texts that are none, and a temperature that no profile can have."""
    for name in ("name", "title", "licence", "source", "checksum"):
        if not isinstance(raw[name], str):
            raise TypeError(f"its {name} is no text")
    if not isinstance(raw.get("whole_track", False), bool) or not isinstance(raw.get("training", {}), dict):
        raise TypeError("its whole_track or its training is of the wrong type")
    window = raw.get("window_seconds", SEGMENT_SECONDS)
    if type(window) is not int or not SEGMENT_SECONDS <= window <= LONGEST_WINDOW:
        raise ValueError(f"its window_seconds is {window!r}: expected {SEGMENT_SECONDS} to {LONGEST_WINDOW}")
    temperature = raw.get("training", {}).get("temperature", 1.0)
    if isinstance(temperature, bool) or not 1e-3 <= temperature <= 1e3:
        raise ValueError(f"its temperature is {temperature!r}")


def _check_settings(architecture: Settings) -> None:
    """Refuse settings that no network has: to build it, or repeat a sound for it, could take any memory."""
    for name, value in asdict(architecture).items():
        limits = _LIMITS[name]
        for number in value if isinstance(value, tuple) else (value,):
            if type(number) not in (int, float, bool) or not limits[0] <= number <= limits[1]:
                raise ValueError(f"its {name} is {value!r}: expected {limits[0]} to {limits[1]}")
            if isinstance(number, float) and isinstance(limits[1], int):
                raise TypeError(f"its {name} is no whole number")
    if isinstance(architecture, Architecture):
        channels, kernels = architecture.channels, architecture.kernels
        whole = isinstance(channels, tuple) and isinstance(kernels, tuple)
        if not whole or not 1 <= len(channels) == len(kernels) <= _MOST_BLOCKS:
            raise ValueError("its channels and kernels are not as many as there are blocks")
        if architecture.outputs not in (12, 24):
            raise ValueError(f"it has {architecture.outputs} outputs: expected 12 or 24")


def _check_calibration(calibration: Calibration, outputs: int) -> None:
    """Refuse a calibration of other outputs, or of tonics that are none."""
    numbers = (calibration.major, calibration.minor, calibration.major_column)
    if calibration.outputs != outputs or any(type(number) is not int for number in numbers):
        raise ValueError("its calibration is of another network")
    if not all(number in range(12) for number in numbers[:2]) or numbers[2] not in (0, 1):
        raise ValueError("its calibration names no pitch classes")
