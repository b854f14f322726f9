"""What becomes of runs that are open when the process ends.

- SIGTERM: they end KILLED, and then the signal has its usual effect. The handler is there while a
  run is open, and only where nobody else has one.
- The program's end: FINISHED if it ended well; FAILED after an unhandled exception of the main
  thread or an exit code other than 0; KILLED after Ctrl-C. What other threads raise doesn't count.
- kill -9, `os._exit` and a crash of the interpreter leave the run RUNNING: nobody is asked.

How the program ended isn't told to anyone at exit. But the outermost frame of the main thread,
remembered when the run began, shows the last instruction that it executed: a return, or what
raised. Unhandled exceptions leave a trace in `sys.last_value`; if there is none, it was SystemExit.
Its code is seen when it is raised: by `sys.monitoring` since Python 3.12; before, `sys.exit`,
`exit` and `quit` are wrapped while a run is open. What remains: on Python 3.10 and 3.11 the code of
a bare `raise SystemExit(code)`, or of a `sys.exit` that was imported by name before the run began,
isn't known: the run ends FAILED, with a warning that says how to avoid it.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import opcode
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from tracking_core.entities import RunStatus
from tracking_core.errors import TrackingError
from tracking_core.fluent.stack import OpenRun

_logger = logging.getLogger(__name__)

Finish = Callable[[OpenRun, RunStatus], None]

_LONGEST_WAIT = 30.0
_LONGEST_START = 5.0


class ProcessEnd:
    """The open runs of this process, and what watches its end while there are any."""

    def __init__(self, finish: Finish) -> None:
        self._finish = finish
        self._lock = threading.RLock()
        self._open: dict[OpenRun, None] = {}
        self._registered_in: int | None = None
        self._exits = ExitWatch()
        self._terminating = False
        self._starting = 0
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def add(self, run: OpenRun) -> None:
        """Watch over a run."""
        with self._lock:
            if not self.own_runs():
                self._begin()
            self._open[run] = None

    def remove(self, run: OpenRun) -> None:
        """Watch no more over a run that has ended."""
        with self._lock:
            self._open.pop(run, None)
            if not self.own_runs():
                self._stop()

    def find(self, run_id: str) -> OpenRun | None:
        """Return the open run of this id, of any thread, or None."""
        return next((run for run in list(self._open) if run.run_id == run_id), None)

    def holds(self, run: OpenRun) -> bool:
        """Tell whether a run is watched over."""
        return run in self._open

    def own_runs(self) -> list[OpenRun]:
        """Return the open runs that this very process started, the last one first."""
        return [run for run in reversed(list(self._open)) if run.is_own]

    def end_all(self, status: RunStatus) -> None:
        """End every open run of this process; what goes wrong is told to the log."""
        for run in self.own_runs():
            try:
                self._finish(run, status)
            except TrackingError as error:
                _logger.warning("The run %s couldn't be ended %s: %s", run.run_id, status, error)

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Let SIGTERM wait for a run that is being started, and start none once it has come."""
        if self._terminating:
            threading.Event().wait(_LONGEST_WAIT)  # the process ends meanwhile
        with self._lock:
            self._starting += 1
        try:
            yield
        finally:
            with self._lock:
                self._starting -= 1

    # --- the watch ---

    def _begin(self) -> None:
        if self._registered_in != os.getpid():
            self._registered_in = os.getpid()
            atexit.register(self._at_exit)
            _at_exit_of_worker(self._at_exit)
        self._exits.start()
        if (
            os.name == "posix"
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        ):
            signal.signal(signal.SIGTERM, self._on_terminate)

    def _stop(self) -> None:
        self._exits.stop()
        if (
            os.name == "posix"
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGTERM) == self._on_terminate
            and not self._terminating
        ):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()
        self._terminating = False
        self._starting = 0

    def _at_exit(self) -> None:
        # In a forked child, the function of the parent is there too, but no run of its own.
        if self.own_runs():
            self.end_all(self._exits.status())

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        if not self._terminating and self.own_runs():
            self._terminating = True
            # In a thread: this one may hold the very lock of the store that ending takes.
            thread = threading.Thread(target=self._end_and_terminate, args=(number,))
            with contextlib.suppress(RuntimeError):
                thread.start()
                return
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _end_and_terminate(self, number: int) -> None:
        try:
            give_up = time.monotonic() + _LONGEST_START
            while self._starting and time.monotonic() < give_up:
                time.sleep(0.01)
            self.end_all(RunStatus.KILLED)
        finally:
            # Again and again: one that comes just before the main thread waits is slept through.
            while True:
                os.kill(os.getpid(), number)
                time.sleep(0.05)


