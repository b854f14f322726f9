"""The suite of RunStore, put together."""

from __future__ import annotations

from tracking_core.testing.bad_input_tests import BadInputTests
from tracking_core.testing.capability_tests import CapabilityTests
from tracking_core.testing.concurrency_tests import ForkTests, ProcessTests, ThreadTests
from tracking_core.testing.durability_tests import DurabilityTests
from tracking_core.testing.experiment_tests import ExperimentTests
from tracking_core.testing.interface_tests import InterfaceTests
from tracking_core.testing.paging_tests import PagingTests
from tracking_core.testing.run_data_tests import (
    BatchTests,
    InputTests,
    MetricTests,
    ParamAndTagTests,
)
from tracking_core.testing.run_header_tests import PurgeTests, RunHeaderTests
from tracking_core.testing.search_tests import SearchTests
from tracking_core.testing.stateful_tests import StatefulTests


class RunStoreTests(
    ExperimentTests,
    RunHeaderTests,
    PurgeTests,
    MetricTests,
    ParamAndTagTests,
    BatchTests,
    InputTests,
    SearchTests,
    PagingTests,
    BadInputTests,
    CapabilityTests,
    InterfaceTests,
    ThreadTests,
    ProcessTests,
    ForkTests,
    DurabilityTests,
    StatefulTests,
):
    """Everything that a store of experiments and runs must do; override the fixture `location`."""
