"""Tables, figures and numbers of the page on S-KEY's pseudo-label, from the counts on record."""

from collections.abc import Mapping
from typing import Any

from skey.book.method import number
from skey.book.tables import markdown_table
from skey.circle_plots import offsets_drawing
from skey.method_plots import grid_drawing
from skey.metrics import Interval
from skey.observations import Entries
from skey.paper import label
from skey.plots import Drawing, colour
from skey.pseudo_labels import (
    MODES,
    NETWORKS,
    PARTS,
    SCALES,
    SIGNS,
    Counts,
    accuracy,
    best_pairs,
    consistency,
    right,
    share,
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


def clips_of(entries: Entries) -> Counts:
    """How many clips there are, part by part and mode by mode."""
    counts: Counts = entries["clips"]["counts"]
    return counts


def true_signature_table(entries: Entries) -> str:
    """Accuracy with the true signature as q*: each chroma with each sign, part by part."""
    clips = clips_of(entries)
    header = ["Chroma", "Sign", *(f"{part}<br>n\N{NO-BREAK SPACE}= {_size(clips, part)}" for part in PARTS)]
    rows = [
        [
            SCALE_NAMES[scale],
            SIGN_NAMES[sign],
            *(number(accuracy(clips, _said(entries, scale, sign), part)) for part in PARTS),
        ]
        for sign in SIGNS
        for scale in SCALES
    ]
    return markdown_table(header, rows, text=2)


def modes_table(entries: Entries) -> str:
    """The same by the mode of the key."""
    clips = clips_of(entries)
    rows = []
    for sign in SIGNS:
        for scale in SCALES:
            found = right(clips, _said(entries, scale, sign), "all")
            rows.append(
                [SCALE_NAMES[scale], SIGN_NAMES[sign], *(number(share(*found[mode])) for mode in MODES)]
            )
    return markdown_table(["Chroma", "Sign", "major clips", "minor clips"], rows, text=2)


def rows_table(entries: Entries) -> str:
    """Accuracy with q* from the truth, from networks calibrated and as trained, and moved at random."""
    clips = clips_of(entries)
    cells = [_rotation_cells(clips, entries["decibels"], 0)]
    rows = [["the true signature", *cells[0]]]
    for name in networks(entries):
        turned = trained_offset(entries[name])
        rows.append([f"{label(name)}, calibrated", *_rotation_cells(clips, entries[name], 0)])
        rows.append([f"{label(name)}, as trained", *_rotation_cells(clips, entries[name], turned)])
    rows.append(["the true signature, moved at random", *_random_cells(clips, entries["decibels"])])
    return markdown_table(["q*", "−3", "+3"], rows)


def _rotation_cells(clips: Counts, entry: Mapping[str, Any], offset: int) -> list[str]:
    """Accuracy with both signs at an offset."""
    return [number(accuracy(clips, entry[f"{sign:+d}"], "all", offset)) for sign in SIGNS]


def _random_cells(clips: Counts, entry: Mapping[str, Any]) -> list[str]:
    """Mean accuracy over all twelve offsets, with both signs; it is exact, so there is no interval."""
    return [f"**{random_accuracy(clips, entry[f'{sign:+d}']):.1f}**" for sign in SIGNS]


def random_accuracy(clips: Counts, said: Counts) -> float:
    """Accuracy in percent if each of the twelve offsets is equally likely."""
    return sum(accuracy(clips, said, "all", offset).value for offset in range(12)) / 12


def trained_offset(entry: Mapping[str, Any]) -> int:
    """How many semitones a network's row as trained lies above the calibrated one, both as pitch classes."""
    return (int(entry["row_of_c"]) + 9) % 12


def networks(entries: Entries) -> list[str]:
    """The networks that the record has."""
    return [name for name in NETWORKS if name in entries]


def offsets_figure(entries: Entries, scale: str, sign: int) -> Drawing:
    """How often the label is right for each offset of q* above the true signature."""
    clips, said = clips_of(entries), _said(entries, scale, sign)
    found = [right(clips, said, "all", offset) for offset in range(12)]
    shares: dict[str, list[Interval]] = {mode: [share(*each[mode]) for each in found] for mode in MODES}
    shares["both"] = [accuracy(clips, said, "all", offset) for offset in range(12)]
    return offsets_drawing(shares, f"The rule with {SIGN_NAMES[sign]}, {SCALE_NAMES[scale]}")


def pairs_figure(entries: Entries, sign: int) -> Drawing:
    """How often the label is right if q* has one offset in major and another in minor; networks marked."""
    shares = consistency(clips_of(entries), _said(entries, "decibels", sign))
    where = {network_offsets(entries[name]): name for name in networks(entries)[::-1]}
    letters = {pair: name_letter(name) for pair, name in where.items()}
    best = next(best_pairs(shares))
    said = f"Largest at {best[0]} in major and {best[1]} in minor: {shares[best]:.0f} percent. " + " ".join(
        f"{label(name)} lies at {pair[0]} and {pair[1]}: {shares[pair]:.0f} percent."
        for pair, name in where.items()
    )
    labels = ("offset of q* in major clips", "offset of q* in minor clips")
    title = f"The rule with {SIGN_NAMES[sign]}, offset by offset"
    return grid_drawing(shares / 100, labels, colour("skey"), (title, said), letters)


def name_letter(name: str) -> str:
    """The letter of a network in the figure: K for S-KEY, T for 24-STONE, M for Semi-TONE, S for STONE."""
    for part, letter in (("skey", "K"), ("semitone", "M"), ("stone24", "T")):
        if part in name:
            return letter
    return "S"


def network_offsets(entry: Mapping[str, Any]) -> tuple[int, int]:
    """Where a network's row as trained lies most often above the signature, in major and in minor clips."""
    major, minor = (entry["offsets"][mode] for mode in MODES)
    return major.index(max(major)), minor.index(max(minor))


def pairs_table(entries: Entries, count: int = 4) -> str:
    """The pairs of offsets at which the label is right most often, and those of the networks."""
    clips = clips_of(entries)
    rows = []
    for sign in SIGNS:
        shares = consistency(clips, _said(entries, "decibels", sign))
        for place, pair in zip(range(count), best_pairs(shares), strict=False):
            rows.append(
                [
                    SIGN_NAMES[sign],
                    f"best, {place + 1}.",
                    str(pair[0]),
                    str(pair[1]),
                    _pair_cell(entries, sign, pair),
                ]
            )
        for name in networks(entries):
            pair = network_offsets(entries[name])
            rows.append(
                [SIGN_NAMES[sign], label(name), str(pair[0]), str(pair[1]), _pair_cell(entries, sign, pair)]
            )
    return markdown_table(["Sign", "", "in major", "in minor", "% right"], rows, text=2)


def pair_share(entries: Entries, sign: int, pair: tuple[int, int]) -> Interval:
    """How often the label is right at one offset in major and another in minor clips."""
    clips, said = clips_of(entries), _said(entries, "decibels", sign)
    (good, major), (fine, minor) = (
        right(clips, said, "all", pair[place])[mode] for place, mode in enumerate(MODES)
    )
    return share(good + fine, major + minor)


def _pair_cell(entries: Entries, sign: int, pair: tuple[int, int]) -> str:
    """The same for a table."""
    return number(pair_share(entries, sign, pair))


def agreement_table(entries: Entries) -> str:
    """How often a network's own mode is what the rule says for its own rows as trained."""
    total = sum(clips_of(entries)["all"][mode][0] for mode in MODES)
    rows = [
        [label(name), *(number(share(entries[name]["agrees"][f"{sign:+d}"], total)) for sign in SIGNS)]
        for name in networks(entries)
        if "agrees" in entries[name]
    ]
    return markdown_table(["Network", "−3", "+3"], rows)


def numbers(entries: Entries) -> dict[str, float]:
    """Numbers for the prose by name."""
    clips, total = clips_of(entries), sum(clips_of(entries)["all"][mode][0] for mode in MODES)
    paper = _said(entries, "decibels", -3)
    found = right(clips, paper, "all")
    shares = consistency(clips, paper)
    by_offset = [accuracy(clips, paper, "all", offset).value for offset in range(12)]
    called = sum(paper["all"][mode][0] for mode in MODES)
    return {
        "clips": float(total),
        "paper": accuracy(clips, paper).value,
        "paper_wrong": 100 - accuracy(clips, paper).value,
        "paper_major": share(*found["major"]).value,
        "paper_minor": share(*found["minor"]).value,
        "called_major": 100 * called / total,
        "plus_peaks": accuracy(clips, _said(entries, "peaks", 3)).value,
        "plus": accuracy(clips, _said(entries, "decibels", 3)).value,
        "peaks": accuracy(clips, _said(entries, "peaks", -3)).value,
        "random": random_accuracy(clips, paper),
        "lowest": min(by_offset),
        "highest": max(by_offset),
        "below_half": float(sum(value < 50 for value in by_offset)),
        **_released_numbers(entries, shares),
    }


def _released_numbers(entries: Entries, shares: Any) -> dict[str, float]:  # noqa: ANN401 - an array
    """Numbers on the released S-KEY."""
    if RELEASED not in entries:
        return {}
    entry = entries[RELEASED]
    pair, total = network_offsets(entry), sum(clips_of(entries)["all"][mode][0] for mode in MODES)
    minor = entry["offsets"]["minor"]
    trained = accuracy(clips_of(entries), entry["-3"], "all", trained_offset(entry))
    return {
        "released_trained": trained.value,
        "released_major_offset": float(pair[0]),
        "released_minor_offset": float(pair[1]),
        "released_pair": float(shares[pair]),
        "released_pair_plus": pair_share(entries, 3, pair).value,
        "better_pairs": float((shares > shares[pair] + 1e-9).sum()),
        "released_agrees": 100 * entry["agrees"]["-3"] / total,
        "released_agrees_plus": 100 * entry["agrees"]["+3"] / total,
        "released_minor_share": 100 * max(minor) / sum(minor),
    }


def _said(entries: Entries, scale: str, sign: int) -> Counts:
    """How many clips the rule calls major."""
    counts: Counts = entries[scale][f"{sign:+d}"]
    return counts


def _size(clips: Counts, part: str) -> int:
    """How many clips a part has."""
    return sum(clips[part][mode][0] for mode in MODES)
