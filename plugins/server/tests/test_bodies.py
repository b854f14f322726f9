"""What a request holds: its size, how it is packed, and what it says."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from plugins.server.tests.asgi_client import GONE, AsgiClient
from plugins.server.tests.conftest import Serve
from tracking_core.wire.contract_calls import contract_calls
from tracking_core.wire.endpoints import ENDPOINTS

CREATE = "/api/2.0/mlflow/experiments/create"
SEARCH = "/api/2.0/mlflow/experiments/search"
LIMIT = 1_000


def _of_size(size: int) -> bytes:
    body = json.dumps({"max_results": 5, "filter": ""}).encode()
    return body[:-1] + b" " * (size - len(body)) + b"}"


@pytest.fixture
def limited(serve: Serve) -> AsgiClient:
    return serve(largest_body=LIMIT)


def test_a_body_of_just_the_limit_is_taken_and_a_byte_more_is_413(limited: AsgiClient) -> None:
    for size, status in ((LIMIT, 200), (LIMIT + 1, 413), (10 * LIMIT, 413)):
        body = _of_size(size)
        pieces = [body[i : i + 100] for i in range(0, size, 100)]
        for sent, headers in (
            (body, {}),
            (pieces, {}),
            ([*pieces, b""], {}),
            (gzip.compress(body), {"Content-Encoding": "gzip"}),
            (zlib.compress(body), {"Content-Encoding": "deflate"}),
        ):
            answer = limited.post(SEARCH, body=sent, headers=headers)
            assert answer.status == status, (size, headers, answer.body)
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert f"larger than {LIMIT} bytes" in answer.message


def test_the_limit_holds_for_every_call(limited: AsgiClient) -> None:
    targets = {
        (each.method, each.path) for each in ENDPOINTS if each.facet and "{" not in each.path
    }
    targets |= {("POST", path) for path in contract_calls()}
    for method, target in sorted(targets):
        answer = limited.request(method, target, body=_of_size(LIMIT + 1))
        assert answer.status == 413, (method, target)


def test_what_is_too_large_is_not_read_to_its_end(limited: AsgiClient) -> None:
    read = 0

    def endless() -> Any:
        nonlocal read
        while True:
            read += 1
            yield b" " * 100

    assert limited.post(SEARCH, body=endless()).status == 413
    assert read <= 2 + LIMIT // 100 + 2


def test_artifacts_have_no_such_limit(serve: Serve, tmp_path: Path) -> None:
    client = serve(largest_body=LIMIT, artifacts_destination=str(tmp_path))
    target = "/api/2.0/mlflow-artifacts/artifacts/a"
    assert client.put(target, b"x" * 10 * LIMIT).status == 200


def test_a_small_body_that_unpacks_to_a_large_one_is_413_and_soon(serve: Serve) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    for packed in (bomb, gzip.compress(bomb)):
        assert len(packed) < 1 << 20
        began = time.perf_counter()
        answer = serve(largest_body=1 << 20).post(
            SEARCH, body=packed, headers={"Content-Encoding": "gzip"}
        )
        assert answer.status == (413 if packed is bomb else 400)
        assert time.perf_counter() - began < 5


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip ", "deflate", "identity", "Identity"])
def test_a_packed_body_is_unpacked(client: AsgiClient, encoding: str) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}.get(
        encoding.strip().lower(), lambda body: body
    )
    answer = client.post(
        CREATE,
        body=pack(json.dumps({"name": "packed"}).encode()),
        headers={"Content-Encoding": encoding},
    )
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "\u00ff", "x" * 300])
def test_a_packing_that_is_not_known_is_400(client: AsgiClient, encoding: str) -> None:
    answer = client.post(CREATE, {"name": "a"}, headers={"Content-Encoding": encoding})
    assert answer.status == 400
    assert "send gzip, deflate or nothing" in answer.message


PACKED = gzip.compress(json.dumps({"name": "packed"}).encode(), mtime=0)


@pytest.mark.parametrize(
    "body",
    [
        PACKED[:-1],
        PACKED[:-8],
        PACKED[:12],
        PACKED[:3],
        b"{}",
        b"\x1f\x8b",
        PACKED[:10] + b"\xff" * 10,
        PACKED[:-4] + b"\xff\xff\xff\xff",
        PACKED + b"more",
        PACKED + PACKED,
    ],
    ids=range(10),
)
def test_a_body_that_is_packed_wrong_is_400(client: AsgiClient, body: bytes) -> None:
    answer = client.post(CREATE, body=body, headers={"Content-Encoding": "gzip"})
    assert answer.status == 400, answer.body
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert "packed" in answer.message


BROKEN: list[bytes] = [
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"name": }',
    b'{"name": "\\ud800"}',
    b'{"name": "a\xed\xa0\x80"}',
    b'{"name": "a\\u0000b"}',
    b'{"name": 5}',
    b'{"name": ["a"]}',
    b'{"name": ""}',
    b'{"name": null}',
    b"{" * 100_000,
    b'{"name": "a", "tags": {"key": "value"}}',
    b'{"name": "a", "tags": [{"key": ""}]}',
    b'{"name": "a", "tags": [{"key": "\\ud800", "value": ""}]}',
    b'{"name": "a", "tags": [3]}',
    b'"{\\"name\\": 3}"',
    b"<xml/>",
    b"name=a",
]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_body_is_400_and_a_sentence(client: AsgiClient, body: bytes) -> None:
    answer = client.post(CREATE, body=body)
    assert answer.status == 400, answer.body
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert answer.message
    assert "Traceback" not in answer.message


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_no_call_fails_for_a_broken_body(client: AsgiClient, method: str) -> None:
    targets = sorted(
        {each.path for each in ENDPOINTS if each.facet is not None and each.method == method}
    )
    for target in targets:
        for body in BROKEN:
            answer = client.request(method, target.replace("{", "").replace("}", ""), body=body)
            assert answer.status < 500, (target, body, answer.body)


def test_a_lone_surrogate_never_reaches_an_answer(client: AsgiClient) -> None:
    body = (
        b'{"experiment_name": "\\ud800", "name": "\\ud800", "run_id": "\\ud800", "key": "\\ud800"}'
    )
    for endpoint in ENDPOINTS:
        if endpoint.facet is not None and "{" not in endpoint.path:
            answer = client.request(endpoint.method, endpoint.path, body=body)
            assert answer.status == 400, endpoint.path
            assert "lone surrogate" in answer.message


@pytest.mark.parametrize(
    ("field", "written"),
    [
        ("timestamp", str(2**70)),
        ("timestamp", f'"{2**70}"'),
        ("timestamp", "-1"),
        ("timestamp", "1e400"),
        ("timestamp", "1" * 5_000),
        ("timestamp", f'"{"1" * 5_000}"'),
        ("step", str(2**63)),
        ("step", str(-(2**63) - 1)),
        ("step", "1.5"),
        ("step", "true"),
        ("value", "true"),
        ("value", '"x"'),
        ("value", '"1e400"'),
        ("value", "1" * 5_000),
        ("value", "[]"),
        ("key", '"\\u0000"'),
        ("key", '"../x"'),
        ("run_id", '"../x"'),
    ],
)
def test_a_number_or_name_that_can_not_be_logged_is_400(
    client: AsgiClient, field: str, written: str
) -> None:
    run_id = client.call("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    point = {"run_id": f'"{run_id}"', "key": '"a"', "value": "1", "timestamp": "1", "step": "1"}
    for name, form in (
        ("log-metric", "{{{}}}"),
        ("log-batch", f'{{{{"run_id": "{run_id}", "metrics": [{{{{{{}}}}}}]}}}}'),
    ):
        if name == "log-batch" and field == "run_id":
            continue
        fields = ", ".join(f'"{k}": {v}' for k, v in {**point, field: written}.items())
        answer = client.post(f"/api/2.0/mlflow/runs/{name}", body=form.format(fields).encode())
        assert answer.status == 400, (name, answer.body)
    found = client.call("runs/get", {"run_id": run_id}, method="GET")
    assert found["run"]["data"].get("metrics") is None


@pytest.mark.parametrize(
    "target",
    [
        "runs/get?run_id=a&run_id=b",
        "runs/get?run_id=%ff",
        "runs/get",
        "experiments/search?max_results=x",
        "experiments/search?max_results=0",
        "experiments/search?max_results=99999999999999999999999",
        f"experiments/search?max_results={'1' * 5_000}",
        "experiments/search?view_type=nothing",
        f"experiments/search?view_type={'1' * 5_000}",
        "experiments/search?page_token=nonsense",
        "experiments/search?filter=nonsense",
        "experiments/search?order_by=nonsense%20ASC",
        "metrics/get-history-bulk?metric_key=a",
        "metrics/get-history-bulk?metric_key=a" + "&run_id=r" * 101,
        "metrics/get-history-bulk-interval?metric_key=a&run_ids=r&start_step=1",
        "metrics/get-history-bulk-interval?metric_key=a&run_ids=r&start_step=5&end_step=1",
        "metrics/get-history-bulk-interval?metric_key=a&run_ids=r&max_results=0",
        "model-versions/get?name=a&version=x",
        "model-versions/get?name=a&version=0",
        "&".join(["model-versions/search?a=1", *["b=2"] * 20_000]),
    ],
    ids=lambda target: target[:60],
)
def test_parameters_of_a_url_that_are_wrong_are_400(client: AsgiClient, target: str) -> None:
    answer = client.get(f"/api/2.0/mlflow/{target}")
    assert answer.status == 400, answer.body
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_client_that_goes_away_with_half_a_request_changes_nothing(client: AsgiClient) -> None:
    for body in ([GONE], [b'{"name": "half"}', GONE]):
        assert client.post(CREATE, body=body).status == 0
    assert [each["name"] for each in client.call("experiments/search")["experiments"]] == [
        "Default"
    ]


def test_models_are_added_to_the_history_of_a_run(client: AsgiClient) -> None:
    run_id = client.call("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    model = {"artifact_path": "m", "flavors": {}, "utc_time_created": "now", "run_id": run_id}
    for number in range(2):
        document = json.dumps({**model, "number": number})
        client.call("runs/log-model", {"run_id": run_id, "model_json": document})
    tags = client.call("runs/get", {"run_id": run_id}, method="GET")["run"]["data"]["tags"]
    (history,) = [each["value"] for each in tags if each["key"] == "mlflow.log-model.history"]
    assert [each["number"] for each in json.loads(history)] == [0, 1]

    target = "/api/2.0/mlflow/runs/log-model"
    for broken in ("{", "3", "[]", "{}", "[" * 100_000, json.dumps({**model, "run_id": 1})[:-2]):
        assert client.post(target, {"run_id": run_id, "model_json": broken}).status == 400

    # The tag is a tag like any other, which users can set.
    for value in ("nonsense", "3", '{"a": 1}', "[" * 100_000):
        tag = {"run_id": run_id, "key": "mlflow.log-model.history", "value": value}
        client.call("runs/set-tag", tag)
        answer = client.post(target, {"run_id": run_id, "model_json": json.dumps(model)})
        assert answer.status == 400
        assert "delete the tag" in answer.message


def test_old_clients_send_the_message_of_a_get_in_its_body(client: AsgiClient) -> None:
    target = "/api/2.0/mlflow/experiments/get"
    answer = client.get(target, body=b'{"experiment_id": "0"}')
    assert answer.json()["experiment"]["name"] == "Default"
    # What the URL says is what counts, where it says anything.
    answer = client.get(f"{target}?experiment_id=0", body=b'{"experiment_id": "1"}')
    assert answer.json()["experiment"]["name"] == "Default"
