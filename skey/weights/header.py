"""The header of a weights file: everything besides the numbers that rebuilding the estimator needs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from skey.architecture import KINDS, Settings
from skey.errors import SkeyError
from skey.outputs import Calibration

FORMAT = 1
"""Raised when a reader of today could not understand a file of tomorrow."""

OLDEST_KIND = "chromanet"
"""Of a header that says nothing: the first files held nothing else."""


class WeightsError(SkeyError):
    """A weights file cannot be found, read or trusted; the message says which and what to do."""


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

    `whole_track` is how its authors estimate: one pass over the track, or the mean of 15-s segments.
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

    @property
    def kind(self) -> str:
        """Which kind of network it is, a name of `skey.architecture.KINDS`."""
        return next(name for name, settings in KINDS.items() if isinstance(self.architecture, settings))

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
        except (TypeError, ValueError, KeyError) as error:
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
    front_end = FrontEnd(**raw["front_end"])
    if front_end != FrontEnd():
        changed = [f.name for f in fields(FrontEnd) if getattr(front_end, f.name) != f.default]
        raise ValueError(f"it was trained on another front end ({', '.join(changed)})")
    typed = {
        "architecture": KINDS[kind](**architecture),
        "calibration": Calibration(**raw["calibration"]),
        "front_end": front_end,
    }
    return raw | typed
