"""What is asked of a store: wide calls take one of these, which can grow without breaking anyone.

Each checks itself when it is made and raises InvalidValueError, so that a store gets valid ones
only. Fields are added with a default, and never removed, within a major version of the contract.
"""

from tracking_core.stores.requests.base import (
    MAX_PAGE_SIZE,
    UNSET,
    UnsetType,
    new_id,
    now,
)
from tracking_core.stores.requests.experiments import (
    ExperimentChanges,
    ExperimentQuery,
    NewExperiment,
)
from tracking_core.stores.requests.logged_models import (
    DatasetFilter,
    LoggedModelChanges,
    LoggedModelQuery,
    NewLoggedModel,
)
from tracking_core.stores.requests.registry import (
    ModelVersionChanges,
    ModelVersionQuery,
    NewModelVersion,
    NewRegisteredModel,
    RegisteredModelChanges,
    RegisteredModelQuery,
)
from tracking_core.stores.requests.runs import (
    EVERYTHING,
    HEADER_ONLY,
    RUN_NAME_TAG,
    USER_TAG,
    Batch,
    MetricHistoryQuery,
    NewRun,
    Projection,
    PurgeReport,
    PurgeRequest,
    RunChanges,
    RunQuery,
)
from tracking_core.stores.requests.webhooks import (
    NewWebhook,
    WebhookChanges,
    WebhookQuery,
    check_webhook_id,
)

__all__ = [
    "EVERYTHING",
    "HEADER_ONLY",
    "MAX_PAGE_SIZE",
    "RUN_NAME_TAG",
    "UNSET",
    "USER_TAG",
    "Batch",
    "DatasetFilter",
    "ExperimentChanges",
    "ExperimentQuery",
    "LoggedModelChanges",
    "LoggedModelQuery",
    "MetricHistoryQuery",
    "ModelVersionChanges",
    "ModelVersionQuery",
    "NewExperiment",
    "NewLoggedModel",
    "NewModelVersion",
    "NewRegisteredModel",
    "NewRun",
    "NewWebhook",
    "Projection",
    "PurgeReport",
    "PurgeRequest",
    "RegisteredModelChanges",
    "RegisteredModelQuery",
    "RunChanges",
    "RunQuery",
    "UnsetType",
    "WebhookChanges",
    "WebhookQuery",
    "check_webhook_id",
    "new_id",
    "now",
]
