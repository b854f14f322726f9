"""The active runs: a stack in a context variable, so that threads and tasks don't mix.

A thread begins with no run. A task or a copied context sees the run that was active where it was
made, and may log to it, but only where a run was started can a bare `end_run()` end it.

The cells of a notebook are a case of their own. Some kernels run each cell in a copy of the
context, and all run cells with a top-level `await` in a task; yet a user expects one cell to go on
where the last one ended. Therefore the runs that cells start are also kept in a list of the
process, which cells look at, and the tasks that cells make don't.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from types import CodeType
from typing import Any

from tracking_core.client import Client
from tracking_core.client.run_context import in_notebook_kernel
from tracking_core.client.system_metrics import SystemMetrics

_stack: contextvars.ContextVar[tuple[OpenRun, ...]] = contextvars.ContextVar(
    "tracking_core_active_runs", default=()
)
_cells: list[OpenRun] = []
_KERNEL_PACKAGES = ("ipykernel", "IPython", "tornado")


class OpenRun:
    """A run that was started here and has not ended.

    Attributes:
        client: Where it is; setting another tracking URI doesn't move it.
        run_id: Its id.
        experiment_id: Its experiment.
        process: The process that started it, which alone ends it.
        ended: Whether it has ended, or been let go of.
    """

    __slots__ = (
        "_token",
        "client",
        "ended",
        "experiment_id",
        "lock",
        "monitor",
        "process",
        "run_id",
    )

    def __init__(self, client: Client, run_id: str, experiment_id: str) -> None:
        self.client = client
        self.run_id = run_id
        self.experiment_id = experiment_id
        self.process = os.getpid()
        self.ended = False
        self.lock = threading.Lock()
        self.monitor: SystemMetrics | None = None
        self._token: contextvars.Token[tuple[OpenRun, ...]] | None = None

    @property
    def is_own(self) -> bool:
        """Whether this process started it."""
        return self.process == os.getpid()


def current() -> OpenRun | None:
    """Return the run that is active here, or None."""
    stack = _stack.get()
    if stack and not stack[-1].ended:
        return stack[-1]
    if not stack and not _cells:
        return None
    live = live_runs()
    return live[-1] if live else None


def live_runs() -> tuple[OpenRun, ...]:
    """Return the runs that are active here, the innermost last."""
    live = tuple(run for run in _stack.get() if not run.ended)
    if not live and _cells and _in_cell():
        live = tuple(run for run in _cells if not run.ended)
    return live


def push(run: OpenRun) -> None:
    """Make a run the active one here."""
    run._token = _stack.set((*live_runs(), run))
    if in_notebook_kernel() and _in_cell():
        _cells[:] = [*(each for each in _cells if not each.ended), run]


def pop(run: OpenRun) -> bool:
    """Let go of a run in this context, and tell whether it was started here.

    A context doesn't tell what it is, but a token knows which one it belongs to.
    """
    if run in _cells and _in_cell():
        _cells.remove(run)
        _remove(run)
        return True
    token = run._token
    if token is not None and run.is_own:
        try:
            _stack.reset(token)
        except ValueError:
            pass  # of another context
        except RuntimeError:
            return True  # used before
        else:
            return True
    _remove(run)
    return False


def let_go(run: OpenRun) -> None:
    """Take a run and those above it out of this context's stack, whoever started it."""
    _remove(run)
    if run in _cells:
        _cells.remove(run)


def above(run: OpenRun) -> tuple[OpenRun, ...]:
    """Return the runs that were started here inside of a run and are still active."""
    live = live_runs()
    return live[live.index(run) + 1 :] if run in live else ()


def _remove(run: OpenRun) -> None:
    stack = _stack.get()
    if run in stack:
        _stack.set(stack[: stack.index(run)])


def _in_cell() -> bool:
    """Tell whether a notebook's cell is running here, rather than a thread or task that it made."""
    if threading.current_thread() is not threading.main_thread():
        return False
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is None:
        return True
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return True
    if task is None:
        return True
    code: CodeType | None = getattr(task.get_coro(), "cr_code", None)
    return code is not None and any(
        f"{os.sep}{package}{os.sep}" in code.co_filename for package in _KERNEL_PACKAGES
    )
