"""What databases complain of: which of it may pass, and what to tell people of the rest."""

from __future__ import annotations

import os

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tracking_core.config import Uri
from tracking_core.errors import (
    CorruptDataError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
    TrackingError,
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html: deadlock, serialization, lock not
# available, too many connections, the server goes down or comes up, and all of class 08.
_POSTGRESQL_PASSES = {"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03"}
# https://mariadb.com/kb/en/mariadb-error-code-reference/: likewise; 2xxx are the client's.
_MYSQL_PASSES = {1040, 1053, 1158, 1159, 1160, 1161, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2055}
# Of a connection that never came about psycopg tells no code, only words; these don't pass.
_POSTGRESQL_REFUSES = {
    PermissionDeniedError: (
        "password authentication failed",
        "no password supplied",
        "no pg_hba.conf entry",
        "permission denied",
        'role "',  # "... does not exist", where the server trusts everybody
    ),
    NotFoundError: ("does not exist",),
}
_SQLITE_BUSY = ("database is locked", "database table is locked", "database schema is locked")


def code_of(error: BaseException) -> str | int | None:
    """Return the database's own code of an error, or None."""
    original = getattr(error, "orig", None)
    if original is None:
        return None
    arguments = getattr(original, "args", ())
    if arguments and isinstance(arguments[0], int):
        return arguments[0]  # PyMySQL has SQLSTATEs too, which tell less
    name = _name_of_code(original)
    state = getattr(original, name, None) if name else None
    return None if state is None else str(state)


def _name_of_code(original: object) -> str:
    """Return where an error of a driver of PostgreSQL keeps its code; empty for other drivers."""
    names = ("sqlstate", "pgcode")  # psycopg, psycopg2
    return next((name for name in names if hasattr(original, name)), "")


def is_busy(error: BaseException) -> bool:
    """Tell whether sqlite says that others are at work."""
    return isinstance(error, DBAPIError) and any(text in str(error.orig) for text in _SQLITE_BUSY)


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection is gone, so that nobody knows how far it came."""
    if not isinstance(error, DBAPIError):
        return False
    code = code_of(error)
    if error.connection_invalidated or isinstance(error, InterfaceError):
        return True
    if isinstance(code, str):
        return code.startswith("08") or code in ("57P01", "57P02")
    if isinstance(code, int):
        return code in (1053, 1158, 1159, 1160, 1161, 1927, 2006, 2013, 2055)
    text = str(error.orig)
    return "server closed the connection" in text or "consuming input failed" in text


def _never_came_about(error: DBAPIError) -> bool:
    """Tell whether a connection to PostgreSQL couldn't be made, or broke."""
    return isinstance(error, OperationalError) and bool(_name_of_code(error.orig))


def passes(error: BaseException) -> bool:
    """Tell whether trying the whole transaction again may help."""
    if isinstance(error, IntegrityError):
        return True  # another was quicker; the next try sees what it did
    if not isinstance(error, DBAPIError):
        return False
    if is_busy(error) or is_lost(error):
        return True
    code = code_of(error)
    if isinstance(code, str):
        return code in _POSTGRESQL_PASSES
    if isinstance(code, int):
        return code in _MYSQL_PASSES
    return _never_came_about(error) and not any(
        phrase in str(error.orig) for phrases in _POSTGRESQL_REFUSES.values() for phrase in phrases
    )


def told(error: BaseException, uri: Uri, *, path: str | None, seconds: float) -> TrackingError:
    """Return an error of the database as a sentence.

    Args:
        error: What SQLAlchemy raised.
        uri: The database.
        path: The sqlite file; None for a server.
        seconds: How long it was tried.
    """
    text = _text_of(error, uri)
    if isinstance(error, PoolTimeoutError):
        return StoreUnavailableError(
            f"All connections to {uri} were in use for too long; raise pool_size or pool_timeout"
            f" in the URI. {text}"
        )
    if path is not None:
        return _told_of_sqlite(text, path, seconds)
    code = code_of(error)
    kinds: tuple[tuple[tuple[object, ...], tuple[str, ...], type[TrackingError], str], ...] = (
        (
            ("28P01", "28000", 1045, 1698),
            _POSTGRESQL_REFUSES[PermissionDeniedError],
            PermissionDeniedError,
            "refused the user or the password",
        ),
        (
            ("3D000", 1049),
            _POSTGRESQL_REFUSES[NotFoundError],
            NotFoundError,
            "has no such database; create it",
        ),
        (
            ("42501", 1044, 1142, 1227),
            (),
            PermissionDeniedError,
            "denies that to this user",
        ),
        (("53100", 1021, 1114), (), StoreUnavailableError, "has no space left"),
        (
            ("25006", 1290, 1792, 1836),
            (),
            PermissionDeniedError,
            "only lets this user read, or is a replica",
        ),
        (("57014", 1969, 3024), (), StoreUnavailableError, "ended a statement that took too long"),
    )
    for codes, phrases, kind, what in kinds:
        if code in codes or (code is None and any(phrase in text for phrase in phrases)):
            return kind(f"The database {uri} {what}: {text}")
    if passes(error):
        return StoreUnavailableError(
            f"The database {uri} can't be reached, or failed for {seconds:.0f} s: {text}"
        )
    return InvalidStateError(f"The database {uri} refused a statement: {text}")


def _told_of_sqlite(text: str, path: str, seconds: float) -> TrackingError:
    if any(phrase in text for phrase in _SQLITE_BUSY):
        return StoreUnavailableError(
            f"Others kept the database {path} locked for {seconds:.0f} s; nothing was written. Try"
            " again, or find the process that holds it."
        )
    if "not a database" in text:
        return CorruptDataError(f"The file {path} is no sqlite database; name another one.")
    if "malformed" in text:
        return CorruptDataError(
            f"The database {path} is damaged ({text}); restore it from a backup, or save what can"
            " be read by `sqlite3 FILE .recover`."
        )
    if "readonly" in text or "read-only" in text:
        return PermissionDeniedError(f"The database {path} can only be read: {text}.")
    if "full" in text:
        return StoreUnavailableError(
            f"There is no space left for the database {path}; nothing was written."
        )
    if "unable to open" in text or os.path.isdir(path):
        return PermissionDeniedError(
            f"The database {path} can't be opened: look whether its directory is there, and may be"
            " written to, and that it is a file."
        )
    return InvalidStateError(f"The database {path} refused a statement: {text}.")


def _text_of(error: BaseException, uri: Uri) -> str:
    """Return the first line of what the driver says, without the password."""
    original = getattr(error, "orig", None) or error
    arguments: tuple[object, ...] = getattr(original, "args", ())
    if len(arguments) > 1 and isinstance(arguments[0], int):
        text = str(arguments[1])
    else:
        text = str(original)
    text = " ".join(text.split())
    return text.replace(uri.password, "***") if uri.password else text
