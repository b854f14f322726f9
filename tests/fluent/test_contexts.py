"""Threads and tasks don't mix: each has its own active run."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

import tracking_core as tracking
from tracking_core.client import Client
from tracking_core.fluent import stack


def test_a_thread_begins_without_a_run_and_ends_none_of_others(store: Client) -> None:
    with tracking.start_run() as outer:
        seen = []

        def work() -> None:
            seen.append(tracking.active_run())
            tracking.end_run()
            with tracking.start_run() as own:
                tracking.log_param("who", "thread")
                seen.append(own.info.run_id)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert seen[0] is None
        assert seen[1] != outer.info.run_id
        assert store.get_run(outer.info.run_id).info.status == "RUNNING"
        tracking.log_param("who", "main")

    assert store.get_run(outer.info.run_id).data.params == {"who": "main"}


def test_many_threads_log_each_to_its_own_run(store: Client) -> None:
    barrier = threading.Barrier(8)

    def work(number: int) -> str:
        with tracking.start_run() as run:
            barrier.wait(20)
            for step in range(20):
                tracking.log_metric("number", number, step=step)
            return run.info.run_id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(work, range(8)))

    for number, run_id in enumerate(ids):
        points = store.get_metric_history(run_id, "number")
        assert [point.value for point in points] == [number] * 20


def test_tasks_that_take_turns_log_each_to_its_own_run(store: Client) -> None:
    async def trial(number: int) -> str:
        with tracking.start_run(run_name=f"trial {number}") as run:
            for step in range(5):
                await asyncio.sleep(0)
                tracking.log_metric("number", number, step=step)
            return run.info.run_id

    async def main() -> list[str]:
        return list(await asyncio.gather(*(trial(number) for number in range(5))))

    for number, run_id in enumerate(asyncio.run(main())):
        points = store.get_metric_history(run_id, "number")
        assert [point.value for point in points] == [number] * 5
        assert store.get_run(run_id).info.status == "FINISHED"


def test_a_task_logs_to_the_run_around_it_but_does_not_end_it(store: Client) -> None:
    async def part() -> None:
        tracking.log_metric("m", 1)
        tracking.end_run()
        assert tracking.active_run() is None

    async def main() -> str:
        with tracking.start_run() as run:
            await asyncio.create_task(part())
            assert store.get_run(run.info.run_id).info.status == "RUNNING"
            assert tracking.active_run() is not None
        return run.info.run_id

    run = store.get_run(asyncio.run(main()))
    assert run.data.metrics == {"m": 1}
    assert run.info.status == "FINISHED"


def test_a_task_that_outlives_the_run_has_none(store: Client) -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def late() -> object:
            await go.wait()
            return tracking.active_run()

        with tracking.start_run():
            task = asyncio.create_task(late())
            await asyncio.sleep(0)
        go.set()
        assert await task is None

    asyncio.run(main())


def test_a_cancelled_task_ends_its_run_killed(store: Client) -> None:
    started: list[str] = []

    async def forever() -> None:
        with tracking.start_run() as run:
            started.append(run.info.run_id)
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert store.get_run(started[0]).info.status == "KILLED"


def test_a_copied_context_may_log_but_not_end(store: Client) -> None:
    run = tracking.start_run()
    context = contextvars.copy_context()
    context.run(tracking.log_metric, "m", 1)
    context.run(tracking.end_run)

    assert store.get_run(run.info.run_id).info.status == "RUNNING"
    tracking.end_run()
    assert store.get_run(run.info.run_id).info.status == "FINISHED"
    assert store.get_run(run.info.run_id).data.metrics == {"m": 1}


def test_the_last_run_is_that_of_the_thread(store: Client) -> None:
    with tracking.start_run(run_name="main"):
        pass

    def work() -> str:
        with tracking.start_run(run_name="thread"):
            pass
        last = tracking.last_active_run()
        assert last is not None
        return last.info.run_name

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == "thread"
    last = tracking.last_active_run()
    assert last is not None
    assert last.info.run_name == "main"


class Notebook:
    """Runs cells as kernels do: each in a copy of the context, those with await in a task."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stack, "in_notebook_kernel", lambda: True)
        monkeypatch.setattr(stack, "_cells", [])
        self.context = contextvars.copy_context()

    def cell(self, function: object, *arguments: object) -> object:
        return self.context.copy().run(function, *arguments)  # type: ignore[arg-type]

    def await_cell(self, source: str) -> dict[str, object]:
        """Run an async cell in a task whose coroutine is the kernel's own."""
        names: dict[str, object] = {"tracking": tracking, "asyncio": asyncio}
        body = "".join(f"    {line}\n" for line in source.splitlines())
        code = compile(
            f"async def run_cell_async():\n{body}    globals().update(locals())\n",
            "/lib/site-packages/IPython/core/interactiveshell.py",
            "exec",
        )
        exec(code, names)
        self.context.copy().run(asyncio.run, names["run_cell_async"]())  # type: ignore[operator]
        return names


def test_the_cells_of_a_notebook_go_on_with_the_run(
    store: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = Notebook(monkeypatch)
    run = notebook.cell(tracking.start_run)
    assert isinstance(run, tracking.ActiveRun)
    run_id = run.info.run_id
    notebook.cell(tracking.log_metric, "m", 1)
    notebook.await_cell("tracking.log_metric('n', 2)")
    assert store.get_run(run_id).data.metrics == {"m": 1, "n": 2}
    assert store.get_run(run_id).info.status == "RUNNING"
    notebook.cell(tracking.end_run)
    assert store.get_run(run_id).info.status == "FINISHED"
    assert notebook.cell(tracking.active_run) is None


def test_the_tasks_that_a_cell_makes_have_each_their_own_run(
    store: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = SimpleNamespace(ids=[])

    async def trial(number: int) -> None:
        with tracking.start_run() as run:
            results.ids.append(run.info.run_id)
            await asyncio.sleep(0)
            tracking.log_param("number", number)

    monkeypatch.setattr(tracking, "trial", trial, raising=False)
    notebook = Notebook(monkeypatch)
    notebook.await_cell("await asyncio.gather(tracking.trial(0), tracking.trial(1))")

    assert len(set(results.ids)) == 2
    found = [store.get_run(run_id) for run_id in results.ids]
    assert [run.data.params["number"] for run in found] == ["0", "1"]
    assert {run.info.status.value for run in found} == {"FINISHED"}
