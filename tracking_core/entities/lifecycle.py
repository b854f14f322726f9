"""Lifecycle stages, and the views that searches take of them."""

from __future__ import annotations

import enum


class LifecycleStage(str, enum.Enum):
    """Whether an experiment, run or model is in use or in the bin."""

    ACTIVE = "active"
    DELETED = "deleted"

    def __str__(self) -> str:
        return self.value


class ViewType(enum.IntEnum):
    """Which lifecycle stages a search looks at; numbers as on MLflow's wire."""

    ACTIVE_ONLY = 1
    DELETED_ONLY = 2
    ALL = 3

    def includes(self, stage: LifecycleStage) -> bool:
        """Tell whether entities of this stage belong to the view."""
        if self is ViewType.ALL:
            return True
        return (stage is LifecycleStage.ACTIVE) == (self is ViewType.ACTIVE_ONLY)
