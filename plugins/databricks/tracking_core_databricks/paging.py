"""Pages that are larger than those a workspace gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from tracking_core.search import Page
from tracking_core.stores.requests.base import Query

T = TypeVar("T")
Q = TypeVar("Q", bound=Query)


def gathered(search: Callable[[Q], Page[T]], query: Q, *, most: int) -> Page[T]:
    """Return a page out of as many of the workspace's as it takes.

    Args:
        search: Searches for a page that isn't larger.
        query: What is searched for.
        most: The largest page that the workspace gives; a larger one it refuses, or cuts.
    """
    found: list[T] = []
    token = query.page_token
    while True:
        size = min(query.max_results - len(found), most)
        page = search(replace(query, max_results=size, page_token=token))
        found += page.items
        token = page.next_page_token
        if token is None or len(found) >= query.max_results:
            return Page(tuple(found), token)
