"""Starting and ending runs."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tracking_core.client import Client
from tracking_core.client.choices import run_status_of
from tracking_core.client.connection import text_by_key
from tracking_core.client.runs import PARENT_RUN_TAG
from tracking_core.client.system_metrics import SystemMetrics
from tracking_core.entities import LifecycleStage, Run, RunStatus, RunTag
from tracking_core.errors import InvalidStateError, InvalidValueError, TrackingError
from tracking_core.fluent import state, system_metrics_switch
from tracking_core.fluent.process_end import ProcessEnd, status_after
from tracking_core.fluent.stack import OpenRun, above, current, let_go, live_runs, pop, push
from tracking_core.stores import RUN_NAME_TAG
from tracking_core.stores.validation import check_run_name

if TYPE_CHECKING:
    from typing_extensions import Self

NOTE_TAG = "mlflow.note.content"

_logger = logging.getLogger(__name__)


class ActiveRun(Run, frozen=True, kw_only=True, dict=True):
    """A run as it was when it was started; as a context manager it ends when the block does.

    `FAILED` if the block raises, `KILLED` if that is Ctrl-C or the cancellation of a task, else
    `FINISHED`; SystemExit counts by its code.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        run: OpenRun = self.__dict__["open_run"]
        status = RunStatus.FINISHED if error is None else status_after(error)
        inner = above(run)
        let_go(run)
        for each in (*reversed(inner), run):
            try:
                _finish(each, status)
            except TrackingError as failure:
                if error is None:
                    raise
                _logger.warning("The run %s couldn't be ended %s: %s", each.run_id, status, failure)


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Start a run, or resume one, and make it the active one of this thread or task.

    Args:
        run_id: The run to resume. None: the one that `MLFLOW_RUN_ID` names, once; else a new one.
        experiment_id: Where a new run goes. None: a nested run goes where its parent is, others
            to the experiment of `set_experiment`, of the settings, or to `Default`.
        run_name: None: a random one.
        nested: Whether it may be started inside of the active run, whose child it becomes.
        parent_run_id: The run whose child it becomes, instead of the active one.
        tags: Values by key; they win over those that say where the run comes from.
        description: For people; the tag `mlflow.note.content`.
        log_system_metrics: Whether to log CPU, memory, disk, network and GPUs while it goes on.
            None: what `enable_system_metrics_logging` or the settings say.

    Returns:
        The run, which is also a context manager that ends it.

    Raises:
        InvalidStateError: A run is active and this one isn't nested; or the run to resume, its
            parent or the experiment is deleted.
        NotFoundError: There is no such run or experiment.
    """
    with _process_end.starting():
        active = live_runs()
        if active and not nested:
            raise InvalidStateError(
                f"The run {active[-1].run_id!r} is active here. End it by end_run(), or start this"
                " one inside of it by start_run(nested=True)."
            )
        client = active[-1].client if active else state.default_client()
        run_id = run_id or state.run_id_to_resume(client.settings)
        given = text_by_key(tags, what="tags")
        if description is not None:
            if NOTE_TAG in given:
                raise InvalidValueError(
                    f"The description is given twice: as description and as the tag {NOTE_TAG!r}."
                )
            given[NOTE_TAG] = description
        if run_id is not None:
            run = _resume(client, run_id, experiment_id, run_name, given, active)
        else:
            run = _create(client, experiment_id, run_name, given, active, parent_run_id)
        open_run = OpenRun(client, run.info.run_id, run.info.experiment_id)
        push(open_run)
        _process_end.add(open_run)
    _last.run = open_run
    if _wants_system_metrics(client, log_system_metrics):
        open_run.monitor = _monitor(client, run.info.run_id, resume=run_id is not None)
        open_run.monitor.start()
    started = ActiveRun(info=run.info, data=run.data, inputs=run.inputs, outputs=run.outputs)
    started.__dict__["open_run"] = open_run
    return started


def end_run(status: str = "FINISHED") -> None:
    """End the active run; without one, nothing happens.

    A run that was started elsewhere, by another task or the parent of a forked process, isn't
    ended: it is only no longer the active one here.

    Args:
        status: `FINISHED`, `FAILED` or `KILLED`.

    Raises:
        InvalidValueError: There is no such status.
    """
    ending = run_status_of(status)
    run = current()
    if run is not None and pop(run):
        _finish(run, ending)


def active_run() -> ActiveRun | None:
    """Return the active run of this thread or task, with what it has by now, or None."""
    run = current()
    if run is None:
        return None
    found = run.client.get_run(run.run_id)
    active = ActiveRun(info=found.info, data=found.data, inputs=found.inputs, outputs=found.outputs)
    active.__dict__["open_run"] = run
    return active


def last_active_run() -> Run | None:
    """Return the run that was active last, as it is now, or None if there was none.

    That is the last one of this thread or task, or if there was none, of the process.
    """
    run = current() or _last.run
    return None if run is None else run.client.get_run(run.run_id)


def current_or_new() -> OpenRun:
    """Return the active run, started if there is none: what MLflow's logging functions do."""
    run = current()
    if run is not None:
        return run
    started: OpenRun = start_run().__dict__["open_run"]
    return started


