"""Finding the rows of runs, and holding them while they are written to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Select, bindparam, select

from tracking_core.entities import Experiment, LifecycleStage, RunInfo, RunStatus
from tracking_core.errors import NotFoundError
from tracking_core.stores import validation
from tracking_core.stores.applying import check_run_writable
from tracking_core.stores.requests import RunChanges
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction, constant
from tracking_core_sql.keys import GoneError

T = TypeVar("T")

_MOST_REMEMBERED = 10_000

_run, _experiment = schema.run.c, schema.experiment.c
_RUN_COLUMNS = (
    _run.is_deleted,
    _run.run_id,
    _run.name,
    _run.user_id,
    _run.status,
    _run.start_time,
    _run.end_time,
    _run.artifact_uri,
    _run.deleted_time,
)
_EXPERIMENT_COLUMNS = (_experiment.is_deleted, _experiment.experiment_id, _experiment.name)
_BOTH = schema.run.join(schema.experiment, _run.experiment == _experiment.id)


class RunNumbers(NamedTuple):
    """The internal ids of a run and of its experiment."""

    run: int
    experiment: int


class HeldRun(NamedTuple):
    """The header of a run that this transaction holds, and of its experiment what checks need."""

    info: RunInfo
    experiment: Experiment


class Runs:
    """The internal ids of runs and experiments, which never change, and so are remembered."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, RunNumbers] = {}
        self._experiments: dict[str, int] = {}

    def find(self, run_id: str) -> RunNumbers:
        """Return the internal ids of a run, which may have been purged since.

        Raises:
            InvalidValueError: No run can have this id.
            NotFoundError: There is none.
        """
        numbers = self._known.get(run_id)
        if numbers is not None:
            return numbers
        validation.check_run_id(run_id)
        row = self._database.read(lambda transaction: transaction.first(_FIND, {"run_id": run_id}))
        if row is None:
            raise no_such_run(run_id)
        return self.remember(run_id, RunNumbers(*row))

    def remember(self, run_id: str, numbers: RunNumbers) -> RunNumbers:
        """Keep the internal ids of a run in mind, and return them."""
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[run_id] = numbers
        return numbers

    def find_experiment(self, experiment_id: str) -> int | None:
        """Return the internal id of an experiment, or None; it may have been purged since.

        Raises:
            InvalidValueError: No experiment can have this id.
        """
        known = self._experiments.get(experiment_id)
        if known is not None:
            return known
        validation.check_experiment_id(experiment_id)
        wanted = {"experiment_id": experiment_id}
        row = self._database.read(lambda transaction: transaction.first(_FIND_EXPERIMENT, wanted))
        if row is None:
            return None
        if len(self._experiments) >= _MOST_REMEMBERED:
            self._experiments.clear()
        return self._experiments.setdefault(experiment_id, int(row[0]))

    def forget_experiment(self, experiment_id: str) -> None:
        """Look the experiment up anew the next time."""
        self._experiments.pop(experiment_id, None)

    def write(self, run_id: str, prepare: Callable[[RunNumbers], Callable[[Transaction], T]]) -> T:
        """Return what the work of a transaction returns, which begins by holding the run.

        Args:
            run_id: The run.
            prepare: Gets the run's internal ids and returns the work. It is called again when the
                run was purged and there is another of its id.

        Raises:
            InvalidValueError: No run can have this id.
            NotFoundError: There is none.
        """
        while True:
            numbers = self.find(run_id)
            try:
                return self._database.write(prepare(numbers))
            except GoneError:
                self._known.pop(run_id, None)


def no_such_run(run_id: str) -> NotFoundError:
    """Return the error that says that there is no such run."""
    return NotFoundError(f"There is no run with the id {run_id!r}.")


def hold_run(transaction: Transaction, run: int) -> None:
    """Lock the row of a run until the transaction ends, and check that it may be logged to.

    Raises:
        InvalidStateError: It is deleted, or its experiment is.
    """
    if transaction.dialect == "mysql":
        hold_header(transaction, run)
        return
    row = transaction.first(_HOLD, {"run": run})
    if row is None:
        raise GoneError("The run has gone.")
    if row[0] or row[1]:
        hold_header(transaction, run)


def hold_header(transaction: Transaction, run: int, changes: RunChanges | None = None) -> HeldRun:
    """Lock the row of a run, check that it may be changed so, and return what it holds.

    Raises:
        InvalidStateError: It is deleted, or its experiment is, and the change doesn't restore it.
    """
    if transaction.dialect == "mysql":
        # It has no way to lock one table of a join, and its first plain query tells what the
        # others of the transaction see: so that one comes after the lock.
        row = transaction.first(_HOLD_ROW, {"run": run})
        if row is not None:
            row = (*row, *transaction.rows(_OWNER, {"run": run})[0])
    else:
        row = transaction.first(_HOLD_HEADER, {"run": run})
    if row is None:
        raise GoneError("The run has gone.")
    held = _held(row)
    check_run_writable(held.info, held.experiment, changes)
    return held


def _held(row: Any) -> HeldRun:
    is_deleted, run_id, name, user_id, status, start, end, artifact_uri, deleted = row[:9]
    experiment_is_deleted, experiment_id, experiment_name = row[9:]
    info = RunInfo(
        run_id=run_id,
        experiment_id=experiment_id,
        run_name=name,
        user_id=user_id,
        status=RunStatus.from_number(status),
        start_time=start,
        end_time=end,
        artifact_uri=artifact_uri,
        lifecycle_stage=_stage(is_deleted),
        deleted_time=deleted,
    )
    experiment = Experiment(
        experiment_id=experiment_id,
        name=experiment_name,
        lifecycle_stage=_stage(experiment_is_deleted),
    )
    return HeldRun(info, experiment)


def _stage(is_deleted: int) -> LifecycleStage:
    return LifecycleStage.DELETED if is_deleted else LifecycleStage.ACTIVE


def _holding(statement: Select[Any]) -> Select[Any]:
    """Return the query so that it locks the run's row and no row of other tables."""
    return (
        statement.where(_run.id == bindparam("run"))
        .with_for_update(key_share=True, of=schema.run)
        .with_hint(schema.run, "WITH (UPDLOCK, ROWLOCK)", "mssql")
    )


_FIND = constant(select(_run.id, _run.experiment).where(_run.run_id == bindparam("run_id")))
_FIND_EXPERIMENT = constant(
    select(_experiment.id).where(_experiment.experiment_id == bindparam("experiment_id"))
)
_HOLD = constant(_holding(select(_run.is_deleted, _experiment.is_deleted).select_from(_BOTH)))
_HOLD_HEADER = constant(_holding(select(*_RUN_COLUMNS, *_EXPERIMENT_COLUMNS).select_from(_BOTH)))
_HOLD_ROW = _holding(select(*_RUN_COLUMNS))
_OWNER = select(*_EXPERIMENT_COLUMNS).select_from(_BOTH).where(_run.id == bindparam("run"))
