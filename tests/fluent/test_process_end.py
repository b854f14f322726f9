"""How runs end with their process: programs of their own, looked at from outside."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fluent.conftest import Program, program_environment

Statuses = Callable[[], dict[str, str]]

IN_THREAD = "import threading\nthread = threading.Thread(target={})\nthread.start()\nthread.join()"

ENDINGS = [
    ("", 0, "FINISHED"),
    ("sys.exit()", 0, "FINISHED"),
    ("sys.exit(0)", 0, "FINISHED"),
    ("sys.exit(3)", 3, "FAILED"),
    ("sys.exit('message')", 1, "FAILED"),
    ("raise SystemExit(4)", 4, "FAILED"),
    ("raise SystemExit('message')", 1, "FAILED"),
    ("exit(0)", 0, "FINISHED"),
    ("quit(5)", 5, "FAILED"),
    ("1 / 0", 1, "FAILED"),
    ("raise KeyboardInterrupt", -signal.SIGINT, "KILLED"),
    ("try:\n    sys.exit(3)\nexcept SystemExit:\n    pass", 0, "FINISHED"),
    ("try:\n    sys.exit(3)\nexcept SystemExit:\n    sys.exit(0)", 0, "FINISHED"),
    ("try:\n    sys.exit(3)\nfinally:\n    x = 1", 3, "FAILED"),
    ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    sys.exit(2)", 2, "FAILED"),
    ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass", 0, "FINISHED"),
    ("def main():\n    sys.exit(6)\nmain()", 6, "FAILED"),
    ("import argparse\nargparse.ArgumentParser().parse_args(['--nosuch'])", 2, "FAILED"),
    (IN_THREAD.format("lambda: 1 / 0"), 0, "FINISHED"),
    (IN_THREAD.format("lambda: sys.exit(3)"), 0, "FINISHED"),
    ("sys.excepthook = lambda *arguments: None\n1 / 0", 1, "FAILED"),
    ("tracking.end_run('KILLED')\nsys.exit(3)", 3, "KILLED"),
]


@pytest.mark.parametrize(("ending", "code", "status"), ENDINGS, ids=[e[0] for e in ENDINGS])
def test_an_open_run_ends_as_its_program(
    run_program: Program, statuses: Statuses, ending: str, code: int, status: str
) -> None:
    program = "import sys\nimport tracking_core as tracking\ntracking.start_run(run_name='r')\n"
    done = run_program(program + ending)

    assert done.returncode == code, done.stderr
    assert statuses() == {"r": status}


@pytest.mark.parametrize(("ending", "status"), [("", "FINISHED"), ("sys.exit(3)", "FAILED")])
def test_the_same_for_a_module_that_is_run(
    run_program: Program, statuses: Statuses, ending: str, status: str
) -> None:
    program = "import sys\nimport tracking_core as tracking\ntracking.start_run(run_name='r')\n"
    run_program(program + ending, module=True)
    assert statuses() == {"r": status}


def test_raise_systemexit_of_zero_is_known_where_python_tells(
    run_program: Program, statuses: Statuses
) -> None:
    done = run_program(
        """
        import tracking_core as tracking
        def main():
            tracking.start_run(run_name="r")
            return 0
        raise SystemExit(main())
        """
    )
    assert done.returncode == 0
    if sys.version_info >= (3, 12):
        assert statuses() == {"r": "FINISHED"}
    else:  # the hole, told with a way around it
        assert statuses() == {"r": "FAILED"}
        assert "Use `with start_run():`" in done.stderr


def test_runs_of_every_thread_are_ended(run_program: Program, statuses: Statuses) -> None:
    run_program(
        """
        import sys, threading
        import tracking_core as tracking
        tracking.start_run(run_name="main")
        tracking.start_run(run_name="nested", nested=True)
        thread = threading.Thread(target=tracking.start_run, kwargs={"run_name": "thread"})
        thread.start(); thread.join()
        sys.exit(1)
        """
    )
    assert statuses() == {"main": "FAILED", "nested": "FAILED", "thread": "FAILED"}


def test_what_was_put_in_place_is_taken_away_when_the_last_run_ends(
    run_program: Program,
) -> None:
    done = run_program(
        """
        import signal, sys
        import tracking_core as tracking
        before = sys.exit, signal.getsignal(signal.SIGTERM)
        with tracking.start_run():
            with tracking.start_run(nested=True):
                pass
            assert signal.getsignal(signal.SIGTERM) is not before[1]
        assert (sys.exit, signal.getsignal(signal.SIGTERM)) == before
        if sys.version_info >= (3, 12):
            assert sys.monitoring.get_tool(3) is None
        """
    )
    assert done.returncode == 0, done.stderr


WAITING = """
import sys
import tracking_core as tracking
{before}
{start}
print("ready", flush=True)
{wait}
"""
# Not forever at once: a signal that comes just before a call that waits is slept through.
POLITE = "import time\nwhile True:\n    time.sleep(1)"
BUSY = "[tracking.log_metric('m', i, step=i) for i in range(10**9)]"


def terminated(
    directory: Path,
    *,
    start: str,
    before: str = "",
    wait: str = POLITE,
    number: int = signal.SIGTERM,
) -> int:
    """Run a program until it is ready, send a signal and return its exit code."""
    lines = WAITING.format(before=before, start=start, wait=wait)
    (directory / "program.py").write_text(lines)
    program = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=directory,
        env=program_environment(directory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(number)
        return program.wait(60)


@pytest.mark.parametrize("wait", [POLITE, BUSY], ids=["waiting", "logging"])
def test_sigterm_ends_open_runs_killed_and_then_does_what_it_does(
    tmp_path: Path, statuses: Statuses, wait: str
) -> None:
    code = terminated(tmp_path, start="tracking.start_run(run_name='r')", wait=wait)
    assert code == -signal.SIGTERM
    assert statuses() == {"r": "KILLED"}


def test_sigterm_in_a_program_of_one_run_after_the_other_leaves_none_running(
    tmp_path: Path, statuses: Statuses
) -> None:
    loop = """
