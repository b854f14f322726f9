"""What the server says of itself."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import msgspec
import pytest

from plugins.server.tests.asgi_client import AsgiClient
from plugins.server.tests.conftest import Serve
from tracking_core.contract import CONTRACT_VERSION
from tracking_core.wire.endpoints import ENDPOINTS
from tracking_core.wire.server_abilities import CAPABILITIES_PATH, ServerAbilities


def test_it_is_healthy_even_if_its_backend_is_not(serve: Serve) -> None:
    client = serve("sqlite:////nonexistent/directory/runs.db")
    answer = client.get("/health")
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.headers["content-type"].startswith("text/plain")


def test_its_version_is_the_one_of_mlflow_whose_api_it_speaks(client: AsgiClient) -> None:
    answer = client.get("/version")
    assert re.fullmatch(rb"3\.\d+\.\d+", answer.body)
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("prefix", ["/api", "/ajax-api"])
def test_stock_clients_are_told_what_it_can_not_do(client: AsgiClient, prefix: str) -> None:
    info = client.get(f"{prefix}/3.0/mlflow/server-info").json()
    assert info == {
        "store_type": "SqlStore",
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": False,
        "multipart_downloads_enabled": False,
        "presigned_upload_run_id_supported": False,
    }


@pytest.mark.parametrize(
    ("uri", "kind"),
    [("{}", "FileStore"), ("file://{}", "FileStore"), ("sqlite:///{}/r.db", "SqlStore")],
)
def test_stock_clients_are_told_whether_it_is_a_directory(
    serve: Serve, tmp_path: Path, uri: str, kind: str
) -> None:
    client = serve(uri.format(tmp_path))
    assert client.get("/api/3.0/mlflow/server-info").json()["store_type"] == kind


def test_clients_of_ours_are_told_all_that_it_can(with_artifacts: AsgiClient) -> None:
    answer = with_artifacts.get(CAPABILITIES_PATH)
    told = msgspec.json.decode(answer.body, type=ServerAbilities)
    store = with_artifacts.application.service.tracking
    assert told.version == importlib.metadata.version("tracking-core")
    assert told.contract_version == CONTRACT_VERSION
    assert told.tracking == told.registry
    facets = {"RunStore", "ModelRegistryStore", "LoggedModelStore", "WebhookStore"}
    assert set(told.tracking.facets) == facets
    assert set(told.tracking.capabilities) == {str(each) for each in store.capabilities}
    assert told.tracking.limits == store.limits
    assert told.encodings == ("gzip",)
    assert told.serves_artifacts


def test_a_registry_of_its_own_is_told_apart(serve: Serve, tmp_path: Path) -> None:
    client = serve("memory:", registry_store_uri=f"sqlite:///{tmp_path}/models.db")
    told = client.get(CAPABILITIES_PATH).json()
    assert "multi-process" in " ".join(told["registry"]["capabilities"]).replace("_", "-").lower()
    assert told["tracking"]["capabilities"] != told["registry"]["capabilities"]
    assert not told["serves_artifacts"]
    client.call("registered-models/create", {"name": "m"})
    assert (tmp_path / "models.db").exists()


def test_its_openapi_document_has_every_endpoint(client: AsgiClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    described = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    for endpoint in ENDPOINTS:
        assert (endpoint.method, endpoint.path.replace(":path}", "}")) in described
    assert {
        (method, "/api/2.0/mlflow-artifacts/artifacts/{artifact_path}")
        for method in ("GET", "PUT", "DELETE")
    } <= described


def test_its_openapi_document_refers_to_nothing_that_is_not_in_it(client: AsgiClient) -> None:
    text = client.get("/openapi.json").body.decode()
    document = json.loads(text)
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert names <= set(document["components"]["schemas"])
    ids = [
        operation["operationId"]
        for operations in document["paths"].values()
        for method, operation in operations.items()
        if method != "parameters"
    ]
    assert len(ids) == len(set(ids))
    for path, operations in document["paths"].items():
        for field in re.findall(r"\{(\w+)\}", path):
            for method, operation in operations.items():
                if method != "parameters":
                    parameters = operation.get("parameters", []) + operations.get("parameters", [])
                    assert [p for p in parameters if (p["name"], p["in"]) == (field, "path")], path


def test_requests_are_counted_by_endpoint_and_status(client: AsgiClient) -> None:
    for _ in range(3):
        client.get("/api/2.0/mlflow/experiments/get?experiment_id=0")
    client.get("/ajax-api/2.0/mlflow/experiments/get?experiment_id=nobodys")
    for number in range(20):
        client.get(f"/nothing/{number}")
    client.get("/health", host="evil.example")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.body.decode()
    assert 'tracking_server_requests_total{endpoint="getExperiment",status="200"} 3.0' in text
    assert 'tracking_server_requests_total{endpoint="getExperiment",status="404"} 1.0' in text
    assert 'tracking_server_requests_total{endpoint="none",status="404"} 20.0' in text
    assert 'tracking_server_requests_total{endpoint="none",status="403"} 1.0' in text
    assert 'tracking_server_request_seconds_count{endpoint="getExperiment"} 4.0' in text
    # Nothing that a client chose is a label, or anyone could fill the memory of who reads it.
    assert "nobodys" not in text
    assert "/nothing" not in text


def test_two_servers_in_one_process_count_for_themselves(serve: Serve) -> None:
    first, second = serve(), serve()
    first.get("/version")
    assert 'endpoint="version"' in first.get("/metrics").body.decode()
    assert 'endpoint="version"' not in second.get("/metrics").body.decode()


WORKSPACES = [
    (method, f"{prefix}/3.0/mlflow/workspaces{rest}")
    for prefix in ("/api", "/ajax-api")
    for method, rest in (
        ("GET", ""),
        ("POST", ""),
        ("GET", "/a"),
        ("PATCH", "/a"),
        ("DELETE", "/a"),
    )
]


@pytest.mark.parametrize(
    ("method", "target"),
    [
        *WORKSPACES,
        ("GET", "/graphql"),
        ("POST", "/graphql"),
        ("GET", "/ajax-api/2.0/mlflow/gateway-proxy"),
        ("POST", "/ajax-api/2.0/mlflow/gateway-proxy"),
        ("POST", "/ajax-api/2.0/mlflow/runs/create-promptlab-run"),
    ],
)
def test_what_mlflow_has_and_it_has_not_is_501_as_json(
    client: AsgiClient, method: str, target: str
) -> None:
    answer = client.request(method, target, body=b"{" if method != "GET" else b"")
    assert answer.status == 501
    assert answer.json()["error_code"] == "NOT_IMPLEMENTED"
    assert "isn't a part of this server" in answer.message
