"""Tables, figures and numbers of the page on S-KEY's pseudo-label, from the record."""

from collections.abc import Mapping
from itertools import product

import numpy as np

from companion.observations import Entries
from companion.pages.tables import markdown_table, with_interval
from companion.paper import label
from companion.plots import Drawing, colour
from companion.plots.method import grid_drawing, offsets_drawing
from companion.studies import pseudo_labels as rule

SCALE_NAMES: Mapping[str, str] = {
    "decibels": "decibels, the paper's",
    "magnitude": "magnitude",
    "energy": "energy",
    "framewise": "energy, frame by frame",
    "peaks": "spectral peaks",
}
SIGN_NAMES: Mapping[int, str] = {-3: "−3", 3: "+3"}

LETTERS: Mapping[str, str] = {"skey": "K", "semitone": "M", "stone24": "T", "": "S"}
"""What the name of a network holds → its letter in the figure; STONE is what is left."""

RELEASED = "released-skey"


def networks(entries: Entries) -> list[str]:
    """The networks that the record has."""
    return [name for name in rule.NETWORKS if name in entries]


def true_signature_table(entries: Entries) -> str:
    """Accuracy with the true signature as q*: each chroma with each sign, part by part."""
    study = rule.read_study(entries)
    sizes = {f"{part}<br>n\N{NO-BREAK SPACE}= {clips.sum()}": clips for part, clips in study.parts.items()}
    return _accuracy_table(study, sizes)


def modes_table(entries: Entries) -> str:
    """The same by the mode of the key."""
    study = rule.read_study(entries)
    return _accuracy_table(study, {"major clips": study.major, "minor clips": ~study.major})


def _accuracy_table(study: rule.Study, columns: Mapping[str, rule.PerClip]) -> str:
    """How many labels are right with each sign and chroma, of the clips of each column."""
    rows = []
    for sign, scale in product(rule.SIGNS, rule.SCALES):
        found = rule.right(study, study.signatures, sign, scale)
        cells = (with_interval(rule.share(found[clips])) for clips in columns.values())
        rows.append([SCALE_NAMES[scale], SIGN_NAMES[sign], *cells])
    return markdown_table(["Chroma", "Sign", *columns], rows, text=2)


def fifths_table(entries: Entries) -> str:
    """Accuracy with the true signature and the paper's sign: a root alone, and a root with its fifth."""
    study = rule.read_study(entries)
    rows = []
    for scale in rule.SCALES:
        alone, both = (
            rule.right(study, study.signatures, -3, scale, with_fifth) for with_fifth in (False, True)
        )
        cells = (alone, both, both[study.major], both[~study.major])
        rows.append([SCALE_NAMES[scale], *(with_interval(rule.share(each)) for each in cells)])
    return markdown_table(["Chroma", "root alone", "root and fifth", "major clips", "minor clips"], rows)


def rows_table(entries: Entries) -> str:
    """Accuracy with q* from the truth, from networks calibrated and as trained, and moved at random.

    At random each of the twelve offsets is equally likely: exact, so without an interval.
    """
    study = rule.read_study(entries)
    roots = {"the true signature": study.signatures}
    for name in networks(entries):
        roots[f"{label(name)}, calibrated"] = rule.calibrated_roots(entries[name], study)
        roots[f"{label(name)}, as trained"] = rule.trained_roots(entries[name], study)
    rows = [
        [title, *(with_interval(rule.share(rule.right(study, found, sign))) for sign in rule.SIGNS)]
        for title, found in roots.items()
    ]
    at_random = [f"**{np.mean(accuracy_by_offset(study, sign)):.1f}**" for sign in rule.SIGNS]
    rows.append(["the true signature, moved at random", *at_random])
    return markdown_table(["q*", *SIGN_NAMES.values()], rows)


def accuracy_by_offset(study: rule.Study, sign: rule.Sign) -> list[float]:
    """Accuracy in percent with q* at 0 to 11 semitones above the true signature."""
    return [100 * float(rule.right(study, study.signatures + each, sign).mean()) for each in range(12)]


def offsets_figure(entries: Entries, sign: rule.Sign) -> Drawing:
    """How often the label is right for each offset of q* above the true signature."""
    study = rule.read_study(entries)
    found = [rule.right(study, study.signatures + offset, sign) for offset in range(12)]
    groups = {"major": study.major, "minor": ~study.major, "both": study.parts["all"]}
    return offsets_drawing(
        {name: [rule.share(each[clips]) for each in found] for name, clips in groups.items()},
        f"The rule with {SIGN_NAMES[sign]}, by offset of q*",
    )


