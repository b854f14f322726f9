"""Logged models of the file backend."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from tracking_core.entities import LifecycleStage, LoggedModel, Metric, Param
from tracking_core.errors import (
    AlreadyExistsError,
    NotFoundError,
    TrackingError,
)
from tracking_core.search.page import Page
from tracking_core.stores import (
    LoggedModelChanges,
    LoggedModelQuery,
    LoggedModelStore,
    NewLoggedModel,
    changed_logged_model,
    check_experiment_writable,
    check_params,
    logged_model_of,
    now,
    select_logged_models,
    validation,
)
from tracking_core_file.facet import ExperimentRecord, FileFacet
from tracking_core_file.files import as_tracking_errors, read_meta, read_text
from tracking_core_file.keys import find_key
from tracking_core_file.layout import META, MODELS, PARAMS, PRIVATE, TAGS, subdirectories
from tracking_core_file.model_files import (
    format_model_point,
    logged_model_from_meta,
    logged_model_meta,
)


class FileLoggedModels(FileFacet, LoggedModelStore):
    """Logged models: a directory each in their experiment's, there once its `meta.yaml` is."""

    @as_tracking_errors
    def create_logged_model(self, new: NewLoggedModel) -> LoggedModel:
        record = self._experiment_record(new.experiment_id)
        check_experiment_writable(record.experiment, None)
        model = logged_model_of(new, record.experiment)
        directory = self._root.layout.logged_model(record.directory, model.model_id)
        self._root.layout.check_inside(directory)
        if new.model_id is None:
            self._write_logged(directory, model)
            return model
        with self._root.lock("logged-models"):
            if self._find_logged(model.model_id) is not None:
                raise AlreadyExistsError(f"The logged model {model.model_id!r} exists already.")
            for part in (TAGS, PARAMS, PRIVATE):
                # An earlier attempt may have left something.
                self._root.files.remove_tree(os.path.join(directory, part))
            self._write_logged(directory, model)
        return model

    @as_tracking_errors
    def get_logged_model(self, model_id: str) -> LoggedModel:
        return self._read_logged(model_id)[0]

    @as_tracking_errors
    def update_logged_model(self, model_id: str, *, changes: LoggedModelChanges) -> LoggedModel:
        _, directory = self._read_logged(model_id)
        self._root.layout.check_inside(directory)
        with self._root.directory_lock(directory):
            old, _ = self._read_logged(model_id)
            new = changed_logged_model(old, changes)
            for key, value in changes.log_params.items():
                self._write_model_param(directory, Param(key, value))
            for key in changes.delete_tags:
                self._remove_key(directory, TAGS, key)
            for key, value in changes.set_tags.items():
                self._write_tag(directory, key, value)
            self._append_model_points(
                (directory, point, point.run_id or "") for point in changes.log_metrics
            )
            if new != old:
                meta = logged_model_meta(new, read_meta(directory))
                self._root.files.write_meta(directory, meta)
            return self._read_logged(model_id)[0]

    @as_tracking_errors
    def delete_logged_model(self, model_id: str) -> None:
        _, directory = self._read_logged(model_id)
        self._root.layout.check_inside(directory)
        with self._root.directory_lock(directory):
            model, _ = self._read_logged(model_id)
            gone = replace(
                model, lifecycle_stage=LifecycleStage.DELETED, last_updated_timestamp=now()
            )
            self._root.files.write_meta(directory, logged_model_meta(gone, read_meta(directory)))

    @as_tracking_errors
    def search_logged_models(self, query: LoggedModelQuery) -> Page[LoggedModel]:
        records = self._experiment_records()
        wanted = query.experiment_ids
        models = (
            model
            for record in records
            if wanted is None or record.experiment.experiment_id in wanted
            for model in self._models_in(record)
        )
        return select_logged_models(models, (record.experiment for record in records), query)

    # --- for runs ---

    def _log_model_metrics(
        self, experiment_directory: str, run_id: str, points: Iterable[Metric]
    ) -> None:
        found = (
            (self._find_logged(point.model_id or "", first=experiment_directory), point)
            for point in points
        )
        self._append_model_points(
            (directory, point, run_id) for directory, point in found if directory is not None
        )

    def _append_model_points(self, points: Iterable[tuple[str, Metric, str]]) -> None:
        """Append points to models, each with the model's directory and its run's id."""
        lines: dict[tuple[str, str], bytes] = {}
        for directory, point, run_id in points:
            place = (directory, point.key)
            lines[place] = lines.get(place, b"") + format_model_point(point, run_id)
        for (directory, key), each in lines.items():
            self._append_lines(directory, key, each)

    def _write_logged(self, directory: str, model: LoggedModel) -> None:
        self._root.files.make_directory(directory)
        for key, value in model.tags.items():
            self._write_tag(directory, key, value)
        for key, value in model.params.items():
            self._write_model_param(directory, Param(key, value))
        if not self._root.files.create_meta(directory, logged_model_meta(model, {})):
            raise AlreadyExistsError(f"The logged model {model.model_id!r} exists already.")

    # --- reading ---

    def _models_in(self, record: ExperimentRecord) -> Iterator[LoggedModel]:
        for model_id in subdirectories(os.path.join(record.directory, MODELS)):
            directory = os.path.join(record.directory, MODELS, model_id)
            try:
                yield logged_model_from_meta(read_meta(directory), directory, self._root.path)
            except FileNotFoundError:
                continue
            except (TrackingError, OSError) as error:
                self._root.warn(f"The logged model {model_id!r} is passed over: {error}")

    def _read_logged(self, model_id: str) -> tuple[LoggedModel, str]:
        directory = self._find_logged(model_id)
        if directory is not None:
            try:
                model = logged_model_from_meta(read_meta(directory), directory, self._root.path)
            except FileNotFoundError:
                pass
            else:
                if model.lifecycle_stage is LifecycleStage.ACTIVE:
                    return model, directory
        raise NotFoundError(f"There is no logged model with the id {model_id!r}.")

    def _find_logged(self, model_id: str, *, first: str | None = None) -> str | None:
        """Return the directory of a logged model, a deleted one too; None if there is none."""
        validation.check_model_id(model_id)
        self._root.check_usable()
        directories = (path for _, path, _ in self._root.layout.experiment_directories())
        for experiment in itertools.chain([first] if first else [], directories):
            directory = self._root.layout.logged_model(experiment, model_id)
            if os.path.isfile(os.path.join(directory, META)):
                return directory
        return None

    def _write_model_param(self, directory: str, param: Param) -> None:
        if self._create_param(directory, param) is None:
            path = find_key(directory, PARAMS, param.key)
            known = {} if path is None else {param.key: read_text(path)}
            owner = f"logged model {os.path.basename(directory)!r}"
            check_params(known, [(param.key, param.value)], owner=owner)
