"""Requests made from the OpenAPI document, right and wrong ones: none makes the server fail."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugins.server.tests.asgi_client import Answer, AsgiClient
from tracking_core.config import Settings
from tracking_core.wire.endpoints import ENDPOINTS
from tracking_core_server import create_app
from tracking_core_server.openapi import openapi_document

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own imports' deprecations
    import schemathesis
    from schemathesis import GenerationMode

DOCUMENT = json.loads(openapi_document())
OPERATIONS = [
    (method.upper(), path)
    for path, item in sorted(DOCUMENT["paths"].items())
    for method in item
    if method in ("get", "post", "put", "patch", "delete")
]
SEND = settings(
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
# An experiment, a run and a model are there, so that some requests come further.
RUN_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    directory: Path = tmp_path_factory.mktemp("openapi")
    uri = "memory:" if request.param == "memory" else f"sqlite:///{directory}/runs.db"
    application = create_app(
        uri, settings=Settings(), artifacts_destination=str(directory / "artifacts")
    )
    with AsgiClient(application) as client:
        client.call("runs/create", {"experiment_id": "0", "tags": []})
        client.call("registered-models/create", {"name": "0"})
        yield client


@cache
def _operations(mode: GenerationMode) -> Any:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    return {
        (found.ok().method.upper(), found.ok().path): found.ok().as_strategy(generation_mode=mode)
        for found in schema.get_all_operations()
    }


def _send(client: AsgiClient, case: Any) -> Answer:
    path = case.path
    for name, value in (case.path_parameters or {}).items():
        path = path.replace("{" + name + "}", quote(str(value), safe=""))
    query = urlencode(
        {name: "null" if value is None else value for name, value in (case.query or {}).items()},
        doseq=True,
        errors="replace",
    )
    body = b""
    if isinstance(case.body, bytes):
        body = case.body
    elif type(case.body).__name__ != "NotSet":
        body = json.dumps(case.body).encode("utf-8", "replace")
    return client.request(case.method, f"{path}?{query}" if query else path, body=body)


def _check(answer: Answer, what: object) -> None:
    assert answer.is_whole
    assert answer.status < 500 or answer.status == 501, (answer.status, answer.body, what)
    if answer.status >= 400:
        told = answer.json()
        assert told["error_code"], what
        assert told["message"], what
        for word in ("Traceback", "SELECT ", "sqlite3", 'File "'):
            assert word not in told["message"], (told, what)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=str)
@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_no_request_that_the_document_leads_to_makes_it_fail(
    server: AsgiClient, operation: tuple[str, str], mode: GenerationMode
) -> None:
    strategy = _operations(mode).get(operation)
    assert strategy is not None

    @SEND
    @given(case=strategy)
    def send(case: Any) -> None:
        _check(_send(server, case), case)

    try:
        send()
    except Exception as error:
        if type(error).__name__ == "Unsatisfiable" and mode is GenerationMode.NEGATIVE:
            pytest.skip("nothing that the document says of it can be wrong")
        raise


# --- right requests with one thing wrong ---

BODIES: dict[str, dict[str, Any]] = {
    "experiments/create": {"name": "a", "tags": [{"key": "k", "value": "v"}]},
    "experiments/search": {"max_results": 10, "filter": "name = 'a'", "order_by": ["name ASC"]},
    "runs/create": {"experiment_id": "0", "start_time": 1, "tags": [{"key": "k", "value": "v"}]},
    "runs/update": {"run_id": RUN_ID, "status": "FINISHED", "end_time": 2},
    "runs/log-metric": {"run_id": RUN_ID, "key": "a", "value": 0.5, "timestamp": 1, "step": 3},
    "runs/log-parameter": {"run_id": RUN_ID, "key": "a", "value": "b"},
    "runs/set-tag": {"run_id": RUN_ID, "key": "a", "value": "b"},
    "runs/log-batch": {
        "run_id": RUN_ID,
        "metrics": [{"key": "a", "value": 0.5, "timestamp": 1, "step": 3}],
        "params": [{"key": "a", "value": "b"}],
        "tags": [{"key": "a", "value": "b"}],
    },
    "runs/log-inputs": {
        "run_id": RUN_ID,
        "datasets": [
            {
                "tags": [{"key": "a", "value": "b"}],
                "dataset": {"name": "a", "digest": "b", "source_type": "c", "source": "d"},
            }
        ],
    },
    "runs/search": {
        "experiment_ids": ["0"],
        "filter": "metrics.a > 1 and params.b = 'c'",
        "order_by": ["metrics.a DESC"],
        "max_results": 5,
        "run_view_type": "ACTIVE_ONLY",
    },
    "registered-models/create": {"name": "a", "tags": [{"key": "k", "value": "v"}]},
    "model-versions/create": {"name": "0", "source": "models:/m-1", "run_id": RUN_ID},
    "registered-models/alias": {"name": "0", "alias": "a", "version": "1"},
    "logged-models": {"experiment_id": "0", "name": "a", "params": [{"key": "k", "value": "v"}]},
    "webhooks": {
        "name": "a",
        "url": "https://example.org/",
        "events": [{"entity": "PROMPT", "action": "CREATED"}],
    },
}
_DEEP: Any = "bottom"
for _ in range(200):
    _DEEP = [_DEEP]
WRONG = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(2**63) - 1, 2**64, 10**400, 1e308, -1, 0]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [
            "NaN",
            "Infinity",
            "-Infinity",
            "\ud800",
            "\0",
            "../..",
            "'",
            "a' OR 1=1 --",
            "%00",
            "x" * 70_000,
        ]
    ),
    st.lists(st.none() | st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.none() | st.integers(), max_size=3),
    st.just(_DEEP),
)


def _places(document: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield (*before, name)
            yield from _places(value, (*before, name))
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield (*before, number)
            yield from _places(value, (*before, number))


def _with(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[place[0]] = _with(copy[place[0]], place[1:], value)
    return copy


@pytest.mark.parametrize("path", sorted(BODIES))
def test_one_wrong_value_in_a_right_request_never_makes_it_fail(
    server: AsgiClient, path: str
) -> None:
    document = BODIES[path]
    target = f"/api/2.0/mlflow/{path}"
    assert ("POST", target) in {(each.method, each.path) for each in ENDPOINTS}

    @settings(SEND, max_examples=150)
    @given(place=st.sampled_from(sorted(_places(document), key=str)), wrong=WRONG)
    def send(place: tuple[Any, ...], wrong: Any) -> None:
        body = json.dumps(_with(document, place, wrong)).encode("utf-8", "surrogatepass")
        _check(server.request("POST", target, body=body), (place, wrong))

    send()


@given(body=st.binary(max_size=200))
@settings(SEND, max_examples=300)
def test_no_bytes_make_it_fail(body: bytes) -> None:
    with AsgiClient(create_app("memory:", settings=Settings())) as client:
        for target in ("runs/log-batch", "runs/search", "webhooks"):
            answer = client.request("POST", f"/api/2.0/mlflow/{target}", body=body)
            _check(answer, body)
            assert answer.status >= 400 or body.strip() or target == "runs/search"
