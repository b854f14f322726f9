"""Logged models of a stock server, which has them from MLflow 3 on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tracking_core.entities import LoggedModel, LoggedModelStatus, ViewType
from tracking_core.errors import InvalidStateError
from tracking_core.search import FieldKind, Page, Subject
from tracking_core.stores import (
    UNSET,
    Capability,
    ExperimentQuery,
    LoggedModelChanges,
    LoggedModelQuery,
    LoggedModelStore,
    NewLoggedModel,
    RunStore,
    changed_logged_model,
    check_experiment_writable,
    validation,
)
from tracking_core.wire.endpoints import logged_models
from tracking_core.wire.messages import logged_models as messages
from tracking_core.wire.messages.base import Empty, pairs
from tracking_core.wire.messages.enums import logged_model_status_name
from tracking_core_rest.stock.searches import check_order, search, without_repetition
from tracking_core_rest.stock.server import StockServer
from tracking_core_rest.stock.values import logged_model_of

_MOST_FOUND = 1_000
_MOST_EXPERIMENTS = 50_000


class StockLoggedModels(LoggedModelStore):
    """Logged models of a server that isn't ours, by MLflow's endpoints.

    Args:
        server: The server.
        runs: Its experiments.
    """

    def __init__(self, server: StockServer, runs: RunStore) -> None:
        self._server = server
        self._runs = runs

    def create_logged_model(self, new: NewLoggedModel) -> LoggedModel:
        if new.model_id is not None or new.creation_timestamp is not None:
            raise self._server.unsupported(
                "make a logged model of a chosen id or time", lacks=Capability.CHOSEN_IDS
            )
        if new.artifact_location is not None:
            raise self._server.unsupported("keep a logged model's files at a chosen place")
        request = messages.CreateLoggedModel(
            experiment_id=new.experiment_id,
            name=new.name,
            model_type=new.model_type,
            source_run_id=new.source_run_id,
            params=pairs(new.params),
            tags=pairs(new.tags),
        )
        try:
            found = self._server.send(logged_models.CREATE, request, messages.LoggedModelFound)
        except InvalidStateError:
            check_experiment_writable(self._runs.get_experiment(new.experiment_id), None)
            raise
        made = logged_model_of(found.model)
        if new.status is LoggedModelStatus.PENDING:
            return made
        return self.update_logged_model(
            made.model_id, changes=LoggedModelChanges(status=new.status)
        )

    def get_logged_model(self, model_id: str) -> LoggedModel:
        validation.check_model_id(model_id)
        request = messages.GetLoggedModel(model_id=model_id)
        found = self._server.send(logged_models.GET, request, messages.LoggedModelFound)
        return logged_model_of(found.model)

    def update_logged_model(self, model_id: str, *, changes: LoggedModelChanges) -> LoggedModel:
        # Servers change deleted ones too; this one isn't found then.
        old = self.get_logged_model(model_id)
        if changes.last_updated_timestamp is not UNSET:
            raise self._server.unsupported(
                "tell another time of the last update than now", lacks=Capability.CHOSEN_IDS
            )
        if changes.log_metrics:
            raise self._server.unsupported(
                "take points of a logged model but with their run's", lacks=Capability.CHOSEN_IDS
            )
        for what in ("status_message", "artifact_location"):
            if getattr(changes, what) not in (UNSET, getattr(old, what)):
                raise self._server.unsupported(
                    f"change the {what.replace('_', ' ')} of a logged model"
                )
        new = changed_logged_model(old, changes)
        if new == old:
            return old
        self._send_changes(old, new)
        return self.get_logged_model(model_id)

    def delete_logged_model(self, model_id: str) -> None:
        # Servers delete deleted ones again, which must not be found.
        self.get_logged_model(model_id)
        self._server.send(logged_models.DELETE, messages.GetLoggedModel(model_id=model_id), Empty)

    def search_logged_models(self, query: LoggedModelQuery) -> Page[LoggedModel]:
        check_order(self._server, query.order_by, Subject.LOGGED_MODELS)
        order_by = tuple(self._orders_of(query))
        # A server takes a data set without digest for one whose digest is missing; which models
        # were measured on it is looked at here then.
        datasets = tuple(
            messages.DatasetFilterMessage(
                dataset_name=each.dataset_name, dataset_digest=each.dataset_digest
            )
            for each in query.datasets
            if all(each.dataset_digest for each in query.datasets)
        )
        experiment_ids: tuple[str, ...] = tuple(dict.fromkeys(query.experiment_ids or ()))

        def ask(
            text: str, size: int, token: str | None
        ) -> tuple[Iterable[LoggedModel], str | None]:
            nonlocal experiment_ids
            if query.experiment_ids is None and not experiment_ids:
                experiment_ids = tuple(self._active_experiments())
            if not experiment_ids:
                return (), None
            request = messages.SearchLoggedModels(
                experiment_ids=experiment_ids,
                filter=text or None,
                datasets=datasets,
                max_results=size,
                order_by=order_by,
                page_token=token,
            )
            found = self._server.send(logged_models.SEARCH, request, messages.LoggedModelsFound)
            return map(logged_model_of, found.models), found.next_page_token

        return search(
            self._server,
            ask,
            query,
            Subject.LOGGED_MODELS,
            most=_MOST_FOUND,
            within=query.experiment_ids,
            measured_on=tuple((each.dataset_name, each.dataset_digest) for each in query.datasets),
        )

    # --- parts of the above ---

    def _send_changes(self, old: LoggedModel, new: LoggedModel) -> None:
        model_id = old.model_id
        # Params first, the only ones that can contradict what came between.
        params = {key: value for key, value in new.params.items() if key not in old.params}
        if params:
            request = messages.LogLoggedModelParams(model_id=model_id, params=pairs(params))
            # Sent again, it fails over what the first time left.
            self._server.send(logged_models.LOG_PARAMS, request, Empty, repeatable=False)
        tags = {key: value for key, value in new.tags.items() if old.tags.get(key) != value}
        if tags:
            setting = messages.SetLoggedModelTags(model_id=model_id, tags=pairs(tags))
            self._server.send(logged_models.SET_TAGS, setting, messages.LoggedModelFound)
        if new.status is not old.status:
            status = logged_model_status_name(new.status)
            finalizing = messages.FinalizeLoggedModel(model_id=model_id, status=status)
            self._server.send(logged_models.FINALIZE, finalizing, messages.LoggedModelFound)
        for key in old.tags.keys() - new.tags.keys():
            gone = messages.DeleteLoggedModelTag(model_id=model_id, tag_key=key)
            self._server.send(logged_models.DELETE_TAG, gone, Empty)

    def _orders_of(self, query: LoggedModelQuery) -> Iterator[messages.LoggedModelOrder]:
        for order in without_repetition(query.order_by):
            is_metric = order.field.kind is FieldKind.METRIC
            dataset_name, dataset_digest = order.dataset_name, order.dataset_digest
            if is_metric and query.datasets:
                if len(query.datasets) > 1 or dataset_name is not None:
                    raise self._server.unsupported(
                        f"order by the metric {order.field.key!r} on several data sets"
                    )
                dataset_name = query.datasets[0].dataset_name
                dataset_digest = query.datasets[0].dataset_digest
            yield messages.LoggedModelOrder(
                # Its keys stand there without quotes.
                field_name=f"metrics.{order.field.key}" if is_metric else order.field.key,
                ascending=order.ascending,
                dataset_name=dataset_name,
                dataset_digest=dataset_digest,
            )

    def _active_experiments(self) -> Iterator[str]:
        query = ExperimentQuery(max_results=_MOST_EXPERIMENTS, view_type=ViewType.ACTIVE_ONLY)
        return (experiment.experiment_id for experiment in self._runs.iterate_experiments(query))
