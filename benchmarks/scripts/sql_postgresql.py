"""A PostgreSQL database of the script's own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """Make a database and yield its URI; it is dropped at the end, whoever is still connected.

    Args:
        server: The URI of a database whose user may make others.
    """
    name = f"tracking_benchmark_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def analyse(uri: str) -> None:
    """Make statistics, as the server does by itself a minute after many rows were written."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
