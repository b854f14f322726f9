"""What is missing of a run, packed into as few batches as the destination takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from tracking_core.entities import Metric, Param, RunTag
from tracking_core.stores import Batch, Limits

_MOST = 1000
"""Entries of a batch, as MLflow's servers have it."""

_encode = msgspec.msgpack.Encoder().encode


class Packer:
    """Packs params, tags and points of one run.

    Args:
        run_id: The run.
        limits: The destination's.
        keyed: Whether batches of points get an idempotency key. It tells the run, the place of the
            first point and the content, so that a batch has the same key in each attempt, and
            another batch never.
    """

    def __init__(self, run_id: str, limits: Limits, *, keyed: bool) -> None:
        self._run_id = run_id
        self._keyed = keyed
        self._size = min(limits.batch_size or _MOST, _MOST)
        self._most_metrics = min(limits.batch_metrics or _MOST, self._size)
        self._most_params = min(limits.batch_params or _MOST, self._size)
        self._most_tags = min(limits.batch_tags or _MOST, self._size)

    def batches(
        self,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        points: Iterable[tuple[int, Metric]],
    ) -> Iterator[Batch]:
        """Yield the batches: params and tags in the first ones, then the points in their order."""
        some_params: list[Param] = []
        some_tags: list[RunTag] = []
        for key, value in params.items():
            some_params.append(Param(key, value))
            if len(some_params) == self._most_params:
                yield self._batch(0, some_params, [], [])
                some_params = []
        for key, value in tags.items():
            some_tags.append(RunTag(key, value))
            full = len(some_params) + len(some_tags) == self._size
            if full or len(some_tags) == self._most_tags:
                yield self._batch(0, some_params, some_tags, [])
                some_params, some_tags = [], []
        some: list[Metric] = []
        first = 0
        for offset, point in points:
            if not some:
                first = offset
            some.append(point)
            full = len(some_params) + len(some_tags) + len(some) == self._size
            if full or len(some) == self._most_metrics:
                yield self._batch(first, some_params, some_tags, some)
                some_params, some_tags, some = [], [], []
        if some or some_params or some_tags:
            yield self._batch(first, some_params, some_tags, some)

    def _batch(
        self, first: int, params: list[Param], tags: list[RunTag], metrics: list[Metric]
    ) -> Batch:
        key = None
        # Params and tags need none, for they can be logged twice.
        if self._keyed and metrics:
            content = _encode((self._run_id, first, params, tags, metrics))
            key = f"copy-{hashlib.sha256(content).hexdigest()}"
        return Batch(
            metrics=tuple(metrics), params=tuple(params), tags=tuple(tags), idempotency_key=key
        )
