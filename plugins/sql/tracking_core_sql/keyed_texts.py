"""Texts by key: the tags of experiments, models and versions, and the params of logged models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Table, delete, select

from tracking_core_sql.database import Transaction


class KeyedTexts:
    """A table with a row for each key of each owner."""

    def __init__(self, table: Table, owner: str) -> None:
        """Take the table, and the name of the column that refers to the owner."""
        self.table = table
        self.owner = table.c[owner]
        self._names = (owner, "key", "value")

    def of(self, transaction: Transaction, owners: Sequence[int]) -> dict[int, dict[str, str]]:
        """Return the texts of each of these owners, by key."""
        found: dict[int, dict[str, str]] = {owner: {} for owner in owners}
        if owners:
            columns = self.table.c
            query = select(self.owner, columns.key, columns.value)
            for owner, key, value in transaction.rows(
                query.where(transaction.among(self.owner, owners))
            ):
                found[owner][key] = value
        return found

    def add(self, transaction: Transaction, owner: int, texts: Mapping[str, str]) -> None:
        """Write the texts of an owner that has none yet."""
        rows = [(owner, key, texts[key]) for key in sorted(texts)]
        transaction.insert(self.table, self._names, rows)

    def change(
        self, transaction: Transaction, owner: int, old: Mapping[str, str], new: Mapping[str, str]
    ) -> None:
        """Write how an owner's texts differ from what they were."""
        gone = sorted(old.keys() - new.keys())
        if gone:
            is_gone = transaction.among(self.table.c.key, gone)
            transaction.execute(delete(self.table).where(self.owner == owner, is_gone))
        rows = [(owner, key, new[key]) for key in sorted(new) if old.get(key) != new[key]]
        transaction.upsert(self.table, self._names, rows, update=["value"])
