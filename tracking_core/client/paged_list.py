"""What searches return: a list that knows the way to the next page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tracking_core.search.page import Page

T = TypeVar("T")


class PagedList(list[T]):
    """A page of results.

    Attributes:
        token: Pass it as `page_token` to get the next page; None on the last one.
    """

    def __init__(self, items: Iterable[T] = (), token: str | None = None) -> None:
        super().__init__(items)
        self.token = token

    def to_list(self) -> list[T]:
        """Return the items as a plain list, as MLflow's class does."""
        return list(self)


def paged(page: Page[T]) -> PagedList[T]:
    """Return a store's page as a list with a token."""
    return PagedList(page.items, page.next_page_token)
