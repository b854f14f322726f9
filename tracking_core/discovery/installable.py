"""What can be installed for a scheme that nobody here serves."""

from __future__ import annotations

from tracking_core.discovery.hookspecs import ARTIFACT_REPOSITORIES, BACKENDS

_BACKEND_EXTRAS = {
    "sql": ("sqlite", "postgresql", "postgres", "mysql", "mariadb", "mssql"),
    "rest": ("http", "https"),
    "databricks": ("databricks", "databricks-uc"),
}
_ARTIFACT_EXTRAS = {
    "s3": ("s3", "s3a"),
    "gcs": ("gs", "gcs"),
    "azure": ("abfs", "abfss", "az", "wasb", "wasbs"),
    "rest": ("http", "https", "mlflow-artifacts"),
    "databricks": ("dbfs",),
}
_EXTRAS = {
    hook: {scheme: extra for extra, schemes in extras.items() for scheme in schemes}
    for hook, extras in ((BACKENDS, _BACKEND_EXTRAS), (ARTIFACT_REPOSITORIES, _ARTIFACT_EXTRAS))
}


def installable_schemes(hook: str) -> frozenset[str]:
    """Return the schemes that the project's own distributions serve."""
    return frozenset(_EXTRAS[hook])


def install_command(hook: str, scheme: str) -> str | None:
    """Return what installs the project's own distribution for a scheme, or None."""
    extra = _EXTRAS[hook].get(scheme)
    return f"pip install 'tracking-core[{extra}]'" if extra else None
