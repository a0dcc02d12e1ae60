"""The book: built without a warning, loads nothing from elsewhere, and holds no typed-in result."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from bs4 import BeautifulSoup
from filelock import FileLock
from made_up import ROOT, answers_to

from companion.answers import ABOUT, ANSWERS, evaluate
from companion.notebooks import EXECUTED, FOLDER, notebook_names, read_notebook, read_runs, run_notebooks
from companion.observations import recorded_observations
from companion.pages.listening import answer_in_words, example_clips, instructive_rows
from companion.pages.parts import LOGO, PICTURE, agreement
from companion.pages.usage import OUTPUTS
from companion.plots import logo, scores_drawing
from companion.record import RESULTS
from companion.run import INDEX, build_book
from companion.sentences import NOT_HERE, holds_while, printed_text, refuse_stale
from companion.systems import T3, TABLES
from skey.errors import SkeyError
from skey.keys import KEYS, Notation, format_key

SOURCES = [*(ROOT / "book").rglob("*.md"), *(ROOT / FOLDER).glob("*.ipynb")]
FETCHED = ("stylesheet", "preload", "icon", "modulepreload", "prefetch", "preconnect")
LOADED = ", ".join([f"link[rel~={kind}]" for kind in FETCHED] + ["img[src]", "script[src]", "audio[src]"])
LOADED += ", source[src], iframe[src], video[src]"
"""What a browser loads by itself when it opens a page."""
FREE = [
    r"\{glue:text\}`[^`]*`",  # what is computed
    r"\$\$.*?\$\$|\$[^$\n]+\$",  # formulas
    r"```.*?```|`[^`\n]*`",  # code, directives, file names
    r"\{[a-z:]+\}`[^`]*`",  # other roles
    r"\]\([^)]*\)",  # addresses
    r"\bSections? \d[\d.]*",  # places in the papers
    r"\b95 % interval",  # a convention, not a result
    r"\b(?:CC|GPL|LGPL|Apache)\b[^,.;)|]{0,12}\d\.\d",  # licences with their version
]
RESULT = re.compile(r"\d+(?:\.\d+)?\s?%|\d+\.\d+|\b\d+\s(?:points|percent)")


class NoDuplicates(yaml.SafeLoader):
    """A loader that refuses a key written twice, of which YAML silently loses the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key is written twice: {keys} {node.start_mark}"
        return super().construct_mapping(node, deep)


def load(name: str) -> Any:
    return yaml.load((ROOT / name).read_text(encoding="utf-8"), Loader=NoDuplicates)


def chapters() -> list[str]:
    return [chapter["file"] for part in load("_toc.yml")["parts"] for chapter in part["chapters"]]


def prose(path: Path) -> str:
    """The Markdown of a page or of a notebook's text cells, without what may hold numbers."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for pattern in FREE:
        text = re.sub(pattern, " ", text, flags=re.DOTALL)
    return text


def shape(svg: str) -> tuple[list[str], list[float]]:
    """An SVG's elements, texts and colours, and its coordinates, which machines may round differently."""
    parts = re.split(r"(-?\d+\.\d+)", re.sub(r'\bid="[^"]*"|url\([^)]*\)|href="[^"]*"', "", svg))
    return parts[::2], [float(number) for number in parts[1::2]]


@pytest.fixture(scope="module")
def pages():
    """Every page of the book; it is built first unless the built one is newer than all it is made of."""
    index = ROOT / INDEX
    # jupyter-book leaves the first page alone, which only points to this one.
    landing = index.parent / "book" / "index.html"
    code = [*(ROOT / "skey").rglob("*.py"), *(ROOT / "book").rglob("*.*")]
    made_of = [*SOURCES, *(file for file in code if file.suffix in (".py", ".toml", ".csv", ".css", ".js"))]
    made_of += [file for file in (ROOT / RESULTS).rglob("*.*") if file.is_file()] + [*ROOT.glob("_*.yml")]
    newest = max(file.stat().st_mtime for file in made_of)
    (ROOT / "build").mkdir(exist_ok=True)
    with FileLock(ROOT / "build" / "book.lock"):
        if not landing.is_file() or landing.stat().st_mtime < newest:
            run_notebooks(ROOT, {name: {} for name in notebook_names(ROOT)})
            build_book(ROOT)
    return sorted(page for page in index.parent.rglob("*.html") if "_static" not in page.parts)


@pytest.fixture(scope="module")
def parsed(pages):
    """Every page, read as a browser does."""
    return {page: BeautifulSoup(page.read_text("utf-8"), "html.parser") for page in pages}


@pytest.mark.parametrize("name", ["_config.yml", "_toc.yml"])
def test_no_setting_of_the_book_is_written_twice(name):
    assert load(name)


