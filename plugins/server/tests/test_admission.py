"""Whose requests are looked at, by their headers Host and Origin."""

from __future__ import annotations

import re

import pytest

from plugins.server.tests.asgi_client import AsgiClient
from plugins.server.tests.conftest import Serve
from plugins.server.tests.test_routing import ROUTES

GET = "/api/2.0/mlflow/experiments/get?experiment_id=0"
CREATE = "/api/2.0/mlflow/experiments/create"
CORS = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:5000",
        "LOCALHOST",
        "localhost.",
        "localhost.:80",
        "127.0.0.1",
        "127.0.0.1:5000",
        "10.1.2.3:80",
        "[::1]",
        "[::1]:5000",
        "[2001:db8::1]:443",
        "",
        None,
    ],
)
def test_by_its_own_name_and_by_addresses_the_server_answers(
    client: AsgiClient, host: str | None
) -> None:
    assert client.get(GET, host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:5000",
        "evil.example.",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:127.0.0.1",
        "127.0.0.1@evil.example",
        "[evil.example]:80",
        "evil.example, localhost",
        "2130706433",
        "0x7f.1",
        "xn--lcalhost-0za",
        "l\u00f6calhost",
        "metadata",
    ],
)
def test_by_a_foreign_name_it_does_not(client: AsgiClient, host: str) -> None:
    for _ in range(2):  # also the second time, when it is remembered
        answer = client.get(GET, host=host)
        assert answer.status == 403
        assert answer.json()["error_code"] == "PERMISSION_DENIED"
        assert "--allowed-hosts" in answer.message


def test_every_get_is_refused_for_a_foreign_host(with_artifacts: AsgiClient) -> None:
    for route in ROUTES:
        target = re.sub(r"\{\w+(:path)?\}", "a", route.path)
        answer = with_artifacts.request(route.method, target, host="evil.example")
        assert answer.status == 403, route
    assert with_artifacts.get("/nothing", host="evil.example").status == 403


def test_every_route_that_writes_is_refused_for_a_foreign_origin(
    with_artifacts: AsgiClient,
) -> None:
    for route in ROUTES:
        if route.writes or route.method != "GET":
            target = re.sub(r"\{\w+(:path)?\}", "a", route.path)
            answer = with_artifacts.request(
                route.method, target, headers={"Origin": "https://evil.example"}
            )
            assert answer.status == 403, route
            assert "--cors-allowed-origins" in answer.message
            assert not [name for name in CORS if name in answer.headers]


@pytest.mark.parametrize(
    ("allowed", "host", "is_admitted"),
    [
        (("ml.example.org",), "ml.example.org", True),
        (("ml.example.org",), "ML.Example.org:5000", True),
        (("ml.example.org",), "ml.example.org.", True),
        (("ML.EXAMPLE.ORG",), "ml.example.org", True),
        (("ml.example.org:5000",), "ml.example.org:5000", True),
        (("ml.example.org:5000",), "ml.example.org:5001", False),
        (("ml.example.org",), "ml.example.org.evil.example", False),
        (("ml.example.org",), "xml.example.org", False),
        (("*.example.org",), "a.example.org:1", True),
        (("*.example.org",), "example.org", False),
        (("*.example.org",), "a.example.org.evil.example", False),
        (("*",), "anything:80", True),
        (("other", "ml"), "ml", True),
        (("other",), "localhost:5000", True),
    ],
)
def test_names_are_admitted_as_they_were_given(
    serve: Serve, allowed: tuple[str, ...], host: str, is_admitted: bool
) -> None:
    answer = serve(allowed_hosts=allowed).get(GET, host=host)
    assert answer.status == (200 if is_admitted else 403)


def test_many_foreign_names_fill_no_memory_and_are_all_refused(client: AsgiClient) -> None:
    for number in range(1_100):
        assert client.get("/health", host=f"h{number}.example").status == 403
    assert client.get("/health", host="h1099.example").status == 403
    assert client.get("/health").status == 200


# --- origins ---


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:5000", "localhost:5000"),
        ("http://LOCALHOST:5000", "localhost:5000"),
        ("http://localhost", "localhost"),
        ("http://localhost:80", "localhost"),
        ("http://localhost", "localhost:80"),
        ("https://localhost", "localhost:443"),
        ("http://127.0.0.1:5000", "127.0.0.1:5000"),
        ("http://[::1]:5000", "[::1]:5000"),
    ],
)
def test_pages_of_the_server_itself_may_write(client: AsgiClient, origin: str, host: str) -> None:
    answer = client.post(CREATE, {"name": "a"}, host=host, headers={"Origin": origin})
    assert answer.status == 200
    assert not [name for name in CORS if name in answer.headers]


