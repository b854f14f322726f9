"""Errors to HTTP and back: MLflow's codes, their statuses, and the body that says them."""

from __future__ import annotations

import inspect

import msgspec

from tracking_core import errors
from tracking_core.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptDataError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    PluginError,
    StoreUnavailableError,
    TrackingError,
    UnsupportedError,
)

# MLflow's table, mlflow/exceptions.py; a code that isn't here is a fault of the server.
STATUSES = {
    "BAD_REQUEST": 400,
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "CUSTOMER_UNAUTHORIZED": 401,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "ENDPOINT_NOT_FOUND": 404,
    "NOT_FOUND": 404,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_CONFLICT": 409,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "RESOURCE_EXHAUSTED": 429,
    "DATA_LOSS": 500,
    "INTERNAL_ERROR": 500,
    "INVALID_STATE": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

_BY_CODE: dict[str, type[TrackingError]] = {
    "ALREADY_EXISTS": AlreadyExistsError,
    "BAD_REQUEST": InvalidValueError,
    "CUSTOMER_UNAUTHORIZED": PermissionDeniedError,
    "DATA_LOSS": CorruptDataError,
    "DEADLINE_EXCEEDED": StoreUnavailableError,
    "ENDPOINT_NOT_FOUND": UnsupportedError,
    "INVALID_PARAMETER_VALUE": InvalidValueError,
    "INVALID_STATE": InvalidStateError,
    "NOT_FOUND": NotFoundError,
    "NOT_IMPLEMENTED": UnsupportedError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "REQUEST_LIMIT_EXCEEDED": StoreUnavailableError,
    "RESOURCE_ALREADY_EXISTS": AlreadyExistsError,
    "RESOURCE_CONFLICT": ConflictError,
    "RESOURCE_DOES_NOT_EXIST": NotFoundError,
    "RESOURCE_EXHAUSTED": StoreUnavailableError,
    "TEMPORARILY_UNAVAILABLE": StoreUnavailableError,
    "UNAUTHENTICATED": PermissionDeniedError,
}

_BY_STATUS: dict[int, type[TrackingError]] = {
    400: InvalidValueError,
    401: PermissionDeniedError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidValueError,
    501: UnsupportedError,
}

# Those that a sentence is enough to make; a plugin's faults are the server's own affair.
_BY_NAME: dict[str, type[TrackingError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind)
    and issubclass(kind, TrackingError)
    and not issubclass(kind, PluginError)
    and kind is not errors.FilterSyntaxError
}


class ErrorBody(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What an answer that isn't one says.

    Attributes:
        error_code: MLflow's; no code is a default here, for a default isn't sent.
        message: A sentence.
        kind: The class of `tracking_core.errors`, which tells more than the code; other servers
            don't send it, other clients don't read it.
    """

    error_code: str = ""
    message: str = ""
    kind: str | None = msgspec.field(default=None, name="tracking_error")


# What stock servers say of a second value for a param, and of what is deleted: MLflow over a
# database and over files, which calls some of it an internal error; FastTrackML.
_CONFLICTS = ("Changing param values is not allowed", "conflicting params found")
_STATES = (
    "must be in the 'active' state",
    "must be in 'active' state",
    "must be in 'active' lifecycle_stage",
    "under non-active experiment",
)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ErrorBody)


def status_of(error: TrackingError) -> int:
    """Return the HTTP status that goes with an error."""
    return STATUSES.get(error.error_code, 500)


def body_of(error: TrackingError) -> bytes:
    """Return the JSON that tells an error."""
    kind = next((k.__name__ for k in type(error).__mro__ if _BY_NAME.get(k.__name__) is k), None)
    # A backend's sentence may name what can't be written, such as a file's name that isn't Unicode.
    message = str(error).encode(errors="backslashreplace").decode()
    return _encoder.encode(
        ErrorBody(error_code=error.error_code, message=message or kind or "", kind=kind)
    )


def plain_body(error_code: str, message: str) -> bytes:
    """Return the JSON of an error that has no class of its own."""
    return _encoder.encode(ErrorBody(error_code=error_code, message=message))


def error_of(status: int, body: bytes, *, server: str) -> TrackingError:
    """Return the error that an answer tells.

    Args:
        status: The HTTP status, 400 or more.
        body: What came with it.
        server: Who said it, for the sentence; without its password.
    """
    try:
        told = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = ErrorBody()
    if not told.message:
        shown = body[:200].decode(errors="replace").strip()
        what = f": {shown}" if shown and not shown.startswith("<") else ""
        kind = _BY_STATUS.get(status) or (
            StoreUnavailableError if status in (429, 502, 503, 504) else TrackingError
        )
        return kind(f"{server} answered with HTTP status {status}{what}.")
    if told.kind in _BY_NAME:
        return _BY_NAME[told.kind](told.message)
    if status == 401:
        return PermissionDeniedError(
            f"{server} doesn't know who asks ({told.message}); give a user name and password, or a"
            " token, that it accepts."
        )
    kind = _BY_CODE.get(told.error_code) or _BY_STATUS.get(status, TrackingError)
    return _told_by_sentence(kind, told.message)(told.message)


def _told_by_sentence(kind: type[TrackingError], message: str) -> type[TrackingError]:
    """Return the class that a stock server's sentence means, which has one code for several."""
    if any(sentence in message for sentence in _CONFLICTS):
        return ConflictError
    if any(sentence in message for sentence in _STATES):
        return InvalidStateError
    return kind
