"""The rules for names, keys, values and ids: MLflow's, in one place.

The request structs of `tracking_core.stores` check themselves when they are made, so a store never
sees an invalid one. What a store gets as a bare argument (an id, a key, an alias) it checks with
the functions here.

Source: mlflow/utils/validation.py of MLflow 3.17, without its limits on the length of values, which
are a backend's own (`Limits`).
"""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from tracking_core.config import redact
from tracking_core.entities import RunInputs, RunOutputs
from tracking_core.errors import InvalidValueError

MAX_KEY_LENGTH = 250
MAX_NAME_LENGTH = 500
MAX_ALIAS_LENGTH = 255
MIN_INT64 = -(2**63)
MAX_INT64 = 2**63 - 1

_KEY = re.compile(r"[/\w.\- :]*")
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}", re.ASCII)
_EXPERIMENT_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,63}", re.ASCII)
_ALIAS = re.compile(r"[\w\-]+")
_VERSION_LIKE_ALIAS = re.compile(r"v\d+", re.IGNORECASE)


def shown(value: object, *, limit: int = 80) -> str:
    """Return the repr of a value, shortened, for use in a sentence."""
    text = repr(value)
    if len(text) <= limit:
        return text
    quote = text[0] if text[0] in "'\"" else ""
    return f"{text[: limit - 1]}…{quote}"


def check_text(value: object, *, what: str) -> str:
    """Check that a value is text that every store can hold: no NUL, no lone surrogates.

    Raises:
        InvalidValueError: It isn't.
    """
    if not isinstance(value, str):
        raise InvalidValueError(
            f"The {what} {shown(value)} is of type {type(value).__name__}; give a string."
        )
    if "\0" in value:
        raise InvalidValueError(f"The {what} {shown(value)} holds a NUL character; leave it out.")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise InvalidValueError(
                f"The {what} {shown(value)} holds a lone surrogate, which isn't valid Unicode."
            ) from None
    return value


@functools.lru_cache(maxsize=8192)
def _check_key(key: str, what: str) -> str:
    check_text(key, what=what)
    if not key:
        raise InvalidValueError(f"The {what} is empty; give it a name.")
    if len(key) > MAX_KEY_LENGTH:
        raise InvalidValueError(
            f"The {what} {shown(key)} has {len(key)} characters; at most"
            f" {MAX_KEY_LENGTH} are allowed."
        )
    if not _KEY.fullmatch(key):
        bad = next(character for character in key if not _KEY.fullmatch(character))
        raise InvalidValueError(
            f"The {what} {shown(key)} holds {bad!r}; allowed are letters, digits, underscores,"
            " dashes, periods, spaces, colons and slashes."
        )
    if key != posixpath.normpath(key) or key == "." or key.startswith(("..", "/")):
        raise InvalidValueError(
            f"The {what} {shown(key)} can't be a file's path, which some stores make of it:"
            " leave out leading, doubled and trailing slashes and the parts '.' and '..'."
        )
    return key


def check_key(key: object, *, what: str) -> str:
    """Check the key of a metric, param or tag (`what` says which, as in `"metric key"`).

    Raises:
        InvalidValueError: It is empty, too long, or holds what a key may not hold.
    """
    if not isinstance(key, str):
        return check_text(key, what=what)
    return _check_key(key, what)


def check_run_id(run_id: object) -> str:
    """Check the form of a run id.

    Raises:
        InvalidValueError: No run can have this id.
    """
    return _check_id(run_id, _RUN_ID, what="run id", longest=256)


def check_experiment_id(experiment_id: object) -> str:
    """Check the form of an experiment id.

    Raises:
        InvalidValueError: No experiment can have this id.
    """
    return _check_id(experiment_id, _EXPERIMENT_ID, what="experiment id", longest=64)


def check_model_id(model_id: object) -> str:
    """Check the form of a logged model's id.

    Raises:
        InvalidValueError: No logged model can have this id.
    """
    return _check_id(model_id, _RUN_ID, what="model id", longest=256)


