"""Libraries that a call may need and the core doesn't bring."""

from __future__ import annotations

import importlib
from typing import Any

from tracking_core.errors import MissingDependencyError


def require(module: str, distribution: str, *, extra: str | None, to: str) -> Any:
    """Import a library when it is needed.

    Args:
        module: What is imported.
        distribution: What it is called where it is installed from.
        extra: The extra of tracking-core that brings it; None if every installation should.
        to: What for, as the end of a sentence: `"return a DataFrame"`.

    Raises:
        MissingDependencyError: It isn't there.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        wanted = distribution if extra is None else f"'tracking-core[{extra}]'"
        raise MissingDependencyError(
            f"{distribution} is needed to {to}, and can't be imported ({error}); install it:"
            f" pip install {wanted}."
        ) from error
