"""Tables, figures and numbers of the page on S-KEY's pseudo-label, from the record."""

from collections.abc import Mapping

import numpy as np

from companion.observations import Entries
from companion.pages.tables import markdown_table, with_interval
from companion.paper import label
from companion.plots import Drawing, colour
from companion.plots.circle import offsets_drawing
from companion.plots.method import grid_drawing
from companion.studies.pseudo_labels import (
    MODES,
    NETWORKS,
    PARTS,
    SCALES,
    SIGNS,
    PerClip,
    Roots,
    Sign,
    Study,
    agreement,
    best_pairs,
    calibrated_roots,
    consistency,
    offsets,
    read_study,
    right,
    right_at_pair,
    says_major,
    share,
    trained_roots,
)

SCALE_NAMES: Mapping[str, str] = {
    "decibels": "decibels, the paper's",
    "magnitude": "magnitude",
    "energy": "energy",
    "framewise": "energy, frame by frame",
    "peaks": "spectral peaks",
}

SIGN_NAMES: Mapping[int, str] = {-3: "−3", 3: "+3"}

RELEASED = "released-skey"


def networks(entries: Entries) -> list[str]:
    """The networks that the record has."""
    return [name for name in NETWORKS if name in entries]


def true_signature_table(entries: Entries) -> str:
    """Accuracy with the true signature as q*: each chroma with each sign, part by part."""
    study = read_study(entries)
    sizes = {f"{part}<br>n\N{NO-BREAK SPACE}= {study.parts[part].sum()}": part for part in PARTS}
    return _accuracy_table(study, {head: study.parts[part] for head, part in sizes.items()})


def modes_table(entries: Entries) -> str:
    """The same by the mode of the key."""
    study = read_study(entries)
    return _accuracy_table(study, {"major clips": study.major, "minor clips": ~study.major})


def _accuracy_table(study: Study, columns: Mapping[str, PerClip]) -> str:
    """How many labels are right with each sign and chroma, of the clips of each column."""
    rows = []
    for sign in SIGNS:
        for scale in SCALES:
            found = right(study, study.signatures, sign, scale)
            cells = (with_interval(share(found[clips])) for clips in columns.values())
            rows.append([SCALE_NAMES[scale], SIGN_NAMES[sign], *cells])
    return markdown_table(["Chroma", "Sign", *columns], rows, text=2)


def fifths_table(entries: Entries) -> str:
    """Accuracy with the true signature and the paper's sign: a root alone, and a root with its fifth."""
    study = read_study(entries)
    rows = []
    for scale in SCALES:
        alone, both = (right(study, study.signatures, -3, scale, with_fifth) for with_fifth in (False, True))
        cells = (alone, both, both[study.major], both[~study.major])
        rows.append([SCALE_NAMES[scale], *(with_interval(share(each)) for each in cells)])
    header = ["Chroma", "root alone", "root and fifth", "major clips", "minor clips"]
    return markdown_table(header, rows)


def rows_table(entries: Entries) -> str:
    """Accuracy with q* from the truth, from networks calibrated and as trained, and moved at random."""
    study = read_study(entries)
    rows = [["the true signature", *_accuracies(study, study.signatures)]]
    for name in networks(entries):
        named, trained = calibrated_roots(entries[name], study), trained_roots(entries[name], study)
        rows.append([f"{label(name)}, calibrated", *_accuracies(study, named)])
        rows.append([f"{label(name)}, as trained", *_accuracies(study, trained)])
    at_random = [f"**{random_accuracy(study, sign):.1f}**" for sign in SIGNS]
    rows.append(["the true signature, moved at random", *at_random])
    return markdown_table(["q*", "−3", "+3"], rows)


def _accuracies(study: Study, roots: Roots) -> list[str]:
    """Accuracy with either sign."""
    return [with_interval(share(right(study, roots, sign))) for sign in SIGNS]


def random_accuracy(study: Study, sign: Sign) -> float:
    """Accuracy in percent if each of the twelve offsets is equally likely: exact, so without an interval."""
    return float(np.mean(accuracy_by_offset(study, sign)))


def accuracy_by_offset(study: Study, sign: Sign) -> list[float]:
    """Accuracy in percent with q* at 0 to 11 semitones above the true signature."""
    return [100 * float(right(study, study.signatures + each, sign).mean()) for each in range(12)]


def offsets_figure(entries: Entries, sign: Sign) -> Drawing:
    """How often the label is right for each offset of q* above the true signature."""
    study = read_study(entries)
    found = [right(study, study.signatures + offset, sign) for offset in range(12)]
    shares = {mode: [share(each[study.major == (mode == "major")]) for each in found] for mode in MODES}
    return offsets_drawing(
        {**shares, "both": [share(each) for each in found]},
        f"The rule with {SIGN_NAMES[sign]}, by offset of q*",
    )


