"""What the suites of all facets stand on: the fixture to override, and what follows from it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator

import pytest

from tracking_core.entities import Experiment
from tracking_core.stores import BackendStore, Capability, NewExperiment, NewRun, RunStore
from tracking_core.testing.location import StoreLocation

_numbers = itertools.count(1)
_SESSION = uuid.uuid4().hex[:8]


def fresh_name(what: str) -> str:
    """Return a name that no other test uses, in no other process either."""
    return f"{what}-{_SESSION}-{next(_numbers)}"


class StoreTests:
    """Base of the suites: override the fixture `location`.

    No test expects an empty store, so that the fixture may hand out the same place again, and the
    suites run against a server with other data on it.
    """

    @pytest.fixture
    def location(self) -> StoreLocation:
        """Where the store under test keeps its data; each plugin's test class overrides it."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a fixture `location` that returns a StoreLocation."
        )

    @pytest.fixture
    def store(self, location: StoreLocation) -> Iterator[BackendStore]:
        """The store under test, open."""
        with location.open() as store:
            yield store

    @pytest.fixture
    def open_another(self, location: StoreLocation) -> Iterator[Callable[[], BackendStore]]:
        """Open further connections to the same data; skips where there can be none."""
        if not location.reopens:
            pytest.skip(f"{location!r} declares that no second connection sees its data")
        opened: list[BackendStore] = []

        def open_another() -> BackendStore:
            opened.append(location.open())
            return opened[-1]

        yield open_another
        for each in opened:
            each.close()

    @pytest.fixture
    def runs(self, store: BackendStore) -> RunStore:
        """The facet for experiments and runs."""
        return store.runs

    @pytest.fixture
    def experiment(self, runs: RunStore) -> Experiment:
        """An experiment that nobody else uses."""
        return runs.create_experiment(NewExperiment(name=fresh_name("experiment")))

    @pytest.fixture
    def run_id(self, runs: RunStore, experiment: Experiment) -> str:
        """A run in that experiment."""
        return runs.create_run(NewRun(experiment_id=experiment.experiment_id)).info.run_id

    @staticmethod
    def need(store: BackendStore, *capabilities: Capability) -> None:
        """Skip the test unless the store declares these capabilities."""
        for capability in capabilities:
            if capability not in store.capabilities:
                pytest.skip(f"{type(store).__name__} doesn't declare {capability}")
