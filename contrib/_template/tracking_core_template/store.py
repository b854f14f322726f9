"""Experiments and runs as documents in one SQLite file: a whole storage plugin."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from tracking_core import entities as e
from tracking_core import stores as s
from tracking_core.config import path_to_file_uri
from tracking_core.errors import AlreadyExistsError, NotFoundError
from tracking_core.search import Page
from tracking_core.stores import validation

# A process must not be forked while SQLite holds its own locks: the child would wait for ever.
_LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )


class Record(msgspec.Struct):
    """What is stored of a run: itself, its history, the keys that made it and its batches."""

    run: e.Run
    key: str | None = None
    points: dict[str, list[e.Metric]] = {}
    batch_keys: set[str] = set()


class TemplateStore(s.BackendStore, s.RunStore):
    """The contract in its simplest shape: each call is one transaction over whole documents."""

    capabilities = frozenset(s.Capability)

    def create_experiment(self, new: s.NewExperiment) -> e.Experiment:
        root = self.settings.artifact_root or path_to_file_uri(f"{self.uri.path}.artifacts")
        made = s.experiment_of(new, experiment_id=s.new_id(), artifact_root=root)
        with self._transaction(writes=True) as db:
            s.check_experiment_free(made, _all(db, e.Experiment))
            return _put(db, made.experiment_id, made)

    def get_experiment(self, experiment_id: str) -> e.Experiment:
        with self._transaction() as db:
            return _get(db, e.Experiment, validation.check_experiment_id(experiment_id))

    def update_experiment(
        self, experiment_id: str, *, changes: s.ExperimentChanges
    ) -> e.Experiment:
        with self._transaction(writes=True) as db:
            old = _get(db, e.Experiment, validation.check_experiment_id(experiment_id))
            s.check_experiment_writable(old, changes)
            new = s.changed(old, changes)
            others = (x for x in _all(db, e.Experiment) if x.experiment_id != experiment_id)
            s.check_experiment_free(new, others)
            return _put(db, experiment_id, new)

    def search_experiments(self, query: s.ExperimentQuery) -> Page[e.Experiment]:
        with self._transaction() as db:
            return s.select_experiments(_all(db, e.Experiment), query)

    def create_run(self, new: s.NewRun) -> e.Run:
        with self._transaction(writes=True) as db:
            experiment = _get(db, e.Experiment, new.experiment_id)
            s.check_experiment_writable(experiment, None)
            run = s.run_of(new, experiment)
            old = _find(db, Record, run.info.run_id)
            if old is None:
                return _put(db, run.info.run_id, Record(run, new.idempotency_key)).run
            if new.idempotency_key is None or new.idempotency_key != old.key:
                raise AlreadyExistsError(f"The run {run.info.run_id!r} exists already.")
            return old.run

    def get_run(self, run_id: str, *, projection: s.Projection = s.EVERYTHING) -> e.Run:
        with self._transaction() as db:
            run = _get(db, Record, validation.check_run_id(run_id)).run
            experiment = _get(db, e.Experiment, run.info.experiment_id)
        return s.project(s.as_seen(run, experiment), projection)

    def update_run(self, run_id: str, *, changes: s.RunChanges) -> e.RunInfo:
        with self._changing(run_id, changes) as record:
            record.run = replace(record.run, info=s.changed(record.run.info, changes))
            if changes.run_name is not s.UNSET:
                record.run = s.renamed(record.run, changes.run_name)
        return record.run.info

    def search_runs(self, query: s.RunQuery) -> Page[e.Run]:
        with self._transaction() as db:
            runs = [record.run for record in _all(db, Record)]
            return s.select_runs(runs, _all(db, e.Experiment), query)

    def log_batch(self, run_id: str, *, batch: s.Batch) -> None:
        with self._changing(run_id) as record:
            if batch.idempotency_key is not None:
                if batch.idempotency_key in record.batch_keys:
                    return
                record.batch_keys.add(batch.idempotency_key)
            record.run = s.with_batch(record.run, batch)
            for point in batch.metrics:
                record.points.setdefault(point.key, []).append(point)

    def delete_tag(self, run_id: str, *, key: str) -> None:
        with self._changing(run_id) as record:
            data, owner = record.run.data, f"run {run_id!r}"
            tags = s.changed_tags(data.tags, set_tags={}, delete_tags=[key], owner=owner)
            record.run = replace(record.run, data=replace(data, tags=tags))

    def log_inputs(self, run_id: str, *, inputs: e.RunInputs) -> None:
        with self._changing(run_id) as record:
            record.run = s.with_inputs(record.run, inputs)

    def log_outputs(self, run_id: str, *, outputs: e.RunOutputs) -> None:
        with self._changing(run_id) as record:
            record.run = s.with_outputs(record.run, outputs)

    def metric_history(self, run_id: str, *, query: s.MetricHistoryQuery) -> Page[e.Metric]:
        with self._transaction() as db:
            points = _get(db, Record, validation.check_run_id(run_id)).points
        return s.select_points(points.get(query.key, []), query)

    def purge(self, request: s.PurgeRequest) -> s.PurgeReport:
        with self._transaction(writes=True) as db:
            runs = [record.run.info for record in _all(db, Record)]
            report = s.plan_purge(request, runs, _all(db, e.Experiment))
            for name in report.run_ids:
                db.execute("DELETE FROM documents WHERE kind = 'Record' AND id = ?", [name])
            for name in report.experiment_ids:
                db.execute("DELETE FROM documents WHERE kind = 'Experiment' AND id = ?", [name])
        return report

    @contextmanager
    def _changing(self, run_id: str, changes: s.RunChanges | None = None) -> Iterator[Record]:
        with self._transaction(writes=True) as db:
            record = _get(db, Record, validation.check_run_id(run_id))
            info = record.run.info
            s.check_run_writable(info, _get(db, e.Experiment, info.experiment_id), changes)
            yield record
            _put(db, run_id, record)

    # --- the storage: put what your company has behind these five ---

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[sqlite3.Connection]:
        exists = os.path.exists(self.uri.path)
        target = self.uri.path if exists or writes else ":memory:"  # reading creates nothing
        connect = partial(sqlite3.connect, target, timeout=60, isolation_level=None)
        with _LOCK, closing(connect()) as db:
            db.execute("BEGIN IMMEDIATE")  # one at a time: simple, and never a deadlock
            db.execute(
                "CREATE TABLE IF NOT EXISTS documents"
                " (kind TEXT, id TEXT, body BLOB, PRIMARY KEY (kind, id))"
            )
            yield db
            db.execute("COMMIT")  # after an exception, closing rolls back


Document = TypeVar("Document", e.Experiment, Record)


def _put(db: sqlite3.Connection, name: str, document: Document) -> Document:
    row = (type(document).__name__, name, msgspec.msgpack.encode(document))
    db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", row)
    return document


def _find(db: sqlite3.Connection, kind: type[Document], name: str) -> Document | None:
    statement = "SELECT body FROM documents WHERE kind = ? AND id = ?"
    row = db.execute(statement, (kind.__name__, name)).fetchone()
    return None if row is None else msgspec.msgpack.decode(row[0], type=kind)


def _get(db: sqlite3.Connection, kind: type[Document], name: str) -> Document:
    if (found := _find(db, kind, name)) is None:
        what = "experiment" if kind is e.Experiment else "run"
        raise NotFoundError(f"There is no {what} {name!r}.")
    return found


def _all(db: sqlite3.Connection, kind: type[Document]) -> list[Document]:
    rows = db.execute("SELECT body FROM documents WHERE kind = ?", (kind.__name__,))
    return [msgspec.msgpack.decode(row[0], type=kind) for row in rows]
