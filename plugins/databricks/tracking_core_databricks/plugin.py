"""What this distribution announces; imported to be asked, so it imports nothing else."""

from collections.abc import Sequence

from tracking_core.discovery import ArtifactRepositorySpec, BackendSpec, hookimpl

_INSTALL = "pip install 'tracking-core[databricks]'"
_FACETS = ("RunStore", "ModelRegistryStore", "LoggedModelStore")
_CAPABILITIES = ("durable", "multi_process")


@hookimpl
def tracking_backends() -> Sequence[BackendSpec]:
    """Announce workspaces as backends, with either of their registries."""
    return [
        BackendSpec(
            name="databricks",
            schemes=("databricks",),
            implementation="tracking_core_databricks.store:DatabricksStore",
            summary="A Databricks workspace, with the workspace's own model registry.",
            install=_INSTALL,
            facets=_FACETS,
            capabilities=_CAPABILITIES,
        ),
        BackendSpec(
            name="databricks-unity-catalog",
            schemes=("databricks-uc",),
            implementation="tracking_core_databricks.store:UnityCatalogStore",
            summary="A Databricks workspace, with the model registry of Unity Catalog.",
            install=_INSTALL,
            facets=_FACETS,
            capabilities=_CAPABILITIES,
        ),
    ]


@hookimpl
def tracking_artifact_repositories() -> Sequence[ArtifactRepositorySpec]:
    """Announce files of runs and models of a workspace, and plain DBFS."""
    return [
        ArtifactRepositorySpec(
            name="dbfs",
            schemes=("dbfs",),
            implementation="tracking_core_databricks.artifacts.repository:DbfsArtifactRepository",
            summary="Files of a Databricks workspace's runs and models, and of its file system.",
            install=_INSTALL,
        )
    ]
