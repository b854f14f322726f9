"""The connection to a database: where it is, how it is reached, what a transaction can do."""

from tracking_core_sql.database.database import Database
from tracking_core_sql.database.plain import constant
from tracking_core_sql.database.transaction import Transaction

__all__ = ["Database", "Transaction", "constant"]
