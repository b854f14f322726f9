"""The kit catches repositories that make a mistake, and passes the one that makes none."""

from __future__ import annotations

from pathlib import Path

import pytest
from flawed_repositories import MISTAKES, Flawed

from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.testing import ArtifactRepositoryTests, Check, RepositoryLocation
from tracking_core.testing.report import run_suite


def failed(repository: type[ArtifactRepository], test: str, tmp_path: Path) -> list[Check]:
    location = RepositoryLocation(repository, str(tmp_path / "place"))
    checks = run_suite(ArtifactRepositoryTests, location, only=test)
    assert checks, f"the kit has no {test}"
    return [check for check in checks if check.outcome == "failed"]


@pytest.mark.parametrize(
    ("repository", "test"), MISTAKES, ids=[f"{each.__name__}-{test}" for each, test in MISTAKES]
)
def test_the_mistake_is_caught_with_a_sentence(
    repository: type[Flawed], test: str, tmp_path: Path
) -> None:
    # A mistake that only shows when writers meet gets several chances to.
    attempts = (failed(repository, test, tmp_path / str(number)) for number in range(8))
    caught = next(filter(None, attempts), [])
    assert caught, f"{test} does not notice {repository.__name__}"
    assert all(check.message for check in caught)


@pytest.mark.parametrize("test", sorted({test for _, test in MISTAKES}))
def test_what_catches_a_mistake_does_not_accuse_the_correct_repository(
    test: str, tmp_path: Path
) -> None:
    assert failed(Flawed, test, tmp_path) == []


def test_every_test_of_the_kit_catches_a_mistake() -> None:
    names = {name for name in vars(ArtifactRepositoryTests) if name.startswith("test_")}
    assert names == {f"test_{test}" for _, test in MISTAKES}
