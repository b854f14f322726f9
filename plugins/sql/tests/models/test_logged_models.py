"""Logged models in a database: creators at the same time, points of them, statements."""

from __future__ import annotations

import math

import pytest

from plugins.sql.tests.many_stores import at_once, only_success
from plugins.sql.tests.statements import collected_statements
from tracking_core.entities import Metric
from tracking_core.errors import AlreadyExistsError, InvalidValueError, NotFoundError
from tracking_core.stores import (
    Batch,
    LoggedModelChanges,
    LoggedModelQuery,
    NewExperiment,
    NewLoggedModel,
    NewRun,
)
from tracking_core_sql.store import SqlStore


@pytest.fixture
def experiment_id(store: SqlStore) -> str:
    """An experiment."""
    return store.create_experiment(NewExperiment(name="e")).experiment_id


def test_who_create_one_logged_model_at_the_same_time_make_one(
    store: SqlStore, experiment_id: str, database_uri: str
) -> None:
    new = NewLoggedModel(
        experiment_id=experiment_id, name="a", model_id="m-chosen", params={"p": "1"}
    )
    results = at_once(database_uri, *[lambda each: each.create_logged_model(new)] * 5)
    assert store.get_logged_model("m-chosen") == only_success(results)
    sentences = {str(result) for result in results if isinstance(result, AlreadyExistsError)}
    assert sentences == {"The logged model 'm-chosen' exists already."}


def test_the_id_of_a_deleted_model_stays_taken(store: SqlStore, experiment_id: str) -> None:
    new = NewLoggedModel(experiment_id=experiment_id, model_id="m-chosen")
    store.create_logged_model(new)
    store.delete_logged_model("m-chosen")
    for change in (store.get_logged_model, store.delete_logged_model):
        with pytest.raises(NotFoundError, match="There is no logged model with the id 'm-chosen'"):
            change("m-chosen")
    with pytest.raises(AlreadyExistsError, match="The logged model 'm-chosen' exists already"):
        store.create_logged_model(new)


@pytest.mark.parametrize("model_id", ["", "a\0", "\ud800"])
def test_ids_that_no_model_can_have_never_reach_the_database(
    store: SqlStore, model_id: str
) -> None:
    point = Metric("m", 1.0, 1, 1, run_id="r")
    with collected_statements() as statements:
        with pytest.raises(InvalidValueError):
            store.get_logged_model(model_id)
        with pytest.raises(InvalidValueError):
            store.delete_logged_model(model_id)
        with pytest.raises(InvalidValueError):
            store.update_logged_model(model_id, changes=LoggedModelChanges(log_metrics=(point,)))
    assert statements == []


def test_points_of_runs_and_of_changes_come_together_exactly(
    store: SqlStore, experiment_id: str
) -> None:
    new = NewLoggedModel(experiment_id=experiment_id, model_id="m-1")
    store.create_logged_model(new)
    run_id = store.create_run(NewRun(experiment_id=experiment_id)).info.run_id
    values = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "-0": -0.0, "x": 5e-324}
    batch = Batch(metrics=tuple(Metric(k, v, 1, 1, "m-1") for k, v in values.items()))
    store.log_batch(run_id, batch=batch)
    newer = Metric("x", 2.0, 9, 9, run_id="other")
    older = Metric("inf", 2.0, 0, 0, run_id="other")
    on_data = Metric("x", 3.0, 1, 1, None, "data", "digest", run_id="other")
    changes = LoggedModelChanges(log_metrics=(newer, older, on_data))
    changed = store.update_logged_model("m-1", changes=changes)
    assert repr(changed) == repr(store.get_logged_model("m-1"))
    found = {(m.key, m.dataset_name): (repr(m.value), m.run_id) for m in changed.metrics}
    assert found == {
        ("nan", None): ("nan", run_id),
        ("inf", None): ("inf", run_id),
        ("-inf", None): ("-inf", run_id),
        ("-0", None): ("-0.0", run_id),
        ("x", None): ("2.0", "other"),
        ("x", "data"): ("3.0", "other"),
    }


def test_stores_that_change_one_model_at_the_same_time_lose_nothing(
    store: SqlStore, experiment_id: str, database_uri: str
) -> None:
    store.create_logged_model(NewLoggedModel(experiment_id=experiment_id, model_id="m-1"))

    def changing(number: int) -> object:
        def change(each: SqlStore) -> None:
            for step in range(5):
                point = Metric(f"m{step}", float(number), number, number, run_id="r")
                changes = LoggedModelChanges(
                    set_tags={f"t{number}": str(step)},
                    log_params={f"p{number}": "same"},
                    log_metrics=(point,),
                )
                each.update_logged_model("m-1", changes=changes)

        return change

    results = at_once(database_uri, *map(changing, range(4)))
    assert results == [None] * 4
    model = store.get_logged_model("m-1")
    assert model.tags == {f"t{number}": "4" for number in range(4)}
    assert model.params == {f"p{number}": "same" for number in range(4)}
    assert {m.key: m.value for m in model.metrics} == {f"m{step}": 3.0 for step in range(5)}


def test_statements_do_not_depend_on_how_many_models_params_and_points_there_are(
    store: SqlStore, experiment_id: str
) -> None:
    counts = []
    for number in (1, 20):
        many = {f"k{n}": "v" for n in range(number)}
        points = tuple(Metric(f"m{n}", 1.0, 1, 1, run_id="r") for n in range(number))
        new = NewLoggedModel(experiment_id=experiment_id, params=many, tags=many)
        for _ in range(number):
            with collected_statements() as creating:
                model_id = store.create_logged_model(new).model_id
        changes = LoggedModelChanges(set_tags={"k0": "w", "l": "w"}, log_metrics=points)
        store.update_logged_model(model_id, changes=changes)
        with collected_statements() as changing:
            store.update_logged_model(model_id, changes=changes)
        with collected_statements() as searching:
            query = LoggedModelQuery(experiment_ids=(experiment_id,))
            assert len(store.search_logged_models(query).items) == (1, 21)[number == 20]
        counts.append([len(creating), len(changing), len(searching)])
    assert counts[0] == counts[1]
    assert counts[0][2] == 5
