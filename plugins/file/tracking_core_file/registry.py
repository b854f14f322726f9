"""The model registry of the file backend."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from tracking_core.entities import ModelVersion, ModelVersionStage, RegisteredModel
from tracking_core.errors import (
    AlreadyExistsError,
    CorruptDataError,
    NotFoundError,
    TrackingError,
)
from tracking_core.search.ast import Expression
from tracking_core.search.page import Page
from tracking_core.stores import (
    UNSET,
    LoggedModelStore,
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
    now,
    registered_model_of,
    select_model_versions,
    select_registered_models,
    validation,
    version_of,
    with_aliases,
)
from tracking_core_file.facet import FileFacet
from tracking_core_file.files import as_tracking_errors, read_meta
from tracking_core_file.layout import META, PRIVATE, TAGS, subdirectories
from tracking_core_file.model_files import (
    ALIASES,
    DELETED_VERSION,
    VERSION_PREFIX,
    alias_texts,
    aliases_in,
    registered_model_from_meta,
    registered_model_meta,
    version_from_meta,
    version_meta,
)

_ARCHIVE = ModelVersionChanges(current_stage=ModelVersionStage.ARCHIVED)


class FileRegistry(FileFacet, ModelRegistryStore):
    """Registered models and versions: a directory each, which its `meta.yaml` makes one.

    All changes hold one lock for the registry, and each takes effect by one step of the file
    system, so that a crash leaves nothing that is half visible, to MLflow neither:

    - What is created is made whole in a place that nobody looks into, then moved. What is deleted
      is moved there first. What a crash left there, the next one clears away.
    - Renaming moves the directory, whose name counts; a crash before the files in it tell the new
      name, which MLflow reads there, is made up for by the model's next change.
    - Deleting a version changes its `meta.yaml`; aliases that point to it no longer count.
    """

    @as_tracking_errors
    def create_registered_model(self, new: NewRegisteredModel) -> RegisteredModel:
        directory = self._root.layout.registered_model(new.name)
        self._ensure_root()
        with self._changing():
            self._clear_the_way(directory, new.name)
            model = registered_model_of(new)
            with self._unseen() as place:
                for key, value in model.tags.items():
                    self._write_tag(place, key, value)
                self._root.files.write_meta(place, registered_model_meta(model, {}))
                self._root.files.make_directory(self._root.layout.registry)
                self._root.layout.check_inside(directory)
                self._root.files.move(place, directory)
        return model

    @as_tracking_errors
    def get_registered_model(self, name: str) -> RegisteredModel:
        return self._read_model(name)

    @as_tracking_errors
    def update_registered_model(
        self, name: str, *, changes: RegisteredModelChanges
    ) -> RegisteredModel:
        self._check_model_exists(name)
        with self._changing(name) as directory:
            old = self._read_model(name)
            numbers = [version.version for version in self._versions_in(directory)]
            new = changed_registered_model(old, changes, versions=numbers)
            if new == old:
                return old
            if new.name != name:
                target = self._root.layout.registered_model(new.name)
                self._clear_the_way(target, new.name)
                self._root.files.move(directory, target)
                directory = target
                self._tell_versions_their_name(directory)
            for key in changes.delete_tags:
                self._remove_key(directory, TAGS, key)
            for key, value in changes.set_tags.items():
                self._write_tag(directory, key, value)
            self._write_aliases(directory, old.aliases, new.aliases)
            meta = registered_model_meta(new, read_meta(directory))
            self._root.files.write_meta(directory, meta)
            return self._read_model(new.name)

    @as_tracking_errors
    def delete_registered_model(self, name: str) -> None:
        self._check_model_exists(name)
        # What can't be read can be deleted all the same.
        with self._changing(name, readable=False) as directory, self._unseen() as place:
            self._root.files.move(directory, os.path.join(place, "deleted"))

    @as_tracking_errors
    def search_registered_models(self, query: RegisteredModelQuery) -> Page[RegisteredModel]:
        return select_registered_models(self._models(query.filter), query)

    @as_tracking_errors
    def create_model_version(self, new: NewModelVersion) -> ModelVersion:
        self._check_model_exists(new.name)
        with self._changing(new.name) as directory:
            used = _used_numbers(directory)
            if new.idempotency_key is not None:
                for number in used:
                    if os.path.exists(_key_file(directory, number, new.idempotency_key)):
                        return self._read_version(directory, number)
            if new.version in used:
                raise AlreadyExistsError(
                    f"The version {new.version} of the registered model {new.name!r} exists"
                    " already, or did: no number is used twice."
                )
            version = version_of(new, number=max(used, default=0) + 1)
            with self._unseen() as place:
                for key, value in version.tags.items():
                    self._write_tag(place, key, value)
                if new.idempotency_key is not None:
                    key_file = _key_file_in(place, new.idempotency_key)
                    self._root.files.make_directory(os.path.dirname(key_file))
                    self._root.files.write(key_file, b"")
                self._root.files.write_meta(place, version_meta(version, {}))
                self._root.files.move(place, _version_directory(directory, version.version))
            self._touch_model(directory)
            return self._read_version(directory, version.version)

    @as_tracking_errors
    def get_model_version(self, name: str, *, version: int) -> ModelVersion:
        version = validation.check_version(version)
        return self._read_version(self._check_model_exists(name), version)

    @as_tracking_errors
    def update_model_version(
        self, name: str, *, version: int, changes: ModelVersionChanges
    ) -> ModelVersion:
        version = validation.check_version(version)
        self._check_model_exists(name)
        with self._changing(name) as directory:
            old = self._read_version(directory, version)
            new = changed_version(old, changes)
            target = _version_directory(directory, version)
            self._root.layout.check_inside(target)
            for key in changes.delete_tags:
                self._remove_key(target, TAGS, key)
            for key, value in changes.set_tags.items():
                self._write_tag(target, key, value)
            if new != old:
                self._root.files.write_meta(target, version_meta(new, read_meta(target)))
            if changes.archive_existing_versions:
                for other in self._versions_in(directory):
                    if other.version != version and other.current_stage is new.current_stage:
                        place = _version_directory(directory, other.version)
                        archived = version_meta(changed_version(other, _ARCHIVE), read_meta(place))
                        self._root.files.write_meta(place, archived)
            if changes.current_stage is not UNSET:
                self._touch_model(directory)
            return self._read_version(directory, version)

    @as_tracking_errors
    def delete_model_version(self, name: str, *, version: int) -> None:
        version = validation.check_version(version)
        self._check_model_exists(name)
        with self._changing(name) as directory:
            target = _version_directory(directory, version)
            try:
                self._read_version(directory, version)
                meta = read_meta(target)
            except CorruptDataError:
                # What can't be read can be deleted all the same.
                meta = version_meta(ModelVersion(name=name, version=version), {})
            gone = {"current_stage": DELETED_VERSION, "last_updated_timestamp": now()}
            self._root.layout.check_inside(target)
            self._root.files.write_meta(target, meta | gone)
            aliases = aliases_in(directory)
            left = {alias: number for alias, number in aliases.items() if number != version}
            self._write_aliases(directory, aliases, left)
            self._touch_model(directory)

    @as_tracking_errors
    def search_model_versions(self, query: ModelVersionQuery) -> Page[ModelVersion]:
        names = self._model_names(query.filter)
        versions = (
            version
            for name in names
            for version in self._seen_versions(self._root.layout.registered_model(name))
        )
        return select_model_versions(versions, query)

    # --- reading ---

    def _model_names(self, expression: Expression | None) -> list[str]:
        """List the models that a filter may match, without looking at more of them than need be."""
        self._root.check_usable()
        asked = name_asked_for(expression)
        names = subdirectories(self._root.layout.registry) if asked is None else [asked]
        registry = self._root.layout.registry
        return [n for n in names if _is_model_name(n) and self._has_meta(os.path.join(registry, n))]

    def _models(self, expression: Expression | None) -> Iterator[RegisteredModel]:
        for name in self._model_names(expression):
            try:
                yield self._read_model(name)
            except NotFoundError:
                continue
            except (TrackingError, OSError) as error:
                self._root.warn(f"The registered model {name!r} is passed over: {error}")

    def _read_model(self, name: str) -> RegisteredModel:
        directory = self._check_model_exists(name)
        try:
            meta = read_meta(directory)
        except FileNotFoundError:
            raise _no_model(name) from None
        model = registered_model_from_meta(meta, directory)
        versions = self._seen_versions(directory)
        if not self._has_meta(directory):
            # It was deleted or renamed meanwhile, and what was read of it may not be all.
            raise _no_model(name)
        known = {version.version for version in versions}
        aliases = {
            alias: number
            for alias, number in model.aliases.items()
            if number in known or self._is_corrupt(directory, number)
        }
        return replace(model, aliases=aliases, latest_versions=newest_of_each_stage(versions))

    def _check_model_exists(self, name: str) -> str:
        """Return the directory of a registered model.

        Raises:
            InvalidValueError: No registered model can have this name.
            NotFoundError: There is none.
        """
        directory = self._root.layout.registered_model(name)
        self._root.check_usable()
        if not self._has_meta(directory):
            raise _no_model(name)
        return directory

    def _seen_versions(self, directory: str) -> list[ModelVersion]:
        versions = self._versions_in(directory)
        aliases = aliases_in(directory) if versions else {}
        return [self._completed(version, aliases) for version in versions]

    def _versions_in(self, directory: str) -> list[ModelVersion]:
        """List the versions of a model in order; one that can't be read is passed over."""
        versions = []
        for number in sorted(_used_numbers(directory)):
            place = _version_directory(directory, number)
            try:
                version = version_from_meta(read_meta(place), place, self._root.path)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (CorruptDataError, OSError) as error:
                self._root.warn(f"The model version {place!r} is passed over: {error}")
                continue
            if version is not None:
                versions.append(version)
        return versions

    def _read_version(self, directory: str, number: int) -> ModelVersion:
        place = _version_directory(directory, number)
        try:
            version = version_from_meta(read_meta(place), place, self._root.path)
        except FileNotFoundError:
            version = None
        if version is None:
            raise NotFoundError(
                f"There is no version {number} of the registered model"
                f" {os.path.basename(directory)!r}."
            )
        return self._completed(version, aliases_in(directory))

    def _is_corrupt(self, directory: str, number: int) -> bool:
        try:
            self._read_version(directory, number)
        except NotFoundError:
            return False
        except (CorruptDataError, OSError):
            return True
        return False

    def _completed(self, version: ModelVersion, aliases: dict[str, int]) -> ModelVersion:
        version = with_aliases(version, aliases)
        if version.model_id is None or not isinstance(self, LoggedModelStore):
            return version
        try:
            logged = self.get_logged_model(version.model_id)
        except TrackingError:
            return version
        return replace(version, params=logged.params, metrics=logged.metrics)

    # --- writing ---

    @contextlib.contextmanager
    def _changing(self, name: str | None = None, *, readable: bool = True) -> Iterator[str]:
        """Hold the registry's lock; give the directory of a model that is there.

        Raises:
            NotFoundError: It isn't there.
            CorruptDataError: It must be readable, and isn't.
        """
        with self._root.lock("registry"):
            if name is None:
                yield self._root.layout.registry
                return
            directory = self._check_model_exists(name)
            self._root.layout.check_inside(directory)
            if readable and read_meta(directory).get("name") != name:
                # A rename was interrupted.
                self._tell_versions_their_name(directory)
                self._touch_model(directory)
            yield directory

    @contextlib.contextmanager
    def _unseen(self) -> Iterator[str]:
        """Give an empty directory that nobody looks into; afterwards all such are removed."""
        unseen = self._root.layout.unseen_models
        place = os.path.join(unseen, uuid.uuid4().hex)
        self._root.files.make_directory(place)
        try:
            yield place
        finally:
            with contextlib.suppress(OSError):
                self._root.files.remove_tree(unseen)

    def _clear_the_way(self, directory: str, name: str) -> None:
        if self._has_meta(directory):
            raise AlreadyExistsError(f"The registered model {name!r} exists already.")
        if not os.path.lexists(directory):
            return
        left = os.listdir(directory) if os.path.isdir(directory) else [directory]
        if not all(entry in (TAGS, ALIASES) or entry.startswith(".") for entry in left):
            raise AlreadyExistsError(
                f"At {directory!r} is something that is no registered model, for it has no"
                f" {META}; move it away, or choose another name than {name!r}."
            )
        self._root.layout.check_inside(directory)
        self._root.files.remove_tree(directory)

    def _tell_versions_their_name(self, directory: str) -> None:
        name = os.path.basename(directory)
        for number in _used_numbers(directory):
            place = _version_directory(directory, number)
            try:
                meta: dict[str, Any] = read_meta(place)
            except (FileNotFoundError, CorruptDataError):
                continue
            self._root.files.write_meta(place, meta | {"name": name})

    def _write_aliases(self, directory: str, old: dict[str, int], new: dict[str, int]) -> None:
        parent = os.path.join(directory, ALIASES)
        for alias in old.keys() - new.keys():
            self._root.files.remove(os.path.join(parent, alias))
        for alias, number in new.items():
            if old.get(alias) != number:
                self._root.files.make_directory(parent)
                path = os.path.join(parent, alias)
                self._root.files.write(path, b"%d" % number, temporary_directory=directory)

    def _touch_model(self, directory: str) -> None:
        meta = read_meta(directory)
        touched = {
            "name": os.path.basename(directory),
            "last_updated_timestamp": now(),
            "aliases": alias_texts(aliases_in(directory)),
        }
        self._root.files.write_meta(directory, meta | touched)

    @staticmethod
    def _has_meta(directory: str) -> bool:
        return os.path.isfile(os.path.join(directory, META))


def _no_model(name: str) -> NotFoundError:
    return NotFoundError(f"There is no registered model {name!r}.")


def _is_model_name(name: str) -> bool:
    try:
        validation.check_registered_model_name(name)
    except TrackingError:
        return False
    return True


def _version_directory(directory: str, number: int) -> str:
    return os.path.join(directory, f"{VERSION_PREFIX}{number}")


def _used_numbers(directory: str) -> set[int]:
    """Return the numbers of all versions that are or were, half-made ones too."""
    names = (
        name[len(VERSION_PREFIX) :]
        for name in subdirectories(directory)
        if name.startswith(VERSION_PREFIX)
    )
    return {int(name) for name in names if name.isascii() and name.isdigit()}


def _key_file(directory: str, number: int, key: str) -> str:
    return _key_file_in(_version_directory(directory, number), key)


def _key_file_in(version_directory: str, key: str) -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return os.path.join(version_directory, PRIVATE, f"key-{digest}")
