#!/usr/bin/env python3
"""The door to this project: prepares ``.venv`` once, then hands over to ``python -m companion`` inside it.

Needs nothing but Python's standard library, on Linux, macOS and Windows.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "skey-companion.stamp"  # empty until the environment is finished
PYTHONS = ((3, 11), (3, 13))
COMMANDS = {
    "reproduce": "run every notebook, check the record, build the book, print the scores",
    "test": "run what continuous integration runs: style, types, tests",
    "book": "build the book from the record alone",
}


def usage() -> str:
    """What this script can do, a line each."""
    lines = [f"  python3 run.py {name:<10} {what}" for name, what in COMMANDS.items()]
    lines += [
        "",
        "Others: check, ship, record-corpus, and those of `skey`: detect, train, corpus, weights, ...",
    ]
    return "\n".join(["usage: python3 run.py COMMAND [OPTIONS]", "", *lines])


def fingerprint() -> str:
    """The state of the environment: the lock, the project's metadata, the Python version and this folder."""
    # An environment names its folder: in a copy of that it would run the code of the first.
    digest = hashlib.sha256(sys.version.encode() + os.fsencode(ROOT))
    for file in (LOCK, ROOT / "pyproject.toml"):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def venv_python() -> Path:
    """The interpreter inside the virtual environment."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_place() -> None:
    """Remove an older environment of ours; refuse where it is another's, or runs this."""
    if os.path.lexists(VENV):
        if not STAMP.is_file():
            sys.exit(f"run.py did not make {VENV}: rename or remove it, then run the same command again.")
        if VENV.samefile(sys.prefix):
            sys.exit(f"{VENV} is to be made anew, and this Python runs in it: call `deactivate` first.")
    shutil.rmtree(VENV, ignore_errors=True)


def create_venv() -> None:
    """Make an empty virtual environment, or say what the system lacks for it."""
    VENV.mkdir(exist_ok=True)
    STAMP.touch()
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if made.returncode:
        said = made.stdout + made.stderr
        hint = "On Debian and Ubuntu: apt install python3-venv" if "ensurepip" in said else ""
        sys.exit(f"Could not make {VENV}.\n{said}{hint}")


def pip_install(*arguments: str) -> None:
    """Install into the virtual environment; an unfinished environment is never stamped as finished."""
    pip = [str(venv_python()), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "install", *arguments], cwd=ROOT).returncode:
        sys.exit("Installation failed: pip says above why. Run the same command again when that is mended.")


def lock(file: TextIO) -> None:
    """Keep other installations out until this file is closed or the process ends, however it ends."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        sys.exit("Another run.py is installing here: run the same command again when it has finished.")
    except OSError:
        pass  # The disks of some clusters have no locks.


def is_prepared() -> bool:
    """Whether the stamp says that the virtual environment is finished."""
    return STAMP.is_file() and STAMP.read_text() == fingerprint()


def prepare_environment() -> None:
    """Create and fill the virtual environment, unless that is done."""
    if is_prepared():
        return
    with (ROOT / ".venv.lock").open("w") as file:
        lock(file)
        if not is_prepared():  # as another may have finished just now
            install()


def install() -> None:
    """Make the virtual environment anew, and stamp it when it is finished."""
    make_place()
    began = time.monotonic()
    print("Installing the pinned packages (once, about 3 minutes) ...", file=sys.stderr, flush=True)
    create_venv()
    pip_install("--requirement", str(LOCK))
    # The lock holds the build backend too, so that nothing unpinned is fetched.
    pip_install("--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    STAMP.write_text(fingerprint())
    print(f"Installed in {time.monotonic() - began:.0f} s.", file=sys.stderr, flush=True)


def main() -> int:
    """Prepare the environment and run the command in it."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        if hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head -1` is no error
        print(usage())
        return 0
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        sys.exit(f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}. Try: python3.13 run.py")
    prepare_environment()
    # Whoever switches off compiled modules pays for it at every start: hundreds of processes in the tests.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [str(venv_python()), "-m", "companion", *arguments]
    if os.name != "nt":
        os.execve(command[0], command, environment)
    child = subprocess.Popen(command, env=environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the child, which ends in its own time.
    return child.wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"run.py: {error}")
