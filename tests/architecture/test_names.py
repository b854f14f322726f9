"""What things are called, and that what is public says what it does."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ATTICS = {"common", "helper", "helpers", "misc", "util", "utils"}

# Spelled so that this file doesn't name one.
REGISTRY_HOSTS = re.compile(
    r"\b(?:"
    + "|".join(
        re.escape(host).replace(r"\ ", r"\.")
        for host in (
            "pypi org",
            "files pythonhosted org",
            "registry npmjs org",
            "registry yarnpkg com",
            "proxy golang org",
            "static crates io",
            "index crates io",
            "deb debian org",
            "conda anaconda org",
        )
    )
    + r")\b"
)


@pytest.fixture(scope="module")
def tracked_files(root: Path) -> list[Path]:
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [root / name for name in listed.split("\0") if name and (root / name).is_file()]


def test_no_room_is_an_attic(tracked_files: list[Path], root: Path) -> None:
    attics = [
        str(path.relative_to(root))
        for path in tracked_files
        if ATTICS & {part.strip("_") for part in path.relative_to(root).with_suffix("").parts}
    ]
    assert not attics, "give each function the room of its noun"


def test_no_file_names_a_package_registry(tracked_files: list[Path]) -> None:
    found = {
        str(path): match.group()
        for path in tracked_files
        if (match := REGISTRY_HOSTS.search(path.read_text(errors="ignore")))
    }
    assert not found


def test_the_search_for_registry_hosts_finds_one() -> None:
    assert REGISTRY_HOSTS.search("https://" + ".".join(["pypi", "org"]) + "/simple")
    assert not REGISTRY_HOSTS.search("pypi_org")


def undocumented(module: ModuleType) -> list[str]:
    """Return what is public in a module and has no docstring, own or inherited."""
    found = [] if module.__doc__ else [module.__name__]
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if name.startswith("_") or not own or not (inspect.isclass(value) or callable(value)):
            continue
        if not value.__doc__:
            found.append(f"{module.__name__}.{name}")
        if inspect.isclass(value):
            found += [
                f"{module.__name__}.{name}.{member}"
                for member, function in vars(value).items()
                # The kit's tests have sentences for names.
                if not member.startswith(("_", "test_"))
                and (inspect.isroutine(function) or isinstance(function, property))
                and not inspect.getdoc(getattr(value, member))
            ]
    return found


def is_public(module: str) -> bool:
    return not any(part.startswith("_") for part in module.split("."))


def test_what_is_public_has_a_docstring(modules: list[str]) -> None:
    found = [
        name
        for module in modules
        if is_public(module)
        for name in undocumented(importlib.import_module(module))
    ]
    assert not found


def test_a_missing_docstring_is_found() -> None:
    module = ModuleType("example", "A module.")
    source = 'class A:\n    "A."\n    def f(self): pass\n    def _g(self): pass\ndef h(): pass\n'
    exec(source, vars(module))
    assert undocumented(module) == ["example.A.f", "example.h"]
