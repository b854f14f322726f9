"""The facets of a backend behind a server of ours: each method is the same method there."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from typing import Any, TypeVar, cast

from msgspec.structs import replace

from tracking_core.stores import (
    Capability,
    Facet,
    LoggedModelStore,
    ModelRegistryStore,
    RunStore,
    WebhookStore,
)
from tracking_core.wire.contract_calls import ContractCall, contract_calls
from tracking_core_rest.connection import ServerConnection
from tracking_core_rest.webhooks import RemoteWebhooks

F = TypeVar("F", bound=Callable[..., Any])

# Repeated, these do nothing more, so a lost answer is asked for again; of others it is told.
_REPEATABLE = frozenset(
    {
        "ensure_experiment",
        "update_run",
        "log_inputs",
        "log_outputs",
        "purge",
    }
)
_UNLESS_TAGS_GO = frozenset(
    {
        "update_experiment",
        "update_registered_model",
        "update_model_version",
        "update_logged_model",
    }
)
# These carry a key, by which the server knows them when they come again.
_KEYED = {"create_run": "new", "create_model_version": "new", "log_batch": "batch"}


class _Remote:
    """What the facets share: the way to the server."""

    def __init__(self, connection: ServerConnection, *, takes_keys: bool) -> None:
        self._connection = connection
        self._takes_keys = takes_keys

    def _call(self, call: ContractCall, *arguments: Any, **keywords: Any) -> Any:
        repeatable = not call.writes or call.method in _REPEATABLE
        if call.method in _UNLESS_TAGS_GO:
            changes = keywords["changes"]
            goes = (*changes.delete_tags, *getattr(changes, "delete_aliases", ()))
            # A new name isn't found under the old one the second time.
            repeatable = not goes and not isinstance(getattr(changes, "name", None), str)
        keyed = _KEYED.get(call.method)
        if keyed is not None and self._takes_keys:
            arguments, keywords = _with_key(call, keyed, arguments, keywords)
            repeatable = True
        body = call.request(*arguments, **keywords)
        return self._connection.call(call, body, repeatable=repeatable)


def _with_key(
    call: ContractCall, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    request = keywords[name] if name in keywords else arguments[0]
    if request.idempotency_key is None:
        request = replace(request, idempotency_key=uuid.uuid4().hex)
    if name in keywords:
        return arguments, {**keywords, name: request}
    return (request, *arguments[1:]), keywords


def _there(method: F) -> F:
    """Return a method that calls this method of the facet there."""
    owner, name = method.__qualname__.split(".")

    @functools.wraps(method)
    def forward(self: _Remote, *arguments: Any, **keywords: Any) -> Any:
        call = _calls()[owner, name]
        return self._call(call, *arguments, **keywords)

    forward.__isabstractmethod__ = False  # type: ignore[attr-defined]
    return cast("F", forward)


@functools.cache
def _calls() -> dict[tuple[str, str], ContractCall]:
    return {(call.facet.__name__, call.method): call for call in contract_calls().values()}


class RemoteRuns(_Remote, RunStore):
    """Experiments and runs behind a server."""

    create_experiment = _there(RunStore.create_experiment)
    get_experiment = _there(RunStore.get_experiment)
    update_experiment = _there(RunStore.update_experiment)
    search_experiments = _there(RunStore.search_experiments)
    get_experiment_by_name = _there(RunStore.get_experiment_by_name)
    ensure_experiment = _there(RunStore.ensure_experiment)
    count_experiments = _there(RunStore.count_experiments)
    create_run = _there(RunStore.create_run)
    get_run = _there(RunStore.get_run)
    update_run = _there(RunStore.update_run)
    search_runs = _there(RunStore.search_runs)
    count_runs = _there(RunStore.count_runs)
    log_batch = _there(RunStore.log_batch)
    delete_tag = _there(RunStore.delete_tag)
    log_inputs = _there(RunStore.log_inputs)
    log_outputs = _there(RunStore.log_outputs)
    metric_history = _there(RunStore.metric_history)
    metric_histories = _there(RunStore.metric_histories)
    search_datasets = _there(RunStore.search_datasets)
    purge = _there(RunStore.purge)


class RemoteRegistry(_Remote, ModelRegistryStore):
    """Registered models behind a server."""

    create_registered_model = _there(ModelRegistryStore.create_registered_model)
    get_registered_model = _there(ModelRegistryStore.get_registered_model)
    update_registered_model = _there(ModelRegistryStore.update_registered_model)
    delete_registered_model = _there(ModelRegistryStore.delete_registered_model)
    search_registered_models = _there(ModelRegistryStore.search_registered_models)
    create_model_version = _there(ModelRegistryStore.create_model_version)
    get_model_version = _there(ModelRegistryStore.get_model_version)
    update_model_version = _there(ModelRegistryStore.update_model_version)
    delete_model_version = _there(ModelRegistryStore.delete_model_version)
    search_model_versions = _there(ModelRegistryStore.search_model_versions)
    get_model_version_by_alias = _there(ModelRegistryStore.get_model_version_by_alias)
    latest_versions = _there(ModelRegistryStore.latest_versions)


class RemoteLoggedModels(_Remote, LoggedModelStore):
    """Logged models behind a server."""

    create_logged_model = _there(LoggedModelStore.create_logged_model)
    get_logged_model = _there(LoggedModelStore.get_logged_model)
    update_logged_model = _there(LoggedModelStore.update_logged_model)
    delete_logged_model = _there(LoggedModelStore.delete_logged_model)
    search_logged_models = _there(LoggedModelStore.search_logged_models)


def remote_facets(connection: ServerConnection) -> dict[type[Facet], Facet]:
    """Return the facets that a server of ours says that it has."""
    abilities = connection.abilities()
    assert abilities is not None
    kinds: tuple[tuple[type[Facet], type[_Remote], tuple[str, ...], tuple[str, ...]], ...] = (
        (RunStore, RemoteRuns, abilities.tracking.facets, abilities.tracking.capabilities),
        (
            ModelRegistryStore,
            RemoteRegistry,
            abilities.registry.facets,
            abilities.registry.capabilities,
        ),
        (
            LoggedModelStore,
            RemoteLoggedModels,
            abilities.tracking.facets,
            abilities.tracking.capabilities,
        ),
    )
    found: dict[type[Facet], Facet] = {
        kind: cast(
            "Facet",
            remote(connection, takes_keys=Capability.IDEMPOTENCY_KEYS.value in capabilities),
        )
        for kind, remote, facets, capabilities in kinds
        if kind.__name__ in facets
    }
    if WebhookStore.__name__ in abilities.registry.facets:
        found[WebhookStore] = RemoteWebhooks(connection)
    return found