def pairs_figure(entries: Entries, sign: Sign) -> Drawing:
    """How often the label is right if q* has one offset in major and another in minor; networks marked."""
    study = read_study(entries)
    shares = consistency(study, sign)
    where: dict[tuple[int, int], list[str]] = {}
    for name in networks(entries):
        where.setdefault(network_offsets(entries, name), []).append(name)
    best = next(best_pairs(shares))
    said = [f"Largest at {best[0]} in major and {best[1]} in minor: {shares[best]:.0f} percent."]
    said += [
        f"{label(name)} lies at {pair[0]} and {pair[1]}: {shares[pair]:.0f} percent."
        for pair, names in where.items()
        for name in names
    ]
    return grid_drawing(
        shares / 100,
        ("offset of q* in major clips", "offset of q* in minor clips"),
        colour("skey"),
        (f"The rule with {SIGN_NAMES[sign]}, offset by offset", " ".join(said)),
        {pair: "".join(dict.fromkeys(map(name_letter, names))) for pair, names in where.items()},
    )


def name_letter(name: str) -> str:
    """The letter of a network in the figure: K for S-KEY, T for 24-STONE, M for Semi-TONE, S for STONE."""
    for part, letter in (("skey", "K"), ("semitone", "M"), ("stone24", "T")):
        if part in name:
            return letter
    return "S"


def network_offsets(entries: Entries, name: str) -> tuple[int, int]:
    """Where a network's row as trained lies most often above the signature, in major and in minor clips."""
    major, minor = offsets(entries[name], read_study(entries)).values()
    return major.index(max(major)), minor.index(max(minor))


def pairs_table(entries: Entries, count: int = 4) -> str:
    """The pairs of offsets at which the label is right most often, and those of the networks."""
    study, rows = read_study(entries), []
    for sign in SIGNS:
        best = zip(range(1, count + 1), best_pairs(consistency(study, sign)), strict=False)
        named = [(f"best, {place}.", pair) for place, pair in best]
        named += [(label(name), network_offsets(entries, name)) for name in networks(entries)]
        for who, pair in named:
            cell = with_interval(share(right_at_pair(study, sign, pair)))
            rows.append([SIGN_NAMES[sign], who, str(pair[0]), str(pair[1]), cell])
    return markdown_table(["Sign", "", "in major", "in minor", "% right"], rows, text=2)


def agreement_table(entries: Entries) -> str:
    """How often a network's own mode is what the rule says for its own rows as trained."""
    study = read_study(entries)
    rows = [
        [label(name), *(with_interval(share(agreement(entries[name], study, sign))) for sign in SIGNS)]
        for name in networks(entries)
        if "major" in entries[name]
    ]
    return markdown_table(["Network", "−3", "+3"], rows)


def numbers(entries: Entries) -> dict[str, float]:
    """Numbers for the prose by name; percentages."""
    study = read_study(entries)
    paper, by_offset = right(study, study.signatures, -3), accuracy_by_offset(study, -3)
    found = {
        "paper": paper,
        "paper_wrong": ~paper,
        "paper_major": paper[study.major],
        "paper_minor": paper[~study.major],
        "called_major": says_major(study, study.signatures, -3),
        "plus": right(study, study.signatures, 3),
        "plus_peaks": right(study, study.signatures, 3, "peaks"),
        "peaks": right(study, study.signatures, -3, "peaks"),
        "fifths": right(study, study.signatures, -3, with_fifth=True),
        "fifths_peaks": right(study, study.signatures, -3, "peaks", with_fifth=True),
    }
    return {
        "clips": float(len(study.major)),
        "random": random_accuracy(study, -3),
        "lowest": min(by_offset),
        "highest": max(by_offset),
        "below_half": float(sum(value < 50 for value in by_offset)),
        **{name: 100 * float(points.mean()) for name, points in found.items()},
        **(_released_numbers(entries, study) if RELEASED in entries else {}),
    }


def _released_numbers(entries: Entries, study: Study) -> dict[str, float]:
    """Numbers on the released S-KEY."""
    entry, pair = entries[RELEASED], network_offsets(entries, RELEASED)
    shares = consistency(study, -3)
    found = {
        "released_trained": right(study, trained_roots(entry, study), -3),
        "released_pair": right_at_pair(study, -3, pair),
        "released_pair_plus": right_at_pair(study, 3, pair),
        "released_agrees": agreement(entry, study, -3),
        "released_agrees_plus": agreement(entry, study, 3),
    }
    return {
        "released_major_offset": float(pair[0]),
        "released_minor_offset": float(pair[1]),
        "better_pairs": float((shares > shares[pair] + 1e-9).sum()),
        **{name: 100 * float(points.mean()) for name, points in found.items()},
    }
