"""From the URI of a backend to SQLAlchemy's URL, and to what its driver is called with."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any
from urllib.parse import unquote

from sqlalchemy import URL

from tracking_core.config import Uri
from tracking_core.errors import InvalidValueError, MissingDependencyError
from tracking_core_sql.database.options import Options

PASSWORDS = "tracking_core_sql.passwords"
"""The group of entry points that give passwords: functions of the URI."""

_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "mssql": "mssql+pyodbc",
}
_EXTRAS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql", "mssql": "mssql"}


def sqlite_path(uri: Uri) -> str:
    """Return the path of a sqlite file: what follows `sqlite:///`, relative or absolute.

    Raises:
        InvalidValueError: The URI names no file.
    """
    path = unquote(uri.path)[1:] if uri.path.startswith("/") else unquote(uri.path)
    if uri.host or not path or path == ":memory:":
        raise InvalidValueError(
            f"The URI {uri} names no file; write sqlite:///runs.db for a file in the working"
            " directory and sqlite:////data/runs.db for one elsewhere."
        )
    return path


def engine_url(uri: Uri, options: Options) -> URL:
    """Return SQLAlchemy's URL, with the driver that is used where the URI names none.

    Raises:
        InvalidValueError: The URI names no database.
    """
    driver = _DRIVERS.get(uri.scheme, uri.scheme)
    if driver.partition("+")[0] == "sqlite":
        return URL.create("sqlite", database=sqlite_path(uri))
    database = unquote(uri.path).strip("/")
    is_odbc = "odbc_connect" in options.driver
    if not database and not is_odbc:
        raise InvalidValueError(
            f"The URI {uri} names no database; write {uri.scheme}://USER:PASSWORD@HOST/DATABASE."
        )
    return URL.create(
        driver,
        username=uri.username,
        password=uri.password,
        host=uri.host.strip("[]") or None,
        port=uri.port,
        database=database or None,
        query=options.driver,
    )


def missing_driver(url: URL, uri: Uri, error: ImportError) -> MissingDependencyError:
    """Return the error that names what to install."""
    kind = url.get_backend_name()
    extra = _EXTRAS.get(kind)
    install = f"pip install 'tracking-core-sql[{extra}]'" if extra else f"a driver for {kind}"
    return MissingDependencyError(
        f"The driver for {uri} isn't installed ({error}); install it: {install}."
    )


def password_function(name: str, uri: Uri) -> Callable[[Uri], str]:
    """Return the function that gives a password to each new connection.

    Raises:
        InvalidValueError: No installed distribution provides it.
    """
    points = {point.name: point for point in entry_points(group=PASSWORDS)}
    if name not in points:
        known = ", ".join(sorted(points)) or "none"
        raise InvalidValueError(
            f"The URI {uri} has password_from={name}, which no installed package provides as an"
            f" entry point of the group {PASSWORDS!r}; known: {known}."
        )
    function: Any = points[name].load()
    return lambda uri: str(function(uri))
