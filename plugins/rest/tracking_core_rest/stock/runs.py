"""Experiments and runs of a stock server."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from msgspec.structs import replace

from tracking_core.entities import (
    DatasetInput,
    Experiment,
    LifecycleStage,
    Metric,
    Run,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    ViewType,
)
from tracking_core.errors import AlreadyExistsError, InvalidValueError, NotFoundError
from tracking_core.search import Page, Subject, format_order_by
from tracking_core.stores import (
    EVERYTHING,
    RUN_NAME_TAG,
    UNSET,
    Batch,
    Capability,
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
    RunStore,
    changed,
    check_experiment_free,
    check_experiment_writable,
    check_params,
    check_run_writable,
    project,
    select_points,
    validation,
    with_inputs,
)
from tracking_core.stores.validation import shown
from tracking_core.wire.endpoints import experiments, logged_models, metrics, runs
from tracking_core.wire.messages import experiments as experiment_messages
from tracking_core.wire.messages import metrics as metric_messages
from tracking_core.wire.messages import runs as run_messages
from tracking_core.wire.messages.base import Empty, KeyValue, pairs, text_by_key
from tracking_core.wire.messages.logged_models import GetLoggedModel, LoggedModelFound
from tracking_core_rest.stock.searches import (
    check_order,
    check_progress,
    search,
    without_repetition,
)
from tracking_core_rest.stock.server import STOCK_LIMITS, StockServer, check_lengths
from tracking_core_rest.stock.values import point_of, run_of

_MOST_FOUND = 50_000
_MOST_POINTS_OF_HISTORY = 25_000
_MOST_PARAMS = 100
_MOST_TAGS = 100
_MOST_TOGETHER = 1_000

# Earlier ones may do so too; of these it is known.
_FIRST_THAT_TELLS_THE_LAST_PAGE = (3, 17)
_FIRST_THAT_TAKES_NAN_TWICE = (3, 17)

_DELETED = LifecycleStage.DELETED
_NO_NAME = "take the name of a run away"


class StockRuns(RunStore):
    """Experiments and runs of a server that isn't ours, by MLflow's endpoints.

    A call that takes several requests isn't atomic as others see it: they are sent in an order in
    which what a failure leaves does no harm, after what can be checked has been.

    What differs from the contract is the server's own: points that are equal are one, infinity
    can't be told from the largest double, restoring an experiment restores each of its runs, a run
    that a search finds doesn't tell which models it read, and pages count from the first item, so
    that what comes or goes between them moves the others.
    """

    def __init__(self, server: StockServer) -> None:
        self._server = server
        self._known_models: set[str] = set()

    # --- experiments ---

    def create_experiment(self, new: NewExperiment) -> Experiment:
        if new.experiment_id is not None:
            raise self._server.unsupported(
                f"make an experiment of the id {new.experiment_id!r}", lacks=Capability.CHOSEN_IDS
            )
        if new.creation_time is not None or new.last_update_time is not None:
            raise self._server.unsupported(
                "make an experiment of another time than now", lacks=Capability.CHOSEN_IDS
            )
        _check_experiment_tags(new.tags)
        request = experiment_messages.CreateExperiment(
            name=new.name, artifact_location=new.artifact_location, tags=pairs(new.tags)
        )
        try:
            made = self._server.send(
                experiments.CREATE, request, experiment_messages.ExperimentCreated
            )
        except AlreadyExistsError:
            self._check_name_free(new.name)
            raise
        return self.get_experiment(made.experiment_id or "")

    def get_experiment(self, experiment_id: str) -> Experiment:
        validation.check_experiment_id(experiment_id)
        request = experiment_messages.GetExperiment(experiment_id=experiment_id)
        found = self._server.send(experiments.GET, request, experiment_messages.ExperimentFound)
        return _experiment_of(found)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        try:
            validation.check_experiment_name(name)
        except InvalidValueError:
            return None  # none can have it
        request = experiment_messages.GetExperimentByName(experiment_name=name)
        try:
            found = self._server.send(
                experiments.GET_BY_NAME, request, experiment_messages.ExperimentFound
            )
        except NotFoundError:
            return None
        return _experiment_of(found)

    def update_experiment(self, experiment_id: str, *, changes: ExperimentChanges) -> Experiment:
        old = self.get_experiment(experiment_id)
        check_experiment_writable(old, changes)
        if changes.last_update_time is not UNSET:
            raise self._server.unsupported(
                "tell another time of the last update than now", lacks=Capability.CHOSEN_IDS
            )
        if changes.artifact_location not in (UNSET, old.artifact_location):
            raise self._server.unsupported("change where an experiment's artifacts go")
        _check_experiment_tags(changes.set_tags)
        new = changed(old, changes)
        if new == old:
            return old
        if new.name != old.name:
            self._check_name_free(new.name)
        self._send_experiment_changes(old, new)
        return self.get_experiment(experiment_id)

    def search_experiments(self, query: ExperimentQuery) -> Page[Experiment]:
        check_order(self._server, query.order_by, Subject.EXPERIMENTS)
        order_by = tuple(format_order_by(without_repetition(query.order_by), Subject.EXPERIMENTS))

        def ask(text: str, size: int, token: str | None) -> tuple[Iterable[Experiment], str | None]:
            request = experiment_messages.SearchExperiments(
                filter=text or None,
                order_by=order_by,
                max_results=size,
                page_token=token,
                view_type=query.view_type.name,
            )
            found = self._server.send(
                experiments.SEARCH, request, experiment_messages.ExperimentsFound
            )
            return [each.entity() for each in found.experiments], found.next_page_token

        return search(
            self._server,
            ask,
            query,
            Subject.EXPERIMENTS,
            most=_MOST_FOUND,
            within=query.view_type.name,
        )

    # --- runs ---

    def create_run(self, new: NewRun) -> Run:
        if new.idempotency_key is not None:
            raise self._server.unsupported(
                "know a run by its idempotency key", lacks=Capability.IDEMPOTENCY_KEYS
            )
        if new.run_id is not None:
            raise self._server.unsupported(
                f"make a run of the id {new.run_id!r}", lacks=Capability.CHOSEN_IDS
            )
        if new.artifact_uri is not None:
            raise self._server.unsupported("keep a run's artifacts at a chosen place")
        _check_tags(new.tags.items())
        request = run_messages.CreateRun(
            experiment_id=new.experiment_id,
            user_id=new.user_id or None,
            run_name=new.run_name,
            start_time=new.start_time,
            tags=pairs(new.tags),
        )
        made = run_of(self._server.send(runs.CREATE, request, run_messages.RunFound).run)
        if new.status is RunStatus.RUNNING:
            return made
        info = self.update_run(made.info.run_id, changes=RunChanges(status=new.status))
        return replace(made, info=info)

    def get_run(self, run_id: str, *, projection: Projection = EVERYTHING) -> Run:
        validation.check_run_id(run_id)
        request = run_messages.GetRun(run_id=run_id)
        found = self._server.send(runs.GET, request, run_messages.RunFound)
        return project(run_of(found.run), projection)

    def update_run(self, run_id: str, *, changes: RunChanges) -> RunInfo:
        validation.check_run_id(run_id)
        self._check_changes_of_run(run_id, changes)
        if changes.lifecycle_stage is LifecycleStage.ACTIVE:
            self._server.send(runs.RESTORE, run_messages.DeleteRun(run_id=run_id), Empty)
        updated = None
        header = run_messages.UpdateRun(
            run_id=run_id,
            status=None if changes.status is UNSET else changes.status.name,
            # The check let None pass only where it changes nothing.
            end_time=None if changes.end_time is UNSET else changes.end_time,
            run_name=None if changes.run_name is UNSET else changes.run_name,
        )
        if header != run_messages.UpdateRun(run_id=run_id):
            updated = self._server.send(runs.UPDATE, header, run_messages.RunUpdated).run_info
        if changes.lifecycle_stage is _DELETED:
            self._server.send(runs.DELETE, run_messages.DeleteRun(run_id=run_id), Empty)
            updated = None
        return self.get_run(run_id).info if updated is None else updated.entity()

    def search_runs(self, query: RunQuery) -> Page[Run]:
        check_order(self._server, query.order_by, Subject.RUNS)
        order_by = tuple(format_order_by(without_repetition(query.order_by), Subject.RUNS))
        asked_in = query.experiment_ids
        experiment_ids: tuple[str, ...] = ()

        def ask(text: str, size: int, token: str | None) -> tuple[Iterable[Run], str | None]:
            nonlocal experiment_ids
            if not experiment_ids:
                experiment_ids = (
                    tuple(self._active_experiments())
                    if asked_in is None
                    else tuple(dict.fromkeys(asked_in))
                )
            if not experiment_ids:
                return (), None
            request = run_messages.SearchRuns(
                experiment_ids=experiment_ids,
                filter=text or None,
                run_view_type=query.view_type.name,
                max_results=size,
                order_by=order_by,
                page_token=token,
            )
            found = self._server.send(runs.SEARCH, request, run_messages.RunsFound)
            return [run_of(each) for each in found.runs], found.next_page_token

        page = search(
            self._server,
            ask,
            query,
            Subject.RUNS,
            most=_MOST_FOUND,
            within=(query.view_type.name, asked_in),
            tells_the_last=self._server.version >= _FIRST_THAT_TELLS_THE_LAST_PAGE,
        )
        return replace(page, items=tuple(project(run, query.projection) for run in page.items))

    # --- run data ---

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        validation.check_run_id(run_id)
        if batch.idempotency_key is not None:
            raise self._server.unsupported(
                "know a batch by its idempotency key", lacks=Capability.IDEMPOTENCY_KEYS
            )
        params = [(param.key, param.value) for param in batch.params]
        tags = {tag.key: tag.value for tag in batch.tags}
        check_lengths(params, STOCK_LIMITS.param_value_length, what="param")
        _check_tags(tags.items())
        if tags.get(RUN_NAME_TAG) == "":
            # It would empty the tag and leave the name.
            raise self._server.unsupported(_NO_NAME)
        points = self._points_to_send(batch.metrics)
        if len(params) > _MOST_PARAMS:
            # They go in several requests, of which none may contradict when others are through.
            known = self.get_run(run_id).data.params
            check_params(known, params, owner=f"run {run_id!r}")
        for request in _requests(run_id, points, pairs(dict(params)), pairs(tags)):
            self._log(request)

    def delete_tag(self, run_id: str, *, key: str) -> None:
        validation.check_run_id(run_id)
        validation.check_key(key, what="tag key")
        self._server.send(runs.DELETE_TAG, run_messages.DeleteTag(run_id=run_id, key=key), Empty)

    def log_inputs(self, run_id: str, *, inputs: RunInputs) -> None:
        validation.check_inputs(inputs)
        if inputs.model_inputs and not self._server.has_logged_models():
            raise self._server.too_old("say which models a run read")
        run = self.get_run(run_id)
        self._check_run_writable(run.info)
        known = {_identity(used): used for used in run.inputs.dataset_inputs}
        merged = {_identity(used): used for used in with_inputs(run, inputs).inputs.dataset_inputs}
        for identity, used in known.items():
            if merged[identity] != used:
                raise self._server.unsupported(
                    f"add tags to the data set {used.dataset.name!r} that the run {run_id!r} has"
                    " already"
                )
        datasets = [used for identity, used in merged.items() if identity not in known]
        models = [
            model
            for model in dict.fromkeys(inputs.model_inputs)
            if model not in run.inputs.model_inputs
        ]
        if not datasets and not models:
            return
        request = run_messages.LogInputs(
            run_id=run_id,
            datasets=tuple(map(run_messages.DatasetInputMessage.of, datasets)),
            models=tuple(run_messages.ModelInputMessage(model_id=m.model_id) for m in models),
        )
        self._server.send(runs.LOG_INPUTS, request, Empty)

    def log_outputs(self, run_id: str, *, outputs: RunOutputs) -> None:
        validation.check_outputs(outputs)
        run = self.get_run(run_id)
        self._check_run_writable(run.info)
        if not outputs.model_outputs:
            return
        if not self._server.has_logged_models():
            raise self._server.too_old("say which models a run made")
        known = {output.model_id: output for output in run.outputs.model_outputs}
        wanted = {output.model_id: output for output in outputs.model_outputs}
        for output in wanted.values():
            if output != known.get(output.model_id, output):
                raise self._server.unsupported(
                    f"move the model {output.model_id!r} of the run {run_id!r} to another step"
                )
        models = tuple(
            run_messages.ModelOutputMessage(model_id=output.model_id, step=output.step)
            for output in wanted.values()
            if output.model_id not in known
        )
        if models:
            request = run_messages.LogOutputs(run_id=run_id, models=models)
            # Sent again, it fails over what the first time left.
            self._server.send(runs.LOG_OUTPUTS, request, Empty, repeatable=False)

    def metric_history(self, run_id: str, *, query: MetricHistoryQuery) -> Page[Metric]:
        validation.check_run_id(run_id)
        points = list(self._all_points(run_id, query.key))
        if not points:
            self.get_run(run_id)  # older servers answer so for runs that aren't there too
        return select_points(points, query)

    def purge(self, request: PurgeRequest) -> PurgeReport:
        raise self._server.unsupported(
            "remove deleted runs and experiments for good; 'mlflow gc' beside it can",
            lacks=Capability.PURGE,
        )

    # --- parts of the above ---

    def _check_name_free(self, name: str) -> None:
        known = self.get_experiment_by_name(name)
        if known is not None:
            check_experiment_free(replace(known, experiment_id=""), [known])

    def _send_experiment_changes(self, old: Experiment, new: Experiment) -> None:
        experiment_id = old.experiment_id
        named = experiment_messages.GetExperiment(experiment_id=experiment_id)
        moves = new.lifecycle_stage is not old.lifecycle_stage
        if moves and new.lifecycle_stage is LifecycleStage.ACTIVE:
            self._server.send(experiments.RESTORE, named, Empty)
        if new.name != old.name:
            renaming = experiment_messages.UpdateExperiment(
                experiment_id=experiment_id, new_name=new.name
            )
            self._server.send(experiments.UPDATE, renaming, Empty)
        for key, value in new.tags.items():
            if old.tags.get(key) != value:
                tag = experiment_messages.SetExperimentTag(
                    experiment_id=experiment_id, key=key, value=value
                )
                self._server.send(experiments.SET_TAG, tag, Empty)
        for key in old.tags.keys() - new.tags.keys():
            self._delete_experiment_tag(experiment_id, key)
        if moves and new.lifecycle_stage is _DELETED:
            self._server.send(experiments.DELETE, named, Empty)

    def _delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        request = experiment_messages.DeleteExperimentTag(experiment_id=experiment_id, key=key)
        try:
            self._server.send(experiments.DELETE_TAG, request, Empty)
        except NotFoundError:
            if key in self.get_experiment(experiment_id).tags:
                # It isn't the tag that is missing, but the call.
                raise self._server.too_old("delete tags of experiments") from None
            raise

    def _active_experiments(self) -> Iterator[str]:
        query = ExperimentQuery(max_results=_MOST_FOUND, view_type=ViewType.ACTIVE_ONLY)
        return (experiment.experiment_id for experiment in self.iterate_experiments(query))

    def _check_run_writable(self, info: RunInfo, changes: RunChanges | None = None) -> None:
        experiment = Experiment(experiment_id=info.experiment_id, name="")
        if info.lifecycle_stage is _DELETED:
            experiment = self.get_experiment(info.experiment_id)
        check_run_writable(info, experiment, changes)

    def _check_changes_of_run(self, run_id: str, changes: RunChanges) -> None:
        if changes.deleted_time is not UNSET:
            raise self._server.unsupported(
                "tell another time of a run's end in the bin than now", lacks=Capability.CHOSEN_IDS
            )
        looks = (changes.start_time, changes.artifact_uri) != (UNSET, UNSET)
        # The server would restore a run of a deleted experiment too.
        looks = looks or changes.lifecycle_stage is LifecycleStage.ACTIVE
        looks = looks or changes == RunChanges() or changes.run_name == ""
        if not looks and changes.end_time is not None:
            return
        info = self.get_run(run_id).info
        self._check_run_writable(info, changes)
        if changes.start_time not in (UNSET, info.start_time):
            raise self._server.unsupported("change when a run began")
        if changes.artifact_uri not in (UNSET, info.artifact_uri):
            raise self._server.unsupported("change where a run's artifacts are")
        if changes.run_name == "" and info.run_name:
            raise self._server.unsupported(_NO_NAME)
        if changes.end_time is None and info.end_time is not None:
            raise self._server.unsupported("take the end time of a run away")

    def _log(self, request: run_messages.LogBatch) -> None:
        # A point that is sent twice stands twice in the files of a server.
        is_repeatable = not request.metrics
        try:
            self._server.send(runs.LOG_BATCH, request, Empty, repeatable=is_repeatable)
        except InvalidValueError:
            # Of two who log one param at a time a database refuses one, whatever its value.
            params = text_by_key(request.params)
            known = self.get_run(request.run_id).data.params if params else {}
            check_params(known, params.items(), owner=f"run {request.run_id!r}")
            if known.keys().isdisjoint(params):
                raise
            self._server.send(runs.LOG_BATCH, request, Empty, repeatable=is_repeatable)

    def _points_to_send(self, points: Sequence[Metric]) -> Sequence[Metric]:
        if any(point.model_id or point.dataset_name or point.dataset_digest for point in points):
            points = [self._point_to_send(point) for point in points]
        if self._server.version < _FIRST_THAT_TAKES_NAN_TWICE:
            points = _with_each_nan_once(points)
        return points

    def _point_to_send(self, point: Metric) -> Metric:
        if point.model_id is not None:
            if not self._server.has_logged_models():
                raise self._server.too_old("keep the model that a point was measured on")
            if self._is_known(point.model_id):
                return point
        if point.dataset_name is not None or point.dataset_digest is not None:
            raise self._server.unsupported(
                f"keep the data set of a point of the metric {shown(point.key)} that belongs to no"
                " logged model",
                lacks=Capability.METRIC_DATASETS,
            )
        return replace(point, model_id=None)

    def _is_known(self, model_id: str) -> bool:
        """Tell whether there is such a logged model; the server refuses points of one it lacks."""
        if model_id in self._known_models:
            return True
        request = GetLoggedModel(model_id=model_id)
        try:
            self._server.send(logged_models.GET, request, LoggedModelFound)
        except NotFoundError:
            return False
        self._known_models.add(model_id)
        return True

    def _all_points(self, run_id: str, key: str) -> Iterator[Metric]:
        # The first request has no size: 2.x knows none. Of the others some answer it with a token
        # alone, which asks for the first page.
        request = metric_messages.GetMetricHistory(run_id=run_id, metric_key=key)
        while True:
            found = self._server.send(metrics.HISTORY, request, metric_messages.MetricHistoryFound)
            yield from map(point_of, found.metrics)
            if not found.next_page_token:
                return
            check_progress(request.page_token, found.next_page_token)
            request = metric_messages.GetMetricHistory(
                run_id=run_id,
                metric_key=key,
                max_results=_MOST_POINTS_OF_HISTORY,
                page_token=found.next_page_token,
            )


def _experiment_of(found: experiment_messages.ExperimentFound) -> Experiment:
    return (found.experiment or experiment_messages.ExperimentMessage()).entity()


def _check_experiment_tags(tags: dict[str, str]) -> None:
    limit = STOCK_LIMITS.experiment_tag_value_length
    check_lengths(tags.items(), limit, what="experiment's tag")


def _check_tags(tags: Iterable[tuple[str, str]]) -> None:
    check_lengths(tags, STOCK_LIMITS.tag_value_length, what="tag")


def _with_each_nan_once(points: Sequence[Metric]) -> Sequence[Metric]:
    """Return points without repeated NaN, over which older servers fail: to them it's never equal.

    Other equal points they take, and keep once.
    """
    if not any(math.isnan(point.value) for point in points):
        return points
    once: dict[object, Metric] = {}
    for point in points:
        value = "NaN" if math.isnan(point.value) else point.value
        once.setdefault((point.key, point.step, point.timestamp, value), point)
    return tuple(once.values())


def _identity(used: DatasetInput) -> tuple[str, str]:
    return (used.dataset.name, used.dataset.digest)


def _requests(
    run_id: str,
    points: Sequence[Metric],
    params: tuple[KeyValue, ...],
    tags: tuple[KeyValue, ...],
) -> Iterator[run_messages.LogBatch]:
    """Yield a batch in parts that a server takes; params first, so that a conflict writes none."""
    left_params, left_tags, left_points = iter(params), iter(tags), iter(points)
    is_first = True
    while True:
        some_params = tuple(islice(left_params, _MOST_PARAMS))
        # Tags and points wait until the last of the params is through.
        through = len(some_params) < _MOST_PARAMS
        some_tags = tuple(islice(left_tags, _MOST_TAGS)) if through else ()
        # As many points fit into a request as anything together.
        room = _MOST_TOGETHER - len(some_params) - len(some_tags)
        some_points = tuple(islice(left_points, room)) if through else ()
        if not is_first and not some_params and not some_tags and not some_points:
            return
        yield run_messages.LogBatch(
            run_id=run_id,
            metrics=tuple(map(metric_messages.LoggedMetric.of, some_points)),
            params=some_params,
            tags=some_tags,
        )
        is_first = False
