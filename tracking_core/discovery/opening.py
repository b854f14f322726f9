"""From a URI to what it names: scheme, spec, contract version, import, instance."""

from __future__ import annotations

import importlib
import os
from typing import TypeVar

from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.config import Settings, Uri
from tracking_core.contract import CONTRACT_VERSION
from tracking_core.discovery.built_in import DISTRIBUTION
from tracking_core.discovery.manager import (
    AnnouncedCommand,
    Announcement,
    PluginManager,
    default_manager,
    describe,
    load_error,
)
from tracking_core.errors import ContractVersionError, PluginLoadError, TrackingError
from tracking_core.stores.backend import BackendStore

T = TypeVar("T", BackendStore, ArtifactRepository)


def open_store(
    uri: str | os.PathLike[str] | Uri, settings: Settings, *, manager: PluginManager | None = None
) -> BackendStore:
    """Open the backend that a URI or path names.

    Nothing is made: a place that isn't there yet is created by the first write.

    Raises:
        InvalidValueError: It isn't a URI.
        UnknownSchemeError: No plugin serves its scheme.
        PluginConflictError: Two distributions do, and none is chosen.
        PluginLoadError: The plugin is broken.
        MissingDependencyError: A library that it needs isn't installed.
        ContractVersionError: It was written for another version of the contract.
        IncompleteStoreError: It lacks abstract methods.
    """
    parsed = uri if isinstance(uri, Uri) else Uri.parse(uri)
    found = (manager or default_manager()).backend(parsed, settings)
    return _instance(found, BackendStore, parsed, settings)


def open_artifact_repository(
    uri: str | os.PathLike[str] | Uri, settings: Settings, *, manager: PluginManager | None = None
) -> ArtifactRepository:
    """Open the artifact repository that a URI or path names; raises what `open_store` does."""
    parsed = uri if isinstance(uri, Uri) else Uri.parse(uri)
    found = (manager or default_manager()).artifact_repository(parsed, settings)
    return _instance(found, ArtifactRepository, parsed, settings)


def check_contract_version(found: Announcement | AnnouncedCommand) -> None:
    """Refuse a plugin that was written for another version of the contract.

    Raises:
        ContractVersionError: It was.
    """
    version = found.spec.contract_version
    if version == CONTRACT_VERSION:
        return
    update = found.plugin.distribution or found.plugin.name
    if version > CONTRACT_VERSION:
        update = DISTRIBUTION
    raise ContractVersionError(
        f"{found.spec.name!r}, announced by {found.plugin}, was written for version {version} of"
        f" the storage contract, but this tracking-core has version {CONTRACT_VERSION}; update"
        f" {update}: pip install --upgrade {update}."
    )


def import_implementation(found: Announcement, kind: type[T]) -> type[T]:
    """Import the class that a plugin announces.

    Raises:
        PluginLoadError: Its import broke, or it isn't what it should be.
        MissingDependencyError: A library that it needs isn't installed.
    """
    implementation = _imported(found)
    if not (isinstance(implementation, type) and issubclass(implementation, kind)):
        raise wrong_kind(found, kind.__name__)
    return implementation


def import_command(found: AnnouncedCommand) -> object:
    """Import the command that a plugin announces, whatever it is.

    Raises:
        PluginLoadError: Its import broke.
        MissingDependencyError: A library that it needs isn't installed.
        ContractVersionError: It was written for another version of the contract.
    """
    check_contract_version(found)
    return _imported(found)


def wrong_kind(found: Announcement | AnnouncedCommand, kind: str) -> PluginLoadError:
    """Return the error for an implementation that isn't what it should be."""
    return PluginLoadError(
        f"{found.spec.name!r}, announced by {found.plugin}, says that it is"
        f" {found.spec.implementation}, which is no {kind}."
    )


def _imported(found: Announcement | AnnouncedCommand) -> object:
    path = found.spec.implementation
    module, _, name = path.partition(":")
    try:
        if not (module and name):
            what = "command" if isinstance(found, AnnouncedCommand) else "Class"
            raise ValueError(f"{path!r} isn't of the form package.module:{what}")
        implementation: object = getattr(importlib.import_module(module), name, None)
    # A module that calls sys.exit must not take the process with it.
    except (Exception, SystemExit) as error:
        raise load_error(found.plugin, error, install=found.spec.install) from error
    if implementation is None:
        raise PluginLoadError(
            f"{found.spec.name!r}, announced by {found.plugin}, says that it is {path}, but the"
            f" module has no {name}."
        )
    return implementation


def _instance(found: Announcement, kind: type[T], uri: Uri, settings: Settings) -> T:
    check_contract_version(found)
    implementation = import_implementation(found, kind)
    try:
        return implementation(uri, settings)
    except TrackingError:
        raise
    except ImportError as error:
        raise load_error(found.plugin, error, install=found.spec.install) from error
    except Exception as error:
        # What a library says of an address may hold all of it.
        cause = describe(error).replace(uri.text, str(uri))
        for secret in filter(None, (uri.password,)):
            cause = cause.replace(secret, "***")
        raise PluginLoadError(
            f"{found.spec.name!r}, announced by {found.plugin}, can't open {uri}: {cause}."
        ) from error
