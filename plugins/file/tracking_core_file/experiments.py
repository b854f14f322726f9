"""The experiments of the file backend."""

from __future__ import annotations

import os
import random

from tracking_core.config import path_to_file_uri
from tracking_core.entities import Experiment, LifecycleStage
from tracking_core.search.page import Page
from tracking_core.stores import (
    UNSET,
    ExperimentChanges,
    ExperimentQuery,
    NewExperiment,
    RunStore,
    changed,
    select_experiments,
)
from tracking_core.stores.applying import (
    check_experiment_free,
    check_experiment_writable,
    experiment_of,
)
from tracking_core_file.facet import CASCADED, ExperimentRecord, FileFacet
from tracking_core_file.files import as_tracking_errors
from tracking_core_file.layout import TAGS
from tracking_core_file.relocation import CUSTOM_LOCATION


class FileExperiments(FileFacet, RunStore):
    """Experiments: a directory each, in the root or in `.trash`, with meta.yaml and tags."""

    @as_tracking_errors
    def create_experiment(self, new: NewExperiment) -> Experiment:
        made = experiment_of(
            new,
            experiment_id=str(random.SystemRandom().randrange(10**17, 10**18)),
            artifact_root=self._root.settings.artifact_root or path_to_file_uri(self._root.path),
        )
        is_custom = bool(new.artifact_location or self._root.settings.artifact_root)
        directory = self._root.layout.experiment(made.experiment_id)
        self._ensure_root(for_experiment=made)
        with self._root.lock("experiments"):
            check_experiment_free(made, self._experiment_headers())
            self._write_experiment(made, directory, is_custom=is_custom)
        return made

    @as_tracking_errors
    def get_experiment(self, experiment_id: str) -> Experiment:
        return self._experiment_record(experiment_id).experiment

    @as_tracking_errors
    def get_experiment_by_name(self, name: str) -> Experiment | None:
        for each in self._experiment_headers():
            if each.name == name:
                return self.get_experiment(each.experiment_id)
        return None

    @as_tracking_errors
    def search_experiments(self, query: ExperimentQuery) -> Page[Experiment]:
        return select_experiments((r.experiment for r in self._experiment_records()), query)

    @as_tracking_errors
    def update_experiment(self, experiment_id: str, *, changes: ExperimentChanges) -> Experiment:
        record = self._experiment_record(experiment_id)
        if record.is_deleted and changes.lifecycle_stage is LifecycleStage.ACTIVE:
            # Before the lock, for it may take long; the experiment still hides its runs.
            self._restore_cascaded_runs(record)
        with self._root.lock("experiments"):
            record = self._experiment_record(experiment_id)
            old = record.experiment
            check_experiment_writable(old, changes)
            new = changed(old, changes)
            if new == old:
                return old
            if new.name != old.name:
                others = self._experiment_headers()
                check_experiment_free(new, (e for e in others if e.experiment_id != experiment_id))
            self._change_experiment(record, new, changes)
        return new

    # --- within ---

    def _experiment_headers(self) -> list[Experiment]:
        """List all experiments, whose tags may be old."""
        return [record.experiment for record in self._experiment_records(header_only=True)]

    def _change_experiment(
        self, record: ExperimentRecord, new: Experiment, changes: ExperimentChanges
    ) -> None:
        directory = record.directory
        self._root.layout.check_inside(directory)
        deletes = new.lifecycle_stage is LifecycleStage.DELETED
        if record.is_deleted != deletes:
            self._close_descriptors()
            directory = self._root.layout.experiment(new.experiment_id, deleted=deletes)
            self._root.files.make_directory(os.path.dirname(directory))
            self._root.files.move(record.directory, directory)
        for key, value in changes.set_tags.items():
            self._write_tag(directory, key, value)
        for key in changes.delete_tags:
            self._remove_key(directory, TAGS, key)
        meta = {
            **record.meta,
            "name": new.name,
            "experiment_id": new.experiment_id,
            "lifecycle_stage": new.lifecycle_stage.value,
            "last_update_time": new.last_update_time,
        }
        if changes.artifact_location is not UNSET:
            meta["artifact_location"] = changes.artifact_location
            meta[CUSTOM_LOCATION] = 1
        if deletes:
            meta[CASCADED] = 0
        else:
            meta.pop(CASCADED, None)
        self._root.files.write_meta(directory, meta)

    def _restore_cascaded_runs(self, record: ExperimentRecord) -> None:
        """Restore the runs that MLflow marked deleted when it deleted their experiment."""
        raise NotImplementedError

    def _close_descriptors(self) -> None:
        """Close files below directories that are about to be moved; some systems insist."""
        raise NotImplementedError