while True:
    with tracking.start_run():
        tracking.log_metric("m", 1)
"""
    code = terminated(tmp_path, start="", wait=loop)
    assert code == -signal.SIGTERM
    assert set(statuses().values()) <= {"FINISHED", "KILLED"}


def test_ctrl_c_ends_a_block_killed(tmp_path: Path, statuses: Statuses) -> None:
    start = "run = tracking.start_run(run_name='r'); run.__enter__()"
    code = terminated(tmp_path, start=start, number=signal.SIGINT)
    assert code == -signal.SIGINT
    assert statuses() == {"r": "KILLED"}


def test_who_has_a_handler_of_his_own_keeps_it(tmp_path: Path, statuses: Statuses) -> None:
    before = "import signal; signal.signal(signal.SIGTERM, lambda *arguments: sys.exit(9))"
    code = terminated(tmp_path, start="tracking.start_run(run_name='r')", before=before)
    assert code == 9
    assert statuses() == {"r": "FAILED"}


def test_a_forked_child_logs_to_the_run_but_never_ends_it(
    run_program: Program, statuses: Statuses
) -> None:
    done = run_program(
        """
        import os, sys
        import tracking_core as tracking
        with tracking.start_run(run_name="r") as run:
            if (child := os.fork()) == 0:
                tracking.log_metric("from the child", 1)
                tracking.end_run("FAILED")
                tracking.set_experiment("of the child")
                with tracking.start_run(run_name="own"):
                    pass
                sys.exit(3)  # leaves the block and runs what is registered for the exit
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
            found = tracking.get_run(run.info.run_id)
            assert found.info.status == "RUNNING", found
            assert found.data.metrics == {"from the child": 1}
        """
    )
    assert done.returncode == 0, done.stderr
    assert statuses() == {"r": "FINISHED", "own": "FINISHED"}


def test_a_forked_child_that_falls_through_the_block_does_not_end_the_run(
    run_program: Program, statuses: Statuses
) -> None:
    done = run_program(
        """
        import os
        import tracking_core as tracking
        with tracking.start_run(run_name="r") as run:
            child = os.fork()
        if child:
            os.waitpid(child, 0)
        else:
            os._exit(0)
        """
    )
    assert done.returncode == 0, done.stderr
    assert statuses() == {"r": "FINISHED"}


def test_a_child_that_is_terminated_leaves_the_parent_s_run_alone(
    run_program: Program, statuses: Statuses
) -> None:
    done = run_program(
        """
        import os, signal
        import tracking_core as tracking
        reading, writing = os.pipe()
        with tracking.start_run(run_name="r") as run:
            if (child := os.fork()) == 0:
                os.write(writing, b".")
                while True:  # a signal that comes just before a pause() would be slept through
                    pass
            os.read(reading, 1)
            os.kill(child, signal.SIGTERM)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
            assert tracking.get_run(run.info.run_id).info.status == "RUNNING"
        """
    )
    assert done.returncode == 0, done.stderr
    assert statuses() == {"r": "FINISHED"}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_open_runs_of_a_worker_process_end_with_it(
    run_program: Program, statuses: Statuses, method: str
) -> None:
    done = run_program(
        f"""
        import multiprocessing, sys
        import tracking_core as tracking

        def work(name, end):
            try:
                sys.exit(0)
            except SystemExit:
                pass
            tracking.start_run(run_name=name)
            exec(end)

        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            for name, end, code in (
                ("good", "", 0),
                ("bad", "sys.exit(2)", 2),
                ("well", "sys.exit(0)", 0),
                ("worse", "1 / 0", 1),
            ):
                process = context.Process(target=work, args=(name, end))
                process.start()
                process.join()
                assert process.exitcode == code
        """
    )
    assert done.returncode == 0, done.stderr
    assert statuses() == {
        "good": "FINISHED",
        "bad": "FAILED",
        "well": "FINISHED",
        "worse": "FAILED",
    }


def test_os_exit_asks_nobody(run_program: Program, statuses: Statuses) -> None:
    code = "import os, tracking_core\ntracking_core.start_run(run_name='r')\nos._exit(0)\n"
    run_program(code)
    assert statuses() == {"r": "RUNNING"}
