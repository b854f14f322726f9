"""What is logged to runs: metrics, params, tags, inputs and outputs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    Metric,
    Param,
    RunInputs,
    RunOutputs,
    RunTag,
)
from tracking_core.errors import ConflictError, CorruptDataError, NotFoundError
from tracking_core.search.page import Page
from tracking_core.stores import (
    RUN_NAME_TAG,
    Batch,
    MetricHistoryQuery,
    validation,
)
from tracking_core.stores.applying import check_params, select_points, with_inputs, with_outputs
from tracking_core.stores.validation import shown
from tracking_core_file.appending import Appender
from tracking_core_file.batches import BatchJournal
from tracking_core_file.files import as_tracking_errors, read_meta, read_text
from tracking_core_file.keys import (
    find_key,
    point_models_path,
)
from tracking_core_file.layout import DATASETS, INPUTS, META, OUTPUTS, PARAMS, TAGS
from tracking_core_file.metric_lines import format_point
from tracking_core_file.run_files import POSITION, read_points
from tracking_core_file.run_headers import FileRunHeaders, RunHandle


class FileRunData(FileRunHeaders):
    """Run data: a file for each metric, param and tag, a directory for each input and output."""

    _appender: Appender
    _batches: BatchJournal

    @as_tracking_errors
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        handle = self._writable_run(run_id)
        if batch.idempotency_key is not None:
            with self._root.directory_lock(handle.directory):
                handle = self._writable_run(run_id)
                self._batches.log(handle.directory, batch, self._check_new_params, self._apply)
            return
        if batch.params:
            self._log_params(handle, batch.params)
        if batch.metrics:
            self._log_points(handle.directory, batch.metrics)
        if batch.tags:
            self._log_tags(handle, batch.tags)

    @as_tracking_errors
    def log_metric(self, run_id: str, *, metric: Metric) -> None:
        # The same as a batch of one, without its detours: this is what training loops call.
        (metric,) = Batch(metrics=(metric,)).metrics
        handle = self._writable_run(run_id)
        if metric.model_id is not None:
            self._log_points(handle.directory, (metric,))
        else:
            self._append_lines(handle.directory, metric.key, format_point(metric))

    @as_tracking_errors
    def delete_tag(self, run_id: str, *, key: str) -> None:
        validation.check_key(key, what="tag key")
        handle = self._writable_run(run_id)
        if not self._remove_key(handle.directory, TAGS, key):
            raise NotFoundError(
                f"There is no tag {shown(key)} on the run {run_id!r}; nothing to delete."
            )

    @as_tracking_errors
    def log_inputs(self, run_id: str, *, inputs: RunInputs) -> None:
        for model in inputs.model_inputs:
            validation.check_model_id(model.model_id)
        handle = self._writable_run(run_id)
        if not inputs.dataset_inputs and not inputs.model_inputs:
            return
        with self._root.directory_lock(handle.directory):
            handle = self._writable_run(run_id)
            run = self.get_run(run_id)
            wanted = with_inputs(run, inputs).inputs
            if wanted == run.inputs:
                return
            known_datasets, known_models = run.inputs.dataset_inputs, run.inputs.model_inputs
            for position, used in enumerate(wanted.dataset_inputs):
                if used not in known_datasets:
                    self._write_dataset_input(handle, used, position)
            for position, model in enumerate(wanted.model_inputs):
                if model not in known_models:
                    meta = _edge(model.model_id, "MODEL", model.model_id, "RUN", position)
                    directory = _md5(model.model_id, run_id)
                    self._write_edge(handle.directory, INPUTS, directory, meta)

    @as_tracking_errors
    def log_outputs(self, run_id: str, *, outputs: RunOutputs) -> None:
        for output in outputs.model_outputs:
            validation.check_model_id(output.model_id)
            validation.check_int64(output.step, what="step")
        handle = self._writable_run(run_id)
        if not outputs.model_outputs:
            return
        with self._root.directory_lock(handle.directory):
            handle = self._writable_run(run_id)
            run = self.get_run(run_id)
            wanted = with_outputs(run, outputs).outputs
            for position, output in enumerate(wanted.model_outputs):
                if output not in run.outputs.model_outputs:
                    model_id = output.model_id
                    meta = _edge(model_id, "RUN_OUTPUT", model_id, "MODEL_OUTPUT", position)
                    meta["step"] = output.step
                    self._write_edge(handle.directory, OUTPUTS, model_id, meta)

    @as_tracking_errors
    def metric_history(self, run_id: str, *, query: MetricHistoryQuery) -> Page[Metric]:
        handle = self._run_handle(run_id)
        return select_points(read_points(handle.directory, query.key)[0], query)

    def _close_descriptors(self) -> None:
        self._appender.close()

    # --- metrics ---

    def _log_points(
        self, directory: str, points: Iterable[Metric], *, within_lock: bool = False
    ) -> None:
        lines: dict[str, bytes] = {}
        models: dict[str, bytes] = {}
        of_models = []
        for point in points:
            line = format_point(point)
            lines[point.key] = lines.get(point.key, b"") + line
            if point.model_id is not None:
                noted = f"{point.model_id} ".encode() + line
                models[point.key] = models.get(point.key, b"") + noted
                of_models.append(point)
        for key, noted in models.items():
            # Noted before the point is there: a note without a point is passed over.
            path = point_models_path(directory, key)
            self._append_to(path, noted, directory, within_lock)
        if of_models:
            # Before the run's own too: what a crash left out of the run is logged to both again.
            experiment_directory, run_id = os.path.split(directory)
            self._log_model_metrics(experiment_directory, run_id, of_models)
        for key, each in lines.items():
            self._append_lines(directory, key, each, within_lock=within_lock)

    # --- params ---

    def _log_params(self, handle: RunHandle, params: Iterable[Param]) -> None:
        if self._check_new_params(handle.directory, params):
            with self._root.directory_lock(handle.directory):
                new = self._check_new_params(handle.directory, params)
                self._create_params(handle.directory, new)

    def _check_new_params(self, directory: str, params: Iterable[Param]) -> list[Param]:
        """Return the params that aren't there yet.

        Raises:
            ConflictError: One is there with another value.
        """
        new = []
        for param in params:
            path = find_key(directory, PARAMS, param.key)
            if path is None:
                new.append(param)
            else:
                known = {param.key: read_text(path)}
                owner = f"run {os.path.basename(directory)!r}"
                check_params(known, [(param.key, param.value)], owner=owner)
        return new

    def _create_params(self, directory: str, params: Iterable[Param]) -> None:
        """Write params; the caller holds the lock, but other tools take none."""
        made: list[str] = []
        try:
            for param in params:
                path = self._create_param(directory, param)
                if path is None:
                    self._check_new_params(directory, (param,))
                else:
                    made.append(path)
        except ConflictError:
            for path in made:
                self._root.files.remove(path)
            raise

    # --- tags ---

    def _log_tags(
        self, handle: RunHandle, tags: Iterable[RunTag], *, within_lock: bool = False
    ) -> None:
        values = {tag.key: tag.value for tag in tags}
        for key, value in values.items():
            if key != RUN_NAME_TAG:
                self._write_tag(handle.directory, key, value)
        if RUN_NAME_TAG in values:
            if within_lock:
                self._rename_run(handle, values[RUN_NAME_TAG])
            else:
                with self._root.directory_lock(handle.directory):
                    handle = self._writable_run(handle.info.run_id)
                    self._rename_run(handle, values[RUN_NAME_TAG])

    def _rename_run(self, handle: RunHandle, name: str) -> None:
        self._write_tag(handle.directory, RUN_NAME_TAG, name)
        self._write_header(handle, replace(self._located(handle), run_name=name))

    # --- batches with a key ---

    def _apply(self, directory: str, batch: Batch) -> None:
        """Write a batch, or what is missing of it; the caller holds the lock."""
        self._create_params(directory, self._check_new_params(directory, batch.params))
        if batch.metrics:
            self._log_points(directory, batch.metrics, within_lock=True)
        if batch.tags:
            handle = self._run_handle(os.path.basename(directory))
            self._log_tags(handle, batch.tags, within_lock=True)

    # --- inputs and outputs ---

    def _write_dataset_input(self, handle: RunHandle, used: DatasetInput, position: int) -> None:
        dataset_id = self._write_dataset(os.path.dirname(handle.directory), used.dataset)
        meta = _edge(dataset_id, "DATASET", dataset_id, "RUN", position)
        meta["tags"] = {tag.key: tag.value for tag in used.tags}
        run_id = handle.info.run_id
        self._write_edge(handle.directory, INPUTS, _md5(dataset_id, run_id), meta)

    def _write_dataset(self, experiment_directory: str, dataset: Dataset) -> str:
        """Describe a data set in its experiment, unless it is there, and return its id."""
        # The second is for what the first can't tell apart, as ("a", "bc") and ("ab", "c").
        candidates = (_md5(dataset.name, dataset.digest), _md5(dataset.name, "\0", dataset.digest))
        for dataset_id in candidates:
            directory = os.path.join(experiment_directory, DATASETS, dataset_id)
            with suppress(CorruptDataError, FileNotFoundError):
                known = read_meta(directory)
                if (str(known.get("name")), str(known.get("digest"))) == (
                    dataset.name,
                    dataset.digest,
                ):
                    return dataset_id
                continue
            self._root.files.make_directory(directory)
            self._root.layout.check_inside(directory)
            meta = {name: getattr(dataset, name) for name in dataset.__struct_fields__}
            self._root.files.write_meta(directory, meta)
            return dataset_id
        return candidates[-1]

    def _write_edge(self, directory: str, part: str, name: str, meta: dict[str, Any]) -> None:
        target = os.path.join(directory, part, name)
        # MLflow takes a directory without meta.yaml ill: the directory's first sight has one.
        if not os.path.exists(os.path.join(target, META)):
            self._root.files.make_directory(target)
        self._root.layout.check_inside(target)
        self._root.files.write_meta(target, meta)


def _edge(
    source_id: str, source_type: str, destination_id: str, destination_type: str, position: int
) -> dict[str, Any]:
    return {
        "source_type": source_type,
        "source_id": source_id,
        "destination_type": destination_type,
        "destination_id": destination_id,
        "tags": {},
        POSITION: position,
    }


def _md5(*parts: str) -> str:
    """Name a directory as MLflow does."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part.encode("utf-8"))
    return digest.hexdigest()
