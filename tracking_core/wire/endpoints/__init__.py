"""The table of endpoints: what the server answers is what the client asks."""

from tracking_core.wire.endpoints import (
    artifacts,
    experiments,
    logged_models,
    metrics,
    registry,
    runs,
    webhooks,
)
from tracking_core.wire.endpoints.endpoint import PREFIX, Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *experiments.ENDPOINTS,
    *runs.ENDPOINTS,
    *metrics.ENDPOINTS,
    *logged_models.ENDPOINTS,
    *registry.ENDPOINTS,
    *webhooks.ENDPOINTS,
    *artifacts.ENDPOINTS,
)
"""Every call of MLflow's REST API whose request and answer are messages."""

__all__ = [
    "ENDPOINTS",
    "PREFIX",
    "Endpoint",
    "artifacts",
    "experiments",
    "logged_models",
    "metrics",
    "registry",
    "runs",
    "webhooks",
]
