"""What all requests share."""

from __future__ import annotations

import time
import uuid

import msgspec

from tracking_core.errors import InvalidValueError
from tracking_core.search.ast import Expression, OrderBy
from tracking_core.stores import validation

MAX_PAGE_SIZE = 50_000

UNSET = msgspec.UNSET
UnsetType = msgspec.UnsetType


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the requests; each checks itself when it is made."""


class Query(Request, frozen=True, kw_only=True):
    """What every search takes.

    Attributes:
        filter: A parsed filter; None matches everything.
        order_by: Parsed; empty means the subject's default order. Ties end in the id, so that
            the order is total.
        max_results: The size of a page.
        page_token: From the page before; None for the first.
    """

    filter: Expression | None = None
    order_by: tuple[OrderBy, ...] = ()
    max_results: int = 1000
    page_token: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.filter, str):
            raise InvalidValueError(
                "A query takes a parsed filter: pass parse_filter(text, subject) instead of text."
            )
        validation.check_int64(self.max_results, what="max_results")
        if not 1 <= self.max_results <= self._max_page_size():
            raise InvalidValueError(
                f"max_results is {self.max_results}; it must be from 1 to {self._max_page_size()}."
            )
        if self.page_token is not None and not isinstance(self.page_token, str):
            raise InvalidValueError(
                f"The page token {validation.shown(self.page_token)} is not a string;"
                " pass the next_page_token of the page before."
            )

    @staticmethod
    def _max_page_size() -> int:
        return MAX_PAGE_SIZE


def now() -> int:
    """Return the time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """Return a new random id of 32 hexadecimal digits."""
    return uuid.uuid4().hex


def check_times(request: Request, *names: str) -> None:
    """Check the named fields of a request that are given as timestamps."""
    for name in names:
        value = getattr(request, name)
        if value is not None and value is not UNSET:
            validation.check_timestamp(value, what=name)
