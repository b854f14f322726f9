"""Settings: one frozen value, made once from environment and configuration files.

Order: what the caller gives, the environment, `tracking.toml` in the working directory (or the
file that TRACKING_CONFIG names), the user's `config.toml`, the default.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from tracking_core.config.directories import user_configuration_directory
from tracking_core.config.uri import redact
from tracking_core.errors import InvalidValueError

DEFAULT_TRACKING_URI = "./mlruns"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be configured; stores and clients read these fields and nothing else.

    Attributes:
        tracking_uri: The backend store.
        registry_uri: The model registry's store; the tracking store if None.
        artifact_root: Where new experiments put artifacts; None: the store decides.
        experiment_name: The experiment of runs that name none.
        experiment_id: Likewise, by id.
        run_id: The run that `start_run()` resumes.
        disabled_plugins: Names of plugins that are not looked at; `all` for a hermetic run.
        scheme_owners: Distribution by scheme, where two claim the same scheme.
        cache_directory: For what can be thrown away; None: the system's place.
        state_directory: For what must survive; None: the system's place.
        durability: `process`: an acknowledged write survives the end of this process, however it
            ends; `system`: and of the machine (each write waits for the disk).
        file_index: Whether the file backend keeps an index in the cache directory.
        log_system_metrics: Whether runs log CPU, memory, disk, network and GPU.
        system_metrics_sampling_interval: Seconds between samples.
        system_metrics_samples_before_logging: Samples that are averaged into one point.
        system_metrics_node_id: Tells machines apart that log to one run.
        transfer_workers: Artifact files moved at the same time.
        http_username: Who one is to tracking servers; with a password.
        http_password: Secret.
        http_token: Instead of both; secret.
        http_auth: The plugin that signs requests instead.
        http_insecure_tls: Whether servers are trusted whatever their certificate says.
        http_server_certificate: The file of the certificates that are trusted; None: the system's.
        http_client_certificate: The file of one's own certificate and key.
        http_timeout: Seconds that a server may be silent.
        http_max_retries: How often a request is sent again after a fault that may pass.
    """

    tracking_uri: str | None = None
    registry_uri: str | None = None
    artifact_root: str | None = None
    experiment_name: str | None = None
    experiment_id: str | None = None
    run_id: str | None = None
    disabled_plugins: tuple[str, ...] = ()
    scheme_owners: dict[str, str] = {}
    cache_directory: str | None = None
    state_directory: str | None = None
    durability: Literal["process", "system"] = "process"
    file_index: bool = True
    log_system_metrics: bool = False
    system_metrics_sampling_interval: float = 10.0
    system_metrics_samples_before_logging: int = 1
    system_metrics_node_id: str | None = None
    transfer_workers: int = 8
    http_username: str | None = None
    http_password: str | None = None
    http_token: str | None = None
    http_auth: str | None = None
    http_insecure_tls: bool = False
    http_server_certificate: str | None = None
    http_client_certificate: str | None = None
    http_timeout: float = 120.0
    http_max_retries: int = 7

    def __repr__(self) -> str:
        """Show what was set, without the secrets."""
        shown = {
            field.name: self.shown(field.name)
            for field in msgspec.structs.fields(self)
            if getattr(self, field.name) != field.default
        }
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def shown(self, name: str) -> Any:
        """Return a setting's value as it may be printed: without what is secret in it."""
        value = getattr(self, name)
        if name in SECRETS and value is not None:
            return "***"
        return redact(value) if isinstance(value, str) else value


SECRETS = frozenset({"http_password", "http_token"})
"""Settings that are never shown."""


ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "tracking_uri": ("TRACKING_URI", "MLFLOW_TRACKING_URI"),
    "registry_uri": ("TRACKING_REGISTRY_URI", "MLFLOW_REGISTRY_URI"),
    "artifact_root": ("TRACKING_ARTIFACT_ROOT",),
    "experiment_name": ("TRACKING_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_NAME"),
    "experiment_id": ("TRACKING_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_ID"),
    "run_id": ("TRACKING_RUN_ID", "MLFLOW_RUN_ID"),
    "disabled_plugins": ("TRACKING_DISABLED_PLUGINS",),
    "scheme_owners": ("TRACKING_SCHEME_OWNERS",),
    "cache_directory": ("TRACKING_CACHE_DIR",),
    "state_directory": ("TRACKING_STATE_DIR",),
    "durability": ("TRACKING_DURABILITY",),
    "file_index": ("TRACKING_FILE_INDEX",),
    "log_system_metrics": ("TRACKING_LOG_SYSTEM_METRICS", "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"),
    "system_metrics_sampling_interval": (
        "TRACKING_SYSTEM_METRICS_SAMPLING_INTERVAL",
        "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL",
    ),
    "system_metrics_samples_before_logging": (
        "TRACKING_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING",
        "MLFLOW_SYSTEM_METRICS_SAMPLES_BEFORE_LOGGING",
    ),
    "system_metrics_node_id": ("TRACKING_SYSTEM_METRICS_NODE_ID", "MLFLOW_SYSTEM_METRICS_NODE_ID"),
    "transfer_workers": ("TRACKING_TRANSFER_WORKERS",),
    "http_username": ("TRACKING_HTTP_USERNAME", "MLFLOW_TRACKING_USERNAME"),
    "http_password": ("TRACKING_HTTP_PASSWORD", "MLFLOW_TRACKING_PASSWORD"),
    "http_token": ("TRACKING_HTTP_TOKEN", "MLFLOW_TRACKING_TOKEN"),
    "http_auth": ("TRACKING_HTTP_AUTH", "MLFLOW_TRACKING_AUTH"),
    "http_insecure_tls": ("TRACKING_HTTP_INSECURE_TLS", "MLFLOW_TRACKING_INSECURE_TLS"),
    "http_server_certificate": (
        "TRACKING_HTTP_SERVER_CERTIFICATE",
        "MLFLOW_TRACKING_SERVER_CERT_PATH",
    ),
    "http_client_certificate": (
        "TRACKING_HTTP_CLIENT_CERTIFICATE",
        "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    ),
    "http_timeout": ("TRACKING_HTTP_TIMEOUT", "MLFLOW_HTTP_REQUEST_TIMEOUT"),
    "http_max_retries": ("TRACKING_HTTP_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"),
}
"""The environment variables of each setting; the first that is set and not empty wins."""


