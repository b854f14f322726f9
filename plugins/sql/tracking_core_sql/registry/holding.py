"""The rows of registered models: holding them while something changes, and their times."""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from tracking_core.errors import NotFoundError
from tracking_core.stores.requests import now
from tracking_core_sql import schema
from tracking_core_sql.database import Transaction

_model = schema.registered_model.c
_FIND = select(_model.id).where(_model.name == bindparam("wanted"))
_TOUCH = update(schema.registered_model).where(_model.id == bindparam("model"))


def find_model(transaction: Transaction, name: str) -> int:
    """Return the internal id of a registered model.

    Raises:
        NotFoundError: There is none.
    """
    return _found(transaction.first(_FIND, {"wanted": name}), name)


def hold_model(transaction: Transaction, name: str) -> int:
    """Lock the row of a registered model until the transaction ends; return its internal id.

    Raises:
        NotFoundError: There is none.
    """
    return _found(transaction.first(transaction.locking(_FIND), {"wanted": name}), name)


def touch_model(transaction: Transaction, model: int) -> None:
    """Let the model's time tell that one of its versions changed."""
    transaction.execute(_TOUCH, {"model": model, "last_updated_timestamp": now()})


def no_such_model(name: str) -> NotFoundError:
    """Return the error that says that there is no such registered model."""
    return NotFoundError(f"There is no registered model {name!r}.")


def _found(row: tuple[int] | None, name: str) -> int:
    if row is None:
        raise no_such_model(name)
    return row[0]
