"""The contract's own methods over HTTP: all are there, each does what the method does."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking_core.config import Settings, Uri
from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    ModelVersionStage,
    Param,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
)
from tracking_core.errors import AlreadyExistsError, InvalidValueError, NotFoundError
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    Batch,
    DatasetFilter,
    ExperimentChanges,
    ExperimentQuery,
    Facet,
    LoggedModelChanges,
    LoggedModelQuery,
    LoggedModelStore,
    MetricHistoryQuery,
    ModelRegistryStore,
    ModelVersionChanges,
    ModelVersionQuery,
    NewExperiment,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    NewRun,
    Projection,
    PurgeRequest,
    RegisteredModelChanges,
    RegisteredModelQuery,
    RunChanges,
    RunQuery,
    RunStore,
)
from tracking_core.stores.memory import MemoryStore
from tracking_core.wire.contract_calls import PREFIX, ContractCall, contract_calls

FACETS: tuple[type[Facet], ...] = (RunStore, ModelRegistryStore, LoggedModelStore)
CALLS = list(contract_calls().values())


class FromAfar:
    """Calls a store's methods by what goes over the wire, and remembers which."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.called: set[str] = set()

    def __getattr__(self, method: str) -> Any:
        call = _call_of(method)

        def from_afar(*positional: object, **keywords: object) -> Any:
            self.called.add(call.path)
            facet = self._store.facet(call.facet)
            return call.result_of(call.answer(facet, call.request(*positional, **keywords)))

        return from_afar


def _call_of(method: str) -> ContractCall:
    (found,) = [each for each in CALLS if each.method == method]
    return found


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    with MemoryStore(Uri.parse("memory:"), Settings()) as store:
        yield store


def test_every_abstract_method_of_every_facet_can_be_called() -> None:
    for facet in FACETS:
        missing = set(facet.__abstractmethods__) - {
            call.method for call in CALLS if call.facet is facet
        }
        assert not missing, f"{facet.__name__}: {missing}"


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.method)
def test_a_call_has_a_field_for_each_parameter_and_the_path_of_its_method(
    call: ContractCall,
) -> None:
    parameters = list(inspect.signature(getattr(call.facet, call.method)).parameters)[1:]
    assert list(call.arguments.__struct_fields__) == parameters
    assert call.path == f"{PREFIX}/{call.facet.__name__}/{call.method}"
    assert contract_calls()[call.path] is call


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.method)
def test_a_call_is_said_to_write_if_its_name_says_so(call: ContractCall) -> None:
    reading = ("get_", "search_", "count_", "metric_", "latest_")
    assert call.writes == (not call.method.startswith(reading))


