"""Figures: the circle of fifths in order, one colour a system, the same bytes, legible on any ground."""

import math
import re
import xml.etree.ElementTree as ET
from functools import cache

import numpy as np
import pandas
import pytest
from made_up import answers_to, evaluation, functions_of
from matplotlib.figure import Figure

from companion.estimators import BASELINES
from companion.paper import label
from companion.plots import (
    INK,
    Drawing,
    colour,
    confusion_drawing,
    draw,
    heatmap_drawing,
    logo,
    scores_drawing,
)
from companion.systems import SYSTEMS, TABLES
from skey.experiments import EXPERIMENTS
from skey.keys import CIRCLE_OF_FIFTHS, KEYS

EVALUATION = evaluation(
    "table-3-key-and-mode",
    {
        "krumhansl": tuple(key.relative for key in KEYS),
        "feature-engineering": tuple(key.signature for key in KEYS),
        "always-c-major": (KEYS[0],) * 24,
        "temperley": (None,) * 24,
    },
)
TABLE = EVALUATION.answers


def cells(drawing: Drawing) -> int:
    """How many boxes a confusion matrix has."""
    return len(re.findall(r'<path[^>]*clip-path[^>]*style="fill: #', drawing.svg))


@cache
def drawings() -> dict[str, Drawing]:
    """One drawing of each kind."""
    return {
        "confusion": confusion_drawing(TABLE, "krumhansl"),
        "signatures": confusion_drawing(TABLE, "feature-engineering"),
        "scores": scores_drawing(EVALUATION, "mirex", "Scores"),
        "logo": logo(),
        **{sign: scores_drawing(EVALUATION, "mirex", f"The rule with {sign}3") for sign in "−+"},
    }


@pytest.fixture(scope="module", params=drawings())
def drawing(request):
    return drawings()[request.param]


def test_the_same_figure_has_the_same_bytes():
    once, again = (
        {name: each.svg for name, each in drawn.items()} for drawn in (drawings(), drawings.__wrapped__())
    )
    assert once == again and "<dc:date>" not in "".join(once.values())


def test_the_last_bit_of_a_place_changes_no_byte():
    drawn = []
    for left in (0.1, math.nextafter(0.1, 1.0)):
        figure = Figure()
        figure.add_axes((left, 0.1, 0.8, 0.8)).plot([0, 1])
        drawn.append(draw(figure, "Line", "one").svg)
    assert drawn[0] == drawn[1] and "clip-path" in drawn[0]


def test_a_figure_is_well_formed_and_has_a_name_for_those_who_do_not_see_it(drawing):
    root = ET.fromstring(drawing.standalone())
    assert root.get("role") == "img"
    assert root.get("aria-label") == f"{drawing.title}. {drawing.description}"


def test_neutral_parts_take_the_colour_of_the_text_around_them(drawing):
    assert INK not in drawing.inline()
    assert "#000000" not in drawing.inline() and "DejaVu" not in drawing.inline()
    assert "prefers-color-scheme:dark" in drawing.standalone()


def test_two_figures_on_one_page_share_no_identifier():
    names = [re.findall(r'\bid="([^"]+)"', each.svg) for each in drawings().values()]
    assert sum(map(len, names)) == len(set().union(*names))


def test_labels_run_along_the_circle_of_fifths_with_relatives_side_by_side():
    texts = [text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", drawings()["confusion"].svg)]
    assert texts[:24] == ["C", "Am", "G", "Em", "D", "Bm", *texts[6:24]]
    assert len(texts[:24]) == len(CIRCLE_OF_FIFTHS) == len(set(texts[:24]))


def test_one_answer_a_key_is_one_cell_a_row():
    assert cells(confusion_drawing(TABLE, "krumhansl")) == 24
    assert cells(confusion_drawing(TABLE, "feature-engineering")) == 24
    assert cells(confusion_drawing(TABLE, "temperley")) == 0


def test_the_description_counts_right_answers():
    assert ", 1 of them right" in confusion_drawing(TABLE, "always-c-major").description
    assert ", 24 of them right" in confusion_drawing(TABLE, "feature-engineering").description


def test_keys_without_a_track_do_not_count_in_the_share_on_the_diagonal():
    shares = pandas.DataFrame(np.zeros((24, 24)))
    shares.loc[0, 0], shares.loc[1, 0] = 1.0, 1.0
    assert "; 50 % lie on the diagonal" in heatmap_drawing(shares, "krumhansl").description


def test_every_system_has_tables_and_a_label_and_a_colour_of_its_own():
    assert {*BASELINES, *EXPERIMENTS} <= set(SYSTEMS)
    assert all(system.tables and set(system.tables) <= set(TABLES) for system in SYSTEMS.values())
    assert len({colour(system) for system in SYSTEMS}) == len(SYSTEMS)
    assert len({label(system) for system in SYSTEMS}) == len(SYSTEMS)


@pytest.mark.parametrize("ground", ["#ffffff", "#121212"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_colours_stand_out_from_light_and_from_dark_pages(system, ground):
    lighter, darker = sorted((luminance(colour(system)), luminance(ground)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) > 2


def luminance(hexadecimal: str) -> float:
    """Relative luminance of a colour (WCAG 2)."""
    channels = [int(hexadecimal[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_rows_of_the_matrix_are_shares_and_empty_rows_stay_empty():
    notebook = functions_of("figure-4-confusion")
    notebook["answers"] = answers_to({"x": [KEYS[0], KEYS[7], KEYS[7]]}, [KEYS[0], KEYS[0], KEYS[7]])
    shares = notebook["matrix"]("x")
    assert shares.loc["C", ["C", "G"]].tolist() == [0.5, 0.5] and shares.loc["G", "G"] == 1
    assert shares.to_numpy().sum() == 2
