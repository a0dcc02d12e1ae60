"""The book: its computed parts, and the build with every warning as an error and nothing fetched."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from companion.pages.parts import write_pages
from skey.errors import SkeyError

OUTPUT = Path("build") / "book"  # where jupyter-book writes, below the top of the checkout
INDEX = OUTPUT / "_build" / "html" / "index.html"  # the book's first page

STRICT = ["-n", "-W", "--keep-going", "--all"]
"""Unknown references are warnings, warnings are errors, all of them are shown, and no page is skipped."""

_SHOWN = 40


def build_book(checkout: Path) -> Path:
    """Build the book from executed notebooks and the record: its first page. A warning is a ``SkeyError``."""
    write_pages(checkout)
    command = [script("jupyter-book"), "build", checkout, "--path-output", checkout / OUTPUT, *STRICT]
    plain = {**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"}  # colours would hide the warnings in a log
    how: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
    done = subprocess.run(list(map(str, command)), cwd=checkout, env=plain, **how)
    index = checkout / INDEX
    if done.returncode or not index.is_file():
        raise SkeyError(_complaints(done.stdout + done.stderr))
    return index


def script(name: str) -> Path:
    """A command that was installed beside this Python; raises ``SkeyError`` where it was not."""
    path = Path(sys.executable).parent / (f"{name}.exe" if os.name == "nt" else name)
    if not path.is_file():
        raise SkeyError(f"{path} is missing: install the extra of the book with `pip install -e .[book]`")
    return path


def _complaints(log: str) -> str:
    lines = log.splitlines()
    named = [line for line in lines if "WARNING" in line or "ERROR" in line]
    return "\n".join(["the book was not built:", *(named or lines)[-_SHOWN:]])
