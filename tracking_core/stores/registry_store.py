"""The facet of the model registry: registered models and their versions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from tracking_core.entities import ModelVersion, ModelVersionStage, RegisteredModel
from tracking_core.errors import NotFoundError
from tracking_core.search.page import Page
from tracking_core.stores.facet import Facet
from tracking_core.stores.requests import (
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
)
from tracking_core.stores.validation import check_alias


class ModelRegistryStore(Facet):
    """Registered models and model versions; may live in another backend than the runs.

    The contract, beside what RunStore says of threads, processes, durability and input:

    - Versions of a model count 1, 2, 3, ...; no number is used twice, not after a delete either.
    - Creating a model is atomic by name; versions created at the same time get each their own
      number.
    - An alias points to one version; deleting the version deletes its aliases.
    - Renaming takes versions, aliases and tags along.
    - Adding and deleting a version and moving it to a stage update the model's time too, as MLflow
      has it.
    """

    contract_name = "ModelRegistryStore"

    @abstractmethod
    def create_registered_model(self, new: NewRegisteredModel) -> RegisteredModel:
        """Register a name.

        Raises:
            AlreadyExistsError: It is taken.
        """

    @abstractmethod
    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return a registered model, with aliases and the newest version of each stage.

        Raises:
            InvalidValueError: No registered model can have this name.
            NotFoundError: There is none.
        """

    @abstractmethod
    def update_registered_model(
        self, name: str, *, changes: RegisteredModelChanges
    ) -> RegisteredModel:
        """Change a registered model and return it as it then is.

        Raises:
            NotFoundError: There is no such model; or no such tag or alias to delete, or version to
                point at: then nothing is changed.
            AlreadyExistsError: The new name is taken.
        """

    @abstractmethod
    def delete_registered_model(self, name: str) -> None:
        """Delete a registered model with its versions, for good.

        Raises:
            NotFoundError: There is no such model.
        """

    @abstractmethod
    def search_registered_models(self, query: RegisteredModelQuery) -> Page[RegisteredModel]:
        """Return a page of the registered models that match.

        Raises:
            InvalidValueError: The page token isn't one of this query.
        """

    @abstractmethod
    def create_model_version(self, new: NewModelVersion) -> ModelVersion:
        """Add a version; with an idempotency key, return the version that an earlier call made.

        Raises:
            NotFoundError: There is no such registered model; or the version that the earlier call
                made is deleted.
            AlreadyExistsError: The chosen number is taken.
            UnsupportedError: A number is chosen, without Capability.CHOSEN_IDS.
        """

    @abstractmethod
    def get_model_version(self, name: str, *, version: int) -> ModelVersion:
        """Return a model version.

        Raises:
            NotFoundError: There is no such model or version.
        """

    @abstractmethod
    def update_model_version(
        self, name: str, *, version: int, changes: ModelVersionChanges
    ) -> ModelVersion:
        """Change a model version and return it as it then is.

        Raises:
            NotFoundError: There is no such version, or a tag to delete isn't there.
        """

    @abstractmethod
    def delete_model_version(self, name: str, *, version: int) -> None:
        """Delete a version and its aliases, for good.

        Raises:
            NotFoundError: There is no such version.
        """

    @abstractmethod
    def search_model_versions(self, query: ModelVersionQuery) -> Page[ModelVersion]:
        """Return a page of the model versions that match.

        Raises:
            InvalidValueError: The page token isn't one of this query.
        """

    # --- conveniences ---

    def get_model_version_by_alias(self, name: str, *, alias: str) -> ModelVersion:
        """Return the version that an alias points to.

        Raises:
            NotFoundError: There is no such model, or it has no such alias.
        """
        check_alias(alias)
        model = self.get_registered_model(name)
        if alias not in model.aliases:
            known = ", ".join(sorted(model.aliases)) or "none"
            raise NotFoundError(
                f"The registered model {name!r} has no alias {alias!r}; it has: {known}."
            )
        return self.get_model_version(name, version=model.aliases[alias])

    def latest_versions(
        self, name: str, *, stages: Iterable[ModelVersionStage] = ()
    ) -> list[ModelVersion]:
        """Return the newest version of each of the stages, of all stages if none is given.

        Raises:
            NotFoundError: There is no such model.
        """
        wanted = frozenset(stages)
        versions = self.get_registered_model(name).latest_versions
        return [v for v in versions if not wanted or v.current_stage in wanted]

    def iterate_registered_models(self, query: RegisteredModelQuery) -> Iterator[RegisteredModel]:
        """Yield all registered models that match, page by page."""
        while True:
            page = self.search_registered_models(query)
            yield from page.items
            if page.next_page_token is None:
                return
            query = replace(query, page_token=page.next_page_token)

    def iterate_model_versions(self, query: ModelVersionQuery) -> Iterator[ModelVersion]:
        """Yield all model versions that match, page by page."""
        while True:
            page = self.search_model_versions(query)
            yield from page.items
            if page.next_page_token is None:
                return
            query = replace(query, page_token=page.next_page_token)


def newest_of_each_stage(versions: Iterable[ModelVersion]) -> tuple[ModelVersion, ...]:
    """Return what `RegisteredModel.latest_versions` holds, in order of version."""
    newest: dict[ModelVersionStage, ModelVersion] = {}
    for version in versions:
        known = newest.get(version.current_stage)
        if known is None or version.version > known.version:
            newest[version.current_stage] = version
    return tuple(sorted(newest.values(), key=lambda version: version.version))
