"""Messages about runs."""

from __future__ import annotations

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
)
from tracking_core.wire.messages.base import Filled, KeyValue, Message, pairs, text_by_key
from tracking_core.wire.messages.enums import run_status
from tracking_core.wire.messages.metrics import LoggedMetric, MetricMessage


class RunInfoMessage(Message, kw_only=True):
    """mlflow.RunInfo; old clients read the id as `run_uuid`."""

    run_id: str | None = None
    run_uuid: str | None = None
    run_name: str | None = None
    experiment_id: str | None = None
    user_id: str | None = None
    status: str | int | None = None
    start_time: int | None = None
    end_time: int | None = None
    artifact_uri: str | None = None
    lifecycle_stage: str | None = None

    @classmethod
    def of(cls, info: RunInfo) -> RunInfoMessage:
        """Return what the wire says of a run's header."""
        return cls(
            run_id=info.run_id,
            run_uuid=info.run_id,
            run_name=info.run_name,
            experiment_id=info.experiment_id,
            user_id=info.user_id,
            status=info.status.value,
            start_time=info.start_time,
            end_time=info.end_time,
            artifact_uri=info.artifact_uri,
            lifecycle_stage=info.lifecycle_stage.value,
        )

    def entity(self) -> RunInfo:
        """Return the header."""
        return RunInfo(
            run_id=self.run_id or self.run_uuid or "",
            experiment_id=self.experiment_id or "",
            run_name=self.run_name or "",
            user_id=self.user_id or "",
            status=RunStatus.RUNNING if self.status is None else run_status(self.status),
            start_time=self.start_time,
            # MLflow writes 0 for a run that goes on.
            end_time=self.end_time or None,
            artifact_uri=self.artifact_uri or "",
            lifecycle_stage=LifecycleStage(self.lifecycle_stage or "active"),
        )


class RunDataMessage(Message, kw_only=True):
    """mlflow.RunData."""

    metrics: tuple[MetricMessage, ...] = ()
    params: tuple[KeyValue, ...] = ()
    tags: tuple[KeyValue, ...] = ()


class InputTagMessage(Message, kw_only=True):
    """mlflow.InputTag."""

    key: str
    value: str


class DatasetMessage(Message, kw_only=True):
    """mlflow.Dataset."""

    name: Filled
    digest: Filled
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class DatasetInputMessage(Message, kw_only=True):
    """mlflow.DatasetInput."""

    dataset: DatasetMessage
    tags: tuple[InputTagMessage, ...] = ()

    @classmethod
    def of(cls, used: DatasetInput) -> DatasetInputMessage:
        """Return what the wire says of a data set that a run used."""
        dataset = used.dataset
        return cls(
            dataset=DatasetMessage(
                name=dataset.name,
                digest=dataset.digest,
                source_type=dataset.source_type,
                source=dataset.source,
                schema=dataset.schema,
                profile=dataset.profile,
            ),
            tags=tuple(InputTagMessage(key=tag.key, value=tag.value) for tag in used.tags),
        )

    def entity(self) -> DatasetInput:
        """Return the data set and its tags."""
        dataset = self.dataset
        return DatasetInput(
            Dataset(
                dataset.name,
                dataset.digest,
                dataset.source_type,
                dataset.source,
                dataset.schema,
                dataset.profile,
            ),
            tuple(InputTag(tag.key, tag.value) for tag in self.tags),
        )


class ModelInputMessage(Message, kw_only=True):
    """mlflow.ModelInput."""

    model_id: Filled


class ModelOutputMessage(Message, kw_only=True):
    """mlflow.ModelOutput."""

    model_id: Filled
    step: int


class RunInputsMessage(Message, kw_only=True):
    """mlflow.RunInputs."""

    dataset_inputs: tuple[DatasetInputMessage, ...] = ()
    model_inputs: tuple[ModelInputMessage, ...] = ()


class RunOutputsMessage(Message, kw_only=True):
    """mlflow.RunOutputs."""

    model_outputs: tuple[ModelOutputMessage, ...] = ()


_NO_INPUTS, _NO_OUTPUTS = RunInputsMessage(), RunOutputsMessage()


