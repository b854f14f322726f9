"""Runs: reading, searching and counting them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from sqlalchemy import bindparam, select

from tracking_core.entities import DatasetSummary, Run
from tracking_core.errors import NotFoundError
from tracking_core.search import Page, Subject, compile_filter, select_page
from tracking_core.stores import (
    EVERYTHING,
    Projection,
    RunQuery,
    RunStore,
    project,
    validation,
)
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction, constant
from tracking_core_sql.searching.conditions import Tree, is_compilable
from tracking_core_sql.searching.loading import KeyNames, load_runs
from tracking_core_sql.searching.pages import MOST_ORDERS, PlaceInOrder, checked_tree
from tracking_core_sql.searching.run_fields import KnownExperiment, Scope, find_scope, names_in
from tracking_core_sql.searching.run_pages import count_found, find_runs

_run = schema.run.c
_experiment = schema.experiment.c


_FIND = constant(
    select(_run.id, _experiment.id, _experiment.experiment_id, _experiment.is_deleted)
    .join_from(schema.run, schema.experiment)
    .where(_run.run_id == bindparam("run_id"))
)


class SqlRunSearch(RunStore):
    """Reads runs: one by its id, or those that match a filter."""

    _database: Database

    @cached_property
    def _key_names(self) -> KeyNames:
        return KeyNames()

    def get_run(self, run_id: str, *, projection: Projection = EVERYTHING) -> Run:
        validation.check_run_id(run_id)

        def work(transaction: Transaction) -> Run:
            row = transaction.first(_FIND, {"run_id": run_id})
            if row is None:
                raise NotFoundError(f"There is no run with the id {run_id!r}.")
            experiment = KnownExperiment(row[1], row[2], bool(row[3]))
            named = _named(projection)
            scope = Scope((experiment,), {})
            if named:
                scope = find_scope(transaction, [experiment.experiment_id], named)
            return self._loaded(transaction, [row[0]], projection, scope)[0]

        return self._database.read(work)

    def search_runs(self, query: RunQuery) -> Page[Run]:
        place = PlaceInOrder(query, Subject.RUNS)
        tree = checked_tree(query.filter, Subject.RUNS)
        if not is_compilable(tree) or len(place.ordering.order) > MOST_ORDERS:
            return self._database.read(lambda transaction: self._evaluated(transaction, query))

        def work(transaction: Transaction) -> Page[Run]:
            names = names_in(tree, place.ordering.order) | _named(query.projection)
            scope = find_scope(transaction, query.experiment_ids, names)
            if not scope.experiments:
                return Page(())
            return self._page(transaction, query, place, tree, scope)

        return self._database.read(work)

    def count_runs(self, query: RunQuery) -> int:
        tree = checked_tree(query.filter, Subject.RUNS)

        def work(transaction: Transaction) -> int:
            scope = find_scope(transaction, query.experiment_ids, names_in(tree, ()))
            return count_found(transaction, scope=scope, view_type=query.view_type, tree=tree)

        if not is_compilable(tree):
            matches = compile_filter(query.filter, Subject.RUNS)
            return self._database.read(
                lambda transaction: sum(map(matches, self._all(transaction, query)))
            )
        return self._database.read(work)

    def search_datasets(self, experiment_ids: Iterable[str]) -> list[DatasetSummary]:
        wanted = list(dict.fromkeys(map(validation.check_experiment_id, experiment_ids)))
        used, dataset = schema.run_dataset.c, schema.dataset.c
        found = (_experiment.experiment_id, dataset.name, dataset.digest, used.context)

        def work(transaction: Transaction) -> list[DatasetSummary]:
            statement = (
                select(*found)
                .select_from(schema.experiment)
                .join(schema.run, _run.experiment == _experiment.id)
                .join(schema.run_dataset, used.run == _run.id)
                .join(schema.dataset, dataset.id == used.dataset)
                .where(
                    transaction.among(_experiment.experiment_id, wanted),
                    _experiment.is_deleted == 0,
                    _run.is_deleted == 0,
                )
                .distinct()
                .order_by(*found)
            )
            return [DatasetSummary(*row) for row in transaction.rows(statement)]

        return self._database.read(work)

    # --- within a transaction ---

    def _page(
        self,
        transaction: Transaction,
        query: RunQuery,
        place: PlaceInOrder,
        tree: Tree | None,
        scope: Scope,
    ) -> Page[Run]:
        found = find_runs(
            transaction,
            scope=scope,
            view_type=query.view_type,
            tree=tree,
            place=place,
            limit=query.max_results + 1,
        )
        shown = found[: query.max_results]
        runs = self._loaded(transaction, [each[0] for each in shown], query.projection, scope)
        if len(found) <= query.max_results:
            return Page(tuple(runs))
        return Page(tuple(runs), place.token(shown[-1][1]))

    def _loaded(
        self,
        transaction: Transaction,
        numbers: Sequence[int],
        projection: Projection,
        scope: Scope,
    ) -> list[Run]:
        runs = load_runs(
            transaction,
            numbers,
            projection=projection,
            experiments={each.number: each for each in scope.experiments},
            keys={name: list(keys.values()) for name, keys in scope.keys.items()},
            names=self._key_names,
        )
        return [runs[number] for number in numbers]

    def _all(self, transaction: Transaction, query: RunQuery) -> list[Run]:
        """Return all runs that a query looks at, whatever its filter."""
        scope = find_scope(transaction, query.experiment_ids, ())
        if not scope.experiments:
            return []
        statement = select(_run.id).where(*scope.view(transaction, query.view_type))
        numbers = [row[0] for row in transaction.rows(statement)]
        return self._loaded(transaction, numbers, EVERYTHING, scope)

    def _evaluated(self, transaction: Transaction, query: RunQuery) -> Page[Run]:
        """Return the page of a query that databases can't be asked, by looking at all runs."""
        page = select_page(
            self._all(transaction, query),
            subject=Subject.RUNS,
            expression=query.filter,
            order_by=query.order_by,
            max_results=query.max_results,
            page_token=query.page_token,
        )
        found = tuple(project(run, query.projection) for run in page.items)
        return Page(found, page.next_page_token)


def _named(projection: Projection) -> set[str]:
    parts = (projection.metrics, projection.params, projection.tags)
    return {name for part in parts if part is not None for name in part}
