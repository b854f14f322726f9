"""A database server: connections from a pool, one transaction for each piece of work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event

from tracking_core.config import Uri
from tracking_core.errors import InvalidStateError
from tracking_core_sql.database import faults, forks
from tracking_core_sql.database.address import engine_url, missing_driver, password_function
from tracking_core_sql.database.options import Options
from tracking_core_sql.database.transaction import Transaction

T = TypeVar("T")


class Server:
    """A database on a server.

    Raises of its methods are the driver's own; `Database` says them in sentences.
    """

    def __init__(self, uri: Uri, options: Options) -> None:
        self._uri = uri
        self._options = options
        self._url = engine_url(uri, options)
        self._password = (
            password_function(options.password_from, uri) if options.password_from else None
        )
        self._engine = self._new_engine()
        kind = self._engine.dialect.name
        self._kind = "mysql" if kind == "mariadb" else kind
        views: dict[str, Any] = {}
        if self._kind == "postgresql":
            views = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reading = self._engine.execution_options(**views)
        forks.remember(self)

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Open a connection on which each statement is a transaction of its own."""
        with self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    alone = looking

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection inside a transaction that sees one moment."""
        with self._reading.connect() as connection:
            if self._kind == "mysql":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield connection

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Return what the work returns, once it is committed."""
        with self._engine.connect() as connection:
            transaction = Transaction(connection)
            result = work(transaction)
            ticket = transaction.finish()
            try:
                connection.commit()
            except Exception as error:
                # The server went away before it said whether it had committed.
                if ticket is None or not faults.is_lost(error):
                    raise
                if not self._was_committed(ticket):
                    raise
        return result

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def after_fork(self) -> None:
        """Leave the parent's connections alone, and make new ones."""
        self._engine.dispose(close=False)

    def _new_engine(self) -> Engine:
        options = self._options
        kind = self._url.get_backend_name()
        arguments: dict[str, Any] = {}
        if kind != "mssql" and "connect_timeout" not in options.driver:
            arguments["connect_timeout"] = 10
        if kind == "postgresql" and options.statement_timeout is not None:
            timeout = f"-c statement_timeout={options.statement_timeout}"
            arguments["options"] = " ".join([timeout, options.driver.get("options", "")]).strip()
        if kind in ("mysql", "mariadb"):
            arguments["charset"] = "utf8mb4"
        try:
            engine = create_engine(
                self._url, connect_args=arguments, **{"pool_recycle": 1800, **options.pool}
            )
        except ImportError as error:
            raise missing_driver(self._url, self._uri, error) from error
        if self._password is not None:
            password = self._password

            @event.listens_for(engine, "do_connect")
            def give_password(_: object, __: object, ___: object, named: dict[str, Any]) -> None:
                named["password"] = password(self._uri)

        if engine.dialect.name == "postgresql":

            @event.listens_for(engine, "first_connect")
            def check_encoding(connection: Any, _: object) -> None:
                encoding = connection.info.parameter_status("server_encoding")
                if encoding != "UTF8":
                    raise InvalidStateError(
                        f"The database {self._uri} has the encoding {encoding}; make one by"
                        " CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0."
                    )

        if kind in ("mysql", "mariadb"):

            @event.listens_for(engine, "connect")
            def prepare(dbapi: Any, _: object) -> None:
                cursor = dbapi.cursor()
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
                timeout = options.statement_timeout
                if timeout is not None and "MariaDB" in dbapi.get_server_info():
                    cursor.execute(f"SET SESSION max_statement_time = {timeout / 1000}")
                elif timeout is not None:
                    cursor.execute(f"SET SESSION max_execution_time = {timeout}")
                cursor.close()

        return engine

    def _was_committed(self, ticket: int) -> bool:
        with self.looking() as connection:
            status = connection.exec_driver_sql("SELECT txid_status(%s)", (ticket,)).scalar()
        return bool(status == "committed")
