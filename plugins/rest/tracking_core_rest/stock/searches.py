"""Searches of a stock server: filters it reads as we do, orders it knows, pages of its pages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from tracking_core.errors import InvalidValueError, StoreUnavailableError
from tracking_core.search import (
    And,
    Comparison,
    Expression,
    FieldKind,
    Membership,
    NullTest,
    Operator,
    OrderBy,
    Ordering,
    Page,
    Subject,
    compile_filter,
    decode_page_token,
    encode_page_token,
    format_filter,
    is_mlflow_filter,
    query_digest,
)
from tracking_core.search.vocabulary import MeasuredOn
from tracking_core.stores import Capability
from tracking_core.stores.requests.base import Query
from tracking_core_rest.stock.server import StockServer

T = TypeVar("T")
Ask = Callable[[str, int, "str | None"], tuple[Iterable[T], "str | None"]]
"""Asks for a page: the filter as text, its size, the server's token; returns items and token."""

# The releases of which we know that they have the whole grammar, and keep NaN apart from 0.
_FIRST_WITH_NULL_TESTS = (3, 10)
_FIRST_WITH_NAN = (3, 17)

_ORDERS: dict[Subject, dict[FieldKind, frozenset[str] | None]] = {
    Subject.RUNS: {
        FieldKind.ATTRIBUTE: frozenset(
            {
                "artifact_uri",
                "end_time",
                "run_id",
                "run_name",
                "start_time",
                "status",
                "user_id",
            }
        ),
        FieldKind.METRIC: None,
        FieldKind.PARAM: None,
        FieldKind.TAG: None,
    },
    Subject.EXPERIMENTS: {
        FieldKind.ATTRIBUTE: frozenset(
            {"name", "experiment_id", "creation_time", "last_update_time"}
        )
    },
    Subject.REGISTERED_MODELS: {FieldKind.ATTRIBUTE: frozenset({"name", "last_updated_timestamp"})},
    Subject.MODEL_VERSIONS: {
        FieldKind.ATTRIBUTE: frozenset(
            {"name", "version_number", "creation_timestamp", "last_updated_timestamp"}
        )
    },
    Subject.LOGGED_MODELS: {
        # Its status is a number there, and sorts as one.
        FieldKind.ATTRIBUTE: frozenset(
            {
                "model_id",
                "name",
                "model_type",
                "source_run_id",
                "creation_timestamp",
                "last_updated_timestamp",
            }
        ),
        FieldKind.METRIC: None,
    },
}
"""What stock servers order by; None: by any key."""


def search(
    server: StockServer,
    ask: Ask[T],
    query: Query,
    subject: Subject,
    *,
    most: int,
    within: object = None,
    measured_on: MeasuredOn = (),
    tells_the_last: bool = True,
) -> Page[T]:
    """Return a page of a query, out of as many of the server's as it takes.

    What the server reads otherwise than we do (see `asked_of_server`) is looked at here, so a page
    of the server's may hold too much; then more is asked for until the page is full.

    Args:
        server: Who is asked.
        ask: Asks it for a page.
        query: What is searched for; its order is what `check_order` let pass.
        subject: What the items are.
        most: The largest page that the server gives.
        within: What else ties a page token to the query, such as its experiments.
        measured_on: For logged models: the data sets whose metrics count.
        tells_the_last: Whether a full page that is the last one comes without a token.

    Raises:
        UnsupportedError: The filter is one that MLflow's grammar hasn't got.
        InvalidValueError: The page token isn't one of this query.
    """
    if not is_mlflow_filter(query.filter, subject):
        raise server.unsupported(
            f"answer the filter {format_filter(query.filter, subject)!r}, which isn't one of"
            " MLflow's",
            lacks=Capability.RICH_FILTERS,
        )
    text = format_filter(asked_of_server(query.filter, subject, server.version), subject)
    matches = compile_filter(query.filter, subject, measured_on=measured_on)
    digest = query_digest(subject, query.filter, query.order_by, measured_on=measured_on)
    digest += hashlib.blake2b(repr(within).encode(), digest_size=6).hexdigest()
    token = None if query.page_token is None else _unwrapped(query.page_token, digest)
    found: list[T] = []
    while True:
        items, next_token = ask(text, min(query.max_results - len(found), most), token)
        found += (item for item in items if matches(item))  # type: ignore[arg-type]
        if not next_token:
            return Page(tuple(found))
        if len(found) >= query.max_results:
            if not tells_the_last and not any(ask(text, 1, next_token)[0]):
                return Page(tuple(found))
            return Page(tuple(found), encode_page_token([next_token], digest=digest))
        check_progress(token, next_token)
        token = next_token


