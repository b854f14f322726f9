"""`runs:/` and `models:/` URIs: what they name, without asking a store."""

from __future__ import annotations

import re

import msgspec

from tracking_core.artifacts.paths import check_path
from tracking_core.entities import ModelVersionStage
from tracking_core.errors import InvalidValueError

_RUNS_FORM = "write runs:/RUN_ID/path/in/the/artifacts"
_MODELS_FORM = (
    "write models:/NAME/VERSION, models:/NAME/STAGE, models:/NAME/latest, models:/NAME@ALIAS or"
    " models:/m-ID"
)
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_RUN_ID = re.compile(r"[A-Za-z0-9][\w\-]{0,255}", re.ASCII)
_ALIAS = re.compile(r"[\w\-]+")
_LATEST = "latest"
_STAGES = {stage.value.lower(): stage for stage in ModelVersionStage}


class RunReference(msgspec.Struct, frozen=True):
    """What a `runs:/` URI names; `str` gives the URI.

    Attributes:
        run_id: The run.
        path: An artifact of it; empty for all.
        authority: What stands before: `profile@databricks`, say. Empty: the tracking store in use.
    """

    run_id: str
    path: str = ""
    authority: str = ""

    def __str__(self) -> str:
        return _joined("runs", self.authority, self.run_id, self.path)


class ModelReference(msgspec.Struct, frozen=True, kw_only=True):
    """What a `models:/` URI names; `str` gives the URI.

    Either a logged model (`model_id`), or a registered one (`name`) and one of `version`, `stage`,
    `alias` and `latest`.

    Attributes:
        model_id: A logged model.
        name: A registered model.
        version: Its version of this number.
        stage: Its newest version in this stage.
        alias: Its version of this alias.
        latest: Its newest version.
        path: A file or directory of the model; empty for all.
        authority: As in RunReference, for the registry.
    """

    model_id: str | None = None
    name: str | None = None
    version: int | None = None
    stage: ModelVersionStage | None = None
    alias: str | None = None
    latest: bool = False
    path: str = ""
    authority: str = ""

    def __str__(self) -> str:
        if self.model_id is not None:
            return _joined("models", self.authority, self.model_id, self.path)
        if self.alias is not None:
            named = f"{self.name}@{self.alias}"
        else:
            named = f"{self.name}/{_LATEST if self.latest else self.version or self.stage}"
        return _joined("models", self.authority, named, self.path)


def is_reference(uri: str) -> bool:
    """Tell whether a URI is one of these two, so that a store has to say where it leads."""
    return uri.partition(":")[0].lower() in ("runs", "models")


def parse_runs_uri(uri: str) -> RunReference:
    """Parse `runs:/RUN_ID/path`, also `runs://profile@databricks/RUN_ID/path`.

    The path is taken literally, `?`, `#` and `%` included.

    Raises:
        InvalidValueError: It has another form.
    """
    authority, run_id, path = _split(uri, "runs", _RUNS_FORM)
    if not _RUN_ID.fullmatch(run_id):
        raise InvalidValueError(f"The URI {uri!r} names no run ({run_id!r}); {_RUNS_FORM}.")
    return RunReference(run_id, path, authority)


def parse_models_uri(uri: str) -> ModelReference:
    """Parse the URI of a registered or a logged model, with a path in the model or without.

    In `NAME@ALIAS` the last `@` counts; therefore a model with `@` in its name can only be named
    by an alias.

    Raises:
        InvalidValueError: It has another form.
    """
    authority, first, rest = _split(uri, "models", _MODELS_FORM)
    if _MODEL_ID.fullmatch(first) or (first.startswith("m-") and not rest and "@" not in first):
        return ModelReference(model_id=first, path=rest, authority=authority)
    if "@" in first:
        name, _, alias = first.rpartition("@")
        if not (name and _ALIAS.fullmatch(alias)):
            raise InvalidValueError(
                f"The URI {uri!r} has no name before the '@', or no alias after it; {_MODELS_FORM}."
            )
        return ModelReference(name=name, alias=alias, path=rest, authority=authority)
    which, _, path = rest.partition("/")
    if not which:
        raise InvalidValueError(
            f"The URI {uri!r} doesn't say which version of {first!r}; {_MODELS_FORM}."
        )
    found = ModelReference(name=first, path=path, authority=authority)
    if which.isascii() and which.isdigit() and int(which) > 0:
        return msgspec.structs.replace(found, version=int(which))
    if which.lower() == _LATEST:
        return msgspec.structs.replace(found, latest=True)
    if which.lower() in _STAGES:
        return msgspec.structs.replace(found, stage=_STAGES[which.lower()])
    raise InvalidValueError(
        f"The URI {uri!r} asks for {which!r} of {first!r}, which is neither a version (1, 2, ...)"
        f" nor a stage ({', '.join(_STAGES.values())}) nor 'latest'; for an alias write"
        f" models:/{first}@{which}."
    )


def _split(uri: str, scheme: str, form: str) -> tuple[str, str, str]:
    """Return authority, first part and path."""
    if not isinstance(uri, str):
        raise InvalidValueError(
            f"The URI {uri!r} is of type {type(uri).__name__}; give a string: {form}."
        )
    found, colon, rest = uri.partition(":")
    if not colon or found.lower() != scheme:
        raise InvalidValueError(f"{uri!r} is no {scheme}:/ URI; {form}.")
    authority = ""
    if rest.startswith("//"):
        authority, _, rest = rest[2:].partition("/")
    elif rest.startswith("/"):
        rest = rest[1:]
    else:
        raise InvalidValueError(f"The URI {uri!r} has no slash after {scheme}:; {form}.")
    first, slash, path = rest.partition("/")
    if not first:
        raise InvalidValueError(f"The URI {uri!r} names nothing; {form}.")
    if slash and not path and scheme == "models":
        raise InvalidValueError(f"The URI {uri!r} ends with a slash; {form}.")
    try:
        check_path(first)
        # `runs:/ID/model/` is written a lot, and can mean one thing only.
        path = check_path(path[:-1] if path.endswith("/") else path, allow_root=True)
    except InvalidValueError as error:
        raise InvalidValueError(f"In the URI {uri!r}: {error}") from error
    return authority, first, path


def _joined(scheme: str, authority: str, first: str, path: str) -> str:
    head = f"{scheme}://{authority}/" if authority else f"{scheme}:/"
    return f"{head}{first}/{path}" if path else head + first
