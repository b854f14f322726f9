"""The server inside of another application: below a path of it, beside its own pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from plugins.server.tests.asgi_client import AsgiClient
from tracking_core.config import Settings
from tracking_core_server import Application, create_app

Host = Callable[[Application], Any]


async def _page(request: Any) -> PlainTextResponse:
    return PlainTextResponse("mine")


def in_starlette(tracking: Application) -> Any:
    return Starlette(routes=[Route("/page", _page), Mount("/platform/tracking", tracking)])


def in_fastapi(tracking: Application) -> Any:
    application = FastAPI()
    application.mount("/platform/tracking", tracking)
    application.add_route("/page", _page)
    return application


def in_a_router_of_its_own(tracking: Application) -> Any:
    """As docs/how-to/embed-the-server.md has it for Django, which sets no root_path."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        is_ours = scope.get("path", "").startswith("/platform/tracking/")
        await (tracking if is_ours else PlainTextResponse("mine"))(scope, receive, send)

    return application


class _Closing:
    """An application that is called, and the one in it that is closed."""

    def __init__(self, outer: Any, tracking: Application) -> None:
        self._outer = outer
        self._tracking = tracking

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._outer(scope, receive, send)

    def close(self) -> None:
        self._tracking.close()


@pytest.fixture(params=[in_starlette, in_fastapi, in_a_router_of_its_own])
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AsgiClient]:
    """A client of the outer application, which asks below the path of the inner one."""
    prefix = "/platform/tracking" if request.param is in_a_router_of_its_own else ""
    tracking = create_app(
        f"sqlite:///{tmp_path}/runs.db",
        settings=Settings(),
        static_prefix=prefix,
        artifacts_destination=str(tmp_path / "artifacts"),
    )
    outer: Any = _Closing(request.param(tracking), tracking)
    with AsgiClient(outer, before="/platform/tracking") as client:
        yield client


def test_calls_and_artifacts_are_answered_below_the_path(mounted: AsgiClient) -> None:
    run_id = mounted.call("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    point = {"run_id": run_id, "key": "a", "value": 1.5, "timestamp": 1}
    assert mounted.call("runs/log-metric", point) == {}
    run = mounted.call("runs/get", {"run_id": run_id}, method="GET")["run"]
    assert run["data"]["metrics"][0]["value"] == 1.5
    path = "/api/2.0/mlflow-artifacts/artifacts/a%20b/%25c%2Ftxt"
    assert mounted.put(path, b"hello").status == 200
    assert mounted.get(path).body == b"hello"
    assert mounted.get("/health").body == b"OK"
    assert mounted.get("/ajax-api/2.0/mlflow/experiments/get?experiment_id=0").status == 200


def test_what_is_wrong_is_told_as_without_it(mounted: AsgiClient) -> None:
    missing = mounted.get("/api/2.0/mlflow/runs/get?run_id=nothing")
    assert (missing.status, missing.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert mounted.get("/api/2.0/mlflow/nonsense").json()["error_code"] == "ENDPOINT_NOT_FOUND"
    foreign = mounted.get("/api/2.0/mlflow/experiments/search?max_results=1", host="evil.example")
    assert foreign.status == 403


def test_the_pages_of_the_other_stay_its_own(mounted: AsgiClient) -> None:
    outside = AsgiClient(mounted.application)
    try:
        assert outside.get("/page").body == b"mine"
    finally:
        outside._loop.close()


def test_two_backends_are_served_side_by_side(tmp_path: Path) -> None:
    apps = [
        create_app(f"sqlite:///{tmp_path}/{name}.db", settings=Settings()) for name in ("a", "b")
    ]
    outer = Starlette(routes=[Mount("/a", apps[0]), Mount("/b", apps[1])])
    seen = []
    for name in ("a", "b"):
        client = AsgiClient(_Closing(outer, apps["ab".index(name)]), before=f"/{name}")  # type: ignore[arg-type]
        with client:
            client.call("experiments/create", {"name": f"only in {name}"})
            found = client.call("experiments/search", {"max_results": 10})["experiments"]
            seen.append(sorted(each["name"] for each in found))
    assert seen == [["Default", "only in a"], ["Default", "only in b"]]


def test_the_lifespan_of_the_other_may_close_it(tmp_path: Path) -> None:
    tracking = create_app(f"sqlite:///{tmp_path}/runs.db", settings=Settings())

    @asynccontextmanager
    async def lifespan(application: Any) -> Any:
        yield
        tracking.close()

    outer = FastAPI(lifespan=lifespan)
    outer.mount("/tracking", tracking)
    told: list[str] = []

    async def live() -> None:
        messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            told.append(message["type"])

        await outer({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    asyncio.run(live())
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
