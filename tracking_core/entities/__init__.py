"""The nouns of tracking: frozen values with MLflow's field names, no I/O.

Times are milliseconds since the epoch, UTC. Mappings are plain dicts that callers must not change.
"""

from tracking_core.entities.artifact import FileInfo
from tracking_core.entities.dataset import (
    Dataset,
    DatasetInput,
    DatasetSummary,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    RunInputs,
    RunOutputs,
)
from tracking_core.entities.experiment import Experiment, ExperimentTag
from tracking_core.entities.lifecycle import LifecycleStage, ViewType
from tracking_core.entities.logged_model import LoggedModel, LoggedModelStatus
from tracking_core.entities.metric import Metric, latest_metrics
from tracking_core.entities.registry import (
    ModelVersion,
    ModelVersionStage,
    ModelVersionStatus,
    RegisteredModel,
)
from tracking_core.entities.run import (
    Param,
    Run,
    RunData,
    RunInfo,
    RunStatus,
    RunTag,
    SourceType,
)
from tracking_core.entities.webhook import (
    Webhook,
    WebhookEvent,
    WebhookStatus,
    WebhookTestResult,
)

__all__ = [
    "Dataset",
    "DatasetInput",
    "DatasetSummary",
    "Experiment",
    "ExperimentTag",
    "FileInfo",
    "InputTag",
    "LifecycleStage",
    "LoggedModel",
    "LoggedModelInput",
    "LoggedModelOutput",
    "LoggedModelStatus",
    "Metric",
    "ModelVersion",
    "ModelVersionStage",
    "ModelVersionStatus",
    "Param",
    "RegisteredModel",
    "Run",
    "RunData",
    "RunInfo",
    "RunInputs",
    "RunOutputs",
    "RunStatus",
    "RunTag",
    "SourceType",
    "ViewType",
    "Webhook",
    "WebhookEvent",
    "WebhookStatus",
    "WebhookTestResult",
    "latest_metrics",
]
