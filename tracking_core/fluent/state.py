"""What the functions share: URIs and the experiment in use, of the whole process.

The only global state there is, beside the active run, which belongs to its context
(`tracking_core.fluent.stack`). Nothing here writes to the environment.
"""

from __future__ import annotations

import os
import threading

from tracking_core.client import Client
from tracking_core.client.experiments import DEFAULT_EXPERIMENT_NAME
from tracking_core.config import (
    DEFAULT_TRACKING_URI,
    Settings,
    Uri,
    load_settings,
    path_to_file_uri,
)
from tracking_core.entities import Experiment
from tracking_core.errors import InvalidValueError
from tracking_core.stores import new_id
from tracking_core.stores.validation import shown


class _Shared:
    """The values; what is None was not set."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.tracking_uri: str | None = None
        self.registry_uri: str | None = None
        self.experiment: Experiment | None = None
        self.experiment_uri = ""
        self.client: Client | None = None
        self.client_key: tuple[Settings, str, str] | None = None
        self.resumed_run_id: str | None = None


_shared = _Shared()


def _renew_lock() -> None:
    _shared.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class MlflowClient(Client):
    """A client that, where no URI is given, takes those of `set_tracking_uri` and its like.

    This is what `mlflow.MlflowClient()` means in MLflow's tutorials. `tracking_core.Client` looks
    at its arguments and settings alone.
    """

    def __init__(
        self,
        tracking_uri: str | os.PathLike[str] | None = None,
        registry_uri: str | os.PathLike[str] | None = None,
        *,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(
            _shared.tracking_uri if tracking_uri is None else tracking_uri,
            _shared.registry_uri if registry_uri is None else registry_uri,
            settings=settings,
        )


# --- URIs ---


def set_tracking_uri(uri: str | os.PathLike[str]) -> None:
    """Name the store that runs go to, for the whole process.

    A run that is active goes on where it is.

    Args:
        uri: A path or URI; a relative path is one from the working directory now, empty text is
            `./mlruns`.

    Raises:
        InvalidValueError: It isn't a URI.
    """
    _shared.tracking_uri = _absolute(uri, "tracking URI")


def get_tracking_uri() -> str:
    """Return the URI of the store that new runs go to, with its password if it has one."""
    return complete_uri(
        _shared.tracking_uri or load_settings().settings.tracking_uri or DEFAULT_TRACKING_URI
    )


def is_tracking_uri_set() -> bool:
    """Tell whether the store was named, by a call or by the settings."""
    return bool(_shared.tracking_uri or load_settings().settings.tracking_uri)


def set_registry_uri(uri: str | os.PathLike[str]) -> None:
    """Name the store of registered models, for the whole process; empty text: the tracking store.

    Raises:
        InvalidValueError: It isn't a URI.
    """
    _shared.registry_uri = None if uri == "" else _absolute(uri, "registry URI")


def get_registry_uri() -> str:
    """Return the URI of the store of registered models."""
    return complete_uri(
        _shared.registry_uri or load_settings().settings.registry_uri or get_tracking_uri()
    )


# --- the client ---


def default_client() -> Client:
    """Return the client of the URIs and settings that are in force now."""
    settings = load_settings().settings
    tracking = complete_uri(_shared.tracking_uri or settings.tracking_uri or DEFAULT_TRACKING_URI)
    registry = complete_uri(_shared.registry_uri or settings.registry_uri or tracking)
    key = (settings, tracking, registry)
    with _shared.lock:
        if _shared.client is None or _shared.client_key != key:
            # The one before is not closed: a run may still be active there.
            _shared.client = Client(tracking, registry, settings=settings)
            _shared.client_key = key
        return _shared.client


# --- the experiment ---


def use_experiment(client: Client, experiment: Experiment) -> None:
    """Let new runs go to an experiment."""
    _shared.experiment, _shared.experiment_uri = experiment, client.tracking_uri


def experiment_id_for_new_runs(client: Client) -> str:
    """Return the experiment that was set, that the settings name, or the default.

    It is created if need be. One that was set in another store is looked for by its name.
    """
    chosen = _shared.experiment
    if chosen is not None:
        if _shared.experiment_uri == client.tracking_uri:
            return chosen.experiment_id
        return client.ensure_experiment(chosen.name).experiment_id
    if client.settings.experiment_name:
        return client.ensure_experiment(client.settings.experiment_name).experiment_id
    if client.settings.experiment_id:
        return client.settings.experiment_id
    return client.ensure_experiment(DEFAULT_EXPERIMENT_NAME).experiment_id


def known_experiment_id(client: Client) -> str | None:
    """Return what `experiment_id_for_new_runs` does, but None instead of creating one."""
    chosen = _shared.experiment
    if chosen is not None and _shared.experiment_uri == client.tracking_uri:
        return chosen.experiment_id
    settings = client.settings
    if chosen is None and settings.experiment_id and not settings.experiment_name:
        return settings.experiment_id
    name = chosen.name if chosen is not None else settings.experiment_name
    found = client.get_experiment_by_name(name or DEFAULT_EXPERIMENT_NAME)
    return None if found is None else found.experiment_id


def run_id_to_resume(settings: Settings) -> str | None:
    """Return the run that the settings say to resume, the first time that it is asked for."""
    with _shared.lock:
        if settings.run_id is None or settings.run_id == _shared.resumed_run_id:
            return None
        _shared.resumed_run_id = settings.run_id
        return settings.run_id


def reset() -> None:
    """Forget everything that was set, for tests and for hosts of several programs."""
    lock = _shared.lock
    with lock:
        fresh = _Shared()
        fresh.lock = lock
        vars(_shared).update(vars(fresh))


def complete_uri(uri: str) -> str:
    """Return a URI that means the same in every working directory."""
    parsed = Uri.parse(uri)
    return path_to_file_uri(parsed.path) if parsed.scheme == "file" else parsed.text


def _absolute(uri: object, what: str) -> str:
    if not isinstance(uri, (str, os.PathLike)):
        raise InvalidValueError(
            f"The {what} {shown(uri)} is of type {type(uri).__name__}; give a URI or a path."
        )
    text = os.fspath(uri)
    if text == "":
        text = DEFAULT_TRACKING_URI
    # `memory:` is a new store each time it is opened; here it means one store for all who follow.
    if isinstance(text, str) and text.lower().rstrip("/") == "memory:":
        return f"memory://{new_id()}"
    return complete_uri(str(text))
