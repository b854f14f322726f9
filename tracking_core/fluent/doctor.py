"""What to know when something doesn't work."""

from __future__ import annotations

import os
import platform
import sys

from tracking_core.config import load_settings, redact
from tracking_core.errors import TrackingError
from tracking_core.fluent import state

_LIBRARIES = (
    "tracking-core",
    "msgspec",
    "pluggy",
    "fsspec",
    "PyYAML",
    "psutil",
    "pandas",
    "polars",
    "numpy",
    "pillow",
    "matplotlib",
    "nvidia-ml-py",
)
_SECRETS = ("PASSWORD", "TOKEN", "SECRET", "KEY")


def doctor(mask_envs: bool = False) -> None:
    """Write what is installed, what is set and by what, and whether the store answers.

    It goes to the terminal, without passwords. `tracking doctor` says more.

    Args:
        mask_envs: Whether to show only the names of the environment's variables.
    """
    sys.stdout.write("\n".join(_lines(mask_envs)) + "\n")


def _lines(mask_envs: bool) -> list[str]:
    # Local: it is slow, and nothing else here needs it.
    from importlib import metadata

    lines = [f"System: {platform.platform()}", f"Python: {sys.version.split()[0]}"]
    for library in _LIBRARIES:
        try:
            lines.append(f"{library}: {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{library}: not installed")
    lines.append(f"Tracking URI: {redact(state.get_tracking_uri())}")
    lines.append(f"Registry URI: {redact(state.get_registry_uri())}")
    loaded = load_settings()
    for name, source in loaded.sources.items():
        if source != "default":
            value = loaded.settings.shown(name)
            text = value if isinstance(value, str) else repr(value)
            lines.append(f"Setting {name}: {text} (from {source})")
    for name, value in sorted(os.environ.items()):
        if name.startswith(("TRACKING_", "MLFLOW_")):
            secret = mask_envs or any(part in name for part in _SECRETS)
            lines.append(f"Environment {name}: {'***' if secret else redact(value)}")
    try:
        state.default_client().store.check_health()
    except TrackingError as error:
        lines.append(f"The store doesn't answer: {error}")
    else:
        lines.append("The store answers.")
    return lines
