"""Who one is to a workspace, kept fresh by databricks-sdk."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import requests

from tracking_core.errors import (
    MissingDependencyError,
    PermissionDeniedError,
    StoreUnavailableError,
)

Headers = Callable[[], Mapping[str, str]]

_THEIRS = ("DATABRICKS_", "ARM_", "GOOGLE_", "ACTIONS_")


class Authenticated(msgspec.Struct, frozen=True):
    """What databricks-sdk found.

    Attributes:
        host: The workspace's URL; empty if nothing says it.
        headers: Asked before each request; a token that expires is fetched anew.
    """

    host: str
    headers: Headers


def authenticated(
    *, profile: str | None, file: Path, environment: Mapping[str, str], origin: str
) -> Authenticated:
    """Let databricks-sdk find out who one is.

    Args:
        profile: A profile of the file; None: what the environment says.
        file: Where the profiles are.
        environment: The environment variables.
        origin: Where it comes from, for sentences.

    Raises:
        MissingDependencyError: databricks-sdk isn't installed.
        PermissionDeniedError: It finds nothing, or what it finds doesn't fit.
    """
    stamp = file.stat().st_mtime_ns if profile is not None and file.exists() else 0
    variables = tuple(sorted((k, v) for k, v in environment.items() if k.startswith(_THEIRS)))
    return _authenticated(os.getpid(), profile, file, stamp, variables, origin)


def forget() -> None:
    """Let the next look-up find out anew, as when what was found is refused."""
    _authenticated.cache_clear()


# Each repository of a run's files would fetch a token of its own otherwise; after a fork, both do.
@functools.lru_cache(maxsize=16)
def _authenticated(
    process: int,
    profile: str | None,
    file: Path,
    stamp: int,
    variables: tuple[tuple[str, str], ...],
    origin: str,
) -> Authenticated:
    try:
        # Two seconds, which a personal access token needn't wait.
        from databricks.sdk.config import Config
        from databricks.sdk.oauth import OidcEndpoints
    except ImportError as error:
        raise MissingDependencyError(
            f"{origin} needs databricks-sdk, which can't be imported ({error}); install it:"
            " pip install 'tracking-core[databricks]'."
        ) from error

    Config.attributes()  # finds those of its own class only, and a subclass inherits what it found

    class _Config(Config):  # type: ignore[misc,unused-ignore]
        def _resolve_host_metadata(self) -> None:
            """Ask nobody: without an answer it waits for five minutes."""

        @property
        def databricks_oidc_endpoints(self) -> Any:
            # Those that each workspace has; asked for, an answer is waited for likewise.
            if self.discovery_url or not self.host:
                return super().databricks_oidc_endpoints
            return OidcEndpoints(
                authorization_endpoint=f"{self.host}/oidc/v1/authorize",
                token_endpoint=f"{self.host}/oidc/v1/token",
            )

        def _load_from_env(self) -> None:
            # A profile that was named isn't mixed with what the environment says of another.
            if profile is None:
                super()._load_from_env()  # type: ignore[no-untyped-call]

    arguments: dict[str, Any] = {"config_file": str(file)}
    if profile is not None:
        arguments["profile"] = profile
        arguments["databricks_cli_path"] = dict(variables).get("DATABRICKS_CLI_PATH")
    try:
        config = _Config(**arguments)
    except Exception as error:
        raise PermissionDeniedError(
            f"{origin} doesn't say who you are: {_said(error)}. Give it a token, or a client_id"
            " and a client_secret, or renew it by 'databricks auth login'."
        ) from error

    def headers() -> Mapping[str, str]:
        try:
            found: Mapping[str, str] = config.authenticate()
        except requests.ConnectionError as error:
            raise StoreUnavailableError(
                f"{origin} gets no token, as {config.host} can't be reached; see whether the host"
                " is right."
            ) from error
        except Exception as error:
            raise PermissionDeniedError(
                f"{origin} gets no token: {_said(error)}. Renew it by 'databricks auth"
                " login', or see whether the client's secret still holds."
            ) from error
        return found

    return Authenticated(config.host or "", headers)


def _said(error: Exception) -> str:
    """Return what databricks-sdk says, without the list of its settings at the end."""
    text = str(error).partition(". Config:")[0].strip() or type(error).__name__
    return " ".join(text.split()).rstrip(".")
