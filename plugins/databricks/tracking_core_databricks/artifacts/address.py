"""What a `dbfs:` URI names: a workspace, and a place there."""

from __future__ import annotations

import re

import msgspec

from tracking_core.artifacts.paths import check_path
from tracking_core.config import Settings, Uri
from tracking_core.errors import InvalidValueError
from tracking_core_databricks.workspace import WorkspaceName

_FORM = re.compile(r"dbfs:(//(?P<authority>[^/]*))?(?P<path>/.*)?", re.I | re.S)
_TRACKED = "databricks/mlflow-tracking/"
_WORKSPACES = ("databricks", "databricks-uc")
_FORMS = "write dbfs:/PATH or dbfs://PROFILE@databricks/PATH"


class Owner(msgspec.Struct, frozen=True):
    """The run or the logged model whose files they are.

    Attributes:
        identifier: Its id.
        is_model: Whether it is a logged model.
        directory: Below its artifacts; empty for their root.
    """

    identifier: str
    is_model: bool
    directory: str


class Address(msgspec.Struct, frozen=True):
    """What a URI names.

    Attributes:
        workspace: Where it is.
        path: In its file system, without a slash at either end.
        owner: Whose files these are; None: nobody's, so the file system is asked for them.
    """

    workspace: WorkspaceName
    path: str
    owner: Owner | None

    @classmethod
    def of(cls, uri: Uri, settings: Settings) -> Address:
        """Return what a URI names; without a profile, the tracking URI's workspace is meant.

        Raises:
            InvalidValueError: It isn't such a URI.
        """
        match = _FORM.fullmatch(uri.text)
        if match is None:
            raise InvalidValueError(f"{uri} is no place in a workspace's files; {_FORMS}.")
        path = check_path((match["path"] or "").strip("/"), allow_root=True)
        workspace = _workspace(match["authority"] or "", uri, settings)
        return cls(workspace, path, _owner(path, uri))


def _workspace(authority: str, uri: Uri, settings: Settings) -> WorkspaceName:
    profile, at, host = authority.rpartition("@")
    if host not in ("", "databricks") or (at and not profile):
        raise InvalidValueError(f"{uri} names {host!r} where a workspace should stand; {_FORMS}.")
    if profile:
        return WorkspaceName.named(profile, shown=str(uri))
    tracking = Uri.parse(settings.tracking_uri) if settings.tracking_uri else None
    if not authority and tracking is not None and tracking.scheme in _WORKSPACES:
        return WorkspaceName.of(tracking)
    return WorkspaceName()


def _owner(path: str, uri: Uri) -> Owner | None:
    if not f"{path}/".startswith(_TRACKED):
        return None
    parts = path[len(_TRACKED) :].split("/")
    if len(parts) >= 4 and parts[1] == "logged_models" and parts[3] == "artifacts":
        return Owner(parts[2], True, "/".join(parts[4:]))
    if len(parts) >= 3 and parts[2] == "artifacts":
        return Owner(parts[1], False, "/".join(parts[3:]))
    raise InvalidValueError(
        f"{uri} names no run's and no model's artifacts, which alone can be reached below"
        f" dbfs:/{_TRACKED}; write dbfs:/{_TRACKED}EXPERIMENT/RUN/artifacts."
    )
