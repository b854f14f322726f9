"""Names of metrics, params and tags as numbers, remembered for the life of the process."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from tracking_core.errors import NotFoundError
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction


class GoneError(NotFoundError):
    """What was remembered of an experiment or a run isn't true any more: it was purged."""


def hold_experiment(transaction: Transaction, experiment: int) -> None:
    """See to it that an experiment isn't purged until the transaction ends.

    Raises:
        GoneError: It was purged already.
    """
    own = schema.experiment.c.id
    statement = select(own).where(own == experiment).with_for_update(read=True, key_share=True)
    if transaction.first(statement) is None:
        raise GoneError(f"The experiment with the number {experiment} has gone.")


class Keys:
    """The numbers of the names in each experiment; a number, once given, never changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[int, str], int] = {}

    def ensure(self, experiment: int, names: Iterable[str]) -> dict[str, int]:
        """Return the number of each name, given one if it has none.

        In a transaction of its own, so that no two batches wait for each other's new names.

        Raises:
            GoneError: The experiment was purged, and one of the names has no number.
        """
        known = self._known
        wanted = set(names)
        missing = sorted(name for name in wanted if (experiment, name) not in known)
        if missing:

            def add(transaction: Transaction) -> dict[str, int]:
                hold_experiment(transaction, experiment)
                rows = [(experiment, name) for name in missing]
                transaction.insert_new(schema.key, ["experiment", "name"], rows)
                return self._numbers(transaction, experiment, missing)

            numbers = self._database.write(add)
            known.update({(experiment, name): number for name, number in numbers.items()})
        return {name: known[experiment, name] for name in wanted}

    def _numbers(
        self, transaction: Transaction, experiment: int, names: list[str]
    ) -> dict[str, int]:
        key = schema.key.c
        statement = select(key.name, key.id).where(
            key.experiment == experiment, transaction.among(key.name, names)
        )
        return dict(transaction.rows(statement))
