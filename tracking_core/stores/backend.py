"""A connection to a backend, which bundles facets."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, cast

from tracking_core.config import Settings, Uri
from tracking_core.errors import UnsupportedError
from tracking_core.stores.capability import Capability, Limits
from tracking_core.stores.facet import Facet
from tracking_core.stores.logged_model_store import LoggedModelStore
from tracking_core.stores.registry_store import ModelRegistryStore
from tracking_core.stores.requests import ExperimentQuery
from tracking_core.stores.run_store import RunStore
from tracking_core.stores.webhook_store import WebhookStore

if TYPE_CHECKING:
    from typing_extensions import Self


_FACETS: tuple[type[Facet], ...] = (
    RunStore,
    ModelRegistryStore,
    LoggedModelStore,
    WebhookStore,
)

F = TypeVar("F", bound=Facet)


class BackendStore:
    """A connection to a backend.

    Usually one class is the connection and its facets: `class MyStore(BackendStore, RunStore)`. A
    backend made of parts overrides `facets` instead.

    The constructor takes the parsed URI and the settings, now and in every later version. It makes
    nothing durable: a place that isn't there is created by the first write, so that a mistyped URI
    leaves no trace.
    """

    capabilities: frozenset[Capability] = frozenset()
    """What it can do beyond the mandatory; a backend may set it per instance."""

    limits: Limits = Limits()
    """What it refuses for its size."""

    def __init__(self, uri: Uri, settings: Settings) -> None:
        self.uri = uri
        self.settings = settings

    def facets(self) -> dict[type[Facet], Facet]:
        """Return the facets that this backend has; by default those that its class implements."""
        return {kind: self for kind in _FACETS if isinstance(self, kind)}

    def facet(self, kind: type[F]) -> F:
        """Return one facet.

        Raises:
            UnsupportedError: This backend hasn't got it.
        """
        found = self.facets().get(kind)
        if found is None:
            names = ", ".join(sorted(each.__name__ for each in self.facets())) or "none"
            raise UnsupportedError(
                f"The backend {self.uri} ({type(self).__name__}) has no {kind.__name__};"
                f" it has {names}."
            )
        return cast("F", found)

    @property
    def runs(self) -> RunStore:
        """The facet for experiments and runs."""
        return self.facet(RunStore)

    @property
    def registry(self) -> ModelRegistryStore:
        """The facet for the model registry.

        Raises:
            UnsupportedError: This backend hasn't got it.
        """
        return self.facet(ModelRegistryStore)

    @property
    def logged_models(self) -> LoggedModelStore:
        """The facet for logged models.

        Raises:
            UnsupportedError: This backend hasn't got it.
        """
        return self.facet(LoggedModelStore)

    @property
    def webhooks(self) -> WebhookStore:
        """The facet for webhooks.

        Raises:
            UnsupportedError: This backend hasn't got it.
        """
        return self.facet(WebhookStore)

    def require(self, capability: Capability, *, to: str) -> None:
        """Refuse what needs a capability that isn't declared.

        Args:
            capability: What is needed.
            to: What for, as the end of a sentence: `"keep the given run id"`.

        Raises:
            UnsupportedError: It isn't declared.
        """
        if capability not in self.capabilities:
            raise UnsupportedError(
                f"The backend {self.uri} ({type(self).__name__}) can't {to}: it lacks the"
                f" capability {capability}."
            )

    def check_health(self) -> None:
        """Do the least that shows that the backend answers.

        Raises:
            TrackingError: It doesn't.
        """
        if RunStore in self.facets():
            self.runs.search_experiments(ExperimentQuery(max_results=1))

    def close(self) -> None:
        """Release connections and files; calling it again does nothing."""

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
        return f"{type(self).__name__}({str(self.uri)!r})"
