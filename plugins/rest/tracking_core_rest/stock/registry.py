"""The model registry of a stock server."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from tracking_core.entities import (
    ModelVersion,
    ModelVersionStatus,
    RegisteredModel,
)
from tracking_core.errors import AlreadyExistsError, InvalidValueError, NotFoundError
from tracking_core.search import Page, Subject, format_order_by
from tracking_core.stores import (
    UNSET,
    Capability,
    ModelRegistryStore,
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
    changed_registered_model,
    changed_version,
    validation,
    with_aliases,
)
from tracking_core.stores.validation import shown
from tracking_core.wire.endpoints import registry
from tracking_core.wire.messages import registry as messages
from tracking_core.wire.messages.base import Empty, pairs
from tracking_core_rest.stock.searches import check_order, search, without_repetition
from tracking_core_rest.stock.server import StockServer
from tracking_core_rest.stock.values import registered_model_of, version_of

_MOST_MODELS_FOUND = 1_000
_MOST_VERSIONS_FOUND = 200_000


class StockRegistry(ModelRegistryStore):
    """Registered models of a server that isn't ours, by MLflow's endpoints.

    A change of several things takes several requests: what can be checked is checked first, what
    is added goes before what is deleted, and a new name comes last.
    """

    def __init__(self, server: StockServer) -> None:
        self._server = server

    # --- registered models ---

    def create_registered_model(self, new: NewRegisteredModel) -> RegisteredModel:
        if new.creation_timestamp is not None:
            raise self._server.unsupported(
                "register a model at another time than now", lacks=Capability.CHOSEN_IDS
            )
        request = messages.CreateRegisteredModel(
            name=new.name, description=new.description or None, tags=pairs(new.tags)
        )
        try:
            self._server.send(registry.CREATE, request, messages.RegisteredModelFound)
        except AlreadyExistsError:
            raise _taken(new.name) from None
        return self.get_registered_model(new.name)

    def get_registered_model(self, name: str) -> RegisteredModel:
        validation.check_registered_model_name(name)
        request = messages.GetRegisteredModel(name=name)
        found = self._server.send(registry.GET, request, messages.RegisteredModelFound)
        return _whole(registered_model_of(found.registered_model))

    def update_registered_model(
        self, name: str, *, changes: RegisteredModelChanges
    ) -> RegisteredModel:
        old = self.get_registered_model(name)
        if changes.last_updated_timestamp is not UNSET:
            raise self._server.unsupported(
                "tell another time of the last update than now", lacks=Capability.CHOSEN_IDS
            )
        versions = [
            number for number in changes.set_aliases.values() if self._has_version(name, number)
        ]
        new = changed_registered_model(old, changes, versions=versions)
        if new == old:
            return old
        if new.name != name and self._has_model(new.name):
            raise _taken(new.name)
        self._send_changes(old, new)
        return self.get_registered_model(new.name)

    def delete_registered_model(self, name: str) -> None:
        validation.check_registered_model_name(name)
        self._server.send(registry.DELETE, messages.GetRegisteredModel(name=name), Empty)

    def search_registered_models(self, query: RegisteredModelQuery) -> Page[RegisteredModel]:
        subject = Subject.REGISTERED_MODELS
        check_order(self._server, query.order_by, subject)
        order_by = tuple(format_order_by(without_repetition(query.order_by), subject))

        def ask(
            text: str, size: int, token: str | None
        ) -> tuple[Iterable[RegisteredModel], str | None]:
            request = messages.SearchModels(
                filter=text or None, max_results=size, order_by=order_by, page_token=token
            )
            found = self._server.send(registry.SEARCH, request, messages.RegisteredModelsFound)
            models = map(registered_model_of, found.registered_models)
            return map(_whole, models), found.next_page_token

        return search(self._server, ask, query, subject, most=_MOST_MODELS_FOUND)

    # --- versions ---

    def create_model_version(self, new: NewModelVersion) -> ModelVersion:
        if new.idempotency_key is not None:
            raise self._server.unsupported(
                "know a model version by its idempotency key", lacks=Capability.IDEMPOTENCY_KEYS
            )
        if new.version is not None or new.creation_timestamp is not None:
            raise self._server.unsupported(
                "make a model version of a chosen number or time", lacks=Capability.CHOSEN_IDS
            )
        if new.user_id is not None:
            raise self._server.unsupported("say who makes a model version")
        if new.status is not ModelVersionStatus.READY:
            raise self._server.unsupported(f"make a model version of the status {new.status}")
        if new.model_id is not None and not self._server.has_logged_models():
            raise self._server.too_old("say which logged model a version is made from")
        request = messages.CreateModelVersion(
            name=new.name,
            source=new.source,
            run_id=new.run_id,
            run_link=new.run_link,
            description=new.description or None,
            tags=pairs(new.tags),
            model_id=new.model_id,
        )
        found = self._server.send(registry.CREATE_VERSION, request, messages.ModelVersionFound)
        return version_of(found.model_version)

    def get_model_version(self, name: str, *, version: int) -> ModelVersion:
        request = messages.GetModelVersion(**_place(name, version))
        found = self._server.send(registry.GET_VERSION, request, messages.ModelVersionFound)
        return version_of(found.model_version)

    def update_model_version(
        self, name: str, *, version: int, changes: ModelVersionChanges
    ) -> ModelVersion:
        old = self.get_model_version(name, version=version)
        if changes.last_updated_timestamp is not UNSET:
            raise self._server.unsupported(
                "tell another time of the last update than now", lacks=Capability.CHOSEN_IDS
            )
        for what in ("status", "status_message", "source"):
            if getattr(changes, what) not in (UNSET, getattr(old, what)):
                raise self._server.unsupported(
                    f"change the {what.replace('_', ' ')} of a model version"
                )
        new = changed_version(old, changes)
        place = _place(name, version)
        if new.description != old.description:
            described = messages.UpdateModelVersion(**place, description=new.description)
            self._server.send(registry.UPDATE_VERSION, described, messages.ModelVersionFound)
        for key, value in new.tags.items():
            if old.tags.get(key) != value:
                tag = messages.SetModelVersionTag(**place, key=key, value=value)
                self._server.send(registry.SET_VERSION_TAG, tag, Empty)
        if changes.current_stage is not UNSET:
            transition = messages.TransitionStage(
                **place,
                stage=changes.current_stage.value,
                archive_existing_versions=changes.archive_existing_versions,
            )
            self._server.send(registry.TRANSITION, transition, messages.ModelVersionFound)
        for key in old.tags.keys() - new.tags.keys():
            gone = messages.DeleteModelVersionTag(**place, key=key)
            self._server.send(registry.DELETE_VERSION_TAG, gone, Empty)
        if new == old and changes.current_stage is UNSET:
            return old
        return self.get_model_version(name, version=version)

    def delete_model_version(self, name: str, *, version: int) -> None:
        # MLflow 2 leaves a deleted version's aliases; sent in this order, a failed call can be
        # made again.
        for alias in self.get_model_version(name, version=version).aliases:
            pointer = messages.GetAlias(name=name, alias=alias)
            self._server.send(registry.DELETE_ALIAS, pointer, Empty)
        request = messages.GetModelVersion(**_place(name, version))
        self._server.send(registry.DELETE_VERSION, request, Empty)

    def search_model_versions(self, query: ModelVersionQuery) -> Page[ModelVersion]:
        subject = Subject.MODEL_VERSIONS
        check_order(self._server, query.order_by, subject)
        order_by = tuple(format_order_by(without_repetition(query.order_by), subject))

        def ask(
            text: str, size: int, token: str | None
        ) -> tuple[Iterable[ModelVersion], str | None]:
            request = messages.SearchModels(
                filter=text or None, max_results=size, order_by=order_by, page_token=token
            )
            found = self._server.send(
                registry.SEARCH_VERSIONS, request, messages.ModelVersionsFound
            )
            return map(version_of, found.model_versions), found.next_page_token

        return search(self._server, ask, query, subject, most=_MOST_VERSIONS_FOUND)

    def get_model_version_by_alias(self, name: str, *, alias: str) -> ModelVersion:
        validation.check_registered_model_name(name)
        validation.check_alias(alias)
        request = messages.GetAlias(name=name, alias=alias)
        try:
            found = self._server.send(registry.GET_BY_ALIAS, request, messages.ModelVersionFound)
        except (NotFoundError, InvalidValueError):
            # Stock servers take a missing alias for a bad one; the model tells what it is.
            return super().get_model_version_by_alias(name, alias=alias)
        return version_of(found.model_version)

    # --- parts of the above ---

    def _has_model(self, name: str) -> bool:
        try:
            self.get_registered_model(name)
        except NotFoundError:
            return False
        return True

    def _has_version(self, name: str, version: int) -> bool:
        try:
            self.get_model_version(name, version=version)
        except NotFoundError:
            return False
        return True

    def _send_changes(self, old: RegisteredModel, new: RegisteredModel) -> None:
        name = old.name
        if new.description != old.description:
            described = messages.UpdateRegisteredModel(name=name, description=new.description)
            self._server.send(registry.UPDATE, described, messages.RegisteredModelFound)
        for key, value in new.tags.items():
            if old.tags.get(key) != value:
                tag = messages.SetRegisteredModelTag(name=name, key=key, value=value)
                self._server.send(registry.SET_TAG, tag, Empty)
        for alias, version in new.aliases.items():
            if old.aliases.get(alias) != version:
                pointer = messages.SetAlias(name=name, alias=alias, version=str(version))
                self._server.send(registry.SET_ALIAS, pointer, Empty)
        for key in old.tags.keys() - new.tags.keys():
            gone = messages.DeleteRegisteredModelTag(name=name, key=key)
            self._server.send(registry.DELETE_TAG, gone, Empty)
        for alias in old.aliases.keys() - new.aliases.keys():
            self._server.send(
                registry.DELETE_ALIAS, messages.GetAlias(name=name, alias=alias), Empty
            )
        if new.name != name:
            renaming = messages.RenameRegisteredModel(name=name, new_name=new.name)
            self._server.send(registry.RENAME, renaming, messages.RegisteredModelFound)


def _taken(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(f"The registered model {shown(name)} exists already.")


def _place(name: str, version: int) -> dict[str, str]:
    validation.check_registered_model_name(name)
    return {"name": name, "version": str(validation.check_version(version))}


def _whole(model: RegisteredModel) -> RegisteredModel:
    """Return the model with the aliases of its versions, which servers send beside them."""
    versions = tuple(with_aliases(version, model.aliases) for version in model.latest_versions)
    return replace(model, latest_versions=versions)
