"""Each module stands alone, and importing the package is cheap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

# No room loads these with itself; the rooms that own one import it inside a function.
HEAVY = {
    "PIL",
    "aiohttp",
    "click",
    "fsspec",
    "google.protobuf",
    "matplotlib",
    "mlflow",
    "numpy",
    "pandas",
    "polars",
    "psutil",
    "pytest",
    "requests",
    "rich",
    "sklearn",
    "sqlalchemy",
    "starlette",
    "yaml",
}
# The rooms that are nothing without theirs; nobody below imports them.
ROOMS_OF_HEAVY_LIBRARIES = {"cli", "testing"}

# Light enough for the room that needs it, too heavy for everyone's `import tracking_core`.
NOT_WITH_THE_PACKAGE = HEAVY | {
    "asyncio",
    "concurrent.futures",
    "importlib.metadata",
    "multiprocessing",
    "pluggy",
    "sqlite3",
    "urllib.request",
}

# What `import tracking_core` may add to a bare interpreter. Raise it only with a reason.
MODULE_BUDGET = 150

# One bare interpreter forks for each module, which takes half the time of starting one for each.
IMPORT_EACH_ALONE = """
import importlib, json, os, sys, traceback
report = {}
for name in json.load(sys.stdin):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            importlib.import_module(name)
            answer = {"loaded": sorted(sys.modules)}
        except BaseException:
            answer = {"error": traceback.format_exc()}
        with open(writing, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        report[name] = json.loads(pipe.read() or '{"error": "the interpreter died"}')
    os.waitpid(child, 0)
print(json.dumps(report))
"""

FreshInterpreter = Callable[..., Any]


@pytest.fixture(scope="module")
def imported_alone(fresh_interpreter: FreshInterpreter, modules: list[str]) -> dict[str, Any]:
    report: dict[str, Any] = fresh_interpreter(IMPORT_EACH_ALONE, modules)
    assert set(report) == set(modules)
    return report


@pytest.fixture(scope="module")
def bare(fresh_interpreter: FreshInterpreter) -> set[str]:
    return set(fresh_interpreter("import json, sys; print(json.dumps(list(sys.modules)))"))


def test_every_module_can_be_imported_alone_and_warns_of_nothing(
    imported_alone: dict[str, Any],
) -> None:
    errors = {name: result["error"] for name, result in imported_alone.items() if "error" in result}
    assert not errors, "\n\n".join(f"{name}:\n{text}" for name, text in errors.items())


def test_no_room_loads_a_heavy_library_that_it_does_not_own(
    imported_alone: dict[str, Any], bare: set[str]
) -> None:
    offenders = {}
    for name, result in imported_alone.items():
        if ROOMS_OF_HEAVY_LIBRARIES.intersection(name.split(".")):
            continue
        if loaded := HEAVY.intersection(result.get("loaded", ())) - bare:
            offenders[name] = sorted(loaded)
    assert not offenders


def test_importing_the_package_loads_few_modules_and_none_of_the_heavy(
    fresh_interpreter: FreshInterpreter, bare: set[str]
) -> None:
    loaded = set(
        fresh_interpreter("import json, sys, tracking_core; print(json.dumps(list(sys.modules)))")
    )
    added = loaded - bare
    assert sorted(NOT_WITH_THE_PACKAGE & added) == []
    assert len(added) <= MODULE_BUDGET, sorted(added)
