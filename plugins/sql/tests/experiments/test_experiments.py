"""Experiments in a database: their ids and places, creators at the same time, statements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from plugins.sql.tests.many_stores import at_once, only_success
from plugins.sql.tests.statements import collected_statements
from tracking_core.config import Settings, Uri
from tracking_core.entities import Experiment, ViewType
from tracking_core.errors import AlreadyExistsError
from tracking_core.search import Subject, parse_filter
from tracking_core.stores import ExperimentChanges, ExperimentQuery, NewExperiment
from tracking_core_sql.store import SqlStore

CREATORS = 6


def test_new_experiments_are_numbered(store: SqlStore) -> None:
    made = [store.create_experiment(NewExperiment(name=name)) for name in ("a", "b")]
    assert [each.experiment_id for each in made] == ["1", "2"]
    assert [store.get_experiment(each.experiment_id) for each in made] == made


def test_a_number_that_was_chosen_for_another_experiment_is_not_given(store: SqlStore) -> None:
    chosen = store.create_experiment(NewExperiment(name="chosen", experiment_id="2"))
    made = store.create_experiment(NewExperiment(name="a", tags={"k": "v"}))
    assert made.experiment_id not in ("1", "2")
    assert made.artifact_location.endswith(f"/{made.experiment_id}")
    assert store.get_experiment(made.experiment_id) == made
    assert store.get_experiment("2") == chosen
    assert store.create_experiment(NewExperiment(name="b")).experiment_id == "3"


def test_artifacts_lie_beside_a_sqlite_file(tmp_path: Path) -> None:
    with SqlStore(Uri.parse(f"sqlite:///{tmp_path}/deep/runs.db"), Settings()) as store:
        made = store.create_experiment(NewExperiment(name="a"))
    assert made.artifact_location == f"file://{tmp_path}/deep/mlartifacts/1"


@pytest.mark.parametrize("database_name", ["postgresql", "mariadb"], indirect=True)
def test_artifacts_of_a_server_lie_in_the_working_directory(store: SqlStore) -> None:
    made = store.create_experiment(NewExperiment(name="a"))
    assert made.artifact_location == f"file://{Path.cwd()}/mlartifacts/1"


def test_artifacts_lie_where_the_settings_say(tmp_path: Path) -> None:
    settings = Settings(artifact_root="s3://bucket/root")
    with SqlStore(Uri.parse(f"sqlite:///{tmp_path}/runs.db"), settings) as store:
        first = store.create_experiment(NewExperiment(name="a"))
        chosen = NewExperiment(name="b", artifact_location="s3://elsewhere")
        second = store.create_experiment(chosen)
    assert first.artifact_location == "s3://bucket/root/1"
    assert second.artifact_location == "s3://elsewhere"


@pytest.mark.parametrize(
    "new",
    [
        NewExperiment(name="a", tags={"k": "v"}),
        NewExperiment(name="a", tags={"k": "v"}, experiment_id="chosen"),
    ],
    ids=["named", "with a chosen id"],
)
def test_who_create_one_experiment_at_the_same_time_make_one(
    store: SqlStore, database_uri: str, new: NewExperiment
) -> None:
    store.create_experiment(NewExperiment(name="the tables are there"))
    results = at_once(database_uri, *[lambda each: each.create_experiment(new)] * CREATORS)
    made = only_success(results)
    assert store.get_experiment_by_name("a") == made
    sentences = {str(result) for result in results if isinstance(result, AlreadyExistsError)}
    assert sentences == {f"The experiment 'a' (id {made.experiment_id}) exists already."}


def test_who_ensure_one_experiment_in_an_empty_database_get_the_same(database_uri: str) -> None:
    new = NewExperiment(name="Default", experiment_id="0")
    results = at_once(database_uri, *[lambda each: each.ensure_experiment(new)] * CREATORS)
    assert all(isinstance(result, Experiment) and result == results[0] for result in results)


def test_who_rename_to_one_name_at_the_same_time_hear_who_has_it(
    store: SqlStore, database_uri: str
) -> None:
    ids = [store.create_experiment(NewExperiment(name=f"e{n}")).experiment_id for n in range(4)]
    changes = ExperimentChanges(name="wanted", set_tags={"k": "v"})

    def renaming(experiment_id: str) -> Callable[[SqlStore], Experiment]:
        return lambda each: each.update_experiment(experiment_id, changes=changes)

    results = at_once(database_uri, *map(renaming, ids))
    winner = only_success(results)
    assert store.get_experiment_by_name("wanted") == winner
    sentences = {str(result) for result in results if isinstance(result, AlreadyExistsError)}
    assert sentences == {f"The experiment 'wanted' (id {winner.experiment_id}) exists already."}
    assert sum(bool(store.get_experiment(each).tags) for each in ids) == 1


def test_names_that_no_database_can_hold_have_no_experiment(store: SqlStore) -> None:
    store.create_experiment(NewExperiment(name="a"))
    assert [store.get_experiment_by_name(name) for name in ("a\0", "\ud800", "A", "a ")] == [
        None,
        None,
        None,
        None,
    ]


def test_statements_do_not_depend_on_how_many_experiments_and_tags_there_are(
    store: SqlStore,
) -> None:
    counts = []
    for number in range(3):
        for each in range(10**number):
            tags = {f"k{n}": "v" for n in range(10**number)}
            store.create_experiment(NewExperiment(name=f"{number} {each}", tags=tags))
        query = ExperimentQuery(
            filter=parse_filter("tags.k0 = 'v'", Subject.EXPERIMENTS), view_type=ViewType.ALL
        )
        with collected_statements() as statements:
            found = store.search_experiments(query)
            assert store.count_experiments(query) == len(found.items) == (1, 11, 111)[number]
        counts.append(len(statements))
    # What matches, experiments, tags; and the count.
    assert counts == [4, 4, 4]


def test_an_experiment_that_is_there_is_ensured_by_two_statements(store: SqlStore) -> None:
    new = NewExperiment(name="a", tags={"k": "v"})
    made = store.ensure_experiment(new)
    with collected_statements() as statements:
        assert store.ensure_experiment(new) == made
    assert len(statements) == 2
