"""The table of routes is what is answered, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugins.server.tests.asgi_client import Answer, AsgiClient
from plugins.server.tests.conftest import Serve
from tracking_core.wire.contract_calls import contract_calls
from tracking_core.wire.endpoints import ENDPOINTS
from tracking_core_server import create_app
from tracking_core_server.routing import Route, Router

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _table() -> list[Route]:
    application = create_app("memory:", artifacts_destination="memory://artifacts")
    application.close()
    return list(application.router.routes)


ROUTES = _table()


def _target(route: Route) -> str:
    return re.sub(r"\{\w+(:path)?\}", lambda field: "a/b" if field[1] else "a", route.path)


def _is_routed(answer: Answer) -> bool:
    """Tell whether somebody answered, be it that what was asked for isn't there."""
    if answer.status == 405:
        return False
    return answer.status != 404 or answer.json()["error_code"] != "ENDPOINT_NOT_FOUND"


def _ids(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture
def walked(serve: Serve, tmp_path: Path) -> AsgiClient:
    return serve(artifacts_destination=str(tmp_path))


def test_each_route_answers_its_method(walked: AsgiClient) -> None:
    for route in ROUTES:
        answer = walked.request(route.method, _target(route))
        assert _is_routed(answer), _ids(route)
        assert answer.status < 500 or answer.status == 501, (_ids(route), answer.body)
        assert answer.is_whole


def test_a_method_that_a_path_has_not_is_405_and_says_which_it_has(walked: AsgiClient) -> None:
    targets: dict[str, set[str]] = {}
    for route in ROUTES:
        targets.setdefault(_target(route), set()).add(route.method)
    for target, known in targets.items():
        # Another pattern may have the path too, as /registered-models/{name} would.
        for method in {*METHODS, "TRACE", "PROPFIND", "FOO"} - known:
            answer = walked.request(method, target)
            if method in METHODS and _is_routed(answer):
                continue
            assert answer.status == 405, (method, target)
            assert answer.json()["error_code"] == "BAD_REQUEST"
            allowed = set(answer.headers["allow"].split(", "))
            assert known <= allowed
            assert method not in allowed


def test_every_endpoint_of_the_table_is_routed_for_programs_and_for_pages() -> None:
    routed = {(route.method, route.path) for route in ROUTES}
    for endpoint in ENDPOINTS:
        assert (endpoint.method, endpoint.path) in routed
        assert (endpoint.method, endpoint.path.replace("/api/", "/ajax-api/", 1)) in routed


def test_every_call_of_the_contract_is_routed() -> None:
    routed = {(route.method, route.path): route for route in ROUTES}
    for path, call in contract_calls().items():
        assert routed["POST", path].writes == call.writes


def test_routes_that_write_are_those_whose_endpoints_do() -> None:
    for endpoint in ENDPOINTS:
        for route in ROUTES:
            if (route.method, route.path) == (endpoint.method, endpoint.path):
                assert route.writes == endpoint.writes
    assert not [route for route in ROUTES if route.writes and route.method == "GET"]


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/nothing",
        "//health",
        "/health/",
        "/Health",
        "/api/2.0/mlflow",
        "/api/2.0/mlflow/",
        "/api/2.0/mlflow/runs/get/",
        "/api/2.0/mlflow//runs/get",
        "/api/2.0/mlflow/runs",
        "/api/3.0/mlflow/runs/get",
        "/ajax-api/2.0/mlflow/runs/nothing",
        "/api/2.0/mlflow/logged-models/",
        "/api/2.0/mlflow/logged-models/a/b",
        "/api/2.0/mlflow-artifacts/artifacts/",
        "/api/2.0/mlflow-artifacts/artifactsx",
        "/static-files/../../etc/passwd",
        "/api/2.0/mlflow/runs/get%00",
        "/%ff%fe",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/2.0/tracking/contract/RunStore/close",
        "/api/2.0/tracking/contract/RunStore/__init__",
        "/api/2.0/tracking/contract/MemoryStore/get_run",
        "/" + "a" * 10_000,
    ],
)
def test_what_is_not_in_the_table_is_404_as_json(walked: AsgiClient, target: str) -> None:
    for method in ("GET", "POST"):
        answer = walked.request(method, target)
        assert answer.status == 404, (method, target)
        assert answer.json()["error_code"] == "ENDPOINT_NOT_FOUND"
        assert "/openapi.json" in answer.message