def _check_id(value: object, pattern: re.Pattern[str], *, what: str, longest: int) -> str:
    if not isinstance(value, str):
        raise InvalidValueError(
            f"The {what} {shown(value)} is of type {type(value).__name__}; give a string."
        )
    if not pattern.fullmatch(value):
        raise InvalidValueError(
            f"The {what} {shown(value)} is not valid: it must be 1 to {longest} letters, digits,"
            " underscores or dashes, and begin with a letter or digit."
        )
    return value


def check_experiment_name(name: object) -> str:
    """Check an experiment's name.

    Raises:
        InvalidValueError: It is empty, blank or longer than 500 characters.
    """
    return _check_name(name, what="experiment name")


def check_run_name(name: object) -> str:
    """Check a run's name.

    Raises:
        InvalidValueError: It is not text, or longer than 500 characters.
    """
    name = check_text(name, what="run name")
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidValueError(
            f"The run name {shown(name)} has {len(name)} characters; at most"
            f" {MAX_NAME_LENGTH} are allowed."
        )
    return name


def check_registered_model_name(name: object) -> str:
    """Check a registered model's name.

    Raises:
        InvalidValueError: It is empty, too long, or holds a slash or a colon, which
            `models:/` URIs need.
    """
    name = _check_name(name, what="registered model name")
    if "/" in name or ":" in name or name in (".", ".."):
        raise InvalidValueError(
            f"The registered model name {shown(name)} may hold no slash or colon, and not be '.'"
            " or '..', because models:/NAME/VERSION must be readable."
        )
    return name


def check_logged_model_name(name: object) -> str:
    """Check a logged model's name.

    Raises:
        InvalidValueError: It is empty, too long, or holds one of `/ : . % " '`.
    """
    name = _check_name(name, what="logged model name")
    for bad in "/:.%\"'":
        if bad in name:
            raise InvalidValueError(
                f"The logged model name {shown(name)} holds {bad!r}; leave out slashes, colons,"
                " periods, percent signs and quotes."
            )
    return name


def _check_name(name: object, *, what: str) -> str:
    name = check_text(name, what=what)
    if not name.strip():
        raise InvalidValueError(f"The {what} is empty; give it a name.")
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidValueError(
            f"The {what} {shown(name)} has {len(name)} characters; at most"
            f" {MAX_NAME_LENGTH} are allowed."
        )
    return name


def check_alias(alias: object) -> str:
    """Check a model version's alias.

    Raises:
        InvalidValueError: It is empty, too long, looks like a version, is `latest`, or holds other
            characters than letters, digits, underscores and dashes.
    """
    alias = check_text(alias, what="alias")
    if not _ALIAS.fullmatch(alias) or len(alias) > MAX_ALIAS_LENGTH:
        raise InvalidValueError(
            f"The alias {shown(alias)} must be 1 to {MAX_ALIAS_LENGTH} letters, digits,"
            " underscores or dashes."
        )
    if alias.lower() == "latest" or _VERSION_LIKE_ALIAS.fullmatch(alias):
        raise InvalidValueError(
            f"The alias {alias!r} is reserved: 'latest' and v followed by digits mean versions."
        )
    return alias


def check_version(version: object) -> int:
    """Check a model version's number; digits as text are taken too, as MLflow's clients send them.

    Raises:
        InvalidValueError: It isn't a whole number from 1.
    """
    if isinstance(version, str) and version.isascii() and version.isdigit():
        version = int(version)
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= MAX_INT64:
        raise InvalidValueError(f"The model version {shown(version)} is not a whole number from 1.")
    return version


