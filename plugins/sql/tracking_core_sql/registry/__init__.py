"""The model registry: registered models and their versions.

Each change first locks the row of its model, so that versions get numbers of their own and aliases
never point to what isn't there.
"""

from tracking_core_sql.registry.models import SqlRegisteredModels
from tracking_core_sql.registry.versions import SqlModelVersions


class SqlRegistry(SqlRegisteredModels, SqlModelVersions):
    """The registry, each call one transaction of a few statements."""


__all__ = ["SqlRegistry"]
