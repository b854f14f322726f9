"""The endpoints of metric histories."""

from __future__ import annotations

from collections.abc import Sequence

from tracking_core.entities import Metric
from tracking_core.errors import InvalidValueError
from tracking_core.stores import MetricHistoryQuery, RunStore
from tracking_core.wire.endpoints.endpoint import PREFIX, Endpoint, named_run, page_size
from tracking_core.wire.messages import metrics as messages
from tracking_core.wire.messages.metrics import MetricMessage

_MOST_RUNS = 100
_MOST_POINTS = 25_000
_MOST_PER_RUN = 2_500


def _history(runs: RunStore, request: messages.GetMetricHistory) -> messages.MetricHistoryFound:
    size = request.max_results
    query = MetricHistoryQuery(
        key=request.metric_key,
        max_results=None if size is None else page_size(size, usual=1, most=50_000),
        page_token=request.page_token or None,
    )
    page = runs.metric_history(named_run(request), query=query)
    return messages.MetricHistoryFound(
        metrics=tuple([MetricMessage.of(point) for point in page.items]),
        next_page_token=page.next_page_token,
    )


def _bulk(runs: RunStore, request: messages.GetBulkHistory) -> messages.MetricHistoryFound:
    run_ids = _checked(request.run_id, name="run_id")
    most = page_size(request.max_results, usual=_MOST_POINTS, most=_MOST_POINTS)
    points = runs.metric_histories(run_ids, query=MetricHistoryQuery(key=request.metric_key))
    return messages.MetricHistoryFound(metrics=tuple(map(MetricMessage.of, points[:most])))


def _interval(runs: RunStore, request: messages.GetBulkInterval) -> messages.MetricHistoryFound:
    run_ids = _checked(request.run_ids, name="run_ids")
    most = page_size(request.max_results, usual=_MOST_PER_RUN, most=_MOST_PER_RUN)
    first, last = request.start_step, request.end_step
    if (first is None) != (last is None):
        raise InvalidValueError(
            "If either start step or end step are specified, both must be specified."
        )
    if first is not None and last is not None and first > last:
        raise InvalidValueError(
            "end_step must be greater than start_step. "
            f"Found start_step={first} and end_step={last}."
        )
    query = MetricHistoryQuery(key=request.metric_key, first_step=first, last_step=last)
    points = runs.metric_histories(run_ids, query=query)
    return messages.MetricHistoryFound(metrics=tuple(map(MetricMessage.of, sampled(points, most))))


def sampled(points: Sequence[Metric], most: int) -> list[Metric]:
    """Return points of several runs, of each run at most so many.

    The steps are the same in all runs, so that curves can be compared: every n-th of all steps
    that there are, the first and last of each run, and in each stretch between two of them the
    step of each run's smallest and greatest value, so that no peak is lost.

    Args:
        points: Run after run, each in order of step.
        most: The greatest number of points of one run.
    """
    by_run: dict[str | None, list[Metric]] = {}
    for point in points:
        by_run.setdefault(point.run_id, []).append(point)
    if all(len(own) <= most for own in by_run.values()):
        return list(points)
    return [point for own in by_run.values() for point in _thinned(own, most)]


def _thinned(points: list[Metric], most: int) -> list[Metric]:
    """Return points with the smallest and the greatest value of each of equal stretches."""
    if len(points) <= most:
        return points
    if most < 4:
        return [points[0], *points[-1:]][:most]
    stretches = (most - 2) // 2
    middle = points[1:-1]
    kept = [points[0]]
    for number in range(stretches):
        stretch = middle[
            number * len(middle) // stretches : (number + 1) * len(middle) // stretches
        ]
        if not stretch:
            continue
        # NaN is neither: it is passed over unless there is nothing else.
        numbers = [i for i, point in enumerate(stretch) if point.value == point.value] or [0]
        least = min(numbers, key=lambda i: stretch[i].value)
        greatest = max(numbers, key=lambda i: stretch[i].value)
        kept += [stretch[i] for i in sorted({least, greatest})]
    return [*kept, points[-1]]


def _checked(run_ids: Sequence[str], *, name: str) -> Sequence[str]:
    if not run_ids:
        raise InvalidValueError(
            f"Missing value for required parameter '{name}'. See the API docs for more information"
            " about request parameters."
        )
    if len(run_ids) > _MOST_RUNS:
        raise InvalidValueError(
            f"{name} holds {len(run_ids)} runs; ask for at most {_MOST_RUNS} at once."
        )
    return run_ids


HISTORY = Endpoint(
    name="getMetricHistory",
    method="GET",
    path=f"{PREFIX}/metrics/get-history",
    request=messages.GetMetricHistory,
    response=messages.MetricHistoryFound,
    facet=RunStore,
    answer=_history,
)
BULK = Endpoint(
    name="getMetricHistoryBulk",
    method="GET",
    path=f"{PREFIX}/metrics/get-history-bulk",
    request=messages.GetBulkHistory,
    response=messages.MetricHistoryFound,
    facet=RunStore,
    answer=_bulk,
)
INTERVAL = Endpoint(
    name="getMetricHistoryBulkInterval",
    method="GET",
    path=f"{PREFIX}/metrics/get-history-bulk-interval",
    request=messages.GetBulkInterval,
    response=messages.MetricHistoryFound,
    facet=RunStore,
    answer=_interval,
)

ENDPOINTS = (HISTORY, BULK, INTERVAL)
