from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from tracking_core.entities import ViewType
from tracking_core.errors import InvalidValueError, StoreUnavailableError, UnsupportedError
from tracking_core.search import Subject, format_filter, parse_filter, parse_order_by
from tracking_core.stores import (
    HEADER_ONLY,
    DatasetFilter,
    ExperimentQuery,
    LoggedModelQuery,
    ModelVersionQuery,
    RegisteredModelQuery,
    RunQuery,
)
from tracking_core.wire.messages.base import KeyValue
from tracking_core.wire.messages.experiments import ExperimentMessage, ExperimentsFound
from tracking_core.wire.messages.logged_models import LoggedModelsFound
from tracking_core.wire.messages.metrics import MetricMessage
from tracking_core.wire.messages.registry import RegisteredModelMessage, RegisteredModelsFound
from tracking_core.wire.messages.runs import (
    RunDataMessage,
    RunInfoMessage,
    RunMessage,
    RunsFound,
    SearchRuns,
)
from tracking_core_rest.stock import StockLoggedModels, StockRegistry, StockRuns, StockServer
from tracking_core_rest.stock.searches import asked_of_server


def runs_of(connection: Any) -> StockRuns:
    return StockRuns(StockServer(connection))


def run(number: int, value: float = 1.0, tag: str = "größe") -> RunMessage:
    return RunMessage(
        info=RunInfoMessage(run_id=f"r{number}", experiment_id="1", run_name=f"run {number}"),
        data=RunDataMessage(
            metrics=(MetricMessage(key="m", value="NaN" if math.isnan(value) else value),),
            tags=(KeyValue(key="t", value=tag),),
        ),
    )


class Pages:
    """A server's pages of runs, whose tokens are offsets."""

    def __init__(self, runs: Sequence[RunMessage], *, tells_the_last: bool = True) -> None:
        self.runs = runs
        self.tells_the_last = tells_the_last

    def __call__(self, request: SearchRuns) -> RunsFound:
        start = int(request.page_token or 0)
        assert request.max_results is not None
        end = start + request.max_results
        is_last = end >= len(self.runs) if self.tells_the_last else start >= len(self.runs)
        return RunsFound(
            runs=tuple(self.runs[start:end]), next_page_token=None if is_last else str(end)
        )


def query(text: str = "", order: Sequence[str] = (), **more: Any) -> RunQuery:
    return RunQuery(
        **{
            "experiment_ids": ("1",),
            "filter": parse_filter(text, Subject.RUNS),
            "order_by": parse_order_by(order, Subject.RUNS),
            **more,
        }
    )


@pytest.mark.parametrize(
    ("text", "asked", "asked_of_old"),
    [
        ("", "", ""),
        ("metrics.m > 1.5 AND params.p = 'a'", "metrics.m > 1.5 AND params.p = 'a'", None),
        ("params.p LIKE 'a\\%' AND tags.t = 'b'", "tags.t = 'b'", None),
        ("params.p ILIKE 'RÖ%'", "", None),
        ("params.p ILIKE 'RO%'", "params.p ILIKE 'RO%'", None),
        ("params.p IS NULL", "params.p IS NULL", ""),
        ("run_id NOT IN ('a')", "run_id NOT IN ('a')", ""),
        ("run_id IN ('a')", "run_id IN ('a')", None),
        ("metrics.m != 0.0", "metrics.m != 0.0", ""),
        ("metrics.m != 1.0", "metrics.m != 1.0", None),
    ],
)
def test_a_server_is_asked_what_it_reads_as_we_do(
    text: str, asked: str, asked_of_old: str | None
) -> None:
    expression = parse_filter(text, Subject.RUNS)
    for version, wanted in (
        ((3, 17), asked),
        ((2, 22), asked if asked_of_old is None else asked_of_old),
        ((), asked if asked_of_old is None else asked_of_old),
    ):
        left = asked_of_server(expression, Subject.RUNS, version)
        assert format_filter(left, Subject.RUNS) == wanted


