"""The registry in a database: numbers, aliases and names under contention; statements."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress

import pytest
from sqlalchemy import Table, select

from plugins.sql.tests.many_stores import at_once, only_success
from plugins.sql.tests.statements import collected_statements
from tracking_core.entities import ModelVersion, ModelVersionStage, RegisteredModel
from tracking_core.errors import AlreadyExistsError, NotFoundError
from tracking_core.stores import (
    ModelVersionChanges,
    ModelVersionQuery,
    NewExperiment,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
)
from tracking_core_sql import schema
from tracking_core_sql.database import Transaction
from tracking_core_sql.store import SqlStore


@pytest.fixture
def name(store: SqlStore) -> str:
    """A registered model."""
    return store.create_registered_model(NewRegisteredModel(name="model", tags={"k": "v"})).name


def add(store: SqlStore, name: str, **options: object) -> ModelVersion:
    new = NewModelVersion(name=name, source="s3://bucket", **options)
    return store.create_model_version(new)


def test_stores_that_add_versions_at_the_same_time_get_each_their_own_number(
    name: str, database_uri: str
) -> None:
    def adding(each: SqlStore) -> list[int]:
        return [add(each, name).version for _ in range(5)]

    results = at_once(database_uri, *[adding] * 4)
    numbers = [number for result in results if isinstance(result, list) for number in result]
    assert sorted(numbers) == list(range(1, 21))


def test_stores_that_register_one_name_at_the_same_time_make_one(
    store: SqlStore, database_uri: str
) -> None:
    new = NewRegisteredModel(name="wanted", tags={"k": "v"})
    store.create_registered_model(NewRegisteredModel(name="the tables are there"))
    results = at_once(database_uri, *[lambda each: each.create_registered_model(new)] * 5)
    assert store.get_registered_model("wanted") == only_success(results)
    sentences = {str(result) for result in results if isinstance(result, AlreadyExistsError)}
    assert sentences == {"The registered model 'wanted' exists already."}


def test_stores_that_rename_to_one_name_at_the_same_time_hear_that_it_is_taken(
    store: SqlStore, database_uri: str
) -> None:
    def renaming(old: str) -> Callable[[SqlStore], RegisteredModel]:
        changes = RegisteredModelChanges(name="wanted")
        return lambda each: each.update_registered_model(old, changes=changes)

    for old in ("a", "b", "c"):
        store.create_registered_model(NewRegisteredModel(name=old))
        add(store, old, description=old)
    results = at_once(database_uri, *map(renaming, ("a", "b", "c")))
    winner = only_success(results)
    assert store.get_registered_model("wanted") == winner
    assert winner.latest_versions[0].name == "wanted"
    assert len(store.search_registered_models(RegisteredModelQuery()).items) == 3
    sentences = {str(result) for result in results if isinstance(result, AlreadyExistsError)}
    assert sentences == {"The registered model 'wanted' exists already."}


def test_no_alias_points_to_a_version_that_is_deleted_at_the_same_time(
    store: SqlStore, name: str, database_uri: str
) -> None:
    versions = [add(store, name).version for _ in range(8)]

    def deleting(each: SqlStore) -> None:
        for version in versions:
            each.delete_model_version(name, version=version)

    def pointing(each: SqlStore) -> None:
        for version in versions:
            changes = RegisteredModelChanges(set_aliases={f"a{version}": version})
            with suppress(NotFoundError):  # the other was quicker
                each.update_registered_model(name, changes=changes)

    results = at_once(database_uri, deleting, pointing, pointing)
    assert results == [None, None, None]
    assert store.get_registered_model(name).aliases == {}


def all_of(table: Table, transaction: Transaction) -> str:
    return str(transaction.rows(select(table)))


def test_nothing_is_left_of_a_deleted_version_but_its_number(store: SqlStore, name: str) -> None:
    version = add(
        store,
        name,
        description="secret",
        run_id="secret",
        user_id="secret",
        model_id="m-secret",
        run_link="secret",
        tags={"secret": "secret"},
        idempotency_key="key",
    ).version
    message = ModelVersionChanges(status_message="secret", source="s3://secret")
    store.update_model_version(name, version=version, changes=message)
    store.update_registered_model(
        name, changes=RegisteredModelChanges(set_aliases={"secret": version})
    )
    store.delete_model_version(name, version=version)
    for table in (
        schema.model_version,
        schema.model_version_tag,
        schema.registered_model_alias,
    ):
        rows = store._database.read(functools.partial(all_of, table))
        assert "secret" not in rows
    assert add(store, name).version == version + 1
    with pytest.raises(NotFoundError, match="There is no version 1 of the registered model"):
        add(store, name, idempotency_key="key")


def test_an_alias_is_followed_at_one_moment_in_a_few_statements(store: SqlStore, name: str) -> None:
    for _ in range(3):
        add(store, name)
    changes = RegisteredModelChanges(set_aliases={"champion": 2, "other": 3})
    store.update_registered_model(name, changes=changes)
    with collected_statements() as statements:
        found = store.get_model_version_by_alias(name, alias="champion")
    assert (found.version, found.aliases) == (2, ("champion",))
    assert len(statements) == 5
    with pytest.raises(NotFoundError) as raised:
        store.get_model_version_by_alias(name, alias="none")
    assert str(raised.value) == (
        "The registered model 'model' has no alias 'none'; it has: champion, other."
    )
    with pytest.raises(NotFoundError, match="There is no registered model 'nobody'"):
        store.get_model_version_by_alias("nobody", alias="champion")


def test_statements_do_not_depend_on_how_many_models_versions_and_tags_there_are(
    store: SqlStore, name: str
) -> None:
    experiment_id = store.create_experiment(NewExperiment(name="e")).experiment_id
    counts = []
    for number in (1, 20):
        many = {f"t{n}": "v" for n in range(number)}
        for n in range(number):
            logged = store.create_logged_model(
                NewLoggedModel(experiment_id=experiment_id, params=many)
            )
            other = store.create_registered_model(
                NewRegisteredModel(name=f"{number} {n}", tags=many)
            )
            add(store, other.name, tags=many, model_id=logged.model_id)
            add(store, name, tags=many, model_id=logged.model_id)
        aliases = {f"a{n}": number for n in range(number)}
        own = []
        for call in (
            lambda: store.search_registered_models(RegisteredModelQuery()),
            lambda: store.search_model_versions(ModelVersionQuery()),
            lambda: store.get_registered_model(name),
            lambda: add(store, name, tags={"k": "v"}),
            lambda aliases=aliases: store.update_registered_model(
                name, changes=RegisteredModelChanges(set_aliases=aliases)
            ),
        ):
            with collected_statements() as statements:
                call()
            own.append(len(statements))
        counts.append(own)
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 16


@pytest.mark.parametrize("database_name", ["sqlite"], indirect=True)
def test_the_newest_version_of_each_stage_is_found_by_an_index(
    store: SqlStore, name: str, database_uri: str
) -> None:
    for _ in range(4):
        add(store, name)
    staged = ModelVersionChanges(current_stage=ModelVersionStage.STAGING)
    for version in (1, 2):
        store.update_model_version(name, version=version, changes=staged)
    with collected_statements() as statements:
        found = store.get_registered_model(name).latest_versions
    assert [version.version for version in found] == [2, 4]
    with (
        closing(sqlite3.connect(database_uri.removeprefix("sqlite:///"))) as connection,
        connection,
    ):
        plans = [
            row[3]
            for statement, parameters in statements
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert any("tracking_model_version_by_stage" in plan for plan in plans)
    assert not any("SCAN tracking_model_version" in plan for plan in plans)


def test_pages_of_versions_of_one_time_are_whole(store: SqlStore, name: str) -> None:
    times = [5, 5, 5, 4, 3, 3, 3, 3, 2, 1, 1, 1]
    for time in times:
        add(store, name, creation_timestamp=time)
    store.delete_model_version(name, version=6)
    wanted = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]
    wanted.sort(key=lambda version: (-times[version - 1], -version))
    for size in range(1, 12):
        query = ModelVersionQuery(max_results=size)
        assert [found.version for found in store.iterate_model_versions(query)] == wanted


def test_pages_of_versions_take_no_more_statements_the_deeper_they_are(
    store: SqlStore, name: str
) -> None:
    for number in range(12):
        add(store, name, creation_timestamp=number)
    token, counts = None, []
    for _ in range(4):
        with collected_statements() as statements:
            page = store.search_model_versions(ModelVersionQuery(max_results=3, page_token=token))
        token = page.next_page_token
        counts.append(len(statements))
    assert token is None
    assert len(set(counts)) == 1
