"""A tracking server: MLflow's REST API over any backend, as an ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracking_core_server.application import Application, create_app

_HOMES = {
    "Application": "application",
    "create_app": "application",
}


__all__ = ["Application", "create_app"]


def __getattr__(name: str) -> Any:
    # Whoever looks for plugins imports this package, and must not pay for a server.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