def test_every_notebook_has_one_page_in_the_contents():
    listed = [name for name in chapters() if name.startswith(EXECUTED.as_posix())]
    assert sorted(listed) == [f"{EXECUTED.as_posix()}/{name}" for name in notebook_names(ROOT)]
    assert len(chapters()) == len(set(chapters()))


def test_every_page_begins_with_what_the_papers_do_not_say():
    for name in chapters():
        page, notebook = ROOT / f"{name}.md", ROOT / FOLDER / f"{Path(name).name}.ipynb"
        text = page.read_text("utf-8") if page.is_file() else read_notebook(notebook).cells[0].source
        assert re.match(r"# [^\n]+\n\n\*This page adds:\* .+\.\n", text), name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_result_is_typed_into_the_prose(path):
    assert RESULT.findall(prose(path)) == []


@pytest.mark.parametrize("typed", ["reaches 73 %", "a KSEA of 0.79", "gains 5 points", "wins (MIREX 73.2)"])
def test_a_typed_in_result_would_be_found(typed, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"The 24 keys of 240 clips. It {typed}, see {{glue:text}}`a.ipynb::b:.1f` %.")
    assert RESULT.findall(prose(page))


def test_the_pictures_of_the_repository_show_the_record():
    picture = scores_drawing(evaluate(T3), "mirex", "MIREX score, system by system")
    drawings = {PICTURE: picture, LOGO: logo()}
    for picture, drawing in drawings.items():
        kept, places = shape((ROOT / picture).read_text(encoding="utf-8"))
        drawn, same_places = shape(drawing.standalone())
        assert kept == drawn
        assert places == pytest.approx(same_places, abs=0.01)


def test_no_script_of_a_page_knows_another_host(parsed):
    for page, soup in parsed.items():
        scripts = "".join(script.text for script in soup.select("script:not([src])"))
        assert not re.findall(r"""https?://|["']//""", scripts), page


