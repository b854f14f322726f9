"""Errors become a status and a body, and bodies become errors again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_core import errors
from tracking_core.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptDataError,
    FilterSyntaxError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    PluginError,
    StoreUnavailableError,
    TrackingError,
    UnsupportedError,
)
from tracking_core.wire.errors import STATUSES, body_of, error_of, plain_body, status_of

SERVER = "https://tracking.example.org"
CLASSES = [
    kind
    for kind in (getattr(errors, name) for name in errors.__all__)
    if kind is not FilterSyntaxError and not issubclass(kind, PluginError)
]


@pytest.mark.parametrize("kind", CLASSES)
@given(sentence=st.text(min_size=1))
def test_an_error_comes_back_as_the_class_and_the_sentence_that_it_was(
    kind: type[TrackingError], sentence: str
) -> None:
    error = kind(sentence)
    found = error_of(status_of(error), body_of(error), server=SERVER)
    assert (type(found), str(found)) == (kind, sentence)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidValueError("x"), 400, "INVALID_PARAMETER_VALUE"),
        (FilterSyntaxError("x", text="a", position=0), 400, "INVALID_PARAMETER_VALUE"),
        (ConflictError("x"), 400, "INVALID_PARAMETER_VALUE"),
        (InvalidStateError("x"), 400, "INVALID_PARAMETER_VALUE"),
        (AlreadyExistsError("x"), 400, "RESOURCE_ALREADY_EXISTS"),
        (PermissionDeniedError("x"), 403, "PERMISSION_DENIED"),
        (NotFoundError("x"), 404, "RESOURCE_DOES_NOT_EXIST"),
        (UnsupportedError("x"), 501, "NOT_IMPLEMENTED"),
        (StoreUnavailableError("x"), 503, "TEMPORARILY_UNAVAILABLE"),
        (CorruptDataError("x"), 500, "DATA_LOSS"),
        (TrackingError("x"), 500, "INTERNAL_ERROR"),
        (PluginError("x"), 500, "INTERNAL_ERROR"),
    ],
)
def test_an_error_has_mlflows_status_and_code(error: TrackingError, status: int, code: str) -> None:
    assert status_of(error) == status
    assert json.loads(body_of(error))["error_code"] == code
    assert json.loads(body_of(error))["message"] == "x"


def test_a_syntax_error_and_a_fault_of_a_plugin_come_back_as_their_parents() -> None:
    syntax = FilterSyntaxError("Told.", text="a", position=0)
    assert type(error_of(400, body_of(syntax), server=SERVER)) is InvalidValueError
    fault = errors.PluginLoadError("Told.")
    assert type(error_of(500, body_of(fault), server=SERVER)) is TrackingError


def test_an_error_without_a_sentence_says_at_least_what_it_is() -> None:
    assert json.loads(body_of(NotFoundError()))["message"] == "NotFoundError"


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (404, "RESOURCE_DOES_NOT_EXIST", "Run 'a' not found", NotFoundError),
        (404, "NOT_FOUND", "x", NotFoundError),
        (404, "ENDPOINT_NOT_FOUND", "x", UnsupportedError),
        (400, "RESOURCE_ALREADY_EXISTS", "x", AlreadyExistsError),
        (409, "ALREADY_EXISTS", "x", AlreadyExistsError),
        (409, "RESOURCE_CONFLICT", "x", ConflictError),
        (400, "INVALID_PARAMETER_VALUE", "x", InvalidValueError),
        (400, "BAD_REQUEST", "x", InvalidValueError),
        (
            400,
            "INVALID_PARAMETER_VALUE",
            "Changing param values is not allowed. Param with key='a' was already logged with"
            " value='1' for run ID='r'. Attempted logging new value '2'.",
            ConflictError,
        ),
        (
            400,
            "INVALID_PARAMETER_VALUE",
            "The run r must be in the 'active' state. Current state is deleted.",
            InvalidStateError,
        ),
        (500, "INVALID_STATE", "x", InvalidStateError),
        (500, "INTERNAL_ERROR", "x", TrackingError),
        (500, "DATA_LOSS", "x", CorruptDataError),
        (429, "REQUEST_LIMIT_EXCEEDED", "x", StoreUnavailableError),
        (429, "RESOURCE_EXHAUSTED", "x", StoreUnavailableError),
        (503, "TEMPORARILY_UNAVAILABLE", "x", StoreUnavailableError),
        (504, "DEADLINE_EXCEEDED", "x", StoreUnavailableError),
        (403, "PERMISSION_DENIED", "x", PermissionDeniedError),
        (403, "CUSTOMER_UNAUTHORIZED", "x", PermissionDeniedError),
        (401, "UNAUTHENTICATED", "x", PermissionDeniedError),
        (501, "NOT_IMPLEMENTED", "x", UnsupportedError),
        (418, "A_CODE_OF_LATER", "x", TrackingError),
        (404, "A_CODE_OF_LATER", "x", NotFoundError),
    ],
)
def test_the_body_of_a_stock_server_means_an_error_of_ours(
    status: int, code: str, message: str, kind: type[TrackingError]
) -> None:
    body = json.dumps(
        {"error_code": code, "message": message, "sqlstate": "42000", "error_class": "X"}
    ).encode()
    error = error_of(status, body, server=SERVER)
    assert type(error) is kind
    assert message in str(error)


def test_who_asks_without_being_known_is_told_what_to_give() -> None:
    error = error_of(401, plain_body("UNAUTHENTICATED", "No token."), server=SERVER)
    assert SERVER in str(error)
    assert "No token." in str(error)
    assert "give a user name and password" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"<!doctype html><h1>Bad Gateway</h1>",
        b"\n<html>",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'{"error_code": 3}',
        b'{"message": ""}',
        b'{"message": null}',
        b"upstream connect error",
    ],
)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidValueError),
        (401, PermissionDeniedError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, InvalidValueError),
        (418, TrackingError),
        (429, StoreUnavailableError),
        (500, TrackingError),
        (501, UnsupportedError),
        (502, StoreUnavailableError),
        (503, StoreUnavailableError),
        (504, StoreUnavailableError),
    ],
)
def test_an_answer_that_is_no_error_of_mlflow_is_told_by_its_status(
    status: int, body: bytes, kind: type[TrackingError]
) -> None:
    error = error_of(status, body, server=SERVER)
    assert type(error) is kind
    assert str(error).startswith(f"{SERVER} answered with HTTP status {status}")
    assert "<h" not in str(error)
    assert "<!" not in str(error)


def test_plain_text_of_a_proxy_is_shown_and_not_all_of_it() -> None:
    assert "upstream connect error" in str(error_of(503, b"upstream connect error", server=SERVER))
    assert len(str(error_of(503, b"x" * 100_000, server=SERVER))) < 400


@given(st.integers(400, 599), st.binary(max_size=60))
def test_whatever_a_server_answers_becomes_an_error(status: int, body: bytes) -> None:
    assert str(error_of(status, body, server=SERVER))


def test_every_class_has_a_code_with_a_status() -> None:
    for name in errors.__all__:
        assert getattr(errors, name).error_code in STATUSES
