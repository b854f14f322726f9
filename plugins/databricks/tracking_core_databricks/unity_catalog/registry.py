"""Registered models of Unity Catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ParamSpec, TypeVar

from msgspec.structs import replace

from tracking_core.config import Settings
from tracking_core.entities import ModelVersion, ModelVersionStage, RegisteredModel
from tracking_core.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidValueError,
    NotFoundError,
    UnsupportedError,
)
from tracking_core.search import And, Expression, Field, FieldKind, Not, Or, Page
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
    name_asked_for,
    newest_of_each_stage,
    select_model_versions,
    select_registered_models,
    validation,
    with_aliases,
)
from tracking_core.stores.validation import shown
from tracking_core.wire.messages import registry as messages
from tracking_core.wire.messages.base import Empty, pairs
from tracking_core_databricks.unity_catalog import calls
from tracking_core_rest.stock import StockServer

P = ParamSpec("P")
T = TypeVar("T")

_MOST_FOUND = 1_000


class UnityCatalogRegistry(ModelRegistryStore):
    """Registered models of Unity Catalog, named `catalog.schema.model`.

    Its searches tell neither tags nor aliases, so each item of a page is asked for on its own. It
    finds models by no filter, and versions of one model only: what a filter and an order say beyond
    that is looked at here.

    Refused are stages (it has aliases instead), another status or source of a version, a link to a
    run, a chosen author, number or time.

    Args:
        server: The workspace.
        settings: What files are moved with.
        authority: What stands behind `databricks-uc://`, for the URIs of files.
    """

    def __init__(self, server: StockServer, settings: Settings, *, authority: str) -> None:
        self._server = server
        self._settings = settings
        self._authority = authority

    # --- registered models ---

    def create_registered_model(self, new: NewRegisteredModel) -> RegisteredModel:
        check_name(new.name)
        if new.creation_timestamp is not None:
            raise self._server.unsupported(
                "register a model at another time than now", lacks=Capability.CHOSEN_IDS
            )
        request = messages.CreateRegisteredModel(
            name=new.name, description=new.description or None, tags=pairs(new.tags)
        )
        try:
            self._server.send(calls.CREATE, request, messages.RegisteredModelFound)
        except (AlreadyExistsError, ConflictError) as error:
            raise _taken(new.name) from error
        except NotFoundError as error:
            catalog, schema, _ = new.name.split(".")
            raise NotFoundError(
                f"The model {shown(new.name)} can't be registered: the catalog {catalog!r} or its"
                f" schema {schema!r} isn't there ({str(error).rstrip('.')}); make it, or choose"
                " another."
            ) from error
        return self.get_registered_model(new.name)

    def get_registered_model(self, name: str) -> RegisteredModel:
        model = self._header(name)
        newest = newest_of_each_stage(self._versions(name))
        whole: list[ModelVersion] = []
        for version in newest:
            whole += self._still_there(self.get_model_version, name, version=version.version)
        return replace(
            model,
            latest_versions=tuple(with_aliases(version, model.aliases) for version in whole),
        )

    def update_registered_model(
        self, name: str, *, changes: RegisteredModelChanges
    ) -> RegisteredModel:
        old = self._header(name)
        if changes.last_updated_timestamp is not UNSET:
            raise self._server.unsupported(
                "tell another time of the last update than now", lacks=Capability.CHOSEN_IDS
            )
        if changes.name is not UNSET:
            check_name(changes.name)
        versions = [
            number
            for number in changes.set_aliases.values()
            if self._still_there(self.get_model_version, name, version=number)
        ]
        new = changed_registered_model(old, changes, versions=versions)
        if new == old:
            return self.get_registered_model(name)
        if new.name != name and self._still_there(self._header, new.name):
            raise _taken(new.name)
        self._send_changes(old, new)
        return self.get_registered_model(new.name)

    def delete_registered_model(self, name: str) -> None:
        check_name(name)
        self._server.send(calls.DELETE, messages.GetRegisteredModel(name=name), Empty)

    def search_registered_models(self, query: RegisteredModelQuery) -> Page[RegisteredModel]:
        name = name_asked_for(query.filter)
        models: Iterable[RegisteredModel]
        if name is not None:
            models = self._still_there(self._header, name) if is_name(name) else ()
        elif any(field.kind is FieldKind.TAG for field in fields_of(query.filter)):
            raise UnsupportedError(
                "Unity Catalog can't search models by their tags; leave them out of the filter, or"
                " add name = 'CATALOG.SCHEMA.MODEL' to it."
            )
        else:
            models = self._all_models()
        page = select_registered_models(models, query)
        whole: list[RegisteredModel] = []
        for model in page.items:
            whole += self._still_there(self.get_registered_model, model.name)
        return replace(page, items=tuple(whole))

    # --- versions ---

    def create_model_version(self, new: NewModelVersion) -> ModelVersion:
        check_name(new.name)
        raise UnsupportedError(
            f"A version of {shown(new.name)} can't be added: Unity Catalog keeps the files of a"
            " version itself, and this release doesn't move them there. Register it by MLflow's own"
            " client; from then on it can be read, tagged, aliased and deleted here."
        )

    def get_model_version(self, name: str, *, version: int) -> ModelVersion:
        request = messages.GetModelVersion(**_place(name, version))
        found = self._server.send(calls.GET_VERSION, request, calls.CatalogVersionFound)
        return (found.model_version or calls.CatalogVersion()).entity()

    def update_model_version(
        self, name: str, *, version: int, changes: ModelVersionChanges
    ) -> ModelVersion:
        old = self.get_model_version(name, version=version)
        if changes.last_updated_timestamp is not UNSET:
            raise self._server.unsupported(
                "tell another time of the last update than now", lacks=Capability.CHOSEN_IDS
            )
        if changes.current_stage not in (UNSET, ModelVersionStage.NONE):
            raise UnsupportedError(
                f"Unity Catalog has no stages, so version {version} of {shown(name)} can't be moved"
                f" to {changes.current_stage}; set an alias, as set_registered_model_alias does."
            )
        for what in ("status", "status_message", "source"):
            if getattr(changes, what) not in (UNSET, getattr(old, what)):
                raise self._server.unsupported(
                    f"change the {what.replace('_', ' ')} of a model version"
                )
        new = changed_version(old, changes)
        if new == old:
            return old
        place = _place(name, version)
        if new.description != old.description:
            described = messages.UpdateModelVersion(**place, description=new.description)
            self._server.send(calls.UPDATE_VERSION, described, calls.CatalogVersionFound)
        for key, value in new.tags.items():
            if old.tags.get(key) != value:
                tag = messages.SetModelVersionTag(**place, key=key, value=value)
                self._server.send(calls.SET_VERSION_TAG, tag, Empty)
        for key in old.tags.keys() - new.tags.keys():
            gone = messages.DeleteModelVersionTag(**place, key=key)
            self._server.send(calls.DELETE_VERSION_TAG, gone, Empty)
        return self.get_model_version(name, version=version)

    def delete_model_version(self, name: str, *, version: int) -> None:
        request = messages.GetModelVersion(**_place(name, version))
        self._server.send(calls.DELETE_VERSION, request, Empty)

    def search_model_versions(self, query: ModelVersionQuery) -> Page[ModelVersion]:
        name = name_asked_for(query.filter)
        if name is None:
            raise UnsupportedError(
                "Unity Catalog searches the versions of one model at a time; add"
                " name = 'CATALOG.SCHEMA.MODEL' to the filter."
            )
        versions: Iterable[ModelVersion] = self._versions(name) if is_name(name) else ()
        is_whole = any(field.kind is FieldKind.TAG for field in fields_of(query.filter))
        if is_whole:
            versions = self._whole(versions)
        page = select_model_versions(versions, query)
        return page if is_whole else replace(page, items=tuple(self._whole(page.items)))

    def get_model_version_by_alias(self, name: str, *, alias: str) -> ModelVersion:
        check_name(name)
        validation.check_alias(alias)
        request = messages.GetAlias(name=name, alias=alias)
        try:
            found = self._server.send(calls.GET_BY_ALIAS, request, calls.CatalogVersionFound)
        except (NotFoundError, InvalidValueError):
            # The model tells which aliases it has.
            return super().get_model_version_by_alias(name, alias=alias)
        return (found.model_version or calls.CatalogVersion()).entity()

    # --- parts of the above ---

    def _header(self, name: str) -> RegisteredModel:
        """Return a model without its newest versions."""
        check_name(name)
        request = messages.GetRegisteredModel(name=name)
        found = self._server.send(calls.GET, request, messages.RegisteredModelFound)
        return (found.registered_model or messages.RegisteredModelMessage()).entity()

    def _all_models(self) -> Iterator[RegisteredModel]:
        token = None
        while True:
            request = messages.SearchModels(max_results=_MOST_FOUND, page_token=token)
            found = self._server.send(calls.SEARCH, request, messages.RegisteredModelsFound)
            yield from (each.entity() for each in found.registered_models)
            # A page may be empty, and not the last.
            if not found.next_page_token or found.next_page_token == token:
                return
            token = found.next_page_token

    def _versions(self, name: str) -> Iterator[ModelVersion]:
        """Yield the versions of a model without their tags and aliases."""
        token = None
        while True:
            request = messages.SearchModels(
                filter=f"name = '{name}'", max_results=_MOST_FOUND, page_token=token
            )
            found = self._server.send(calls.SEARCH_VERSIONS, request, calls.CatalogVersionsFound)
            yield from (each.entity() for each in found.model_versions)
            if not found.next_page_token or found.next_page_token == token:
                return
            token = found.next_page_token

    def _whole(self, versions: Iterable[ModelVersion]) -> Iterator[ModelVersion]:
        for version in versions:
            yield from self._still_there(
                self.get_model_version, version.name, version=version.version
            )

    @staticmethod
    def _still_there(get: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> Sequence[T]:
        """Return what is got, in a list; an empty one if it has gone meanwhile."""
        try:
            return [get(*arguments, **keywords)]
        except NotFoundError:
            return []

    def _send_changes(self, old: RegisteredModel, new: RegisteredModel) -> None:
        name = old.name
        if new.description != old.description:
            described = calls.UpdateCatalogModel(name=name, description=new.description)
            self._server.send(calls.UPDATE, described, messages.RegisteredModelFound)
        for key, value in new.tags.items():
            if old.tags.get(key) != value:
                tag = messages.SetRegisteredModelTag(name=name, key=key, value=value)
                self._server.send(calls.SET_TAG, tag, Empty)
        for alias, version in new.aliases.items():
            if old.aliases.get(alias) != version:
                pointer = messages.SetAlias(name=name, alias=alias, version=str(version))
                self._server.send(calls.SET_ALIAS, pointer, Empty)
        for key in old.tags.keys() - new.tags.keys():
            gone = messages.DeleteRegisteredModelTag(name=name, key=key)
            self._server.send(calls.DELETE_TAG, gone, Empty)
        for alias in old.aliases.keys() - new.aliases.keys():
            self._server.send(calls.DELETE_ALIAS, messages.GetAlias(name=name, alias=alias), Empty)
        if new.name != name:
            renaming = calls.UpdateCatalogModel(name=name, new_name=new.name)
            self._server.send(
                calls.UPDATE, renaming, messages.RegisteredModelFound, repeatable=False
            )


def is_name(name: str) -> bool:
    """Tell whether a name has Unity Catalog's three levels."""
    parts = name.split(".")
    return len(parts) == 3 and all(part.strip() for part in parts) and "'" not in name


def check_name(name: str) -> None:
    """Check that a name has Unity Catalog's three levels.

    Raises:
        InvalidValueError: It hasn't.
    """
    validation.check_registered_model_name(name)
    if not is_name(name):
        last = name.rpartition(".")[2].replace("'", "").strip() or "MODEL"
        raise InvalidValueError(
            f"The name {shown(name)} can't be one of Unity Catalog's, which have three levels;"
            f" write {shown(f'main.default.{last}')}, that is CATALOG.SCHEMA.MODEL."
        )


def fields_of(expression: Expression | None) -> Iterator[Field]:
    """Yield the fields that a filter looks at."""
    if expression is None:
        return
    if isinstance(expression, (And, Or)):
        for term in expression.terms:
            yield from fields_of(term)
    elif isinstance(expression, Not):
        yield from fields_of(expression.term)
    else:
        yield expression.field


def _taken(name: str) -> AlreadyExistsError:
    return AlreadyExistsError(f"The registered model {shown(name)} exists already.")


def _place(name: str, version: int) -> dict[str, str]:
    check_name(name)
    return {"name": name, "version": str(validation.check_version(version))}
