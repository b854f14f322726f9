"""The interface: the constructor, signatures, facets, opening and closing, no trace left."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from tracking_core.config import Uri
from tracking_core.entities import Experiment
from tracking_core.errors import UnsupportedError
from tracking_core.stores import (
    BackendStore,
    ExperimentQuery,
    Facet,
    LoggedModelStore,
    ModelRegistryStore,
    NewRun,
    RunQuery,
    RunStore,
)
from tracking_core.testing.location import StoreLocation
from tracking_core.testing.store_tests import StoreTests

FACETS: list[type[Facet]] = [RunStore, ModelRegistryStore, LoggedModelStore]


def parameters(function: Callable[..., object]) -> list[tuple[str, object, object]]:
    """Return name, kind and default of each parameter."""
    return [
        (each.name, each.kind, each.default)
        for each in inspect.signature(function).parameters.values()
    ]


def changed_signatures(implementation: type, facet: type[Facet]) -> list[str]:
    """List the methods whose signature isn't the facet's own."""
    return [
        f"{name}{inspect.signature(getattr(implementation, name))}, not {inspect.signature(method)}"
        for name, method in inspect.getmembers(facet, inspect.isfunction)
        if not name.startswith("_")
        and parameters(getattr(implementation, name)) != parameters(method)
    ]


class InterfaceTests(StoreTests):
    """What BackendStore says of connections."""

    def test_the_constructor_takes_the_uri_and_the_settings_and_nothing_else(
        self, location: StoreLocation
    ) -> None:
        function = location.open_with
        if isinstance(function, type):
            function = inspect.getattr_static(function, "__init__")
        names = [each for each in inspect.signature(function).parameters if each != "self"]
        assert names == ["uri", "settings"]

    def test_the_store_knows_what_it_was_opened_with(
        self, store: BackendStore, location: StoreLocation
    ) -> None:
        assert store.uri == Uri.parse(location.uri)
        assert store.settings == location.settings

    @pytest.mark.parametrize("facet", FACETS)
    def test_a_facet_is_there_or_missed_with_a_sentence(
        self, store: BackendStore, facet: type[Facet]
    ) -> None:
        if facet in store.facets():
            assert isinstance(store.facet(facet), facet)
        else:
            with pytest.raises(UnsupportedError, match=facet.__name__):
                store.facet(facet)

    @pytest.mark.parametrize("facet", FACETS)
    def test_methods_keep_the_names_kinds_and_defaults_of_their_parameters(
        self, store: BackendStore, facet: type[Facet]
    ) -> None:
        if facet not in store.facets():
            pytest.skip(f"{type(store).__name__} has no {facet.__name__}")
        assert not changed_signatures(type(store.facet(facet)), facet)

    def test_the_methods_of_the_connection_keep_their_signatures(self, store: BackendStore) -> None:
        for name in ("facets", "facet", "require", "check_health", "close"):
            own, inherited = getattr(type(store), name), getattr(BackendStore, name)
            assert parameters(own) == parameters(inherited), name

    def test_it_is_healthy(self, store: BackendStore) -> None:
        store.check_health()

    def test_closing_twice_does_nothing_more(self, location: StoreLocation) -> None:
        store = location.open()
        store.close()
        store.close()

    def test_no_password_is_shown(self, store: BackendStore) -> None:
        password = store.uri.password
        if not password:
            pytest.skip("the URI has no password")
        assert password not in f"{store!r}{store}{store.uri}"

    def test_opening_and_reading_leave_no_trace(self, location: StoreLocation) -> None:
        uri = Uri.parse(location.uri)
        place = Path(uri.path)
        if (
            uri.host
            or not uri.path
            or not place.is_absolute()
            or place.exists()
            or not place.parent.exists()
        ):
            pytest.skip(f"{location!r} is no path of this machine that isn't there yet")
        beside = set(place.parent.iterdir())
        with location.open() as store:
            assert store.runs.search_experiments(ExperimentQuery()).items == ()
            assert store.runs.search_runs(RunQuery()).items == ()
            store.check_health()
        assert not place.exists()
        assert set(place.parent.iterdir()) == beside

    def test_what_was_written_is_there_for_the_next_connection(
        self,
        runs: RunStore,
        experiment: Experiment,
        run_id: str,
        open_another: Callable[[], BackendStore],
    ) -> None:
        run = runs.get_run(run_id)
        first, second = open_another(), open_another()
        assert first.runs.get_experiment(experiment.experiment_id) == experiment
        assert second.runs.get_run(run_id) == run
        made = first.runs.create_run(NewRun(experiment_id=experiment.experiment_id))
        first.close()
        assert second.runs.get_run(made.info.run_id) == made
        assert runs.get_run(made.info.run_id) == made
        assert runs.count_runs(RunQuery(experiment_ids=(experiment.experiment_id,))) == 2
