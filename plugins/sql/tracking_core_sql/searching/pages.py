"""Pages of any subject.

`search_page` answers a query of experiments, registered models, model versions or logged models,
and `count` counts what matches:

    def work(transaction):
        return search_page(
            transaction,
            subject=Subject.EXPERIMENTS,
            query=query,                        # filter, order_by, max_results, page_token
            within=[schema.experiment.c.is_deleted == 0],
            load=lambda ids: {id: experiment for ...},
        )

`within` are conditions on the subject's own table (`schema.experiment`, `registered_model`,
`model_version`, `logged_model`): view, experiments, lifecycle. `load` gets the internal ids of what
was found and returns the entities by id. The numbers of stages and statuses are in `subjects`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, FromClause, Select, func, select

from tracking_core.search import (
    Expression,
    Field,
    FieldKind,
    Ordering,
    Page,
    Subject,
    compile_filter,
    decode_page_token,
    encode_page_token,
    query_digest,
    select_page,
)
from tracking_core.search.vocabulary import Entity
from tracking_core.stores.requests.base import Query
from tracking_core_sql.database import Transaction
from tracking_core_sql.searching.conditions import (
    Tree,
    condition,
    is_compilable,
    terms_of,
    tree_of,
)
from tracking_core_sql.searching.orders import OrderTerm, after, check_storable, scalars
from tracking_core_sql.searching.places import Sorted
from tracking_core_sql.searching.planning import go_by_index
from tracking_core_sql.searching.subjects import (
    Fields,
    MeasuredOn,
    fields_of,
    is_measured_on,
    logged_metric,
)
from tracking_core_sql.searching.values import Scalar, Whole

T = TypeVar("T", bound=Entity)
# Each may need a join, and databases have a limit of those.
MOST_ORDERS = 20

Load = Callable[[Sequence[int]], Mapping[int, T]]


def search_page(
    transaction: Transaction,
    *,
    subject: Subject,
    query: Query,
    load: Load[T],
    within: Sequence[ColumnElement[bool]] = (),
    measured_on: MeasuredOn = (),
) -> Page[T]:
    """Return the page of a query, in one statement and those of `load`.

    Args:
        transaction: Where to look.
        subject: What is searched: anything but runs, whose search is `SqlRunSearch`.
        query: The filter, the order, the size of the page and where it begins.
        load: Returns entities by internal id, for a list of those.
        within: Conditions on the subject's table besides the filter.
        measured_on: For logged models: the data sets whose metrics count.

    Raises:
        InvalidValueError: The page token isn't one of this query, or the filter or the order
            names what the subject lacks.
    """
    place = PlaceInOrder(query, subject, measured_on)
    fields = fields_of(subject, measured_on=measured_on)
    tree = checked_tree(query.filter, subject, measured_on)
    if not is_compilable(tree) or len(place.ordering.order) > MOST_ORDERS:
        ids = transaction.rows(select(fields.table.c.id).where(*within))
        return select_page(
            list(load([row[0] for row in ids]).values()),
            subject=subject,
            expression=query.filter,
            order_by=query.order_by,
            max_results=query.max_results,
            page_token=query.page_token,
            measured_on=measured_on,
        )
    conditions = [*within, *_filtering(transaction, tree, fields)]
    terms = order_terms(place.ordering, lambda order: _sorted(fields, order, measured_on))
    if tree is None and not measured_on:
        conditions += _bounds(transaction, fields.table, conditions, terms[0], place.end, query)
    number = fields.table.c.id
    statement = page_statement(
        transaction, fields.table, number, conditions, terms, place.end, query.max_results + 1
    )
    rows = transaction.rows(statement)
    shown = rows[: query.max_results]
    entities = load([row[0] for row in shown]) if shown else {}
    items = tuple(entities[row[0]] for row in shown)
    if len(rows) <= query.max_results:
        return Page(items)
    return Page(items, place.token(scalars(terms, shown[-1][1:])))


def count(
    transaction: Transaction,
    *,
    subject: Subject,
    query: Query,
    load: Load[T],
    within: Sequence[ColumnElement[bool]] = (),
    measured_on: MeasuredOn = (),
) -> int:
    """Return how many match, whatever the page; the arguments are those of `search_page`."""
    fields = fields_of(subject, measured_on=measured_on)
    tree = checked_tree(query.filter, subject, measured_on)
    if not is_compilable(tree):
        ids = transaction.rows(select(fields.table.c.id).where(*within))
        matches = compile_filter(query.filter, subject, measured_on=measured_on)
        return sum(map(matches, load([row[0] for row in ids]).values()))
    conditions = [*within, *_filtering(transaction, tree, fields)]
    row = transaction.first(select(func.count()).select_from(fields.table).where(*conditions))
    return int(row[0]) if row is not None else 0


class PlaceInOrder:
    """Where the page of a query begins, and the token of where it ends."""

    def __init__(self, query: Query, subject: Subject, measured_on: MeasuredOn = ()) -> None:
        self.ordering = Ordering(query.order_by, subject, measured_on=measured_on)
        self.end: tuple[Scalar, ...] | None = None
        self._query = query
        self._subject = subject
        self._measured_on = measured_on
        if query.page_token is not None:
            self.end = decode_page_token(query.page_token, digest=self._digest())
            self.ordering.key_of_values(self.end)
            check_storable(self.end)

    def token(self, values: Sequence[Scalar]) -> str:
        """Return the token of a page whose last item has these values."""
        return encode_page_token(values, digest=self._digest())

    def _digest(self) -> str:
        query = self._query
        return query_digest(
            self._subject, query.filter, query.order_by, measured_on=self._measured_on
        )


def checked_tree(
    expression: Expression | None, subject: Subject, measured_on: MeasuredOn = ()
) -> Tree | None:
    """Return the tree of a filter.

    Raises:
        InvalidValueError: The reference evaluator would refuse it.
    """
    if expression is None:
        return None
    compile_filter(expression, subject, measured_on=measured_on)
    return tree_of(expression)


def order_terms(ordering: Ordering, sorted_of: Callable[[Any], Sorted]) -> list[OrderTerm]:
    """Return the terms of an order."""
    return [
        OrderTerm(sorted_of(order), order.ascending, number)
        for number, order in enumerate(ordering.order)
    ]


def page_statement(
    transaction: Transaction,
    tables: FromClause,
    number: ColumnElement[int],
    conditions: Sequence[ColumnElement[bool]],
    terms: Sequence[OrderTerm],
    end: Sequence[Scalar] | None,
    limit: int,
) -> Select[Any]:
    """Return the query of ids and order's columns that finds all that match, and sorts them."""
    source = tables
    for term in terms:
        if term.join is not None:
            source = source.outerjoin(*term.join)
    labelled = [column for term in terms for column in term.labelled()]
    found = select(number.label("id"), *labelled).select_from(source).where(*conditions)
    inner = found.subquery("found")
    inside = [term.over(inner) for term in terms]
    statement = select(*inner.c).limit(limit)
    if end is not None:
        statement = statement.where(after(transaction, inside, end))
    return statement.order_by(*(clause for term in inside for clause in term.clauses()))


