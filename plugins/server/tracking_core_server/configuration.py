"""What a server is told when it is made."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tracking_core.config import Uri, path_to_file_uri
from tracking_core.errors import InvalidValueError

PROXIED_ROOT = "mlflow-artifacts:/"


class ServerConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """How a server serves.

    Attributes:
        store_uri: The backend of experiments and runs.
        registry_store_uri: The backend of the model registry; None: the same.
        artifacts_destination: Where the artifacts lie that go through the server; None: it serves
            none.
        default_artifact_root: Where new experiments put artifacts; None: through the server if it
            serves any, and else where the backend decides.
        artifact_roots: Further places whose artifacts the server may show. It opens nothing that
            lies elsewhere, whatever a client has stored.
        artifacts_only: Whether it serves artifacts and nothing else.
        static_prefix: What stands before the paths, `/tracking` say.
        allowed_hosts: Names that the header `Host` may hold beside `localhost` and addresses in
            numbers; `*.example.org` and `*` match.
        allowed_origins: Origins (`https://example.org`) whose pages may call; `*` for all.
        frame_options: What the header X-Frame-Options says; `NONE` leaves it out.
        is_guarded: Whether `Host` and `Origin` are looked at at all.
        allows_private_webhooks: Whether webhooks may go to addresses of a private network.
        threads: How many calls that wait for the backend go on at once, in each worker.
        largest_body: Bytes of the largest request that isn't an artifact, unpacked.
        request_timeout: Seconds after which a call is given up.
    """

    store_uri: str
    registry_store_uri: str | None = None
    artifacts_destination: str | None = None
    default_artifact_root: str | None = None
    artifact_roots: tuple[str, ...] = ()
    artifacts_only: bool = False
    static_prefix: str = ""
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    frame_options: str = "SAMEORIGIN"
    is_guarded: bool = True
    allows_private_webhooks: bool = False
    threads: int = 32
    largest_body: int = 64 << 20
    request_timeout: float = 120.0

    def __post_init__(self) -> None:
        prefix = self.static_prefix
        if prefix and (not prefix.startswith("/") or prefix.endswith("/")):
            raise InvalidValueError(
                f"The static prefix {prefix!r} must begin with a slash and not end with one."
            )
        if self.threads < 1:
            raise InvalidValueError(f"threads is {self.threads}; at least one must be.")
        if self.artifacts_only and self.artifacts_destination is None:
            raise InvalidValueError(
                "A server of artifacts only needs the option --artifacts-destination."
            )

    @property
    def new_artifact_root(self) -> str | None:
        """Where new experiments put artifacts; None: the backend decides."""
        if self.default_artifact_root is not None:
            return self.default_artifact_root
        return None if self.artifacts_destination is None else PROXIED_ROOT

    @property
    def readable_roots(self) -> Sequence[str]:
        """The places whose artifacts the server may show, as URIs."""
        found = [
            root
            for root in (self.artifacts_destination, self.default_artifact_root)
            if root is not None and not root.startswith("mlflow-artifacts:")
        ]
        return [_as_uri(root) for root in (*found, *self.artifact_roots)] + _beside(self.store_uri)


def _as_uri(root: str) -> str:
    parsed = Uri.parse(root)
    return path_to_file_uri(parsed.path) if parsed.scheme == "file" else root


def _beside(store_uri: str) -> list[str]:
    """Return the directory in which a backend of this machine keeps artifacts by default."""
    uri = Uri.parse(store_uri)
    return [path_to_file_uri(uri.path)] if uri.scheme == "file" else []