class LoadedSettings(msgspec.Struct, frozen=True):
    """Settings and where each came from.

    Attributes:
        settings: The values.
        sources: For each field: `argument`, the name of the environment variable, the path of the
            file, or `default`.
    """

    settings: Settings
    sources: dict[str, str]


def load_settings(
    environment: Mapping[str, str] | None = None,
    *,
    working_directory: Path | None = None,
    **arguments: Any,
) -> LoadedSettings:
    """Collect the settings from all their sources.

    Args:
        environment: The variables; `os.environ` if None.
        working_directory: Where `tracking.toml` is looked for; the current one if None.
        **arguments: Fields of Settings that win over every other source; None means not given.

    Raises:
        InvalidValueError: A value can't be read, or a file holds a name that is no setting; the
            sentence names the source.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    sources = dict.fromkeys(Settings.__struct_fields__, "default")
    for path in reversed(_configuration_files(environment, working_directory or Path.cwd())):
        for name, value in _read_file(path).items():
            values[name] = _convert(name, value, source=str(path), strict=True)
            sources[name] = str(path)
    for name, variables in ENVIRONMENT.items():
        for variable in variables:
            if text := environment.get(variable):
                values[name] = _convert(name, _from_text(name, text), source=variable, strict=False)
                sources[name] = variable
                break
    for name, value in arguments.items():
        if value is not None:
            values[name] = _convert(name, value, source=f"argument {name}", strict=False)
            sources[name] = "argument"
    return LoadedSettings(Settings(**values), sources)


def _configuration_files(environment: Mapping[str, str], working_directory: Path) -> list[Path]:
    """List the files that exist, the one that wins first."""
    if named := environment.get("TRACKING_CONFIG"):
        path = Path(named).expanduser()
        if not path.is_file():
            raise InvalidValueError(f"TRACKING_CONFIG names {named!r}, which is not a file.")
        first = [path]
    else:
        first = [working_directory / "tracking.toml"]
    return [
        path for path in [*first, user_configuration_directory() / "config.toml"] if path.is_file()
    ]


def _read_file(path: Path) -> dict[str, Any]:
    # Local, because most processes have no configuration file.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidValueError(f"The configuration file {path} can't be read: {error}.") from error
    for name in content:
        if name not in Settings.__struct_fields__:
            raise InvalidValueError(
                f"The configuration file {path} sets {name!r}, which is no setting;"
                f" known are {', '.join(Settings.__struct_fields__)}."
            )
    return content


def _from_text(name: str, text: str) -> Any:
    """Bring a variable's text into the shape that the field's type converts from."""
    if name == "disabled_plugins":
        return [part.strip() for part in text.split(",") if part.strip()]
    if name == "scheme_owners":
        pairs = (part.partition("=") for part in text.split(",") if part.strip())
        return {scheme.strip(): owner.strip() for scheme, _, owner in pairs}
    if name in ("file_index", "log_system_metrics", "http_insecure_tls"):
        return {"1": True, "true": True, "yes": True, "on": True}.get(
            text.lower(),
            {"0": False, "false": False, "no": False, "off": False}.get(text.lower(), text),
        )
    return text


def _convert(name: str, value: Any, *, source: str, strict: bool) -> Any:
    field_type = _FIELD_TYPES[name]
    try:
        return msgspec.convert(value, field_type, strict=strict)
    except msgspec.ValidationError as error:
        shown = "***" if name in SECRETS else repr(value)
        raise InvalidValueError(
            f"The setting {name} from {source} has the value {shown}: {error}."
        ) from error


_FIELD_TYPES = {field.name: field.type for field in msgspec.structs.fields(Settings)}