class RunMessage(Message, kw_only=True):
    """mlflow.Run."""

    info: RunInfoMessage | None = None
    data: RunDataMessage | None = None
    inputs: RunInputsMessage | None = None
    outputs: RunOutputsMessage | None = None

    @classmethod
    def of(cls, run: Run) -> RunMessage:
        """Return what the wire says of a run."""
        data, inputs, outputs = run.data, run.inputs, run.outputs
        has_inputs = inputs.dataset_inputs or inputs.model_inputs
        return cls(
            info=RunInfoMessage.of(run.info),
            data=RunDataMessage(
                metrics=tuple([MetricMessage.of(point) for point in data.latest_metrics]),
                params=pairs(data.params),
                tags=pairs(data.tags),
            ),
            # Most runs have none, and messages aren't changed.
            inputs=_NO_INPUTS
            if not has_inputs
            else RunInputsMessage(
                dataset_inputs=tuple(map(DatasetInputMessage.of, inputs.dataset_inputs)),
                model_inputs=tuple(
                    ModelInputMessage(model_id=model.model_id) for model in inputs.model_inputs
                ),
            ),
            outputs=_NO_OUTPUTS
            if not outputs.model_outputs
            else RunOutputsMessage(
                model_outputs=tuple(
                    ModelOutputMessage(model_id=model.model_id, step=model.step)
                    for model in outputs.model_outputs
                )
            ),
        )

    def entity(self) -> Run:
        """Return the run."""
        data, inputs, outputs = self.data, self.inputs, self.outputs
        info = self.info or RunInfoMessage()
        return Run(
            info=info.entity(),
            data=RunData()
            if data is None
            else RunData(
                # A stock server sends them in no order.
                latest_metrics=tuple(
                    sorted((m.entity() for m in data.metrics), key=lambda metric: metric.key)
                ),
                params=text_by_key(sorted(data.params, key=_key)),
                tags=text_by_key(sorted(data.tags, key=_key)),
            ),
            inputs=RunInputs()
            if inputs is None
            else RunInputs(
                tuple(used.entity() for used in inputs.dataset_inputs),
                tuple(LoggedModelInput(model.model_id) for model in inputs.model_inputs),
            ),
            outputs=RunOutputs()
            if outputs is None
            else RunOutputs(
                tuple(LoggedModelOutput(m.model_id, m.step) for m in outputs.model_outputs)
            ),
        )


def _key(pair: KeyValue) -> str:
    return pair.key or ""


class CreateRun(Message, kw_only=True):
    """The request of runs/create."""

    experiment_id: str | None = None
    user_id: str | None = None
    run_name: str | None = None
    start_time: int | None = None
    tags: tuple[KeyValue, ...] = ()


class RunFound(Message, kw_only=True):
    """The answer of runs/create and runs/get."""

    run: RunMessage | None = None


class RunReference(Message, kw_only=True):
    """A request that names a run, in one of two fields."""

    run_id: str | None = None
    run_uuid: str | None = None


class UpdateRun(RunReference, kw_only=True):
    """The request of runs/update."""

    status: str | int | None = None
    end_time: int | None = None
    run_name: str | None = None


class RunUpdated(Message, kw_only=True):
    """Its answer."""

    run_info: RunInfoMessage | None = None


class DeleteRun(Message, kw_only=True):
    """The request of runs/delete and /restore."""

    run_id: Filled


class GetRun(RunReference, kw_only=True):
    """The request of runs/get."""


class LogParam(RunReference, kw_only=True):
    """The request of runs/log-parameter and runs/set-tag."""

    key: Filled
    value: str


class DeleteTag(Message, kw_only=True):
    """The request of runs/delete-tag."""

    run_id: Filled
    key: Filled


class SearchRuns(Message, kw_only=True):
    """The request of runs/search."""

    experiment_ids: tuple[str, ...] = ()
    filter: str | None = None
    run_view_type: str | int | None = None
    max_results: int | None = None
    order_by: tuple[str, ...] = ()
    page_token: str | None = None


class RunsFound(Message, kw_only=True):
    """Its answer."""

    runs: tuple[RunMessage, ...] = ()
    next_page_token: str | None = None


class LogBatch(Message, kw_only=True):
    """The request of runs/log-batch."""

    run_id: Filled
    metrics: tuple[LoggedMetric, ...] = ()
    params: tuple[KeyValue, ...] = ()
    tags: tuple[KeyValue, ...] = ()


class LogModel(Message, kw_only=True):
    """The request of runs/log-model."""

    run_id: Filled
    model_json: Filled


class LogInputs(Message, kw_only=True):
    """The request of runs/log-inputs."""

    run_id: Filled
    datasets: tuple[DatasetInputMessage, ...] = ()
    models: tuple[ModelInputMessage, ...] = ()


class LogOutputs(Message, kw_only=True):
    """The request of runs/outputs."""

    run_id: Filled
    models: tuple[ModelOutputMessage, ...] = ()
