from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tracking_core.entities import LoggedModelStatus, Metric, ModelVersionStage, ModelVersionStatus
from tracking_core.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
    StoreUnavailableError,
    UnsupportedError,
)
from tracking_core.stores import (
    Capability,
    LoggedModelChanges,
    LoggedModelStore,
    ModelRegistryStore,
    ModelVersionChanges,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RunStore,
)
from tracking_core.wire.messages.base import KeyValue
from tracking_core.wire.messages.experiments import ExperimentFound, ExperimentMessage
from tracking_core.wire.messages.logged_models import (
    LoggedModelDataMessage,
    LoggedModelFound,
    LoggedModelInfoMessage,
    LoggedModelMessage,
)
from tracking_core.wire.messages.metrics import MetricMessage
from tracking_core.wire.messages.registry import (
    AliasMessage,
    ModelVersionFound,
    ModelVersionMessage,
    RegisteredModelFound,
    RegisteredModelMessage,
)
from tracking_core_rest.stock import (
    StockLoggedModels,
    StockRegistry,
    StockRuns,
    StockServer,
    stock_capabilities,
    stock_facets,
)

MODEL_ID = "m-0123456789abcdef0123456789abcdef"


def registry_of(connection: Any) -> StockRegistry:
    return StockRegistry(StockServer(connection))


def models_of(connection: Any) -> StockLoggedModels:
    server = StockServer(connection)
    return StockLoggedModels(server, StockRuns(server))


def registered(name: str = "model") -> RegisteredModelFound:
    return RegisteredModelFound(
        registered_model=RegisteredModelMessage(
            name=name,
            tags=(KeyValue(key="a", value="1"),),
            aliases=(AliasMessage(alias="old", version="1"),),
            latest_versions=(ModelVersionMessage(name=name, version="1"),),
        )
    )


def version(source: str = "s3://bucket/model", **more: Any) -> ModelVersionFound:
    return ModelVersionFound(
        model_version=ModelVersionMessage(
            name="model",
            version="1",
            source=source,
            tags=(KeyValue(key="a", value="1"),),
            aliases=("best", "old"),
            **more,
        )
    )


def logged() -> LoggedModelFound:
    points = [("acc", 0.5, 1, None), ("acc", 0.7, 2, None), ("acc", 0.6, 1, "wine")]
    return LoggedModelFound(
        model=LoggedModelMessage(
            info=LoggedModelInfoMessage(
                model_id=MODEL_ID,
                experiment_id="1",
                name="n",
                status="LOGGED_MODEL_PENDING",
                tags=(KeyValue(key="a", value="1"),),
            ),
            data=LoggedModelDataMessage(
                params=(KeyValue(key="p", value="1"),),
                metrics=tuple(
                    MetricMessage(key=key, value=value, step=step, dataset_name=name)
                    for key, value, step, name in points
                ),
            ),
        )
    )


# --- what a server has ---


@pytest.mark.parametrize(
    ("number", "answer", "has_them", "asked"),
    [
        ((3, 0), None, True, 0),
        ((2, 22), None, False, 0),
        ((), None, True, 1),
        ((), InvalidValueError("no such experiment"), True, 1),
        ((), NotFoundError("answered with HTTP status 404"), False, 1),
        ((), UnsupportedError("not here"), False, 1),
    ],
)
def test_a_server_has_logged_models_if_its_version_or_itself_says_so(
    connect: Any, number: tuple[int, ...], answer: Any, has_them: bool, asked: int
) -> None:
    connection = connect(version=number, searchLoggedModels=answer)
    facets = stock_facets(connection)
    assert set(facets) == {RunStore, ModelRegistryStore} | (
        {LoggedModelStore} if has_them else set()
    )
    runs = facets[RunStore]
    assert isinstance(runs, StockRuns)
    assert len(connection.sent) == asked
    assert connection.writes == []


def test_a_server_is_asked_once_whether_it_has_logged_models(connect: Any) -> None:
    connection = connect(version=())
    server = StockServer(connection)
    assert (server.has_logged_models(), server.has_logged_models()) == (True, True)
    assert connection.names == ["searchLoggedModels"]


