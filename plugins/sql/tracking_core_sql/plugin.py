"""What this distribution announces; imported to be asked, so it imports nothing else."""

from collections.abc import Sequence

from tracking_core.discovery import BackendSpec, CommandSpec, hookimpl

SCHEMES = ("sqlite", "postgresql", "postgres", "mysql", "mariadb", "mssql")

_FACETS = ("RunStore", "ModelRegistryStore", "LoggedModelStore", "WebhookStore")


@hookimpl
def tracking_backends() -> Sequence[BackendSpec]:
    """Announce the SQL backend, and the one that reads databases of MLflow."""
    return [
        BackendSpec(
            name="sql",
            schemes=SCHEMES,
            implementation="tracking_core_sql.store:SqlStore",
            summary="A database: sqlite, PostgreSQL, MySQL, MariaDB, MS SQL Server.",
            install="pip install 'tracking-core[sql]'",
            facets=_FACETS,
            capabilities=(
                "chosen_ids",
                "durable",
                "idempotency_keys",
                "metric_datasets",
                "multi_process",
                "purge",
                "rich_filters",
            ),
        ),
        BackendSpec(
            name="mlflow-database",
            schemes=tuple(f"mlflow+{kind}" for kind in SCHEMES if kind != "mssql"),
            implementation="tracking_core_sql.stock.store:StockMlflowStore",
            summary="A database of MLflow 1.x to 3.x, to read where it is.",
            install="pip install 'tracking-core[sql]'",
            facets=_FACETS,
            capabilities=("multi_process", "rich_filters"),
        ),
    ]


@hookimpl
def tracking_commands() -> Sequence[CommandSpec]:
    """Announce `tracking db`."""
    return [
        CommandSpec(
            name="db",
            implementation="tracking_core_sql.commands:db",
            summary="The tables of a SQL database: upgrade, look, check.",
            install="pip install 'tracking-core[sql]'",
        )
    ]
