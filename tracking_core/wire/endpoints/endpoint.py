"""What an endpoint is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from tracking_core.errors import InvalidValueError
from tracking_core.stores import Facet
from tracking_core.wire.messages.base import Message

PREFIX = "/api/2.0/mlflow"

Method = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table: one call of MLflow's REST API.

    Attributes:
        name: MLflow's name of the call; two methods of one call share it.
        method: The HTTP method.
        path: With `{field}` where a part of it is a field of the request.
        request: What is asked.
        response: What is answered.
        facet: Who answers; None: the server itself, as for artifacts.
        answer: The call that it makes of the facet.
        writes: Whether it changes anything.
        repeatable: Whether it may be sent again when its answer was lost.
    """

    name: str
    method: Method
    path: str
    request: type[Message]
    response: type[Message]
    facet: type[Facet] | None = None
    answer: Callable[[Any, Any], Message] | None = None
    writes: bool = False
    repeatable: bool = True


def named_run(request: Any) -> str:
    """Return the id of the run that a request names, in `run_id` or as old clients do.

    Raises:
        InvalidValueError: It names none.
    """
    run_id: str | None = request.run_id or request.run_uuid
    if not run_id:
        raise InvalidValueError(
            "Missing value for required parameter 'run_id'. See the API docs for more information"
            " about request parameters."
        )
    return run_id


def page_size(asked: int | None, *, usual: int, most: int) -> int:
    """Return how many results a page holds.

    Raises:
        InvalidValueError: More are asked for than there may be, or none.
    """
    if asked is None:
        return usual
    if not 1 <= asked <= most:
        raise InvalidValueError(
            f"Invalid value {asked} for parameter 'max_results' supplied: it must be from 1 to"
            f" {most}."
        )
    return asked
