"""Plugins: how they announce themselves, and how a URI finds its plugin."""

from tracking_core.discovery.hookspecs import hookimpl
from tracking_core.discovery.manager import PluginManager, default_manager
from tracking_core.discovery.opening import open_artifact_repository, open_store
from tracking_core.discovery.specs import (
    ArtifactRepositorySpec,
    BackendSpec,
    CommandSession,
    CommandSpec,
)

__all__ = [
    "ArtifactRepositorySpec",
    "BackendSpec",
    "CommandSession",
    "CommandSpec",
    "PluginManager",
    "default_manager",
    "hookimpl",
    "open_artifact_repository",
    "open_store",
]
