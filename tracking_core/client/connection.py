"""What every part of the client works on: the stores behind two URIs, and their artifacts."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from tracking_core.config import (
    DEFAULT_TRACKING_URI,
    Settings,
    Uri,
    load_settings,
    path_to_file_uri,
)
from tracking_core.discovery import PluginManager, default_manager, open_store
from tracking_core.errors import InvalidValueError
from tracking_core.stores import (
    BackendStore,
    LoggedModelStore,
    ModelRegistryStore,
    RunStore,
    validation,
)

if TYPE_CHECKING:
    from typing_extensions import Self


class Connection:
    """The stores of a client: opened once, shared by its threads, closed with it."""

    def __init__(
        self,
        tracking_uri: str | os.PathLike[str] | None = None,
        registry_uri: str | os.PathLike[str] | None = None,
        *,
        settings: Settings | None = None,
        plugins: PluginManager | None = None,
    ) -> None:
        settings = load_settings().settings if settings is None else settings
        tracking = _parsed(tracking_uri, "tracking_uri") or Uri.parse(
            settings.tracking_uri or DEFAULT_TRACKING_URI
        )
        registry = _parsed(registry_uri, "registry_uri") or (
            Uri.parse(settings.registry_uri) if settings.registry_uri else tracking
        )
        self._tracking = tracking
        self._registry = registry
        # Artifacts on a tracking server are found by the address of this client's server.
        self._settings = msgspec.structs.replace(settings, tracking_uri=tracking.text)
        self._plugins = plugins or default_manager()
        self._store = open_store(tracking, self._settings, manager=self._plugins)
        self._registry_backends: list[BackendStore] = []
        self._last_timestamp = 0

    @property
    def tracking_uri(self) -> str:
        """Where runs are kept, with its password if it has one: don't print it."""
        return _complete(self._tracking)

    @property
    def registry_uri(self) -> str:
        """Where registered models are kept; see `tracking_uri`."""
        return _complete(self._registry)

    @property
    def settings(self) -> Settings:
        """What this client was made with, its own tracking URI among it."""
        return self._settings

    @property
    def plugins(self) -> PluginManager:
        """Where this client finds its plugins."""
        return self._plugins

    @property
    def store(self) -> BackendStore:
        """The backend of experiments and runs, for what this class has no method for."""
        return self._store

    @property
    def registry_store(self) -> BackendStore:
        """The backend of the model registry."""
        if self._registry.text == self._tracking.text:
            return self._store
        if not self._registry_backends:
            opened = open_store(self._registry, self._settings, manager=self._plugins)
            # Without a lock, which a fork could catch held: of two that open it, the first counts.
            self._registry_backends.append(opened)
        return self._registry_backends[0]

    # Looked up once: this is on the way of every metric.
    @functools.cached_property
    def _runs(self) -> RunStore:
        return self._store.runs

    @property
    def _models(self) -> ModelRegistryStore:
        return self.registry_store.registry

    @property
    def _logged_models(self) -> LoggedModelStore:
        return self._store.logged_models

    def close(self) -> None:
        """Release connections and files; calling it again does nothing."""
        self._store.close()
        for backend in self._registry_backends:
            backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        registry = "" if self._registry == self._tracking else f", registry_uri={self._registry}"
        return f"{type(self).__name__}(tracking_uri={self._tracking}{registry})"


def text_by_key(values: Mapping[str, Any] | None, *, what: str) -> dict[str, str]:
    """Return the mapping with each value made text, as MLflow makes it.

    Raises:
        InvalidValueError: It isn't a mapping.
    """
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise InvalidValueError(
            f"The {what} {validation.shown(values)} must be a mapping of key to value."
        )
    return {key: as_text(value) for key, value in values.items()}


def as_text(value: object) -> str:
    """Return a value as MLflow stores it: text as it is, the rest by `str`."""
    # An enum of text shows its value here, as every entity's enum does.
    return value if type(value) is str else str(value)


def _parsed(uri: str | os.PathLike[str] | None, name: str) -> Uri | None:
    if uri is None:
        return None
    if not isinstance(uri, (str, os.PathLike)):
        raise InvalidValueError(
            f"The {name} {validation.shown(uri)} is of type {type(uri).__name__}; give a URI or"
            " a path."
        )
    return Uri.parse(uri)


def _complete(uri: Uri) -> str:
    return path_to_file_uri(uri.path) if uri.scheme == "file" else uri.text
