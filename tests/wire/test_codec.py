"""Bodies and parameters of URLs become messages, or a sentence says why not."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.wire.making_messages import MESSAGES, REQUESTS, as_read, messages
from tracking_core.entities import Metric
from tracking_core.errors import InvalidValueError
from tracking_core.wire.codec import (
    MAX_DEPTH,
    decode_answer,
    decode_body,
    decode_query,
    encode,
    query_of,
)
from tracking_core.wire.endpoints import ENDPOINTS
from tracking_core.wire.messages.base import Message
from tracking_core.wire.messages.experiments import CreateExperiment, SearchExperiments
from tracking_core.wire.messages.logged_models import FinalizeLoggedModel
from tracking_core.wire.messages.metrics import (
    GetBulkHistory,
    LogMetric,
    MetricHistoryFound,
    MetricMessage,
)
from tracking_core.wire.messages.registry import SearchModels, TransitionStage
from tracking_core.wire.messages.runs import LogBatch, LogInputs, LogParam, SearchRuns, UpdateRun

MANY = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
SEE = "See the API docs for more information about request parameters."
POINT: dict[str, Any] = {"run_id": "r", "key": "loss", "value": 0.5, "timestamp": 7, "step": 3}
GET_REQUESTS = sorted(
    {each.request for each in ENDPOINTS if each.method == "GET"}, key=lambda kind: kind.__name__
)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _in_camel_case(kind: Any, document: Any) -> Any:
    """Rename the fields of a message, but nothing of a mapping that it holds."""
    hints = {field.name: field.type for field in msgspec.structs.fields(kind)}
    found = {}
    for name, value in document.items():
        children = [part for part in _parts(hints[name]) if issubclass(part, Message)]
        if children and isinstance(value, list):
            value = [_in_camel_case(children[0], each) for each in value]
        elif children:
            value = _in_camel_case(children[0], value)
        found[_camel(name)] = value
    return found


def _parts(hint: Any) -> list[type]:
    if isinstance(hint, type):
        return [hint]
    return [part for each in getattr(hint, "__args__", ()) for part in _parts(each)]


# --- there and back ---


@MANY
@given(message=st.sampled_from(MESSAGES).flatmap(messages))
def test_each_message_is_read_back_as_it_was_written(message: Message) -> None:
    kind = type(message)
    assert as_read(decode_body(encode(message), kind)) == as_read(message)
    assert as_read(decode_answer(encode(message), kind)) == as_read(message)


@MANY
@given(message=st.sampled_from(GET_REQUESTS).flatmap(messages))
def test_each_request_of_a_get_is_read_back_from_its_url(message: Message) -> None:
    kind = type(message)
    assume(getattr(message, "run_id", None) != ())  # a required list that a URL can't hold empty
    query = query_of(message)
    url = urlencode(query, doseq=True)
    # Compared as text: the number of an enum stays text, which means the same.
    assert query_of(decode_query(parse_qsl(url, keep_blank_values=True), kind)) == query


@MANY
@given(message=st.sampled_from(REQUESTS).flatmap(messages))
def test_a_request_in_camel_case_means_the_same(message: Message) -> None:
    kind = type(message)
    body = json.dumps(_in_camel_case(kind, json.loads(encode(message)))).encode()
    assert as_read(decode_body(body, kind)) == as_read(message)


@MANY
@given(message=st.sampled_from(REQUESTS).flatmap(messages))
def test_a_request_that_was_encoded_twice_means_the_same(message: Message) -> None:
    kind = type(message)
    body = json.dumps(encode(message).decode()).encode()
    assert as_read(decode_body(body, kind)) == as_read(message)


@MANY
@given(message=st.sampled_from(REQUESTS).flatmap(messages))
def test_null_means_that_a_field_is_not_set(message: Message) -> None:
    kind = type(message)
    document = json.loads(encode(message))
    empty = {name: None for name in kind.__struct_fields__ if name not in document}
    body = json.dumps({**empty, **document}).encode()
    assert as_read(decode_body(body, kind)) == as_read(message)


@MANY
@given(message=st.sampled_from(REQUESTS).flatmap(messages))
def test_whole_numbers_may_come_as_text(message: Message) -> None:
    def as_text(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: as_text(each) for name, each in value.items()}
        if isinstance(value, list):
            return [as_text(each) for each in value]
        return str(value) if type(value) is int else value

    enums = {"status", "view_type", "run_view_type", "events", "event"}
    kind = type(message)
    # An enum's number that comes as text is read when the enum is.
    assume(not any(isinstance(getattr(message, name, None), (int, tuple)) for name in enums))
    assume(not isinstance(getattr(message, "event", None), Message))
    body = json.dumps(as_text(json.loads(encode(message)))).encode()
    assert as_read(decode_body(body, kind)) == as_read(message)


@given(messages(LogBatch))
def test_fields_that_nobody_knows_are_passed_over(batch: LogBatch) -> None:
    body = json.dumps({**json.loads(encode(batch)), "later": [{"x": 1}], "laterStill": None})
    assert as_read(decode_body(body.encode(), LogBatch)) == as_read(batch)


# --- numbers ---


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"NaN"', math.nan),
        ('"Infinity"', math.inf),
        ('"-Infinity"', -math.inf),
        ('"1.5"', 1.5),
        ("1e3", 1000.0),
        ("1", 1.0),
        ("-0.0", -0.0),
        ("0.1", 0.1),
        ("123456789012345678901234567890", 123456789012345678901234567890.0),
    ],
)
def test_a_double_is_read_as_protobuf_writes_it(written: str, value: float) -> None:
    body = f'{{"key":"loss","timestamp":1,"value":{written}}}'.encode()
    assert repr(decode_body(body, LogMetric).value) == repr(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_answers_hold_no_bare_nan_and_no_bare_infinity(value: float) -> None:
    def never(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    found = MetricHistoryFound(metrics=(MetricMessage.of(Metric("loss", value, 1, 2)),))
    body = encode(found)
    json.loads(body, parse_constant=never)
    (point,) = decode_answer(body, MetricHistoryFound).metrics
    assert repr(point.entity().value) == repr(value)


def test_a_step_of_zero_and_an_empty_text_are_sent_where_a_reader_must_see_them() -> None:
    assert json.loads(encode(LogMetric(key="a", value=0.0, timestamp=0))) == {
        "key": "a",
        "value": 0.0,
        "timestamp": 0,
    }
    assert json.loads(encode(LogParam(key="a", value=""))) == {"key": "a", "value": ""}


@pytest.mark.parametrize("written", ["1.5", "true", '"x"', '""', "[]", "{}", "1e400", '"1e400"'])
def test_a_step_that_is_no_whole_number_is_refused(written: str) -> None:
    body = f'{{"key":"loss","timestamp":1,"value":1,"step":{written}}}'.encode()
    with pytest.raises(InvalidValueError, match=r"Invalid value .* for parameter 'step'"):
        decode_body(body, LogMetric)


# --- sentences ---


@pytest.mark.parametrize(
    ("kind", "document", "parameter"),
    [
        (LogMetric, {"run_id": "r", "value": 1, "timestamp": 1}, "key"),
        (LogMetric, {**POINT, "key": ""}, "key"),
        (LogMetric, {**POINT, "value": None}, "value"),
        (LogMetric, {"key": "a", "value": 1}, "timestamp"),
        (CreateExperiment, {}, "name"),
        (CreateExperiment, {"name": ""}, "name"),
        (LogBatch, {"metrics": []}, "run_id"),
        (LogBatch, {"run_id": "r", "metrics": [{"key": "a", "timestamp": 1}]}, "metrics[0].value"),
        (LogBatch, {"run_id": "r", "metrics": [POINT, {**POINT, "key": ""}]}, "metrics[1].key"),
        (LogInputs, {"run_id": "r", "datasets": [{"tags": []}]}, "datasets[0].dataset"),
        (
            LogInputs,
            {"run_id": "r", "datasets": [{"dataset": {"name": "", "digest": "d"}}]},
            "datasets[0].dataset.name",
        ),
        (TransitionStage, {"name": "m", "version": "1", "stage": "x"}, "archive_existing_versions"),
        (FinalizeLoggedModel, {"model_id": "m"}, "status"),
    ],
)
def test_a_missing_parameter_is_named_as_mlflow_names_it(
    kind: type[Message], document: dict[str, Any], parameter: str
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        decode_body(json.dumps(document).encode(), kind)
    assert str(caught.value) == f"Missing value for required parameter '{parameter}'. {SEE}"


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
def test_each_required_parameter_of_each_request_is_missed_by_its_name(kind: type[Message]) -> None:
    required = [field.name for field in msgspec.structs.fields(kind) if field.required]
    for body in (b"", b"{}", b"{ }", b'"{}"'):
        if not required:
            assert decode_body(body, kind) == kind()
            continue
        with pytest.raises(InvalidValueError) as caught:
            decode_body(body, kind)
        assert str(caught.value).endswith(f". {SEE}")
        named = str(caught.value).split("'")[1]
        assert named in required


@pytest.mark.parametrize(
    ("kind", "document", "beginning"),
    [
        (
            LogMetric,
            {**POINT, "timestamp": "soon"},
            "Invalid value \"soon\" for parameter 'timestamp' supplied:  Hint: Value was of type"
            " 'str'. ",
        ),
        (
            LogMetric,
            {**POINT, "key": 3},
            "Invalid value 3 for parameter 'key' supplied:  Hint: Value was of type 'int'. ",
        ),
        (
            SearchRuns,
            {"experiment_ids": "1"},
            "Invalid value \"1\" for parameter 'experiment_ids' supplied:  Hint: Value was of type"
            " 'str'. ",
        ),
        (
            SearchRuns,
            {"experiment_ids": ["1", 2]},
            "Invalid value 2 for parameter 'experiment_ids[1]' supplied:  Hint: Value was of type"
            " 'int'. ",
        ),
        (
            LogBatch,
            {"run_id": "r", "params": [{"key": "a", "value": {"b": 1}}]},
            "Invalid value {\"b\": 1} for parameter 'params[0].value' supplied:  Hint: Value was of"
            " type 'dict'. ",
        ),
        (
            UpdateRun,
            {"run_id": "r", "status": [1]},
            "Invalid value [1] for parameter 'status' supplied:  Hint: Value was of type 'list'. ",
        ),
    ],
)
def test_a_wrong_value_is_shown_as_mlflow_shows_it(
    kind: type[Message], document: dict[str, Any], beginning: str
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        decode_body(json.dumps(document).encode(), kind)
    assert str(caught.value).startswith(beginning)
    assert str(caught.value).endswith(f". {SEE}")


def test_a_long_wrong_value_is_cut_off_in_the_sentence() -> None:
    with pytest.raises(InvalidValueError) as caught:
        decode_body(json.dumps({**POINT, "key": ["x" * 10_000]}).encode(), LogMetric)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[]", "JSON of type list, not an object"),
        (b"null", "JSON of type NoneType, not an object"),
        (b'"[1]"', "JSON of type list, not an object"),
        (b"3", "JSON of type int, not an object"),
        (b"{", "isn't JSON"),
        (b"\xff\xfe", "isn't JSON"),
        (b'{"key": "a",}', "isn't JSON"),
        (b'"not JSON"', "isn't JSON"),
        (b'"\\ud800"', "lone surrogate"),
        (b'{"key": "\\udc00", "value": 1, "timestamp": 1}', "lone surrogate"),
        (b'{"key": "a", "value": "\\ud800", "timestamp": 1}', "lone surrogate"),
        (b'{"\\ud800": 1}', "lone surrogate"),
        (b'{"key": "a\xed\xa0\x80", "value": 1, "timestamp": 1}', "lone surrogate"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, f"more than {MAX_DEPTH} levels deep"),
        (b"[" * 1_000_000, f"more than {MAX_DEPTH} levels deep"),
        (b'{"a":' * 100_000, f"more than {MAX_DEPTH} levels deep"),
        (b'{"runId": "a", "run_id": "a"}', "twice"),
        (b'{"runId": "a", "runId": "b"}', "twice"),
    ],
)
def test_a_body_that_is_no_request_is_a_sentence(body: bytes, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        decode_body(body, LogMetric)


def test_brackets_in_a_text_are_not_depth() -> None:
    name = "[{" * 500 + '"\\'
    body = json.dumps({"name": name, "artifactLocation": None}).encode()
    assert decode_body(body, CreateExperiment).name == name


# --- the parameters of a URL ---


def test_a_repeated_parameter_makes_a_list_and_a_doubled_one_is_refused() -> None:
    found = decode_query([("run_id", "a"), ("run_id", "b"), ("metric_key", "loss")], GetBulkHistory)
    assert found.run_id == ("a", "b")
    with pytest.raises(InvalidValueError, match="'filter' is given twice"):
        decode_query([("filter", "a"), ("filter", "b")], SearchModels)
    assert decode_query([("maxResults", "5"), ("orderBy", "name")], SearchExperiments) == (
        SearchExperiments(max_results=5, order_by=("name",))
    )


@pytest.mark.parametrize("number", ["x", "", "1.5", "1" * 5_000, "٣", "1_0", "0x1"])
def test_a_parameter_that_is_no_number_is_a_sentence(number: str) -> None:
    with pytest.raises(InvalidValueError, match="for parameter 'max_results' supplied"):
        decode_query([("max_results", number)], SearchModels)


def test_what_the_path_says_wins() -> None:
    within = {"model_id": "m-1"}
    body = b'{"model_id": "m-2", "status": 2}'
    assert decode_body(body, FinalizeLoggedModel, within).model_id == "m-1"
    assert decode_body(b'{"modelId":"m-2","status":2}', FinalizeLoggedModel, within).model_id == (
        "m-1"
    )


# --- whatever comes ---

JSON_LIKE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats()
    | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
FIELDS = st.sampled_from(sorted({name for kind in REQUESTS for name in kind.__struct_fields__}))


@MANY
@given(
    kind=st.sampled_from(REQUESTS),
    body=st.binary(max_size=80)
    | JSON_LIKE.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(FIELDS, JSON_LIKE).map(lambda value: json.dumps(value).encode())
    | st.dictionaries(FIELDS.map(_camel), JSON_LIKE).map(lambda value: json.dumps(value).encode())
    | st.lists(st.sampled_from([*b'{}[]":,\\u0d8e1', 0xED, 0xA0, 0x80]), max_size=40).map(bytes),
)
def test_whatever_bytes_come_nothing_is_raised_but_a_sentence(
    kind: type[Message], body: bytes
) -> None:
    _read_or_refused(kind, body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"key":"a","value":1,"timestamp":' + b"1" * 5_000 + b"}",
        b'{"key":"a","timestamp":1,"value":' + b"1" * 5_000 + b"}",
        b'{"key":"a","timestamp":1,"value":1e400,"step":1e400}',
        b'{"max_results":99999999999999999999,"status":1e400}',
        b'{"name":"\\ud83d","key":"\\ude00"}',
        b'{"name":"a","name":"b","version":1,"version":2}',
        b"\xef\xbb\xbf{}",
        '{"name": "a"}'.encode("utf-16"),
    ],
    ids=range(8),
)
def test_odd_json_is_read_or_refused_by_every_request(body: bytes) -> None:
    for kind in REQUESTS:
        _read_or_refused(kind, body)


def _read_or_refused(kind: type[Message], body: bytes) -> None:
    try:
        found = decode_body(body, kind)
    except InvalidValueError as error:
        str(error).encode()
    else:
        # What was read is text that can be written again.
        encode(found)


@MANY
@given(
    kind=st.sampled_from(GET_REQUESTS),
    query=st.lists(st.tuples(FIELDS | st.text(max_size=5), st.text(max_size=9)), max_size=5),
)
def test_whatever_parameters_come_nothing_is_raised_but_a_sentence(
    kind: type[Message], query: list[tuple[str, str]]
) -> None:
    try:
        decode_query(query, kind)
    except InvalidValueError as error:
        str(error).encode()