def check_artifact_location(location: object) -> str:
    """Check the artifact root of an experiment.

    Raises:
        InvalidValueError: It is empty, too long, has a fragment or query, or is a `runs:/` URI.
    """
    location = check_text(location, what="artifact location")
    if not location.strip() or len(location) > 2048:
        raise InvalidValueError(
            f"The artifact location {shown(redact(location))} must have 1 to 2048 characters."
        )
    scheme = location.partition(":")[0].lower()
    if scheme in ("runs", "models"):
        raise InvalidValueError(
            f"The artifact location {shown(redact(location))} points into a store; give the address"
            " of a directory or bucket."
        )
    if "://" in location and ("#" in location or "?" in location):
        raise InvalidValueError(
            f"The artifact location {shown(redact(location))} may have no query and no fragment:"
            " credentials and options belong in the environment or the configuration file."
        )
    return location


def check_tags(tags: object, *, what: str = "tag") -> dict[str, str]:
    """Check a mapping of tags or params and return it as a dict of text.

    Raises:
        InvalidValueError: It isn't a mapping, or a key or value of it isn't allowed.
    """
    if not isinstance(tags, Mapping):
        raise InvalidValueError(f"The {what}s {shown(tags)} must be a mapping of key to text.")
    for key, value in tags.items():
        check_key(key, what=f"{what} key")
        check_text(value, what=f"value of {what} {shown(key)}")
    return dict(tags)


def check_int64(value: object, *, what: str) -> int:
    """Check that a value is a whole number of 64 bits.

    Raises:
        InvalidValueError: It isn't.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValueError(f"The {what} {shown(value)} is not a whole number.")
    if not MIN_INT64 <= value <= MAX_INT64:
        raise InvalidValueError(f"The {what} {shown(value)} doesn't fit into 64 bits.")
    return value


def check_timestamp(value: object, *, what: str = "timestamp") -> int:
    """Check that a value is a time in milliseconds since the epoch.

    Raises:
        InvalidValueError: It isn't a whole number, or is negative.
    """
    value = check_int64(value, what=what)
    if value < 0:
        raise InvalidValueError(
            f"The {what} {value} is negative; give milliseconds since 1970-01-01 UTC."
        )
    return value


def check_metric_value(value: Any, *, key: str) -> float:
    """Return a metric's value as a float; numpy and tensor scalars are taken.

    Raises:
        InvalidValueError: It isn't a number.
    """
    if type(value) is float:
        return value
    if isinstance(value, (bool, str, bytes)) or value is None:
        raise InvalidValueError(
            f"The value {shown(value)} of metric {key!r} is of type"
            f" {type(value).__name__}; give a number."
        )
    try:
        return float(value)
    except OverflowError:
        raise InvalidValueError(
            f"The value {shown(value)} of metric {key!r} is too large for a 64-bit float."
        ) from None
    except Exception as error:
        raise InvalidValueError(
            f"The value {shown(value)} of metric {key!r} is not a number: {error}."
        ) from error


def check_inputs(inputs: RunInputs) -> RunInputs:
    """Check the data sets and models that a run read.

    Raises:
        InvalidValueError: A data set has no name or digest, a text can't be stored, or a model's id
            can't be one.
    """
    for used in inputs.dataset_inputs:
        dataset = used.dataset
        for name in ("name", "digest", "source_type", "source", "schema", "profile"):
            text = getattr(dataset, name)
            if text is None and name in ("schema", "profile"):
                continue
            what = f"data set's {name.replace('_', ' ')}"
            if not check_text(text, what=what) and name in ("name", "digest"):
                raise InvalidValueError(f"The {what} is empty; a data set has a name and a digest.")
        for tag in used.tags:
            check_text(tag.key, what="key of an input's tag")
            check_text(tag.value, what=f"value of the input's tag {shown(tag.key)}")
    for model in inputs.model_inputs:
        check_model_id(model.model_id)
    return inputs


def check_outputs(outputs: RunOutputs) -> RunOutputs:
    """Check the models that a run made.

    Raises:
        InvalidValueError: A model's id can't be one, or a step is no whole number of 64 bits.
    """
    for model in outputs.model_outputs:
        check_model_id(model.model_id)
        check_int64(model.step, what="step")
    return outputs
