"""Everything that would write, refused."""

from __future__ import annotations

from typing import NoReturn

from tracking_core.config import Uri
from tracking_core.entities import (
    Experiment,
    LoggedModel,
    ModelVersion,
    RegisteredModel,
    Run,
    RunInfo,
    RunInputs,
    RunOutputs,
)
from tracking_core.errors import UnsupportedError
from tracking_core.stores import (
    Batch,
    ExperimentChanges,
    LoggedModelChanges,
    LoggedModelStore,
    ModelRegistryStore,
    ModelVersionChanges,
    NewExperiment,
    NewLoggedModel,
    NewModelVersion,
    NewRegisteredModel,
    NewRun,
    PurgeReport,
    PurgeRequest,
    RegisteredModelChanges,
    RunChanges,
    RunStore,
)


class RefusesWrites(RunStore, ModelRegistryStore, LoggedModelStore):
    """Refuses every call that would change something."""

    uri: Uri

    def _refuse(self, to: str) -> NoReturn:
        raise UnsupportedError(
            f"The backend {self.uri} only reads MLflow's database, so it can't {to}; copy it with"
            " `tracking copy` to a backend of your own and write there."
        )

    # --- experiments and runs ---

    def create_experiment(self, new: NewExperiment) -> Experiment:
        self._refuse("create an experiment")

    def update_experiment(self, experiment_id: str, *, changes: ExperimentChanges) -> Experiment:
        self._refuse("change an experiment")

    def create_run(self, new: NewRun) -> Run:
        self._refuse("create a run")

    def update_run(self, run_id: str, *, changes: RunChanges) -> RunInfo:
        self._refuse("change a run")

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        self._refuse("log to a run")

    def delete_tag(self, run_id: str, *, key: str) -> None:
        self._refuse("delete a tag")

    def log_inputs(self, run_id: str, *, inputs: RunInputs) -> None:
        self._refuse("log inputs")

    def log_outputs(self, run_id: str, *, outputs: RunOutputs) -> None:
        self._refuse("log outputs")

    def purge(self, request: PurgeRequest) -> PurgeReport:
        self._refuse("purge anything")

    # --- the model registry ---

    def create_registered_model(self, new: NewRegisteredModel) -> RegisteredModel:
        self._refuse("register a model")

    def update_registered_model(
        self, name: str, *, changes: RegisteredModelChanges
    ) -> RegisteredModel:
        self._refuse("change a registered model")

    def delete_registered_model(self, name: str) -> None:
        self._refuse("delete a registered model")

    def create_model_version(self, new: NewModelVersion) -> ModelVersion:
        self._refuse("add a model version")

    def update_model_version(
        self, name: str, *, version: int, changes: ModelVersionChanges
    ) -> ModelVersion:
        self._refuse("change a model version")

    def delete_model_version(self, name: str, *, version: int) -> None:
        self._refuse("delete a model version")

    # --- logged models ---

    def create_logged_model(self, new: NewLoggedModel) -> LoggedModel:
        self._refuse("create a logged model")

    def update_logged_model(self, model_id: str, *, changes: LoggedModelChanges) -> LoggedModel:
        self._refuse("change a logged model")

    def delete_logged_model(self, model_id: str) -> None:
        self._refuse("delete a logged model")
