"""A server that isn't ours: how it is asked, and what it can't be asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from tracking_core.errors import (
    InvalidValueError,
    NotFoundError,
    UnsupportedError,
)
from tracking_core.stores import Capability, Limits
from tracking_core.stores.validation import shown
from tracking_core.wire.endpoints import Endpoint, logged_models
from tracking_core.wire.messages.base import Message
from tracking_core.wire.messages.logged_models import LoggedModelsFound, SearchLoggedModels
from tracking_core_rest.connection import ServerConnection

M = TypeVar("M", bound=Message)

STOCK_LIMITS = Limits(
    param_value_length=6_000, tag_value_length=8_000, experiment_tag_value_length=5_000
)
"""What stock servers would cut; releases from 3.11 on take longer tags of experiments, 2.x don't.

Source: mlflow/utils/validation.py of MLflow 2.22 and 3.17.
"""

_FIRST_WITH_LOGGED_MODELS = (3,)


class StockServer:
    """A server that speaks MLflow's REST API and nothing else.

    Args:
        connection: The way to it.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self._has_logged_models: bool | None = None

    @property
    def version(self) -> tuple[int, ...]:
        """The version of MLflow that it speaks; empty if it doesn't say."""
        version = self._connection.version()
        # Before 1.0 there was no such API: it is the version of something else.
        return version if version >= (1,) else ()

    def send(
        self, endpoint: Endpoint, request: Message, kind: type[M], *, repeatable: bool | None = None
    ) -> M:
        """Call an endpoint and return its answer.

        Raises:
            UnsupportedError: The server hasn't got the call.
            TrackingError: What the server answers, or that it can't be reached.
        """
        try:
            return self._connection.send(endpoint, request, kind, repeatable=repeatable)
        except UnsupportedError as error:
            # What it says is often but 'Not found'.
            raise UnsupportedError(
                f"The server {self._described()} can't answer the call {endpoint.name}: {error}"
            ) from error

    def has_logged_models(self) -> bool:
        """Tell whether it has logged models, which a server that doesn't say its version is asked.

        Raises:
            StoreUnavailableError: It can't be reached.
        """
        if self._has_logged_models is None:
            version = self.version
            self._has_logged_models = (
                version >= _FIRST_WITH_LOGGED_MODELS if version else self._answers_about_models()
            )
        return self._has_logged_models

    def unsupported(self, to: str, *, lacks: Capability | None = None) -> UnsupportedError:
        """Return the error that says what the server can't do.

        Args:
            to: What it can't, as the end of a sentence: `"keep the given run id"`.
            lacks: The capability that it would take, if it is one's.
        """
        why = "MLflow's REST API has no call for that"
        if lacks is not None:
            why = f"it lacks the capability {lacks}"
        return UnsupportedError(f"The server {self._described()} can't {to}: {why}.")

    def too_old(self, to: str) -> UnsupportedError:
        """Return the error that says what this release can't do, but later ones can."""
        return UnsupportedError(
            f"The server {self._described()} can't {to}: releases of MLflow after it can."
        )

    def _described(self) -> str:
        version = ".".join(map(str, self.version))
        return f"{self._connection.shown} (MLflow {version})" if version else self._connection.shown

    def _answers_about_models(self) -> bool:
        question = SearchLoggedModels(experiment_ids=("0",), max_results=1)
        try:
            self.send(logged_models.SEARCH, question, LoggedModelsFound)
        except (NotFoundError, UnsupportedError):
            return False
        except InvalidValueError:
            # It understood the call, and knows no such experiment.
            return True
        return True


def check_lengths(values: Iterable[tuple[str, str]], limit: int | None, *, what: str) -> None:
    """Check that no value is longer than a stock server keeps; it would cut it in silence.

    Args:
        values: Keys and values.
        limit: The longest value that is kept whole, in characters.
        what: What has the value: `"param"`.

    Raises:
        InvalidValueError: One is longer.
    """
    for key, value in values:
        if limit is not None and len(value) > limit:
            raise InvalidValueError(
                f"The value of the {what} {shown(key)} has {len(value)} characters; this server"
                f" keeps at most {limit}."
            )
