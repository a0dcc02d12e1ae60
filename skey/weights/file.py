"""Weights files without torch: safetensors with a header, which holds what rebuilding the estimator needs."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from skey.audio import SAMPLE_RATE
from skey.errors import WeightsError
from skey.inference import filters
from skey.inference.architecture import KINDS, Architecture, Calibration, Settings

METADATA_KEY, SEAL_KEY = "skey", "skey-seal"  # the header and its SHA-256 among the metadata
MOST_BYTES = 256 << 20  # the largest file of weights that is read; those that ship have a few MB
FORMAT = 1  # raised when a reader of today could not understand a file of tomorrow

_LIMITS: Mapping[str, tuple[float, float]] = {
    "outputs": (12, 24),
    "channels": (1, 512),
    "kernels": (1, 99),
    "expansion": (1, 16),
    "layer_scale": (0.0, 100.0),
    **dict.fromkeys(("stochastic_depth", "dropout"), (0.0, 1.0)),
    **dict.fromkeys(("octave_equivalence", "major_column"), (0, 1)),
    "frames_per_step": (1, 256),
    "filters": (1, 128),
    **dict.fromkeys(("major", "minor"), (0, 11)),
    "temperature": (1e-3, 1e3),
    "window_seconds": (filters.SEGMENT_SECONDS, 120),
    "range_db": (20, int(filters.DYNAMIC_RANGE)),
}
"""The least and the greatest value of each number in a header; memory grows with the window."""

_MOST_BLOCKS = 12
_TEXTS = ("name", "title", "licence", "source", "checksum")

FRONT_END = {  # the log-VQT of the released code (3.1, STONE): every file says it, another one is refused
    "sample_rate": SAMPLE_RATE,
    "fmin": filters.LOWEST_FREQUENCY,
    "bins": filters.BINS,
    "bins_per_octave": filters.BINS_PER_OCTAVE,
    "hop": filters.HOP,
    "gamma": 0.0,
    "floor_db": filters.DYNAMIC_RANGE,
    "crop": 0,
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a weights file says about itself; `training` is a summary of how the weights came about.

    `whole_track`: its authors take a track in one pass, or else the mean over windows of `window_seconds`.
    Sound is heard down to `range_db` below its loudest point.
    """

    name: str
    title: str
    architecture: Settings
    calibration: Calibration
    licence: str
    source: str
    checksum: str = ""
    whole_track: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT
    window_seconds: int = filters.SEGMENT_SECONDS
    range_db: int = int(filters.DYNAMIC_RANGE)

    @property
    def kind(self) -> str:
        """Which kind of network it is, a name of `skey.inference.architecture.KINDS`."""
        return next(name for name, settings in KINDS.items() if isinstance(self.architecture, settings))

    @property
    def temperature(self) -> float:
        """By which the log probabilities are divided, 1 at least: see :mod:`skey.inference.confidence`."""
        return max(1.0, float(self.training.get("temperature", 1.0)))

    @property
    def floor(self) -> float:
        """How far below the loudest point of a log-VQT a network hears, in its units of 80 dB."""
        return self.range_db / filters.DYNAMIC_RANGE

    @property
    def examples(self) -> int | None:
        """How many examples trained it, earlier runs included; None where the header does not say."""
        return examples_in(self.training, self.training.get("experiment", {}).get("batch"))

    def to_json(self) -> str:
        """One line of JSON with sorted keys."""
        return json.dumps(asdict(self) | {"kind": self.kind, "front_end": FRONT_END}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Header":
        """Read a header back; raises ``WeightsError`` where the text is none of today's."""
        try:
            header = cls(**_typed(json.loads(text)))
            _ = header.examples  # raises where what is said of its training has other types
            return header
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError, ArithmeticError) as error:
            raise WeightsError(f"The header of the weights file cannot be read: {error}") from error


def examples_in(training: Mapping[str, Any], batch: int | None) -> int | None:
    """How many examples a training had in batches of that size, earlier ones included; None if not said."""
    steps, before = training.get("steps"), training.get("started_from", {}).get("examples", 0)
    if steps is None or batch is None or before is None:
        return None
    return int(steps) * clips_in_batch(int(batch), training) + int(before)


