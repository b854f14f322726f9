"""The suite of LoggedModelStore."""

from __future__ import annotations

import pytest

from tracking_core.entities import Experiment, LoggedModelStatus, Metric
from tracking_core.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
)
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    BackendStore,
    Batch,
    Capability,
    DatasetFilter,
    LoggedModelChanges,
    LoggedModelQuery,
    LoggedModelStore,
    NewLoggedModel,
    RunStore,
)
from tracking_core.testing.store_tests import StoreTests, fresh_name

MISSING = "m-0123456789abcdef0123456789abcdef"


class LoggedModelStoreTests(StoreTests):
    """Everything that a store of logged models must do; override the fixture `location`."""

    @pytest.fixture
    def logged_models(self, store: BackendStore) -> LoggedModelStore:
        """The facet under test."""
        return store.logged_models

    def test_a_logged_model_reads_back_as_it_was_created(
        self, logged_models: LoggedModelStore, experiment: Experiment, run_id: str
    ) -> None:
        new = NewLoggedModel(
            experiment_id=experiment.experiment_id,
            name="größe",
            source_run_id=run_id,
            model_type="classifier",
            tags={"a/b": "c"},
            params={"depth": "3", "x/y": "line 1\nline 2"},
        )
        made = logged_models.create_logged_model(new)
        assert logged_models.get_logged_model(made.model_id) == made
        assert (made.name, made.source_run_id, made.model_type) == ("größe", run_id, "classifier")
        assert (made.tags, made.params) == (new.tags, new.params)
        assert (made.status, made.metrics) == (LoggedModelStatus.PENDING, ())
        assert made.experiment_id == experiment.experiment_id
        assert made.artifact_location.startswith(experiment.artifact_location)
        assert made.model_uri == f"models:/{made.model_id}"

    def test_a_chosen_model_id_is_kept_and_then_taken(
        self, store: BackendStore, logged_models: LoggedModelStore, experiment: Experiment
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        new = NewLoggedModel(
            experiment_id=experiment.experiment_id,
            model_id=fresh_name("m"),
            creation_timestamp=1_600_000_000_000,
        )
        made = logged_models.create_logged_model(new)
        assert made.model_id == new.model_id
        assert made.creation_timestamp == 1_600_000_000_000
        with pytest.raises(AlreadyExistsError, match=made.model_id):
            logged_models.create_logged_model(new)

    def test_a_logged_model_needs_an_experiment_that_is_there_and_active(
        self, runs: RunStore, logged_models: LoggedModelStore, experiment: Experiment
    ) -> None:
        with pytest.raises(NotFoundError, match="987654321"):
            logged_models.create_logged_model(NewLoggedModel(experiment_id="987654321"))
        runs.delete_experiment(experiment.experiment_id)
        with pytest.raises(InvalidStateError, match=experiment.name):
            logged_models.create_logged_model(
                NewLoggedModel(experiment_id=experiment.experiment_id)
            )

    def test_changes_of_a_logged_model_come_together(
        self, logged_models: LoggedModelStore, experiment: Experiment
    ) -> None:
        new = NewLoggedModel(
            experiment_id=experiment.experiment_id, tags={"a": "1", "b": "2"}, params={"p": "1"}
        )
        made = logged_models.create_logged_model(new)
        changes = LoggedModelChanges(
            status=LoggedModelStatus.READY,
            status_message="done",
            set_tags={"a": "3"},
            delete_tags=("b",),
            log_params={"p": "1", "q": "2"},
        )
        changed = logged_models.update_logged_model(made.model_id, changes=changes)
        assert logged_models.get_logged_model(made.model_id) == changed
        assert (changed.status, changed.status_message) == (LoggedModelStatus.READY, "done")
        assert (changed.tags, changed.params) == ({"a": "3"}, {"p": "1", "q": "2"})

    def test_a_second_value_for_a_model_param_changes_nothing(
        self, logged_models: LoggedModelStore, experiment: Experiment
    ) -> None:
        new = NewLoggedModel(experiment_id=experiment.experiment_id, params={"p": "1"})
        made = logged_models.create_logged_model(new)
        changes = LoggedModelChanges(
            status=LoggedModelStatus.READY, log_params={"new": "1", "p": "2"}
        )
        with pytest.raises(ConflictError, match="'p'"):
            logged_models.update_logged_model(made.model_id, changes=changes)
        assert logged_models.get_logged_model(made.model_id) == made

    def test_deleting_a_tag_that_a_logged_model_lacks_changes_nothing(
        self, logged_models: LoggedModelStore, experiment: Experiment
    ) -> None:
        new = NewLoggedModel(experiment_id=experiment.experiment_id)
        made = logged_models.create_logged_model(new)
        changes = LoggedModelChanges(status=LoggedModelStatus.READY, delete_tags=("gone",))
        with pytest.raises(NotFoundError, match="gone"):
            logged_models.update_logged_model(made.model_id, changes=changes)
        assert logged_models.get_logged_model(made.model_id) == made

    def test_points_that_a_run_logs_with_a_model_become_its_metrics(
        self,
        runs: RunStore,
        logged_models: LoggedModelStore,
        experiment: Experiment,
        run_id: str,
    ) -> None:
        new = NewLoggedModel(experiment_id=experiment.experiment_id)
        model_id = logged_models.create_logged_model(new).model_id
        points = (
            Metric("acc", 0.5, 1000, 1, model_id),
            Metric("acc", 0.7, 1001, 2, model_id),
            Metric("acc", 0.6, 1002, 2, model_id, "a set", "d1"),
            Metric("loss", 0.1, 1003, 0),
            Metric("gone", 0.1, 1003, 0, MISSING),
        )
        runs.log_batch(run_id, batch=Batch(metrics=points))
        metrics = logged_models.get_logged_model(model_id).metrics
        found = {(m.key, m.dataset_name, m.dataset_digest): (m.value, m.step) for m in metrics}
        assert found == {("acc", None, None): (0.7, 2), ("acc", "a set", "d1"): (0.6, 2)}
        assert {m.run_id for m in metrics} == {run_id}

    def test_keys_of_a_logged_model_may_begin_with_other_keys(
        self,
        runs: RunStore,
        logged_models: LoggedModelStore,
        experiment: Experiment,
        run_id: str,
    ) -> None:
        keys = ("a", "a/b", "c/d", "c")
        values = {key: f"value of {key}" for key in keys}
        new = NewLoggedModel(experiment_id=experiment.experiment_id, params=values, tags=values)
        model_id = logged_models.create_logged_model(new).model_id
        more = {"e/f": "1", "e": "2"}
        logged_models.update_logged_model(model_id, changes=LoggedModelChanges(log_params=more))
        for key in keys:
            runs.log_metric(run_id, metric=Metric(key, 1.0, 1000, 0, model_id))
        model = logged_models.get_logged_model(model_id)
        assert (model.params, model.tags) == ({**values, **more}, values)
        assert {metric.key for metric in model.metrics} == set(keys)

    def test_a_deleted_logged_model_is_not_found(
        self, logged_models: LoggedModelStore, experiment: Experiment
    ) -> None:
        new = NewLoggedModel(experiment_id=experiment.experiment_id)
        model_id = logged_models.create_logged_model(new).model_id
        logged_models.delete_logged_model(model_id)
        changes = LoggedModelChanges(status=LoggedModelStatus.READY)
        with pytest.raises(NotFoundError, match=model_id):
            logged_models.get_logged_model(model_id)
        with pytest.raises(NotFoundError, match=model_id):
            logged_models.update_logged_model(model_id, changes=changes)
        with pytest.raises(NotFoundError, match=model_id):
            logged_models.delete_logged_model(model_id)
        query = LoggedModelQuery(experiment_ids=(experiment.experiment_id,))
        assert logged_models.search_logged_models(query).items == ()

    def test_logged_models_are_found_by_filter_in_order_page_by_page(
        self,
        runs: RunStore,
        logged_models: LoggedModelStore,
        experiment: Experiment,
        run_id: str,
    ) -> None:
        ids = []
        for number in range(5):
            new = NewLoggedModel(
                experiment_id=experiment.experiment_id,
                name=f"model-{number}",
                params={"depth": str(number)},
                tags={"parity": "even" if number % 2 == 0 else "odd"},
            )
            ids.append(logged_models.create_logged_model(new).model_id)
            dataset = "train" if number < 3 else "test"
            point = Metric("acc", number / 10, 1000, 0, ids[-1], dataset, "d")
            runs.log_metric(run_id, metric=point)

        def find(text: str, *, dataset: str | None = None) -> list[int]:
            query = LoggedModelQuery(
                experiment_ids=(experiment.experiment_id,),
                filter=parse_filter(text, Subject.LOGGED_MODELS),
                order_by=parse_order_by(["metrics.acc DESC"], Subject.LOGGED_MODELS),
                datasets=() if dataset is None else (DatasetFilter(dataset_name=dataset),),
                max_results=2,
            )
            found = logged_models.iterate_logged_models(query)
            return [ids.index(model.model_id) for model in found]

        assert find("") == [4, 3, 2, 1, 0]
        assert find("metrics.acc > 0.15") == [4, 3, 2]
        assert find("tags.parity = 'odd'") == [3, 1]
        assert find("params.depth IN ('0', '4')") == [4, 0]
        assert find("name = 'model-2'") == [2]
        assert find("metrics.acc > 0.15", dataset="train") == [2]

    def test_a_search_without_experiments_sees_the_active_ones(
        self, runs: RunStore, logged_models: LoggedModelStore, experiment: Experiment
    ) -> None:
        new = NewLoggedModel(experiment_id=experiment.experiment_id)
        model_id = logged_models.create_logged_model(new).model_id
        mine = LoggedModelQuery(
            filter=parse_filter(f"model_id = '{model_id}'", Subject.LOGGED_MODELS)
        )
        assert [m.model_id for m in logged_models.search_logged_models(mine).items] == [model_id]
        runs.delete_experiment(experiment.experiment_id)
        assert logged_models.search_logged_models(mine).items == ()

    @pytest.mark.parametrize("model_id", ["", "../x", "a/b", "m-\0"])
    def test_an_id_that_no_logged_model_can_have_is_refused(
        self, logged_models: LoggedModelStore, model_id: str
    ) -> None:
        with pytest.raises(InvalidValueError, match="model id"):
            logged_models.get_logged_model(model_id)
        with pytest.raises(InvalidValueError, match="model id"):
            logged_models.delete_logged_model(model_id)

    def test_a_logged_model_that_is_missing_is_not_found(
        self, logged_models: LoggedModelStore
    ) -> None:
        with pytest.raises(NotFoundError, match=MISSING):
            logged_models.get_logged_model(MISSING)