def client_of(run_id: str) -> Client:
    """Return the client of an open run of this id, or the default one."""
    known = _process_end.find(run_id)
    return state.default_client() if known is None else known.client


def _create(
    client: Client,
    experiment_id: str | None,
    run_name: str | None,
    tags: dict[str, str],
    active: tuple[OpenRun, ...],
    parent_run_id: str | None,
) -> Run:
    parent = parent_run_id or (active[-1].run_id if active else None)
    if parent_run_id is not None:
        found = client.get_run(parent_run_id).info
        if found.lifecycle_stage is LifecycleStage.DELETED:
            raise InvalidStateError(
                f"The parent run {parent_run_id!r} is deleted; restore it before starting runs"
                " inside of it."
            )
    if experiment_id is None:
        experiment_id = (
            active[-1].experiment_id if active else state.experiment_id_for_new_runs(client)
        )
    everything = _context_tags(client)
    if parent is not None:
        everything[PARENT_RUN_TAG] = parent
    everything.update(tags)
    return client.create_run(experiment_id, tags=everything, run_name=run_name)


def _resume(
    client: Client,
    run_id: str,
    experiment_id: str | None,
    run_name: str | None,
    tags: dict[str, str],
    active: tuple[OpenRun, ...],
) -> Run:
    if any(run.run_id == run_id for run in active):
        raise InvalidStateError(f"The run {run_id!r} is active here already.")
    info = client.get_run(run_id).info
    if info.lifecycle_stage is LifecycleStage.DELETED:
        raise InvalidStateError(
            f"The run {run_id!r} is deleted; restore it by restore_run({run_id!r}) before resuming"
            " it."
        )
    if experiment_id is not None and experiment_id != info.experiment_id:
        raise InvalidValueError(
            f"The run {run_id!r} is in the experiment {info.experiment_id!r}, not in"
            f" {experiment_id!r}."
        )
    if run_name:
        check_run_name(run_name)
        tags = {**tags, RUN_NAME_TAG: run_name}
    client.resume_run(run_id)
    if tags:
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
    return client.get_run(run_id)


def _context_tags(client: Client) -> dict[str, str]:
    """Return the tags that say where the run comes from; never breaks the program."""
    try:
        return client.plugins.run_context_tags(client.settings)
    except Exception as error:
        _logger.warning("No tags that say where the run comes from: %s", error)
        return {}


def _finish(run: OpenRun, status: RunStatus) -> None:
    """End a run, once, and only in the process that started it."""
    run.ended = True
    _last.run = run
    _finish_in_store(run, status)


def _finish_in_store(run: OpenRun, status: RunStatus) -> None:
    """End a run where it is kept; here it stays active, as long as the process is not dead."""
    if not run.is_own:
        return
    with run.lock:
        if not _process_end.holds(run):
            return
        if run.monitor is not None:
            run.monitor.stop()
        # If it fails, the run stays among the open ones, and is tried again at exit.
        run.client.set_terminated(run.run_id, status.value)
        _process_end.remove(run)


def _wants_system_metrics(client: Client, asked: bool | None) -> bool:
    if asked is not None:
        return asked
    switched = system_metrics_switch.enabled()
    return client.settings.log_system_metrics if switched is None else switched


def _monitor(client: Client, run_id: str, *, resume: bool) -> SystemMetrics:
    settings = client.settings
    chosen = system_metrics_switch.chosen()
    return SystemMetrics(
        client,
        run_id,
        interval=chosen.interval or settings.system_metrics_sampling_interval,
        samples=chosen.samples or settings.system_metrics_samples_before_logging,
        node_id=chosen.node_id or settings.system_metrics_node_id,
        resume=resume,
    )


class _Last:
    """The run that was active last: of this context, or else of the process."""

    def __init__(self) -> None:
        self._of_context: contextvars.ContextVar[OpenRun | None] = contextvars.ContextVar(
            "tracking_core_last_run", default=None
        )
        self._of_process: OpenRun | None = None

    @property
    def run(self) -> OpenRun | None:
        return self._of_context.get() or self._of_process

    @run.setter
    def run(self, run: OpenRun) -> None:
        self._of_context.set(run)
        self._of_process = run


_last = _Last()
_process_end = ProcessEnd(_finish_in_store)