def _bounds(
    transaction: Transaction,
    table: FromClause,
    conditions: Sequence[ColumnElement[bool]],
    first: OrderTerm,
    end: Sequence[Scalar] | None,
    query: Query,
) -> list[ColumnElement[bool]]:
    """Return what bounds a page, if an index on the first of its order tells that at once.

    Databases sort all that match where an index has only the first part of the order.
    """
    value = first.sorted.value
    if not isinstance(value, Whole) or first.sorted.rank is not None:
        return []
    column = value.columns[0]
    if not any(column is next(iter(index.columns)) for index in getattr(table, "indexes", ())):
        return []
    last = select(column).select_from(table).where(*conditions)
    if end is not None:
        # What is equal to the end comes besides.
        last = last.where(first.beyond(transaction, end[0])[0])
    last = last.order_by(*first.clauses()).limit(1).offset(query.max_results)
    go_by_index(transaction, is_wanted=True)
    row = transaction.first(last)
    go_by_index(transaction, is_wanted=False)
    if row is None:
        return []
    return [column <= row[0] if first.is_ascending else column >= row[0]]


def _filtering(
    transaction: Transaction, tree: Tree | None, fields: Fields
) -> list[ColumnElement[bool]]:
    conditions = []
    if tree is not None:
        conditions.append(condition(transaction, tree, fields.place))
    looks_at_metrics = any(t.leaf.field.kind is FieldKind.METRIC for t in terms_of(tree))
    if fields.is_measured is not None and not looks_at_metrics:
        conditions.append(fields.is_measured)
    return conditions


def _sorted(fields: Fields, order: Any, measured_on: MeasuredOn) -> Sorted:
    field: Field = order.field
    if order.dataset_name is not None:
        only = ((order.dataset_name, order.dataset_digest),)
        return logged_metric(field.key, is_measured_on(measured_on), is_measured_on(only)).sorted()
    return fields.place(field).sorted()
