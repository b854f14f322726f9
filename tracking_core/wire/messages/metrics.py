"""Messages about points of metrics."""

from __future__ import annotations

from math import isfinite
from typing import cast

from tracking_core.entities import Metric
from tracking_core.wire.messages.base import Filled, Message, Number, float_of, number_of


class MetricMessage(Message, kw_only=False):
    """mlflow.Metric, and mlflow.MetricWithRunId, which has fewer fields. Made by the thousand."""

    key: str | None = None
    value: Number | None = None
    timestamp: int | None = None
    step: int | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    model_id: str | None = None
    run_id: str | None = None

    @classmethod
    def of(cls, metric: Metric) -> MetricMessage:
        """Return what the wire says of a point."""
        value = metric.value
        return cls(
            metric.key,
            value if isfinite(value) else number_of(value),
            metric.timestamp,
            metric.step,
            metric.dataset_name,
            metric.dataset_digest,
            metric.model_id,
            metric.run_id,
        )

    def entity(self) -> Metric:
        """Return the point."""
        value = self.value
        return Metric(
            self.key or "",
            value if type(value) is float else float_of(value),
            self.timestamp or 0,
            self.step or 0,
            # An unset text and an empty one are the same to protobuf.
            self.model_id or None,
            self.dataset_name or None,
            self.dataset_digest or None,
            self.run_id or None,
        )


class LoggedMetric(Message, kw_only=True):
    """A point of a request: of runs/log-batch."""

    key: Filled
    value: float
    timestamp: int
    step: int = 0
    dataset_name: str | None = None
    dataset_digest: str | None = None
    model_id: str | None = None
    run_id: str | None = None

    @classmethod
    def of(cls, metric: Metric) -> LoggedMetric:
        """Return what a request says of a point."""
        value = metric.value
        return cls(
            key=metric.key,
            # Text where JSON has no number for it, which is read as the number.
            value=value if isfinite(value) else cast("float", number_of(value)),
            timestamp=metric.timestamp,
            step=metric.step,
            dataset_name=metric.dataset_name,
            dataset_digest=metric.dataset_digest,
            model_id=metric.model_id,
        )

    def entity(self) -> Metric:
        """Return the point, without the run, which the request names."""
        return Metric(
            self.key,
            self.value,
            self.timestamp,
            self.step,
            self.model_id or None,
            self.dataset_name or None,
            self.dataset_digest or None,
        )


class LogMetric(LoggedMetric, kw_only=True):
    """The request of runs/log-metric."""

    run_uuid: str | None = None


class GetMetricHistory(Message, kw_only=True):
    """The request of metrics/get-history."""

    metric_key: Filled
    run_id: str | None = None
    run_uuid: str | None = None
    page_token: str | None = None
    max_results: int | None = None


class MetricHistoryFound(Message, kw_only=True):
    """The answer of metrics/get-history and of the bulk histories."""

    metrics: tuple[MetricMessage, ...] = ()
    next_page_token: str | None = None


class GetBulkHistory(Message, kw_only=True):
    """The request of metrics/get-history-bulk."""

    run_id: tuple[str, ...]
    metric_key: Filled
    max_results: int = 25_000


class GetBulkInterval(Message, kw_only=True):
    """The request of metrics/get-history-bulk-interval."""

    metric_key: Filled
    run_ids: tuple[str, ...] = ()
    start_step: int | None = None
    end_step: int | None = None
    max_results: int | None = None
