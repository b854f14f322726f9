"""Experiments, runs and run data of the file backend, searched through the index."""

from __future__ import annotations

from tracking_core.config import Settings
from tracking_core.entities import Run
from tracking_core.errors import CorruptDataError, NotFoundError
from tracking_core.search.page import Page
from tracking_core.stores import RunQuery, select_runs
from tracking_core_file.appending import Appender
from tracking_core_file.batches import BatchJournal
from tracking_core_file.facet import ExperimentRecord
from tracking_core_file.files import as_tracking_errors
from tracking_core_file.index import RunIndex
from tracking_core_file.purge import FilePurge
from tracking_core_file.root import Root

_ATTEMPTS = 3


class FileRuns(FilePurge):
    """The facet of runs; `_open_runs` makes its parts."""

    def _open_runs(self, path: str, settings: Settings) -> None:
        self._root = Root(path, settings)
        self._known_experiments = {}
        self._run_handles = {}
        self._index = RunIndex(self._root)
        self._appender = Appender(self._root)
        self._batches = BatchJournal(self._root, self._appender)

    @as_tracking_errors
    def search_runs(self, query: RunQuery) -> Page[Run]:
        records = self._records_to_search(query)
        experiments = [record.experiment for record in records]
        by_id = {record.experiment.experiment_id: record for record in records}
        # First only the files that the query looks at are checked, then all of the runs found;
        # where one of those changed, the query is asked again.
        for _ in range(_ATTEMPTS):
            runs = (entry.run for record in records for entry in self._index.runs(record, query))
            page = select_runs(runs, experiments, query)
            found: dict[str, list[str]] = {}
            for run in page.items:
                found.setdefault(run.info.experiment_id, []).append(run.info.run_id)
            changed = [
                each for each in found if self._index.refresh(by_id[each], found[each], query)
            ]
            if not changed:
                return page
        runs = (entry.run for record in records for entry in self._index.runs(record, None))
        return select_runs(runs, experiments, query)

    def close(self) -> None:
        """Close files; the store may be used on, and opens them again."""
        self._appender.close()

    def _records_to_search(self, query: RunQuery) -> list[ExperimentRecord]:
        self._root.check_usable()
        if query.experiment_ids is None:
            return [record for record in self._experiment_records() if not record.is_deleted]
        records = []
        for experiment_id in dict.fromkeys(query.experiment_ids):
            try:
                records.append(self._experiment_record(experiment_id))
            except NotFoundError:
                continue
            except CorruptDataError as error:
                self._root.warn(f"The experiment {experiment_id} is passed over: {error}")
        return records
