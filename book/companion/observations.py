"""Records of what networks say to given sounds: ``results/observations/<name>.json``.

An experiment asks many tracks and is scored; an observation looks closely at a few sounds. Its entries each
need one system's weights, and those that cannot be computed here are taken over from the record.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from companion.parameters import ParameterError, checked
from companion.record import (
    RESULTS,
    RecordError,
    find_checkout,
    flat,
    moved,
    provenance,
    read_json,
    write_json,
)
from companion.systems import RELEASED

FOLDER = "observations"  # where they lie, below the folder of the record
TOLERANCE = 2e-3  # probabilities closer than this are the same: what float32 may do on another machine
DIGITS = 4  # decimals of a recorded probability
Entries = Mapping[str, Mapping[str, Any]]  # entry (as a rule a system) → field → what was observed


@dataclass(frozen=True, slots=True)
class Observation:
    """What ``results/observations/<name>.json`` holds: entry → field → numbers, and who ``made`` them.

    ``made["carried"]``: the entries that were not computed but taken over from the record before.
    """

    name: str
    entries: Entries
    made: Mapping[str, Any]


def rounded(values: Tensor | np.ndarray | Sequence[Any]) -> Any:  # noqa: ANN401 - nested as the values are
    """Probabilities as they are recorded: lists of numbers of ``DIGITS`` decimals."""
    return np.asarray(values, dtype=float).round(DIGITS).tolist()


def observation_path(folder: Path, name: str) -> Path:
    """``folder/observations/<name>.json``."""
    return folder / FOLDER / f"{name}.json"


def recorded_observations(folder: Path) -> tuple[str, ...]:
    """Names of the observations that have a record in ``folder``, in alphabetical order."""
    return tuple(sorted(path.stem for path in (folder / FOLDER).glob("*.json")))


def read_observation(folder: Path, name: str) -> Observation:
    """Read a record; raises ``RecordError`` where it is missing or none."""
    path = observation_path(folder, name)
    content = read_json(
        path, f"compute it with `papermill notebooks/{name}.ipynb out.ipynb -p recompute True`"
    )
    if not {"entries", "made"} <= set(content):
        raise RecordError(f"{path} is no record: restore it with git")
    return Observation(name, content["entries"], content["made"])


def write_observation(observation: Observation, folder: Path) -> bool:
    """Write a record unless what is there says the same; returns whether it did."""
    path = observation_path(folder, observation.name)
    if path.is_file():
        old = read_observation(folder, observation.name)
        if not moved_numbers(old.entries, observation.entries):
            return False
    return write_json(path, {"entries": observation.entries, "made": observation.made})


def observe(
    name: str,
    compute: Callable[[], Entries],
    recompute: bool = False,
    output: str = "",
    limit: int = 0,
    optional: Collection[str] = RELEASED,
) -> Observation:
    """Read the observation of a notebook from the record, or make it.

    Raises ``RecordError`` without one, and ``ParameterError`` for values without meaning. ``compute`` gives
    the entries that can be computed here, if ``recompute`` asks for it; ``optional`` ones are else those of
    the record. ``output``: folder of the new record. ``limit``: how much was left out (0: nothing); such a
    record is compared in what it holds, and never takes the place of the shipped one.
    """
    checkout, began = find_checkout(), time.monotonic()
    checked(limit=limit, recompute=recompute, output=output)
    if not recompute:
        if limit:
            raise ParameterError(
                f"limit={limit}: the record is shown whole; a limit needs `-p recompute True`"
            )
        if output:
            raise ParameterError(f"output={output!r}: nothing is written without `-p recompute True`")
        return read_observation(checkout / RESULTS, name)
    computed, known_before = compute(), observation_path(checkout / RESULTS, name).is_file()
    recorded = read_observation(checkout / RESULTS, name).entries if known_before else {}
    carried = [name for name in recorded if name in optional and name not in computed]
    known = {entry: recorded[entry] for entry in carried} | dict(computed)
    entries = {entry: known[entry] for entry in dict.fromkeys((*recorded, *known)) if entry in known}
    made = {**provenance(began), "carried": carried}
    observation = Observation(name, entries, {**made, "limit": limit} if limit else made)
    write_observation(observation, checkout / (output or (f"build/{RESULTS}/limited" if limit else RESULTS)))
    return observation


def compare_observations(recorded: Path, computed: Path) -> list[str]:
    """Numbers of the observations in one folder that the record in another gives otherwise."""
    lines = []
    for name in recorded_observations(computed):
        old, new = read_observation(recorded, name), read_observation(computed, name)
        found = moved_numbers(old.entries, new.entries, partial="limit" in new.made)
        lines += [f"{name}: {line}" for line in found]
    return lines


def moved_numbers(old: Entries, new: Entries, partial: bool = False) -> list[str]:
    """A line for each number or word that differs, if ``partial`` of those that the new entries hold."""
    before, after = flat(old), flat(new)
    if partial:
        before = {path: value for path, value in before.items() if path in after}
    return moved(before, after, "computed here", TOLERANCE)
