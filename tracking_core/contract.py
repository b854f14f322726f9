"""What makes an interface a contract: nobody can instantiate it half-written."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar

from tracking_core.errors import IncompleteStoreError

CONTRACT_VERSION = 1
"""The major version of what plugins implement; one written for another version is refused."""


class Contract(ABC):  # noqa: B024 - its subclasses have the abstract methods
    """Base of the interfaces that plugins implement.

    Making an instance of a subclass that lacks abstract methods raises IncompleteStoreError,
    whose sentence names them.
    """

    contract_name: ClassVar[str] = ""
    """Set by each interface to its own name, for that sentence."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Refuse to make an instance whose abstract methods are not all implemented."""
        missing = sorted(getattr(cls, "__abstractmethods__", ()))
        if missing:
            owners = {
                name: base.__dict__["contract_name"]
                for base in reversed(cls.__mro__)
                if base.__dict__.get("contract_name")
                for name in base.__dict__
            }
            named = ", ".join(f"{owners.get(name, cls.__name__)}.{name}" for name in missing)
            raise IncompleteStoreError(
                f"{cls.__module__}.{cls.__qualname__} can't be used: it doesn't implement {named}."
            )
        return super().__new__(cls)
