"""What this distribution announces; imported to be asked, so it imports nothing else."""

from collections.abc import Sequence

from tracking_core.discovery import ArtifactRepositorySpec, BackendSpec, hookimpl

_INSTALL = "pip install 'tracking-core[rest]'"


@hookimpl
def tracking_backends() -> Sequence[BackendSpec]:
    """Announce servers as backends."""
    return [
        BackendSpec(
            name="rest",
            schemes=("http", "https"),
            implementation="tracking_core_rest.store:RestStore",
            summary="A server that speaks MLflow's REST API.",
            install=_INSTALL,
            facets=("RunStore", "ModelRegistryStore", "LoggedModelStore", "WebhookStore"),
            # What more it can do, the server says.
            capabilities=("durable", "multi_process"),
        )
    ]


@hookimpl
def tracking_artifact_repositories() -> Sequence[ArtifactRepositorySpec]:
    """Announce artifacts that go through a server."""
    return [
        ArtifactRepositorySpec(
            name="mlflow-artifacts",
            schemes=("mlflow-artifacts",),
            implementation="tracking_core_rest.proxy_repository:ProxyArtifactRepository",
            summary="Files that go through a tracking server.",
            install=_INSTALL,
        )
    ]
