from __future__ import annotations

import json
from typing import Any

from tracking_core.wire.endpoints import logged_models
from tracking_core.wire.messages.base import Empty
from tracking_core.wire.messages.logged_models import (
    GetLoggedModel,
    LoggedModelFound,
    LogLoggedModelParams,
)
from tracking_core_rest.connection import ServerConnection
from tracking_core_rest.transport import Response


class RecordingTransport:
    """Answers everything with nothing, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, Any]]] = []

    def request(self, method: str, path: str, **sent: Any) -> Response:
        self.requests.append((method, path, sent))
        return Response(200, {}, b"{}")


def test_a_field_that_the_path_says_is_no_parameter_too() -> None:
    transport = RecordingTransport()
    connection = ServerConnection(transport, shown="here")  # type: ignore[arg-type]
    connection.send(logged_models.GET, GetLoggedModel(model_id="m-1/x"), LoggedModelFound)
    ((method, path, sent),) = transport.requests
    assert (method, path) == ("GET", "/api/2.0/mlflow/logged-models/m-1%2Fx")
    assert sent["query"] == {}


def test_a_field_that_the_path_says_stands_in_the_body_too() -> None:
    """Stock servers want the id there when params are logged."""
    transport = RecordingTransport()
    connection = ServerConnection(transport, shown="here")  # type: ignore[arg-type]
    connection.send(logged_models.LOG_PARAMS, LogLoggedModelParams(model_id="m-1"), Empty)
    ((method, path, sent),) = transport.requests
    assert (method, path) == ("POST", "/api/2.0/mlflow/logged-models/m-1/params")
    assert json.loads(sent["body"]) == {"model_id": "m-1"}
