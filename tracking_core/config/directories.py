"""The user's directories for caches, state and configuration, by the system's conventions."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NAME = "tracking_core"


def user_cache_directory() -> Path:
    """Return where things that can be thrown away live."""
    if os.name == "nt":
        return (
            Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / _NAME / "cache"
        )
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches" / _NAME
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / _NAME


def user_state_directory() -> Path:
    """Return where things live that must survive, such as what is not yet sent."""
    if os.name == "nt":
        return (
            Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / _NAME / "state"
        )
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support" / _NAME
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / _NAME


def user_configuration_directory() -> Path:
    """Return where the user's configuration file lives."""
    if os.name == "nt":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData/Roaming") / _NAME
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support" / _NAME
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / _NAME
