"""Figures as a browser shows them: text stays legible on a desk and on a phone, and nothing is cut off."""

import json
import re
from collections.abc import Callable, Mapping
from html import unescape

import pytest
from made_up import ROOT, page_shown

from companion.run import INDEX

BOOK = (ROOT / INDEX).parent
SMALLEST = {1280: 9, 390: 8}  # width of the window in pixels → least size of the text in a figure

MEASURE = """
const sizes = {}, wide = {}, stuck = {}, pale = {}, cut = {}, hidden = {}, tight = {};
const light = (colour) => {  // relative luminance (WCAG 2)
  const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (element) => {
  const colour = (node) => getComputedStyle(node).backgroundColor;
  let ground = element;
  while (ground.parentElement && /, 0\\)$/.test(colour(ground))) ground = ground.parentElement;
  const pair = [getComputedStyle(element).color, colour(ground)].map((each) => light(each) + 0.05);
  return Math.max(...pair) / Math.min(...pair);
};
const next = () => {
  const page = PAGES.shift();
  const found = { sizes, wide, stuck, pale, cut, hidden, tight };
  if (!page) { document.body.textContent = JSON.stringify(found); return; }
  const frame = document.createElement("iframe");
  frame.width = WIDTH; frame.height = 900; frame.src = page;
  frame.onload = () => {
    const inside = frame.contentDocument;
    const texts = [...inside.querySelectorAll(".companion-figure svg text, .companion-figure svg tspan")];
    const scale = (text) => {
      const { a, b } = text.getScreenCTM();  // rotated text has its scale in both
      return Math.hypot(a, b) * parseFloat(getComputedStyle(text).fontSize);
    };
    sizes[page] = Math.min(99, ...texts.filter((text) => text.textContent.trim()).map(scale));
    cut[page] = Math.max(0, ...texts.map((text) => {
      // Pixels of a text outside its figure; a quarter of its line is empty above or below the letters.
      const [own, all] = [text, text.ownerSVGElement].map((each) => each.getBoundingClientRect());
      const [above, below] = [all.top - own.top, own.bottom - all.bottom];
      return Math.max(all.left - own.left, own.right - all.right, Math.max(above, below) - own.height / 4);
    }));
    wide[page] = inside.documentElement.scrollWidth - WIDTH;
    const links = [...inside.querySelectorAll("article a[href]:not(.headerlink)")];
    pale[page] = Math.min(21, ...links.map(contrast));
    const boxes = [...inside.querySelectorAll(".companion-figure, .pst-scrollable-table-container")];
    stuck[page] = boxes.filter((box) => box.scrollWidth > box.clientWidth && box.tabIndex < 0).length;
    const beside = [...inside.querySelectorAll(".companion-grid > .companion-figure")];
    hidden[page] = beside.filter((box) => box.scrollWidth > box.clientWidth + 1).length;
    const cells = [...inside.querySelectorAll("article table:is(.table, .dataframe) td")];
    tight[page] = Math.min(99, ...cells.map((cell) => {
      const { paddingLeft, paddingRight } = getComputedStyle(cell);
      return parseFloat(paddingLeft) + parseFloat(paddingRight);
    }));
    frame.remove(); next();
  };
  document.body.append(frame);
};
next();
"""


@pytest.fixture(scope="module", params=SMALLEST)
def measured(request, tmp_path_factory):
    """Of each page: the smallest text in its figures, by how many pixels a text leaves its figure, the page
    the window, how many wide boxes the keyboard does not reach, how many figures beside others are wider than
    their place, the least contrast of its links, and the least space between the columns of its tables."""
    pages = sorted((BOOK / "book").rglob("*.html"))
    if not pages:
        pytest.skip("the book is not built: python3 run.py book")
    given = f"const WIDTH = {request.param}, PAGES = {json.dumps([page.as_uri() for page in pages])};"
    harness = tmp_path_factory.mktemp("screen") / "measure.html"
    harness.write_text(f"<!doctype html><meta charset=utf-8><body><script>{given}{MEASURE}</script>")
    options = ["--allow-file-access-from-files", "--disable-background-networking"]
    options += ["--virtual-time-budget=600000", f"--window-size={request.param},900"]
    dom = page_shown(harness.as_uri(), harness.parent, *options)
    found = re.search(r"<body>(\{.*\})</body>", dom, flags=re.DOTALL)
    assert found, dom[-1000:]
    return {**json.loads(unescape(found[1])), "width": request.param}


FAULTS: Mapping[str, tuple[str, Callable[[float, int], bool]]] = {
    "text_too_small_to_read": ("sizes", lambda size, width: size < SMALLEST[width] - 0.05),
    "figure_wider_than_its_place_on_a_desk": ("hidden", lambda figures, width: figures > 0 and width > 1000),
    "text_that_is_cut_off": ("cut", lambda pixels, _: pixels > 2),
    "more_width_than_the_window": ("wide", lambda pixels, _: pixels > 0),
    "scrolling_box_that_the_keyboard_does_not_reach": ("stuck", lambda boxes, _: boxes > 0),
    "columns_that_run_together": ("tight", lambda pixels, _: pixels < 8),
    "pale_link": ("pale", lambda contrast, _: contrast < 4.5),  # WCAG 2, 1.4.3
}
"""What is measured, and from where on it is a fault in a window of some width."""


@pytest.mark.parametrize("fault", FAULTS)
def test_no_page_has_any(fault, measured):
    what, is_fault = FAULTS[fault]
    assert {page: x for page, x in measured[what].items() if is_fault(x, measured["width"])} == {}


MARKED = """
const frame = document.createElement("iframe");
frame.src = PAGE + "#cpsd-is-essential";
frame.onload = () => {
  const cell = (id) => frame.contentDocument.getElementById(id).closest("td");
  const ground = (id) => getComputedStyle(cell(id)).backgroundColor;
  document.body.textContent = `${ground("cpsd-is-essential")} beside ${ground("no-cpsd-is-constant")}`;
};
document.body.append(frame);
"""


def test_a_dot_of_the_scoreboard_marks_the_row_of_its_claim(tmp_path):
    page = BOOK / "book" / "scoreboard.html"
    if not page.is_file():
        pytest.skip("the book is not built: python3 run.py book")
    harness = tmp_path / "marked.html"
    given = f"const PAGE = {json.dumps(page.as_uri())};"
    harness.write_text(f"<!doctype html><meta charset=utf-8><body><script>{given}{MARKED}</script>")
    dom = page_shown(
        harness.as_uri(), tmp_path, "--allow-file-access-from-files", "--virtual-time-budget=20000"
    )
    found = re.search(r"<body>(rgb.*) beside (.*)</body>", dom)
    assert found, dom[-1000:]
    assert found[1] != found[2]