@pytest.mark.parametrize(
    ("kind", "fetched"),
    [
        ("html", r"""(?:srcset|poster|data|xlink:href)\s*=\s*["'](?:https?:)?//"""),
        ("html", r"""url\(\s*["']?(?:https?:)?//|@import"""),
        ("svg", r"""(?:href|url\()\s*=?\s*["']?https?:"""),
        ("css", r"@import[^;]*//|url\(\s*['\"]?(?:https?:)?//"),
    ],
)
def test_nothing_of_the_book_is_fetched_from_elsewhere(pages, kind, fetched):
    for file in pages if kind == "html" else (ROOT / INDEX).parent.rglob(f"*.{kind}"):
        text = re.sub(r"<(pre|code)\b.*?</\1>", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.findall(fetched, text), file


def test_fonts_lie_beside_the_style_sheets_that_name_them(pages):
    for sheet in (ROOT / INDEX).parent.rglob("*.css"):
        for address in re.findall(r"url\(\s*['\"]?([^'\")]+)", sheet.read_text("utf-8")):
            file = re.split("[?#]", address)[0]
            assert not file or file.startswith("data:") or (sheet.parent / file).is_file(), f"{sheet}: {file}"


def test_what_a_page_loads_lies_beside_it_and_never_elsewhere(parsed):
    for page, soup in parsed.items():
        for link in (tag.get("src") or tag["href"] for tag in soup.select(LOADED)):
            assert (page.parent / re.split("[?#]", link)[0]).is_file(), f"{page.name} loads {link}"


def test_every_picture_has_a_text_for_those_who_do_not_see_it(parsed):
    assert not [page for page, soup in parsed.items() if soup.select("img:not([alt])")]


def test_lists_of_a_page_hold_items_alone(pages):
    assert not [page for page in pages if 'role="list" class="citation' in page.read_text(encoding="utf-8")]


def test_the_table_can_be_heard_and_seen(pages):
    text = next(page for page in pages if page.stem == T3).read_text(encoding="utf-8")
    assert text.count("<audio") == 3
    assert text.count('role="img"') == 1 + len(evaluate(T3).systems)


def downloads(page: Path, soup: BeautifulSoup) -> dict[str, Path]:
    """Name of each file that a page offers → where the book has it."""
    links = [link["href"] for link in soup.select("a.download")]
    return {Path(link).name: (page.parent / unquote(link)).resolve() for link in links}


def test_every_file_that_a_page_offers_is_in_the_book_as_it_is_in_the_repository(parsed):
    runs = read_runs(ROOT)
    for page, soup in parsed.items():
        # After `reproduce`, a notebook's page offers what was computed then, beside the record.
        computed = str(runs[page.stem].parameters.get("output", RESULTS)) if page.stem in runs else RESULTS
        kinds = ("", "observations", "training")
        folders = [FOLDER, *(f"{made}/{kind}" for made in {RESULTS, computed} for kind in kinds)]
        for name, file in downloads(page, soup).items():
            assert file.is_file(), f"{page.name} offers {name}"
            sources = [ROOT / folder / name for folder in folders if (ROOT / folder / name).is_file()]
            assert not sources or file.read_bytes() in [source.read_bytes() for source in sources]


def test_observations_asked_the_networks_that_are_on_record():
    ticks = agreement(ROOT, [])
    assert ticks and all(tick.startswith("✓") for tick in ticks.values()), ticks


def test_below_each_table_and_figure_its_notebook_and_its_record_can_be_downloaded(parsed):
    at = {page.stem: downloads(page, soup) for page, soup in parsed.items() if page.parent.name == FOLDER}
    for name in TABLES:
        assert {f"{name}.ipynb", ABOUT, ANSWERS} <= set(at[name]), name
    for name in recorded_observations(ROOT / RESULTS):
        assert {f"{name}.{ending}" for ending in ("ipynb", "json")} <= set(at[name]), name


def test_no_sound_and_no_picture_is_packed_into_a_page(pages):
    assert all("base64," not in page.read_text(encoding="utf-8") for page in pages)


def test_the_examples_to_hear_run_from_easy_to_hard():
    answers = {"krumhansl": (*KEYS[:20], *(key.transposed(6) for key in KEYS[20:]))}
    easy, middle, hard = instructive_rows(answers_to(answers))
    assert easy < 20 and middle < 20 and hard >= 20
    assert len({easy, middle, hard}) == 3


def test_an_answer_is_told_in_words():
    assert answer_in_words(KEYS[0], KEYS[7]) == "G major, a fifth above"
    assert answer_in_words(KEYS[0], KEYS[21]) == "A minor, the relative key"
    assert answer_in_words(KEYS[21], 0) == "signature of C major, right"
    assert answer_in_words(KEYS[21], 7) == "signature of G major, not C"
    assert answer_in_words(KEYS[0], None) == "no answer"


def test_the_landing_page_answers_shows_three_doors_and_folds_the_key(pages):
    text = (ROOT / INDEX).parent.joinpath("book", "index.html").read_text(encoding="utf-8")
    places = [text.index(words) for words in ("What reproduced.", "What did not", "What is new.")]
    assert places == sorted(places)
    assert all(f">{door}</span></a></strong>" in text for door in ("Use it", "Check it", "Learn it"))
    assert 'aria-label="The papers beside this companion. ' in text
    assert text.count("<audio") == 1
    assert "<details><summary>" in text[text.index("<audio") :]


@pytest.fixture
def outputs(pages):
    """What the snippets on using the estimator print, by name."""
    return {file.stem: file.read_text("utf-8") for file in (ROOT / OUTPUTS).glob("*.txt")}


def test_the_snippets_on_using_the_estimator_run_and_answer(outputs):
    key = example_clips()[0].key
    said, _, file = outputs["detect"].splitlines()[-1].split("\t")
    assert (said, file) == (str(key), "song.flac")
    assert outputs["python"].startswith(str(key))
    assert outputs["array"].splitlines()[0].endswith(str(key))
    assert outputs["noise"].startswith("None\nno tonality")
    assert outputs["beets"].split() == [format_key(key, Notation.SHORT)]  # a key in one word


def test_on_the_page_a_file_without_sound_stops_nothing(outputs):
    assert "notes.wav" in outputs["folder"] and "(exit status 1)" in outputs["folder"]
    assert all(name in outputs["folder"] for name in ("first.flac", "second.flac"))
    assert len(outputs["many"].splitlines()) >= 3
    assert "would write" in outputs["tags"]


def test_a_sentence_that_the_record_refutes_stops_the_build_and_is_named_with_its_page():
    empty: dict[str, float] = {}
    assert holds_while(lambda: 2 > 1, "Two is more.") == "Two is more."
    printed = {
        "fine.md": "Two is more.",
        "page.md": "\n".join(
            [
                holds_while(lambda: 1 > 2, "One is more."),
                holds_while(lambda: empty["no part"] > 0, "There is one."),
            ]
        ),
    }
    with pytest.raises(SkeyError, match=r"page\.md: One is more\.\npage\.md: There is one\."):
        refuse_stale(printed)


def test_what_an_executed_notebook_prints_is_searched(tmp_path):
    output = {"data": {"text/markdown": [f"{NOT_HERE} One\n", "is more."]}}
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown"}, {"outputs": [output]}]}))
    assert printed_text(path) == f"{NOT_HERE} One\nis more."
