"""Requests applied to values: what stores that hold whole entities would each write again."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec.structs import replace

from tracking_core.config import join_uri
from tracking_core.entities import (
    Experiment,
    LifecycleStage,
    Metric,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    latest_metrics,
)
from tracking_core.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
)
from tracking_core.search.ast import Subject
from tracking_core.search.page import Page
from tracking_core.stores.requests import (
    RUN_NAME_TAG,
    UNSET,
    Batch,
    ExperimentChanges,
    ExperimentQuery,
    MetricHistoryQuery,
    NewExperiment,
    NewRun,
    Projection,
    PurgeReport,
    PurgeRequest,
    RunChanges,
    RunQuery,
    new_id,
    now,
)
from tracking_core.stores.validation import (
    MAX_INT64,
    MIN_INT64,
    check_inputs,
    check_outputs,
    shown,
)

T = TypeVar("T", Experiment, RunInfo)

_HISTORY_TOKEN = re.compile(
    r"(?P<step>-?\d{1,19}):(?P<timestamp>\d{1,19}):(?P<ties>\d{1,18}):(?P<key>.*)", re.DOTALL
)


def check_experiment_free(new: Experiment, known: Iterable[Experiment]) -> None:
    """Check that no other experiment has the name or, if it is another one, the id.

    Raises:
        AlreadyExistsError: One has; the sentence says in which stage it is.
    """
    for other in known:
        if other.name == new.name or other.experiment_id == new.experiment_id:
            what = f"experiment {shown(other.name)} (id {other.experiment_id})"
            if other.lifecycle_stage is LifecycleStage.DELETED:
                raise AlreadyExistsError(
                    f"The {what} exists already, in stage deleted: restore it, purge it, or take"
                    " another name."
                )
            raise AlreadyExistsError(f"The {what} exists already.")


def check_experiment_writable(experiment: Experiment, changes: ExperimentChanges | None) -> None:
    """Check that an experiment may be changed so, or with None: that runs may be added to it.

    Raises:
        InvalidStateError: It is deleted, and the change doesn't restore it.
    """
    deleting = ExperimentChanges(lifecycle_stage=LifecycleStage.DELETED)
    if experiment.lifecycle_stage is LifecycleStage.DELETED and (
        changes is None
        or (changes.lifecycle_stage is not LifecycleStage.ACTIVE and changes != deleting)
    ):
        raise InvalidStateError(
            f"The experiment {shown(experiment.name)} (id {experiment.experiment_id}) is deleted;"
            " restore it before changing it."
        )


def check_run_writable(
    info: RunInfo, experiment: Experiment, changes: RunChanges | None = None
) -> None:
    """Check that a run may be changed so, or with None: logged to.

    Raises:
        InvalidStateError: It is deleted, and the change doesn't restore it; or its experiment is.
    """
    if experiment.lifecycle_stage is LifecycleStage.DELETED:
        raise InvalidStateError(
            f"The experiment {shown(experiment.name)} of the run {info.run_id!r} is deleted;"
            " restore it before changing the run."
        )
    deleting = RunChanges(lifecycle_stage=LifecycleStage.DELETED)
    if info.lifecycle_stage is LifecycleStage.DELETED and (
        changes is None
        or (changes.lifecycle_stage is not LifecycleStage.ACTIVE and changes != deleting)
    ):
        raise InvalidStateError(
            f"The run {info.run_id!r} is deleted; restore it before changing it."
        )


def changed(entity: T, changes: ExperimentChanges | RunChanges) -> T:
    """Return the entity with the fields and tags of `changes` that are set.

    An experiment that this makes different is updated now, and a run that it deletes deleted now,
    unless the changes tell the time.

    Raises:
        NotFoundError: A tag to delete isn't there.
    """
    names = set(entity.__struct_fields__) & set(changes.__struct_fields__)
    values = {name: getattr(changes, name) for name in names - {"deleted_time"}}
    if isinstance(changes, ExperimentChanges) and isinstance(entity, Experiment):
        values["tags"] = changed_tags(
            entity.tags,
            set_tags=changes.set_tags,
            delete_tags=changes.delete_tags,
            owner=f"experiment {shown(entity.name)}",
        )
    new = replace(entity, **{n: value for n, value in values.items() if value is not UNSET})
    if isinstance(changes, ExperimentChanges):
        is_told = changes.last_update_time is not UNSET
        return new if is_told or new == entity else replace(new, last_update_time=now())
    if new.lifecycle_stage is not entity.lifecycle_stage:
        is_deleted = new.lifecycle_stage is LifecycleStage.DELETED
        told = now() if changes.deleted_time is UNSET else changes.deleted_time
        return replace(new, deleted_time=told if is_deleted else None)
    return new


def changed_tags(
    tags: dict[str, str], *, set_tags: dict[str, str], delete_tags: Iterable[str], owner: str
) -> dict[str, str]:
    """Return the tags with some set and others deleted.

    Raises:
        NotFoundError: A tag to delete isn't there; `owner` says where, as in `"run 'abc'"`.
    """
    left = {**tags, **set_tags}
    for key in delete_tags:
        if key not in tags:
            raise NotFoundError(f"There is no tag {shown(key)} on the {owner}; nothing to delete.")
        left.pop(key, None)
    return left


def check_params(known: dict[str, str], new: Iterable[tuple[str, str]], *, owner: str) -> None:
    """Check that no param would get a second value.

    Raises:
        ConflictError: One would; `owner` says where, as in `"run 'abc'"`.
    """
    for key, value in new:
        if known.get(key, value) != value:
            raise ConflictError(
                f"Changing param values is not allowed: the param {shown(key)} of the {owner} has"
                f" the value {shown(known[key])}, and can't become {shown(value)}."
            )


def renamed(run: Run, name: str) -> Run:
    """Return the run with another name, in header and tag."""
    tags = {**run.data.tags, RUN_NAME_TAG: name}
    return replace(run, info=replace(run.info, run_name=name), data=replace(run.data, tags=tags))


def experiment_of(new: NewExperiment, *, experiment_id: str, artifact_root: str) -> Experiment:
    """Return the experiment that a request asks for.

    Args:
        new: The request.
        experiment_id: The id, if the request chooses none.
        artifact_root: The experiment's artifacts go below it, if the request names no place.
    """
    experiment_id = new.experiment_id or experiment_id
    return Experiment(
        experiment_id=experiment_id,
        name=new.name,
        artifact_location=new.artifact_location or join_uri(artifact_root, experiment_id),
        tags=new.tags,
        creation_time=now() if new.creation_time is None else new.creation_time,
        last_update_time=now() if new.last_update_time is None else new.last_update_time,
    )


def run_of(new: NewRun, experiment: Experiment) -> Run:
    """Return the run that a request asks for, in its experiment."""
    run_id = new.run_id or new_id()
    location = join_uri(experiment.artifact_location, run_id, "artifacts")
    info = RunInfo(
        run_id=run_id,
        experiment_id=new.experiment_id,
        run_name=new.run_name or "",
        user_id=new.user_id or "",
        status=new.status,
        start_time=new.start_time,
        artifact_uri=new.artifact_uri or location,
    )
    return Run(info=info, data=RunData(tags=new.tags))


def with_batch(run: Run, batch: Batch) -> Run:
    """Return the run with a batch logged to it.

    Raises:
        ConflictError: A param has another value already.
    """
    data = run.data
    owner = f"run {run.info.run_id!r}"
    check_params(data.params, ((p.key, p.value) for p in batch.params), owner=owner)
    tags = {**data.tags, **{tag.key: tag.value for tag in batch.tags}}
    latest = latest_metrics([*data.latest_metrics, *batch.metrics])
    data = RunData(
        latest_metrics=tuple(latest[key] for key in sorted(latest)),
        params={**data.params, **{param.key: param.value for param in batch.params}},
        tags=tags,
    )
    name = tags.get(RUN_NAME_TAG, run.info.run_name)
    return replace(run, info=replace(run.info, run_name=name), data=data)


def with_inputs(run: Run, inputs: RunInputs) -> Run:
    """Return the run with more inputs; a data set that it has gets the new tags besides its own.

    Raises:
        InvalidValueError: One of them isn't allowed.
    """
    check_inputs(inputs)
    datasets = {
        (used.dataset.name, used.dataset.digest): used for used in run.inputs.dataset_inputs
    }
    for new in inputs.dataset_inputs:
        identity = (new.dataset.name, new.dataset.digest)
        known = datasets.get(identity)
        if known is None:
            datasets[identity] = new
        else:
            tags = {tag.key: tag for tag in (*known.tags, *new.tags)}
            datasets[identity] = replace(known, tags=tuple(tags.values()))
    models = dict.fromkeys((*run.inputs.model_inputs, *inputs.model_inputs))
    return replace(run, inputs=RunInputs(tuple(datasets.values()), tuple(models)))


def with_outputs(run: Run, outputs: RunOutputs) -> Run:
    """Return the run with more outputs; a model that it has moves to the new step.

    Raises:
        InvalidValueError: One of them isn't allowed.
    """
    check_outputs(outputs)
    models = {
        output.model_id: output for output in (*run.outputs.model_outputs, *outputs.model_outputs)
    }
    return replace(run, outputs=RunOutputs(tuple(models.values())))


def select_points(points: Iterable[Metric], query: MetricHistoryQuery) -> Page[Metric]:
    """Return the page of a query out of all points of its metric, given as they were logged.

    Raises:
        InvalidValueError: The page token isn't one of this query.
    """
    first = MIN_INT64 if query.first_step is None else query.first_step
    last = MAX_INT64 if query.last_step is None else query.last_step
    found = sorted((point for point in points if first <= point.step <= last), key=_place)
    start = 0
    if query.page_token is not None:
        token = _HISTORY_TOKEN.fullmatch(query.page_token)
        if token is None or token["key"] != query.key:
            raise InvalidValueError(
                f"The page token {shown(query.page_token)} is not one of the history of the metric"
                f" {query.key!r}; pass the next_page_token of the page before."
            )
        place = (int(token["step"]), int(token["timestamp"]))
        start = bisect_left(found, place, key=_place) + int(token["ties"])
    end = len(found) if query.max_results is None else start + query.max_results
    items = tuple(found[start:end])
    if end >= len(found):
        return Page(items)
    step, timestamp = _place(items[-1])
    # How many points of this very place were returned: the next page begins behind them.
    ties = end - bisect_left(found, (step, timestamp), key=_place)
    return Page(items, f"{step}:{timestamp}:{ties}:{query.key}")


def _place(point: Metric) -> tuple[int, int]:
    return (point.step, point.timestamp)


def select_experiments(
    experiments: Iterable[Experiment], query: ExperimentQuery
) -> Page[Experiment]:
    """Return the page of a query out of all experiments."""
    from tracking_core.search import select_page  # deferred: most processes never search

    seen = (each for each in experiments if query.view_type.includes(each.lifecycle_stage))
    return select_page(
        seen,
        subject=Subject.EXPERIMENTS,
        expression=query.filter,
        order_by=query.order_by,
        max_results=query.max_results,
        page_token=query.page_token,
    )


def as_seen(run: Run, experiment: Experiment) -> Run:
    """Return the run as readers see it: deleted while its experiment is."""
    if experiment.lifecycle_stage is LifecycleStage.ACTIVE:
        return run
    return replace(run, info=replace(run.info, lifecycle_stage=LifecycleStage.DELETED))


def select_runs(
    runs: Iterable[Run], experiments: Iterable[Experiment], query: RunQuery
) -> Page[Run]:
    """Return the page of a query out of all runs of all experiments."""
    from tracking_core.search import select_page  # deferred: most processes never search

    by_id = {experiment.experiment_id: experiment for experiment in experiments}
    wanted = (
        {i for i, each in by_id.items() if each.lifecycle_stage is LifecycleStage.ACTIVE}
        if query.experiment_ids is None
        else by_id.keys() & query.experiment_ids
    )
    all_seen = (
        as_seen(run, by_id[run.info.experiment_id])
        for run in runs
        if run.info.experiment_id in wanted
    )
    page = select_page(
        (run for run in all_seen if query.view_type.includes(run.info.lifecycle_stage)),
        subject=Subject.RUNS,
        expression=query.filter,
        order_by=query.order_by,
        max_results=query.max_results,
        page_token=query.page_token,
    )
    return Page(tuple(project(run, query.projection) for run in page.items), page.next_page_token)


def plan_purge(
    request: PurgeRequest, runs: Iterable[RunInfo], experiments: Iterable[Experiment]
) -> PurgeReport:
    """Return what a purge has to remove, out of all runs and experiments.

    Raises:
        InvalidStateError: Something that the request names isn't deleted.
    """
    wanted_runs, wanted = frozenset(request.run_ids), frozenset(request.experiment_ids)
    deleted, experiment_ids = set(), []
    for experiment in experiments:
        if experiment.lifecycle_stage is LifecycleStage.DELETED:
            deleted.add(experiment.experiment_id)
        elif experiment.experiment_id in wanted:
            raise InvalidStateError(
                f"The experiment {shown(experiment.name)} (id {experiment.experiment_id}) is not"
                " deleted, so it can't be purged; delete it first."
            )
        if experiment.experiment_id in wanted:
            experiment_ids.append(experiment.experiment_id)
    run_ids = []
    for run in runs:
        if run.experiment_id not in wanted and run.run_id not in wanted_runs:
            continue
        if run.lifecycle_stage is not LifecycleStage.DELETED and run.experiment_id not in deleted:
            raise InvalidStateError(
                f"The run {run.run_id!r} is not deleted, so it can't be purged; delete it first."
            )
        run_ids.append(run.run_id)
    return PurgeReport(run_ids=tuple(run_ids), experiment_ids=tuple(experiment_ids))


def project(run: Run, projection: Projection) -> Run:
    """Return a run with only those parts of its data that the projection names."""
    if projection.is_everything:
        return run
    data = run.data
    changes: dict[str, Any] = {}
    if projection.metrics is not None:
        keys = projection.metrics
        changes["latest_metrics"] = tuple(m for m in data.latest_metrics if m.key in keys)
    if projection.params is not None:
        changes["params"] = {k: v for k, v in data.params.items() if k in projection.params}
    if projection.tags is not None:
        changes["tags"] = {k: v for k, v in data.tags.items() if k in projection.tags}
    run = replace(run, data=replace(data, **changes)) if changes else run
    return run if projection.inputs else replace(run, inputs=RunInputs(), outputs=RunOutputs())
