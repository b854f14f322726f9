"""The command `tracking`."""

from tracking_core.cli.application import main, tracking

__all__ = ["main", "tracking"]
