"""Experiments: names, ids, changes, deleting and restoring, search by stage."""

from __future__ import annotations

import pytest

from tracking_core.entities import Experiment, LifecycleStage, ViewType
from tracking_core.errors import AlreadyExistsError, InvalidStateError, NotFoundError
from tracking_core.search.ast import Comparison, Field, FieldKind, Operator
from tracking_core.stores import (
    BackendStore,
    Capability,
    ExperimentChanges,
    ExperimentQuery,
    NewExperiment,
    NewRun,
    RunQuery,
    RunStore,
    now,
)
from tracking_core.testing.store_tests import StoreTests, fresh_name

DELETE = ExperimentChanges(lifecycle_stage=LifecycleStage.DELETED)
RESTORE = ExperimentChanges(lifecycle_stage=LifecycleStage.ACTIVE)


def named(name: str, view_type: ViewType = ViewType.ALL) -> ExperimentQuery:
    """Return the query for the experiment of a name, which other tests' don't disturb."""
    field = Field(FieldKind.ATTRIBUTE, "name")
    return ExperimentQuery(filter=Comparison(field, Operator.EQUAL, name), view_type=view_type)


def either(experiment: Experiment) -> str:
    """Return the pattern of a sentence that names an experiment, by name or by id."""
    return f"{experiment.name}|{experiment.experiment_id}"