def test_a_server_that_cannot_be_reached_isnt_taken_for_one_without_logged_models(
    connect: Any,
) -> None:
    connection = connect(version=(), searchLoggedModels=StoreUnavailableError("down"))
    with pytest.raises(StoreUnavailableError):
        stock_facets(connection)


@pytest.mark.parametrize("number", [(2, 22), (3, 17), ()])
def test_a_server_declares_what_all_of_them_keep(connect: Any, number: tuple[int, ...]) -> None:
    found = stock_capabilities(connect(version=number))
    assert found == {Capability.MULTI_PROCESS, Capability.DURABLE}


# --- the registry ---

REFUSED: list[tuple[str, Callable[[StockRegistry], object]]] = [
    (
        "time",
        lambda registry: registry.create_registered_model(
            NewRegisteredModel(name="model", creation_timestamp=1)
        ),
    ),
    (
        "time",
        lambda registry: registry.update_registered_model(
            "model", changes=RegisteredModelChanges(last_updated_timestamp=1)
        ),
    ),
    *(
        (
            told,
            lambda registry, more=more: registry.create_model_version(
                NewModelVersion(name="model", source="s", **more)
            ),
        )
        for told, more in (
            ("key", {"idempotency_key": "k"}),
            ("number", {"version": 3}),
            ("time", {"creation_timestamp": 3}),
            ("who", {"user_id": "kim"}),
            ("status", {"status": ModelVersionStatus.PENDING_REGISTRATION}),
        )
    ),
    *(
        (
            told,
            lambda registry, changes=changes: registry.update_model_version(
                "model", version=1, changes=changes
            ),
        )
        for told, changes in (
            ("time", ModelVersionChanges(last_updated_timestamp=1)),
            ("status of", ModelVersionChanges(status=ModelVersionStatus.FAILED_REGISTRATION)),
            ("status message", ModelVersionChanges(status_message="why")),
            ("source", ModelVersionChanges(source="s3://other")),
        )
    ),
]


@pytest.mark.parametrize(("told", "call"), REFUSED)
def test_what_a_stock_registry_cannot_do_is_refused_before_anything_is_changed(
    connect: Any, told: str, call: Callable[[StockRegistry], object]
) -> None:
    connection = connect(getRegisteredModel=registered(), getModelVersion=version())
    with pytest.raises(UnsupportedError, match=told):
        call(registry_of(connection))
    assert connection.writes == []


def test_mlflow_2_isnt_told_which_logged_model_a_version_is(connect: Any) -> None:
    connection = connect(version=(2, 22))
    new = NewModelVersion(name="model", source="s", model_id=MODEL_ID)
    with pytest.raises(UnsupportedError, match="logged model"):
        registry_of(connection).create_model_version(new)
    assert connection.sent == []


def test_changes_of_a_registered_model_are_sent_so_that_a_failure_does_no_harm(
    connect: Any,
) -> None:
    connection = connect(
        getRegisteredModel=lambda request: (
            registered() if request.name == "model" else NotFoundError("none")
        ),
        renameRegisteredModel=lambda request: connection.answers.update(
            getRegisteredModel=registered("new")
        ),
        getModelVersion=version(),
    )
    changes = RegisteredModelChanges(
        name="new",
        description="text",
        set_tags={"b": "2"},
        delete_tags=("a",),
        set_aliases={"best": 1},
        delete_aliases=("old",),
    )
    changed = registry_of(connection).update_registered_model("model", changes=changes)
    assert connection.writes == [
        "updateRegisteredModel",
        "setRegisteredModelTag",
        "setRegisteredModelAlias",
        "deleteRegisteredModelTag",
        "deleteRegisteredModelAlias",
        "renameRegisteredModel",
    ]
    assert changed.name == "new"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (RegisteredModelChanges(description="d", delete_tags=("gone",)), NotFoundError),
        (RegisteredModelChanges(description="d", delete_aliases=("gone",)), NotFoundError),
        (RegisteredModelChanges(description="d", set_aliases={"best": 7}), NotFoundError),
        (RegisteredModelChanges(description="d", name="taken"), AlreadyExistsError),
    ],
)
def test_an_impossible_change_of_a_registered_model_leaves_the_possible_ones_undone(
    connect: Any, changes: RegisteredModelChanges, error: type[Exception]
) -> None:
    connection = connect(
        getRegisteredModel=lambda request: registered(request.name),
        getModelVersion=NotFoundError("Model Version (name=model, version=7) not found"),
    )
    with pytest.raises(error):
        registry_of(connection).update_registered_model("model", changes=changes)
    assert connection.writes == []