def test_what_the_server_reads_otherwise_is_looked_at_here_and_the_page_filled_up(
    connect: Any,
) -> None:
    tags = ["größe", "other", "GRÖSSE", "other", "Größe", "größer"]
    connection = connect(searchRuns=Pages([run(i, tag=tag) for i, tag in enumerate(tags)]))
    runs = runs_of(connection)
    wanted = query("tags.t ILIKE 'GRÖ%'", max_results=2)
    first = runs.search_runs(wanted)
    assert [each.info.run_id for each in first.items] == ["r0", "r2"]
    second = runs.search_runs(replace(wanted, page_token=first.next_page_token))
    assert [each.info.run_id for each in second.items] == ["r4", "r5"]
    assert second.next_page_token is None
    assert all(request.filter is None for request in connection.requests("searchRuns"))


def test_nan_that_an_old_server_takes_for_0_is_left_out(connect: Any) -> None:
    connection = connect(version=(2, 22), searchRuns=Pages([run(0, math.nan), run(1, 0.0)]))
    found = runs_of(connection).search_runs(query("metrics.m < 1")).items
    assert [each.info.run_id for each in found] == ["r1"]


def test_a_filter_that_isnt_mlflows_is_refused(connect: Any) -> None:
    connection = connect()
    with pytest.raises(UnsupportedError, match="rich_filters"):
        runs_of(connection).search_runs(query("tags.t = 'a' OR tags.t = 'b'"))
    assert connection.sent == []


@pytest.mark.parametrize(
    ("order", "asked"),
    [
        (["metrics.m DESC", "metrics.m"], ("metrics.m DESC",)),
        (["start_time", "tags.`a b` DESC"], ("start_time ASC", "tags.`a b` DESC")),
    ],
)
def test_an_order_is_asked_for_with_each_field_once(
    connect: Any, order: list[str], asked: tuple[str, ...]
) -> None:
    connection = connect()
    runs_of(connection).search_runs(query("", order))
    assert connection.requests("searchRuns")[0].order_by == asked


def test_an_order_that_the_server_hasnt_got_is_refused(connect: Any) -> None:
    connection = connect()
    server = StockServer(connection)
    registry, models = StockRegistry(server), StockLoggedModels(server, StockRuns(server))

    def order(text: str, subject: Subject) -> Any:
        return parse_order_by([text], subject)

    for search, wanted in (
        (runs_of(connection).search_runs, query("", ["experiment_id"])),
        (
            runs_of(connection).search_experiments,
            ExperimentQuery(order_by=order("tags.t", Subject.EXPERIMENTS)),
        ),
        (
            registry.search_registered_models,
            RegisteredModelQuery(order_by=order("creation_timestamp", Subject.REGISTERED_MODELS)),
        ),
        (
            registry.search_model_versions,
            ModelVersionQuery(order_by=order("status", Subject.MODEL_VERSIONS)),
        ),
        (
            models.search_logged_models,
            LoggedModelQuery(order_by=order("params.p", Subject.LOGGED_MODELS)),
        ),
    ):
        with pytest.raises(UnsupportedError, match="order"):
            search(wanted)  # type: ignore[operator]
    assert connection.sent == []


def test_a_token_goes_back_to_the_server_and_with_its_own_query_only(connect: Any) -> None:
    connection = connect(searchRuns=Pages([run(i) for i in range(4)]))
    runs = runs_of(connection)
    first = runs.search_runs(query(max_results=2))
    assert first.next_page_token not in (None, "2")
    second = runs.search_runs(query(max_results=2, page_token=first.next_page_token))
    assert connection.requests("searchRuns")[1].page_token == "2"
    assert [each.info.run_id for each in second.items] == ["r2", "r3"]
    for other in (
        query("tags.t = 'a'", page_token=first.next_page_token),
        query("", ["run_name"], page_token=first.next_page_token),
        query(page_token=first.next_page_token, experiment_ids=("1", "2")),
        query(page_token=first.next_page_token, view_type=ViewType.ALL),
        query(page_token="2"),
    ):
        with pytest.raises(InvalidValueError, match="page token"):
            runs.search_runs(other)
    assert len(connection.sent) == 2


def test_an_old_servers_last_full_page_is_known_to_be_the_last(connect: Any) -> None:
    pages = Pages([run(i) for i in range(4)], tells_the_last=False)
    connection = connect(version=(2, 22), searchRuns=pages)
    runs = runs_of(connection)
    first = runs.search_runs(query(max_results=2))
    assert first.next_page_token is not None
    last = runs.search_runs(query(max_results=2, page_token=first.next_page_token))
    assert (len(last.items), last.next_page_token) == (2, None)