def test_each_call_does_from_afar_what_it_does_here(store: MemoryStore) -> None:
    afar = FromAfar(store)

    # Experiments and runs.
    experiment = afar.create_experiment(NewExperiment(name="é", tags={"a": "1"}, experiment_id="7"))
    assert experiment == store.get_experiment("7") == afar.get_experiment("7")
    assert afar.ensure_experiment(NewExperiment(name="é")) == experiment
    changed = afar.update_experiment(
        "7", changes=ExperimentChanges(set_tags={"b": "2"}, delete_tags=("a",))
    )
    assert changed == store.get_experiment("7")
    assert changed.tags == {"b": "2"}
    assert changed.name == "é"  # what isn't named in the changes isn't changed
    query = ExperimentQuery(
        filter=parse_filter("tags.b = '2' OR name LIKE 'x%'", Subject.EXPERIMENTS),
        order_by=parse_order_by(["name DESC"], Subject.EXPERIMENTS),
        max_results=1,
    )
    assert afar.search_experiments(query) == store.search_experiments(query)
    assert afar.count_experiments(query) == 1
    assert afar.get_experiment_by_name("é") == changed
    assert afar.get_experiment_by_name("nobody's") is None

    run = afar.create_run(NewRun(experiment_id="7", run_id="r1", idempotency_key="k"))
    assert run == store.get_run("r1")
    # Sent twice, it is there once.
    assert afar.create_run(NewRun(experiment_id="7", run_id="r1", idempotency_key="k")) == run
    batch = Batch(
        metrics=(
            Metric("loss", math.nan, 1, 1),
            Metric("loss", -math.inf, 2, 2),
            Metric("loss", 0.1, 3, -3),
            Metric("loss", 0.5, 3, 2**62),
        ),
        params=(Param("p", ""),),
        tags=(RunTag("t", "\U0001f600"),),
        idempotency_key="b",
    )
    for _ in range(2):
        assert afar.log_batch("r1", batch=batch) is None
    afar.delete_tag("r1", key="t")
    info = afar.update_run("r1", changes=RunChanges(status=RunStatus.FINISHED, end_time=9))
    assert info == store.get_run("r1").info
    assert (info.status, info.end_time) == (RunStatus.FINISHED, 9)
    dataset = Dataset("wine", "d1", "local", "/wine", None, "{}")
    used = RunInputs(
        (DatasetInput(dataset, (InputTag("mlflow.data.context", "train"),)),),
        (LoggedModelInput("m-1"),),
    )
    afar.log_inputs("r1", inputs=used)
    afar.log_outputs("r1", outputs=RunOutputs((LoggedModelOutput("m-1", 3),)))
    assert repr(afar.get_run("r1")) == repr(store.get_run("r1"))
    only = Projection(metrics=frozenset(["loss"]), params=frozenset(), inputs=False)
    assert afar.get_run("r1", projection=only) == store.get_run("r1", projection=only)
    runs = RunQuery(
        experiment_ids=("7",),
        filter=parse_filter("metrics.loss > 0.1", Subject.RUNS),
        projection=only,
    )
    assert afar.search_runs(runs) == store.search_runs(runs)
    assert afar.count_runs(runs) == 1
    history = MetricHistoryQuery(key="loss", max_results=3)
    page = afar.metric_history("r1", query=history)
    assert repr(page) == repr(store.metric_history("r1", query=history))
    assert len(page.items) == 3
    every = MetricHistoryQuery(key="loss")
    found = afar.metric_histories(["r1"], query=every)
    assert repr(found) == repr(store.metric_histories(["r1"], query=every))
    assert len(found) == 4
    assert afar.search_datasets(["7"]) == store.search_datasets(["7"])

    # Registered models.
    model = afar.create_registered_model(NewRegisteredModel(name="m", tags={"a": "1"}))
    assert model == store.get_registered_model("m")
    version = afar.create_model_version(
        NewModelVersion(name="m", source="runs:/r1/model", version=5, idempotency_key="v")
    )
    assert version == store.get_model_version("m", version=5)
    staged = afar.update_model_version(
        "m", version=5, changes=ModelVersionChanges(current_stage=ModelVersionStage.STAGING)
    )
    assert staged == afar.get_model_version("m", version=5)
    renamed = afar.update_registered_model(
        "m", changes=RegisteredModelChanges(name="n", set_aliases={"best": 5})
    )
    assert renamed == afar.get_registered_model("n") == store.get_registered_model("n")
    by_alias = afar.get_model_version_by_alias("n", alias="best")
    assert by_alias == store.get_model_version("n", version=5)
    stages = [ModelVersionStage.STAGING]
    assert afar.latest_versions("n", stages=stages) == store.latest_versions("n", stages=stages)
    models = RegisteredModelQuery(filter=parse_filter("name = 'n'", Subject.REGISTERED_MODELS))
    assert afar.search_registered_models(models) == store.search_registered_models(models)
    versions = ModelVersionQuery(filter=parse_filter("version_number >= 5", Subject.MODEL_VERSIONS))
    assert afar.search_model_versions(versions) == store.search_model_versions(versions)
    afar.delete_model_version("n", version=5)
    with pytest.raises(NotFoundError):
        store.get_model_version("n", version=5)
    afar.delete_registered_model("n")
    with pytest.raises(NotFoundError):
        store.get_registered_model("n")

    # Logged models.
    logged = afar.create_logged_model(
        NewLoggedModel(experiment_id="7", model_id="m-9", params={"p": "1"})
    )
    assert logged == store.get_logged_model("m-9") == afar.get_logged_model("m-9")
    ready = afar.update_logged_model(
        "m-9",
        changes=LoggedModelChanges(
            status=LoggedModelStatus.READY,
            log_metrics=(Metric("acc", math.inf, 1, 0, "m-9", "wine", "d1", "r1"),),
        ),
    )
    assert ready == store.get_logged_model("m-9")
    wanted = LoggedModelQuery(
        experiment_ids=("7",),
        filter=parse_filter("metrics.acc > 1", Subject.LOGGED_MODELS),
        datasets=(DatasetFilter(dataset_name="wine"),),
    )
    assert afar.search_logged_models(wanted) == store.search_logged_models(wanted)
    assert len(afar.search_logged_models(wanted).items) == 1
    afar.delete_logged_model("m-9")

    # What is gone for good.
    store.delete_run("r1")
    assert afar.purge(PurgeRequest(run_ids=("r1",))).run_ids == ("r1",)
    with pytest.raises(NotFoundError):
        afar.get_run("r1")

    assert afar.called == set(contract_calls())


