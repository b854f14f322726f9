"""The same checks without pytest's command: `validate` runs the suites and returns a report.

The suites are the one source of checks. Their tests are methods whose arguments are fixtures of
the same class, which is little enough to resolve here; so nothing is written twice, and a report
says no less than a run of pytest does.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import itertools
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from tracking_core.stores import (
    Facet,
    LoggedModelStore,
    ModelRegistryStore,
    RunStore,
    WebhookStore,
)
from tracking_core.testing.location import StoreLocation
from tracking_core.testing.store_tests import StoreTests

_SUITES: dict[type[Facet], tuple[str, str]] = {
    RunStore: ("run_tests", "RunStoreTests"),
    ModelRegistryStore: ("registry_tests", "ModelRegistryStoreTests"),
    LoggedModelStore: ("logged_model_tests", "LoggedModelStoreTests"),
    WebhookStore: ("webhook_tests", "WebhookStoreTests"),
}


@dataclass(frozen=True)
class Check:
    """What came of one check.

    Attributes:
        name: The test's name as a sentence, with the case that it looked at.
        outcome: How it ended.
        message: What failed, or why it was skipped.
        seconds: How long it took.
    """

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """What came of all checks; as text it is to be read by people.

    Attributes:
        subject: The store.
        checks: In the order in which they ran.
    """

    subject: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> list[Check]:
        """The checks that passed."""
        return [check for check in self.checks if check.outcome == "passed"]

    @property
    def failed(self) -> list[Check]:
        """The checks that failed."""
        return [check for check in self.checks if check.outcome == "failed"]

    @property
    def skipped(self) -> list[Check]:
        """The checks that don't apply."""
        return [check for check in self.checks if check.outcome == "skipped"]

    @property
    def conforms(self) -> bool:
        """Whether something passed and nothing failed."""
        return bool(self.passed) and not self.failed

    def __str__(self) -> str:
        lines = [f"Conformance of {self.subject}"]
        for check in self.failed:
            lines += [f"  FAILED  {check.name}", *(f"    {x}" for x in check.message.splitlines())]
        reasons: dict[str, int] = {}
        for check in self.skipped:
            reasons[check.message] = reasons.get(check.message, 0) + 1
        lines += [f"  skipped {count}: {reason}" for reason, count in reasons.items()]
        verdict = "It conforms" if self.conforms else "It does not conform"
        lines.append(
            f"{verdict}: {len(self.passed)} passed, {len(self.failed)} failed,"
            f" {len(self.skipped)} skipped."
        )
        return "\n".join(lines)


def validate(location: StoreLocation, *, only: str = "") -> Report:
    """Run the suites of all facets that a store has, and report what came of each check.

    Args:
        location: The store; a place with other data will do, what the checks make stays there.
        only: Run only the tests whose names contain this.
    """
    with location.open() as store:
        facets = store.facets()
    checks: list[Check] = []
    for facet, (module, name) in _SUITES.items():
        if facet in facets:
            suite = getattr(importlib.import_module(f"tracking_core.testing.{module}"), name)
            checks += run_suite(suite, location, only=only)
    return Report(repr(location), tuple(checks))


def run_suite(suite: type[StoreTests], location: StoreLocation, *, only: str = "") -> list[Check]:
    """Run the tests of one suite.

    Args:
        suite: A class of tests; its fixture `location` isn't asked.
        location: The store.
        only: Run only the tests whose names contain this.
    """
    checks = []
    for name in _names_of_tests(suite):
        if only in name:
            for arguments, label in _cases(getattr(suite, name)):
                case = f"{name.removeprefix('test_').replace('_', ' ')}{label}"
                checks.append(_run(suite, name, location, arguments, case))
    return checks


def _names_of_tests(suite: type) -> list[str]:
    """List the tests in the order of the suite's parts, and in each as they are written."""
    bases = [base for base in suite.__mro__ if base is not object]
    return list(dict.fromkeys(n for base in bases for n in vars(base) if n.startswith("test_")))


def _cases(function: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the arguments of each case of a parametrized test, and what to call it."""
    axes = []
    for mark in getattr(function, "pytestmark", ()):
        if mark.name != "parametrize":
            continue
        names, values = mark.args[0], mark.args[1]
        if isinstance(names, str):
            names = [name.strip() for name in names.split(",")]
        axis = []
        for value in values:
            row = getattr(value, "values", None)  # of pytest.param
            if not isinstance(row, tuple):
                row = value if len(names) > 1 else (value,)
            axis.append(dict(zip(names, row, strict=True)))
        axes.append(axis)
    for rows in itertools.product(*axes):
        arguments = {name: value for row in rows for name, value in row.items()}
        shown = ", ".join(f"{value!r}"[:40] for value in arguments.values())
        yield arguments, f" [{shown}]" if shown else ""


def _run(
    suite: type[StoreTests],
    name: str,
    location: StoreLocation,
    arguments: dict[str, Any],
    case: str,
) -> Check:
    began = time.perf_counter()
    outcome: Literal["passed", "failed", "skipped"] = "passed"
    message = ""
    try:
        function = getattr(suite, name)
        for mark in getattr(function, "pytestmark", ()):
            if mark.name == "skipif" and mark.args[0]:
                pytest.skip(mark.kwargs["reason"])
        with _Fixtures(suite(), location, arguments) as fixtures:
            fixtures.call(function)
    except pytest.skip.Exception as skipped:
        outcome, message = "skipped", str(skipped)
    except (Exception, pytest.fail.Exception) as error:
        outcome, message = "failed", _told(error)
    return Check(case, outcome, message, time.perf_counter() - began)


def _told(error: BaseException) -> str:
    """Return what an error says, and the line of the kit that found it."""
    frames = traceback.extract_tb(error.__traceback__)
    in_kit = [frame for frame in frames if Path(frame.filename).parent == Path(__file__).parent]
    frame = (in_kit or frames)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}: {frame.line}"
    text = str(error)
    return f"{type(error).__name__}{f': {text}' if text else ''}\n{place}"


class _Fixtures(contextlib.ExitStack):
    """The fixtures of one test, made when they are asked for and undone at its end."""

    def __init__(self, test: StoreTests, location: StoreLocation, made: dict[str, Any]) -> None:
        super().__init__()
        self._test = test
        self._made: dict[str, Any] = {**made, "location": location}

    def call(self, function: Any) -> Any:
        """Call a method of the test with the fixtures that it asks for."""
        names = list(inspect.signature(function).parameters)[1:]
        return function(self._test, **{name: self._get(name) for name in names})

    def _get(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Any:
        if name == "tmp_path":
            return Path(self.enter_context(tempfile.TemporaryDirectory()))
        if name == "monkeypatch":
            return self.enter_context(pytest.MonkeyPatch.context())
        fixture = getattr(type(self._test), name, None)
        if fixture is None:
            pytest.skip(f"needs pytest's fixture {name}")
        made = self.call(inspect.unwrap(fixture))
        if inspect.isgenerator(made):
            value = next(made)
            self.callback(next, made, None)
            return value
        return made