def clips_in_batch(wanted: int, training: Mapping[str, Any]) -> int:
    """How many clips a batch of a training has: as wanted, or all; as many for each of its processes."""
    processes = int(training.get("processes", 1))
    return max(1, min(wanted, int(training.get("clips", wanted))) // processes) * processes


def _typed(raw: dict[str, Any]) -> dict[str, Any]:
    """The fields of a header with their own types in place of JSON's; raises whatever they are refused by."""
    if (found := raw["format"]) != FORMAT:
        raise ValueError(f"its format is {found}, this version reads {FORMAT}. Upgrade skey-companion.")
    kind = raw.pop("kind", "chromanet")  # the first files held nothing else, and did not say it
    if kind not in KINDS:
        raise ValueError(f"it holds a network of the unknown kind {kind!r}. Upgrade skey-companion.")
    described = raw["architecture"].items()
    chosen: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in described}
    front_end = raw.pop("front_end")
    if changed := [name for name, value in FRONT_END.items() if front_end[name] != value]:
        raise ValueError(f"it was trained on another front end ({', '.join(changed)})")
    typed = raw | {"architecture": KINDS[kind](**chosen), "calibration": Calibration(**raw["calibration"])}
    if fault := next(_faults(typed), None):
        raise ValueError(fault)
    return typed


def _faults(header: Mapping[str, Any]) -> Iterator[str]:
    """What no header of ours says; to build such a network, or repeat sound for it, could take any memory."""
    settings, calibration = header["architecture"], header["calibration"]
    training = header.get("training", {})
    if any(not isinstance(header[name], str) for name in _TEXTS) or not isinstance(training, dict):
        yield f"one of its {', '.join(_TEXTS)} or training is of the wrong type"
    if not isinstance(header.get("whole_track", False), bool):
        yield "its whole_track is neither true nor false"
    if calibration.outputs != settings.outputs:
        yield "its calibration is of another network"
    whole = {name: header[name] for name in ("window_seconds", "range_db") if name in header}
    whole["temperature"] = training.get("temperature", 1.0)
    for name, value in (asdict(settings) | asdict(calibration) | whole).items():
        least, most = _LIMITS[name]
        types = (int, bool) if isinstance(most, int) else (int, float)
        numbers = value if isinstance(value, tuple) else (value,)
        if any(type(number) not in types or not least <= number <= most for number in numbers):
            yield f"its {name} is {value!r}: expected {least} to {most}"
    if isinstance(settings, Architecture):
        if not 1 <= len(settings.channels) == len(settings.kernels) <= _MOST_BLOCKS:
            yield "its channels and kernels are not as many as there are blocks"
        if settings.outputs not in (12, 24):
            yield f"it has {settings.outputs} outputs: expected 12 or 24"


def checksum(tensors: Mapping[str, Any]) -> str:
    """SHA-256 over the names, types, shapes and bytes of tensors or arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = np.asarray(tensors[name])
        digest.update(f"{name} torch.{value.dtype} {value.shape}\n".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def sealed(header: Header) -> dict[str, str]:
    """The metadata of a weights file."""
    return {METADATA_KEY: header.to_json(), SEAL_KEY: _seal(header.to_json())}


def read_header(path: Path) -> Header:
    """The header alone; raises ``WeightsError`` where there is none of ours."""
    return _open(path)[0]


def read_arrays(path: Path) -> tuple[Header, dict[str, np.ndarray]]:
    """Header and weights by name; raises ``WeightsError`` where they are not those that were sealed."""
    header, arrays = _open(path, with_arrays=True)
    if checksum(arrays) != header.checksum:
        raise WeightsError(f"{path} is damaged: its checksum differs. Fetch or import it again.")
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise WeightsError(f"{path} holds NaN or infinite numbers in {name}: train or fetch it again.")
    return header, arrays


def refuse_no_file(path: Path, kind: str) -> None:
    """Raise ``WeightsError`` where something is there that is no regular file: a pipe would be waited for."""
    if path.exists() and not path.is_file():
        raise WeightsError(f"{path} is a folder, a pipe or a device, not {kind}")


def _open(path: Path, with_arrays: bool = False) -> tuple[Header, dict[str, np.ndarray]]:
    if path.suffix == ".pt":
        raise WeightsError(f"{path} is a PyTorch checkpoint: first run  skey weights import {path}")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise WeightsError(f"{path} is larger than any weights of ours ({MOST_BYTES >> 20} MiB)")
        refuse_no_file(path, "a file of weights")
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()} if with_arrays else {}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} cannot be read as weights: {error}") from error
    if (text := metadata.get(METADATA_KEY)) is None:
        raise WeightsError(
            f"{path} has no header of skey: it was not written by `skey weights import` or `skey train`"
        )
    try:
        header = Header.from_json(text)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    if metadata.get(SEAL_KEY, _seal(text)) != _seal(text):
        raise WeightsError(f"{path}: its header was changed after it was written. Fetch or import it again.")
    return header, arrays


def _seal(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