class ExperimentTests(StoreTests):
    """What RunStore says of experiments."""

    def test_a_created_experiment_reads_back_as_it_was_returned(self, runs: RunStore) -> None:
        before = now()
        name = fresh_name("a name")
        made = runs.create_experiment(NewExperiment(name=name, tags={"team": "vision"}))
        assert runs.get_experiment(made.experiment_id) == made
        assert (made.name, made.tags) == (name, {"team": "vision"})
        assert made.lifecycle_stage is LifecycleStage.ACTIVE
        assert made.artifact_location
        assert made.creation_time is not None
        assert made.last_update_time is not None
        assert before <= made.creation_time <= now()
        assert before <= made.last_update_time <= now()

    def test_the_chosen_artifact_location_is_kept(self, runs: RunStore) -> None:
        new = NewExperiment(name=fresh_name("e"), artifact_location="s3://bucket/some where")
        made = runs.create_experiment(new)
        assert made.artifact_location == "s3://bucket/some where"
        assert runs.get_experiment(made.experiment_id) == made

    @pytest.mark.parametrize(
        "name",
        ["with space", "größe/日本語", "a:b?c#d%20", "..", "-", "x" * 400, "tab\tand\nline", "0"],
    )
    def test_a_name_may_hold_any_text(self, runs: RunStore, name: str) -> None:
        name = f"{name}{fresh_name('')}"
        made = runs.create_experiment(NewExperiment(name=name))
        assert runs.get_experiment(made.experiment_id).name == name
        assert runs.get_experiment_by_name(name) == made

    def test_names_that_differ_in_case_alone_are_two(self, runs: RunStore) -> None:
        name = fresh_name("case")
        lower = runs.create_experiment(NewExperiment(name=name))
        upper = runs.create_experiment(NewExperiment(name=name.upper()))
        assert runs.get_experiment_by_name(name) == lower
        assert runs.get_experiment_by_name(name.upper()) == upper

    def test_a_taken_name_is_refused(self, runs: RunStore, experiment: Experiment) -> None:
        with pytest.raises(AlreadyExistsError, match=experiment.name):
            runs.create_experiment(NewExperiment(name=experiment.name))
        assert len(runs.search_experiments(named(experiment.name)).items) == 1

    def test_the_name_of_a_deleted_experiment_stays_taken_and_the_sentence_says_so(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        runs.update_experiment(experiment.experiment_id, changes=DELETE)
        with pytest.raises(AlreadyExistsError, match="deleted"):
            runs.create_experiment(NewExperiment(name=experiment.name))

    def test_a_chosen_id_and_chosen_times_are_kept(
        self, store: BackendStore, runs: RunStore
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        chosen = fresh_name("chosen")
        new = NewExperiment(
            name=fresh_name("e"), experiment_id=chosen, creation_time=5, last_update_time=7
        )
        made = runs.create_experiment(new)
        assert (made.experiment_id, made.creation_time, made.last_update_time) == (chosen, 5, 7)
        assert runs.get_experiment(chosen) == made

    def test_a_chosen_id_that_is_taken_is_refused(
        self, store: BackendStore, runs: RunStore, experiment: Experiment
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        name = fresh_name("e")
        with pytest.raises(AlreadyExistsError, match=experiment.experiment_id):
            runs.create_experiment(NewExperiment(name=name, experiment_id=experiment.experiment_id))
        assert runs.get_experiment(experiment.experiment_id) == experiment
        assert runs.get_experiment_by_name(name) is None

    def test_a_deleted_experiment_can_be_read_and_restored(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        experiment_id = experiment.experiment_id
        deleted = runs.update_experiment(experiment_id, changes=DELETE)
        assert deleted.lifecycle_stage is LifecycleStage.DELETED
        assert runs.get_experiment(experiment_id) == deleted
        assert runs.get_experiment_by_name(experiment.name) == deleted
        restored = runs.update_experiment(experiment_id, changes=RESTORE)
        assert restored.lifecycle_stage is LifecycleStage.ACTIVE
        assert runs.get_experiment(experiment_id) == restored

    def test_deleting_an_experiment_twice_and_restoring_it_twice_changes_nothing(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        experiment_id = experiment.experiment_id
        runs.update_experiment(experiment_id, changes=RESTORE)
        assert runs.get_experiment(experiment_id) == experiment
        deleted = runs.update_experiment(experiment_id, changes=DELETE)
        assert runs.update_experiment(experiment_id, changes=DELETE) == deleted
        assert runs.get_experiment(experiment_id) == deleted

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param(ExperimentChanges(name="another name"), id="name"),
            pytest.param(ExperimentChanges(set_tags={"a": "b"}), id="tag"),
            pytest.param(ExperimentChanges(delete_tags=("a",)), id="no tag"),
            pytest.param(ExperimentChanges(artifact_location="s3://b"), id="location"),
            pytest.param(
                ExperimentChanges(lifecycle_stage=LifecycleStage.DELETED, name="another name"),
                id="name and deleting",
            ),
        ],
    )
    def test_a_deleted_experiment_refuses_other_changes(
        self, runs: RunStore, experiment: Experiment, changes: ExperimentChanges
    ) -> None:
        deleted = runs.update_experiment(experiment.experiment_id, changes=DELETE)
        with pytest.raises(InvalidStateError, match=either(experiment)):
            runs.update_experiment(experiment.experiment_id, changes=changes)
        assert runs.get_experiment(experiment.experiment_id) == deleted

    def test_a_renamed_experiment_is_found_by_its_new_name_alone(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        name = fresh_name("renamed")
        changed = runs.update_experiment(
            experiment.experiment_id, changes=ExperimentChanges(name=name)
        )
        assert changed.name == name
        assert runs.get_experiment(experiment.experiment_id) == changed
        assert runs.get_experiment_by_name(name) == changed
        assert runs.get_experiment_by_name(experiment.name) is None
        assert runs.create_experiment(NewExperiment(name=experiment.name)) != changed

    def test_renaming_to_the_same_name_is_no_conflict(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        changes = ExperimentChanges(name=experiment.name)
        changed = runs.update_experiment(experiment.experiment_id, changes=changes)
        assert changed.name == experiment.name

    @pytest.mark.parametrize("deleted", [False, True])
    def test_renaming_to_a_taken_name_is_refused(
        self, runs: RunStore, experiment: Experiment, deleted: bool
    ) -> None:
        other = runs.create_experiment(NewExperiment(name=fresh_name("other")))
        if deleted:
            runs.delete_experiment(other.experiment_id)
        with pytest.raises(AlreadyExistsError, match=other.name):
            runs.update_experiment(
                experiment.experiment_id, changes=ExperimentChanges(name=other.name)
            )
        assert runs.get_experiment(experiment.experiment_id) == experiment

    def test_the_location_can_change_and_the_runs_that_exist_stay_where_they_are(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        old = runs.create_run(NewRun(experiment_id=experiment.experiment_id))
        runs.update_experiment(
            experiment.experiment_id, changes=ExperimentChanges(artifact_location="s3://new/root")
        )
        new = runs.create_run(NewRun(experiment_id=experiment.experiment_id))
        assert runs.get_experiment(experiment.experiment_id).artifact_location == "s3://new/root"
        assert new.info.artifact_uri.startswith("s3://new/root/")
        assert runs.get_run(old.info.run_id).info.artifact_uri == old.info.artifact_uri

    def test_tags_are_set_replaced_and_deleted(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        experiment_id = experiment.experiment_id
        for changes, expected in (
            (
                ExperimentChanges(set_tags={"a": "1", "b/c d": "größe\n"}),
                {"a": "1", "b/c d": "größe\n"},
            ),
            (
                ExperimentChanges(set_tags={"a": "", "e": "5"}),
                {"a": "", "b/c d": "größe\n", "e": "5"},
            ),
            (
                ExperimentChanges(delete_tags=("a",), set_tags={"e": "6"}),
                {"b/c d": "größe\n", "e": "6"},
            ),
        ):
            changed = runs.update_experiment(experiment_id, changes=changes)
            assert changed.tags == expected
            assert runs.get_experiment(experiment_id).tags == expected

    def test_deleting_a_tag_that_is_not_there_changes_nothing(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        changes = ExperimentChanges(set_tags={"a": "1"}, delete_tags=("missing",))
        with pytest.raises(NotFoundError, match="missing"):
            runs.update_experiment(experiment.experiment_id, changes=changes)
        assert runs.get_experiment(experiment.experiment_id) == experiment

    def test_a_change_moves_the_time_of_the_last_update(
        self, store: BackendStore, runs: RunStore
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        new = NewExperiment(name=fresh_name("e"), creation_time=5, last_update_time=7)
        experiment_id = runs.create_experiment(new).experiment_id
        before = now()
        changed = runs.update_experiment(
            experiment_id, changes=ExperimentChanges(set_tags={"a": "1"})
        )
        assert changed.creation_time == 5
        assert changed.last_update_time is not None
        assert before <= changed.last_update_time <= now()

    def test_an_experiment_that_is_not_there_is_not_found(self, runs: RunStore) -> None:
        missing = "987654321987654321"
        with pytest.raises(NotFoundError, match=missing):
            runs.get_experiment(missing)
        with pytest.raises(NotFoundError, match=missing):
            runs.update_experiment(missing, changes=RESTORE)
        assert runs.get_experiment_by_name(fresh_name("missing")) is None

    def test_ensuring_an_experiment_makes_it_once(self, runs: RunStore) -> None:
        new = NewExperiment(name=fresh_name("ensured"), tags={"a": "1"})
        made = runs.ensure_experiment(new)
        assert made.tags == {"a": "1"}
        assert runs.ensure_experiment(NewExperiment(name=new.name, tags={"a": "2"})) == made
        assert runs.get_experiment(made.experiment_id) == made

    def test_ensuring_an_id_of_another_name_is_refused(
        self, store: BackendStore, runs: RunStore, experiment: Experiment
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        new = NewExperiment(name=fresh_name("e"), experiment_id=experiment.experiment_id)
        with pytest.raises(AlreadyExistsError, match=experiment.experiment_id):
            runs.ensure_experiment(new)

    @pytest.mark.parametrize("stage", list(LifecycleStage))
    def test_a_search_of_experiments_sees_the_stages_of_its_view(
        self, runs: RunStore, experiment: Experiment, stage: LifecycleStage
    ) -> None:
        changes = ExperimentChanges(lifecycle_stage=stage)
        expected = (runs.update_experiment(experiment.experiment_id, changes=changes),)
        for view_type in ViewType:
            found = runs.search_experiments(named(experiment.name, view_type)).items
            assert found == (expected if view_type.includes(stage) else ())
            assert runs.count_experiments(named(experiment.name, view_type)) == len(found)

    def test_the_shorthands_delete_and_restore(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        runs.delete_experiment(experiment.experiment_id)
        deleted = runs.get_experiment(experiment.experiment_id)
        assert deleted.lifecycle_stage is LifecycleStage.DELETED
        runs.restore_experiment(experiment.experiment_id)
        restored = runs.get_experiment(experiment.experiment_id)
        assert restored.lifecycle_stage is LifecycleStage.ACTIVE

    def test_the_runs_of_a_deleted_experiment_read_as_deleted_until_it_is_restored(
        self, runs: RunStore, experiment: Experiment
    ) -> None:
        kept, own = (
            runs.create_run(NewRun(experiment_id=experiment.experiment_id)).info.run_id
            for _ in range(2)
        )
        runs.delete_run(own)

        def stages() -> list[LifecycleStage]:
            return [runs.get_run(run_id).info.lifecycle_stage for run_id in (kept, own)]

        def seen(view_type: ViewType) -> set[str]:
            query = RunQuery(experiment_ids=(experiment.experiment_id,), view_type=view_type)
            return {run.info.run_id for run in runs.search_runs(query).items}

        active, deleted = LifecycleStage.ACTIVE, LifecycleStage.DELETED
        assert stages() == [active, deleted]
        runs.delete_experiment(experiment.experiment_id)
        assert stages() == [deleted, deleted]
        assert (seen(ViewType.ACTIVE_ONLY), seen(ViewType.DELETED_ONLY)) == (set(), {kept, own})
        runs.restore_experiment(experiment.experiment_id)
        assert stages() == [active, deleted]
        assert (seen(ViewType.ACTIVE_ONLY), seen(ViewType.DELETED_ONLY)) == ({kept}, {own})

    def test_a_deleted_experiment_takes_no_runs_and_its_runs_no_changes(
        self, runs: RunStore, experiment: Experiment, run_id: str
    ) -> None:
        runs.delete_experiment(experiment.experiment_id)
        with pytest.raises(InvalidStateError, match=either(experiment)):
            runs.create_run(NewRun(experiment_id=experiment.experiment_id))
        with pytest.raises(InvalidStateError, match=f"{experiment.name}|{run_id}"):
            runs.restore_run(run_id)
