"""The model registry in memory."""

from __future__ import annotations

from msgspec.structs import replace

from tracking_core.entities import (
    LifecycleStage,
    ModelVersion,
    ModelVersionStage,
    RegisteredModel,
)
from tracking_core.errors import AlreadyExistsError, NotFoundError
from tracking_core.search.page import Page
from tracking_core.stores import validation
from tracking_core.stores.applying_models import (
    changed_registered_model,
    changed_version,
    registered_model_of,
    select_model_versions,
    select_registered_models,
    version_of,
    with_aliases,
)
from tracking_core.stores.memory.state import RegisteredModelRecord, State
from tracking_core.stores.registry_store import ModelRegistryStore, newest_of_each_stage
from tracking_core.stores.requests import (
    UNSET,
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
    now,
)


class MemoryRegistry(ModelRegistryStore):
    """Registered models and their versions, over the state that all facets share."""

    _state: State

    def create_registered_model(self, new: NewRegisteredModel) -> RegisteredModel:
        with self._state.lock:
            self._check_name_free(new.name)
            model = registered_model_of(new)
            self._state.registered_models[new.name] = RegisteredModelRecord(model)
        return model

    def get_registered_model(self, name: str) -> RegisteredModel:
        with self._state.lock:
            return self._seen_model(self._model_record(name))

    def update_registered_model(
        self, name: str, *, changes: RegisteredModelChanges
    ) -> RegisteredModel:
        with self._state.lock:
            record = self._model_record(name)
            new = changed_registered_model(record.model, changes, versions=record.versions)
            if new.name != name:
                self._check_name_free(new.name)
                models = self._state.registered_models
                models[new.name] = models.pop(name)
                for number, version in record.versions.items():
                    record.versions[number] = replace(version, name=new.name)
            record.model = new
            return self._seen_model(record)

    def delete_registered_model(self, name: str) -> None:
        with self._state.lock:
            self._model_record(name)
            del self._state.registered_models[name]

    def search_registered_models(self, query: RegisteredModelQuery) -> Page[RegisteredModel]:
        with self._state.lock:
            records = self._state.registered_models.values()
            models = [self._seen_model(record) for record in records]
        return select_registered_models(models, query)

    def create_model_version(self, new: NewModelVersion) -> ModelVersion:
        with self._state.lock:
            record = self._model_record(new.name)
            if new.idempotency_key is not None:
                known = record.version_by_idempotency_key.get(new.idempotency_key)
                if known is not None:
                    return self._seen_version(record, known)
            version = version_of(new, number=record.last_version + 1)
            if version.version in record.used_versions:
                raise AlreadyExistsError(
                    f"The version {version.version} of the registered model {new.name!r} exists"
                    " already, or did: no number is used twice."
                )
            record.versions[version.version] = version
            record.used_versions.add(version.version)
            record.last_version = max(record.last_version, version.version)
            if new.idempotency_key is not None:
                record.version_by_idempotency_key[new.idempotency_key] = version.version
            record.model = replace(record.model, last_updated_timestamp=now())
            return self._seen_version(record, version.version)

    def get_model_version(self, name: str, *, version: int) -> ModelVersion:
        with self._state.lock:
            return self._seen_version(self._model_record(name), version)

    def update_model_version(
        self, name: str, *, version: int, changes: ModelVersionChanges
    ) -> ModelVersion:
        with self._state.lock:
            record = self._model_record(name)
            old = self._version(record, version)
            record.versions[old.version] = new = changed_version(old, changes)
            if changes.archive_existing_versions:
                for number, other in record.versions.items():
                    if number != new.version and other.current_stage is new.current_stage:
                        record.versions[number] = changed_version(other, _ARCHIVE)
            if changes.current_stage is not UNSET:
                record.model = replace(record.model, last_updated_timestamp=now())
            return self._seen_version(record, new.version)

    def delete_model_version(self, name: str, *, version: int) -> None:
        with self._state.lock:
            record = self._model_record(name)
            gone = self._version(record, version).version
            del record.versions[gone]
            aliases = {a: number for a, number in record.model.aliases.items() if number != gone}
            record.model = replace(record.model, aliases=aliases, last_updated_timestamp=now())

    def search_model_versions(self, query: ModelVersionQuery) -> Page[ModelVersion]:
        with self._state.lock:
            versions = [
                self._seen_version(record, number)
                for record in self._state.registered_models.values()
                for number in record.versions
            ]
        return select_model_versions(versions, query)

    # --- within the lock ---

    def _check_name_free(self, name: str) -> None:
        if name in self._state.registered_models:
            raise AlreadyExistsError(f"The registered model {name!r} exists already.")

    def _model_record(self, name: str) -> RegisteredModelRecord:
        validation.check_registered_model_name(name)
        record = self._state.registered_models.get(name)
        if record is None:
            raise NotFoundError(f"There is no registered model {name!r}.")
        return record

    def _version(self, record: RegisteredModelRecord, version: int) -> ModelVersion:
        version = validation.check_version(version)
        if version not in record.versions:
            raise NotFoundError(
                f"There is no version {version} of the registered model {record.model.name!r}."
            )
        return record.versions[version]

    def _seen_version(self, record: RegisteredModelRecord, version: int) -> ModelVersion:
        found = with_aliases(self._version(record, version), record.model.aliases)
        logged = self._state.logged_models.get(found.model_id or "")
        if logged is None or logged.model.lifecycle_stage is LifecycleStage.DELETED:
            return found
        metrics = tuple(logged.metrics[place] for place in sorted(logged.metrics, key=str))
        return replace(found, params=dict(logged.model.params), metrics=metrics)

    def _seen_model(self, record: RegisteredModelRecord) -> RegisteredModel:
        versions = (self._seen_version(record, number) for number in record.versions)
        return replace(record.model, latest_versions=newest_of_each_stage(versions))


_ARCHIVE = ModelVersionChanges(current_stage=ModelVersionStage.ARCHIVED)
