"""Model versions: each has a number that no other version of its model has or had."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import delete, select, update

from tracking_core.entities import ModelVersion, ModelVersionStage
from tracking_core.errors import AlreadyExistsError, NotFoundError
from tracking_core.search import Page, Subject
from tracking_core.stores import ModelRegistryStore, validation
from tracking_core.stores.applying_models import changed_version, version_of
from tracking_core.stores.requests import (
    UNSET,
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    now,
)
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction
from tracking_core_sql.registry.holding import find_model, hold_model, touch_model
from tracking_core_sql.registry.loading import (
    STAGES,
    STATUSES,
    VERSION_TAGS,
    load_version,
    load_versions,
)
from tracking_core_sql.searching.pages import search_page

_model, _version = schema.registered_model.c, schema.model_version.c
_alias, _tag = schema.registered_model_alias.c, schema.model_version_tag.c
_EMPTIED = {
    "description": "",
    "source": "",
    "user_id": None,
    "run_id": None,
    "run_link": None,
    "status_message": None,
    "model_id": None,
    "is_deleted": 1,
}
"""What is left of a deleted version: its number, and the digest of its idempotency key."""


class SqlModelVersions(ModelRegistryStore):
    """The versions of the models of a registry."""

    _database: Database

    def create_model_version(self, new: NewModelVersion) -> ModelVersion:
        key = new.idempotency_key
        digest = None if key is None else hashlib.sha256(key.encode()).hexdigest()

        def work(transaction: Transaction) -> ModelVersion:
            model = hold_model(transaction, new.name)
            number = _made_earlier(transaction, model, digest)
            if number is None:
                number = _add(transaction, model, new, digest)
            return load_version(transaction, model, new.name, number)[1]

        return self._database.write(work)

    def get_model_version(self, name: str, *, version: int) -> ModelVersion:
        validation.check_registered_model_name(name)
        version = validation.check_version(version)

        def work(transaction: Transaction) -> ModelVersion:
            model = find_model(transaction, name)
            return load_version(transaction, model, name, version)[1]

        return self._database.read(work)

    def get_model_version_by_alias(self, name: str, *, alias: str) -> ModelVersion:
        validation.check_registered_model_name(name)
        validation.check_alias(alias)

        def work(transaction: Transaction) -> ModelVersion:
            model = find_model(transaction, name)
            found = transaction.rows(
                select(_alias.alias, _alias.version).where(_alias.model == model)
            )
            aliases = dict(found)
            if alias not in aliases:
                known = ", ".join(sorted(aliases)) or "none"
                raise NotFoundError(
                    f"The registered model {name!r} has no alias {alias!r}; it has: {known}."
                )
            return load_version(transaction, model, name, aliases[alias])[1]

        return self._database.read(work)

    def update_model_version(
        self, name: str, *, version: int, changes: ModelVersionChanges
    ) -> ModelVersion:
        validation.check_registered_model_name(name)
        version = validation.check_version(version)

        def work(transaction: Transaction) -> ModelVersion:
            model = hold_model(transaction, name)
            number, old = load_version(transaction, model, name, version)
            new = changed_version(old, changes)
            if new != old:
                transaction.execute(
                    update(schema.model_version).where(_version.id == number).values(**_row(new))
                )
                VERSION_TAGS.change(transaction, number, old.tags, new.tags)
            if changes.archive_existing_versions:
                _archive_others(transaction, model, new)
            if changes.current_stage is not UNSET:
                touch_model(transaction, model)
            return new

        return self._database.write(work)

    def delete_model_version(self, name: str, *, version: int) -> None:
        validation.check_registered_model_name(name)
        version = validation.check_version(version)

        def work(transaction: Transaction) -> None:
            model = hold_model(transaction, name)
            number, _ = load_version(transaction, model, name, version)
            transaction.execute(
                update(schema.model_version).where(_version.id == number).values(**_EMPTIED)
            )
            transaction.execute(delete(schema.model_version_tag).where(_tag.version == number))
            transaction.execute(
                delete(schema.registered_model_alias).where(
                    _alias.model == model, _alias.version == version
                )
            )
            touch_model(transaction, model)

        self._database.write(work)

    def search_model_versions(self, query: ModelVersionQuery) -> Page[ModelVersion]:
        return self._database.read(
            lambda transaction: search_page(
                transaction,
                subject=Subject.MODEL_VERSIONS,
                query=query,
                load=lambda numbers: load_versions(
                    transaction, transaction.among(_version.id, numbers)
                ),
                within=[_version.is_deleted == 0],
            )
        )


def _made_earlier(transaction: Transaction, model: int, digest: str | None) -> int | None:
    """Return the number of the version that an earlier call with this key made, or None."""
    if digest is None:
        return None
    query = select(_version.version).where(
        _version.model == model, _version.idempotency_digest == digest
    )
    row = transaction.first(query)
    return None if row is None else int(row[0])


def _add(transaction: Transaction, model: int, new: NewModelVersion, digest: str | None) -> int:
    """Add a version and return its number; the model's row is held."""
    last = transaction.rows(select(_model.last_version).where(_model.id == model))[0][0]
    version = version_of(new, number=last + 1)
    taken = select(_version.id).where(_version.model == model, _version.version == version.version)
    if transaction.first(taken) is not None:
        raise AlreadyExistsError(
            f"The version {version.version} of the registered model {new.name!r} exists"
            " already, or did: no number is used twice."
        )
    row = {
        **_row(version),
        "model": model,
        "version": version.version,
        "idempotency_digest": digest,
        "is_deleted": 0,
    }
    number = transaction.add(schema.model_version, row)
    VERSION_TAGS.add(transaction, number, version.tags)
    transaction.execute(
        update(schema.registered_model)
        .where(_model.id == model)
        .values(last_version=max(last, version.version), last_updated_timestamp=now())
    )
    return version.version


def _archive_others(transaction: Transaction, model: int, version: ModelVersion) -> None:
    """Move the other versions of the version's stage to Archived."""
    transaction.execute(
        update(schema.model_version)
        .where(
            _version.model == model,
            _version.version != version.version,
            _version.is_deleted == 0,
            _version.stage == STAGES.index(version.current_stage),
        )
        .values(
            stage=STAGES.index(ModelVersionStage.ARCHIVED),
            last_updated_timestamp=now(),
        )
    )


def _row(version: ModelVersion) -> dict[str, Any]:
    """Return those columns of a version that it is told by."""
    return {
        "creation_timestamp": version.creation_timestamp,
        "last_updated_timestamp": version.last_updated_timestamp,
        "description": version.description,
        "user_id": version.user_id,
        "stage": STAGES.index(version.current_stage),
        "source": version.source,
        "run_id": version.run_id,
        "run_link": version.run_link,
        "status": STATUSES.index(version.status),
        "status_message": version.status_message,
        "model_id": version.model_id,
    }
