"""Creating runs and changing their headers: few statements, and none for what stays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from sqlalchemy import select, update

from tracking_core.entities import LifecycleStage, Metric, RunStatus, RunTag
from tracking_core.errors import AlreadyExistsError, InvalidStateError, NotFoundError
from tracking_core.stores import RUN_NAME_TAG, ExperimentChanges, NewRun, RunChanges
from tracking_core_sql import schema
from tracking_core_sql.runs.locking import RunNumbers
from tracking_core_sql.store import SqlStore

Statements = Callable[[], AbstractContextManager[list[str]]]


@pytest.mark.parametrize("tags", [1, 100])
def test_a_run_is_created_in_three_statements_whatever_its_tags(
    store: SqlStore, experiment_id: str, statements: Statements, tags: int
) -> None:
    new = NewRun(experiment_id=experiment_id, tags={f"t{i}": "v" for i in range(tags)})
    store.create_run(new)
    with statements() as seen:
        run = store.create_run(new)
    assert len(seen) == 3
    assert store.get_run(run.info.run_id) == run


def test_a_chosen_id_that_is_taken_is_told(store: SqlStore, experiment_id: str) -> None:
    new = NewRun(experiment_id=experiment_id, run_id="chosen", idempotency_key="key")
    store.create_run(new)
    for other in (
        NewRun(experiment_id=experiment_id, run_id="chosen"),
        NewRun(experiment_id=experiment_id, run_id="chosen", idempotency_key="other"),
        NewRun(experiment_id="no-such-experiment", run_id="chosen"),
    ):
        with pytest.raises(AlreadyExistsError) as caught:
            store.create_run(other)
        assert str(caught.value) == "A run with the id 'chosen' exists already."


def test_a_run_sent_again_is_found_though_its_experiment_is_deleted(
    store: SqlStore, experiment_id: str
) -> None:
    new = NewRun(experiment_id=experiment_id, idempotency_key="key")
    made = store.create_run(new)
    deleted = ExperimentChanges(lifecycle_stage=LifecycleStage.DELETED)
    store.update_experiment(experiment_id, changes=deleted)
    assert store.create_run(new).info.run_id == made.info.run_id
    with pytest.raises(InvalidStateError, match="is deleted; restore it before changing it"):
        store.create_run(NewRun(experiment_id=experiment_id))


def test_an_experiment_that_is_not_there_is_told(store: SqlStore, experiment_id: str) -> None:
    for new in (NewRun(experiment_id="777"), NewRun(experiment_id="777", run_id="chosen")):
        with pytest.raises(NotFoundError) as caught:
            store.create_run(new)
        assert str(caught.value) == "There is no experiment with the id '777'."


def test_numbers_that_are_not_true_any_more_are_looked_up_again(
    store: SqlStore, experiment_id: str
) -> None:
    store.create_run(NewRun(experiment_id=experiment_id))
    store._runs._experiments[experiment_id] = 987_654_321
    run = store.create_run(NewRun(experiment_id=experiment_id))
    assert run.info.experiment_id == experiment_id
    store._runs._known[run.info.run_id] = RunNumbers(123_456_789, 987_654_321)
    store.log_metric(run.info.run_id, metric=Metric("new", 1.0, 1))
    assert store.get_run(run.info.run_id).data.metrics == {"new": 1.0}
    keys = store._database.read(lambda t: t.rows(select(schema.key.c.experiment).distinct()))
    assert len(keys) == 1


def test_what_stays_is_not_written(store: SqlStore, run_id: str, statements: Statements) -> None:
    store.update_run(run_id, changes=RunChanges(status=RunStatus.FINISHED, end_time=5))
    with statements() as seen:
        store.update_run(run_id, changes=RunChanges(status=RunStatus.FINISHED, end_time=5))
    assert not [statement for statement in seen if statement.startswith(("UPDATE", "INSERT"))]


def test_a_run_is_changed_in_few_statements(
    store: SqlStore, run_id: str, statements: Statements
) -> None:
    changes = RunChanges(
        status=RunStatus.KILLED, start_time=1, end_time=2, run_name="new", artifact_uri="s3://b/a"
    )
    with statements() as seen:
        info = store.update_run(run_id, changes=changes)
    assert len(seen) <= 4
    run = store.get_run(run_id)
    assert run.info == info
    assert (info.status, info.start_time, info.end_time) == (RunStatus.KILLED, 1, 2)
    assert (info.run_name, info.artifact_uri) == ("new", "s3://b/a")
    assert run.data.tags[RUN_NAME_TAG] == "new"


def test_a_name_comes_back_to_its_tag_after_the_tag_was_deleted(
    store: SqlStore, run_id: str
) -> None:
    name = store.get_run(run_id).info.run_name
    store.delete_tag(run_id, key=RUN_NAME_TAG)
    assert RUN_NAME_TAG not in store.get_run(run_id).data.tags
    store.update_run(run_id, changes=RunChanges(run_name=name))
    assert store.get_run(run_id).data.tags[RUN_NAME_TAG] == name
    store.set_tag(run_id, tag=RunTag(RUN_NAME_TAG, "x" * 500))
    assert store.get_run(run_id).info.run_name == "x" * 500


def test_a_deleted_run_can_be_restored_and_nothing_else(store: SqlStore, run_id: str) -> None:
    deleted = RunChanges(lifecycle_stage=LifecycleStage.DELETED, deleted_time=7)
    assert store.update_run(run_id, changes=deleted).deleted_time == 7
    with pytest.raises(InvalidStateError) as caught:
        store.update_run(run_id, changes=RunChanges(run_name="new"))
    assert str(caught.value) == f"The run {run_id!r} is deleted; restore it before changing it."
    with pytest.raises(InvalidStateError, match="is deleted"):
        store.delete_tag(run_id, key=RUN_NAME_TAG)
    store.restore_run(run_id)
    info = store.get_run(run_id).info
    assert (info.lifecycle_stage, info.deleted_time) == (LifecycleStage.ACTIVE, None)


def test_a_status_that_no_version_knows_is_not_written_over(store: SqlStore, run_id: str) -> None:
    """A header that can't be read is told, not guessed."""
    run = schema.run.c
    damage = update(schema.run).where(run.run_id == run_id).values(status=99)
    store._database.write(lambda transaction: transaction.execute(damage))
    with pytest.raises(KeyError):
        store.update_run(run_id, changes=RunChanges(run_name="new"))
    found = store._database.read(lambda t: t.first(select(run.status).where(run.run_id == run_id)))
    assert found[0] == 99