def test_what_a_method_raises_is_raised(store: MemoryStore) -> None:
    afar = FromAfar(store)
    afar.create_experiment(NewExperiment(name="a"))
    with pytest.raises(AlreadyExistsError):
        afar.create_experiment(NewExperiment(name="a"))


def test_arguments_are_looked_at_before_the_method_is_called(store: MemoryStore) -> None:
    call = _call_of("create_experiment")

    def check(arguments: Any) -> None:
        raise InvalidValueError(f"No {arguments.new.name}.")

    with pytest.raises(InvalidValueError, match="No a"):
        call.answer(store.runs, call.request(NewExperiment(name="a")), check=check)
    assert store.get_experiment_by_name("a") is None


# --- what isn't a call ---


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.method)
def test_a_body_that_is_no_call_is_a_sentence(call: ContractCall, store: MemoryStore) -> None:
    facet = store.facet(call.facet)
    bodies: list[bytes] = [
        b"",
        b"\xc1",
        b"{}",
        msgspec.msgpack.encode(None),
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode({}) + b"\x00",
        msgspec.msgpack.encode({"surprise": 1}),
        msgspec.msgpack.encode(dict.fromkeys(call.arguments.__struct_fields__, True)),
        b"\x81" * 5_000,
        b"\x91" * 100_000,
        b"\x81\xa1\xff\xc0",
    ]
    for body in bodies:
        with pytest.raises(InvalidValueError, match=f"The request to {call.method} can't be read"):
            call.answer(facet, body)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.method)
def test_an_argument_that_there_is_not_is_a_sentence(
    call: ContractCall, store: MemoryStore
) -> None:
    parameters = inspect.signature(getattr(call.facet, call.method)).parameters
    given = dict.fromkeys(list(parameters)[1:], "x")
    with pytest.raises(InvalidValueError, match="can't be read"):
        call.answer(store.facet(call.facet), msgspec.msgpack.encode({**given, "later": 1}))


@settings(max_examples=300)
@given(data=st.data())
def test_a_damaged_call_is_a_sentence_or_another_call(data: st.DataObject) -> None:
    call = data.draw(st.sampled_from(CALLS))
    good = _call_of("log_batch").request(
        "r1", batch=Batch(metrics=(Metric("loss", 0.5, 1, 2),), params=(Param("a", "b"),))
    )
    raw = bytearray(data.draw(st.sampled_from([good, good]) | st.binary(max_size=60)))
    for _ in range(data.draw(st.integers(0, 3))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with MemoryStore(Uri.parse("memory:"), Settings()) as store:
        try:
            call.answer(store.facet(call.facet), bytes(raw))
        except (InvalidValueError, NotFoundError) as error:
            str(error).encode()


@pytest.mark.parametrize(
    ("method", "positional", "keywords"),
    [
        ("get_run", ("../etc",), {}),
        ("get_run", (3,), {}),
        ("get_experiment", ("",), {}),
        ("get_experiment_by_name", ("\ud800",), {}),
        ("get_registered_model", ("a\0b",), {}),
        ("get_model_version", ("m",), {"version": 0}),
        ("get_model_version", ("m",), {"version": 2**70}),
        ("get_model_version_by_alias", ("m",), {"alias": "latest"}),
        ("get_logged_model", (None,), {}),
        ("log_outputs", ("r",), {"outputs": RunOutputs((LoggedModelOutput("m", 2**70),))}),
        (
            "log_inputs",
            ("r",),
            {"inputs": RunInputs((DatasetInput(Dataset("", "d", "", "")),))},
        ),
        ("delete_tag", ("r",), {"key": "\ud800"}),
        ("search_datasets", ([object()],), {}),
    ],
)
def test_an_argument_that_can_not_be_sent_is_refused_before_it_is(
    method: str, positional: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        _call_of(method).request(*positional, **keywords)
    str(caught.value).encode()


@pytest.mark.parametrize("body", [b"", b"\xc1", b"<html>", b"\x81\xa1a\x01"])
def test_an_answer_that_is_none_is_a_sentence(body: bytes) -> None:
    with pytest.raises(InvalidValueError, match="The answer to get_run can't be read"):
        _call_of("get_run").result_of(body)
