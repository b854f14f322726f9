"""All pages of a search as one list."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tracking_core.client import PagedList
from tracking_core.errors import InvalidValueError
from tracking_core.stores.validation import shown

T = TypeVar("T")

_PAGE = 1000


def collect(search: Callable[[int, str | None], PagedList[T]], max_results: int | None) -> list[T]:
    """Return what a search finds, up to a number; `search` takes the size of a page and a token.

    Raises:
        InvalidValueError: The number isn't a whole one from 1.
    """
    if max_results is not None and (type(max_results) is not int or max_results < 1):
        raise InvalidValueError(f"max_results is {shown(max_results)}; it must be at least 1.")
    found: list[T] = []
    token: str | None = None
    while max_results is None or len(found) < max_results:
        page = search(_PAGE if max_results is None else min(_PAGE, max_results - len(found)), token)
        found += page
        token = page.token
        if token is None:
            break
    return found
