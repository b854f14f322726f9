"""The rules for names, keys, values and ids, and the sentence that each bad value gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelOutput,
    RunInputs,
    RunOutputs,
)
from tracking_core.errors import InvalidValueError
from tracking_core.stores import validation as v

KEY_CHARACTERS = (
    "allowed are letters, digits, underscores, dashes, periods, spaces, colons and slashes."
)
NO_PATH = (
    "can't be a file's path, which some stores make of it: leave out leading, doubled and trailing"
    " slashes and the parts '.' and '..'."
)
RUN_ID = (
    "is not valid: it must be 1 to 256 letters, digits, underscores or dashes, and begin with a"
    " letter or digit."
)
EXPERIMENT_ID = RUN_ID.replace("256", "64")
NAME_RULE = (
    "may hold no slash or colon, and not be '.' or '..', because models:/NAME/VERSION must be"
    " readable."
)
QUOTE_RULE = "leave out slashes, colons, periods, percent signs and quotes."
ALIAS_RULE = "must be 1 to 255 letters, digits, underscores or dashes."
RESERVED = "is reserved: 'latest' and v followed by digits mean versions."


def key(value: Any) -> Any:
    return v.check_key(value, what="tag key")


def text(value: Any) -> Any:
    return v.check_text(value, what="value")


def number(value: Any) -> Any:
    return v.check_metric_value(value, key="loss")


def whole(value: Any) -> Any:
    return v.check_int64(value, what="step")


class Unready:
    def __float__(self) -> float:
        raise RuntimeError("not computed yet")


BAD: list[tuple[Callable[[Any], Any], Any, str]] = [
    (text, 5, "The value 5 is of type int; give a string."),
    (text, None, "The value None is of type NoneType; give a string."),
    (text, b"a", "The value b'a' is of type bytes; give a string."),
    (text, "a\0b", r"The value 'a\x00b' holds a NUL character; leave it out."),
    (text, "\ud800", r"The value '\ud800' holds a lone surrogate, which isn't valid Unicode."),
    (key, 5, "The tag key 5 is of type int; give a string."),
    (key, "", "The tag key is empty; give it a name."),
    (
        key,
        "x" * 251,
        f"The tag key '{'x' * 78}…' has 251 characters; at most 250 are allowed.",
    ),
    (key, "a\0", r"The tag key 'a\x00' holds a NUL character; leave it out."),
    (key, "a?b", f"The tag key 'a?b' holds '?'; {KEY_CHARACTERS}"),
    (key, "a\\b", rf"The tag key 'a\\b' holds '\\'; {KEY_CHARACTERS}"),
    (key, "a\nb", rf"The tag key 'a\nb' holds '\n'; {KEY_CHARACTERS}"),
    (key, "🚀", f"The tag key '🚀' holds '🚀'; {KEY_CHARACTERS}"),
    (key, "../x", f"The tag key '../x' {NO_PATH}"),
    (key, "..", f"The tag key '..' {NO_PATH}"),
    (key, ".", f"The tag key '.' {NO_PATH}"),
    (key, "/etc", f"The tag key '/etc' {NO_PATH}"),
    (key, "a//b", f"The tag key 'a//b' {NO_PATH}"),
    (key, "a/", f"The tag key 'a/' {NO_PATH}"),
    (key, "a/../b", f"The tag key 'a/../b' {NO_PATH}"),
    (key, "./a", f"The tag key './a' {NO_PATH}"),
    (v.check_run_id, 5, "The run id 5 is of type int; give a string."),
    (v.check_run_id, None, "The run id None is of type NoneType; give a string."),
    (v.check_run_id, "", f"The run id '' {RUN_ID}"),
    (v.check_run_id, "../x", f"The run id '../x' {RUN_ID}"),
    (v.check_run_id, "a/b", f"The run id 'a/b' {RUN_ID}"),
    (v.check_run_id, "a\n", rf"The run id 'a\n' {RUN_ID}"),
    (v.check_run_id, "-a", f"The run id '-a' {RUN_ID}"),
    (v.check_run_id, "größe", f"The run id 'größe' {RUN_ID}"),
    (v.check_run_id, "x" * 257, f"The run id '{'x' * 78}…' {RUN_ID}"),
    (v.check_experiment_id, 0, "The experiment id 0 is of type int; give a string."),
    (v.check_experiment_id, "a b", f"The experiment id 'a b' {EXPERIMENT_ID}"),
    (v.check_experiment_id, "x" * 65, f"The experiment id '{'x' * 65}' {EXPERIMENT_ID}"),
    (v.check_model_id, "m/1", f"The model id 'm/1' {RUN_ID}"),
    (v.check_experiment_name, "", "The experiment name is empty; give it a name."),
    (v.check_experiment_name, " \n", "The experiment name is empty; give it a name."),
    (v.check_experiment_name, 3, "The experiment name 3 is of type int; give a string."),
    (
        v.check_experiment_name,
        "x" * 501,
        f"The experiment name '{'x' * 78}…' has 501 characters; at most 500 are allowed.",
    ),
    (v.check_run_name, None, "The run name None is of type NoneType; give a string."),
    (
        v.check_run_name,
        "x" * 501,
        f"The run name '{'x' * 78}…' has 501 characters; at most 500 are allowed.",
    ),
    (v.check_registered_model_name, "", "The registered model name is empty; give it a name."),
    (v.check_registered_model_name, "a/b", f"The registered model name 'a/b' {NAME_RULE}"),
    (v.check_registered_model_name, "a:b", f"The registered model name 'a:b' {NAME_RULE}"),
    (v.check_registered_model_name, "..", f"The registered model name '..' {NAME_RULE}"),
    (v.check_logged_model_name, "a.b", f"The logged model name 'a.b' holds '.'; {QUOTE_RULE}"),
    (v.check_logged_model_name, "50%", f"The logged model name '50%' holds '%'; {QUOTE_RULE}"),
    (v.check_logged_model_name, "", "The logged model name is empty; give it a name."),
    (v.check_alias, "", f"The alias '' {ALIAS_RULE}"),
    (v.check_alias, "a b", f"The alias 'a b' {ALIAS_RULE}"),
    (v.check_alias, "x" * 256, f"The alias '{'x' * 78}…' {ALIAS_RULE}"),
    (v.check_alias, "latest", f"The alias 'latest' {RESERVED}"),
    (v.check_alias, "Latest", f"The alias 'Latest' {RESERVED}"),
    (v.check_alias, "v1", f"The alias 'v1' {RESERVED}"),
    (v.check_alias, "V23", f"The alias 'V23' {RESERVED}"),
    (v.check_version, 0, "The model version 0 is not a whole number from 1."),
    (v.check_version, -1, "The model version -1 is not a whole number from 1."),
    (v.check_version, True, "The model version True is not a whole number from 1."),
    (v.check_version, "one", "The model version 'one' is not a whole number from 1."),
    (v.check_version, "²", "The model version '²' is not a whole number from 1."),
    (v.check_version, 1.0, "The model version 1.0 is not a whole number from 1."),
    (
        v.check_version,
        2**63,
        "The model version 9223372036854775808 is not a whole number from 1.",
    ),
    (
        v.check_artifact_location,
        "",
        "The artifact location '' must have 1 to 2048 characters.",
    ),
    (
        v.check_artifact_location,
        "runs:/abc/model",
        "The artifact location 'runs:/abc/model' points into a store; give the address of a"
        " directory or bucket.",
    ),
    (
        v.check_artifact_location,
        "s3://bucket/a?key=b",
        "The artifact location 's3://bucket/a?key=b' may have no query and no fragment:"
        " credentials and options belong in the environment or the configuration file.",
    ),
    (v.check_tags, ["a"], "The tags ['a'] must be a mapping of key to text."),
    (v.check_tags, {"a": 1}, "The value of tag 'a' 1 is of type int; give a string."),
    (v.check_tags, {"": "a"}, "The tag key is empty; give it a name."),
    (whole, 1.5, "The step 1.5 is not a whole number."),
    (whole, "1", "The step '1' is not a whole number."),
    (whole, True, "The step True is not a whole number."),
    (whole, 2**63, "The step 9223372036854775808 doesn't fit into 64 bits."),
    (whole, -(2**63) - 1, "The step -9223372036854775809 doesn't fit into 64 bits."),
    (
        v.check_timestamp,
        -1,
        "The timestamp -1 is negative; give milliseconds since 1970-01-01 UTC.",
    ),
    (v.check_timestamp, 1.5, "The timestamp 1.5 is not a whole number."),
    (
        v.check_inputs,
        RunInputs((DatasetInput(Dataset("", "d", "local", "{}")),)),
        "The data set's name is empty; a data set has a name and a digest.",
    ),
    (
        v.check_inputs,
        RunInputs((DatasetInput(Dataset("a", "d", "local", None)),)),  # type: ignore[arg-type]
        "The data set's source None is of type NoneType; give a string.",
    ),
    (
        v.check_inputs,
        RunInputs((DatasetInput(Dataset("a", "d", "l", "s"), (InputTag("k", "\0"),)),)),
        r"The value of the input's tag 'k' '\x00' holds a NUL character; leave it out.",
    ),
    (
        v.check_outputs,
        RunOutputs((LoggedModelOutput("m-1", 1.5),)),  # type: ignore[arg-type]
        "The step 1.5 is not a whole number.",
    ),
    (number, "1", "The value '1' of metric 'loss' is of type str; give a number."),
    (number, True, "The value True of metric 'loss' is of type bool; give a number."),
    (number, None, "The value None of metric 'loss' is of type NoneType; give a number."),
]


@pytest.mark.parametrize(("check", "value", "sentence"), BAD)
def test_a_bad_value_is_refused_with_this_sentence(
    check: Callable[[Any], Any], value: Any, sentence: str
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        check(value)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (10**400, "is too large for a 64-bit float"),
        ([1], "is not a number"),
        (Unready(), "is not a number: not computed yet"),
    ],
)
def test_a_value_that_can_not_become_a_float_is_refused(value: Any, told: str) -> None:
    with pytest.raises(InvalidValueError, match=f"of metric 'loss' {told}"):
        number(value)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (text, ""),
        (text, "größe 🚀 \n"),
        (key, "a/b c.d-e_f:g"),
        (key, "größe"),
        (key, "x" * 250),
        (key, "a.."),
        (v.check_run_id, "a" * 256),
        (v.check_run_id, "0_-"),
        (v.check_experiment_id, "0"),
        (v.check_experiment_name, "a/../b"),
        (v.check_run_name, ""),
        (v.check_registered_model_name, "a model.v1"),
        (v.check_alias, "champion-2"),
        (v.check_alias, "v1a"),
        (v.check_artifact_location, "C:\\runs#1"),
        (v.check_artifact_location, "s3://bucket/a b"),
        (whole, -(2**63)),
        (v.check_timestamp, 0),
    ],
)
def test_a_good_value_comes_back(check: Callable[[Any], Any], value: Any) -> None:
    assert check(value) == value


def test_numbers_as_text_are_versions() -> None:
    assert v.check_version("12") == 12


def test_numbers_of_other_kinds_become_floats() -> None:
    class Scalar:
        def __float__(self) -> float:
            return 2.5

    for value, expected in ((3, 3.0), (Scalar(), 2.5)):
        checked = number(value)
        assert (type(checked), checked) == (float, expected)


def test_tags_come_back_as_a_dict_of_their_own() -> None:
    given_tags = {"a": "1"}
    checked = v.check_tags(given_tags)
    assert checked == given_tags
    assert checked is not given_tags


@given(st.text(max_size=300))
def test_a_key_that_passes_can_be_a_file_below_a_directory(text: str) -> None:
    try:
        v.check_key(text, what="key")
    except InvalidValueError:
        return
    parts = text.split("/")
    assert all(part not in ("", ".", "..") for part in parts)
    assert "\0" not in text
    text.encode()


@given(st.text(max_size=200) | st.integers() | st.binary(), st.integers(10, 100))
def test_what_is_shown_is_no_longer_than_asked_for(value: object, limit: int) -> None:
    assert len(v.shown(value, limit=limit)) <= limit + 1
