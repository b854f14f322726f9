"""The model registry: models, their versions under their numbers, stages and aliases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tracking_core.client.copying.files import moved_uri
from tracking_core.client.copying.sameness import registered_model_name, version_name
from tracking_core.client.copying.sides import (
    ONES_OWN_FAULT,
    Sides,
    contradictions,
    lacking,
    page_size,
)
from tracking_core.entities import (
    ModelVersion,
    ModelVersionStage,
    ModelVersionStatus,
    RegisteredModel,
)
from tracking_core.errors import InvalidValueError, NotFoundError, UnsupportedError
from tracking_core.search.ast import Comparison, Field, FieldKind, Operator
from tracking_core.stores import (
    HEADER_ONLY,
    BackendStore,
    LoggedModelStore,
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
)

_PAGE = 500


class RegistryCopier:
    """Copies registered models with their versions; `copy` may be called by many threads."""

    def __init__(self, sides: Sides) -> None:
        self._sides = sides
        self._models = sides.destination.registry

    def copy(self, model: RegisteredModel) -> None:
        """Copy a registered model with its versions, or note why it can't be."""
        name = registered_model_name(model.name)
        ledger = self._sides.ledger
        try:
            there = self._find(model)
            conflicts: list[str] = []
            if there is not None:
                ours = self._sides.sameness.registered_model(model)
                theirs = self._sides.sameness.registered_model(there)
                conflicts = contradictions(ours, theirs, "creation_timestamp", "description")
                lacking(model.tags, there.tags, what="tag", conflicts=conflicts)
                lacking(model.aliases, there.aliases, what="alias", conflicts=conflicts)
            if conflicts:
                ledger.conflict(name, conflicts)
                return
            if there is None:
                self._make(model)
            self._copy_versions(model, is_new=there is None)
            self._finish(model)
        except ONES_OWN_FAULT as error:
            ledger.problem(f"The {name} could not be copied: {error}")

    def _find(self, model: RegisteredModel) -> RegisteredModel | None:
        try:
            return self._models.get_registered_model(model.name)
        except NotFoundError:
            return None

    def _make(self, model: RegisteredModel) -> None:
        self._sides.ledger.wrote("registered models")
        if self._sides.dry_run:
            return
        self._models.create_registered_model(
            NewRegisteredModel(
                name=model.name,
                description=model.description,
                tags=model.tags,
                creation_timestamp=model.creation_timestamp,
            )
        )

    def _copy_versions(self, model: RegisteredModel, *, is_new: bool) -> None:
        versions = sorted(versions_of(self._sides.source, model.name), key=lambda v: v.version)
        there = (
            {}
            if is_new
            else {v.version: v for v in versions_of(self._sides.destination, model.name)}
        )
        for version in versions:
            name = version_name(version)
            try:
                known = there.get(version.version)
                if known is None:
                    self._make_version(version)
                elif conflicts := self._version_conflicts(version, known):
                    self._sides.ledger.conflict(name, conflicts)
                else:
                    self._finish_version(version, known)
            except ONES_OWN_FAULT as error:
                self._sides.ledger.problem(f"The {name} could not be copied: {error}")

    def _make_version(self, version: ModelVersion) -> None:
        self._sides.ledger.wrote("versions")
        if self._sides.dry_run:
            return
        created = self._models.create_model_version(
            NewModelVersion(
                name=version.name,
                version=version.version,
                source=self._source_of(version),
                run_id=version.run_id,
                run_link=version.run_link,
                description=version.description,
                tags=version.tags,
                user_id=version.user_id,
                model_id=version.model_id,
                status=version.status,
                creation_timestamp=version.creation_timestamp,
            )
        )
        self._finish_version(version, created)

    def _finish_version(self, version: ModelVersion, there: ModelVersion) -> None:
        missing = {key: each for key, each in version.tags.items() if key not in there.tags}
        changes: dict[str, Any] = {}
        for name in ("current_stage", "status", "status_message"):
            if getattr(version, name) != getattr(there, name):
                changes[name] = getattr(version, name)
        is_behind = version.last_updated_timestamp != there.last_updated_timestamp
        if self._sides.dry_run or not (missing or changes or is_behind):
            return
        self._models.update_model_version(
            version.name,
            version=version.version,
            changes=ModelVersionChanges(
                **changes,
                set_tags=missing,
                last_updated_timestamp=version.last_updated_timestamp,
            ),
        )

    def _version_conflicts(self, version: ModelVersion, there: ModelVersion) -> list[str]:
        ours = self._sides.sameness.version(version, source=True)
        theirs = self._sides.sameness.version(there, source=False)
        conflicts = contradictions(
            ours,
            theirs,
            "creation_timestamp",
            "description",
            "user_id",
            "source",
            "run_id",
            "run_link",
            "model_id",
        )
        lacking(version.tags, there.tags, what="tag", conflicts=conflicts)
        if there.status is not ModelVersionStatus.PENDING_REGISTRATION:
            conflicts += contradictions(ours, theirs, "status")
        # These two come after the version is made.
        if there.current_stage is not ModelVersionStage.NONE:
            conflicts += contradictions(ours, theirs, "current_stage")
        if there.status_message is not None:
            conflicts += contradictions(ours, theirs, "status_message")
        return conflicts

    def _finish(self, model: RegisteredModel) -> None:
        if self._sides.dry_run:
            self._sides.ledger.wrote("aliases", len(model.aliases))
            return
        there = self._models.get_registered_model(model.name)
        numbers = {version.version for version in versions_of(self._sides.destination, model.name)}
        aliases = {
            alias: number
            for alias, number in model.aliases.items()
            if there.aliases.get(alias) != number and number in numbers
        }
        tags = {key: value for key, value in model.tags.items() if key not in there.tags}
        is_behind = there.last_updated_timestamp != model.last_updated_timestamp
        if not (aliases or tags or is_behind):
            return
        changes = RegisteredModelChanges(
            set_tags=tags,
            set_aliases=aliases,
            last_updated_timestamp=model.last_updated_timestamp,
        )
        self._models.update_registered_model(model.name, changes=changes)
        self._sides.ledger.wrote("aliases", len(aliases))

    def _source_of(self, version: ModelVersion) -> str:
        """Return where the files of a version are in the destination."""
        if self._sides.files is None:
            return version.source
        places = []
        if version.model_id is not None and LoggedModelStore in self._sides.source.facets():
            places.append(self._places(_model_place, version.model_id))
        if version.run_id is not None:
            places.append(self._places(_run_place, version.run_id))
        return moved_uri(version.source, [each for each in places if each is not None])

    def _places(
        self, place: Callable[[BackendStore, str], str], identity: str
    ) -> tuple[str, str] | None:
        """Return where the files of a run or model were and are; None if one side lacks it."""
        try:
            return place(self._sides.source, identity), place(self._sides.destination, identity)
        except (NotFoundError, InvalidValueError, UnsupportedError):
            return None


def _run_place(store: BackendStore, run_id: str) -> str:
    return store.runs.get_run(run_id, projection=HEADER_ONLY).info.artifact_uri


def _model_place(store: BackendStore, model_id: str) -> str:
    return store.logged_models.get_logged_model(model_id).artifact_location


def registered_models_of(store: BackendStore) -> Iterator[RegisteredModel]:
    """Yield all registered models."""
    return store.registry.iterate_registered_models(
        RegisteredModelQuery(max_results=page_size(store, _PAGE))
    )


def versions_of(store: BackendStore, name: str) -> Iterator[ModelVersion]:
    """Yield the versions of a registered model."""
    named = Comparison(Field(FieldKind.ATTRIBUTE, "name"), Operator.EQUAL, name)
    return store.registry.iterate_model_versions(
        ModelVersionQuery(filter=named, max_results=page_size(store, _PAGE))
    )
