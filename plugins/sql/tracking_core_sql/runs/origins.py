"""What points were measured on, as numbers, remembered for the life of the process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import select

from tracking_core.entities import Metric
from tracking_core_sql import schema
from tracking_core_sql.database import Database, Transaction


class Origin(NamedTuple):
    """The logged model and the data set that a point was measured on."""

    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


NO_ORIGIN = Origin()


def origin_of(metric: Metric) -> Origin:
    """Return the origin of a point."""
    return Origin(metric.model_id, metric.dataset_name, metric.dataset_digest)


class Origins:
    """The numbers of origins; a number, once given, never changes, and 0 stands for none."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers: dict[Origin, int] = {NO_ORIGIN: 0}
        self._origins: dict[int, Origin] = {0: NO_ORIGIN}

    def ensure(self, origins: Iterable[Origin]) -> dict[Origin, int]:
        """Return the number of each origin, given one if it has none.

        In a transaction of its own, so that no two batches wait for each other's new origins.
        """
        wanted = set(origins)
        missing = {_fingerprint(origin): origin for origin in wanted if origin not in self._numbers}
        if missing:
            rows = [(fingerprint, *missing[fingerprint]) for fingerprint in sorted(missing)]

            def add(transaction: Transaction) -> dict[str, int]:
                names = ["fingerprint", "model_id", "dataset_name", "dataset_digest"]
                transaction.insert_new(schema.origin, names, rows)
                origin = schema.origin.c
                statement = select(origin.fingerprint, origin.id).where(
                    transaction.among(origin.fingerprint, missing)
                )
                return dict(transaction.rows(statement))

            for fingerprint, number in self._database.write(add).items():
                self._remember(number, missing[fingerprint])
        return {origin: self._numbers[origin] for origin in wanted}

    def named(self, numbers: Iterable[int]) -> dict[int, Origin]:
        """Return the origin of each number; one that isn't there any more is none."""
        wanted = set(numbers)
        missing = sorted(number for number in wanted if number not in self._origins)
        if missing:

            def find(transaction: Transaction) -> dict[int, Origin]:
                origin = schema.origin.c
                statement = select(
                    origin.id, origin.model_id, origin.dataset_name, origin.dataset_digest
                ).where(transaction.among(origin.id, missing))
                return {row[0]: Origin(*row[1:]) for row in transaction.rows(statement)}

            for number, found in self._database.read(find).items():
                self._remember(number, found)
        return {number: self._origins.get(number, NO_ORIGIN) for number in wanted}

    def _remember(self, number: int, origin: Origin) -> None:
        self._origins[number] = origin
        self._numbers[origin] = number


def _fingerprint(origin: Origin) -> str:
    return hashlib.sha256(json.dumps(origin).encode()).hexdigest()
