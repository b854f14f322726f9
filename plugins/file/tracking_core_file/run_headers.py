"""The headers of runs: found, made and changed."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from tracking_core.entities import LifecycleStage, Run, RunInfo
from tracking_core.errors import (
    AlreadyExistsError,
    CorruptDataError,
    InvalidStateError,
    NotFoundError,
    TrackingError,
)
from tracking_core.stores import (
    EVERYTHING,
    RUN_NAME_TAG,
    UNSET,
    NewRun,
    Projection,
    RunChanges,
    changed,
    project,
    validation,
)
from tracking_core.stores.applying import (
    as_seen,
    check_experiment_writable,
    check_run_writable,
    run_of,
)
from tracking_core_file.experiments import FileExperiments
from tracking_core_file.facet import CASCADED, ExperimentRecord
from tracking_core_file.files import as_tracking_errors, read, read_text, tracking_error
from tracking_core_file.index import RunIndex
from tracking_core_file.keys import find_key
from tracking_core_file.layout import (
    ARTIFACTS,
    META,
    METRICS,
    PARAMS,
    PRIVATE,
    PURGE_MARK,
    RESERVED_IN_EXPERIMENT,
    TAGS,
)
from tracking_core_file.run_files import info_from_meta
from tracking_core_file.stamps import ABSENT, Stamper, stamp
from tracking_core_file.yaml_text import load_yaml

_CREATION_KEY = "created"
"""In the private directory: the digest of the idempotency key that the run was made with."""


@dataclass(frozen=True)
class RunHandle:
    """Where a run lies, and its header when it was looked at.

    Attributes:
        info: The header, in the run's own stage, the artifact URI as recorded.
        directory: Where it lies.
        meta: What its meta.yaml holds.
        stamp: The stamp of that file.
    """

    info: RunInfo
    directory: str
    meta: dict[str, Any]
    stamp: int


class FileRunHeaders(FileExperiments):
    """Runs as a whole: a directory each, which is a run once it has a meta.yaml."""

    _index: RunIndex
    _run_handles: dict[str, RunHandle]

    @as_tracking_errors
    def create_run(self, new: NewRun) -> Run:
        record = self._experiment_record(new.experiment_id)
        if new.run_id is None:
            check_experiment_writable(record.experiment, None)
            return self._write_run(run_of(new, record.experiment), record, new)
        lock_name = f"run-{hashlib.sha256(new.run_id.encode()).hexdigest()[:16]}"
        with self._root.lock(lock_name):
            try:
                known = self._run_handle(new.run_id)
            except NotFoundError:
                record = self._experiment_record(new.experiment_id)
                check_experiment_writable(record.experiment, None)
                return self._write_run(run_of(new, record.experiment), record, new)
        if new.idempotency_key is None or _creation_key(known.directory) != _digest(
            new.idempotency_key
        ):
            raise AlreadyExistsError(f"A run with the id {new.run_id!r} exists already.")
        return self.get_run(new.run_id)

    @as_tracking_errors
    def get_run(self, run_id: str, *, projection: Projection = EVERYTHING) -> Run:
        handle = self._run_handle(run_id)
        record = self._experiment_record(handle.info.experiment_id)
        entry = self._index.run(record, run_id)
        if entry is None:
            raise NotFoundError(f"There is no run with the id {run_id!r}.")
        return project(as_seen(entry.run, record.experiment), projection)

    @as_tracking_errors
    def update_run(self, run_id: str, *, changes: RunChanges) -> RunInfo:
        handle = self._writable_run(run_id, changes)
        with self._root.directory_lock(handle.directory):
            handle = self._writable_run(run_id, changes)
            old = self._named(handle)
            new = changed(old, changes)
            if new != old:
                if changes.run_name is not UNSET:
                    self._write_tag(handle.directory, RUN_NAME_TAG, changes.run_name)
                self._write_header(handle, new)
        return new

    # --- what the other parts stand on ---

    def _run_handle(self, run_id: str) -> RunHandle:
        """Find a run, a deleted one too, and read its header.

        Raises:
            InvalidValueError: No run can have this id.
            NotFoundError: There is none.
            CorruptDataError: Its meta.yaml can't be read.
        """
        known = self._run_handles.get(run_id)
        if known is not None:
            meta_stamp = stamp(f"{known.directory}/{META}")
            if meta_stamp == known.stamp:
                return known
            if meta_stamp != ABSENT:
                with suppress(FileNotFoundError, NotADirectoryError):
                    return self._read_handle(run_id, known.directory)
        validation.check_run_id(run_id)
        self._root.check_usable()
        if run_id not in RESERVED_IN_EXPERIMENT:
            for _, directory, _ in self._root.layout.experiment_directories():
                candidate = os.path.join(directory, run_id)
                if os.path.exists(os.path.join(candidate, META)):
                    with suppress(FileNotFoundError, NotADirectoryError):
                        return self._read_handle(run_id, candidate)
        self._run_handles.pop(run_id, None)
        raise NotFoundError(f"There is no run with the id {run_id!r}.")

    def _writable_run(self, run_id: str, changes: RunChanges | None = None) -> RunHandle:
        """Find a run that may be changed so, or with None: logged to.

        Raises:
            InvalidStateError: It or its experiment is deleted.
        """
        handle = self._run_handle(run_id)
        in_trash = handle.directory.startswith(self._root.layout.trash + os.sep)
        if in_trash or handle.info.lifecycle_stage is LifecycleStage.DELETED:
            experiment = self._experiment_record(handle.info.experiment_id).experiment
            check_run_writable(handle.info, experiment, changes)
        return handle

    def _write_header(self, handle: RunHandle, info: RunInfo) -> None:
        """Write the meta.yaml of a run; the caller holds the run's lock."""
        self._root.layout.check_inside(handle.directory)
        meta = {**handle.meta, **_meta_of(info)}
        if info.artifact_uri == self._located(handle).artifact_uri:
            meta["artifact_uri"] = handle.meta.get("artifact_uri") or info.artifact_uri
        meta.pop("run_uuid", None)
        meta.pop("name", None)
        if info.lifecycle_stage is LifecycleStage.ACTIVE:
            meta.pop("deleted_time", None)
        elif info.deleted_time is not None:
            meta["deleted_time"] = info.deleted_time
        self._root.files.write_meta(handle.directory, meta)

    def _restore_cascaded_runs(self, record: ExperimentRecord) -> None:
        if not record.meta.get(CASCADED, 1):
            return
        # MLflow marked each of the runs, with the time at which it deleted the experiment.
        since = record.experiment.last_update_time or 0
        for run_id in self._root.layout.run_ids(record.directory):
            try:
                handle = self._read_handle(run_id, os.path.join(record.directory, run_id))
            except (OSError, TrackingError):
                continue
            deleted = handle.meta.get("deleted_time")
            if isinstance(deleted, int) and deleted >= since:
                with self._root.directory_lock(handle.directory):
                    info = replace(handle.info, lifecycle_stage=LifecycleStage.ACTIVE)
                    self._write_header(handle, info)

    # --- within ---

    def _read_handle(self, run_id: str, directory: str) -> RunHandle:
        path = os.path.join(directory, META)
        stamper = Stamper(self._root.tick)
        meta_stamp = stamper(os.stat(path))
        try:
            meta = load_yaml(read(path), path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise tracking_error(error) from error
        handle = RunHandle(info_from_meta(meta, directory), directory, meta, meta_stamp)
        if len(self._run_handles) > 50_000:
            self._run_handles.clear()
        self._run_handles[run_id] = handle
        return handle

    def _located(self, handle: RunHandle) -> RunInfo:
        """Return the header with the artifact URI as it is now."""
        record = self._experiment_record(handle.info.experiment_id)
        return self._index.located(handle.info, record)

    def _named(self, handle: RunHandle) -> RunInfo:
        """Return the header as readers see it: with the name that the tag has."""
        info = self._located(handle)
        path = find_key(handle.directory, TAGS, RUN_NAME_TAG)
        if path is not None:
            with suppress(FileNotFoundError, CorruptDataError):
                info = replace(info, run_name=read_text(path))
        return info

    def _write_run(self, run: Run, record: ExperimentRecord, new: NewRun) -> Run:
        info, files = run.info, self._root.files
        directory = self._root.layout.run(record.directory, info.run_id)
        if os.path.exists(os.path.join(directory, PURGE_MARK)):
            files.remove_tree(directory)
        files.make_directory(directory)
        self._root.layout.check_inside(directory)
        for part in (METRICS, PARAMS, ARTIFACTS, TAGS):
            files.make_directory(os.path.join(directory, part))
        for key, value in run.data.tags.items():
            self._write_tag(directory, key, value)
        if new.idempotency_key is not None:
            private = os.path.join(directory, PRIVATE)
            files.make_directory(private)
            digest = _digest(new.idempotency_key).encode()
            files.write(os.path.join(private, _CREATION_KEY), digest)
        # The file that makes it a run comes last, so that nobody sees half of one.
        is_first: bool | None
        try:
            is_first = files.create_meta(directory, _meta_of(info))
        except FileNotFoundError:
            is_first = None
        if is_first is None or not os.path.exists(os.path.join(record.directory, META)):
            raise InvalidStateError(
                f"The experiment {record.experiment.name!r} (id {info.experiment_id}) was deleted"
                " meanwhile."
            )
        if not is_first:
            raise AlreadyExistsError(f"A run with the id {info.run_id!r} exists already.")
        return run


def _meta_of(info: RunInfo) -> dict[str, Any]:
    """Return what MLflow has in a run's meta.yaml."""
    return {
        "artifact_uri": info.artifact_uri,
        "end_time": info.end_time,
        "entry_point_name": "",
        "experiment_id": info.experiment_id,
        "lifecycle_stage": info.lifecycle_stage.value,
        "run_id": info.run_id,
        "run_name": info.run_name,
        "source_name": "",
        "source_type": 4,
        "source_version": "",
        "start_time": info.start_time,
        "status": info.status.number,
        "tags": [],
        "user_id": info.user_id,
    }


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _creation_key(directory: str) -> str | None:
    try:
        return read_text(os.path.join(directory, PRIVATE, _CREATION_KEY))
    except (OSError, CorruptDataError):
        return None
