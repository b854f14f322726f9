"""The kit catches stores that make a mistake, and passes the one that makes none."""

from __future__ import annotations

from pathlib import Path

import pytest
from deliberate_mistakes import MISTAKES, LeavesATrace, ShowsThePassword
from hypothesis import Phase, settings

from tracking_core.stores import Capability, new_id
from tracking_core.stores.memory import MemoryStore
from tracking_core.testing import Check, RunStoreTests, StoreLocation
from tracking_core.testing.report import run_suite


class Suite(RunStoreTests):
    # To find is enough here: making what was found small takes a minute for some.
    stateful_settings = settings(
        RunStoreTests.stateful_settings,
        phases=[Phase.generate],
        max_examples=300,
        derandomize=True,
        database=None,
    )


def place(store: type[MemoryStore], tmp_path: Path) -> StoreLocation:
    uri = f"memory://{new_id()}"
    if store is LeavesATrace:
        uri = f"memory://{tmp_path}/data"
    if store is ShowsThePassword:
        uri = f"memory://kim:swordfish@{new_id()}"
    return StoreLocation(store, uri)


def failed(store: type[MemoryStore], test: str, tmp_path: Path) -> list[Check]:
    checks = run_suite(Suite, place(store, tmp_path), only=test)
    assert checks, f"the kit has no {test}"
    return [check for check in checks if check.outcome == "failed"]


def test_there_are_enough_mistakes_and_no_two_are_the_same() -> None:
    assert len(MISTAKES) >= 60
    assert len({store for store, _ in MISTAKES}) == len(MISTAKES)


@pytest.mark.parametrize(("store", "test"), MISTAKES, ids=[store.__name__ for store, _ in MISTAKES])
def test_the_mistake_is_caught_with_a_sentence(
    store: type[MemoryStore], test: str, tmp_path: Path
) -> None:
    caught = failed(store, test, tmp_path)
    assert caught, f"{test} does not notice {store.__name__}"
    assert all(check.message for check in caught)
    # A child that can't even import the store proves nothing.
    assert not any("can't open" in check.message for check in caught)


@pytest.mark.parametrize("test", sorted({test for _, test in MISTAKES}))
def test_what_catches_a_mistake_does_not_accuse_the_correct_store(
    test: str, tmp_path: Path
) -> None:
    assert failed(MemoryStore, test, tmp_path) == []


@pytest.mark.parametrize(
    "name",
    [
        "DropsTheStep",
        "ForgetsNan",
        "TakesTheLastLoggedForTheLatest",
        "OverwritesParams",
        "IgnoresTheIdempotencyKeyOfBatches",
        "ReturnsDeletedRuns",
        "RenamesWithoutTheTag",
        "FreesTheNamesOfDeletedExperiments",
        "RestoresAllRunsOfAnExperiment",
        "WritesHalfOfAConflictingBatch",
    ],
)
def test_the_state_machine_finds_these_by_itself(name: str, tmp_path: Path) -> None:
    (store,) = (store for store, _ in MISTAKES if store.__name__ == name)
    assert failed(store, "test_any_sequence_of_calls", tmp_path)


def test_every_capability_has_a_mistake_of_its_own() -> None:
    undeclared = [
        capability
        for store, _ in MISTAKES
        for capability in Capability
        if (capability in store.capabilities) != (capability in MemoryStore.capabilities)
    ]
    assert set(undeclared) == set(Capability)
