"""The OpenAPI document, out of the table of endpoints."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import msgspec

from tracking_core.wire.endpoints import ENDPOINTS, Endpoint
from tracking_core.wire.endpoints.artifacts import PROXY
from tracking_core.wire.errors import ErrorBody
from tracking_core_server.exchange import JSON

_REFERENCE = "#/components/schemas/{name}"
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def openapi_document() -> bytes:
    """Return the description of MLflow's endpoints as OpenAPI 3.1, as JSON.

    Source: https://spec.openapis.org/oas/v3.1.0
    """
    kinds = {kind for each in ENDPOINTS for kind in (each.request, each.response)}
    ordered = sorted(kinds, key=lambda kind: (kind.__name__, kind.__module__))
    schemas, components = msgspec.json.schema_components(
        [*ordered, ErrorBody], ref_template=_REFERENCE
    )
    known = dict(zip([*ordered, ErrorBody], schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        path = endpoint.path.replace(":path}", "}")
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(
            endpoint, known, components
        )
    paths[f"{PROXY}/{{artifact_path}}"] = _proxy()
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "MLflow's REST API, as tracking-core serves it",
                "version": importlib.metadata.version("tracking-core"),
            },
            "paths": paths,
            "components": {"schemas": components},
        }
    )


def _operation(
    endpoint: Endpoint, known: dict[Any, dict[str, Any]], components: dict[str, Any]
) -> dict[str, Any]:
    schema = components[endpoint.request.__name__]
    fields = schema.get("properties", {})
    required = set(schema.get("required", ()))
    in_path = [part[1:-1].split(":")[0] for part in endpoint.path.split("/") if part[:1] == "{"]
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.name}_{endpoint.method.lower()}",
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1},
            }
            for name in in_path
        ],
        "responses": {
            "200": {
                "description": "The answer.",
                "content": {JSON.decode(): {"schema": known[endpoint.response]}},
            },
            "default": {
                "description": "An error.",
                "content": {JSON.decode(): {"schema": known[_error_kind()]}},
            },
        },
    }
    if endpoint.method == "GET":
        operation["parameters"] += [
            {"name": name, "in": "query", "required": name in required, "schema": schema}
            for name, schema in fields.items()
            if name not in in_path
        ]
    else:
        operation["requestBody"] = {
            "required": bool(required - set(in_path)),
            "content": {JSON.decode(): {"schema": _without(schema, in_path)}},
        }
    return operation


def _error_kind() -> type[ErrorBody]:
    return ErrorBody


def _without(schema: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the schema of a body whose message has fields that the path gives."""
    return {
        **schema,
        "properties": {k: v for k, v in schema.get("properties", {}).items() if k not in names},
        "required": [name for name in schema.get("required", ()) if name not in names],
    }


def _proxy() -> dict[str, Any]:
    parameter = {
        "name": "artifact_path",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
    }
    done = {"200": {"description": "Done."}}
    return {
        "parameters": [parameter],
        "get": {
            "operationId": "downloadArtifact",
            "responses": {"200": {"description": "The file.", "content": _BYTES}},
        },
        "put": {
            "operationId": "uploadArtifact",
            "requestBody": {"content": _BYTES},
            "responses": done,
        },
        "delete": {"operationId": "deleteArtifact", "responses": done},
    }
