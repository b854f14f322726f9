"""Experiment tracking over storage that you choose, with MLflow's names.

`import tracking_core as mlflow` runs the tracking code of an MLflow tutorial. Nothing is imported
before it is used: each name is looked up in its room when it is first asked for.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # what tools take for true; `typing` would be most of this import
if TYPE_CHECKING:
    from tracking_core import (
        artifacts,
        client,
        config,
        data,
        discovery,
        entities,
        errors,
        exceptions,
        fluent,
        search,
        stores,
        tracking,
    )
    from tracking_core.client import Client
    from tracking_core.errors import TrackingError
    from tracking_core.exceptions import MlflowException
    from tracking_core.fluent import (
        ActiveModel,
        ActiveRun,
        MlflowClient,
        active_run,
        clear_active_model,
        create_experiment,
        create_external_model,
        delete_experiment,
        delete_experiment_tag,
        delete_logged_model_tag,
        delete_run,
        delete_tag,
        disable_system_metrics_logging,
        doctor,
        enable_system_metrics_logging,
        end_run,
        finalize_logged_model,
        flush_artifact_async_logging,
        flush_async_logging,
        get_active_model_id,
        get_artifact_uri,
        get_experiment,
        get_experiment_by_name,
        get_logged_model,
        get_parent_run,
        get_registry_uri,
        get_run,
        get_tracking_uri,
        initialize_logged_model,
        is_tracking_uri_set,
        last_active_run,
        last_logged_model,
        load_table,
        log_artifact,
        log_artifacts,
        log_dict,
        log_figure,
        log_image,
        log_input,
        log_inputs,
        log_metric,
        log_metrics,
        log_model_params,
        log_outputs,
        log_param,
        log_params,
        log_stream,
        log_table,
        log_text,
        register_model,
        restore_experiment,
        restore_run,
        search_experiments,
        search_logged_models,
        search_model_versions,
        search_registered_models,
        search_runs,
        set_active_model,
        set_experiment,
        set_experiment_tag,
        set_experiment_tags,
        set_logged_model_tags,
        set_model_version_tag,
        set_registry_uri,
        set_system_metrics_node_id,
        set_system_metrics_samples_before_logging,
        set_system_metrics_sampling_interval,
        set_tag,
        set_tags,
        set_tracking_uri,
        start_run,
    )

__version__ = "0.1.0.dev0"

__all__ = [
    "ActiveModel",
    "ActiveRun",
    "Client",
    "MlflowClient",
    "MlflowException",
    "TrackingError",
    "__version__",
    "active_run",
    "artifacts",
    "clear_active_model",
    "client",
    "config",
    "create_experiment",
    "create_external_model",
    "data",
    "delete_experiment",
    "delete_experiment_tag",
    "delete_logged_model_tag",
    "delete_run",
    "delete_tag",
    "disable_system_metrics_logging",
    "discovery",
    "doctor",
    "enable_system_metrics_logging",
    "end_run",
    "entities",
    "errors",
    "exceptions",
    "finalize_logged_model",
    "fluent",
    "flush_artifact_async_logging",
    "flush_async_logging",
    "get_active_model_id",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_logged_model",
    "get_parent_run",
    "get_registry_uri",
    "get_run",
    "get_tracking_uri",
    "initialize_logged_model",
    "is_tracking_uri_set",
    "last_active_run",
    "last_logged_model",
    "load_table",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_inputs",
    "log_metric",
    "log_metrics",
    "log_model_params",
    "log_outputs",
    "log_param",
    "log_params",
    "log_stream",
    "log_table",
    "log_text",
    "register_model",
    "restore_experiment",
    "restore_run",
    "search",
    "search_experiments",
    "search_logged_models",
    "search_model_versions",
    "search_registered_models",
    "search_runs",
    "set_active_model",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_logged_model_tags",
    "set_model_version_tag",
    "set_registry_uri",
    "set_system_metrics_node_id",
    "set_system_metrics_samples_before_logging",
    "set_system_metrics_sampling_interval",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "start_run",
    "stores",
    "tracking",
]

_ROOMS = frozenset(
    {
        "artifacts",
        "client",
        "config",
        "data",
        "discovery",
        "entities",
        "errors",
        "exceptions",
        "fluent",
        "search",
        "stores",
        "tracking",
    }
)

# The other names are those of the fluent room.
_ELSEWHERE = {
    "Client": "tracking_core.client",
    "MlflowException": "tracking_core.exceptions",
    "TrackingError": "tracking_core.errors",
}

_NOT_HERE = (
    "autolog catboost evaluate genai keras langchain lightgbm login models onnx openai "
    "paddle projects prophet pyfunc pytorch run sentence_transformers sklearn spacy spark "
    "statsmodels tensorflow trace transformers validate_evaluation_results xgboost "
)
"""What MLflow has under these names, and this has not."""


def __getattr__(name: str) -> object:
    """Look a name up where it lies, once."""
    # Local, because everything is: this package must cost nothing until it is used.
    from importlib import import_module

    if name in _ROOMS:
        value: object = import_module(f"{__name__}.{name}")
    elif name in __all__:
        value = getattr(import_module(_ELSEWHERE.get(name, f"{__name__}.fluent")), name)
    elif name in _NOT_HERE.split():
        raise AttributeError(
            f"{__name__} has no {name!r}: it is MLflow's name for something beyond tracking, which"
            " isn't here."
        )
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    setattr(sys.modules[__name__], name, value)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
