"""Runs as such: creating them and changing their headers."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects import postgresql

from tracking_core.entities import Experiment, LifecycleStage, Run, RunInfo
from tracking_core.errors import AlreadyExistsError, NotFoundError
from tracking_core.stores import RunStore
from tracking_core.stores.applying import changed, check_experiment_writable, run_of
from tracking_core.stores.requests import RUN_NAME_TAG, UNSET, NewRun, RunChanges
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction, constant
from tracking_core_sql.keys import GoneError, Keys
from tracking_core_sql.runs.locking import RunNumbers, Runs, hold_header
from tracking_core_sql.values import split_text

_VALUE_NAMES = ("run", "key", "head", "rest")


class _TakenError(AlreadyExistsError):
    """Another took the id since it was looked at, or the experiment was purged."""


class SqlRunHeaders(RunStore):
    """Creating runs and changing their headers: each call one transaction of a few statements."""

    _database: Database
    _keys: Keys
    _runs: Runs

    def create_run(self, new: NewRun) -> Run:
        key = new.idempotency_key
        digest = None if key is None else hashlib.sha256(key.encode()).hexdigest()
        while True:
            experiment = self._runs.find_experiment(new.experiment_id)
            if experiment is None:
                is_earlier = self._database.read(lambda t: _is_earlier(t, new, digest))
                if not is_earlier:
                    raise NotFoundError(
                        f"There is no experiment with the id {new.experiment_id!r}."
                    )
                return self.get_run(str(new.run_id))
            try:
                made = self._database.write(self._creating(new, experiment, digest))
            except (_TakenError, GoneError):
                self._runs.forget_experiment(new.experiment_id)
                continue
            if made is None:
                return self.get_run(str(new.run_id))
            run, number = made
            self._runs.remember(run.info.run_id, RunNumbers(number, experiment))
            return run

    def update_run(self, run_id: str, *, changes: RunChanges) -> RunInfo:
        def prepare(numbers: RunNumbers) -> Callable[[Transaction], RunInfo]:
            keys: dict[str, int] = {}
            if changes.run_name is not UNSET:
                keys = self._keys.ensure(numbers.experiment, [RUN_NAME_TAG])

            def work(transaction: Transaction) -> RunInfo:
                old = hold_header(transaction, numbers.run, changes).info
                new = changed(old, changes)
                if new != old:
                    transaction.execute(_UPDATE, {"r": numbers.run, **_columns_of(new)})
                if changes.run_name is not UNSET:
                    row = (numbers.run, keys[RUN_NAME_TAG], *split_text(new.run_name))
                    transaction.upsert(schema.tag, _VALUE_NAMES, [row], update=("head", "rest"))
                return new

            return work

        return self._runs.write(run_id, prepare)

    def _creating(
        self, new: NewRun, experiment: int, digest: str | None
    ) -> Callable[[Transaction], tuple[Run, int] | None]:
        """Return the work that creates a run, and returns None if an earlier call did."""
        keys = self._keys.ensure(experiment, new.tags)

        def work(transaction: Transaction) -> tuple[Run, int] | None:
            if _is_earlier(transaction, new, digest):
                return None
            row = transaction.first(_EXPERIMENT, {"experiment": experiment})
            if row is None:
                raise GoneError("The experiment has gone.")
            owner = _experiment_of(row)
            check_experiment_writable(owner, None)
            run = run_of(new, owner)
            number = _insert(transaction, experiment, run.info, digest)
            rows = sorted((number, keys[k], *split_text(v)) for k, v in run.data.tags.items())
            transaction.insert(schema.tag, _VALUE_NAMES, rows)
            return run, number

        return work


def _is_earlier(transaction: Transaction, new: NewRun, digest: str | None) -> bool:
    """Tell whether an earlier call with this key made the run."""
    if new.run_id is None:
        return False
    known = transaction.first(_FIND, {"run_id": new.run_id})
    if known is None:
        return False
    if digest is not None and known[0] == digest:
        return True
    raise AlreadyExistsError(f"A run with the id {new.run_id!r} exists already.")


def _insert(transaction: Transaction, experiment: int, info: RunInfo, digest: str | None) -> int:
    """Insert the row of a run and return its number."""
    row = {
        "run_id": info.run_id,
        "experiment": experiment,
        "user_id": info.user_id,
        "idempotency_digest": digest,
        **_columns_of(info),
    }
    number = transaction.insert_one(schema.run, row)
    if number is not None:
        return number
    dialect = transaction.dialect
    result = transaction.connection.execute(_insert_statement(dialect), row)
    number = result.scalar() if result.returns_rows else result.lastrowid
    # Who waited for another's insert of the same id has inserted nothing.
    if number is None or result.rowcount == 0:
        raise _TakenError(f"A run with the id {info.run_id!r} exists already.")
    return int(number)


@functools.cache
def _insert_statement(dialect: str) -> Any:
    if dialect == "postgresql":
        return postgresql.insert(schema.run).on_conflict_do_nothing().returning(_run.id)
    if dialect == "mssql":
        return insert(schema.run).returning(_run.id)
    if dialect == "mysql":
        return insert(schema.run).prefix_with("IGNORE")
    return insert(schema.run)


def _columns_of(info: RunInfo) -> dict[str, Any]:
    """Return those columns of a run that can change."""
    return {
        "name": info.run_name,
        "status": info.status.number,
        "start_time": info.start_time,
        "end_time": info.end_time,
        "artifact_uri": info.artifact_uri,
        "is_deleted": int(info.lifecycle_stage is LifecycleStage.DELETED),
        "deleted_time": info.deleted_time,
    }


def _experiment_of(row: Any) -> Experiment:
    experiment_id, name, location, is_deleted = row
    stage = LifecycleStage.DELETED if is_deleted else LifecycleStage.ACTIVE
    return Experiment(
        experiment_id=experiment_id, name=name, artifact_location=location, lifecycle_stage=stage
    )


_run, _experiment = schema.run.c, schema.experiment.c
_FIND = constant(select(_run.idempotency_digest).where(_run.run_id == bindparam("run_id")))
_EXPERIMENT = constant(
    select(
        _experiment.experiment_id,
        _experiment.name,
        _experiment.artifact_location,
        _experiment.is_deleted,
    ).where(_experiment.id == bindparam("experiment"))
)
_UPDATE = update(schema.run).where(_run.id == bindparam("r"))
