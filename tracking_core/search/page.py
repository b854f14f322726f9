"""A page of a result."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some of the items, in order, and the way to the next ones.

    Attributes:
        items: The items of this page.
        next_page_token: Opaque text to ask for the next page with; None on the last one.
    """

    items: tuple[T, ...]
    next_page_token: str | None = None
