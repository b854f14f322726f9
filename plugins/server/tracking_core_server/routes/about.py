"""What the server says of itself."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator

import msgspec

from tracking_core.config import Uri
from tracking_core.contract import CONTRACT_VERSION
from tracking_core.errors import UnsupportedError
from tracking_core.stores import BackendStore
from tracking_core.wire.server_abilities import (
    CAPABILITIES_PATH,
    BackendAbilities,
    ServerAbilities,
)
from tracking_core_server.exchange import Exchange
from tracking_core_server.execution import Execution
from tracking_core_server.routes.calls import paths_of
from tracking_core_server.routing import Handler, Route
from tracking_core_server.service import Service

# Stock clients ask for the version to know which endpoints there are.
_MLFLOW_VERSION = "3.10.0"


def about_routes(
    service: Service,
    execution: Execution,
    *,
    document: Callable[[], bytes],
    metrics: Callable[[], tuple[bytes, bytes]],
) -> Iterator[Route]:
    """Yield the routes by which the server tells of itself.

    Args:
        service: What is served.
        execution: Where calls run.
        document: Returns the OpenAPI document.
        metrics: Returns what Prometheus reads, and its media type.
    """

    async def health(exchange: Exchange) -> None:
        await exchange.answer(200, b"OK", media_type=b"text/plain; charset=utf-8")

    async def version(exchange: Exchange) -> None:
        await exchange.answer(
            200, _MLFLOW_VERSION.encode(), media_type=b"text/plain; charset=utf-8"
        )

    async def server_info(exchange: Exchange) -> None:
        uri = Uri.parse(service.configuration.store_uri)
        info = {
            "store_type": "FileStore" if uri.scheme == "file" else "SqlStore",
            "workspaces_enabled": False,
            "trace_archival_enabled": False,
            "multipart_uploads_enabled": False,
            "multipart_downloads_enabled": False,
            "presigned_upload_run_id_supported": False,
        }
        await exchange.answer(200, msgspec.json.encode(info))

    async def capabilities(exchange: Exchange) -> None:
        def call() -> bytes:
            return msgspec.json.encode(
                ServerAbilities(
                    version=importlib.metadata.version("tracking-core"),
                    contract_version=CONTRACT_VERSION,
                    tracking=_abilities(service.tracking),
                    registry=_abilities(service.registry),
                    encodings=("gzip",),
                    serves_artifacts=service.artifacts.serves_proxy,
                )
            )

        await exchange.answer(200, await execution.in_thread(call))

    async def openapi(exchange: Exchange) -> None:
        await exchange.answer(200, document())

    async def prometheus(exchange: Exchange) -> None:
        body, media_type = metrics()
        await exchange.answer(200, body, media_type=media_type)

    named: list[tuple[str, str, Handler]] = [
        ("/health", "health", health),
        ("/version", "version", version),
        ("/metrics", "metrics", prometheus),
        ("/openapi.json", "openapi", openapi),
        (CAPABILITIES_PATH, "capabilities", capabilities),
        *((path, "serverInfo", server_info) for path in paths_of("/api/3.0/mlflow/server-info")),
    ]
    for path, name, handler in named:
        yield Route(method="GET", path=path, name=name, handler=handler)
    yield from _refusals()


def _abilities(store: BackendStore) -> BackendAbilities:
    return BackendAbilities(
        facets=tuple(sorted(kind.__name__ for kind in store.facets())),
        capabilities=tuple(sorted(str(each) for each in store.capabilities)),
        limits=store.limits,
    )


def _refusals() -> Iterator[Route]:
    """Yield what MLflow has and this server hasn't, so that it says so in a sentence."""
    workspaces = "/api/3.0/mlflow/workspaces"
    missing = [
        *(
            (method, path, "Workspaces")
            for method, pattern in (
                ("GET", workspaces),
                ("POST", workspaces),
                ("GET", f"{workspaces}/{{workspace_name}}"),
                ("PATCH", f"{workspaces}/{{workspace_name}}"),
                ("DELETE", f"{workspaces}/{{workspace_name}}"),
            )
            for path in paths_of(pattern)
        ),
        ("GET", "/graphql", "GraphQL"),
        ("POST", "/graphql", "GraphQL"),
        ("GET", "/ajax-api/2.0/mlflow/gateway-proxy", "The AI gateway"),
        ("POST", "/ajax-api/2.0/mlflow/gateway-proxy", "The AI gateway"),
        ("POST", "/ajax-api/2.0/mlflow/runs/create-promptlab-run", "The prompt laboratory"),
    ]
    for method, path, what in missing:
        yield Route(
            method=method,
            path=path,
            name="unsupported",
            handler=_refusal(what),
            writes=method != "GET",
        )


def _refusal(what: str) -> Handler:
    async def refuse(exchange: Exchange) -> None:
        raise UnsupportedError(f"{what} of MLflow isn't a part of this server.")

    return refuse
