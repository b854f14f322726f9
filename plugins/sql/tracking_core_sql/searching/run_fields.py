"""Where the fields of runs lie, in the experiments that a search looks at.

Names of metrics, params and tags have a number of their own in each experiment. Where one
experiment is searched they are constants; where several are, the number is looked up for each run.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, literal, or_, select

from tracking_core.entities import RunStatus, ViewType
from tracking_core.search import Field, FieldKind, OrderBy
from tracking_core_sql import schema
from tracking_core_sql.database import Transaction
from tracking_core_sql.searching.conditions import Tree, terms_of
from tracking_core_sql.searching.places import Beside, Here, Many, Nowhere, Place
from tracking_core_sql.searching.subjects import LIFECYCLE, text, whole
from tracking_core_sql.searching.values import Coded, Double, Text, Value, can_be_key

RUN_STATUSES = {status.number: status.value for status in RunStatus}

_run = schema.run.c
_used = schema.run_dataset.c

_ATTRIBUTES: dict[str, Here] = {
    "run_id": Here(Text(_run.run_id, is_id=True)),
    "run_name": text(_run.name),
    "status": Here(Coded(_run.status, RUN_STATUSES)),
    "user_id": text(_run.user_id),
    "artifact_uri": text(_run.artifact_uri),
    "start_time": whole(_run.start_time),
    "end_time": whole(_run.end_time),
}
_DATASETS = {
    "name": schema.dataset.c.name,
    "digest": schema.dataset.c.digest,
    "context": _used.context,
}
TABLES = {
    FieldKind.METRIC: schema.metric,
    FieldKind.PARAM: schema.param,
    FieldKind.TAG: schema.tag,
}


@dataclass(frozen=True)
class KnownExperiment:
    """An experiment that is searched.

    Attributes:
        number: Its internal id.
        experiment_id: Its id.
        is_deleted: Whether it is deleted, and its runs with it.
    """

    number: int
    experiment_id: str
    is_deleted: bool


@dataclass(frozen=True)
class Scope:
    """The experiments of a search, and the numbers of the names that it uses.

    Attributes:
        experiments: Each of them.
        keys: By name, then by experiment.
    """

    experiments: tuple[KnownExperiment, ...]
    keys: dict[str, dict[int, int]]

    def identity(self) -> Hashable:
        """Return what tells this scope from others."""
        keys = tuple((name, tuple(numbers.items())) for name, numbers in self.keys.items())
        return (self.experiments, keys)

    def each(self) -> list[Scope]:
        """Return a scope for each experiment."""
        return [Scope((experiment,), self.keys) for experiment in self.experiments]

    def numbers(self) -> list[int]:
        """Return the numbers of the experiments."""
        return [experiment.number for experiment in self.experiments]

    def key(self, name: str) -> int | None:
        """Return the number of a name, where one experiment is searched; None: it has none."""
        return self.keys.get(name, {}).get(self.experiments[0].number)

    def view(self, transaction: Transaction, view_type: ViewType) -> list[ColumnElement[bool]]:
        """Return the conditions that a run lies in these experiments and belongs to the view."""
        return [_in_experiments(transaction, self.numbers()), *self.stage(transaction, view_type)]

    def stage(self, transaction: Transaction, view_type: ViewType) -> list[ColumnElement[bool]]:
        """Return the conditions that a run of these experiments belongs to the view."""
        deleted = [each.number for each in self.experiments if each.is_deleted]
        active = [each.number for each in self.experiments if not each.is_deleted]
        if view_type is ViewType.ALL:
            return []
        if view_type is ViewType.ACTIVE_ONLY:
            is_active = [_run.is_deleted == 0]
            return [*is_active, _in_experiments(transaction, active)] if deleted else is_active
        if not active:
            return []
        is_deleted = _run.is_deleted == 1
        if deleted:
            return [or_(is_deleted, _in_experiments(transaction, deleted))]
        return [is_deleted]

    def attribute(self, field: Field) -> Here:
        """Return the place of an attribute that has a column of its own."""
        return _ATTRIBUTES[field.key]

    def place(self, field: Field) -> Place:
        """Return where a field of runs lies."""
        return self.place_of(field, _run.id)

    def place_of(self, field: Field, run: ColumnElement[int]) -> Place:
        """Return where a field of runs lies, whose number stands in this column."""
        if field.kind is FieldKind.ATTRIBUTE:
            if field.key == "experiment_id":
                ids = {each.number: each.experiment_id for each in self.experiments}
                return Here(Coded(_run.experiment, ids))
            if field.key == "lifecycle_stage":
                return Here(Coded(self._stage(), LIFECYCLE))
            return _ATTRIBUTES[field.key]
        if field.kind is FieldKind.DATASET:
            return Many(
                schema.run_dataset.join(schema.dataset, _used.dataset == schema.dataset.c.id),
                (schema.run_dataset, schema.dataset),
                _used.run == run,
                Text(_DATASETS[field.key]),
                is_nullable=field.key == "context",
            )
        return self._logged(field, run)

    def _logged(self, field: Field, run: ColumnElement[int]) -> Place:
        if not self.keys.get(field.key):
            return Nowhere()
        if len(self.experiments) == 1:
            # Where another experiment has the name, the columns must be the same: 0 is no key's.
            key: ColumnElement[int] = literal(self.key(field.key) or 0)
        else:
            query = select(schema.key.c.id).where(
                schema.key.c.experiment == _run.experiment, schema.key.c.name == field.key
            )
            key = query.correlate_except(schema.key).scalar_subquery()
        return Beside(
            TABLES[field.kind],
            lambda table: and_(table.c.run == run, table.c.key == key),
            lambda table: value_in(field.kind, table),
            "run",
        )

    def _stage(self) -> ColumnElement[int]:
        deleted = [each.number for each in self.experiments if each.is_deleted]
        if not deleted:
            return _run.is_deleted
        return case((_run.experiment.in_(deleted), 1), else_=_run.is_deleted)


def value_in(kind: FieldKind, table: FromClause) -> Value:
    """Return the value in a row of the table of metrics, params or tags."""
    if kind is FieldKind.METRIC:
        return Double(table.c.value, table.c.infinity)
    return Text(table.c.head, table.c.rest)


def names_in(tree: Tree | None, orders: Iterable[OrderBy]) -> set[str]:
    """Return the names of metrics, params and tags that a filter and an order use."""
    fields = [term.leaf.field for term in terms_of(tree)] + [order.field for order in orders]
    return {field.key for field in fields if field.kind in TABLES}


def find_scope(
    transaction: Transaction, experiment_ids: Sequence[str] | None, names: Iterable[str]
) -> Scope:
    """Return the scope of a search, in two statements.

    Args:
        transaction: Where to look.
        experiment_ids: The experiments, which needn't be there; None: all that are active.
        names: The names that the search uses.
    """
    wanted = None if experiment_ids is None else tuple(dict.fromkeys(experiment_ids))
    rows, _ = transaction.rows_of(
        ("experiments", wanted), lambda: (_experiments_query(transaction, wanted), None)
    )
    experiments = tuple(
        KnownExperiment(number, experiment_id, bool(is_deleted))
        for number, experiment_id, is_deleted in rows
    )
    storable = tuple(sorted(name for name in set(names) if can_be_key(name)))
    keys: dict[str, dict[int, int]] = {}
    if experiments and storable:
        numbers = tuple(each.number for each in experiments)
        found, _ = transaction.rows_of(
            ("keys", storable, numbers), lambda: (_keys_query(transaction, storable, numbers), None)
        )
        for name, experiment, number in found:
            keys.setdefault(name, {})[experiment] = number
    return Scope(experiments, keys)


def _experiments_query(transaction: Transaction, wanted: Sequence[str] | None) -> Select[Any]:
    columns = schema.experiment.c
    condition = (
        columns.is_deleted == 0
        if wanted is None
        else transaction.among(columns.experiment_id, wanted)
    )
    query = select(columns.id, columns.experiment_id, columns.is_deleted)
    return query.where(condition).order_by(columns.id)


def _keys_query(
    transaction: Transaction, names: Sequence[str], numbers: Sequence[int]
) -> Select[Any]:
    key = schema.key.c
    return select(key.name, key.experiment, key.id).where(
        transaction.among(key.name, names),
        _among_numbers(transaction, key.experiment, list(numbers)),
    )


def _in_experiments(transaction: Transaction, numbers: list[int]) -> ColumnElement[bool]:
    return _among_numbers(transaction, _run.experiment, numbers)


def _among_numbers(
    transaction: Transaction, column: ColumnElement[int], numbers: list[int]
) -> ColumnElement[bool]:
    if len(numbers) == 1:
        return column == numbers[0]
    return transaction.among(column, numbers)
