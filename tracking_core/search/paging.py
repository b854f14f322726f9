"""Pages that begin behind the last item of the page before, whatever came or went meanwhile."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TypeVar

from tracking_core.errors import InvalidValueError
from tracking_core.search.ast import Expression, OrderBy, Subject
from tracking_core.search.evaluator import compile_filter
from tracking_core.search.formatter import format_filter
from tracking_core.search.ordering import Ordering, SortKey
from tracking_core.search.page import Page
from tracking_core.search.vocabulary import Entity, MeasuredOn, Scalar

T = TypeVar("T", bound=Entity)

# From so many items per result on, a heap is quicker than sorting all of them.
_HEAP_PAYS_FROM = 20


def select_page(
    items: Iterable[T],
    *,
    subject: Subject,
    expression: Expression | None = None,
    order_by: Sequence[OrderBy] = (),
    max_results: int,
    page_token: str | None = None,
    presorted: bool = False,
    measured_on: MeasuredOn = (),
) -> Page[T]:
    """Return the page of the items that match, in order, after the page that gave the token.

    Args:
        items: All items, each once; a generator is read as far as needed.
        subject: What the items are.
        expression: A parsed filter; None matches everything.
        order_by: Parsed; empty means the subject's default order.
        max_results: The size of the page.
        page_token: From the page before; None for the first.
        presorted: The items come in this very order, and reading stops when the page is full.
        measured_on: For logged models: the data sets whose metrics count.

    Raises:
        InvalidValueError: The page token isn't one of this query, or max_results is below 1.
    """
    if max_results < 1:
        raise InvalidValueError(f"max_results is {max_results}; it must be at least 1.")
    ordering = Ordering(order_by, subject, measured_on=measured_on)
    matches = compile_filter(expression, subject, measured_on=measured_on)
    key = ordering.key
    after: SortKey | None = None
    if page_token is not None:
        digest = query_digest(subject, expression, order_by, measured_on=measured_on)
        after = ordering.key_of_values(decode_page_token(page_token, digest=digest))

    def keyed() -> Iterator[tuple[SortKey, T]]:
        for item in items:
            if matches(item):
                its_key = key(item)
                if after is None or its_key > after:
                    yield its_key, item

    found: list[tuple[SortKey, T]]
    if presorted:
        found = list(itertools.islice(keyed(), max_results + 1))
    else:
        found = list(keyed())
        if len(found) > (max_results + 1) * _HEAP_PAYS_FROM:
            found = heapq.nsmallest(max_results + 1, found, key=itemgetter(0))
        else:
            found.sort(key=itemgetter(0))
    page = tuple(item for _, item in found[:max_results])
    if len(found) <= max_results:
        return Page(page)
    digest = query_digest(subject, expression, order_by, measured_on=measured_on)
    return Page(page, encode_page_token(ordering.values(page[-1]), digest=digest))


def query_digest(
    subject: Subject,
    expression: Expression | None,
    order_by: Sequence[OrderBy],
    *,
    measured_on: MeasuredOn = (),
) -> str:
    """Return a short digest of a query, which ties page tokens to it."""
    # Only a query of several pages needs it.
    import hashlib

    orders = [
        (o.field.kind.value, o.field.key, o.ascending, o.dataset_name, o.dataset_digest)
        for o in order_by
    ]
    text = repr((subject.value, format_filter(expression, subject), orders, list(measured_on)))
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def encode_page_token(values: Sequence[Scalar], *, digest: str) -> str:
    """Return the opaque token of a page that ends with these values.

    Args:
        values: What tells where the page ended: numbers (NaN and infinities too), text, None.
        digest: Of the query, as from `query_digest`.
    """
    # Only a query of several pages needs them.
    import base64
    import json

    text = json.dumps([digest, *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode("ascii")).rstrip(b"=").decode("ascii")


def decode_page_token(token: str, *, digest: str) -> tuple[Scalar, ...]:
    """Return the values of a token.

    Raises:
        InvalidValueError: It isn't a token, or not one of the query with this digest.
    """
    # Only a query of several pages needs them.
    import base64
    import json

    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, list) or not content or not isinstance(content[0], str):
        shown = token if len(token) <= 40 else token[:39] + "…"
        raise InvalidValueError(
            f"The page token {shown!r} can't be read;"
            " pass the next_page_token of the page before, or none for the first page."
        )
    found, *values = content
    if found != digest or not all(_is_scalar(value) for value in values):
        raise InvalidValueError(
            "The page token belongs to another query: its filter or order was another one;"
            " pass the next_page_token of the page before, or none for the first page."
        )
    return tuple(values)


def _is_scalar(value: object) -> bool:
    return value is None or (isinstance(value, (int, float, str)) and not isinstance(value, bool))
