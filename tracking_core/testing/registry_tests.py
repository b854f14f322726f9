"""The suite of ModelRegistryStore."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tracking_core.entities import (
    Metric,
    ModelVersion,
    ModelVersionStage,
    ModelVersionStatus,
    RegisteredModel,
)
from tracking_core.errors import AlreadyExistsError, InvalidValueError, NotFoundError
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    BackendStore,
    Capability,
    LoggedModelStore,
    ModelRegistryStore,
    ModelVersionChanges,
    ModelVersionQuery,
    NewExperiment,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    NewRun,
    RegisteredModelChanges,
    RegisteredModelQuery,
    RunStore,
    now,
)
from tracking_core.testing.registry_process_tests import (
    RegistryConcurrencyTests,
    RegistryDurabilityTests,
)
from tracking_core.testing.registry_stateful_tests import RegistryStatefulTests
from tracking_core.testing.store_tests import fresh_name

SOURCE = "s3://bucket/model"
PRODUCTION = ModelVersionStage.PRODUCTION
STAGING = ModelVersionStage.STAGING


class ModelRegistryStoreTests(
    RegistryConcurrencyTests, RegistryDurabilityTests, RegistryStatefulTests
):
    """Everything that a model registry must do; override the fixture `location`."""

    @staticmethod
    def add_version(registry: ModelRegistryStore, name: str) -> ModelVersion:
        """Add a version."""
        return registry.create_model_version(NewModelVersion(name=name, source=SOURCE))

    # --- registered models ---

    @pytest.mark.parametrize("name", ["{}", "with space {}", "größe {}", ".dot {}", "a\\b {}"])
    def test_a_registered_model_reads_back_as_it_was_created(
        self, registry: ModelRegistryStore, name: str
    ) -> None:
        name = name.format(fresh_name("model"))
        new = NewRegisteredModel(
            name=name, description="line 1\nline 2", tags={"a/b": "größe", "c": ""}
        )
        made = registry.create_registered_model(new)
        assert registry.get_registered_model(name) == made
        assert (made.name, made.description) == (name, "line 1\nline 2")
        assert made.tags == {"a/b": "größe", "c": ""}
        assert (made.aliases, made.latest_versions) == ({}, ())
        assert made.creation_timestamp == made.last_updated_timestamp > 0

    def test_a_registered_name_is_taken(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        with pytest.raises(AlreadyExistsError, match=model.name):
            registry.create_registered_model(NewRegisteredModel(name=model.name))

    def test_of_threads_that_register_one_name_one_succeeds(
        self, registry: ModelRegistryStore
    ) -> None:
        name, outcomes = fresh_name("model"), []
        barrier = threading.Barrier(4)

        def register() -> None:
            barrier.wait()
            try:
                registry.create_registered_model(NewRegisteredModel(name=name))
                outcomes.append("made")
            except AlreadyExistsError:
                outcomes.append("taken")

        threads = [threading.Thread(target=register) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["made", "taken", "taken", "taken"]

    def test_what_a_registered_model_was_told_is_seen_by_every_connection(
        self,
        registry: ModelRegistryStore,
        model: RegisteredModel,
        open_another: Callable[[], BackendStore],
    ) -> None:
        other = open_another().registry
        assert other.get_registered_model(model.name) == model
        made = self.add_version(registry, model.name)
        assert other.get_model_version(model.name, version=1) == made
        changes = RegisteredModelChanges(set_aliases={"best": 1}, set_tags={"a": "b"})
        changed = other.update_registered_model(model.name, changes=changes)
        assert registry.get_registered_model(model.name) == changed

    @pytest.mark.parametrize("changes", [RegisteredModelChanges(), "its own name"])
    def test_a_change_of_nothing_changes_nothing(
        self, registry: ModelRegistryStore, model: RegisteredModel, changes: object
    ) -> None:
        if not isinstance(changes, RegisteredModelChanges):
            changes = RegisteredModelChanges(name=model.name)
        assert registry.update_registered_model(model.name, changes=changes) == model
        assert registry.get_registered_model(model.name) == model

    def test_changes_of_a_registered_model_come_together(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.add_version(registry, model.name)
        first = RegisteredModelChanges(set_tags={"a": "1", "b": "2"}, set_aliases={"best": 1})
        registry.update_registered_model(model.name, changes=first)
        changes = RegisteredModelChanges(
            description="new", set_tags={"a": "3"}, delete_tags=("b",), set_aliases={"other": 1}
        )
        changed = registry.update_registered_model(model.name, changes=changes)
        assert registry.get_registered_model(model.name) == changed
        assert (changed.description, changed.tags) == ("new", {"a": "3"})
        assert changed.aliases == {"best": 1, "other": 1}
        assert changed.last_updated_timestamp >= model.last_updated_timestamp
        assert changed.creation_timestamp == model.creation_timestamp

    @pytest.mark.parametrize(
        ("changes", "missing"),
        [
            (RegisteredModelChanges(description="new", delete_tags=("gone",)), "gone"),
            (RegisteredModelChanges(description="new", delete_aliases=("gone",)), "gone"),
            (RegisteredModelChanges(description="new", set_aliases={"best": 7}), "7"),
        ],
        ids=["tag", "alias", "version"],
    )
    def test_a_change_that_names_what_is_missing_changes_nothing(
        self,
        registry: ModelRegistryStore,
        model: RegisteredModel,
        changes: RegisteredModelChanges,
        missing: str,
    ) -> None:
        with pytest.raises(NotFoundError, match=missing):
            registry.update_registered_model(model.name, changes=changes)
        assert registry.get_registered_model(model.name) == model

    def test_renaming_takes_versions_aliases_and_tags_along(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.add_version(registry, model.name)
        self.add_version(registry, model.name)
        changes = RegisteredModelChanges(set_tags={"a": "1"}, set_aliases={"best": 2})
        registry.update_registered_model(model.name, changes=changes)
        name = fresh_name("renamed")
        renamed = registry.update_registered_model(
            model.name, changes=RegisteredModelChanges(name=name)
        )
        assert (renamed.name, renamed.tags, renamed.aliases) == (name, {"a": "1"}, {"best": 2})
        assert registry.get_registered_model(name) == renamed
        version = registry.get_model_version_by_alias(name, alias="best")
        assert (version.name, version.version) == (name, 2)
        assert self.add_version(registry, name).version == 3
        with pytest.raises(NotFoundError, match=model.name):
            registry.get_registered_model(model.name)

    def test_a_model_cannot_be_renamed_to_a_name_that_is_taken(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        other = registry.create_registered_model(NewRegisteredModel(name=fresh_name("model")))
        with pytest.raises(AlreadyExistsError, match=other.name):
            registry.update_registered_model(
                model.name, changes=RegisteredModelChanges(name=other.name)
            )
        assert registry.get_registered_model(model.name) == model
        assert registry.get_registered_model(other.name) == other

    def test_a_deleted_registered_model_is_gone_with_its_versions(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.add_version(registry, model.name)
        changes = RegisteredModelChanges(set_tags={"old": "1"}, set_aliases={"old": 1})
        registry.update_registered_model(model.name, changes=changes)
        registry.delete_registered_model(model.name)
        with pytest.raises(NotFoundError, match=model.name):
            registry.get_registered_model(model.name)
        with pytest.raises(NotFoundError, match=model.name):
            registry.get_model_version(model.name, version=1)
        new = NewRegisteredModel(name=model.name)
        assert registry.create_registered_model(new).tags == {}
        again = registry.get_registered_model(model.name)
        assert (again.tags, again.aliases, again.latest_versions) == ({}, {}, ())
        with pytest.raises(NotFoundError, match="1"):
            registry.get_model_version(model.name, version=1)

    # --- versions ---

    def test_a_model_version_reads_back_as_it_was_created(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        new = NewModelVersion(
            name=model.name,
            source="runs:/0123456789abcdef0123456789abcdef/model",
            run_id="0123456789abcdef0123456789abcdef",
            run_link="https://example.test/run",
            description="größe",
            tags={"a": "b"},
            user_id="kim",
            status=ModelVersionStatus.PENDING_REGISTRATION,
        )
        made = registry.create_model_version(new)
        assert registry.get_model_version(model.name, version=made.version) == made
        assert (made.version, made.source, made.run_id) == (1, new.source, new.run_id)
        assert (made.run_link, made.description) == (new.run_link, "größe")
        assert (made.tags, made.user_id, made.status) == ({"a": "b"}, "kim", new.status)
        assert (made.current_stage, made.aliases) == (ModelVersionStage.NONE, ())

    def test_versions_count_up_and_no_number_is_used_twice(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        assert [self.add_version(registry, model.name).version for _ in range(3)] == [1, 2, 3]
        registry.delete_model_version(model.name, version=3)
        registry.delete_model_version(model.name, version=1)
        assert self.add_version(registry, model.name).version == 4
        with pytest.raises(NotFoundError, match="3"):
            registry.get_model_version(model.name, version=3)

    def test_versions_made_at_the_same_time_get_a_number_each(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        numbers: list[int] = []
        barrier = threading.Barrier(4)

        def add() -> None:
            barrier.wait()
            for _ in range(5):
                numbers.append(self.add_version(registry, model.name).version)

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(numbers) == list(range(1, 21))

    def test_a_version_of_a_model_that_is_missing_is_not_found(
        self, registry: ModelRegistryStore
    ) -> None:
        name = fresh_name("missing")
        with pytest.raises(NotFoundError, match=name):
            self.add_version(registry, name)

    def test_a_version_sent_twice_with_one_key_is_there_once(
        self, store: BackendStore, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        new = NewModelVersion(name=model.name, source=SOURCE, idempotency_key="key 1")
        first = registry.create_model_version(new)
        again = registry.create_model_version(new)
        other = NewModelVersion(name=model.name, source=SOURCE, idempotency_key="key 2")
        assert again.version == first.version == 1
        assert registry.create_model_version(other).version == 2

    def test_a_key_is_its_models_own_and_follows_its_name(
        self, store: BackendStore, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        other = registry.create_registered_model(NewRegisteredModel(name=fresh_name("model")))
        self.add_version(registry, other.name)
        key = "a/../key with größe"
        new = NewModelVersion(name=model.name, source=SOURCE, idempotency_key=key)
        assert registry.create_model_version(new).version == 1
        assert registry.create_model_version(replace(new, name=other.name)).version == 2
        name = fresh_name("renamed")
        registry.update_registered_model(model.name, changes=RegisteredModelChanges(name=name))
        assert registry.create_model_version(replace(new, name=name)).version == 1

    def test_a_key_does_not_bring_a_deleted_version_back(
        self, store: BackendStore, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        new = NewModelVersion(name=model.name, source=SOURCE, idempotency_key="key")
        registry.create_model_version(new)
        registry.delete_model_version(model.name, version=1)
        with pytest.raises(NotFoundError, match="version 1"):
            registry.create_model_version(new)
        assert registry.get_registered_model(model.name).latest_versions == ()

    def test_chosen_numbers_fill_gaps_and_deleted_ones_stay_used(
        self, store: BackendStore, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        new = NewModelVersion(name=model.name, source=SOURCE, version=5)
        for number in (5, 3):
            assert registry.create_model_version(replace(new, version=number)).version == number
        registry.delete_model_version(model.name, version=5)
        with pytest.raises(AlreadyExistsError, match="5"):
            registry.create_model_version(new)
        assert self.add_version(registry, model.name).version == 6

    def test_what_happens_to_versions_is_seen_in_the_time_of_their_model(
        self, store: BackendStore, registry: ModelRegistryStore
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        staged = ModelVersionChanges(current_stage=STAGING)
        for number, happening in enumerate(("added", "staged", "deleted")):
            name = fresh_name("model")
            new = NewRegisteredModel(name=name, creation_timestamp=1000)
            assert registry.create_registered_model(new).last_updated_timestamp == 1000
            self.add_version(registry, name)
            before = registry.get_registered_model(name).last_updated_timestamp
            assert before > 1000
            while now() == before:
                pass
            if happening == "staged":
                registry.update_model_version(name, version=1, changes=staged)
            if happening == "deleted":
                registry.delete_model_version(name, version=1)
            after = registry.get_registered_model(name)
            assert (after.last_updated_timestamp > before) is (number > 0)
            assert after.creation_timestamp == 1000

    def test_a_version_tells_params_and_metrics_of_its_logged_model(
        self, store: BackendStore, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        if not {RunStore, LoggedModelStore} <= store.facets().keys():
            pytest.skip(f"{type(store).__name__} keeps no logged models beside its registry")
        experiment = store.runs.create_experiment(NewExperiment(name=fresh_name("experiment")))
        run = store.runs.create_run(NewRun(experiment_id=experiment.experiment_id))
        logged = store.logged_models.create_logged_model(
            NewLoggedModel(experiment_id=experiment.experiment_id, params={"depth": "3"})
        )
        point = Metric("acc", 0.5, 1000, 1, logged.model_id)
        store.runs.log_metric(run.info.run_id, metric=point)
        new = NewModelVersion(name=model.name, source=logged.model_uri, model_id=logged.model_id)
        registry.create_model_version(new)
        found = registry.get_model_version(model.name, version=1)
        assert (found.model_id, found.params) == (logged.model_id, {"depth": "3"})
        assert [(m.key, m.value, m.step) for m in found.metrics] == [("acc", 0.5, 1)]
        assert registry.get_registered_model(model.name).latest_versions == (found,)
        store.logged_models.delete_logged_model(logged.model_id)
        found = registry.get_model_version(model.name, version=1)
        assert (found.model_id, found.params, found.metrics) == (logged.model_id, {}, ())

    def test_a_chosen_version_number_is_kept_and_counting_goes_on_behind_it(
        self, store: BackendStore, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.need(store, Capability.CHOSEN_IDS)
        new = NewModelVersion(
            name=model.name, source=SOURCE, version=5, creation_timestamp=1_600_000_000_000
        )
        made = registry.create_model_version(new)
        assert (made.version, made.creation_timestamp) == (5, 1_600_000_000_000)
        assert self.add_version(registry, model.name).version == 6
        with pytest.raises(AlreadyExistsError, match="5"):
            registry.create_model_version(new)

    def test_changes_of_a_version_come_together(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.add_version(registry, model.name)
        first = ModelVersionChanges(set_tags={"a": "1", "b": "2"})
        registry.update_model_version(model.name, version=1, changes=first)
        changes = ModelVersionChanges(
            description="new",
            status=ModelVersionStatus.FAILED_REGISTRATION,
            status_message="why",
            source="gs://elsewhere",
            set_tags={"a": "3"},
            delete_tags=("b",),
        )
        changed = registry.update_model_version(model.name, version=1, changes=changes)
        assert registry.get_model_version(model.name, version=1) == changed
        assert (changed.description, changed.source) == ("new", "gs://elsewhere")
        assert (changed.status, changed.status_message) == (changes.status, "why")
        assert changed.tags == {"a": "3"}

    def test_deleting_a_tag_that_a_version_lacks_changes_nothing(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        made = self.add_version(registry, model.name)
        changes = ModelVersionChanges(description="new", delete_tags=("gone",))
        with pytest.raises(NotFoundError, match="gone"):
            registry.update_model_version(model.name, version=1, changes=changes)
        assert registry.get_model_version(model.name, version=1) == made

    def test_a_stage_archives_its_other_versions_when_asked(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        for number in (1, 2, 3):
            self.add_version(registry, model.name)
            stage = STAGING if number == 2 else PRODUCTION
            changes = ModelVersionChanges(current_stage=stage)
            registry.update_model_version(model.name, version=number, changes=changes)
        self.add_version(registry, model.name)
        changes = ModelVersionChanges(current_stage=PRODUCTION, archive_existing_versions=True)
        registry.update_model_version(model.name, version=4, changes=changes)
        stages = [
            registry.get_model_version(model.name, version=number).current_stage
            for number in (1, 2, 3, 4)
        ]
        archived = ModelVersionStage.ARCHIVED
        assert stages == [archived, STAGING, archived, PRODUCTION]

    def test_the_latest_versions_are_the_newest_of_each_stage(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        for number in (1, 2, 3):
            self.add_version(registry, model.name)
            if number < 3:
                changes = ModelVersionChanges(current_stage=STAGING)
                registry.update_model_version(model.name, version=number, changes=changes)
        latest = registry.get_registered_model(model.name).latest_versions
        assert [(v.version, v.current_stage) for v in latest] == [
            (2, STAGING),
            (3, ModelVersionStage.NONE),
        ]
        assert [v.version for v in registry.latest_versions(model.name, stages=[STAGING])] == [2]

    # --- aliases ---

    def test_an_alias_points_to_one_version_and_moves(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        for number in (1, 2):
            self.add_version(registry, model.name)
            changes = RegisteredModelChanges(set_aliases={"best": number})
            registry.update_registered_model(model.name, changes=changes)
            found = registry.get_model_version_by_alias(model.name, alias="best")
            assert (found.version, found.aliases) == (number, ("best",))
        assert registry.get_model_version(model.name, version=1).aliases == ()

    def test_a_deleted_alias_is_gone(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.add_version(registry, model.name)
        for changes in (
            RegisteredModelChanges(set_aliases={"best": 1}),
            RegisteredModelChanges(delete_aliases=("best",)),
        ):
            registry.update_registered_model(model.name, changes=changes)
        with pytest.raises(NotFoundError, match="best"):
            registry.get_model_version_by_alias(model.name, alias="best")
        assert registry.get_model_version(model.name, version=1).aliases == ()

    def test_deleting_a_version_deletes_its_aliases(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.add_version(registry, model.name)
        self.add_version(registry, model.name)
        changes = RegisteredModelChanges(set_aliases={"best": 1, "newest": 2})
        registry.update_registered_model(model.name, changes=changes)
        registry.delete_model_version(model.name, version=1)
        assert registry.get_registered_model(model.name).aliases == {"newest": 2}
        with pytest.raises(NotFoundError, match="best"):
            registry.get_model_version_by_alias(model.name, alias="best")

    # --- search ---

    def test_registered_models_are_found_by_filter_in_order_page_by_page(
        self, registry: ModelRegistryStore
    ) -> None:
        prefix = fresh_name("search")
        names = [f"{prefix}-{letter}" for letter in "abcde"]
        for name in names:
            tags = {"parity": "even" if ord(name[-1]) % 2 == 0 else "odd"}
            registry.create_registered_model(NewRegisteredModel(name=name, tags=tags))

        def find(text: str, *order: str) -> list[str]:
            query = RegisteredModelQuery(
                filter=parse_filter(text, Subject.REGISTERED_MODELS),
                order_by=parse_order_by(order, Subject.REGISTERED_MODELS),
                max_results=2,
            )
            return [each.name for each in registry.iterate_registered_models(query)]

        mine = f"name LIKE '{prefix}-%'"
        assert find(mine) == names
        assert find(mine, "name DESC") == names[::-1]
        assert find(f"{mine} AND tags.parity = 'even'") == names[1::2]
        assert find(f"name = '{names[2]}'") == [names[2]]
        assert find(f"name = '{prefix}-x'") == []

    def test_model_versions_are_found_by_filter_in_order_page_by_page(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        for number in range(1, 6):
            new = NewModelVersion(
                name=model.name, source=f"s3://bucket/{number}", tags={"n": str(number % 2)}
            )
            registry.create_model_version(new)
        registry.delete_model_version(model.name, version=4)

        def find(text: str) -> list[int]:
            query = ModelVersionQuery(
                filter=parse_filter(text, Subject.MODEL_VERSIONS),
                order_by=parse_order_by(["version_number ASC"], Subject.MODEL_VERSIONS),
                max_results=2,
            )
            return [each.version for each in registry.iterate_model_versions(query)]

        mine = f"name = '{model.name}'"
        assert find(mine) == [1, 2, 3, 5]
        assert find(f"{mine} AND tags.n = '1'") == [1, 3, 5]
        assert find(f"{mine} AND version_number > 2") == [3, 5]
        assert find(f"{mine} AND source_path = 's3://bucket/2'") == [2]

    def test_a_page_token_of_another_query_of_models_is_refused(
        self, registry: ModelRegistryStore
    ) -> None:
        prefix = fresh_name("search")
        for number in range(3):
            registry.create_registered_model(NewRegisteredModel(name=f"{prefix}-{number}"))
        mine = parse_filter(f"name LIKE '{prefix}-%'", Subject.REGISTERED_MODELS)
        page = registry.search_registered_models(RegisteredModelQuery(filter=mine, max_results=1))
        assert page.next_page_token is not None
        for token in (page.next_page_token, "garbage"):
            with pytest.raises(InvalidValueError, match="token"):
                registry.search_registered_models(RegisteredModelQuery(page_token=token))

    # --- bad input ---

    @pytest.mark.parametrize("name", ["", "  ", "a/b", "a:b", "..", "nul\0"])
    def test_a_name_that_no_registered_model_can_have_is_refused(
        self, registry: ModelRegistryStore, name: str
    ) -> None:
        with pytest.raises(InvalidValueError, match="registered model name"):
            registry.get_registered_model(name)
        with pytest.raises(InvalidValueError, match="registered model name"):
            registry.delete_registered_model(name)
        with pytest.raises(InvalidValueError, match="registered model name"):
            registry.get_model_version(name, version=1)

    @pytest.mark.parametrize("version", [0, -1, 2**64])
    def test_a_number_that_no_version_can_have_is_refused(
        self, registry: ModelRegistryStore, model: RegisteredModel, version: int
    ) -> None:
        with pytest.raises(InvalidValueError, match=str(version)):
            registry.get_model_version(model.name, version=version)

    @pytest.mark.parametrize("alias", ["", "latest", "v1", "a b"])
    def test_an_alias_that_cannot_be_is_refused(
        self, registry: ModelRegistryStore, model: RegisteredModel, alias: str
    ) -> None:
        with pytest.raises(InvalidValueError, match="alias"):
            registry.get_model_version_by_alias(model.name, alias=alias)
