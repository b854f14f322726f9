"""The table of endpoints against MLflow's own: paths, methods, fields, types."""

from __future__ import annotations

import json
import typing
from collections import Counter
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from tracking_core.stores import Facet
from tracking_core.wire.endpoints import ENDPOINTS, Endpoint
from tracking_core.wire.messages.base import Message

MLFLOW = json.loads((Path(__file__).parent / "endpoints.json").read_text())
THEIRS = {(each["method"], each["path"]): each for each in MLFLOW["endpoints"]}
OURS = {(each.method, each.path): each for each in ENDPOINTS}

# What MLflow serves without a message, so that its descriptors don't have it.
_NO_RPC = {("GET", "/api/2.0/mlflow/metrics/get-history-bulk")}
# What of MLflow's messages isn't a part of ours: workspaces, archives of traces, jobs that deploy.
_LEFT_OUT = {
    "mlflow.Experiment": {"workspace", "effective_trace_archival_retention"},
    "mlflow.LoggedModelInfo": {"creator_id", "registrations"},
    "mlflow.RegisteredModel": {"deployment_job_id", "deployment_job_state"},
    "mlflow.ModelVersion": {"deployment_job_state"},
}
# Required here, not in MLflow's descriptors: its handlers ask for them.
_REQUIRED_HERE = {
    ("POST /api/2.0/mlflow/runs/log-batch", "run_id"),
    ("POST /api/2.0/mlflow/runs/log-model", "run_id"),
    ("POST /api/2.0/mlflow/runs/log-model", "model_json"),
    *(("mlflow.Metric", name) for name in ("key", "value", "timestamp")),
}


def _ids(each: tuple[str, str]) -> str:
    return " ".join(each)


def test_the_table_has_what_mlflow_has_and_nothing_else() -> None:
    assert OURS.keys() - _NO_RPC == THEIRS.keys()


def test_each_path_and_method_stands_in_the_table_once() -> None:
    counted = Counter((each.method, each.path) for each in ENDPOINTS)
    assert [each for each, times in counted.items() if times > 1] == []


@pytest.mark.parametrize("key", sorted(THEIRS), ids=_ids)
def test_a_request_has_the_fields_of_mlflows(key: tuple[str, str]) -> None:
    _compare(OURS[key].request, THEIRS[key]["request"], where=" ".join(key))


@pytest.mark.parametrize("key", sorted(THEIRS), ids=_ids)
def test_an_answer_has_the_fields_of_mlflows(key: tuple[str, str]) -> None:
    _compare(OURS[key].response, THEIRS[key]["response"], where=" ".join(key), is_answer=True)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_a_row_of_the_table_is_whole(endpoint: Endpoint) -> None:
    assert (endpoint.facet is None) == (endpoint.answer is None)
    assert endpoint.facet is None or issubclass(endpoint.facet, Facet)
    in_path = {
        part.strip("{}").split(":")[0] for part in endpoint.path.split("/") if part[:1] == "{"
    } - {"artifact_path"}
    assert in_path <= set(endpoint.request.__struct_fields__)
    # A browser sends a GET to any site, so one that changes anything would be open to all of them.
    assert not (endpoint.method == "GET" and endpoint.writes)
    # What only reads can be asked again.
    assert endpoint.writes or endpoint.repeatable


def _compare(
    kind: type[Message], theirs: dict[str, str], *, where: str, is_answer: bool = False
) -> None:
    left_out = _LEFT_OUT.get(where, set())
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    hints = get_type_hints(kind)
    assert {name for name in theirs if name not in fields} == left_out, where
    for name, field in fields.items():
        if name not in theirs:
            continue
        type_, is_list, is_required = _parsed(theirs[name])
        if not is_answer:
            expected = is_required or (where, name) in _REQUIRED_HERE
            assert field.required == expected, f"{where}: {name}"
        hint = _without_none(hints[field.name])
        if is_list:
            assert get_origin(hint) is tuple, f"{where}: {name}"
            hint = get_args(hint)[0]
        _compare_types(hint, type_, where=f"{where}: {name}", is_answer=is_answer)


def _compare_types(hint: Any, type_: str, *, where: str, is_answer: bool) -> None:
    if type_ == "string":
        assert hint is str, where
    elif type_ in ("int32", "int64"):
        assert hint is int, where
    elif type_ == "bool":
        assert hint is bool, where
    elif type_ == "double":
        assert hint is float or set(get_args(hint)) == {float, str}, where
    elif type_ == "map<string,string>":
        assert hint == dict[str, str], where
    elif type_.startswith("enum "):
        assert set(get_args(hint)) == {str, int} or hint is str, where
    else:
        assert issubclass(hint, Message), where
        known = MLFLOW["messages"][type_]
        _compare(hint, known, where=type_, is_answer=is_answer)


def _parsed(text: str) -> tuple[str, bool, bool]:
    is_required = text.endswith("!")
    text = text.rstrip("!")
    return text.removesuffix("[]"), text.endswith("[]"), is_required


def _without_none(hint: Any) -> Any:
    parts = [part for part in get_args(hint) if part is not type(None)]
    if type(None) not in get_args(hint):
        return hint
    return parts[0] if len(parts) == 1 else typing.Union[tuple(parts)]  # noqa: UP007
