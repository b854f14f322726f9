"""What this distribution announces; imported to be asked, so it imports nothing else."""

from collections.abc import Sequence

from tracking_core.discovery import BackendSpec, hookimpl


@hookimpl
def tracking_backends() -> Sequence[BackendSpec]:
    """Announce the file backend."""
    return [
        BackendSpec(
            name="file",
            schemes=("file",),
            implementation="tracking_core_file.store:FileStore",
            summary="A directory in MLflow's layout, such as ./mlruns.",
            install="pip install tracking-core",
            facets=("RunStore", "ModelRegistryStore", "LoggedModelStore"),
            capabilities=(
                "chosen_ids",
                "durable",
                "idempotency_keys",
                "metric_datasets",
                "multi_process",
                "purge",
                "rich_filters",
            ),
        )
    ]
