"""System metrics, synchronised by what they log rather than by time."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tracking_core.client import Client
from tracking_core.client.system_metrics import (
    SystemMetrics,
    default_sources,
    graphics_card_source,
)

NAMES = {
    "cpu_utilization_percentage",
    "system_memory_usage_megabytes",
    "system_memory_usage_percentage",
    "disk_usage_percentage",
    "disk_usage_megabytes",
    "disk_available_megabytes",
    "network_receive_megabytes",
    "network_transmit_megabytes",
}


def test_this_machine_s_metrics_have_mlflow_s_names() -> None:
    pytest.importorskip("psutil")
    values: dict[str, float] = {}
    for source in default_sources():
        values |= source()

    assert values.keys() >= NAMES
    assert values["system_memory_usage_megabytes"] > 1
    assert 0 <= values["disk_usage_percentage"] <= 100


def test_a_short_run_gets_one_point_of_each(client: Client, run_id: str) -> None:
    pytest.importorskip("psutil")
    monitor = SystemMetrics(client, run_id, interval=1000)
    monitor.start()
    monitor.stop()

    data = client.get_run(run_id).data
    assert {f"system/{name}" for name in NAMES} <= data.metrics.keys()
    assert not [t for t in threading.enumerate() if t.name == "tracking-system-metrics"]


def measured(count: int) -> tuple[Any, threading.Event]:
    """Return a source of 1, 2, 3, ... and what is set after so many."""
    done = threading.Event()
    values = iter(range(1, 1_000_000))

    def source() -> dict[str, float]:
        value = next(values)
        if value >= count:
            done.set()
        return {"load": float(value), "network_receive_megabytes": float(value)}

    return source, done


def test_samples_are_averaged_counters_are_not_and_steps_count_up(
    client: Client, run_id: str
) -> None:
    source, done = measured(5)
    monitor = SystemMetrics(
        client, run_id, interval=0.001, samples=2, node_id="node-1", sources=[source]
    )
    monitor.start()
    assert done.wait(20)
    monitor.stop()

    points = client.get_metric_history(run_id, "system/node-1/load")
    assert [point.step for point in points] == list(range(len(points)))
    assert [point.value for point in points[:2]] == [1.5, 3.5]
    received = client.get_metric_history(run_id, "system/node-1/network_receive_megabytes")
    assert [point.value for point in received[:2]] == [2, 4]


def test_a_resumed_run_goes_on_counting(client: Client, run_id: str) -> None:
    for resume, expected in ((False, [0]), (True, [0, 1])):
        monitor = SystemMetrics(
            client, run_id, interval=1000, resume=resume, sources=[lambda: {"x": 1.0}]
        )
        monitor.start()
        monitor.stop()
        points = client.get_metric_history(run_id, "system/x")
        assert [point.step for point in points] == expected


def test_what_goes_wrong_is_told_once_and_not_raised(
    client: Client, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> dict[str, float]:
        raise RuntimeError("no sensor")

    monitor = SystemMetrics(client, run_id, interval=0.001, sources=[broken])
    monitor.start()
    monitor._thread.join(20)  # type: ignore[union-attr]
    monitor.stop()

    assert caplog.text.count("no sensor") == 1


class FakeCards:
    """The part of pynvml that is used; the second card can't tell its power."""

    class NVMLError(Exception):
        pass

    class Values:
        def __init__(self, **values: float) -> None:
            vars(self).update(values)

    def nvmlDeviceGetMemoryInfo(self, card: int) -> Values:  # noqa: N802
        return self.Values(used=2e9, total=8e9)

    def nvmlDeviceGetUtilizationRates(self, card: int) -> Values:  # noqa: N802
        return self.Values(gpu=50 + card)

    def nvmlDeviceGetPowerUsage(self, card: int) -> float:  # noqa: N802
        if card:
            raise self.NVMLError
        return 60_000

    def nvmlDeviceGetEnforcedPowerLimit(self, card: int) -> float:  # noqa: N802
        return 240_000


def test_graphics_cards_have_mlflow_s_names() -> None:
    assert graphics_card_source(FakeCards(), [0, 1])() == {
        "gpu_0_memory_usage_percentage": 25,
        "gpu_0_memory_usage_megabytes": 2000,
        "gpu_0_utilization_percentage": 50,
        "gpu_0_power_usage_watts": 60,
        "gpu_0_power_usage_percentage": 25,
        "gpu_1_memory_usage_percentage": 25,
        "gpu_1_memory_usage_megabytes": 2000,
        "gpu_1_utilization_percentage": 51,
    }
