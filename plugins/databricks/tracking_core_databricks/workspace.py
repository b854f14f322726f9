"""From a URI to a workspace: its address, and who one is there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

import msgspec

from tracking_core.config import Uri, redact
from tracking_core.errors import InvalidValueError, MissingDependencyError, UnsupportedError
from tracking_core_databricks.authentication import Headers, authenticated
from tracking_core_databricks.profiles import (
    HOW_TO_MAKE_ONE,
    ProfileFile,
    path_of_profiles,
    read_profiles,
)

_IN_A_CLUSTER = "DATABRICKS_RUNTIME_VERSION"
# What of the environment means a workspace; ARM_CLIENT_ID and its like have other uses too.
_MEANT = (
    "DATABRICKS_HOST",
    "DATABRICKS_TOKEN",
    "DATABRICKS_CLIENT_ID",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_AZURE_RESOURCE_ID",
    "DATABRICKS_METADATA_SERVICE_URL",
)
_HOST = re.compile(r"(?P<scheme>https?)://(?P<place>[^/?#@\s]+)([/?#]\S*)?")


class WorkspaceName(msgspec.Struct, frozen=True):
    """Which workspace is meant; nothing was looked up yet.

    Attributes:
        profile: The profile that was named; None: the environment or the default says.
        scope: A secret scope, inside of a cluster.
        prefix: What its keys begin with.
    """

    profile: str | None = None
    scope: str | None = None
    prefix: str | None = None

    @classmethod
    def of(cls, uri: Uri) -> WorkspaceName:
        """Return what `databricks`, `databricks://PROFILE` or `databricks://SCOPE:PREFIX` means.

        Raises:
            InvalidValueError: It has another form.
            UnsupportedError: It means a secret scope, and this is no cluster.
        """
        head, separator, rest = uri.text.partition("://")
        if separator and "/" in rest.strip("/"):
            raise InvalidValueError(
                f"{uri} has a path, which no workspace's URI has; write {uri.scheme} or"
                f" {uri.scheme}://PROFILE."
            )
        if not separator and head.lower() != uri.scheme:
            raise InvalidValueError(
                f"{uri} isn't the URI of a workspace; write {uri.scheme} or {uri.scheme}://PROFILE."
            )
        return cls.named(rest.strip("/"), shown=str(uri))

    @classmethod
    def named(cls, name: str, *, shown: str) -> WorkspaceName:
        """Return what PROFILE or SCOPE:PREFIX means; empty: whatever is the default.

        Raises:
            UnsupportedError: It means a secret scope, and this is no cluster.
        """
        scope, colon, prefix = name.partition(":")
        if not colon:
            return cls(profile=name or None)
        if not (scope and prefix):
            raise InvalidValueError(
                f"{shown} names half of a secret scope and its prefix; write databricks://PROFILE,"
                " or databricks://SCOPE:PREFIX inside of a cluster."
            )
        if _IN_A_CLUSTER not in os.environ:
            raise UnsupportedError(
                f"{shown} keeps its address and token in the secret scope {scope!r}, which can be"
                " read inside of a Databricks cluster only; elsewhere write databricks://PROFILE"
                f" with a profile that {HOW_TO_MAKE_ONE} makes."
            )
        return cls(scope=scope, prefix=prefix)


class Workspace(msgspec.Struct, frozen=True):
    """A workspace, and who one is there.

    Attributes:
        host: Its URL, without a path.
        headers: Asked before each request.
        origin: Where this stands, as the subject of a sentence.
        renewal: How who one is, is renewed, as the end of a sentence.
    """

    host: str
    headers: Headers
    origin: str
    renewal: str


def find_workspace(name: WorkspaceName, environment: Mapping[str, str]) -> Workspace:
    """Look up a workspace: nothing is sent, unless databricks-sdk has to fetch a token.

    A profile that is named wins, then DATABRICKS_CONFIG_PROFILE, then what the environment says,
    then the file's default. What comes from one isn't mixed with what comes from another.

    Raises:
        NotFoundError: There is no such profile.
        InvalidValueError: Nothing says which workspace, or its address is none.
        PermissionDeniedError: Nothing says who one is.
    """
    if name.scope is not None:
        return _of_secrets(name.scope, name.prefix or "")
    path = path_of_profiles(environment)
    profile = name.profile or environment.get("DATABRICKS_CONFIG_PROFILE")
    if profile is None and any(environment.get(each) for each in _MEANT):
        return _of_environment(environment)
    file = read_profiles(path)
    profile = profile or file.default_name
    if profile is not None:
        return _of_profile(profile, file, environment)
    if _IN_A_CLUSTER in environment:
        return _of_environment(environment)
    raise InvalidValueError(
        "Nothing says which Databricks workspace is meant: set DATABRICKS_HOST and"
        " DATABRICKS_TOKEN (or DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET), or make a"
        f" profile in {path} by {HOW_TO_MAKE_ONE}, and name it as in databricks://NAME."
    )


def _of_profile(name: str, file: ProfileFile, environment: Mapping[str, str]) -> Workspace:
    fields = file.profile(name)
    origin = f"The profile {name!r} of {file.path}"
    renewal = f"renew it by 'databricks auth login --profile {name}' or 'databricks configure"
    renewal += f" --profile {name}'"
    needs_no_host = "azure_workspace_resource_id" in fields
    if not fields.get("host") and not needs_no_host:
        raise InvalidValueError(
            f"{origin} has no host; write host = https://WORKSPACE into it, or make it anew by"
            f" 'databricks configure --profile {name}'."
        )
    host = fields.get("host", "")
    if _is_plain(fields.get("token"), fields.get("auth_type")) and host:
        headers = _bearer(fields["token"])
    else:
        found = authenticated(profile=name, file=file.path, environment=environment, origin=origin)
        host, headers = found.host, found.headers
    headers = _with_workspace(headers, fields.get("workspace_id"))
    return Workspace(_address(host, origin), headers, origin, renewal)


def _of_environment(environment: Mapping[str, str]) -> Workspace:
    origin = "The environment"
    renewal = "renew what DATABRICKS_TOKEN or DATABRICKS_CLIENT_SECRET holds"
    host, token = environment.get("DATABRICKS_HOST", ""), environment.get("DATABRICKS_TOKEN")
    may_lack_it = (
        "DATABRICKS_AZURE_RESOURCE_ID",
        "DATABRICKS_METADATA_SERVICE_URL",
        _IN_A_CLUSTER,
    )
    if not host and not any(environment.get(each) for each in may_lack_it):
        given = ", ".join(each for each in _MEANT if environment.get(each))
        raise InvalidValueError(
            f"The environment has {given}, but no DATABRICKS_HOST; set it to https://WORKSPACE, or"
            " name a profile as in databricks://NAME."
        )
    if _is_plain(token, environment.get("DATABRICKS_AUTH_TYPE")) and host:
        headers = _bearer(token or "")
    else:
        found = authenticated(
            profile=None,
            file=path_of_profiles(environment),
            environment=environment,
            origin=origin,
        )
        host, headers = found.host, found.headers
    identifier = environment.get("DATABRICKS_WORKSPACE_ID")
    return Workspace(_address(host, origin), _with_workspace(headers, identifier), origin, renewal)


def _of_secrets(scope: str, prefix: str) -> Workspace:
    origin = f"The secret scope {scope!r}"
    read = _secrets()
    host, token = read(scope, f"{prefix}-host"), read(scope, f"{prefix}-token")
    renewal = f"renew it by 'databricks secrets put-secret {scope} {prefix}-token'"
    return Workspace(_address(host, origin), _bearer(token), origin, renewal)


def _secrets() -> Callable[[str, str], str]:
    try:
        # It exists inside of a cluster only.
        from databricks.sdk.runtime import dbutils
    except Exception as error:
        raise MissingDependencyError(
            f"The secrets of this cluster can't be read ({error}); write databricks://PROFILE."
        ) from error
    return lambda scope, key: str(dbutils.secrets.get(scope=scope, key=key))


def _is_plain(token: str | None, kind: str | None) -> bool:
    """Tell whether a token is used as it stands, so that databricks-sdk isn't needed."""
    return bool(token) and (kind or "pat") == "pat"


def _bearer(token: str) -> Headers:
    header = {"Authorization": f"Bearer {token.strip()}"}
    return lambda: header


def _with_workspace(headers: Headers, identifier: str | None) -> Headers:
    """Return headers that also say which of several workspaces at one address is meant."""
    if not identifier:
        return headers
    return lambda: {**headers(), "X-Databricks-Workspace-Id": identifier}


def _address(host: str, origin: str) -> str:
    text = host.strip() if "://" in host else f"https://{host.strip()}"
    found = _HOST.fullmatch(text)
    if found is None:
        raise InvalidValueError(
            f"{origin} has the host {redact(text)!r}, which is no address; write https://WORKSPACE."
        )
    return f"{found['scheme']}://{found['place']}"
