"""What the machine does while a run goes on: CPU, memory, disk, network and GPUs as metrics.

The names are MLflow's, below `system/`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tracking_core.entities import Metric
from tracking_core.stores import now

if TYPE_CHECKING:
    from tracking_core.client.client import Client

PREFIX = "system/"

Source = Callable[[], dict[str, float]]
"""Returns the values of this moment."""

_logger = logging.getLogger(__name__)

_LONGEST_WAIT = 5.0


class SystemMetrics:
    """Logs what the machine does to a run, from a thread of its own, until it is stopped.

    Whatever goes wrong is told to the log, once, and never to the program.

    Args:
        client: Logs the points.
        run_id: The run.
        interval: Seconds between samples.
        samples: How many samples are averaged into one point.
        node_id: Tells machines apart that log to one run; stands in front of the names.
        resume: Whether to go on after the last step of the run instead of at 0.
        sources: What to measure; None: everything that this machine has.
    """

    def __init__(
        self,
        client: Client,
        run_id: str,
        *,
        interval: float = 10.0,
        samples: int = 1,
        node_id: str | None = None,
        resume: bool = False,
        sources: Iterable[Source] | None = None,
    ) -> None:
        self._client = client
        self._run_id = run_id
        self._interval = interval
        self._samples = max(samples, 1)
        self._prefix = PREFIX + (f"{node_id}/" if node_id else "")
        self._resume = resume
        self._sources = None if sources is None else list(sources)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()

    def start(self) -> None:
        """Begin to measure."""
        thread = threading.Thread(target=self._work, name="tracking-system-metrics", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            _logger.warning("No system metrics for the run %s: %s", self._run_id, error)
        else:
            self._thread = thread

    def stop(self) -> None:
        """End the thread, after a last point if no full one was logged yet."""
        # A forked child has the object, but not the thread.
        if self._thread is not None and self._process == os.getpid():
            self._stop.set()
            if self._thread is not threading.current_thread():
                self._thread.join(_LONGEST_WAIT)
            self._thread = None

    def _work(self) -> None:
        try:
            sources = self._sources if self._sources is not None else default_sources()
            step = self._first_step()
            collected: dict[str, list[float]] = {}
            count = 0
            while True:
                stopped = self._stop.wait(self._interval)
                for source in sources:
                    for name, value in source().items():
                        collected.setdefault(name, []).append(value)
                count += 1
                if count >= self._samples or stopped:
                    self._log(collected, step)
                    step += 1
                    collected, count = {}, 0
                if stopped:
                    return
        except Exception as error:
            _logger.warning("No more system metrics for the run %s: %s", self._run_id, error)

    def _first_step(self) -> int:
        if not self._resume:
            return 0
        points = self._client.get_run(self._run_id).data.latest_metrics
        return max((p.step + 1 for p in points if p.key.startswith(self._prefix)), default=0)

    def _log(self, collected: dict[str, list[float]], step: int) -> None:
        time = now()
        points = [
            Metric(
                self._prefix + name,
                values[-1] if name in _COUNTERS else round(sum(values) / len(values), 1),
                time,
                step,
            )
            for name, values in collected.items()
        ]
        self._client.log_batch(self._run_id, metrics=points)


def default_sources() -> list[Source]:
    """Return what can be measured here.

    Raises:
        ImportError: psutil isn't there.
    """
    # Local: it is needed by this thread alone.
    import psutil

    return [_processor(psutil), _disk(psutil), *_network(psutil), *_graphics_cards()]


def _processor(psutil: Any) -> Source:
    psutil.cpu_percent()  # the first call has nothing to compare with, and says 0

    def measure() -> dict[str, float]:
        memory = psutil.virtual_memory()
        return {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / 1e6,
            "system_memory_usage_percentage": 100 * memory.used / memory.total,
        }

    return measure


def _disk(psutil: Any) -> Source:
    def measure() -> dict[str, float]:
        disk = psutil.disk_usage(os.sep)
        return {
            "disk_usage_percentage": disk.percent,
            "disk_usage_megabytes": disk.used / 1e6,
            "disk_available_megabytes": disk.free / 1e6,
        }

    return measure


_COUNTERS = frozenset({"network_receive_megabytes", "network_transmit_megabytes"})
"""What counts up from the start of the run: the last value is the one, not the mean."""


def _network(psutil: Any) -> list[Source]:
    first = psutil.net_io_counters()
    if first is None:  # a machine without a network
        return []

    def measure() -> dict[str, float]:
        counted = psutil.net_io_counters() or first
        return {
            "network_receive_megabytes": (counted.bytes_recv - first.bytes_recv) / 1e6,
            "network_transmit_megabytes": (counted.bytes_sent - first.bytes_sent) / 1e6,
        }

    return [measure]


def _graphics_cards() -> list[Source]:
    """Return a source for NVIDIA's cards, where the library and a card are there."""
    try:
        import pynvml  # the module of nvidia-ml-py, which the extra [gpu] brings

        pynvml.nvmlInit()
        cards = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    except Exception:
        return []
    return [graphics_card_source(pynvml, cards)] if cards else []


def graphics_card_source(pynvml: Any, cards: list[Any]) -> Source:
    """Return a source for these cards; what one of them can't tell is left out."""

    def measure() -> dict[str, float]:
        values: dict[str, float] = {}
        for number, card in enumerate(cards):
            name = f"gpu_{number}"
            with contextlib.suppress(pynvml.NVMLError):
                memory = pynvml.nvmlDeviceGetMemoryInfo(card)
                values[f"{name}_memory_usage_percentage"] = 100 * memory.used / memory.total
                values[f"{name}_memory_usage_megabytes"] = memory.used / 1e6
            with contextlib.suppress(pynvml.NVMLError):
                rates = pynvml.nvmlDeviceGetUtilizationRates(card)
                values[f"{name}_utilization_percentage"] = rates.gpu
            with contextlib.suppress(pynvml.NVMLError):
                power = pynvml.nvmlDeviceGetPowerUsage(card)
                limit = pynvml.nvmlDeviceGetEnforcedPowerLimit(card)
                values[f"{name}_power_usage_watts"] = power / 1000
                values[f"{name}_power_usage_percentage"] = 100 * power / limit
        return values

    return measure