def test_a_taken_name_is_told_in_a_sentence(connect: Any) -> None:
    connection = connect(createRegisteredModel=AlreadyExistsError("UNIQUE constraint failed"))
    with pytest.raises(AlreadyExistsError, match="'model' exists already"):
        registry_of(connection).create_registered_model(NewRegisteredModel(name="model"))


def test_changes_of_a_version_end_with_what_is_deleted(connect: Any) -> None:
    connection = connect(getModelVersion=version())
    changes = ModelVersionChanges(
        description="text",
        set_tags={"b": "2"},
        delete_tags=("a",),
        current_stage=ModelVersionStage.PRODUCTION,
        archive_existing_versions=True,
    )
    registry_of(connection).update_model_version("model", version=1, changes=changes)
    assert connection.writes == [
        "updateModelVersion",
        "setModelVersionTag",
        "transitionModelVersionStage",
        "deleteModelVersionTag",
    ]
    (transition,) = connection.requests("transitionModelVersionStage")
    assert (transition.stage, transition.archive_existing_versions) == ("Production", True)


def test_a_missing_tag_of_a_version_leaves_the_other_changes_undone(connect: Any) -> None:
    connection = connect(getModelVersion=version())
    changes = ModelVersionChanges(description="text", delete_tags=("gone",))
    with pytest.raises(NotFoundError, match="gone"):
        registry_of(connection).update_model_version("model", version=1, changes=changes)
    assert connection.writes == []


def test_a_deleted_versions_aliases_go_before_it(connect: Any) -> None:
    """MLflow 2 would leave them."""
    connection = connect(getModelVersion=version())
    registry_of(connection).delete_model_version("model", version=1)
    assert connection.writes == [
        "deleteRegisteredModelAlias",
        "deleteRegisteredModelAlias",
        "deleteModelVersion",
    ]
    aliases = [request.alias for request in connection.requests("deleteRegisteredModelAlias")]
    assert aliases == ["best", "old"]


@pytest.mark.parametrize("error", [InvalidValueError, NotFoundError])
def test_a_missing_alias_isnt_found_whatever_the_server_calls_it(
    connect: Any, error: type[Exception]
) -> None:
    connection = connect(
        getModelVersionByAlias=error("alias gone not found"), getRegisteredModel=registered()
    )
    with pytest.raises(NotFoundError, match=r"'gone'.*old"):
        registry_of(connection).get_model_version_by_alias("model", alias="gone")


def test_the_newest_versions_of_a_model_have_their_aliases(connect: Any) -> None:
    connection = connect(getRegisteredModel=registered())
    (newest,) = registry_of(connection).get_registered_model("model").latest_versions
    assert newest.aliases == ("old",)


def test_a_version_whose_source_is_a_logged_model_is_that_models(connect: Any) -> None:
    connection = connect(getModelVersion=[version(f"models:/{MODEL_ID}"), version("models:/a/1")])
    registry = registry_of(connection)
    assert registry.get_model_version("model", version=1).model_id == MODEL_ID
    assert registry.get_model_version("model", version=1).model_id is None


@pytest.mark.parametrize(
    "call",
    [
        lambda registry: registry.get_registered_model("a/b"),
        lambda registry: registry.delete_registered_model("a/b"),
        lambda registry: registry.get_model_version("model", version=0),
        lambda registry: registry.delete_model_version("model", version=-1),
        lambda registry: registry.get_model_version_by_alias("model", alias="v1"),
    ],
)
def test_what_cannot_be_is_refused_without_asking(
    connect: Any, call: Callable[[StockRegistry], object]
) -> None:
    connection = connect()
    with pytest.raises(InvalidValueError):
        call(registry_of(connection))
    assert connection.sent == []


# --- logged models ---


