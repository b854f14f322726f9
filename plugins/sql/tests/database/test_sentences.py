"""What can be wrong with a database is said in a sentence, and nothing is touched."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from tracking_core.config import Settings, Uri
from tracking_core.errors import (
    CorruptDataError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
    TrackingError,
)
from tracking_core.stores import ExperimentQuery, NewExperiment
from tracking_core_sql.database import faults
from tracking_core_sql.store import SqlStore

QUICK = "retry_seconds=0.2"


def open_and(uri: str, *, write: bool) -> None:
    with SqlStore(Uri.parse(uri), Settings()) as store:
        if write:
            store.create_experiment(NewExperiment(name="e"))
        else:
            store.search_experiments(ExperimentQuery())


@pytest.mark.parametrize(
    ("uri", "error", "sentence"),
    [
        ("sqlite://", InvalidValueError, "names no file; write sqlite:///runs.db"),
        ("sqlite:///:memory:", InvalidValueError, "names no file"),
        ("sqlite:///x.db?colour=red", InvalidValueError, "the option 'colour', which isn't known;"),
        ("sqlite:///x.db?synchronous=maybe", InvalidValueError, "one of off, normal, full, extra"),
        ("sqlite:///x.db?journal_mode=none", InvalidValueError, "one of wal, delete, truncate"),
        ("sqlite:///x.db?retry_seconds=soon", InvalidValueError, "it must be a number"),
        ("mysql://h/d?colour=red", InvalidValueError, "the option 'colour', which isn't known;"),
        ("postgresql://h/d?pool_size=many", InvalidValueError, "pool_size='many'; it must be a"),
        ("postgresql://localhost", InvalidValueError, "names no database; write postgresql://USER"),
        ("postgresql://h/d?password_from=x", InvalidValueError, "which no installed package provi"),
    ],
)
def test_a_uri_that_cannot_be_used_is_refused_when_it_is_opened(
    uri: str, error: type[TrackingError], sentence: str
) -> None:
    with pytest.raises(error, match=re.escape(sentence)):
        SqlStore(Uri.parse(uri), Settings())


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
@pytest.mark.parametrize(
    ("uri", "error", "sentence"),
    [
        (
            f"postgresql://postgres:s3cret@127.0.0.1:1/runs?{QUICK}",
            StoreUnavailableError,
            "can't be reached",
        ),
        (f"mysql://root:s3cret@127.0.0.1:1/runs?{QUICK}", StoreUnavailableError, "can't be reach"),
        (
            f"postgresql://postgres@127.0.0.1/tc_is_not_there?{QUICK}",
            NotFoundError,
            "has no such database; create it",
        ),
        (
            f"mysql://root@127.0.0.1/tc_is_not_there?{QUICK}",
            NotFoundError,
            "has no such database; create it",
        ),
        (
            f"mysql://tc_nobody:s3cret@127.0.0.1/mysql?{QUICK}",
            PermissionDeniedError,
            "refused the user or the password",
        ),
        (
            f"postgresql://tc_nobody:s3cret@127.0.0.1/postgres?{QUICK}",
            PermissionDeniedError,
            "refused the user or the password",
        ),
        (
            "postgresql://postgres@127.0.0.1/postgres?colour=red",
            TrackingError,
            "colour",
        ),
    ],
)
def test_a_server_that_refuses_is_named_without_the_password(
    uri: str, error: type[TrackingError], sentence: str, write: bool
) -> None:
    with pytest.raises(error) as caught:
        open_and(uri, write=write)
    assert sentence in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in str(caught.value.__cause__)


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path, write: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, and more than a hundred bytes of them " * 20)
    with pytest.raises(CorruptDataError, match="is no sqlite database; name another one"):
        open_and(f"sqlite:///{path}", write=write)
    assert os.listdir(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
def test_a_directory_is_said_to_be_no_file(tmp_path: Path, write: bool) -> None:
    with pytest.raises(PermissionDeniedError, match="can't be opened"):
        open_and(f"sqlite:///{tmp_path}", write=write)


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
def test_a_database_of_mlflow_is_left_alone(tmp_path: Path, write: bool) -> None:
    path = tmp_path / "mlflow.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE alembic_version (version_num TEXT);"
        "INSERT INTO alembic_version VALUES ('97727af70f4d');"
        "CREATE TABLE experiments (experiment_id INTEGER);"
        "CREATE TABLE runs (run_uuid TEXT, experiment_id INTEGER);"
    )
    connection.close()
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InvalidStateError) as caught:
        open_and(f"sqlite:///{path}", write=write)
    uri = f"sqlite:///{path}"
    assert str(caught.value) == (
        f"{uri} is an MLflow database (schema revision 97727af70f4d), which this backend leaves"
        f" alone: read it where it is as mlflow+{uri}, or copy it by `tracking copy mlflow+{uri}"
        " NEW_URI`."
    )
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert os.listdir(tmp_path) == ["mlflow.db"]


def test_who_waits_too_long_for_others_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "runs.db"
    open_and(f"sqlite:///{path}", write=True)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("tracking_core_sql.database.sqlite._BUSY_MILLISECONDS", 100)
    with pytest.raises(StoreUnavailableError, match=r"Others kept the database .*runs.db locked"):
        open_and(f"sqlite:///{path}?{QUICK}", write=True)
    other.close()


def test_each_new_connection_asks_for_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "tc_tokens-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: tc-tokens\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[tracking_core_sql.passwords]\nclock = tc_tokens:token\n"
    )
    (tmp_path / "tc_tokens.py").write_text(
        "asked = []\ndef token(uri):\n    asked.append(uri.host)\n    return f'{len(asked)}'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    uri = "postgresql://postgres@127.0.0.1/postgres?password_from=clock"
    with SqlStore(Uri.parse(uri), Settings()) as store:
        store.search_experiments(ExperimentQuery())
        import tc_tokens  # made above

        asked: list[Any] = tc_tokens.asked
        before = len(asked)
        store.close()
        store.search_experiments(ExperimentQuery())
    assert before >= 1
    assert len(asked) > before
    assert set(asked) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("Connection refused", True),
        ("server closed the connection unexpectedly", True),
        ("FATAL:  the database system is starting up", True),
        (
            "FATAL:  the database system is not yet accepting connections\n"
            "DETAIL:  Consistent recovery state has not been yet reached.",
            True,
        ),
        ("FATAL:  sorry, too many clients already", True),
        ("could not translate host name to address: Temporary failure", True),
        ('FATAL:  password authentication failed for user "me"', False),
        ('FATAL:  no pg_hba.conf entry for host "127.0.0.1"', False),
        ('FATAL:  database "runs" does not exist', False),
    ],
)
def test_a_connection_that_never_came_about_is_tried_again_unless_it_was_refused(
    text: str, passes: bool
) -> None:
    error = psycopg.OperationalError(f"connection failed: {text}")
    assert faults.passes(OperationalError(None, None, error)) is passes


def test_a_host_that_is_not_admitted_is_told_so() -> None:
    cause = psycopg.OperationalError('FATAL:  no pg_hba.conf entry for host "10.0.0.9"')
    error = OperationalError(None, None, cause)
    told = faults.told(error, Uri.parse("postgresql://me:s3cret@db/runs"), path=None, seconds=0)
    assert isinstance(told, PermissionDeniedError)
    assert str(told) == (
        "The database postgresql://me:***@db/runs refused the user or the password: FATAL: no"
        ' pg_hba.conf entry for host "10.0.0.9"'
    )


class Psycopg2Error(Exception):
    """As psycopg2 has them: the code under another name."""

    def __init__(self, pgcode: str | None) -> None:
        super().__init__("something")
        self.pgcode = pgcode


@pytest.mark.parametrize(
    ("code", "passes"), [("40001", True), ("57P03", True), ("42501", False), (None, True)]
)
def test_the_codes_of_psycopg2_are_known_too(code: str | None, passes: bool) -> None:
    error = OperationalError(None, None, Psycopg2Error(code))
    assert faults.code_of(error) == code
    assert faults.passes(error) is passes