FOREIGN = [
    "https://evil.example",
    "http://localhost:5001",
    "http://localhost",
    "http://127.0.0.1:5000",
    "http://evil.localhost:5000",
    "http://localhost:5000.evil.example",
    "http://localhost:5000@evil.example",
    "null",
    "",
    "file://",
    "localhost:5000",
    "//localhost:5001",
    "http://[",
    "http://[evil",
    "chrome-extension://abc",
    "\u00ff\u0000",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_pages_of_others_may_not_write(client: AsgiClient, origin: str) -> None:
    for method, target in (
        ("POST", CREATE),
        ("POST", "/api/2.0/tracking/contract/RunStore/create_experiment"),
        ("DELETE", "/api/2.0/mlflow/registered-models/delete"),
        ("OPTIONS", CREATE),
        ("POST", "/nothing"),
    ):
        answer = client.request(method, target, headers={"Origin": origin})
        assert answer.status == 403
        assert not [name for name in CORS if name in answer.headers]


@pytest.mark.parametrize("origin", FOREIGN)
def test_pages_of_others_get_no_leave_to_read(client: AsgiClient, origin: str) -> None:
    answer = client.get(GET, headers={"Origin": origin})
    assert answer.status == 200
    assert not [name for name in CORS if name in answer.headers]


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("https://ui.example.org", "https://ui.example.org"),
        ("https://ui.example.org/", "https://ui.example.org"),
        ("https://UI.example.org", "https://ui.example.org"),
        ("https://*.example.org", "https://ui.example.org"),
        ("http://localhost:*", "http://localhost:3000"),
        ("*", "https://anyone.example"),
    ],
)
def test_pages_that_were_admitted_may_write_and_read(
    serve: Serve, allowed: str, origin: str
) -> None:
    client = serve(allowed_origins=(allowed,))
    headers = {"Origin": origin}
    answers = [
        client.post(CREATE, {"name": "a"}, headers=headers),
        client.get(GET, headers=headers),
        client.request("OPTIONS", CREATE, headers=headers),
    ]
    assert [answer.status for answer in answers] == [200, 200, 204]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == origin
        assert "origin" in answer.headers["vary"].lower()
        # With credentials any page that is admitted could act as its visitor.
        assert "access-control-allow-credentials" not in answer.headers
    # A page must see what was wrong too.
    missing = client.get("/nothing", headers=headers)
    assert missing.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    "origin",
    [
        "https://ui.example.org.evil.example",
        "http://ui.example.org",
        "https://ui.example.org:444",
        "https://xui.example.org",
        "null",
    ],
)
def test_pages_that_are_like_those_that_were_admitted_may_not(serve: Serve, origin: str) -> None:
    client = serve(allowed_origins=("https://ui.example.org",))
    answer = client.post(CREATE, {"name": "a"}, headers={"Origin": origin})
    assert answer.status == 403
    assert not [name for name in CORS if name in answer.headers]


def test_a_preflight_is_answered_with_what_was_asked_for(serve: Serve) -> None:
    client = serve(allowed_origins=("https://ui.example.org",))
    answer = client.request(
        "OPTIONS",
        "/api/2.0/mlflow/model-versions/update",
        headers={
            "Origin": "https://ui.example.org",
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "content-type,x-mlflow-workspace",
        },
    )
    assert answer.status == 204
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "content-type,x-mlflow-workspace"
    assert int(answer.headers["access-control-max-age"]) > 0


# --- what browsers are told ---


def test_every_answer_tells_browsers_not_to_guess_and_not_to_frame(serve: Serve) -> None:
    client = serve()
    for answer in (client.get("/health"), client.get("/nothing"), client.get("/x", host="e.vil")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert serve(frame_options="DENY").get("/health").headers["x-frame-options"] == "DENY"
    assert "x-frame-options" not in serve(frame_options="NONE").get("/health").headers


def test_an_unguarded_server_answers_everyone(serve: Serve) -> None:
    client = serve(is_guarded=False)
    answer = client.post(
        CREATE, {"name": "a"}, host="evil.example", headers={"Origin": "https://evil.example"}
    )
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
