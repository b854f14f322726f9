from __future__ import annotations

import json
from typing import Any

import pytest

from tracking_core.errors import (
    ConflictError,
    InvalidStateError,
    InvalidValueError,
    TrackingError,
    UnsupportedError,
)
from tracking_core.stores import NewRegisteredModel
from tracking_core.wire.errors import error_of
from tracking_core_rest.stock import StockRegistry, StockServer


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (
            400,
            "INVALID_PARAMETER_VALUE",
            "Changing param values is not allowed. Params were already logged='[]' for run ID='1'.",
            ConflictError,
        ),
        (
            500,
            "INTERNAL_ERROR",
            "Changing param values is not allowed. Param with key='p' was already logged with",
            ConflictError,
        ),
        (
            400,
            "INVALID_PARAMETER_VALUE",
            "unable to insert params for run '1': conflicting params found: [{key: p1}]",
            ConflictError,
        ),
        (
            400,
            "INVALID_PARAMETER_VALUE",
            "The run 1 must be in the 'active' state. Current state is deleted.",
            InvalidStateError,
        ),
        (
            400,
            "INVALID_PARAMETER_VALUE",
            "The run 1 must be in 'active' lifecycle_stage.",
            InvalidStateError,
        ),
        (
            500,
            "INVALID_STATE",
            "Could not create run under non-active experiment with ID 1.",
            InvalidStateError,
        ),
        (400, "INVALID_PARAMETER_VALUE", "Invalid value for max_results", InvalidValueError),
    ],
)
def test_a_stock_servers_sentence_tells_what_its_code_does_not(
    status: int, code: str, message: str, kind: type[TrackingError]
) -> None:
    body = json.dumps({"error_code": code, "message": message}).encode()
    assert type(error_of(status, body, server="here")) is kind


def test_a_call_that_the_server_lacks_is_named(connect: Any) -> None:
    connection = connect(createRegisteredModel=UnsupportedError("Not found"))
    registry = StockRegistry(StockServer(connection))
    with pytest.raises(UnsupportedError, match=r"stock\.example.*createRegisteredModel"):
        registry.create_registered_model(NewRegisteredModel(name="model"))


def test_a_version_before_mlflows_first_is_that_of_something_else(connect: Any) -> None:
    server = StockServer(connect(version=(0, 6), searchLoggedModels=UnsupportedError("Not found")))
    assert server.version == ()
    assert not server.has_logged_models()
