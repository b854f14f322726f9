"""The client's methods for runs and what is logged to them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any, TypeVar

from msgspec.structs import replace

from tracking_core.client.choices import run_status_of, view_type_of
from tracking_core.client.connection import as_text, text_by_key
from tracking_core.client.experiments import (
    DEFAULT_EXPERIMENT_ID,
    DEFAULT_EXPERIMENT_NAME,
    ExperimentMethods,
)
from tracking_core.client.paged_list import PagedList, paged
from tracking_core.client.pending import DONE, Pending
from tracking_core.entities import (
    DatasetInput,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    Run,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
    ViewType,
)
from tracking_core.errors import InvalidStateError, InvalidValueError, NotFoundError
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    EVERYTHING,
    HEADER_ONLY,
    Batch,
    MetricHistoryQuery,
    NewRun,
    Projection,
    RunChanges,
    RunQuery,
    now,
    validation,
)

T = TypeVar("T")

PARENT_RUN_TAG = "mlflow.parentRunId"


class RunMethods(ExperimentMethods):
    """Runs: create, find, log to, end, delete."""

    # --- the run itself ---

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Create a run.

        Args:
            experiment_id: An active experiment.
            start_time: Milliseconds since the epoch; None: now.
            tags: Values by key; what isn't text becomes text.
            run_name: None: the tag `mlflow.runName`, or else a random one.

        Raises:
            NotFoundError: There is no such experiment.
            InvalidStateError: It is deleted.
        """
        new = NewRun(
            experiment_id=experiment_id,
            run_name=run_name,
            start_time=start_time,
            tags=text_by_key(tags, what="tags"),
        )
        try:
            return self._runs.create_run(new)
        except NotFoundError:
            # MLflow has this experiment from the start; here the first use makes it.
            if experiment_id != DEFAULT_EXPERIMENT_ID:
                raise
            made = self.ensure_experiment(DEFAULT_EXPERIMENT_NAME)
            if made.experiment_id != experiment_id:
                raise
        return self._runs.create_run(new)

    def get_run(self, run_id: str, *, projection: Projection = EVERYTHING) -> Run:
        """Return a run, a deleted one too.

        Args:
            run_id: Its id.
            projection: Which parts of its data to return.

        Raises:
            NotFoundError: There is none.
        """
        return self._runs.get_run(run_id, projection=projection)

    def get_parent_run(self, run_id: str) -> Run | None:
        """Return the run in which a nested run was started, or None.

        Raises:
            NotFoundError: There is no such run, or its parent is gone.
        """
        parent = self._runs.get_run(run_id).data.tags.get(PARENT_RUN_TAG)
        return None if parent is None else self._runs.get_run(parent)

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        *,
        projection: Projection = EVERYTHING,
    ) -> PagedList[Run]:
        """Return a page of the runs that match.

        Args:
            experiment_ids: Where to look.
            filter_string: Such as `metrics.loss < 0.1 AND params.model = 'svm'`.
            run_view_type: Which lifecycle stages.
            max_results: The size of a page.
            order_by: Such as `["metrics.loss ASC"]`.
            page_token: The `token` of the page before.
            projection: Which parts of the runs' data to return.

        Raises:
            FilterSyntaxError: The filter or order can't be parsed.
        """
        query = self._run_query(
            experiment_ids, filter_string, run_view_type, order_by, projection=projection
        )
        query = replace(
            query,
            max_results=1000 if max_results is None else max_results,
            page_token=page_token or None,
        )
        return paged(self._runs.search_runs(query))

    def iterate_runs(
        self,
        experiment_ids: Sequence[str] | None,
        filter_string: str | None = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        order_by: Sequence[str] | None = None,
        *,
        projection: Projection = EVERYTHING,
    ) -> Iterator[Run]:
        """Yield all runs that match, page by page; the arguments are those of `search_runs`.

        With None instead of ids, the runs of every active experiment.

        Raises:
            FilterSyntaxError: The filter or order can't be parsed.
        """
        query = self._run_query(
            experiment_ids, filter_string, run_view_type, order_by, projection=projection
        )
        return self._runs.iterate_runs(query)

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Change a run's status, its name or both.

        Raises:
            InvalidValueError: There is no such status.
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
        """
        changes = RunChanges()
        if status is not None:
            changes = replace(changes, status=run_status_of(status))
        if name is not None:
            changes = replace(changes, run_name=name)
        self._runs.update_run(run_id, changes=changes)

    def set_terminated(
        self, run_id: str, status: str | None = None, end_time: int | None = None
    ) -> None:
        """End a run.

        Args:
            run_id: Its id.
            status: None: `FINISHED`.
            end_time: Milliseconds since the epoch; None: now.

        Raises:
            InvalidValueError: There is no such status.
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
        """
        changes = RunChanges(
            status=RunStatus.FINISHED if status is None else run_status_of(status),
            end_time=now() if end_time is None else end_time,
        )
        self._runs.update_run(run_id, changes=changes)

    def resume_run(self, run_id: str) -> RunInfo:
        """Set a run that has ended to running again.

        Raises:
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
        """
        changes = RunChanges(status=RunStatus.RUNNING, end_time=None)
        return self._runs.update_run(run_id, changes=changes)

    def delete_run(self, run_id: str) -> None:
        """Move a run to the bin; `purge` empties it.

        Raises:
            NotFoundError: There is no such run.
        """
        self._runs.delete_run(run_id)

    def restore_run(self, run_id: str) -> None:
        """Take a run out of the bin.

        Raises:
            NotFoundError: There is no such run.
        """
        self._runs.restore_run(run_id)

    # --- its data ---

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: float,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
        dataset_name: str | None = None,
        dataset_digest: str | None = None,
        model_id: str | None = None,
    ) -> Pending | None:
        """Log one point of a metric.

        Args:
            run_id: The run.
            key: The metric's name.
            value: A number; NaN and the infinities too.
            timestamp: Milliseconds since the epoch; None: now.
            step: None: 0.
            synchronous: Accepted as MLflow has it; the call has always done its work when it
                returns. With False it returns an object to wait for, which is done.
            dataset_name: The data set that it was measured on.
            dataset_digest: That data set's digest.
            model_id: The logged model that it was measured on.

        Raises:
            InvalidValueError: The key, value, timestamp or step isn't allowed.
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
        """
        if timestamp is None:
            timestamp = self._now()
        point = Metric(
            key,
            value,
            timestamp,
            0 if step is None else step,
            model_id,
            dataset_name,
            dataset_digest,
        )
        self._runs.log_batch(run_id, batch=Batch(metrics=(point,)))
        return DONE if synchronous is False else None

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """Log a param and return its value; what isn't text is logged as text.

        Args:
            run_id: The run.
            key: The param's name.
            value: Never cut: what the store can't hold is refused.
            synchronous: See `log_metric`.

        Raises:
            InvalidValueError: The key or value isn't allowed.
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
            ConflictError: The param has another value already.
        """
        batch = Batch(params=(Param(key, as_text(value)),))
        self._runs.log_batch(run_id, batch=batch)
        return DONE if synchronous is False else value

    def set_tag(
        self, run_id: str, key: str, value: Any, synchronous: bool | None = None
    ) -> Pending | None:
        """Set a tag of a run; what isn't text is set as text.

        Args:
            run_id: The run.
            key: The tag's name; `mlflow.runName` renames the run.
            value: Never cut: what the store can't hold is refused.
            synchronous: See `log_metric`.

        Raises:
            InvalidValueError: The key or value isn't allowed.
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
        """
        self._runs.log_batch(run_id, batch=Batch(tags=(RunTag(key, as_text(value)),)))
        return DONE if synchronous is False else None

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete a tag of a run.

        Raises:
            NotFoundError: There is no such run, or no such tag.
            InvalidStateError: The run is deleted.
        """
        self._runs.delete_tag(run_id, key=key)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> Pending | None:
        """Log metrics, params and tags together.

        What the store takes in one batch is written whole or not at all. More is sent in several
        batches, the params first, so that one that contradicts a stored one is found early.

        Args:
            run_id: The run.
            metrics: Points, in the order in which they were measured.
            params: Values that aren't text become text.
            tags: Likewise.
            synchronous: See `log_metric`.

        Raises:
            InvalidValueError: A key or value isn't allowed; then nothing is written.
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
            ConflictError: A param has another value already.
        """
        whole = Batch(
            metrics=_all_of(metrics, Metric, "metrics"),
            params=tuple(
                Param(each.key, as_text(each.value)) for each in _all_of(params, Param, "params")
            ),
            tags=tuple(
                RunTag(each.key, as_text(each.value)) for each in _all_of(tags, RunTag, "tags")
            ),
        )
        for batch in self._split(whole):
            self._runs.log_batch(run_id, batch=batch)
        return DONE if synchronous is False else None

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[DatasetInput] | None = None,
        models: Sequence[LoggedModelInput] | None = None,
    ) -> None:
        """Add data sets and logged models that a run read.

        Raises:
            InvalidValueError: Something else than DatasetInput or LoggedModelInput is given.
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
        """
        inputs = RunInputs(
            _all_of(datasets or (), DatasetInput, "datasets"),
            _all_of(models or (), LoggedModelInput, "models"),
        )
        self._runs.log_inputs(run_id, inputs=inputs)

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        """Add logged models that a run made.

        Raises:
            InvalidValueError: Something else than LoggedModelOutput is given.
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
        """
        outputs = RunOutputs(_all_of(models, LoggedModelOutput, "models"))
        self._runs.log_outputs(run_id, outputs=outputs)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """Return all points of a metric, in order of step and time; an unknown key has none.

        Raises:
            NotFoundError: There is no such run.
        """
        query = MetricHistoryQuery(key=key)
        points: list[Metric] = []
        while True:
            page = self._runs.metric_history(run_id, query=query)
            points += page.items
            if page.next_page_token is None:
                return points
            query = replace(query, page_token=page.next_page_token)

    # --- for the other methods of the client ---

    def _now(self) -> int:
        """Return the time in milliseconds, which never goes back, whatever the clock does."""
        timestamp = time.time_ns() // 1_000_000
        if timestamp < self._last_timestamp:
            return self._last_timestamp
        self._last_timestamp = timestamp
        return timestamp

    def _header(self, run_id: str) -> RunInfo:
        return self._runs.get_run(run_id, projection=HEADER_ONLY).info

    def _writable_header(self, run_id: str) -> RunInfo:
        """Return the header of a run that may be changed; its files are no less part of it.

        Raises:
            InvalidStateError: It is deleted.
        """
        info = self._header(run_id)
        if not ViewType.ACTIVE_ONLY.includes(info.lifecycle_stage):
            raise InvalidStateError(
                f"The run {run_id!r} is deleted; restore it before changing it."
            )
        return info

    def _run_query(
        self,
        experiment_ids: Any,
        filter_string: str | None,
        run_view_type: int,
        order_by: Sequence[str] | None,
        *,
        projection: Projection,
    ) -> RunQuery:
        if isinstance(experiment_ids, (str, int)):
            raise InvalidValueError(
                f"The experiment ids {validation.shown(experiment_ids)} must be a list: pass"
                f" [{str(experiment_ids)!r}]."
            )
        return RunQuery(
            # Integers are what old scripts pass, and what MLflow takes.
            experiment_ids=None
            if experiment_ids is None
            else tuple(str(i) if isinstance(i, int) else i for i in experiment_ids),
            filter=parse_filter(filter_string, Subject.RUNS),
            order_by=parse_order_by(order_by or (), Subject.RUNS),
            view_type=view_type_of(run_view_type),
            projection=projection,
        )

    def _split(self, batch: Batch) -> Iterator[Batch]:
        """Yield the batch in parts that the store takes; usually that is the batch itself."""
        limits = self._store.limits
        size = limits.batch_size
        if (
            _fits(batch, size)
            and _fits(batch.params, limits.batch_params)
            and _fits(batch.tags, limits.batch_tags)
            and _fits(batch.metrics, limits.batch_metrics)
        ):
            yield batch
            return
        for params in _slices(batch.params, limits.batch_params, size):
            yield Batch(params=params)
        for tags in _slices(batch.tags, limits.batch_tags, size):
            yield Batch(tags=tags)
        for metrics in _slices(batch.metrics, limits.batch_metrics, size):
            yield Batch(metrics=metrics)


def _fits(items: Sized, limit: int | None) -> bool:
    return limit is None or len(items) <= limit


def _slices(items: tuple[T, ...], *limits: int | None) -> Iterator[tuple[T, ...]]:
    most = min((limit for limit in limits if limit is not None), default=len(items))
    for start in range(0, len(items), max(most, 1)):
        yield items[start : start + most]


def _all_of(items: Iterable[Any], kind: type[Any], what: str) -> tuple[Any, ...]:
    try:
        found = tuple(items)
    except TypeError:
        raise InvalidValueError(
            f"The {what} {validation.shown(items)} must be a list of {kind.__name__}."
        ) from None
    for item in found:
        if not isinstance(item, kind):
            raise InvalidValueError(
                f"The {what} hold {validation.shown(item)} of type {type(item).__name__};"
                f" give a list of {kind.__name__}."
            )
    return found
