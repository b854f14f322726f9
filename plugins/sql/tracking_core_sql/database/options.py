"""What the query of a database's URI may say, and what of it goes to the driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tracking_core.config import Settings, Uri
from tracking_core.errors import InvalidValueError

_SYNCHRONOUS = {"process": "normal", "system": "full"}


class Options(NamedTuple):
    """How a database is reached.

    Attributes:
        retry_seconds: How long a fault that may pass is tried again.
        pool: Arguments of SQLAlchemy's pool.
        synchronous: sqlite: `normal` survives the end of the process, `full` that of the machine.
        journal_mode: sqlite: `wal` or a rollback journal; None: by the file system.
        password_from: The name of the entry point that gives a password to each connection.
        statement_timeout: Milliseconds that a statement may take; None: as the server has it.
        driver: What is left, for the driver.
    """

    retry_seconds: float
    pool: dict[str, int]
    synchronous: str
    journal_mode: str | None
    password_from: str | None
    statement_timeout: int | None
    driver: dict[str, str]


def options_of(uri: Uri, settings: Settings) -> Options:
    """Return the options of a URI.

    Raises:
        InvalidValueError: One isn't known, or its value can't be read.
    """
    kind = uri.scheme.partition("+")[0]
    left = dict(uri.query)
    is_sqlite = kind == "sqlite"
    retry = _taken(left, "retry_seconds", float, uri, 120.0 if is_sqlite else 60.0)
    synchronous: str | None = _SYNCHRONOUS[settings.durability]
    journal_mode = password_from = statement_timeout = None
    pool: dict[str, int] = {}
    if is_sqlite:
        synchronous = _choice(
            left, "synchronous", ("off", "normal", "full", "extra"), uri, synchronous
        )
        journal_mode = _choice(left, "journal_mode", ("wal", "delete", "truncate", "persist"), uri)
    else:
        for name in ("pool_size", "max_overflow", "pool_timeout", "pool_recycle"):
            if name in left:
                pool[name] = _taken(left, name, int, uri, 0)
        password_from = left.pop("password_from", None)
        if "statement_timeout" in left:
            statement_timeout = _taken(left, "statement_timeout", int, uri, 0)
    known = _KNOWN[kind]
    unknown = sorted(name for name in left if known is not None and name not in known)
    if unknown:
        own = _OWN_SQLITE if is_sqlite else _OWN
        raise InvalidValueError(
            f"The URI {uri} has the option {unknown[0]!r}, which isn't known; known are"
            f" {', '.join(sorted({*own, *(known or ())}))}."
        )
    return Options(
        retry, pool, synchronous or "normal", journal_mode, password_from, statement_timeout, left
    )


_OWN_SQLITE = ("journal_mode", "retry_seconds", "synchronous")
_OWN = (
    "max_overflow",
    "password_from",
    "pool_recycle",
    "pool_size",
    "pool_timeout",
    "retry_seconds",
    "statement_timeout",
)
_MYSQL = (
    "charset",
    "connect_timeout",
    "read_default_file",
    "read_timeout",
    "ssl_ca",
    "ssl_cert",
    "ssl_key",
    "ssl_key_password",
    "ssl_verify_cert",
    "ssl_verify_identity",
    "unix_socket",
    "write_timeout",
)
# What libpq and ODBC know is theirs to say.
_KNOWN: Mapping[str, tuple[str, ...] | None] = {
    "sqlite": (),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "postgresql": None,
    "postgres": None,
    "mssql": None,
}


def _taken(
    left: dict[str, str], name: str, convert: Callable[[str], Any], uri: Uri, default: Any
) -> Any:
    text = left.pop(name, None)
    if text is None:
        return default
    try:
        return convert(text)
    except ValueError:
        raise InvalidValueError(
            f"The URI {uri} has {name}={text!r}; it must be a number."
        ) from None


def _choice(
    left: dict[str, str], name: str, choices: tuple[str, ...], uri: Uri, default: str | None = None
) -> str | None:
    text = left.pop(name, None)
    if text is None:
        return default
    if text.lower() not in choices:
        raise InvalidValueError(
            f"The URI {uri} has {name}={text!r}; it must be one of {', '.join(choices)}."
        )
    return text.lower()