def pairs_figure(entries: Entries, sign: rule.Sign) -> Drawing:
    """How often the label is right if q* has one offset in major and another in minor; networks marked."""
    shares = rule.consistency(rule.read_study(entries), sign)
    at = {name: network_offsets(entries, name) for name in networks(entries)}
    best = next(rule.best_pairs(shares))
    said = [f"Largest at {best[0]} in major and {best[1]} in minor: {shares[best]:.0f} percent."]
    marks: dict[tuple[int, int], str] = {}
    for name, pair in at.items():
        said.append(f"{label(name)} lies at {pair[0]} and {pair[1]}: {shares[pair]:.0f} percent.")
        letter = next(letter for part, letter in LETTERS.items() if part in name)
        marks[pair] = "".join(dict.fromkeys(marks.get(pair, "") + letter))
    return grid_drawing(
        shares / 100,
        ("offset of q* in major clips", "offset of q* in minor clips"),
        colour("skey"),
        (f"The rule with {SIGN_NAMES[sign]}, offset by offset", " ".join(said)),
        marks,
    )


def network_offsets(entries: Entries, name: str) -> tuple[int, int]:
    """Where a network's row as trained lies most often above the signature, in major and in minor clips."""
    major, minor = rule.offsets(entries[name], rule.read_study(entries)).values()
    return major.index(max(major)), minor.index(max(minor))


def pairs_table(entries: Entries) -> str:
    """The four pairs of offsets at which the label is right most often, and those of the networks."""
    study, rows = rule.read_study(entries), []
    for sign in rule.SIGNS:
        best = zip(range(1, 5), rule.best_pairs(rule.consistency(study, sign)), strict=False)
        named = [(f"best, {place}.", pair) for place, pair in best]
        named += [(label(name), network_offsets(entries, name)) for name in networks(entries)]
        for who, pair in named:
            cell = with_interval(rule.share(rule.right_at_pair(study, sign, pair)))
            rows.append([SIGN_NAMES[sign], who, str(pair[0]), str(pair[1]), cell])
    return markdown_table(["Sign", "", "in major", "in minor", "% right"], rows, text=2)


def agreement_table(entries: Entries) -> str:
    """How often a network's own mode is what the rule says for its own rows as trained."""
    study = rule.read_study(entries)
    rows = [
        [
            label(name),
            *(with_interval(rule.share(rule.agreement(entries[name], study, sign))) for sign in rule.SIGNS),
        ]
        for name in networks(entries)
        if "major" in entries[name]
    ]
    return markdown_table(["Network", *SIGN_NAMES.values()], rows)


def numbers(entries: Entries) -> dict[str, float]:
    """Numbers for the prose by name; percentages."""
    study, released = rule.read_study(entries), entries[RELEASED]
    paper, by_offset = rule.right(study, study.signatures, -3), np.array(accuracy_by_offset(study, -3))
    pair, shares = network_offsets(entries, RELEASED), rule.consistency(study, -3)
    found = {
        "paper": paper,
        "paper_wrong": ~paper,
        "paper_major": paper[study.major],
        "paper_minor": paper[~study.major],
        "called_major": rule.says_major(study, study.signatures, -3),
        "plus": rule.right(study, study.signatures, 3),
        "plus_peaks": rule.right(study, study.signatures, 3, "peaks"),
        "peaks": rule.right(study, study.signatures, -3, "peaks"),
        "fifths": rule.right(study, study.signatures, -3, with_fifth=True),
        "fifths_peaks": rule.right(study, study.signatures, -3, "peaks", with_fifth=True),
        "released_trained": rule.right(study, rule.trained_roots(released, study), -3),
        "released_pair": rule.right_at_pair(study, -3, pair),
        "released_pair_plus": rule.right_at_pair(study, 3, pair),
        "released_agrees": rule.agreement(released, study, -3),
        "released_agrees_plus": rule.agreement(released, study, 3),
    }
    counts = {
        "clips": len(study.major),
        "random": by_offset.mean(),
        "lowest": by_offset.min(),
        "highest": by_offset.max(),
        "below_half": (by_offset < 50).sum(),
        "released_major_offset": pair[0],
        "released_minor_offset": pair[1],
        "better_pairs": (shares > shares[pair] + 1e-9).sum(),
    }
    percentages = {name: 100 * points.mean() for name, points in found.items()}
    return {name: float(value) for name, value in (counts | percentages).items()}