def check_progress(token: str | None, next_token: str) -> None:
    """Check that a page isn't followed by itself, for ever.

    Raises:
        StoreUnavailableError: It is.
    """
    if token == next_token:
        raise StoreUnavailableError(
            f"The server answers the page token {token!r} with the same one again, so that its"
            " pages have no end; this is a fault of the server's."
        )


def asked_of_server(
    expression: Expression | None, subject: Subject, version: tuple[int, ...]
) -> Expression | None:
    """Return the part of one of MLflow's filters that a stock server reads as we do, or wider.

    Args:
        expression: The whole filter.
        subject: What is searched.
        version: Of the server; empty if unknown.
    """
    terms = expression.terms if isinstance(expression, And) else (expression,)
    kept = [term for term in terms if term and _is_read_alike(term, subject, version)]
    if len(kept) < 2:
        return kept[0] if kept else None
    return And(tuple(kept))


def _is_read_alike(term: Expression, subject: Subject, version: tuple[int, ...]) -> bool:
    if isinstance(term, NullTest):
        return version >= _FIRST_WITH_NULL_TESTS
    if isinstance(term, Membership):
        return not term.negated or version >= _FIRST_WITH_NULL_TESTS
    if not isinstance(term, Comparison):
        return False
    field, value = term.field, term.value
    if subject is Subject.LOGGED_MODELS and field.key == "status":
        # A number in its tables, which it compares with the text.
        return field.kind is not FieldKind.ATTRIBUTE
    if term.operator is Operator.LIKE:
        # Whether a backslash escapes is the database's.
        return "\\" not in str(value)
    if term.operator is Operator.ILIKE:
        # SQLite knows the case of ASCII letters only.
        return "\\" not in str(value) and str(value).isascii()
    if field.kind is FieldKind.METRIC and term.operator is Operator.NOT_EQUAL and value == 0:
        # NaN is stored as 0, and older servers compare what is stored.
        return version >= _FIRST_WITH_NAN
    return True


def check_order(server: StockServer, order_by: Sequence[OrderBy], subject: Subject) -> None:
    """Check that a stock server can order so.

    Raises:
        UnsupportedError: It can't.
        InvalidValueError: Nobody can.
    """
    Ordering(order_by, subject)
    for order in order_by:
        field = order.field
        keys = _ORDERS[subject].get(field.kind, frozenset())
        if keys is not None and field.key not in keys:
            raise server.unsupported(
                f"order {subject.value} by the {field.kind.value} {field.key!r}"
            )


def without_repetition(order_by: Sequence[OrderBy]) -> tuple[OrderBy, ...]:
    """Return an order with each field once, which is the same; servers refuse it twice."""
    seen: dict[Any, OrderBy] = {}
    for order in order_by:
        seen.setdefault((order.field, order.dataset_name, order.dataset_digest), order)
    return tuple(seen.values())


def _unwrapped(page_token: str, digest: str) -> str:
    values = decode_page_token(page_token, digest=digest)
    if len(values) != 1 or not isinstance(values[0], str):
        raise InvalidValueError(
            f"The page token {page_token!r} can't be read; pass the next_page_token of the page"
            " before, or none for the first page."
        )
    return values[0]
