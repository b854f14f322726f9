"""What the server measures of itself, for Prometheus.

Each worker process tells its own figures; with PROMETHEUS_MULTIPROC_DIR set, as the library's
documentation has it, each tells those of all.
"""

from __future__ import annotations

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Monitoring:
    """Counts requests and measures how long they take."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        is_shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        own = REGISTRY if is_shared else self._registry
        self._requests = Counter(
            "tracking_server_requests",
            "Requests that were answered.",
            ("endpoint", "status"),
            registry=None if is_shared else own,
        )
        self._seconds = Histogram(
            "tracking_server_request_seconds",
            "How long answers took.",
            ("endpoint",),
            buckets=_BUCKETS,
            registry=None if is_shared else own,
        )
        self._counters: dict[tuple[str, int], Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        if is_shared:
            multiprocess.MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]

    def note(self, endpoint: str, status: int, seconds: float) -> None:
        """Count an answer."""
        counter = self._counters.get((endpoint, status))
        if counter is None:
            counter = self._requests.labels(endpoint, str(status))
            self._counters[endpoint, status] = counter
            self._histograms[endpoint] = self._seconds.labels(endpoint)
        counter.inc()
        self._histograms[endpoint].observe(seconds)

    def told(self) -> tuple[bytes, bytes]:
        """Return what Prometheus reads, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST.encode()