def test_pages_without_end_are_a_fault_of_the_server(connect: Any) -> None:
    connection = connect(searchRuns=RunsFound(next_page_token="again"))
    with pytest.raises(StoreUnavailableError, match="no end"):
        runs_of(connection).search_runs(query())


def test_a_search_without_experiments_names_the_active_ones(connect: Any) -> None:
    found = ExperimentsFound(
        experiments=(ExperimentMessage(experiment_id="3"), ExperimentMessage(experiment_id="5"))
    )
    connection = connect(searchExperiments=found)
    runs_of(connection).search_runs(query(experiment_ids=None))
    (request,) = connection.requests("searchRuns")
    assert request.experiment_ids == ("3", "5")
    assert connection.requests("searchExperiments")[0].view_type == "ACTIVE_ONLY"


def test_a_search_in_no_experiment_asks_nobody(connect: Any) -> None:
    connection = connect()
    assert runs_of(connection).search_runs(query(experiment_ids=())).items == ()
    assert connection.sent == []


def test_a_projection_is_applied_here(connect: Any) -> None:
    connection = connect(searchRuns=RunsFound(runs=(run(0),)))
    (found,) = runs_of(connection).search_runs(query(projection=HEADER_ONLY)).items
    assert (found.info.run_id, found.data.tags, found.data.metrics) == ("r0", {}, {})


def test_more_registered_models_than_a_server_gives_at_once_take_several_requests(
    connect: Any,
) -> None:
    def answer(request: Any) -> RegisteredModelsFound:
        start = int(request.page_token or 0)
        models = tuple(
            RegisteredModelMessage(name=f"m{i}")
            for i in range(start, min(start + request.max_results, 2500))
        )
        end = start + len(models)
        return RegisteredModelsFound(
            registered_models=models, next_page_token=None if end == 2500 else str(end)
        )

    connection = connect(searchRegisteredModels=answer)
    wanted = RegisteredModelQuery(max_results=2200)
    page = StockRegistry(StockServer(connection)).search_registered_models(wanted)
    assert [model.name for model in page.items] == [f"m{i}" for i in range(2200)]
    assert page.next_page_token is not None
    sizes = [request.max_results for request in connection.requests("searchRegisteredModels")]
    assert sizes == [1000, 1000, 200]


def test_data_sets_without_digest_are_looked_at_here(connect: Any) -> None:
    """A stock server would look for points without a digest."""
    connection = connect(searchLoggedModels=LoggedModelsFound())
    models = StockLoggedModels(StockServer(connection), runs_of(connection))
    named = DatasetFilter(dataset_name="wine")
    exact = DatasetFilter(dataset_name="beer", dataset_digest="d1")
    for datasets, sent in (((exact,), ["beer"]), ((named,), []), ((exact, named), [])):
        models.search_logged_models(LoggedModelQuery(experiment_ids=("1",), datasets=datasets))
        request = connection.requests("searchLoggedModels")[-1]
        assert [each.dataset_name for each in request.datasets] == sent


def test_logged_models_are_ordered_by_their_metric_on_the_querys_data_set(connect: Any) -> None:
    connection = connect()
    models = StockLoggedModels(StockServer(connection), runs_of(connection))
    by_metric = LoggedModelQuery(
        experiment_ids=("1",),
        order_by=parse_order_by(["metrics.`a b` DESC", "name"], Subject.LOGGED_MODELS),
        datasets=(DatasetFilter(dataset_name="wine", dataset_digest="d1"),),
    )
    models.search_logged_models(by_metric)
    metric, name = connection.requests("searchLoggedModels")[0].order_by
    assert (metric.field_name, metric.ascending) == ("metrics.a b", False)
    assert (metric.dataset_name, metric.dataset_digest) == ("wine", "d1")
    assert (name.field_name, name.dataset_name) == ("name", None)
    several = replace(by_metric, datasets=(*by_metric.datasets, DatasetFilter(dataset_name="b")))
    with pytest.raises(UnsupportedError, match="several data sets"):
        models.search_logged_models(several)