class ExitWatch:
    """Finds out how the main thread ended."""

    def __init__(self) -> None:
        self._frame: FrameType | None = None
        self._in_worker = False
        self._error_before: object = None
        self._exit: SystemExit | None = None
        self._undo: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin to look."""
        self._frame = _outermost_frame()
        self._in_worker = self._frame is not None and _is_worker(self._frame)
        self._error_before = _last_error()
        self._exit = None
        if not self._undo:
            self._undo = list(_observe_exits(self._note))

    def stop(self) -> None:
        """Look no more."""
        while self._undo:
            self._undo.pop()()
        self._frame = self._exit = self._error_before = None

    def status(self) -> RunStatus:
        """Return what the end of the main thread means for a run that is still open."""
        # At a prompt, an error ends a statement and not the program.
        if hasattr(sys, "ps1") or self._frame is None or _has_returned(self._frame):
            return RunStatus.FINISHED
        if self._in_worker:
            # multiprocessing prints errors itself, and calls what is registered when they are gone.
            if self._exit is not None and self._has_left_worker():
                return status_after(self._exit)
            return RunStatus.FAILED
        error = _last_error()
        if error is not None and error is not self._error_before:
            return status_after(error)
        if self._exit is not None:
            return status_after(self._exit)
        _logger.warning(
            "A run was still open when the program ended by SystemExit, with a code that this"
            " Python doesn't tell: the run ends FAILED. Use `with start_run():`, end_run(), or"
            " sys.exit(code)."
        )
        return RunStatus.FAILED

    def _note(self, error: BaseException) -> None:
        if not isinstance(error, SystemExit):
            return
        if threading.current_thread() is threading.main_thread() and not self._has_left_worker():
            self._exit = error

    def _has_left_worker(self) -> bool:
        """Tell whether the work of a process of multiprocessing has been left by SystemExit."""
        return (
            self._in_worker
            and self._frame is not None
            and self._exit is not None
            and _has_left(self._frame, self._exit)
        )


def status_after(error: BaseException) -> RunStatus:
    """Return how a run ends that an exception ends."""
    if isinstance(error, SystemExit):
        return RunStatus.FINISHED if error.code in (None, 0) else RunStatus.FAILED
    asyncio: Any = sys.modules.get("asyncio")
    if isinstance(error, KeyboardInterrupt) or (
        asyncio is not None and isinstance(error, asyncio.CancelledError)
    ):
        return RunStatus.KILLED
    return RunStatus.FAILED


def _last_error() -> BaseException | None:
    """Return what the interpreter printed last as unhandled in the main thread."""
    return getattr(sys, "last_value", None)


def _outermost_frame() -> FrameType | None:
    """Return the main thread's outermost frame; in a worker of multiprocessing, that of `run`."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_back is not None and not _is_worker(frame):
        frame = frame.f_back
    return frame


def _is_worker(frame: FrameType) -> bool:
    """Tell whether this is the frame that a process of multiprocessing works in."""
    caller = frame.f_back
    return (
        caller is not None
        and caller.f_code.co_name == "_bootstrap"
        and caller.f_globals.get("__name__") == "multiprocessing.process"
    )


def _has_left(frame: FrameType, error: BaseException) -> bool:
    """Tell whether an exception has come as far as to this frame."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame is not frame:
        traceback = traceback.tb_next
    return traceback is not None


def _has_returned(frame: FrameType) -> bool:
    code: CodeType = frame.f_code
    last = code.co_code[frame.f_lasti] if 0 <= frame.f_lasti < len(code.co_code) else 0
    return opcode.opname[last].startswith("RETURN")


def _observe_exits(note: Callable[[BaseException], None]) -> Iterator[Callable[[], None]]:
    """See to it that SystemExit is noted when it is raised; yield what undoes it."""
    if sys.version_info >= (3, 12):
        monitoring = sys.monitoring
        raised = monitoring.events.RAISE
        # 3 and 4 are the ids without a customary owner.
        for tool in (3, 4):
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, "tracking_core")
                monitoring.register_callback(tool, raised, lambda code, offset, error: note(error))
                monitoring.set_events(tool, raised)

                def free(tool: int = tool) -> None:
                    monitoring.set_events(tool, monitoring.events.NO_EVENTS)
                    monitoring.register_callback(tool, raised, None)
                    monitoring.free_tool_id(tool)

                yield free
                return
    owners: list[tuple[Any, str]] = [(sys, "exit")]
    if "_sitebuiltins" in sys.modules:
        owners.append((sys.modules["_sitebuiltins"].Quitter, "__call__"))
    for owner, name in owners:
        yield _wrap(owner, name, note)


def _wrap(owner: Any, name: str, note: Callable[[BaseException], None]) -> Callable[[], None]:
    original = getattr(owner, name)

    def observed(*arguments: Any, **named: Any) -> Any:
        try:
            return original(*arguments, **named)
        except SystemExit as error:
            note(error)
            raise

    setattr(owner, name, observed)

    def undo() -> None:
        if getattr(owner, name) is observed:  # else somebody has wrapped it again
            setattr(owner, name, original)

    return undo


def _at_exit_of_worker(function: Callable[[], None]) -> None:
    """Call a function at the end of a process of multiprocessing, which `atexit` is not run in."""
    if "multiprocessing.process" in sys.modules:
        # Local: who doesn't use it shouldn't load it.
        from multiprocessing import process, util

        if process.parent_process() is not None:
            util.Finalize(None, function, exitpriority=0)
