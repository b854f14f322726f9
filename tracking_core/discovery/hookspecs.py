"""The hooks: what a plugin can be asked. A plugin is a module with some of these functions.

A plugin module is imported to ask it, so it should import nothing but `tracking_core.discovery`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pluggy

from tracking_core.config import Settings
from tracking_core.discovery.specs import ArtifactRepositorySpec, BackendSpec, CommandSpec

PROJECT_NAME = "tracking_core"
"""Pluggy's name for the project, and the group of the entry points."""

BACKENDS = "tracking_backends"
ARTIFACT_REPOSITORIES = "tracking_artifact_repositories"
RUN_CONTEXT_TAGS = "tracking_run_context_tags"
COMMANDS = "tracking_commands"
REQUEST_HEADERS = "tracking_request_headers"
REQUEST_AUTH = "tracking_request_auth"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


@hookspec
def tracking_backends() -> Sequence[BackendSpec]:  # type: ignore[empty-body]
    """Announce backend stores."""


@hookspec
def tracking_artifact_repositories() -> Sequence[ArtifactRepositorySpec]:  # type: ignore[empty-body]
    """Announce artifact repositories."""


@hookspec
def tracking_run_context_tags(settings: Settings) -> Mapping[str, str]:  # type: ignore[empty-body]
    """Return tags that say where a run comes from, for every run that starts here.

    Called once for each run, and must be quick. Plugins win over the built-in tags; of two plugins
    the one whose name sorts last wins.
    """


@hookspec
def tracking_commands() -> Sequence[CommandSpec]:  # type: ignore[empty-body]
    """Announce commands of `tracking`."""


@hookspec
def tracking_request_headers(uri: str, settings: Settings) -> Mapping[str, str]:  # type: ignore[empty-body]
    """Return headers for a request to a tracking server, `uri` without its password.

    Called for each request, and must be quick. Of two plugins that give one header, the one whose
    name sorts last wins.
    """


@hookspec
def tracking_request_auth(uri: str, settings: Settings) -> object | None:
    """Return a `requests.auth.AuthBase` that signs the requests to a tracking server, or None.

    Called once for each server that a client opens. The setting `http_auth` names the plugin that
    is asked; without it, the first that returns something counts.
    """
