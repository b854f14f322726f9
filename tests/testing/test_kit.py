"""The kit itself: what it imports, that no test hides another, and that signatures are compared."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
from collections import Counter

import pytest

import tracking_core.testing
from tracking_core.config import Settings, Uri
from tracking_core.stores import RunStore, new_id
from tracking_core.stores.memory import MemoryStore
from tracking_core.testing import RunStoreTests, StoreLocation, StoreTests
from tracking_core.testing.interface_tests import changed_signatures

SUITE_MODULES = [
    module.name
    for module in pkgutil.iter_modules(tracking_core.testing.__path__)
    if module.name.endswith("_tests")
]


def suites() -> list[type]:
    modules = [
        importlib.import_module(f"{tracking_core.testing.__name__}.{name}")
        for name in SUITE_MODULES
    ]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]


def test_no_test_of_a_suite_hides_one_of_its_other_parts() -> None:
    for suite in suites():
        bases = [base for base in suite.__mro__ if base is not object]
        names = Counter(name for base in bases for name in vars(base) if name.startswith("test_"))
        assert not [name for name, count in names.items() if count > 1], suite.__name__


def asked_of_all(suite: type) -> list[str]:
    return [
        name
        for name, value in vars(suite).items()
        if getattr(getattr(value, "_fixture_function_marker", None), "autouse", False)
    ]


def test_no_fixture_of_a_suite_is_used_by_all_tests_unasked() -> None:
    # Combined suites would hand it on to the tests of others, and a report doesn't know it.
    class Imposing:
        @pytest.fixture(autouse=True)
        def everywhere(self) -> None:
            """Reach every test."""

    assert asked_of_all(Imposing) == ["everywhere"]
    for suite in suites():
        assert asked_of_all(suite) == [], suite.__name__


def test_the_suites_are_found() -> None:
    assert len(suites()) >= 15
    assert RunStoreTests in suites()


def test_importing_the_kit_loads_neither_pytest_nor_hypothesis() -> None:
    code = (
        "import sys, tracking_core.testing, tracking_core.testing.location,"
        " tracking_core.testing.child;"
        "print([name for name in ('pytest', 'hypothesis') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_everything_that_is_announced_can_be_had() -> None:
    for name in tracking_core.testing.__all__:
        assert getattr(tracking_core.testing, name) is not None
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        tracking_core.testing.nothing_of_this_name  # noqa: B018


def test_the_asserts_of_the_kit_say_what_was_compared() -> None:
    from _pytest.assertion.rewrite import AssertionRewritingHook

    module = sys.modules[RunStoreTests.__module__]
    assert isinstance(module.__loader__, AssertionRewritingHook)


def test_a_location_can_be_sent_to_another_process_and_hides_passwords() -> None:
    location = StoreLocation(MemoryStore, "memory://kim:swordfish@there")
    assert pickle.loads(pickle.dumps(location)) == location
    assert "swordfish" not in repr(location)
    assert "MemoryStore" in repr(location)


def test_opening_a_location_twice_gives_two_connections_to_the_same_data() -> None:
    location = StoreLocation(MemoryStore, f"memory://{new_id()}", Settings(artifact_root="s3://a"))
    first, second = location.open(), location.open()
    assert first is not second
    assert first.uri == second.uri == Uri.parse(location.uri)
    assert first.settings.artifact_root == "s3://a"


def test_a_suite_without_a_location_says_what_to_write() -> None:
    fixture = inspect.unwrap(vars(StoreTests)["location"])
    with pytest.raises(NotImplementedError, match="StoreLocation"):
        fixture(StoreTests())


def test_changed_signatures_are_named() -> None:
    class Wrong(MemoryStore):
        def get_run(self, identifier: str) -> None:  # type: ignore[override]
            raise NotImplementedError

    assert changed_signatures(MemoryStore, RunStore) == []
    (told,) = changed_signatures(Wrong, RunStore)
    assert told.startswith("get_run(self, identifier")
    assert "run_id" in told
