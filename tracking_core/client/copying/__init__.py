"""Moving everything from one backend to another, over the contract alone.

`copy` writes, compares both sides and reports; `tracking copy` is its command.
"""

from tracking_core.client.copying.copier import copy
from tracking_core.client.copying.report import (
    CopyProgress,
    CopyReport,
    CopyState,
    Difference,
    Tally,
)

__all__ = ["CopyProgress", "CopyReport", "CopyState", "Difference", "Tally", "copy"]
