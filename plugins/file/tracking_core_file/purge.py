"""What was deleted, removed for good."""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec.structs import replace

from tracking_core.entities import LifecycleStage, RunInfo
from tracking_core.errors import CorruptDataError, NotFoundError
from tracking_core.stores import PurgeReport, PurgeRequest
from tracking_core.stores.applying import plan_purge
from tracking_core_file.facet import ExperimentRecord
from tracking_core_file.files import as_tracking_errors
from tracking_core_file.layout import META, PURGE_MARK, RESERVED_IN_EXPERIMENT, RESERVED_IN_ROOT
from tracking_core_file.run_data import FileRunData


class FilePurge(FileRunData):
    """Purging: a mark is left, then meta.yaml goes, and with it the thing; then the rest.

    Where that stops in the middle, asking again goes on at the mark.
    """

    @as_tracking_errors
    def purge(self, request: PurgeRequest) -> PurgeReport:
        records = list(self._experiments_to_purge(request))
        purged = {record.experiment.experiment_id for record in records}
        infos = [info for record in records for info in self._infos_in(record)]
        directories = [record.directory for record in records]
        for run_id in dict.fromkeys(request.run_ids):
            try:
                handle = self._run_handle(run_id)
            except NotFoundError:
                continue
            if handle.info.experiment_id not in purged:
                record = self._experiment_record(handle.info.experiment_id)
                infos.append(_seen(handle.info, record))
                directories.append(handle.directory)
        report = plan_purge(request, infos, [record.experiment for record in records])
        self._close_descriptors()
        for record in records:
            self._index.forget(record)
        for directory in (*directories, *self._left_over(request)):
            self._root.layout.check_inside(directory)
            self._remove_directory(directory)
        return report

    def _experiments_to_purge(self, request: PurgeRequest) -> Iterator[ExperimentRecord]:
        for experiment_id in dict.fromkeys(request.experiment_ids):
            try:
                yield self._experiment_record(experiment_id)
            except NotFoundError:
                continue

    def _infos_in(self, record: ExperimentRecord) -> Iterator[RunInfo]:
        for run_id in self._root.layout.run_ids(record.directory):
            try:
                handle = self._read_handle(run_id, os.path.join(record.directory, run_id))
            except (FileNotFoundError, CorruptDataError):
                continue
            yield _seen(handle.info, record)

    def _left_over(self, request: PurgeRequest) -> Iterator[str]:
        """Yield what an earlier purge of the same things didn't get to remove."""
        for experiment_id in set(request.experiment_ids) - RESERVED_IN_ROOT:
            for deleted in (False, True):
                yield from _marked(self._root.layout.experiment(experiment_id, deleted=deleted))
        for run_id in set(request.run_ids) - RESERVED_IN_EXPERIMENT:
            for _, directory, _ in self._root.layout.experiment_directories():
                yield from _marked(os.path.join(directory, run_id))

    def _remove_directory(self, directory: str) -> None:
        files = self._root.files
        files.create(os.path.join(directory, PURGE_MARK), b"")
        files.remove(os.path.join(directory, META))
        files.remove_tree(directory)


def _marked(directory: str) -> Iterator[str]:
    if os.path.exists(os.path.join(directory, PURGE_MARK)):
        yield directory


def _seen(info: RunInfo, record: ExperimentRecord) -> RunInfo:
    if not record.is_deleted:
        return info
    return replace(info, lifecycle_stage=LifecycleStage.DELETED)
