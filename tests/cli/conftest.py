from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tracking_core.cli import tracking
from tracking_core.client import Client
from tracking_core.stores import new_id


class CommandLine:
    """Runs `tracking` in this process against one store."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        # Before click 8.2 the two streams had to be told apart by an argument that is gone now.
        old = "mix_stderr" in inspect.signature(CliRunner).parameters
        self._runner = CliRunner(mix_stderr=False) if old else CliRunner()

    def __call__(self, *arguments: str, status: int = 0, answers: str | None = None) -> Result:
        result = self._runner.invoke(
            tracking,
            [*arguments],
            input=answers,
            env={"TRACKING_URI": self.uri},
            prog_name="tracking",
        )
        assert result.exit_code == status, (result.output, result.exception)
        assert "Traceback" not in result.output
        return result

    def json(self, *arguments: str, status: int = 0, answers: str | None = None) -> Any:
        return json.loads(
            self(*arguments, "--json", status=status, answers=answers).stdout, parse_constant=_never
        )

    def error(self, *arguments: str, status: int = 1) -> str:
        """Run what must fail, and return what it says on stderr; nothing is on stdout."""
        result = self(*arguments, status=status)
        assert result.stdout == ""
        return result.stderr


def _never(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture(params=["file", "memory"])
def uri(request: pytest.FixtureRequest) -> str:
    return "./mlruns" if request.param == "file" else f"memory://{new_id()}"


@pytest.fixture
def command_line(uri: str) -> CommandLine:
    return CommandLine(uri)


@pytest.fixture
def client(uri: str) -> Client:
    return Client(uri)


@pytest.fixture
def digits(client: Client) -> dict[str, str]:
    """An experiment of three runs; their ids by name."""
    experiment_id = client.create_experiment("digits")
    ids = {}
    for name, accuracy, loss in (
        ("svm", 0.9, 0.3),
        ("forest", 0.95, float("nan")),
        ("knn", 0.8, 0.7),
    ):
        run = client.create_run(experiment_id, run_name=name)
        ids[name] = run.info.run_id
        client.log_param(run.info.run_id, "model", name)
        client.log_param(run.info.run_id, "random_state", 0)
        client.log_metric(run.info.run_id, "accuracy", accuracy, step=2)
        client.log_metric(run.info.run_id, "loss", loss)
        client.log_metric(run.info.run_id, "epochs", 5)
        client.set_terminated(run.info.run_id)
    return ids
