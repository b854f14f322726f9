"""What a server serves: the backends behind it, opened once, and its artifacts."""

from __future__ import annotations

import threading

import msgspec

from tracking_core.config import Settings, load_settings
from tracking_core.discovery import open_store
from tracking_core.errors import (
    AlreadyExistsError,
    InvalidValueError,
    UnsupportedError,
)
from tracking_core.stores import (
    BackendStore,
    Facet,
    ModelRegistryStore,
    NewExperiment,
    WebhookStore,
)
from tracking_core_server.artifact_roots import ArtifactRoots
from tracking_core_server.configuration import ServerConfiguration
from tracking_core_server.webhooks.announcing import AnnouncedRegistry, TestableWebhooks
from tracking_core_server.webhooks.delivery import WebhookDelivery

DEFAULT_EXPERIMENT = NewExperiment(name="Default", experiment_id="0")


class Service:
    """The backends and the artifacts; opened when they are first needed, closed with it."""

    def __init__(
        self, configuration: ServerConfiguration, settings: Settings | None = None
    ) -> None:
        settings = load_settings().settings if settings is None else settings
        root = configuration.new_artifact_root
        self.configuration = configuration
        self.settings = _with_artifact_root(settings, root)
        self.artifacts = ArtifactRoots(configuration, self.settings)
        self._delivery = WebhookDelivery(
            self._kept_webhooks, allows_private=configuration.allows_private_webhooks
        )
        self._tracking: BackendStore | None = None
        self._registry: BackendStore | None = None
        self._facets: dict[type[Facet], Facet] = {}
        self._lock = threading.Lock()

    @property
    def tracking(self) -> BackendStore:
        """The backend of experiments and runs."""
        with self._lock:
            if self._tracking is None:
                self._tracking = open_store(self.configuration.store_uri, self.settings)
            return self._tracking

    @property
    def registry(self) -> BackendStore:
        """The backend of the model registry."""
        uri = self.configuration.registry_store_uri
        if uri is None or uri == self.configuration.store_uri:
            return self.tracking
        with self._lock:
            if self._registry is None:
                self._registry = open_store(uri, self.settings)
            return self._registry

    def facet(self, kind: type[Facet]) -> Facet:
        """Return a facet of the backend that has it.

        Raises:
            UnsupportedError: The backend hasn't got it.
        """
        found = self._facets.get(kind)
        if found is None:
            found = self._facets[kind] = self._opened_facet(kind)
        return found

    def _opened_facet(self, kind: type[Facet]) -> Facet:
        if kind is ModelRegistryStore:
            return AnnouncedRegistry(self.registry.registry, self._delivery)
        if kind is WebhookStore:
            return TestableWebhooks(self.registry.webhooks, self._delivery)
        return self.tracking.facet(kind)

    def _kept_webhooks(self) -> WebhookStore | None:
        registry = self.registry
        return registry.webhooks if WebhookStore in registry.facets() else None

    def prepare(self) -> None:
        """Make the experiment that MLflow's clients take when they name none.

        Raises:
            StoreUnavailableError: The backend can't be reached.
        """
        if self.configuration.artifacts_only:
            return
        try:
            self.tracking.runs.ensure_experiment(DEFAULT_EXPERIMENT)
        except (AlreadyExistsError, InvalidValueError, UnsupportedError):
            # The id belongs to another, or the backend chooses ids itself or only reads.
            return

    def close(self) -> None:
        """Tell webhooks what is due, and close the backends."""
        self._delivery.close()
        with self._lock:
            opened = [store for store in (self._tracking, self._registry) if store is not None]
            self._tracking = self._registry = None
            self._facets.clear()
        for store in opened:
            store.close()


def _with_artifact_root(settings: Settings, root: str | None) -> Settings:
    return settings if root is None else msgspec.structs.replace(settings, artifact_root=root)
