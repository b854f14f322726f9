"""Entities become messages, go over the wire, and come back as they were."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    FileInfo,
    InputTag,
    LifecycleStage,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    ModelVersion,
    ModelVersionStage,
    ModelVersionStatus,
    RegisteredModel,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
)
from tracking_core.errors import InvalidValueError
from tracking_core.wire.codec import decode_answer, encode
from tracking_core.wire.messages.artifacts import FileInfoMessage
from tracking_core.wire.messages.experiments import ExperimentMessage
from tracking_core.wire.messages.logged_models import LoggedModelMessage
from tracking_core.wire.messages.metrics import MetricMessage
from tracking_core.wire.messages.registry import ModelVersionMessage, RegisteredModelMessage
from tracking_core.wire.messages.runs import RunMessage

TEXT = st.text(max_size=8) | st.sampled_from(["null", "NaN", "0"])
FILLED = TEXT.filter(bool)
# An empty text and none are the same to MLflow, and so to the wire, except where it matters.
MAYBE = st.none() | FILLED
INT64 = st.integers(-(2**63), 2**63 - 1)
MILLISECONDS = st.integers(0, 2**63 - 1)
TAGS = st.dictionaries(FILLED, TEXT, max_size=3).map(lambda tags: dict(sorted(tags.items())))
STAGES = st.sampled_from(LifecycleStage)
METRICS = st.builds(
    Metric,
    key=FILLED,
    value=st.floats(),
    timestamp=MILLISECONDS,
    step=INT64,
    model_id=MAYBE,
    dataset_name=MAYBE,
    dataset_digest=MAYBE,
    run_id=MAYBE,
)
SEVERAL_METRICS = st.lists(METRICS, max_size=3).map(tuple)
EXPERIMENTS = st.builds(
    Experiment,
    experiment_id=FILLED,
    name=FILLED,
    artifact_location=TEXT,
    lifecycle_stage=STAGES,
    tags=TAGS,
    creation_time=st.none() | MILLISECONDS,
    last_update_time=st.none() | MILLISECONDS,
)
INPUTS = st.builds(
    RunInputs,
    st.lists(
        st.builds(
            DatasetInput,
            st.builds(Dataset, FILLED, FILLED, TEXT, TEXT, st.none() | TEXT, st.none() | TEXT),
            st.lists(st.builds(InputTag, TEXT, TEXT), max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    st.lists(st.builds(LoggedModelInput, FILLED), max_size=2).map(tuple),
)
RUNS = st.builds(
    Run,
    info=st.builds(
        RunInfo,
        run_id=FILLED,
        experiment_id=FILLED,
        run_name=TEXT,
        user_id=TEXT,
        status=st.sampled_from(RunStatus),
        start_time=st.none() | MILLISECONDS,
        end_time=st.none() | MILLISECONDS.filter(bool),
        artifact_uri=TEXT,
        lifecycle_stage=STAGES,
    ),
    data=st.builds(
        RunData,
        latest_metrics=st.lists(METRICS, max_size=3, unique_by=lambda metric: metric.key).map(
            lambda found: tuple(sorted(found, key=lambda metric: metric.key))
        ),
        params=TAGS,
        tags=TAGS,
    ),
    inputs=INPUTS,
    outputs=st.builds(
        RunOutputs,
        st.lists(st.builds(LoggedModelOutput, FILLED, INT64), max_size=2).map(tuple),
    ),
)
VERSIONS = st.builds(
    ModelVersion,
    name=FILLED,
    version=st.integers(1, 2**63 - 1),
    creation_timestamp=MILLISECONDS,
    last_updated_timestamp=MILLISECONDS,
    description=TEXT,
    user_id=MAYBE,
    current_stage=st.sampled_from(ModelVersionStage),
    source=TEXT,
    run_id=MAYBE,
    run_link=MAYBE,
    status=st.sampled_from(ModelVersionStatus),
    status_message=MAYBE,
    tags=TAGS,
    aliases=st.lists(FILLED, max_size=3, unique=True).map(lambda each: tuple(sorted(each))),
    model_id=MAYBE,
    params=TAGS,
    metrics=SEVERAL_METRICS,
)
REGISTERED_MODELS = st.builds(
    RegisteredModel,
    name=FILLED,
    creation_timestamp=MILLISECONDS,
    last_updated_timestamp=MILLISECONDS,
    description=TEXT,
    latest_versions=st.lists(VERSIONS, max_size=2, unique_by=lambda each: each.version).map(
        lambda found: tuple(sorted(found, key=lambda each: each.version))
    ),
    tags=TAGS,
    aliases=st.dictionaries(FILLED, st.integers(1, 2**63 - 1), max_size=2).map(
        lambda aliases: dict(sorted(aliases.items()))
    ),
)
LOGGED_MODELS = st.builds(
    LoggedModel,
    model_id=FILLED,
    experiment_id=FILLED,
    name=FILLED,
    artifact_location=TEXT,
    creation_timestamp=MILLISECONDS,
    last_updated_timestamp=MILLISECONDS,
    status=st.sampled_from(LoggedModelStatus),
    status_message=st.none() | TEXT,
    model_type=MAYBE,
    source_run_id=MAYBE,
    tags=TAGS,
    params=TAGS,
    metrics=SEVERAL_METRICS,
)
FILES = st.builds(FileInfo, FILLED, st.just(True)) | st.builds(
    FileInfo, FILLED, st.just(False), MILLISECONDS
)


@pytest.mark.parametrize(
    ("message", "entities"),
    [
        (MetricMessage, METRICS),
        (ExperimentMessage, EXPERIMENTS),
        (RunMessage, RUNS),
        (ModelVersionMessage, VERSIONS),
        (RegisteredModelMessage, REGISTERED_MODELS),
        (LoggedModelMessage, LOGGED_MODELS),
        (FileInfoMessage, FILES),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
@settings(max_examples=80)
@given(data=st.data())
def test_an_entity_goes_over_the_wire_and_comes_back(
    message: Any, entities: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    entity = data.draw(entities)
    arrived = decode_answer(encode(message.of(entity)), message).entity()
    # By repr: NaN equals itself, and the order of tags counts.
    assert repr(arrived) == repr(entity)


@pytest.mark.parametrize(
    ("message", "entity"),
    [
        (MetricMessage, Metric("", 0.0, 0)),
        (ExperimentMessage, Experiment(experiment_id="", name="")),
        (RunMessage, Run(info=RunInfo(run_id="", experiment_id=""))),
        (LoggedModelMessage, LoggedModel(model_id="", experiment_id="", name="")),
        (FileInfoMessage, FileInfo("", False, 0)),
    ],
)
def test_what_protobuf_leaves_out_is_read_as_its_default(message: Any, entity: Any) -> None:
    assert decode_answer(b"{}", message).entity() == entity


def test_tags_and_metrics_of_a_stock_server_come_in_any_order() -> None:
    body = msgspec.json.encode(
        {
            "info": {"run_uuid": "r", "end_time": "0", "status": 3},
            "data": {
                "tags": [{"key": "b", "value": "2"}, {"key": "a", "value": "1"}, {"key": "c"}],
                "metrics": [
                    {"key": "z", "value": "NaN", "timestamp": "7"},
                    {"key": "y", "value": 1, "timestamp": 8, "step": "-2"},
                ],
            },
        }
    )
    run = decode_answer(body, RunMessage).entity()
    assert (run.info.run_id, run.info.end_time, run.info.status) == ("r", None, RunStatus.FINISHED)
    assert list(run.data.tags.items()) == [("a", "1"), ("b", "2"), ("c", "")]
    assert [(each.key, each.timestamp, each.step) for each in run.data.latest_metrics] == [
        ("y", 8, -2),
        ("z", 7, 0),
    ]


@pytest.mark.parametrize("version", ["", "0", "-1", "x", "1.0", "²"])
def test_a_version_that_is_no_number_is_a_sentence(version: str) -> None:
    with pytest.raises(InvalidValueError, match="is not a whole number from 1"):
        ModelVersionMessage(name="m", version=version).entity()


@pytest.mark.parametrize("value", ["", "x", "1,5"])
def test_a_metric_that_is_no_number_is_a_sentence(value: str) -> None:
    with pytest.raises(InvalidValueError, match="is not a number"):
        MetricMessage(key="loss", value=value).entity()
