"""The base of all errors, under the names that MLflow has for it."""

from tracking_core.errors import TrackingError as MlflowException

__all__ = ["MlflowException"]
