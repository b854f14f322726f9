"""Connections: facets, capabilities, and what half-written stores are told."""

from __future__ import annotations

from typing import Any

import pytest

from tracking_core.config import Settings, Uri
from tracking_core.errors import IncompleteStoreError, UnsupportedError
from tracking_core.stores import (
    BackendStore,
    Capability,
    ExperimentQuery,
    Facet,
    Limits,
    LoggedModelStore,
    ModelRegistryStore,
    RunStore,
)
from tracking_core.stores.memory import MemoryStore

URI = Uri.parse("half://kim:swordfish@host/path")


class Empty(BackendStore):
    pass


def methods(kind: type[Facet]) -> set[str]:
    return set(kind.__abstractmethods__)


@pytest.mark.parametrize(
    ("kind", "most"), [(RunStore, 15), (ModelRegistryStore, 12), (LoggedModelStore, 6)]
)
def test_a_facet_is_small(kind: type[Facet], most: int) -> None:
    assert 0 < len(methods(kind)) <= most


@pytest.mark.parametrize("kind", [RunStore, ModelRegistryStore, LoggedModelStore])
def test_a_half_written_store_is_told_every_method_that_it_lacks(kind: type[Facet]) -> None:
    half: Any = type("Half", (BackendStore, kind), {})
    with pytest.raises(IncompleteStoreError) as caught:
        half(URI, Settings())
    for name in methods(kind):
        assert f"{kind.__name__}.{name}" in str(caught.value)
    assert "Half can't be used: it doesn't implement" in str(caught.value)


def test_what_is_written_is_not_called_missing() -> None:
    written = {name: lambda self: None for name in methods(RunStore) - {"log_batch", "purge"}}
    half: Any = type("Half", (BackendStore, RunStore), written)
    with pytest.raises(IncompleteStoreError, match=r"RunStore.log_batch, RunStore.purge\.$"):
        half(URI, Settings())
    whole: Any = type("Whole", (half,), dict.fromkeys(["log_batch", "purge"], None))
    assert whole(URI, Settings()).facets().keys() == {RunStore}


def test_an_incomplete_store_is_a_type_error_too() -> None:
    half: Any = type("Half", (BackendStore, RunStore), {})
    with pytest.raises(TypeError):
        half(URI, Settings())


def test_a_facet_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UnsupportedError) as caught:
        Empty(URI, Settings()).facet(RunStore)
    told = str(caught.value)
    assert told == "The backend half://kim:***@host/path (Empty) has no RunStore; it has none."
    runs_only: Any = type(
        "RunsOnly", (BackendStore, RunStore), dict.fromkeys(methods(RunStore), None)
    )
    store = runs_only(URI, Settings())
    with pytest.raises(UnsupportedError, match=r"has no ModelRegistryStore; it has RunStore\."):
        _ = store.registry
    with pytest.raises(UnsupportedError, match="has no LoggedModelStore"):
        _ = store.logged_models
    assert store.runs is store


def test_a_backend_may_be_made_of_parts() -> None:
    inner = MemoryStore(Uri.parse("memory:"), Settings())

    class Composed(BackendStore):
        def facets(self) -> dict[type[Facet], Facet]:
            return {RunStore: inner}

    store = Composed(URI, Settings())
    assert store.runs is inner
    store.check_health()


def test_requiring_what_is_not_declared_says_what_for() -> None:
    store = Empty(URI, Settings())
    with pytest.raises(UnsupportedError) as caught:
        store.require(Capability.PURGE, to="purge deleted runs")
    assert str(caught.value) == (
        "The backend half://kim:***@host/path (Empty) can't purge deleted runs: it lacks the"
        " capability purge."
    )
    store.capabilities = frozenset({Capability.PURGE})
    store.require(Capability.PURGE, to="purge deleted runs")


def test_a_connection_says_what_it_is_without_the_password() -> None:
    assert repr(Empty(URI, Settings())) == "Empty('half://kim:***@host/path')"


def test_a_connection_closes_at_the_end_of_its_block() -> None:
    closed = []

    class Closing(Empty):
        def close(self) -> None:
            closed.append(self)

    with Closing(URI, Settings()) as store:
        assert closed == []
    assert closed == [store]


def test_health_asks_for_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ExperimentQuery] = []
    store = MemoryStore(Uri.parse("memory:"), Settings())
    search = store.search_experiments

    def remember(query: ExperimentQuery) -> Any:
        asked.append(query)
        return search(query)

    monkeypatch.setattr(store, "search_experiments", remember)
    store.check_health()
    assert [query.max_results for query in asked] == [1]
    Empty(URI, Settings()).check_health()


def test_a_backend_limits_nothing_unless_it_says_so() -> None:
    assert all(getattr(Limits(), name) is None for name in Limits.__struct_fields__)
