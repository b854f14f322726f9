"""Requests about registered models and their versions."""

from __future__ import annotations

import msgspec
from msgspec.structs import force_setattr

from tracking_core.entities import ModelVersionStage, ModelVersionStatus
from tracking_core.errors import InvalidValueError
from tracking_core.stores import validation
from tracking_core.stores.requests.base import UNSET, Query, Request, UnsetType, check_times


class NewRegisteredModel(Request, frozen=True, kw_only=True):
    """A name to register.

    Attributes:
        name: Must not be taken.
        description: For people.
        tags: Values by key.
        creation_timestamp: None: now.
    """

    name: str
    description: str = ""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    creation_timestamp: int | None = None

    def __post_init__(self) -> None:
        validation.check_registered_model_name(self.name)
        validation.check_text(self.description, what="description")
        force_setattr(self, "tags", validation.check_tags(self.tags))
        check_times(self, "creation_timestamp")


class RegisteredModelChanges(Request, frozen=True, kw_only=True):
    """What to change of a registered model; what is UNSET stays.

    Attributes:
        name: The new name; its versions follow.
        description: For people.
        set_tags: Values by key.
        delete_tags: Keys; a key that isn't there is an error.
        set_aliases: Version by alias; an alias moves from where it was.
        delete_aliases: Aliases; one that isn't there is an error.
        last_updated_timestamp: When it was changed; UNSET: now, if something changes. Given, it is
            kept in any case, and needs Capability.CHOSEN_IDS.
    """

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    set_tags: dict[str, str] = msgspec.field(default_factory=dict)
    delete_tags: tuple[str, ...] = ()
    set_aliases: dict[str, int] = msgspec.field(default_factory=dict)
    delete_aliases: tuple[str, ...] = ()
    last_updated_timestamp: int | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_times(self, "last_updated_timestamp")
        if self.name is not UNSET:
            validation.check_registered_model_name(self.name)
        if self.description is not UNSET:
            validation.check_text(self.description, what="description")
        force_setattr(self, "set_tags", validation.check_tags(self.set_tags))
        for key in self.delete_tags:
            validation.check_key(key, what="tag key")
        aliases = {
            validation.check_alias(alias): validation.check_version(version)
            for alias, version in self.set_aliases.items()
        }
        force_setattr(self, "set_aliases", aliases)
        for alias in self.delete_aliases:
            validation.check_alias(alias)


class RegisteredModelQuery(Query, frozen=True, kw_only=True):
    """Which registered models to find."""

    max_results: int = 100


class NewModelVersion(Request, frozen=True, kw_only=True):
    """A version to add to a registered model; its number is the next one.

    Attributes:
        name: A registered model.
        source: The URI of the files.
        run_id: The run that made them.
        run_link: A link to it, where it is in another store.
        description: For people.
        tags: Values by key.
        user_id: Who makes it.
        model_id: The logged model that it is made from.
        status: Whether registration is complete.
        version: None: the next number; else it needs Capability.CHOSEN_IDS and must not be taken.
        creation_timestamp: None: now.
        idempotency_key: Sent twice with one key, the version is there once.
    """

    name: str
    source: str
    run_id: str | None = None
    run_link: str | None = None
    description: str = ""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    user_id: str | None = None
    model_id: str | None = None
    status: ModelVersionStatus = ModelVersionStatus.READY
    version: int | None = None
    creation_timestamp: int | None = None
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        validation.check_registered_model_name(self.name)
        if not validation.check_text(self.source, what="source").strip():
            raise InvalidValueError("The source of the model version is empty; give a URI.")
        validation.check_text(self.description, what="description")
        force_setattr(self, "tags", validation.check_tags(self.tags))
        if self.run_id is not None:
            validation.check_run_id(self.run_id)
        if self.model_id is not None:
            validation.check_model_id(self.model_id)
        if self.version is not None:
            force_setattr(self, "version", validation.check_version(self.version))
        check_times(self, "creation_timestamp")


class ModelVersionChanges(Request, frozen=True, kw_only=True):
    """What to change of a model version; what is UNSET stays.

    Attributes:
        description: For people.
        status: Whether registration is complete.
        status_message: Why not.
        source: The new URI of the files.
        current_stage: One of MLflow's stages.
        archive_existing_versions: With `current_stage`: move the stage's other versions to
            Archived.
        set_tags: Values by key.
        delete_tags: Keys; a key that isn't there is an error.
        last_updated_timestamp: When it was changed; UNSET: now, if something changes. Given, it is
            kept in any case, and needs Capability.CHOSEN_IDS.
    """

    description: str | UnsetType = UNSET
    status: ModelVersionStatus | UnsetType = UNSET
    status_message: str | UnsetType | None = UNSET
    source: str | UnsetType = UNSET
    current_stage: ModelVersionStage | UnsetType = UNSET
    archive_existing_versions: bool = False
    set_tags: dict[str, str] = msgspec.field(default_factory=dict)
    delete_tags: tuple[str, ...] = ()
    last_updated_timestamp: int | UnsetType = UNSET

    def __post_init__(self) -> None:
        check_times(self, "last_updated_timestamp")
        if self.description is not UNSET:
            validation.check_text(self.description, what="description")
        force_setattr(self, "set_tags", validation.check_tags(self.set_tags))
        for key in self.delete_tags:
            validation.check_key(key, what="tag key")
        active = (ModelVersionStage.STAGING, ModelVersionStage.PRODUCTION)
        if self.archive_existing_versions and self.current_stage not in active:
            raise InvalidValueError(
                "archive_existing_versions goes with the stages Staging and Production alone,"
                f" not with {self.current_stage if self.current_stage is not UNSET else 'none'}."
            )


class ModelVersionQuery(Query, frozen=True, kw_only=True):
    """Which model versions to find."""

    max_results: int = 10_000

    @staticmethod
    def _max_page_size() -> int:
        return 200_000
