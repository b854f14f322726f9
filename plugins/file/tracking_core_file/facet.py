"""What all facets of the file backend stand on: the root, its experiments, files for keys."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tracking_core.config import path_to_file_uri
from tracking_core.entities import Experiment, LifecycleStage, Metric, Param
from tracking_core.errors import CorruptDataError, NotFoundError, TrackingError
from tracking_core.stores import NewExperiment, validation
from tracking_core.stores.applying import experiment_of
from tracking_core_file.appending import Appender
from tracking_core_file.files import read_meta, read_text, tracking_error
from tracking_core_file.keys import is_in_the_way, key_path, keys_in, overflow_path
from tracking_core_file.layout import (
    META,
    METRICS,
    PARAMS,
    PURGE_MARK,
    RESERVED_IN_ROOT,
    TAGS,
    subdirectories,
)
from tracking_core_file.relocation import CUSTOM_LOCATION, current_location
from tracking_core_file.root import Root
from tracking_core_file.stamps import Stamper, stamp

DEFAULT_ID = "0"
DEFAULT_NAME = "Default"

CASCADED = "tracking_core_cascaded"
"""In a deleted experiment's meta.yaml: 0 if its runs weren't marked too, as MLflow does."""


@dataclass(frozen=True)
class ExperimentRecord:
    """An experiment as it lies in the directory.

    Attributes:
        experiment: Its value; the artifact location is the current one.
        directory: Where it lies.
        meta: What its meta.yaml holds.
    """

    experiment: Experiment
    directory: str
    meta: dict[str, Any]

    @property
    def is_deleted(self) -> bool:
        """Whether it lies in the trash."""
        return self.experiment.lifecycle_stage is LifecycleStage.DELETED


class FileFacet:
    """Base of the facets and of their parts; the store that bundles them sets its attributes."""

    _root: Root
    _appender: Appender
    _known_experiments: dict[str, tuple[tuple[tuple[str, int], ...], ExperimentRecord]]

    def _log_model_metrics(
        self, experiment_directory: str, run_id: str, points: Iterable[Metric]
    ) -> None:
        """Add points of a run that name a logged model to that model, if it is there.

        Does nothing here: the facet of logged models overrides it.
        """

    # --- the root and its experiments ---

    def _ensure_root(self, *, for_experiment: Experiment | None = None) -> None:
        """Make the root if it isn't there, with the default experiment in it.

        Raises:
            InvalidValueError: It is a file.
        """
        if not self._root.is_new:
            return
        os.makedirs(self._root.path, exist_ok=True)
        if for_experiment is not None and (
            for_experiment.experiment_id == DEFAULT_ID or for_experiment.name == DEFAULT_NAME
        ):
            return
        with self._root.lock("experiments"):
            if subdirectories(self._root.path):
                return
            root = self._root.settings.artifact_root
            default = experiment_of(
                NewExperiment(name=DEFAULT_NAME, experiment_id=DEFAULT_ID),
                experiment_id=DEFAULT_ID,
                artifact_root=root or path_to_file_uri(self._root.path),
            )
            directory = self._root.layout.experiment(DEFAULT_ID)
            self._write_experiment(default, directory, is_custom=bool(root))

    def _experiment_record(self, experiment_id: str) -> ExperimentRecord:
        """Return an experiment, a deleted one too.

        Raises:
            InvalidValueError: No experiment can have this id.
            NotFoundError: There is none.
            CorruptDataError: Its meta.yaml can't be read.
        """
        validation.check_experiment_id(experiment_id)
        if experiment_id not in RESERVED_IN_ROOT:
            for deleted in (False, True):
                directory = self._root.layout.experiment(experiment_id, deleted=deleted)
                record = self._read_experiment(experiment_id, directory, deleted=deleted)
                if record is not None:
                    return record
        raise NotFoundError(f"There is no experiment with the id {experiment_id!r}.")

    def _experiment_records(self, *, header_only: bool = False) -> list[ExperimentRecord]:
        """List all experiments; one that can't be read is passed over with a warning.

        With `header_only` their tags may be old.
        """
        self._root.check_usable()
        records: dict[str, ExperimentRecord] = {}
        for experiment_id, directory, deleted in self._root.layout.experiment_directories():
            if experiment_id in records:
                continue
            try:
                record = self._read_experiment(
                    experiment_id, directory, deleted=deleted, header_only=header_only
                )
            except TrackingError as error:
                self._root.warn(f"The experiment {experiment_id} is passed over: {error}")
                continue
            if record is not None:
                records[experiment_id] = record
        return list(records.values())

    def _read_experiment(
        self, experiment_id: str, directory: str, *, deleted: bool, header_only: bool = False
    ) -> ExperimentRecord | None:
        known = self._known_experiments.get(directory)
        if known is not None:
            looked_at = known[0][:1] if header_only else known[0]  # the first is meta.yaml
            if all(stamp(path) == old for path, old in looked_at):
                return known[1]
        stamper = Stamper(self._root.tick)
        stamps = []
        try:
            for path in (os.path.join(directory, META), os.path.join(directory, TAGS)):
                stamps.append((path, stamper(os.stat(path)) if os.path.exists(path) else 0))
            meta = read_meta(directory)
            tags = {}
            for key, path in keys_in(directory, TAGS):
                stamps.append((path, stamper(os.stat(path))))
                stamps.append((os.path.dirname(path), stamper(os.stat(os.path.dirname(path)))))
                tags[key] = read_text(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise tracking_error(error) from error
        record = self._experiment_from_meta(meta, tags, experiment_id, directory, deleted=deleted)
        self._known_experiments[directory] = (tuple(dict.fromkeys(stamps)), record)
        return record

    def _experiment_from_meta(
        self,
        meta: dict[str, Any],
        tags: dict[str, str],
        experiment_id: str,
        directory: str,
        *,
        deleted: bool,
    ) -> ExperimentRecord:
        if not isinstance(meta.get("name"), (str, int, float)):
            raise CorruptDataError(f"{os.path.join(directory, META)!r} holds no name.")
        location = str(meta.get("artifact_location") or "")
        if not location:
            location = path_to_file_uri(os.path.join(self._root.path, experiment_id))
        elif not meta.get(CUSTOM_LOCATION):
            location = current_location(location, suffix=(experiment_id,), root=self._root.path)
        experiment = Experiment(
            experiment_id=experiment_id,
            name=str(meta["name"]),
            artifact_location=location,
            lifecycle_stage=LifecycleStage.DELETED if deleted else LifecycleStage.ACTIVE,
            tags=tags,
            creation_time=integer_or_none(meta.get("creation_time")),
            last_update_time=integer_or_none(meta.get("last_update_time")),
        )
        return ExperimentRecord(experiment, directory, meta)

    def _write_experiment(self, experiment: Experiment, directory: str, *, is_custom: bool) -> None:
        files = self._root.files
        if os.path.exists(os.path.join(directory, PURGE_MARK)):
            files.remove_tree(directory)
        files.make_directory(directory)
        self._root.layout.check_inside(directory)
        for key, value in experiment.tags.items():
            self._write_tag(directory, key, value)
        meta: dict[str, Any] = {
            "artifact_location": experiment.artifact_location,
            "creation_time": experiment.creation_time,
            "effective_trace_archival_retention": None,
            "experiment_id": experiment.experiment_id,
            "last_update_time": experiment.last_update_time,
            "lifecycle_stage": experiment.lifecycle_stage.value,
            "name": experiment.name,
            "trace_location": None,
            "workspace": "default",
        }
        if is_custom:
            meta[CUSTOM_LOCATION] = 1
        files.write_meta(directory, meta)

    # --- keys ---

    def _write_tag(self, directory: str, key: str, value: str) -> None:
        """Set a tag of an experiment, run or model."""
        content = value.encode("utf-8")
        overflow = overflow_path(directory, TAGS, key)
        if os.path.exists(overflow):
            # Its own path may have become free since, but a key has one file.
            self._write_key(overflow, content, directory)
            return
        path = key_path(directory, TAGS, key)
        try:
            self._write_key(path, content, directory)
        except OSError as error:
            if not is_in_the_way(error):
                raise
            self._write_key(overflow, content, directory)

    def _create_param(self, directory: str, param: Param) -> str | None:
        """Write a param unless it is there; return its path, or None if it was there."""
        content = param.value.encode("utf-8")
        path = key_path(directory, PARAMS, param.key)
        try:
            return self._create_key(path, content, directory)
        except OSError as error:
            if not is_in_the_way(error):
                raise
        return self._create_key(overflow_path(directory, PARAMS, param.key), content, directory)

    def _create_key(self, path: str, content: bytes, directory: str) -> str | None:
        parent = os.path.dirname(path)
        self._root.files.make_directory(parent)
        self._root.layout.check_inside(parent)
        if self._root.files.create(path, content, temporary_directory=directory):
            return path
        if os.path.isdir(path):
            raise IsADirectoryError(21, "Is a directory", path)
        return None

    def _append_lines(
        self, directory: str, key: str, lines: bytes, *, within_lock: bool = False
    ) -> None:
        """Put lines of points at the end of a metric's file."""
        try:
            self._append_to(key_path(directory, METRICS, key), lines, directory, within_lock)
        except OSError as error:
            if not is_in_the_way(error):
                raise
            self._append_to(overflow_path(directory, METRICS, key), lines, directory, within_lock)

    def _append_to(self, path: str, lines: bytes, directory: str, within_lock: bool) -> None:
        if within_lock:
            self._appender.append_within_lock(path, lines, directory=directory)
        else:
            self._appender.append(path, lines, directory=directory)

    def _write_key(self, path: str, content: bytes, directory: str) -> None:
        parent = os.path.dirname(path)
        self._root.files.make_directory(parent)
        self._root.layout.check_inside(parent)
        self._root.files.write(path, content, temporary_directory=directory)

    def _remove_key(self, directory: str, part: str, key: str) -> bool:
        """Delete the file of a key; return whether there was one."""
        removed = False
        for path in (key_path(directory, part, key), overflow_path(directory, part, key)):
            if os.path.isfile(path):
                self._root.layout.check_inside(os.path.dirname(path))
                removed = self._root.files.remove(path) or removed
        return removed


def integer_or_none(value: object) -> int | None:
    """Return the whole number that a meta.yaml holds, None if it holds none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None
