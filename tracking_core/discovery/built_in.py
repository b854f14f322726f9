"""What the core brings itself, announced through the same hooks as everything else."""

from __future__ import annotations

from collections.abc import Sequence

from tracking_core.discovery.hookspecs import hookimpl
from tracking_core.discovery.specs import ArtifactRepositorySpec, BackendSpec

DISTRIBUTION = "tracking-core"

# By hook: the modules that answer it, in the order in which they are asked. Named, so that each is
# imported only when its hook is called. `file` has an entry point as every plugin; it stands here
# too because it comes in the same wheel, and the default store, which every `./mlruns` opens,
# shouldn't wait until the metadata of all installed distributions is read.
BUILT_INS: dict[str, tuple[tuple[str, str], ...]] = {
    "tracking_backends": (
        ("core", "tracking_core.discovery.built_in"),
        ("file", "tracking_core_file.plugin"),
    ),
    "tracking_artifact_repositories": (("core", "tracking_core.discovery.built_in"),),
    "tracking_run_context_tags": (("run-context", "tracking_core.client.run_context"),),
    # The commands of the core itself stand in `cli.application`, whose help asks nobody.
    "tracking_commands": (),
    # Requests are the business of the REST plugin; who signs them, of others.
    "tracking_request_headers": (),
    "tracking_request_auth": (),
}


@hookimpl
def tracking_backends() -> Sequence[BackendSpec]:
    """Announce the memory store."""
    return [
        BackendSpec(
            name="memory",
            schemes=("memory",),
            implementation="tracking_core.stores.memory.store:MemoryStore",
            summary="The memory of this process, gone when it ends.",
            install="pip install tracking-core",
            facets=("RunStore", "ModelRegistryStore", "LoggedModelStore", "WebhookStore"),
            capabilities=(
                "chosen_ids",
                "idempotency_keys",
                "metric_datasets",
                "purge",
                "rich_filters",
            ),
        )
    ]


@hookimpl
def tracking_artifact_repositories() -> Sequence[ArtifactRepositorySpec]:
    """Announce artifacts on this machine."""
    return [
        ArtifactRepositorySpec(
            name="local-artifacts",
            schemes=("file",),
            implementation="tracking_core.artifacts.local_repository:LocalArtifactRepository",
            summary="Files in a directory of this machine.",
            install="pip install tracking-core",
        ),
        ArtifactRepositorySpec(
            name="memory-artifacts",
            schemes=("memory",),
            implementation="tracking_core.artifacts.fsspec_repository:FsspecArtifactRepository",
            summary="Files in the memory of this process, gone when it ends.",
            install="pip install tracking-core",
        ),
    ]
