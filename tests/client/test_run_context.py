from __future__ import annotations

import getpass
import sys
from pathlib import Path

import pytest

from tracking_core.client.run_context import tracking_run_context_tags
from tracking_core.config import Settings
from tracking_core.discovery import PluginManager, hookimpl


def test_a_script_says_its_path_and_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "train.py"), "--fast"])

    assert tracking_run_context_tags(settings=Settings()) == {
        "mlflow.source.name": str(tmp_path / "train.py"),
        "mlflow.source.type": "LOCAL",
        "mlflow.user": getpass.getuser(),
    }


def test_a_script_in_a_checkout_says_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Path(__file__).parents[2]
    if not (repository / ".git").exists():
        pytest.skip("not a git checkout")
    monkeypatch.setattr(sys, "argv", [__file__])

    tags = tracking_run_context_tags(settings=Settings())

    assert len(tags["mlflow.source.git.commit"]) == 40


@pytest.mark.parametrize("name", ["", "-c"])
def test_a_console_is_no_source(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(sys, "argv", [name])
    tags = tracking_run_context_tags(settings=Settings())
    assert tags["mlflow.source.name"] == "<console>"
    assert "mlflow.source.git.commit" not in tags


def test_the_environment_adds_tags_and_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", '{"mlflow.user": "robot", "job": "7"}')
    tags = tracking_run_context_tags(settings=Settings())
    assert (tags["mlflow.user"], tags["job"]) == ("robot", "7")


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 1}'])
def test_an_environment_that_cannot_be_read_is_told_and_passed_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    monkeypatch.setenv("TRACKING_RUN_CONTEXT", text)
    assert "mlflow.user" in tracking_run_context_tags(settings=Settings())
    assert "TRACKING_RUN_CONTEXT is passed over" in caplog.text


def test_a_user_without_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert tracking_run_context_tags(settings=Settings())["mlflow.user"] == "unknown"


def test_it_is_built_in_and_a_plugin_wins_over_it() -> None:
    class Plugin:
        @hookimpl
        def tracking_run_context_tags(self) -> dict[str, str]:
            return {"mlflow.user": "platform"}

    plugins = PluginManager()
    assert plugins.run_context_tags(Settings())["mlflow.source.type"] == "LOCAL"
    plugins.register(Plugin())
    assert plugins.run_context_tags(Settings())["mlflow.user"] == "platform"
