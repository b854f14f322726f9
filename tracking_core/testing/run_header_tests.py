"""Runs: creating, names, changes of the header, deleting and restoring, purging."""

from __future__ import annotations

import pytest

from tracking_core.entities import (
    Experiment,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
    ViewType,
)
from tracking_core.errors import AlreadyExistsError, InvalidStateError, NotFoundError
from tracking_core.stores import (
    RUN_NAME_TAG,
    USER_TAG,
    BackendStore,
    Batch,
    Capability,
    MetricHistoryQuery,
    NewExperiment,
    NewRun,
    PurgeRequest,
    RunChanges,
    RunQuery,
    RunStore,
    now,
)
from tracking_core.testing.experiment_tests import either
from tracking_core.testing.store_tests import StoreTests, fresh_name

DELETE = RunChanges(lifecycle_stage=LifecycleStage.DELETED)
RESTORE = RunChanges(lifecycle_stage=LifecycleStage.ACTIVE)
MISSING = "0123456789abcdef0123456789abcdef"


class RunHeaderTests(StoreTests):
    """What RunStore says of runs, without the data in them."""

    def test_a_created_run_reads_back_as_it_was_returned(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        before = now()
        new = NewRun(
            experiment_id=experiment.experiment_id,
            run_name="größe 1",
            user_id="kim",
            tags={"a": "b"},
        )
        made = runs.create_run(new)
        assert runs.get_run(made.info.run_id) == made
        info = made.info
        assert (info.run_name, info.user_id) == ("größe 1", "kim")
        assert (info.experiment_id, info.end_time) == (experiment.experiment_id, None)
        assert (info.status, info.lifecycle_stage) == (RunStatus.RUNNING, LifecycleStage.ACTIVE)
        assert info.start_time is not None
        assert before <= info.start_time <= now()
        assert made.data.tags == {"a": "b", RUN_NAME_TAG: "größe 1", USER_TAG: "kim"}
        assert (made.data.params, made.data.latest_metrics) == ({}, ())
        assert (made.inputs, made.outputs) == (RunInputs(), RunOutputs())

    @pytest.mark.parametrize("status", list(RunStatus))
    def test_a_run_begins_with_the_status_and_time_that_it_is_given(
        self, runs: RunStore, experiment: Experiment, status: RunStatus
    ) -> None:
        new = NewRun(experiment_id=experiment.experiment_id, start_time=0, status=status)
        made = runs.create_run(new)
        assert (made.info.start_time, made.info.status) == (0, status)
        assert runs.get_run(made.info.run_id) == made

    def test_a_deleted_run_says_when_it_was_deleted_and_a_restored_one_does_not(
        self, runs: RunStore, run_id: str
    ) -> None:
        assert runs.get_run(run_id).info.deleted_time is None
        before = now()
        deleted = runs.update_run(run_id, changes=DELETE)
        assert deleted.deleted_time is not None
        assert before <= deleted.deleted_time <= now()
        assert runs.update_run(run_id, changes=DELETE) == deleted
        assert runs.get_run(run_id).info == deleted
        assert runs.update_run(run_id, changes=RESTORE).deleted_time is None
        assert runs.get_run(run_id).info.deleted_time is None

    def test_a_run_without_a_name_gets_one_that_is_in_its_tag_too(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        run = runs.create_run(NewRun(experiment_id=experiment.experiment_id))
        assert run.info.run_name
        assert run.data.tags[RUN_NAME_TAG] == run.info.run_name

    def test_two_runs_may_have_one_name(self, runs: RunStore, experiment: Experiment) -> None:
        new = NewRun(experiment_id=experiment.experiment_id, run_name="twin")
        assert runs.create_run(new).info.run_id != runs.create_run(new).info.run_id

    def test_each_run_has_artifacts_of_its_own_below_the_experiments(self, runs: RunStore) -> None:
        root = "s3://bucket/root"
        new = NewExperiment(name=fresh_name("e"), artifact_location=root)
        experiment_id = runs.create_experiment(new).experiment_id
        uris = {
            runs.create_run(NewRun(experiment_id=experiment_id)).info.artifact_uri for _ in range(3)
        }
        assert len(uris) == 3
        assert all(uri.startswith(f"{root}/") for uri in uris)

    def test_the_chosen_artifact_uri_is_kept(self, runs: RunStore, experiment: Experiment) -> None:
        uri = "s3://bucket/elsewhere"
        new = NewRun(experiment_id=experiment.experiment_id, artifact_uri=uri)
        assert runs.get_run(runs.create_run(new).info.run_id).info.artifact_uri == uri

    def test_a_run_needs_an_experiment_that_is_there(self, runs: RunStore) -> None:
        with pytest.raises(NotFoundError, match="987654321987654321"):
            runs.create_run(NewRun(experiment_id="987654321987654321"))

    def test_a_chosen_id_is_kept_and_refused_when_it_is_taken(
        self, store: BackendStore, runs: RunStore, experiment: Experiment
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        chosen = fresh_name("run")
        new = NewRun(experiment_id=experiment.experiment_id, run_id=chosen, run_name="first")
        made = runs.create_run(new)
        assert made.info.run_id == chosen
        again = NewRun(experiment_id=experiment.experiment_id, run_id=chosen, run_name="second")
        with pytest.raises(AlreadyExistsError, match=chosen):
            runs.create_run(again)
        with pytest.raises(AlreadyExistsError, match=chosen):
            runs.create_run(new)
        assert runs.get_run(chosen) == made

    def test_a_run_sent_twice_with_one_key_is_there_once(
        self, store: BackendStore, runs: RunStore, experiment: Experiment
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        key = fresh_name("key")
        new = NewRun(experiment_id=experiment.experiment_id, idempotency_key=key)
        made = runs.create_run(new)
        assert runs.create_run(new).info.run_id == made.info.run_id
        query = RunQuery(experiment_ids=(experiment.experiment_id,))
        assert runs.count_runs(query) == 1
        other = NewRun(experiment_id=experiment.experiment_id, idempotency_key=f"{key}-2")
        assert runs.create_run(other).info.run_id != made.info.run_id
        assert runs.count_runs(query) == 2

    def test_a_run_sent_again_comes_back_with_what_was_logged_meanwhile(
        self, store: BackendStore, runs: RunStore, experiment: Experiment
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        key = fresh_name("key")
        new = NewRun(experiment_id=experiment.experiment_id, idempotency_key=key)
        run_id = runs.create_run(new).info.run_id
        runs.log_param(run_id, param=Param("depth", "3"))
        assert runs.create_run(new).data.params == {"depth": "3"}

    def test_the_id_of_a_run_made_without_this_key_is_taken(
        self, store: BackendStore, runs: RunStore, experiment: Experiment
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS, Capability.CHOSEN_IDS)
        chosen, experiment_id = fresh_name("run"), experiment.experiment_id
        runs.create_run(NewRun(experiment_id=experiment_id, run_id=chosen, idempotency_key="one"))
        again = NewRun(experiment_id=experiment_id, run_id=chosen, idempotency_key="two")
        with pytest.raises(AlreadyExistsError, match=chosen):
            runs.create_run(again)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            (RunChanges(status=RunStatus.FINISHED, end_time=99), {"end_time": 99}),
            (RunChanges(status=RunStatus.KILLED), {"status": RunStatus.KILLED}),
            (RunChanges(start_time=17), {"start_time": 17}),
            (RunChanges(end_time=0), {"end_time": 0}),
            (RunChanges(run_name="new name"), {"run_name": "new name"}),
            (RunChanges(run_name=""), {"run_name": ""}),
            (RunChanges(artifact_uri="s3://b/c"), {"artifact_uri": "s3://b/c"}),
        ],
    )
    def test_a_change_of_the_header_changes_what_it_names_and_nothing_else(
        self, runs: RunStore, run_id: str, changes: RunChanges, expected: dict[str, object]
    ) -> None:
        if changes.status is RunStatus.FINISHED:
            expected = {**expected, "status": RunStatus.FINISHED}
        old = runs.get_run(run_id).info
        new = runs.update_run(run_id, changes=changes)
        names = type(old).__struct_fields__
        assert {n: getattr(new, n) for n in names if getattr(new, n) != getattr(old, n)} == expected
        assert runs.get_run(run_id).info == new

    def test_the_end_time_can_be_taken_away_again(self, runs: RunStore, run_id: str) -> None:
        runs.update_run(run_id, changes=RunChanges(status=RunStatus.FINISHED, end_time=99))
        runs.update_run(run_id, changes=RunChanges(status=RunStatus.RUNNING, end_time=None))
        info = runs.get_run(run_id).info
        assert (info.status, info.end_time) == (RunStatus.RUNNING, None)

    def test_a_new_name_changes_the_tag(self, runs: RunStore, run_id: str) -> None:
        runs.update_run(run_id, changes=RunChanges(run_name="by the header"))
        assert runs.get_run(run_id).data.tags[RUN_NAME_TAG] == "by the header"

    def test_a_new_tag_changes_the_name(self, runs: RunStore, run_id: str) -> None:
        runs.set_tag(run_id, tag=RunTag(RUN_NAME_TAG, "by the tag"))
        run = runs.get_run(run_id)
        assert (run.info.run_name, run.data.tags[RUN_NAME_TAG]) == ("by the tag", "by the tag")

    def test_a_change_of_the_header_leaves_the_data(self, runs: RunStore, run_id: str) -> None:
        batch = Batch(metrics=(Metric("m", 1.0, 2, 3),), params=(Param("p", "v"),))
        runs.log_batch(run_id, batch=batch)
        data = runs.get_run(run_id).data
        runs.update_run(run_id, changes=RunChanges(status=RunStatus.FAILED, end_time=5))
        assert runs.get_run(run_id).data == data

    def test_a_deleted_run_can_be_read_and_restored(self, runs: RunStore, run_id: str) -> None:
        runs.log_batch(run_id, batch=Batch(metrics=(Metric("m", 1.0, 2),)))
        before = runs.get_run(run_id)
        assert runs.update_run(run_id, changes=DELETE).lifecycle_stage is LifecycleStage.DELETED
        deleted = runs.get_run(run_id)
        assert deleted.info.lifecycle_stage is LifecycleStage.DELETED
        assert deleted.data == before.data
        history = runs.metric_history(run_id, query=MetricHistoryQuery(key="m"))
        assert history.items == (Metric("m", 1.0, 2),)
        assert runs.update_run(run_id, changes=RESTORE).lifecycle_stage is LifecycleStage.ACTIVE
        assert runs.get_run(run_id) == before

    def test_deleting_a_run_twice_and_restoring_it_twice_changes_nothing(
        self, runs: RunStore, run_id: str
    ) -> None:
        before = runs.get_run(run_id)
        runs.restore_run(run_id)
        assert runs.get_run(run_id) == before
        runs.delete_run(run_id)
        deleted = runs.get_run(run_id)
        runs.delete_run(run_id)
        assert runs.get_run(run_id) == deleted

    @pytest.mark.parametrize(
        "changes",
        [
            RunChanges(status=RunStatus.FINISHED),
            RunChanges(run_name="other"),
            RunChanges(start_time=1),
            RunChanges(end_time=1),
            RunChanges(lifecycle_stage=LifecycleStage.DELETED, end_time=1),
        ],
    )
    def test_a_deleted_run_refuses_other_changes(
        self, runs: RunStore, run_id: str, changes: RunChanges
    ) -> None:
        runs.delete_run(run_id)
        deleted = runs.get_run(run_id)
        with pytest.raises(InvalidStateError, match=run_id):
            runs.update_run(run_id, changes=changes)
        assert runs.get_run(run_id) == deleted

    def test_a_deleted_run_refuses_data(self, runs: RunStore, run_id: str) -> None:
        runs.set_tag(run_id, tag=RunTag("t", "1"))
        runs.delete_run(run_id)
        deleted = runs.get_run(run_id)
        for batch in (
            Batch(metrics=(Metric("m", 1.0, 2),)),
            Batch(params=(Param("p", "v"),)),
            Batch(tags=(RunTag("t", "2"),)),
        ):
            with pytest.raises(InvalidStateError, match=run_id):
                runs.log_batch(run_id, batch=batch)
        with pytest.raises(InvalidStateError, match=run_id):
            runs.delete_tag(run_id, key="t")
        with pytest.raises(InvalidStateError, match=run_id):
            runs.log_inputs(run_id, inputs=RunInputs())
        with pytest.raises(InvalidStateError, match=run_id):
            runs.log_outputs(run_id, outputs=RunOutputs())
        assert runs.get_run(run_id) == deleted
        query = MetricHistoryQuery(key="m")
        assert runs.metric_history(run_id, query=query).items == ()

    @pytest.mark.parametrize("deleted", [False, True])
    def test_a_search_of_runs_sees_the_stages_of_its_view(
        self, runs: RunStore, experiment: Experiment, run_id: str, deleted: bool
    ) -> None:
        if deleted:
            runs.delete_run(run_id)
        stage = runs.get_run(run_id).info.lifecycle_stage
        for view_type in ViewType:
            query = RunQuery(experiment_ids=(experiment.experiment_id,), view_type=view_type)
            found = [run.info.run_id for run in runs.search_runs(query).items]
            assert found == ([run_id] if view_type.includes(stage) else [])
            assert runs.count_runs(query) == len(found)

    def test_a_run_that_is_not_there_is_not_found(self, runs: RunStore) -> None:
        calls = (
            lambda: runs.get_run(MISSING),
            lambda: runs.update_run(MISSING, changes=RESTORE),
            lambda: runs.log_batch(MISSING, batch=Batch(params=(Param("p", "v"),))),
            lambda: runs.delete_tag(MISSING, key="t"),
            lambda: runs.log_inputs(MISSING, inputs=RunInputs()),
            lambda: runs.log_outputs(MISSING, outputs=RunOutputs()),
            lambda: runs.metric_history(MISSING, query=MetricHistoryQuery(key="m")),
            lambda: runs.metric_histories([MISSING], query=MetricHistoryQuery(key="m")),
        )
        for call in calls:
            with pytest.raises(NotFoundError, match=MISSING):
                call()


class PurgeTests(StoreTests):
    """What RunStore says of purging, for stores that declare it."""

    @pytest.fixture
    def purging(self, store: BackendStore) -> None:
        """Skip these tests where purging isn't declared."""
        self.need(store, Capability.PURGE)

    def test_a_purged_run_is_gone_and_the_others_stay(
        self, purging: None, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        kept = runs.create_run(NewRun(experiment_id=experiment.experiment_id))
        runs.log_batch(run_id, batch=Batch(metrics=(Metric("m", 1.0, 2),)))
        runs.delete_run(run_id)
        assert runs.purge(PurgeRequest(run_ids=(run_id,))).run_ids == (run_id,)
        with pytest.raises(NotFoundError, match=run_id):
            runs.get_run(run_id)
        with pytest.raises(NotFoundError, match=run_id):
            runs.metric_history(run_id, query=MetricHistoryQuery(key="m"))
        query = RunQuery(experiment_ids=(experiment.experiment_id,), view_type=ViewType.ALL)
        assert runs.search_runs(query).items == (kept,)

    def test_a_purged_experiment_takes_its_runs_along_and_frees_its_name(
        self, purging: None, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        other = runs.create_experiment(NewExperiment(name=fresh_name("e")))
        runs.delete_experiment(experiment.experiment_id)
        report = runs.purge(PurgeRequest(experiment_ids=(experiment.experiment_id,)))
        assert report.experiment_ids == (experiment.experiment_id,)
        assert report.run_ids == (run_id,)
        with pytest.raises(NotFoundError, match=experiment.experiment_id):
            runs.get_experiment(experiment.experiment_id)
        with pytest.raises(NotFoundError, match=run_id):
            runs.get_run(run_id)
        query = RunQuery(experiment_ids=(experiment.experiment_id,), view_type=ViewType.ALL)
        assert runs.search_runs(query).items == ()
        assert runs.get_experiment(other.experiment_id) == other
        again = runs.create_experiment(NewExperiment(name=experiment.name))
        assert runs.get_experiment_by_name(experiment.name) == again

    def test_a_run_of_a_deleted_experiment_can_be_purged_by_itself(
        self, purging: None, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        kept = runs.create_run(NewRun(experiment_id=experiment.experiment_id)).info.run_id
        runs.delete_experiment(experiment.experiment_id)
        assert runs.purge(PurgeRequest(run_ids=(run_id,))).run_ids == (run_id,)
        with pytest.raises(NotFoundError, match=run_id):
            runs.get_run(run_id)
        runs.restore_experiment(experiment.experiment_id)
        assert runs.get_run(kept).info.lifecycle_stage is LifecycleStage.ACTIVE

    def test_purging_again_passes_over_what_is_gone(
        self, purging: None, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        second = runs.create_run(NewRun(experiment_id=experiment.experiment_id)).info.run_id
        runs.delete_run(run_id)
        runs.delete_run(second)
        runs.purge(PurgeRequest(run_ids=(run_id,)))
        both = PurgeRequest(run_ids=(run_id, second), experiment_ids=("987654321987654321",))
        runs.purge(both)
        runs.purge(both)
        for gone in (run_id, second):
            with pytest.raises(NotFoundError, match=gone):
                runs.get_run(gone)

    def test_what_is_not_deleted_stops_the_purge_before_it_begins(
        self, purging: None, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        deleted = runs.create_run(NewRun(experiment_id=experiment.experiment_id)).info.run_id
        runs.delete_run(deleted)
        with pytest.raises(InvalidStateError, match=run_id):
            runs.purge(PurgeRequest(run_ids=(deleted, run_id)))
        request = PurgeRequest(run_ids=(deleted,), experiment_ids=(experiment.experiment_id,))
        with pytest.raises(InvalidStateError, match=either(experiment)):
            runs.purge(request)
        found: list[Run] = [runs.get_run(each) for each in (run_id, deleted)]
        assert [run.info.run_id for run in found] == [run_id, deleted]
        assert runs.get_experiment(experiment.experiment_id) == experiment
