"""FastTrackML as a module with MLflow's names, as far as the benchmarks of SQL need them.

Its Python package is a patched MLflow that no longer works; what it is about is the server. So a
client here starts that server over a database, and talks REST to it over one connection.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import importlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import urlencode

_START_SECONDS = 60
_LARGEST_PAGE = 50_000


class Metric(NamedTuple):
    """A point, with the names that it has on the wire."""

    key: str
    value: float
    timestamp: int
    step: int


class Param(NamedTuple):
    """A param, likewise."""

    key: str
    value: str


entities = SimpleNamespace(Metric=Metric, Param=Param)


class Page(list[Any]):
    """Runs of a page, and the token of the next."""

    token: str | None = None


class MlflowClient:
    """A server of its own over the database, and a connection to it; both end with the script."""

    def __init__(self, uri: str) -> None:
        # Of a sqlite file it wants the absolute path behind two slashes.
        database = uri.replace("sqlite:////", "sqlite:///") if "sqlite:" in uri else uri
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self._log = Path.cwd() / f"fasttrackml-{port}.log"
        with self._log.open("wb") as log:
            self._server = subprocess.Popen(
                [
                    Path(sys.executable).with_name("fml"),
                    "server",
                    *("--listen-address", f"127.0.0.1:{port}"),
                    *("--database-uri", database),
                    *("--default-artifact-root", str(Path.cwd() / "artifacts")),
                    *("--log-level", "error"),  # a line for each request isn't what is measured
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        atexit.register(self.close)
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._await_server()

    def close(self) -> None:
        """End the server, which writes its log into its database."""
        atexit.unregister(self.close)
        self._connection.close()
        self._server.terminate()
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def create_experiment(self, name: str) -> str:
        experiment_id: str = self._post("experiments/create", {"name": name})["experiment_id"]
        return experiment_id

    def get_experiment_by_name(self, name: str) -> Any:
        found = self._get("experiments/get-by-name", experiment_name=name)["experiment"]
        return SimpleNamespace(experiment_id=found["experiment_id"])

    def create_run(self, experiment_id: str) -> Any:
        body = {"experiment_id": experiment_id, "start_time": time.time_ns() // 1_000_000}
        return _run(self._post("runs/create", body)["run"])

    def log_batch(
        self, run_id: str, metrics: Sequence[Metric] = (), params: Sequence[Param] = ()
    ) -> None:
        body = {
            "run_id": run_id,
            "metrics": [metric._asdict() for metric in metrics],
            "params": [param._asdict() for param in params],
        }
        self._post("runs/log-batch", body)

    def log_metric(self, run_id: str, key: str, value: float, step: int = 0) -> None:
        timestamp = time.time_ns() // 1_000_000
        body = {"run_id": run_id, **Metric(key, value, timestamp, step)._asdict()}
        self._post("runs/log-metric", body)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        points: list[dict[str, Any]] = self._get(
            "metrics/get-history", run_id=run_id, metric_key=key
        )["metrics"]
        return [Metric(p["key"], p["value"], p["timestamp"], p.get("step", 0)) for p in points]

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        max_results: int = 1000,
        order_by: Sequence[str] = (),
        page_token: str | None = None,
    ) -> Page:
        body = {
            "experiment_ids": experiment_ids,
            "filter": filter_string,
            "max_results": max_results,
            "order_by": order_by,
            "page_token": page_token or "",
        }
        answer = self._post("runs/search", body)
        page = Page(map(_run, answer.get("runs", ())))
        page.token = answer.get("next_page_token")
        return page

    def _get(self, path: str, **arguments: str) -> Any:
        return self._call("GET", f"{path}?{urlencode(arguments)}")

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._call("POST", path, json.dumps(body).encode())

    def _call(self, method: str, path: str, body: bytes | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        self._connection.request(method, f"/api/2.0/mlflow/{path}", body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            sys.exit(f"FastTrackML answers {answer.status} to {path}: {content[:500]!r}")
        return json.loads(content) if content else {}

    def _await_server(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                self._connection.connect()
                return
            if self._server.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"FastTrackML doesn't start: {self._log.read_text()[-1000:]}")
            time.sleep(0.002)


_client: MlflowClient | None = None


def set_tracking_uri(uri: str) -> None:
    """Use a server over this database in `search_runs`."""
    global _client
    _client = MlflowClient(uri)


def search_runs(experiment_ids: Sequence[str]) -> Any:
    """Return all runs of the experiments as a DataFrame, with MLflow's columns.

    In one page: it writes tokens for offsets such as 10000 that it then can't read.
    """
    assert _client is not None
    pandas: Any = importlib.import_module("pandas")  # the other scripts don't pay for it
    rows: list[dict[str, Any]] = []
    for run in _client.search_runs(experiment_ids, max_results=_LARGEST_PAGE):
        data = run.data
        parts = (("metrics", data.metrics), ("params", data.params), ("tags", data.tags))
        named = {f"{part}.{key}": item for part, items in parts for key, item in items.items()}
        rows.append({**run.info.__dict__, **named})
    return pandas.DataFrame(rows)


def _run(wire: Mapping[str, Any]) -> Any:
    data = wire["data"]
    pairs = {
        part: {pair["key"]: pair["value"] for pair in data.get(part, ())}
        for part in ("metrics", "params", "tags")
    }
    return SimpleNamespace(info=SimpleNamespace(**wire["info"]), data=SimpleNamespace(**pairs))
