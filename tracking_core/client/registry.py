"""The client's methods for registered models and their versions."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from tracking_core.client.addresses import AddressMethods
from tracking_core.client.choices import stage_of
from tracking_core.client.connection import as_text, text_by_key
from tracking_core.client.paged_list import PagedList, paged
from tracking_core.entities import ModelVersion, ModelVersionStage, RegisteredModel
from tracking_core.errors import (
    AlreadyExistsError,
    InvalidValueError,
    NotFoundError,
)
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
    validation,
)


class RegistryMethods(AddressMethods):
    """Registered models, versions, aliases, stages and their tags."""

    # --- registered models ---

    def create_registered_model(
        self,
        name: str,
        tags: Mapping[str, Any] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> RegisteredModel:
        """Register a name for models.

        Args:
            name: Must not be taken.
            tags: Values by key; what isn't text becomes text.
            description: For people.
            deployment_job_id: Accepted for MLflow's sake; nothing here has such jobs.

        Raises:
            AlreadyExistsError: The name is taken.
        """
        new = NewRegisteredModel(
            name=name, description=description or "", tags=text_by_key(tags, what="tags")
        )
        return self._models.create_registered_model(new)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return a registered model.

        Raises:
            NotFoundError: There is none of this name.
        """
        return self._models.get_registered_model(name)

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """Return a page of the registered models that match.

        Raises:
            FilterSyntaxError: The filter or order can't be parsed.
        """
        query = RegisteredModelQuery(
            filter=parse_filter(filter_string, Subject.REGISTERED_MODELS),
            order_by=parse_order_by(order_by or (), Subject.REGISTERED_MODELS),
            max_results=100 if max_results is None else max_results,
            page_token=page_token or None,
        )
        return paged(self._models.search_registered_models(query))

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Give a registered model another name; its versions follow.

        Raises:
            NotFoundError: There is no such model.
            AlreadyExistsError: The name is taken.
        """
        changes = RegisteredModelChanges(name=new_name)
        return self._models.update_registered_model(name, changes=changes)

    def update_registered_model(
        self, name: str, description: str | None = None, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        """Change the description of a registered model; `deployment_job_id` is not looked at.

        Raises:
            NotFoundError: There is no such model.
        """
        changes = (
            RegisteredModelChanges()
            if description is None
            else RegisteredModelChanges(description=description)
        )
        return self._models.update_registered_model(name, changes=changes)

    def delete_registered_model(self, name: str) -> None:
        """Delete a registered model with its versions, for good; files stay.

        Raises:
            NotFoundError: There is no such model.
        """
        self._models.delete_registered_model(name)

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Set a tag of a registered model.

        Raises:
            NotFoundError: There is no such model.
        """
        changes = RegisteredModelChanges(set_tags={key: as_text(value)})
        self._models.update_registered_model(name, changes=changes)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Delete a tag of a registered model; one that isn't there is no error, as in MLflow.

        Raises:
            NotFoundError: There is no such model.
        """
        changes = RegisteredModelChanges(delete_tags=(key,))
        if key in self._models.get_registered_model(name).tags:
            self._models.update_registered_model(name, changes=changes)

    def set_registered_model_alias(self, name: str, alias: str, version: str | int) -> None:
        """Let an alias point to a version; it moves from where it was.

        Raises:
            InvalidValueError: The alias isn't allowed, or the version is no number.
            NotFoundError: There is no such model or version.
        """
        number = validation.check_version(version)
        changes = RegisteredModelChanges(set_aliases={alias: number})
        self._models.update_registered_model(name, changes=changes)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Delete an alias; one that isn't there is no error, as in MLflow.

        Raises:
            NotFoundError: There is no such model.
        """
        changes = RegisteredModelChanges(delete_aliases=(alias,))
        if alias in self._models.get_registered_model(name).aliases:
            self._models.update_registered_model(name, changes=changes)

    # --- versions ---

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        await_creation_for: int | None = 300,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Add a version to a registered model.

        Args:
            name: The registered model.
            source: Where its files are. `runs:/` and `models:/` URIs are resolved now, so that
                the version stays what it is when a name moves.
            run_id: The run that made them; taken from a `runs:/` source if not given.
            tags: Values by key; what isn't text becomes text.
            run_link: A link to the run, where it is in another store.
            description: For people.
            await_creation_for: Accepted for MLflow's sake; the version is ready at once.
            model_id: The logged model; taken from a `models:/m-...` source if not given.

        Raises:
            NotFoundError: There is no such registered model; or nothing that the source names.
        """
        if not validation.check_text(source, what="source").strip():
            raise InvalidValueError("The source of the model version is empty; give a URI.")
        origin = self._origin(source)
        new = NewModelVersion(
            name=name,
            source=origin.uri,
            run_id=run_id or origin.run_id,
            tags=text_by_key(tags, what="tags"),
            run_link=run_link,
            description=description or "",
            user_id=None,
            model_id=model_id or origin.model_id,
        )
        return self._models.create_model_version(new)

    def register_model(
        self, model_uri: str, name: str, tags: Mapping[str, Any] | None = None
    ) -> ModelVersion:
        """Add a version to a registered model, which is created if it isn't there.

        Args:
            model_uri: Where the files are; `runs:/` and `models:/` URIs are resolved.
            name: The registered model.
            tags: Of the version; values by key.

        Raises:
            InvalidValueError: The name or URI isn't allowed.
            NotFoundError: There is nothing that the URI names.
        """
        self._origin(model_uri)  # before the name is registered in vain
        self._ensure_registered_model(name)
        return self.create_model_version(name, model_uri, tags=tags)

    def copy_model_version(self, src_model_uri: str, dst_name: str) -> ModelVersion:
        """Copy a version to another registered model, which is created if it isn't there.

        The files aren't copied: both versions have the same source.

        Args:
            src_model_uri: Such as `models:/digits/3` or `models:/digits@champion`.
            dst_name: The registered model that gets it.

        Raises:
            InvalidValueError: The URI names no model version.
            NotFoundError: There is no such version.
        """
        version = self._model_version_of(src_model_uri)
        if version is None:
            raise InvalidValueError(
                f"The URI {validation.shown(src_model_uri)} names no version of a registered model;"
                " give one such as models:/digits/3 or models:/digits@champion."
            )
        self._ensure_registered_model(dst_name)
        new = NewModelVersion(
            name=dst_name,
            source=version.source,
            run_id=version.run_id,
            tags=version.tags,
            run_link=version.run_link,
            description=version.description,
            model_id=version.model_id,
        )
        return self._models.create_model_version(new)

    def get_model_version(self, name: str, version: str | int) -> ModelVersion:
        """Return a version.

        Raises:
            NotFoundError: There is no such model or version.
        """
        return self._models.get_model_version(name, version=validation.check_version(version))

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version that an alias points to; `latest` is the newest.

        Raises:
            NotFoundError: There is no such model or alias.
        """
        if alias == "latest":
            return self._newest_version(name)
        return self._models.get_model_version_by_alias(name, alias=alias)

    def get_model_version_download_uri(self, name: str, version: str | int) -> str:
        """Return the URI of a version's files.

        Raises:
            NotFoundError: There is no such model or version.
        """
        return self._origin(self.get_model_version(name, version).source).uri

    def get_latest_versions(
        self, name: str, stages: Sequence[str] | None = None
    ) -> list[ModelVersion]:
        """Return the newest version of each of the stages, of all stages if none is given.

        Raises:
            InvalidValueError: There is no such stage.
            NotFoundError: There is no such model.
        """
        if isinstance(stages, str):
            raise InvalidValueError(f"The stages {stages!r} must be a list: pass [{stages!r}].")
        wanted = [stage_of(stage) for stage in stages or ()]
        return self._models.latest_versions(name, stages=wanted)

    def get_model_version_stages(self, name: str, version: str | int) -> list[str]:
        """Return the stages that a version can have.

        Raises:
            NotFoundError: There is no such model or version.
        """
        self.get_model_version(name, version)
        return [stage.value for stage in ModelVersionStage]

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = 10_000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """Return a page of the versions that match, of all registered models.

        Raises:
            FilterSyntaxError: The filter or order can't be parsed.
        """
        query = ModelVersionQuery(
            filter=parse_filter(filter_string, Subject.MODEL_VERSIONS),
            order_by=parse_order_by(order_by or (), Subject.MODEL_VERSIONS),
            max_results=10_000 if max_results is None else max_results,
            page_token=page_token or None,
        )
        return paged(self._models.search_model_versions(query))

    def update_model_version(
        self, name: str, version: str | int, description: str | None = None
    ) -> ModelVersion:
        """Change the description of a version.

        Raises:
            NotFoundError: There is no such model or version.
        """
        changes = (
            ModelVersionChanges()
            if description is None
            else ModelVersionChanges(description=description)
        )
        return self._update_version(name, version, changes)

    def transition_model_version_stage(
        self,
        name: str,
        version: str | int,
        stage: str,
        archive_existing_versions: bool = False,
    ) -> ModelVersion:
        """Move a version to another stage; aliases do more, and are not one of four words.

        Args:
            name: The registered model.
            version: Its version.
            stage: `None`, `Staging`, `Production` or `Archived`, in any case.
            archive_existing_versions: Whether others of that stage move to `Archived`.

        Raises:
            InvalidValueError: There is no such stage, or nothing is archived for it.
            NotFoundError: There is no such model or version.
        """
        changes = ModelVersionChanges(
            current_stage=stage_of(stage), archive_existing_versions=archive_existing_versions
        )
        return self._update_version(name, version, changes)

    def delete_model_version(self, name: str, version: str | int) -> None:
        """Delete a version and its aliases, for good; files stay.

        Raises:
            NotFoundError: There is no such model or version.
        """
        self._models.delete_model_version(name, version=validation.check_version(version))

    def set_model_version_tag(
        self,
        name: str,
        version: str | int | None = None,
        key: str | None = None,
        value: Any = None,
        stage: str | None = None,
    ) -> None:
        """Set a tag of a version, or of the newest one in a stage.

        Raises:
            InvalidValueError: Neither version nor stage is given, or both; or no key.
            NotFoundError: There is no such model or version.
        """
        number = self._version_or_newest(name, version, stage)
        changes = ModelVersionChanges(set_tags={_given_key(key): as_text(value)})
        self._update_version(name, number, changes)

    def delete_model_version_tag(
        self,
        name: str,
        version: str | int | None = None,
        key: str | None = None,
        stage: str | None = None,
    ) -> None:
        """Delete a tag of a version, or of the newest one in a stage.

        A tag that isn't there is no error, as in MLflow.

        Raises:
            InvalidValueError: Neither version nor stage is given, or both; or no key.
            NotFoundError: There is no such model or version.
        """
        number = self._version_or_newest(name, version, stage)
        changes = ModelVersionChanges(delete_tags=(_given_key(key),))
        if key in self.get_model_version(name, number).tags:
            self._update_version(name, number, changes)

    # --- for the methods above ---

    def _ensure_registered_model(self, name: str) -> None:
        with contextlib.suppress(AlreadyExistsError):
            self._models.create_registered_model(NewRegisteredModel(name=name))

    def _update_version(
        self, name: str, version: str | int, changes: ModelVersionChanges
    ) -> ModelVersion:
        number = validation.check_version(version)
        return self._models.update_model_version(name, version=number, changes=changes)

    def _version_or_newest(self, name: str, version: str | int | None, stage: str | None) -> int:
        if (version is None) == (stage is None):
            raise InvalidValueError(
                f"Which version of {validation.shown(name)} is meant? Give version or stage, and"
                " not both."
            )
        if version is not None:
            return validation.check_version(version)
        newest = self._models.latest_versions(name, stages=[stage_of(stage)])
        if not newest:
            raise NotFoundError(f"No version of {name!r} is in the stage {stage!r}.")
        return newest[0].version


def _given_key(key: str | None) -> str:
    if key is None:
        raise InvalidValueError("The tag has no key; give one.")
    return key
