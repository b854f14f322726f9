"""What a client is told when something fails: that it did, and nothing that is not its affair."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from plugins.server.tests.asgi_client import AsgiClient
from plugins.server.tests.conftest import Serve
from plugins.server.tests.failing_store import FailingStore, raising
from tracking_core.errors import (
    CorruptDataError,
    InvalidStateError,
    MissingDependencyError,
    NotFoundError,
    StoreUnavailableError,
    TrackingError,
)
from tracking_core.wire.contract_calls import contract_calls

GET = "/api/2.0/mlflow/runs/get?run_id=r1"
SECRET = "SELECT password FROM users; postgresql://me:geheim@db/x"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> FailingStore:
    """The backend of the servers that the test starts."""
    store = FailingStore()
    monkeypatch.setattr("tracking_core_server.service.open_store", lambda uri, settings: store)
    return store


def _ask(client: AsgiClient) -> list[int]:
    contract = "/api/2.0/tracking/contract/RunStore/get_run"
    answers = [
        client.get(GET),
        client.get(f"{GET}&path=a".replace("runs/get", "artifacts/list")),
        client.get("/get-artifact?run_id=r1&path=a"),
        client.request("POST", contract, body=contract_calls()[contract].request("r1")),
    ]
    for answer in answers:
        text = answer.body.decode() + str(answer.headers)
        for word in ("SELECT", "geheim", "Traceback", "File ", "RuntimeError", "sqlite3"):
            assert word not in text
        assert answer.json()["error_code"]
        assert answer.message
    return [answer.status for answer in answers]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(SECRET),
        sqlite3.OperationalError(SECRET),
        KeyError(SECRET),
        OSError(SECRET),
        AssertionError(SECRET),
        RecursionError(SECRET),
        MemoryError(SECRET),
        ValueError(SECRET),
        UnicodeEncodeError("utf-8", SECRET, 0, 1, SECRET),
        Exception(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_backend_that_breaks_is_500_and_its_words_stay_in_the_log(
    failing: FailingStore, serve: Serve, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve()
    client.get("/api/2.0/mlflow/experiments/get?experiment_id=0")
    failing.first = raising(error)
    with caplog.at_level(logging.ERROR):
        assert _ask(client) == [500] * 4
    assert client.get(GET).message == "The server failed to answer this request; its log says why."
    assert client.get(GET).json()["error_code"] == "INTERNAL_ERROR"
    assert any(record.exc_info and record.exc_info[1] is error for record in caplog.records)
    failing.first = lambda: None
    assert client.get(GET).status == 404


def test_a_backend_out_of_reach_is_503_and_says_when_to_come_back(
    failing: FailingStore, serve: Serve
) -> None:
    client = serve()
    client.get("/api/2.0/mlflow/experiments/get?experiment_id=0")
    failing.first = raising(StoreUnavailableError("The database doesn't answer."))
    assert _ask(client) == [503] * 4
    answer = client.get(GET)
    assert answer.headers["retry-after"] == "1"
    assert answer.json() == {
        "error_code": "TEMPORARILY_UNAVAILABLE",
        "message": "The database doesn't answer.",
        "tracking_error": "StoreUnavailableError",
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("Told."), 404),
        (InvalidStateError("Told."), 400),
        (CorruptDataError("Told."), 500),
        (TrackingError("Told."), 500),
        (MissingDependencyError("Told."), 500),
    ],
)
def test_errors_of_ours_are_told_by_their_sentence(
    failing: FailingStore, serve: Serve, error: TrackingError, status: int
) -> None:
    client = serve()
    client.get("/health")
    failing.first = lambda: None
    client.get("/api/2.0/mlflow/experiments/get?experiment_id=0")
    failing.first = raising(error)
    assert _ask(client) == [status] * 4
    answer = client.get(GET)
    assert answer.message == "Told."
    assert "retry-after" not in answer.headers


def test_only_waiting_helps_against_503_and_no_other_error_says_to(client: AsgiClient) -> None:
    for target in ("/nothing", GET, "/graphql"):
        assert "retry-after" not in client.get(target).headers


def test_an_error_is_told_even_if_its_text_can_not_be_written(
    failing: FailingStore, serve: Serve
) -> None:
    client = serve()
    client.get("/api/2.0/mlflow/experiments/get?experiment_id=0")
    failing.first = raising(NotFoundError("There is no run '\ud800'."))
    answer = client.get(GET)
    assert answer.status == 404
    assert answer.message == "There is no run '\\ud800'."


def test_an_answer_that_has_begun_is_cut_off_and_not_finished_wrongly(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(artifacts_destination=str(tmp_path))
    (tmp_path / "long").write_bytes(b"x" * (3 << 20))
    sent = 0

    def shorten(piece: bytes) -> None:
        nonlocal sent
        sent += len(piece)
        (tmp_path / "long").write_bytes(b"")

    with pytest.raises(OSError, match="has become shorter"):
        client.get("/api/2.0/mlflow-artifacts/artifacts/long", taken=shorten)
    assert 0 < sent < 3 << 20


# --- the start ---


def test_the_default_experiment_is_there(client: AsgiClient) -> None:
    found = client.call("experiments/get", {"experiment_id": "0"}, method="GET")["experiment"]
    assert (found["name"], found["lifecycle_stage"]) == ("Default", "active")
    run = client.call("runs/create", {"start_time": 5})["run"]
    assert run["info"]["experiment_id"] == "0"


def test_a_default_experiment_that_was_deleted_stays_deleted(serve: Serve, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/runs.db"
    serve(uri).call("experiments/delete", {"experiment_id": "0"})
    found = serve(uri).call("experiments/get", {"experiment_id": "0"}, method="GET")["experiment"]
    assert found["lifecycle_stage"] == "deleted"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreUnavailableError("The database doesn't answer."), 503),
        (RuntimeError(SECRET), 500),
        (CorruptDataError("Told."), 500),
    ],
    ids=["out of reach", "broken", "corrupt"],
)
def test_a_backend_that_is_down_at_the_start_is_served_once_it_is_back(
    failing: FailingStore, serve: Serve, error: Exception, status: int
) -> None:
    failing.first = raising(error)
    client = serve()
    for _ in range(3):
        answer = client.get("/api/2.0/mlflow/experiments/get?experiment_id=0")
        assert answer.status == status
        assert "geheim" not in answer.message
        assert ("retry-after" in answer.headers) == (status == 503)
    assert client.get("/health").status == 200
    failing.first = lambda: None
    found = client.call("experiments/get", {"experiment_id": "0"}, method="GET")
    assert found["experiment"]["name"] == "Default"


def test_a_backend_that_can_not_be_opened_at_the_start_is_opened_later(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FailingStore()
    opened: list[Callable[[], None]] = [
        raising(StoreUnavailableError("Not yet.")),
        raising(RuntimeError(SECRET)),
    ]

    def open_it(uri: str, settings: object) -> FailingStore:
        if opened:
            opened.pop()()
        return store

    monkeypatch.setattr("tracking_core_server.service.open_store", open_it)
    client = serve()
    target = "/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert [client.get(target).status for _ in range(3)] == [500, 503, 200]


def test_a_backend_of_no_known_scheme_is_told_to_who_asks(serve: Serve) -> None:
    answer = serve("nothing://me:geheim@there").get("/api/2.0/mlflow/runs/get?run_id=a")
    assert answer.status == 400
    assert "geheim" not in answer.message


def test_a_file_that_is_no_database_tells_no_sql(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_bytes(b"This is no database. " * 500)
    client = serve(f"sqlite:///{tmp_path}/runs.db")
    answer = client.get(GET)
    assert answer.status >= 400
    for word in ("SELECT", "select ", "PRAGMA", "Traceback", "sqlalche.me"):
        assert word not in answer.message


def test_the_life_of_an_application_begins_at_once_and_ends_with_its_backend(
    failing: FailingStore, serve: Serve
) -> None:
    client = serve()
    failing.first = raising(StoreUnavailableError("Not yet."))
    incoming = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
    sent: list[str] = []

    async def receive() -> dict[str, str]:
        return incoming.pop()

    async def send(message: dict[str, str]) -> None:
        sent.append(message["type"])

    client.run(client.application({"type": "lifespan"}, receive, send))  # type: ignore[arg-type]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_what_was_opened_is_closed_with_the_application(
    failing: FailingStore, serve: Serve
) -> None:
    client = serve()
    client.get("/api/2.0/mlflow/experiments/get?experiment_id=0")
    assert not failing.is_closed
    client.application.close()
    assert failing.is_closed


def test_websockets_are_closed(client: AsgiClient) -> None:
    sent: list[str] = []

    async def send(message: dict[str, str]) -> None:
        sent.append(message["type"])

    client.run(client.application({"type": "websocket"}, None, send))  # type: ignore[arg-type]
    assert sent == ["websocket.close"]
