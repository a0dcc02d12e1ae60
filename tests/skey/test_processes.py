"""Workers never outlive the process that started them, and their errors arrive."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from skey.corpus.processes import default_jobs, in_processes
from skey.errors import SkeyError

HERE = Path(__file__).parent


def refuse(number: int) -> None:
    if number == 2:
        raise SkeyError("no twos")


def die(_: int) -> int:
    os._exit(9)


def write_pid_and_wait(folder: str) -> None:
    Path(folder, f"{os.getpid()}.pid").touch()
    time.sleep(60)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or " Z " not in Path(f"/proc/{pid}/stat").read_text()


def wait_until(condition, seconds: float = 180.0) -> bool:  # a busy machine imports torch in half a minute
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def test_every_task_is_done_once():
    assert 1 <= default_jobs() <= 8
    assert sorted(in_processes(abs, range(7), jobs=2)) == list(range(7))


@pytest.mark.parametrize(("function", "message"), [(refuse, "no twos"), (die, "fewer --jobs")])
def test_the_first_error_of_a_worker_or_its_end_is_raised_here(function, message):
    with pytest.raises(SkeyError, match=message):
        list(in_processes(function, range(50), jobs=1))


def test_a_script_without_a_main_guard_gets_the_true_reason(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from skey.corpus.processes import in_processes\nprint(list(in_processes(abs, [1], 1)))\n"
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=HERE.parents[1])
    assert ran.returncode != 0
    assert "SkeyError: no worker process could start." in ran.stderr
    assert '__name__ == "__main__"' in ran.stderr.splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent_however_it_ends(tmp_path, blow):
    # A shell that starts the tests in the background has them ignore ctrl-C, and children inherit that.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.path.insert(0, sys.argv[1]); from test_processes import *\n"
        "list(in_processes(write_pid_and_wait, [sys.argv[2]] * 4, jobs=2))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, HERE, tmp_path], stderr=subprocess.PIPE)
    try:
        assert wait_until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
        workers = [int(path.stem) for path in tmp_path.glob("*.pid")]
        assert all(map(alive, workers))
        parent.send_signal(blow)
        parent.communicate(timeout=20)
    finally:
        parent.kill()
    assert parent.returncode != 0
    assert wait_until(lambda: not any(map(alive, workers)))
