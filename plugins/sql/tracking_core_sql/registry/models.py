"""Registered models: their names, tags and aliases."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from sqlalchemy import delete, select, update

from tracking_core.entities import RegisteredModel
from tracking_core.errors import AlreadyExistsError
from tracking_core.search import Page, Subject
from tracking_core.stores import ModelRegistryStore, validation
from tracking_core.stores.applying_models import (
    changed_registered_model,
    registered_model_of,
    with_aliases,
)
from tracking_core.stores.requests import (
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
)
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction
from tracking_core_sql.registry.holding import hold_model, no_such_model
from tracking_core_sql.registry.loading import MODEL_TAGS, load_models
from tracking_core_sql.searching.pages import search_page

_model, _version = schema.registered_model.c, schema.model_version.c
_alias, _version_tag = schema.registered_model_alias.c, schema.model_version_tag.c


class SqlRegisteredModels(ModelRegistryStore):
    """The registered models of a registry."""

    _database: Database

    def create_registered_model(self, new: NewRegisteredModel) -> RegisteredModel:
        def work(transaction: Transaction) -> RegisteredModel:
            model = registered_model_of(new)
            _check_free(transaction, model.name)
            number = transaction.add(schema.registered_model, {**_row(model), "last_version": 0})
            MODEL_TAGS.add(transaction, number, model.tags)
            return model

        return self._database.write(work)

    def get_registered_model(self, name: str) -> RegisteredModel:
        validation.check_registered_model_name(name)

        def work(transaction: Transaction) -> RegisteredModel:
            found = load_models(transaction, _model.name == name)
            if not found:
                raise no_such_model(name)
            return next(iter(found.values()))

        return self._database.read(work)

    def update_registered_model(
        self, name: str, *, changes: RegisteredModelChanges
    ) -> RegisteredModel:
        validation.check_registered_model_name(name)

        def work(transaction: Transaction) -> RegisteredModel:
            number = hold_model(transaction, name)
            old = load_models(transaction, _model.id == number)[number]
            versions = _which_are_there(transaction, number, set(changes.set_aliases.values()))
            new = changed_registered_model(old, changes, versions=versions)
            if new == old:
                return old
            if new.name != old.name:
                _check_free(transaction, new.name)
            transaction.execute(
                update(schema.registered_model).where(_model.id == number).values(**_row(new))
            )
            MODEL_TAGS.change(transaction, number, old.tags, new.tags)
            _change_aliases(transaction, number, old.aliases, new.aliases)
            latest = (
                with_aliases(replace(version, name=new.name), new.aliases)
                for version in new.latest_versions
            )
            return replace(new, latest_versions=tuple(latest))

        return self._database.write(work)

    def delete_registered_model(self, name: str) -> None:
        validation.check_registered_model_name(name)

        def work(transaction: Transaction) -> None:
            number = hold_model(transaction, name)
            versions = select(_version.id).where(_version.model == number)
            transaction.execute(
                delete(schema.model_version_tag).where(_version_tag.version.in_(versions))
            )
            transaction.execute(delete(schema.model_version).where(_version.model == number))
            for table in (schema.registered_model_alias, schema.registered_model_tag):
                transaction.execute(delete(table).where(table.c.model == number))
            transaction.execute(delete(schema.registered_model).where(_model.id == number))

        self._database.write(work)

    def search_registered_models(self, query: RegisteredModelQuery) -> Page[RegisteredModel]:
        return self._database.read(
            lambda transaction: search_page(
                transaction,
                subject=Subject.REGISTERED_MODELS,
                query=query,
                load=lambda numbers: load_models(
                    transaction, transaction.among(_model.id, numbers)
                ),
            )
        )


def _row(model: RegisteredModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "creation_timestamp": model.creation_timestamp,
        "last_updated_timestamp": model.last_updated_timestamp,
        "description": model.description,
    }


def _check_free(transaction: Transaction, name: str) -> None:
    if transaction.first(select(_model.id).where(_model.name == name)) is not None:
        raise AlreadyExistsError(f"The registered model {name!r} exists already.")


def _which_are_there(transaction: Transaction, model: int, versions: set[int]) -> list[int]:
    if not versions:
        return []
    query = select(_version.version).where(
        _version.model == model,
        _version.is_deleted == 0,
        transaction.among(_version.version, sorted(versions)),
    )
    return [row[0] for row in transaction.rows(query)]


def _change_aliases(
    transaction: Transaction, model: int, old: dict[str, int], new: dict[str, int]
) -> None:
    gone = sorted(old.keys() - new.keys())
    if gone:
        is_gone = transaction.among(_alias.alias, gone)
        transaction.execute(
            delete(schema.registered_model_alias).where(_alias.model == model, is_gone)
        )
    rows = [(model, alias, new[alias]) for alias in sorted(new) if old.get(alias) != new[alias]]
    names = ("model", "alias", "version")
    transaction.upsert(schema.registered_model_alias, names, rows, update=["version"])
