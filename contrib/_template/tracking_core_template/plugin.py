"""What this distribution announces; imported to be asked, so it imports nothing else."""

from collections.abc import Sequence

from tracking_core.discovery import BackendSpec, hookimpl


@hookimpl
def tracking_backends() -> Sequence[BackendSpec]:
    """Announce the backend store."""
    return [
        BackendSpec(
            name="template",
            schemes=("template",),
            implementation="tracking_core_template.store:TemplateStore",
            summary="JSON documents in one SQLite file.",
            install="pip install tracking-core-template",
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
