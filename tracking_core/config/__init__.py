"""Configuration: settings, URIs and the user's directories."""

from tracking_core.config.directories import (
    user_cache_directory,
    user_configuration_directory,
    user_state_directory,
)
from tracking_core.config.settings import (
    DEFAULT_TRACKING_URI,
    ENVIRONMENT,
    LoadedSettings,
    Settings,
    load_settings,
)
from tracking_core.config.uri import Uri, join_uri, path_to_file_uri, redact

__all__ = [
    "DEFAULT_TRACKING_URI",
    "ENVIRONMENT",
    "LoadedSettings",
    "Settings",
    "Uri",
    "join_uri",
    "load_settings",
    "path_to_file_uri",
    "redact",
    "user_cache_directory",
    "user_configuration_directory",
    "user_state_directory",
]