@pytest.mark.parametrize(
    ("told", "call"),
    [
        (
            "id or time",
            lambda models: models.create_logged_model(
                NewLoggedModel(experiment_id="1", model_id=MODEL_ID)
            ),
        ),
        (
            "id or time",
            lambda models: models.create_logged_model(
                NewLoggedModel(experiment_id="1", creation_timestamp=1)
            ),
        ),
        (
            "place",
            lambda models: models.create_logged_model(
                NewLoggedModel(experiment_id="1", artifact_location="s3://b")
            ),
        ),
        *(
            (
                told,
                lambda models, changes=changes: models.update_logged_model(
                    MODEL_ID, changes=changes
                ),
            )
            for told, changes in (
                ("time", LoggedModelChanges(last_updated_timestamp=1)),
                ("status message", LoggedModelChanges(status_message="why")),
                ("artifact location", LoggedModelChanges(artifact_location="s3://b")),
                ("points", LoggedModelChanges(log_metrics=(Metric("m", 1.0, 1, run_id="r"),))),
            )
        ),
    ],
)
def test_what_a_stock_server_cannot_do_with_logged_models_is_refused(
    connect: Any, told: str, call: Callable[[StockLoggedModels], object]
) -> None:
    connection = connect(getLoggedModel=logged())
    with pytest.raises(UnsupportedError, match=told):
        call(models_of(connection))
    assert connection.writes == []


def test_a_logged_model_that_begins_ready_is_finalized(connect: Any) -> None:
    connection = connect(createLoggedModel=logged(), getLoggedModel=logged())
    new = NewLoggedModel(experiment_id="1", status=LoggedModelStatus.READY)
    models_of(connection).create_logged_model(new)
    assert connection.writes == ["createLoggedModel", "finalizeLoggedModel"]
    assert connection.requests("finalizeLoggedModel")[0].status == "LOGGED_MODEL_READY"


def test_changes_of_a_logged_model_begin_with_what_can_contradict(connect: Any) -> None:
    connection = connect(getLoggedModel=logged())
    changes = LoggedModelChanges(
        status=LoggedModelStatus.FAILED,
        set_tags={"b": "2"},
        delete_tags=("a",),
        log_params={"p": "1", "q": "2"},
    )
    models_of(connection).update_logged_model(MODEL_ID, changes=changes)
    assert connection.writes == [
        "logLoggedModelParams",
        "setLoggedModelTags",
        "finalizeLoggedModel",
        "deleteLoggedModelTag",
    ]
    (request,) = connection.requests("logLoggedModelParams")
    assert [(each.key, each.value) for each in request.params] == [("q", "2")]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (LoggedModelChanges(set_tags={"b": "2"}, log_params={"p": "2"}), ConflictError),
        (LoggedModelChanges(set_tags={"b": "2"}, delete_tags=("gone",)), NotFoundError),
    ],
)
def test_an_impossible_change_of_a_logged_model_leaves_the_possible_ones_undone(
    connect: Any, changes: LoggedModelChanges, error: type[Exception]
) -> None:
    connection = connect(getLoggedModel=logged())
    with pytest.raises(error):
        models_of(connection).update_logged_model(MODEL_ID, changes=changes)
    assert connection.writes == []


def test_a_deleted_logged_model_isnt_deleted_again(connect: Any) -> None:
    """A stock server would."""
    connection = connect(getLoggedModel=NotFoundError(f"{MODEL_ID} not found"))
    with pytest.raises(NotFoundError):
        models_of(connection).delete_logged_model(MODEL_ID)
    assert connection.writes == []


def test_the_latest_points_of_a_logged_model_count(connect: Any) -> None:
    connection = connect(getLoggedModel=logged())
    found = models_of(connection).get_logged_model(MODEL_ID).metrics
    assert [(m.key, m.value, m.dataset_name) for m in found] == [
        ("acc", 0.7, None),
        ("acc", 0.6, "wine"),
    ]


def test_a_deleted_experiment_that_takes_no_models_is_told_by_name(connect: Any) -> None:
    deleted = ExperimentMessage(experiment_id="1", name="mine", lifecycle_stage="deleted")
    connection = connect(
        createLoggedModel=InvalidStateError("The experiment 1 must be in the 'active' state"),
        getExperiment=ExperimentFound(experiment=deleted),
    )
    with pytest.raises(InvalidStateError, match="mine"):
        models_of(connection).create_logged_model(NewLoggedModel(experiment_id="1"))
