from __future__ import annotations

import json
import math

import pytest

from tracking_core.entities import Metric
from tracking_core.wire import codec
from tracking_core.wire.messages.metrics import LoggedMetric
from tracking_core.wire.messages.runs import LogBatch


@pytest.mark.parametrize(
    ("value", "sent"),
    [(0.5, 0.5), (math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")],
)
def test_a_logged_value_is_sent_so_that_it_arrives(value: float, sent: object) -> None:
    point = Metric("m", value, 5, -1, "m-1", "wine", "d1")
    body = codec.encode(LogBatch(run_id="r", metrics=(LoggedMetric.of(point),)))
    assert json.loads(body)["metrics"][0]["value"] == sent
    (arrived,) = codec.decode_body(body, LogBatch).metrics
    assert repr(arrived.entity()) == repr(point)
