"""The registry among threads and processes, and after a kill."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pytest

from tracking_core.entities import RegisteredModel
from tracking_core.search import Subject, parse_filter
from tracking_core.stores import (
    BackendStore,
    Capability,
    ModelRegistryStore,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
)
from tracking_core.testing.child import Child, children
from tracking_core.testing.concurrency_tests import THREADS, at_once
from tracking_core.testing.location import StoreLocation
from tracking_core.testing.store_tests import StoreTests, fresh_name

_STEPS = ("made", "version", "alias", "renamed", "deleted")


class RegistryStoreTests(StoreTests):
    """Base of the registry's suites."""

    @pytest.fixture
    def registry(self, store: BackendStore) -> ModelRegistryStore:
        """The facet under test."""
        return store.registry

    @pytest.fixture
    def model(self, registry: ModelRegistryStore) -> RegisteredModel:
        """A registered model that nobody else uses."""
        return registry.create_registered_model(NewRegisteredModel(name=fresh_name("model")))


class RegistryConcurrencyTests(RegistryStoreTests):
    """What ModelRegistryStore says of threads and processes."""

    def test_threads_that_send_one_key_add_one_version(
        self, store: BackendStore, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        self.need(store, Capability.IDEMPOTENCY_KEYS)
        new = NewModelVersion(name=model.name, source="s3://bucket", idempotency_key="key")
        made = at_once(lambda _: registry.create_model_version(new).version)
        assert made == [1] * THREADS

    def test_threads_that_set_tags_and_aliases_lose_none(
        self, registry: ModelRegistryStore, model: RegisteredModel
    ) -> None:
        registry.create_model_version(NewModelVersion(name=model.name, source="s3://bucket"))

        def change(number: int) -> None:
            for step in range(3):
                changes = RegisteredModelChanges(
                    set_tags={f"t{number}": str(step)}, set_aliases={f"a{number}-{step}": 1}
                )
                registry.update_registered_model(model.name, changes=changes)

        at_once(change)
        found = registry.get_registered_model(model.name)
        assert found.tags == {f"t{number}": "2" for number in range(THREADS)}
        wanted = {f"a{number}-{step}" for number in range(THREADS) for step in range(3)}
        assert found.aliases.keys() == wanted
        assert set(registry.get_model_version(model.name, version=1).aliases) == wanted

    def test_who_reads_a_model_while_it_comes_and_goes_sees_all_of_it_or_nothing(
        self, registry: ModelRegistryStore
    ) -> None:
        prefix = fresh_name("restless")
        mine = parse_filter(f"name LIKE '{prefix}%'", Subject.REGISTERED_MODELS)

        def change_or_read(number: int) -> None:
            name = f"{prefix}-{number}"
            for _ in range(5):
                if number % 2:
                    new = NewRegisteredModel(name=name, tags={"a": "1", "b": "2"})
                    registry.create_registered_model(new)
                    changes = RegisteredModelChanges(name=f"{name}-renamed")
                    registry.update_registered_model(name, changes=changes)
                    registry.delete_registered_model(f"{name}-renamed")
                    continue
                for found in registry.search_registered_models(
                    RegisteredModelQuery(filter=mine)
                ).items:
                    assert found.tags == {"a": "1", "b": "2"}

        at_once(change_or_read)
        assert registry.search_registered_models(RegisteredModelQuery(filter=mine)).items == ()

    def test_of_processes_that_register_one_name_one_succeeds(
        self, store: BackendStore, location: StoreLocation
    ) -> None:
        self.need(store, Capability.MULTI_PROCESS)
        arguments: list[tuple[object, ...]] = [(fresh_name("contested"),)] * 4
        with children(location, "register_model", arguments) as started:
            told = Counter(line for child in started for line in child.finish())
        assert told == {"made": 1, "taken": 3}

    def test_versions_that_processes_add_get_a_number_each(
        self,
        store: BackendStore,
        location: StoreLocation,
        registry: ModelRegistryStore,
        model: RegisteredModel,
    ) -> None:
        self.need(store, Capability.MULTI_PROCESS)
        arguments: list[tuple[object, ...]] = [(model.name, None, 10)] * 4
        with children(location, "add_versions", arguments) as started:
            numbers = [int(line) for child in started for line in child.finish()]
        assert sorted(numbers) == list(range(1, 41))
        mine = parse_filter(f"name = '{model.name}'", Subject.MODEL_VERSIONS)
        found = registry.search_model_versions(ModelVersionQuery(filter=mine)).items
        assert sorted(version.version for version in found) == sorted(numbers)

    def test_processes_that_send_one_key_add_one_version(
        self, store: BackendStore, location: StoreLocation, model: RegisteredModel
    ) -> None:
        self.need(store, Capability.MULTI_PROCESS, Capability.IDEMPOTENCY_KEYS)
        arguments: list[tuple[object, ...]] = [(model.name, "key", 2)] * 4
        with children(location, "add_versions", arguments) as started:
            assert {line for child in started for line in child.finish()} == {"1"}


class RegistryDurabilityTests(RegistryStoreTests):
    """What Capability.DURABLE says of the registry."""

    @pytest.mark.skipif(sys.platform == "win32", reason="this system has no SIGKILL")
    @pytest.mark.parametrize("lines", [1, 8, 33, 80])
    def test_a_kill_leaves_each_model_as_before_or_after_the_interrupted_call(
        self, location: StoreLocation, store: BackendStore, lines: int
    ) -> None:
        self.need(store, Capability.DURABLE)
        prefix = fresh_name("killed")
        child = Child(location, "change_models_until_killed", prefix)
        child.go()
        told = [child.read_line() for _ in range(lines)]
        told += child.kill()
        done = Counter(line.split()[1] for line in told)
        assert told == [f"{step} {n}" for n in range(len(done)) for step in _STEPS][: len(told)]
        last = (len(told) - 1) // len(_STEPS)
        with location.open() as reopened:
            for registry in (reopened.registry, store.registry):
                found = _described(registry, prefix)
                # The interrupted call may have made one that nobody was told of.
                assert found.keys() <= {str(number) for number in range(last + 2)}
                for number in range(last + 2):
                    steps = done[str(number)]
                    may_be = [_expected(prefix, number, steps)]
                    if number >= last:
                        may_be.append(_expected(prefix, number, min(steps + 1, len(_STEPS))))
                    assert found.get(str(number)) in may_be
            name = fresh_name("after")
            reopened.registry.create_registered_model(NewRegisteredModel(name=name))
        assert store.registry.get_registered_model(name).name == name


def _described(registry: ModelRegistryStore, prefix: str) -> dict[str, list[Any]]:
    """Return all that can be seen of the models of a prefix, by number."""
    found: dict[str, list[Any]] = {}
    mine = f"name LIKE '{prefix}-%'"
    models = RegisteredModelQuery(filter=parse_filter(mine, Subject.REGISTERED_MODELS))
    for model in registry.iterate_registered_models(models):
        number = model.name[len(prefix) + 1 :].partition("-")[0]
        facts = [model.name, model.description, model.tags, model.aliases]
        found.setdefault(number, []).append(tuple(facts))
        assert [v.name for v in model.latest_versions] == [model.name] * len(model.latest_versions)
    versions = ModelVersionQuery(filter=parse_filter(mine, Subject.MODEL_VERSIONS))
    for version in registry.iterate_model_versions(versions):
        number = version.name[len(prefix) + 1 :].partition("-")[0]
        found.setdefault(number, []).append((version.name, version.tags, version.aliases))
    return found


def _expected(prefix: str, number: int, steps: int) -> list[Any] | None:
    """Return what is to be seen of a model after so many of the steps."""
    if steps == 0 or (steps == 5 and number % 2 == 0):
        return None
    name = f"{prefix}-{number}" + ("-renamed" if steps >= 4 else "")
    aliases = {"best": 1} if steps in (3, 4) else {}
    expected: list[Any] = [(name, "whole", {"a": "1", "b": "2"}, aliases)]
    if 2 <= steps < 5:
        expected.append((name, {"c": "3", "d": "4"}, tuple(aliases)))
    return expected
