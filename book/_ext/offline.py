"""Keeps the book whole without a network: MathJax and sound lie beside the pages that use them."""

import importlib.util
import shutil
from pathlib import Path

from sphinx.application import Sphinx

MATHJAX = Path("static") / "mathjax" / "tex-svg.js"
CLIPS = Path("build") / "clips"
FROM_NOTEBOOK = f'src="../{CLIPS.as_posix()}/'


def mathjax_file() -> Path:
    """The file of MathJax that typesets TeX as SVG and needs no fonts; its package serves as data only."""
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    assert package and package.submodule_search_locations, "install sphinx-mathjax-offline"
    return Path(package.submodule_search_locations[0]) / MATHJAX


def adjust(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """What jupyter-book and docutils write that needs a change.

    Players name their sound as seen from `notebooks/`, and a page of the book may lie deeper or higher.
    Scripts of thebe, which come unasked, fetch code from a host. References have the role of a list, and
    their children that of no item.
    """
    body, listed = context.get("body", ""), '<div role="list" class="citation'
    if FROM_NOTEBOOK in body:
        body = body.replace(FROM_NOTEBOOK, f'src="{context["pathto"]("_clips/", resource=True)}')
    context["body"] = body.replace(listed, listed.replace(' role="list"', ""))
    scripts = context.get("script_files", [])
    context["script_files"] = [each for each in scripts if "thebe" not in f"{each} {vars(each)}".lower()]


def copy_assets(app: Sphinx, error: Exception | None) -> None:
    """Copy MathJax and the sound into the finished book."""
    if error or app.builder.format != "html":
        return
    target = Path(app.outdir)
    (target / "_static" / "mathjax").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(mathjax_file(), target / "_static" / "mathjax" / MATHJAX.name)
    clips = Path(app.srcdir) / CLIPS
    if clips.is_dir():
        shutil.copytree(
            clips, target / "_clips", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.partial")
        )


def setup(app: Sphinx) -> dict:
    """Register with Sphinx."""
    app.connect("html-page-context", adjust, priority=900)  # after jupyter-book added its scripts
    app.connect("build-finished", copy_assets)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
