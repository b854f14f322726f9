"""Text that compares by code point on every database: no case, accent or padding is ignored."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.ext.compiler import compiles


class ExactString(String):
    """Text of bounded length, which an index can hold."""

    inherit_cache = True

    def __init__(self, length: int) -> None:
        super().__init__(length)


class ExactText(Text):
    """Text of any length."""

    inherit_cache = True


def _mysql_collation(dialect: Any) -> str:
    # Other binary collations of MySQL and MariaDB ignore spaces at the end.
    return "utf8mb4_nopad_bin" if dialect.is_mariadb else "utf8mb4_0900_bin"


@compiles(ExactString, "mysql")
@compiles(ExactString, "mariadb")
def _mysql_string(type_: ExactString, compiler: Any, **_: Any) -> str:
    collation = _mysql_collation(compiler.dialect)
    return f"VARCHAR({type_.length}) CHARACTER SET utf8mb4 COLLATE {collation}"


@compiles(ExactText, "mysql")
@compiles(ExactText, "mariadb")
def _mysql_text(type_: ExactText, compiler: Any, **_: Any) -> str:
    return f"LONGTEXT CHARACTER SET utf8mb4 COLLATE {_mysql_collation(compiler.dialect)}"


@compiles(ExactString, "postgresql")
def _postgresql_string(type_: ExactString, compiler: Any, **_: Any) -> str:
    return f'VARCHAR({type_.length}) COLLATE "C"'


@compiles(ExactText, "postgresql")
def _postgresql_text(type_: ExactText, compiler: Any, **_: Any) -> str:
    return 'TEXT COLLATE "C"'


@compiles(ExactString, "mssql")
def _mssql_string(type_: ExactString, compiler: Any, **_: Any) -> str:
    return f"NVARCHAR({type_.length}) COLLATE Latin1_General_100_BIN2_UTF8"


@compiles(ExactText, "mssql")
def _mssql_text(type_: ExactText, compiler: Any, **_: Any) -> str:
    return "NVARCHAR(max) COLLATE Latin1_General_100_BIN2_UTF8"
