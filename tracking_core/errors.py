"""Every error that tracking_core raises.

```
TrackingError
├── InvalidValueError           (ValueError)           a value that is not allowed
│   └── FilterSyntaxError                              a filter that can't be parsed, and where
├── NotFoundError               (LookupError)          what is asked for isn't there
├── AlreadyExistsError                                 the name or id is taken
├── ConflictError                                      a second value for a param
├── InvalidStateError                                  deleted, or otherwise not ready for this
├── PermissionDeniedError       (PermissionError)      the store or file system refused
├── UnsupportedError            (NotImplementedError)  this store lacks the facet or capability
├── StoreUnavailableError       (ConnectionError)      out of reach now; trying again may help
├── CorruptDataError                                   what is stored can't be read back
└── PluginError
    ├── UnknownSchemeError      (LookupError)          no plugin serves the URI's scheme
    ├── PluginConflictError                            two distributions claim one scheme
    ├── PluginLoadError         (ImportError)          the plugin's own import broke
    ├── MissingDependencyError  (ImportError)          a library that it needs isn't installed
    ├── ContractVersionError                           written for another contract version
    └── IncompleteStoreError    (TypeError)            abstract methods aren't implemented
```

Each class names MLflow's `error_code` for the wire; HTTP statuses live in the wire layer only.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AlreadyExistsError",
    "ConflictError",
    "ContractVersionError",
    "CorruptDataError",
    "FilterSyntaxError",
    "IncompleteStoreError",
    "InvalidStateError",
    "InvalidValueError",
    "MissingDependencyError",
    "NotFoundError",
    "PermissionDeniedError",
    "PluginConflictError",
    "PluginError",
    "PluginLoadError",
    "StoreUnavailableError",
    "TrackingError",
    "UnknownSchemeError",
    "UnsupportedError",
]


class TrackingError(Exception):
    """Base of all errors; `str(error)` is a sentence for the user."""

    error_code: ClassVar[str] = "INTERNAL_ERROR"
    """MLflow's name for this kind of error, as its REST API spells it."""

    @property
    def message(self) -> str:
        """The sentence, under the name that MLflow's exceptions use."""
        return str(self)


class InvalidValueError(TrackingError, ValueError):
    """A name, key, value, path or URI is not allowed."""

    error_code = "INVALID_PARAMETER_VALUE"


class FilterSyntaxError(InvalidValueError):
    """A filter or order_by can't be parsed.

    Attributes:
        text: The whole filter.
        position: 0-based offset of the offending character in `text`.
        expected: What could have stood there.
    """

    def __init__(self, message: str, *, text: str, position: int, expected: str = "") -> None:
        super().__init__(message)
        self.text = text
        self.position = position
        self.expected = expected


class NotFoundError(TrackingError, LookupError):
    """The experiment, run, model, metric or artifact isn't there."""

    error_code = "RESOURCE_DOES_NOT_EXIST"


class AlreadyExistsError(TrackingError):
    """The name or id is taken."""

    error_code = "RESOURCE_ALREADY_EXISTS"


class ConflictError(TrackingError):
    """The change contradicts what is stored, as a second value for a param does."""

    # MLflow answers a changed param with this code, and its clients test for it.
    error_code = "INVALID_PARAMETER_VALUE"


class InvalidStateError(TrackingError):
    """The thing is there, but not in a state that allows this, as a deleted run."""

    # MLflow refuses writes to deleted runs and experiments with this code (HTTP 400).
    error_code = "INVALID_PARAMETER_VALUE"


class PermissionDeniedError(TrackingError, PermissionError):
    """The store or the file system refused."""

    error_code = "PERMISSION_DENIED"


class UnsupportedError(TrackingError, NotImplementedError):
    """This store lacks the facet or the capability."""

    error_code = "NOT_IMPLEMENTED"


class StoreUnavailableError(TrackingError, ConnectionError):
    """The store can't be reached now; trying again may help."""

    error_code = "TEMPORARILY_UNAVAILABLE"


class CorruptDataError(TrackingError):
    """What is stored can't be read back."""

    error_code = "DATA_LOSS"


class PluginError(TrackingError):
    """Something is wrong with a plugin rather than with the call."""


class UnknownSchemeError(PluginError, LookupError):
    """No plugin serves the scheme of the URI."""

    error_code = "INVALID_PARAMETER_VALUE"


class PluginConflictError(PluginError):
    """Two distributions claim the same scheme."""


class PluginLoadError(PluginError, ImportError):
    """The plugin is installed, but importing it failed."""


class MissingDependencyError(PluginError, ImportError):
    """A library that the plugin or function needs is not installed."""


class ContractVersionError(PluginError):
    """The plugin was written for another version of the contract."""


class IncompleteStoreError(PluginError, TypeError):
    """A facet's abstract methods are not all implemented."""
