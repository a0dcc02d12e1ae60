"""Tables and numbers of the pages that explain the method: the pretext task, the transform, calibration."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from companion.observations import Entries
from companion.pages.tables import markdown_table, with_interval
from companion.paper import label
from companion.studies.alignment import MODES, agreeing, apart, calibrated_row, first_row, mode_offset
from companion.studies.pretext import named_structure, sums, terms
from companion.studies.transform import (
    INTERVALS,
    OMEGAS,
    cost,
    cost_of_open_mode,
    cost_of_uncertainty,
    example_profiles,
    length,
)
from skey.calibration import Calibration
from skey.keys import TONIC_NAMES, Key
from skey.metrics import bootstrap_interval

BETWEEN: Mapping[str, str] = {
    "L_AB": r"$T_c A$ and $T_c B$, Eq. 6",
    "L_AA": r"$T_c A$ and $T_{c+k} A$, Eq. 7",
    "L_BA": r"$T_c B$ and $T_{c+k} A$, Eq. 8",
}
"""The terms of Eq. 9 and the views that each compares."""

OPEN_MODES: Mapping[int, str] = {
    0: "relatives share a row, as in Semi-TONE",
    7: "a fifth apart, as in the released S-KEY",
    3: "parallels share a row: rows are tonics",
    1: "a semitone apart",
}
"""Semitones between the two columns of a network, and what that means."""

MEASURED: Mapping[str, str] = {
    "chroma: decibels": "Chroma in decibels",
    "chroma: energy": "Chroma, energy",
    "chroma: peaks": "Chroma, spectral peaks",
    "untrained": "ChromaNet, untrained",
}
"""Names of what is no system."""


def terms_table(entry: Mapping[str, Any], clip: str) -> str:
    """The three losses of a clip with the numbers they are made of, and what they are on the other circle."""
    fifths, semitones = terms(entry, clip, 7), terms(entry, clip, 1)
    rows = []
    for name, term in fifths.items():
        shown = (str(term.k), _complex(term.power), _complex(term.target))
        distances = (term.distance, semitones[name].distance)
        rows.append([f"$L_{{{name[2:]}}}$", BETWEEN[name], *shown, *(f"{each:.3f}" for each in distances)])
    totals = (sum(term.distance for term in each.values()) for each in (fifths, semitones))
    rows.append([r"$L_\text{CPSD}$", "sum, Eq. 9", "", "", "", *(f"**{total:.3f}**" for total in totals)])
    header = ["", "Between", "k", "R[7]", "should be", "D, ω = 7", "D, ω = 1"]
    return markdown_table(header, rows, text=2)


def _complex(number: complex) -> str:
    real, imaginary = (round(part, 2) + 0.0 for part in (number.real, number.imag))
    sign = "−" if imaginary < 0 else "+"
    return f"{real:.2f}\N{NO-BREAK SPACE}{sign}\N{NO-BREAK SPACE}{abs(imaginary):.2f}i".replace("-", "−")


def _on_circles(measure: Callable[[Any, int], float], what: object, form: str = ".2f") -> list[str]:
    return [f"{measure(what, omega):{form}}" for omega in OMEGAS]


def costs_table() -> str:
    """What each distance between two signatures costs on either circle."""
    rows = ([str(k), meaning, *_on_circles(cost, k)] for k, meaning in INTERVALS.items())
    circles = (f"ω = {omega}, {name}" for omega, name in OMEGAS.items())
    return markdown_table(["Semitones", "The mistake", *circles], rows, text=2)


def profiles_table() -> str:
    """Length and cost of uncertain profiles, on either circle; numbered as in the figure."""
    rows = [
        [str(number), name, *_on_circles(length, profile), *_on_circles(cost_of_uncertainty, profile)]
        for number, (name, profile) in enumerate(example_profiles().items(), start=1)
    ]
    columns = (f"{what}, ω = {omega}" for what in ("length", "D") for omega in OMEGAS)
    return markdown_table(["", "Profile", *columns], rows, text=2)


def open_modes_table() -> str:
    """What a network pays that is sure of the key but not of its mode, by how its columns lie."""
    rows = [
        [str(offset), meaning, *_on_circles(cost_of_open_mode, offset, ".3f")]
        for offset, meaning in OPEN_MODES.items()
    ]
    return markdown_table(["Semitones", "The columns", *(f"ω = {omega}" for omega in OMEGAS)], rows, text=2)


def measured_table(entries: Entries) -> str:
    """Length and invariance of profiles over the test clips, on either circle."""
    columns = {
        f"{title}, ω = {omega}": f"{field} {omega}"
        for field, title in (("length", "length"), ("distance", "D(A, B)"))
        for omega in OMEGAS
    }
    rows = []
    for name, entry in entries.items():
        found = (bootstrap_interval(np.array(entry[field])) for field in columns.values())
        rows.append([MEASURED.get(name) or label(name), *(with_interval(each, ".3f") for each in found)])
    return markdown_table(["", *columns], rows)


def calibration_table(entries: Entries) -> str:
    """For each network: what row 0 stands for, its rows of C major and A minor, how many crops give each."""
    header = ["Network", "Row 0 is", "The minor key's signature lies", "Row of C major", "Row of A minor"]
    rows = []
    for name, entry in entries.items():
        calibration = Calibration(**entry["calibration"])
        found = (f"{calibrated_row(entry, mode)} ({agreeing(entry, mode)} of 12)" for mode in MODES)
        rows.append([label(name), first_row(calibration), apart(mode_offset(calibration)), *found])
    return markdown_table(header, rows, text=3)


def alignment_words(entry: Mapping[str, Any]) -> dict[str, str]:
    """The two keys of a network's first row, and how the minor column lies to the major one, in words."""
    calibration = Calibration(**entry["calibration"])
    words = apart(mode_offset(calibration)).replace("relatives", "with their relatives")
    return {"pair": first_row(calibration), "apart": words}


def strongest(entry: Mapping[str, Any], key: Key) -> dict[str, str]:
    """A clip of Figure 2 in words: key, tonic of its signature, strongest row of λ, and larger part of μ."""
    signatures, modes = sums(named_structure(entry, key.mode))
    return {
        "key": str(key),
        "signature": TONIC_NAMES[key.signature],
        "row": TONIC_NAMES[int(signatures.argmax())],
        "mode": ("major", "minor")[int(modes.argmax())],
    }
