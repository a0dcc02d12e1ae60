"""Tables and numbers of the pages that explain the method: the pretext task, the transform, calibration."""

from collections.abc import Mapping
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
    cost_of_hesitation,
    cost_of_open_mode,
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
SYMBOLS: Mapping[str, str] = {"L_AB": r"$L_{AB}$", "L_AA": r"$L_{AA}$", "L_BA": r"$L_{BA}$"}

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
    header = ["", "Between", "k", "R[7]", "should be", "D, ω = 7", "D, ω = 1"]
    rows, totals = [], np.zeros(2)
    on_semitones = terms(entry, clip, 1)
    for name, seven in terms(entry, clip, 7).items():
        distances = (seven.distance, on_semitones[name].distance)
        shown = (str(seven.k), _complex(seven.power), _complex(seven.target))
        rows.append([SYMBOLS[name], BETWEEN[name], *shown, *(f"{each:.3f}" for each in distances)])
        totals += distances
    last = [r"$L_\text{CPSD}$", "sum, Eq. 9", "", "", "", *(f"**{total:.3f}**" for total in totals)]
    return markdown_table(header, [*rows, last], text=2)


def _complex(number: complex) -> str:
    """A complex number on one line."""
    imaginary = abs(number.imag) if abs(number.imag) >= 5e-4 else 0.0
    sign = "+" if number.imag >= 0 or not imaginary else "−"
    return f"{number.real:.2f}\N{NO-BREAK SPACE}{sign}\N{NO-BREAK SPACE}{imaginary:.2f}i".replace("-", "−")


def costs_table() -> str:
    """What each distance between two signatures costs on either circle."""
    rows = [
        [str(k), meaning, *(f"{cost(k, omega):.2f}" for omega in OMEGAS)] for k, meaning in INTERVALS.items()
    ]
    circles = [f"ω = {omega}, {name}" for omega, name in OMEGAS.items()]
    return markdown_table(["Semitones", "The mistake", *circles], rows, text=2)


def profiles_table() -> str:
    """Length and cost of profiles that hesitate, on either circle; numbered as in the figure."""
    header = ["", "Profile", *(f"length, ω = {omega}" for omega in OMEGAS), *(f"D, ω = {o}" for o in OMEGAS)]
    rows = [
        [
            str(number),
            name,
            *(f"{length(profile, omega):.2f}" for omega in OMEGAS),
            *(f"{cost_of_hesitation(profile, omega):.2f}" for omega in OMEGAS),
        ]
        for number, (name, profile) in enumerate(example_profiles().items(), start=1)
    ]
    return markdown_table(header, rows, text=2)


def open_modes_table() -> str:
    """What a network pays that is sure of the key but not of its mode, by how its columns lie."""
    rows = [
        [str(offset), meaning, *(f"{cost_of_open_mode(offset, omega):.3f}" for omega in OMEGAS)]
        for offset, meaning in OPEN_MODES.items()
    ]
    return markdown_table(["Semitones", "The columns", *(f"ω = {omega}" for omega in OMEGAS)], rows, text=2)


def measured_table(entries: Entries) -> str:
    """Length and invariance of profiles over the test clips, on either circle."""
    header = ["", *(f"length, ω = {omega}" for omega in OMEGAS), *(f"D(A, B), ω = {o}" for o in OMEGAS)]
    rows = [
        [
            MEASURED.get(name) or label(name),
            *(
                with_interval(bootstrap_interval(np.array(entry[f"{what} {omega}"])), ".3f")
                for what in ("length", "distance")
                for omega in OMEGAS
            ),
        ]
        for name, entry in entries.items()
    ]
    return markdown_table(header, rows)


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