def test_a_part_of_a_path_that_is_no_text_is_400(walked: AsgiClient) -> None:
    answer = walked.get("/api/2.0/mlflow/logged-models/%ff")
    assert answer.status == 400
    assert "isn't UTF-8" in answer.message


def test_a_part_of_a_path_is_decoded_once_and_holds_no_slash(walked: AsgiClient) -> None:
    assert "'a%20b'" in walked.get("/api/2.0/mlflow/logged-models/a%2520b").message
    assert "'a/b'" in walked.get("/api/2.0/mlflow/logged-models/a%2Fb").message


def test_head_is_answered_as_get_is_without_the_body(walked: AsgiClient) -> None:
    for target in ("/health", "/openapi.json", "/api/2.0/mlflow/experiments/get?experiment_id=0"):
        whole, head = walked.get(target), walked.request("HEAD", target)
        assert (head.status, head.body, head.is_whole) == (whole.status, b"", True)
        assert head.headers == whole.headers
        assert int(head.headers["content-length"]) == len(whole.body) > 0
    assert walked.request("HEAD", "/nothing").status == 404
    assert walked.request("HEAD", "/api/2.0/mlflow/runs/create").status == 405


def test_options_tell_what_may_be_asked(walked: AsgiClient) -> None:
    answer = walked.request("OPTIONS", "/api/2.0/mlflow/runs/create")
    assert (answer.status, answer.body) == (204, b"")
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert walked.request("OPTIONS", "/nothing").status == 404


@pytest.mark.parametrize("prefix", ["/tracking", "/a/b", "/a b", "/é"])
def test_below_a_static_prefix_all_is_as_without_it(serve: Serve, prefix: str) -> None:
    from urllib.parse import quote

    client = serve(static_prefix=prefix, artifacts_destination="memory://prefix")
    raw = quote(prefix)
    for route in ROUTES:
        assert _is_routed(client.request(route.method, raw + _target(route))), _ids(route)
    # MLflow's programs don't know of the prefix.
    assert client.get("/api/2.0/mlflow/experiments/get?experiment_id=0").status == 200
    assert client.get(raw + "x/health").status == 404


def test_mounted_below_another_application_all_is_as_without_it(serve: Serve) -> None:
    client = serve(
        root_path="/apps/tracking",
        before="/apps/tracking",
        artifacts_destination="memory://mounted",
    )
    for route in ROUTES:
        assert _is_routed(client.request(route.method, _target(route))), _ids(route)
    assert client.get("/api/2.0/mlflow/logged-models/a%2Fb").status == 400
    assert client.put("/api/2.0/mlflow-artifacts/artifacts/a%20b", b"x").status == 200
    assert client.get("/api/2.0/mlflow-artifacts/artifacts/a%20b").body == b"x"
    assert client.get("/nothing").status == 404


def test_mounted_and_prefixed_at_once_both_are_taken_away(serve: Serve) -> None:
    client = serve(root_path="/apps", before="/apps/ml", static_prefix="/ml")
    assert client.get("/health").status == 200


def test_a_server_of_artifacts_only_has_no_calls(serve: Serve, tmp_path: Path) -> None:
    client = serve(artifacts_only=True, artifacts_destination=str(tmp_path))
    assert client.get("/health").status == 200
    assert client.put("/api/2.0/mlflow-artifacts/artifacts/a", b"x").status == 200
    assert client.get("/api/2.0/mlflow/experiments/get?experiment_id=0").status == 404
    assert client.post("/api/2.0/tracking/contract/RunStore/get_run").status == 404


def test_a_route_that_stands_in_the_table_twice_is_a_mistake() -> None:
    async def handler(exchange: object) -> None:
        raise AssertionError

    for path in ("/a", "/a/{b}"):
        route = Route(method="GET", path=path, name="a", handler=handler)
        with pytest.raises(ValueError, match="stands in the table twice"):
            Router([route, route])
