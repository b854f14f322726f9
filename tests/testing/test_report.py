"""The report: the suites without pytest's command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from deliberate_mistakes import DropsTheStep

from tracking_core.stores import new_id
from tracking_core.stores.memory import MemoryStore
from tracking_core.testing import Check, Report, StoreLocation, StoreTests, validate
from tracking_core.testing.__main__ import main
from tracking_core.testing.report import run_suite

MEMORY = StoreLocation(MemoryStore, f"memory://{new_id()}")


class Suite(StoreTests):
    undone: list[str] = []  # noqa: RUF012 - what the fixture undid, seen from outside

    @pytest.fixture
    def thing(self, run_id: str) -> Iterator[str]:
        yield f"thing of {run_id}"
        self.undone.append(run_id)

    def test_one_passes(self, thing: str, run_id: str) -> None:
        assert thing == f"thing of {run_id}"

    @pytest.mark.parametrize("right", [2, 3])
    @pytest.mark.parametrize(("left", "text"), [(2, "a"), pytest.param(3, "b", id="three")])
    def test_some_fail(self, left: int, text: str, right: int) -> None:
        assert left == right, text

    def test_one_is_skipped(self, thing: str) -> None:
        pytest.skip("because of this")

    @pytest.mark.skipif(True, reason="because of that")
    def test_one_is_marked(self) -> None:
        raise AssertionError

    def test_one_misses_its_error(self) -> None:
        with pytest.raises(ValueError, match="never"):
            pass

    def test_one_breaks(self, thing: str) -> None:
        raise KeyError("lost")

    def test_one_uses_a_directory(self, tmp_path, request) -> None:  # type: ignore[no-untyped-def]
        raise AssertionError


def outcomes() -> dict[str, Check]:
    return {check.name: check for check in run_suite(Suite, MEMORY)}


def test_each_case_is_a_check_with_its_outcome() -> None:
    found = {name: check.outcome for name, check in outcomes().items()}
    assert found == {
        "one passes": "passed",
        "some fail [2, 'a', 2]": "passed",
        "some fail [3, 'b', 2]": "failed",
        "some fail [2, 'a', 3]": "failed",
        "some fail [3, 'b', 3]": "passed",
        "one is skipped": "skipped",
        "one is marked": "skipped",
        "one misses its error": "failed",
        "one breaks": "failed",
        "one uses a directory": "skipped",
    }


def test_a_failure_tells_the_error_and_a_skip_its_reason() -> None:
    checks = outcomes()
    assert checks["one breaks"].message.startswith("KeyError: 'lost'")
    assert "a" in checks["some fail [2, 'a', 3]"].message
    assert checks["one is skipped"].message == "because of this"
    assert checks["one is marked"].message == "because of that"
    assert "request" in checks["one uses a directory"].message


def test_fixtures_are_undone_also_when_the_test_fails() -> None:
    Suite.undone.clear()
    run_suite(Suite, MEMORY, only="one_")
    assert len(Suite.undone) == 3


def test_a_correct_store_conforms() -> None:
    report = validate(MEMORY, only="experiment")
    assert report.conforms
    assert len(report.passed) > 20
    assert not report.failed
    assert "It conforms" in str(report)


def test_a_wrong_store_does_not_and_the_report_says_why() -> None:
    report = validate(StoreLocation(DropsTheStep, f"memory://{new_id()}"), only="step_and_time")
    assert not report.conforms
    assert "FAILED  step and time come back" in str(report)
    assert "does not conform" in str(report)
    assert "run_data_tests.py" in str(report)


def test_a_report_of_nothing_does_not_conform() -> None:
    assert not Report("a store", ()).conforms
    assert not validate(MEMORY, only="no test has this in its name").conforms


def test_the_command_prints_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["tracking_core.stores.memory:MemoryStore", "memory:", "--private"]
    assert main([*arguments, "--only", "purge"]) == 0
    assert "It conforms" in capsys.readouterr().out
    wrong = ["deliberate_mistakes:RefusesToPurgeAgain", "memory:", "--private"]
    assert main([*wrong, "--only", "purging_again"]) == 1
    assert "FAILED  purging again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nonsense", "not of the form"),
        ("no_such_module:Store", "no_such_module"),
        ("json:Store", "Store"),
    ],
)
def test_a_store_that_can_not_be_had_is_told(
    capsys: pytest.CaptureFixture[str], name: str, told: str
) -> None:
    with pytest.raises(SystemExit):
        main([name, "memory:"])
    assert told in capsys.readouterr().err
