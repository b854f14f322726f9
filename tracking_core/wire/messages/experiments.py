"""Messages about experiments."""

from __future__ import annotations

from tracking_core.entities import Experiment, LifecycleStage
from tracking_core.wire.messages.base import Filled, KeyValue, Message, pairs, text_by_key


class ExperimentMessage(Message, kw_only=True):
    """mlflow.Experiment."""

    experiment_id: str | None = None
    name: str | None = None
    artifact_location: str | None = None
    lifecycle_stage: str | None = None
    last_update_time: int | None = None
    creation_time: int | None = None
    tags: tuple[KeyValue, ...] = ()

    @classmethod
    def of(cls, experiment: Experiment) -> ExperimentMessage:
        """Return what the wire says of an experiment."""
        return cls(
            experiment_id=experiment.experiment_id,
            name=experiment.name,
            artifact_location=experiment.artifact_location,
            lifecycle_stage=experiment.lifecycle_stage.value,
            last_update_time=experiment.last_update_time,
            creation_time=experiment.creation_time,
            tags=pairs(experiment.tags),
        )

    def entity(self) -> Experiment:
        """Return the experiment."""
        return Experiment(
            experiment_id=self.experiment_id or "",
            name=self.name or "",
            artifact_location=self.artifact_location or "",
            lifecycle_stage=LifecycleStage(self.lifecycle_stage or "active"),
            tags=text_by_key(self.tags),
            creation_time=self.creation_time,
            last_update_time=self.last_update_time,
        )


class CreateExperiment(Message, kw_only=True):
    """The request of experiments/create."""

    name: Filled
    artifact_location: str | None = None
    tags: tuple[KeyValue, ...] = ()


class ExperimentCreated(Message, kw_only=True):
    """Its answer."""

    experiment_id: str | None = None


class GetExperiment(Message, kw_only=True):
    """The request of experiments/get, /delete and /restore."""

    experiment_id: Filled


class GetExperimentByName(Message, kw_only=True):
    """The request of experiments/get-by-name."""

    experiment_name: Filled


class ExperimentFound(Message, kw_only=True):
    """The answer of experiments/get and /get-by-name."""

    experiment: ExperimentMessage | None = None


class UpdateExperiment(Message, kw_only=True):
    """The request of experiments/update."""

    experiment_id: Filled
    new_name: str | None = None


class SearchExperiments(Message, kw_only=True):
    """The request of experiments/search."""

    max_results: int | None = None
    page_token: str | None = None
    filter: str | None = None
    order_by: tuple[str, ...] = ()
    view_type: str | int | None = None


class ExperimentsFound(Message, kw_only=True):
    """Its answer."""

    experiments: tuple[ExperimentMessage, ...] = ()
    next_page_token: str | None = None


class SetExperimentTag(Message, kw_only=True):
    """The request of experiments/set-experiment-tag."""

    experiment_id: Filled
    key: Filled
    value: str


class DeleteExperimentTag(Message, kw_only=True):
    """The request of experiments/delete-experiment-tag."""

    experiment_id: Filled
    key: Filled


class SearchDatasets(Message, kw_only=True):
    """The request of experiments/search-datasets."""

    experiment_ids: tuple[str, ...] = ()


class DatasetSummaryMessage(Message, kw_only=True):
    """mlflow.DatasetSummary."""

    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class DatasetsFound(Message, kw_only=True):
    """The answer of experiments/search-datasets."""

    dataset_summaries: tuple[DatasetSummaryMessage, ...] = ()
