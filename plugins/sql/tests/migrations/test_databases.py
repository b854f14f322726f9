"""Databases of this and older versions, and of versions to come, opened by this one."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from plugins.sql.tests.migrations.conftest import LATER, engine_of, upgrade
from plugins.sql.tests.migrations.rich_data import DATABASES, everything_in, fill
from tests.cli.conftest import CommandLine
from tracking_core.config import Settings, Uri
from tracking_core.entities import Metric, RunTag, WebhookEvent
from tracking_core.errors import InvalidStateError, NotFoundError
from tracking_core.stores import Batch, NewRun, NewWebhook, RunQuery
from tracking_core.stores.memory import MemoryStore
from tracking_core_sql.migrations import revisions
from tracking_core_sql.migrations.upgrade import Scripts
from tracking_core_sql.store import SqlStore

Quiet = Callable[[str], None]
KEPT = sorted(path.name for path in DATABASES.glob("*.db.gz"))


@pytest.fixture(scope="module")
def as_logged() -> dict[str, object]:
    with MemoryStore(Uri.parse("memory:"), Settings()) as store:
        fill(store)
        return everything_in(store)


@pytest.fixture(params=KEPT)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of a copy of a database that is kept."""
    path = tmp_path / "runs.db"
    path.write_bytes(gzip.decompress((DATABASES / request.param).read_bytes()))
    return f"sqlite:///{path}"


def opened(uri: str) -> SqlStore:
    return SqlStore(Uri.parse(uri), Settings())


def log_something(store: SqlStore) -> None:
    experiment_id = store.runs.get_experiment("1").experiment_id
    store.create_run(NewRun(experiment_id=experiment_id, run_id="new", artifact_uri="s3://x"))
    batch = Batch(metrics=(Metric("loss", 0.25, 1, 1),), tags=(RunTag("written", "by this"),))
    store.log_batch("new", batch=batch)
    store.log_batch("run0", batch=Batch(metrics=(Metric("loss", 0.25, 1, 10_000),)))
    assert store.get_run("new").data.metrics == {"loss": 0.25}
    assert store.get_run("run0").data.metrics["loss"] == 0.25
    assert store.count_runs(RunQuery(experiment_ids=("1",))) == 4


def test_there_is_a_database_of_each_revision() -> None:
    assert [f"{revision}.db.gz" for revision in revisions.HISTORY] == KEPT


def test_an_old_database_is_read_upgraded_and_read_again(
    kept: str, as_logged: dict[str, object]
) -> None:
    with opened(kept) as store:
        assert everything_in(store) == as_logged
    db = CommandLine(kept)
    db("db", "upgrade")
    assert db.json("db", "status")["revision"] == revisions.HEAD
    assert db.json("db", "check")["problems"] == []
    with opened(kept) as store:
        assert everything_in(store) == as_logged
        log_something(store)
    assert db.json("db", "check")["problems"] == []


def test_a_database_without_a_place_for_webhooks_has_none_until_it_is_upgraded(
    tmp_path: Path, quiet: Quiet
) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(gzip.decompress((DATABASES / "0001.db.gz").read_bytes()))
    new = NewWebhook(
        name="hook", url="https://example.org", events=(WebhookEvent.MODEL_VERSION_CREATED,)
    )
    with opened(f"sqlite:///{path}") as store:
        assert list(store.iterate_webhooks()) == []
        with pytest.raises(NotFoundError):
            store.get_webhook("0" * 32)
        with pytest.raises(InvalidStateError) as error:
            store.create_webhook(new)
        assert str(error.value) == (
            f"The database sqlite:///{path} keeps no webhooks: it is of a revision before 0002; run"
            " `tracking db upgrade`."
        )
        engine = engine_of(f"sqlite:///{path}")
        upgrade(engine, uri="", progress=quiet)
        engine.dispose()
        made = store.create_webhook(new)  # by the process that had it open before
        assert list(store.iterate_webhooks()) == [made]


def test_what_is_logged_to_a_new_database_is_as_in_the_kept_ones(
    database_uri: str, as_logged: dict[str, object]
) -> None:
    with opened(database_uri) as store:
        fill(store)
        assert everything_in(store) == as_logged
    assert CommandLine(database_uri).json("db", "check")["problems"] == []


def upgraded(uri: str, quiet: Quiet, *directories: str) -> None:
    engine = engine_of(uri)
    upgrade(engine, uri=uri, progress=quiet, scripts=Scripts([LATER / d for d in directories]))
    engine.dispose()


def test_a_database_of_the_next_version_is_read_and_written_if_it_has_only_more(
    database_uri: str, as_logged: dict[str, object], quiet: Quiet
) -> None:
    with opened(database_uri) as store:
        fill(store)
    upgraded(database_uri, quiet, "additive")
    with opened(database_uri) as store:
        assert everything_in(store) == as_logged
        log_something(store)


def test_a_process_that_has_the_database_open_goes_on_while_it_is_upgraded(
    database_uri: str, as_logged: dict[str, object], quiet: Quiet
) -> None:
    with opened(database_uri) as store:
        fill(store)
        assert everything_in(store) == as_logged
        upgraded(database_uri, quiet, "additive")
        assert everything_in(store) == as_logged
        log_something(store)


def test_a_database_that_asks_for_a_later_version_is_refused_with_a_sentence(
    database_uri: str, quiet: Quiet
) -> None:
    with opened(database_uri) as store:
        fill(store)
    upgraded(database_uri, quiet, "additive", "breaking")
    with opened(database_uri) as store, pytest.raises(InvalidStateError) as error:
        store.get_run("run0")
    assert "newer revision breaking, which this version can't read" in str(error.value)
    assert "pip install --upgrade tracking-core-sql" in str(error.value)
