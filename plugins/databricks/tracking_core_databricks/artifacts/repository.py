"""Artifacts below `dbfs:` URIs: what they are decides how they are reached."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.config import Settings, Uri
from tracking_core.entities import FileInfo
from tracking_core_databricks.artifacts.address import Address
from tracking_core_databricks.artifacts.file_system import FileSystemFiles
from tracking_core_databricks.artifacts.owned_files import OwnedFiles
from tracking_core_databricks.connection import WorkspaceConnection, WorkspaceTransport


class DbfsArtifactRepository(ArtifactRepository):
    """Files of a Databricks workspace.

    Below `dbfs:/databricks/mlflow-tracking/` they are those of a run or of a logged model, which
    OwnedFiles reaches; elsewhere those of the workspace's file system, which FileSystemFiles does.
    `dbfs://PROFILE@databricks/...` names the workspace; without that it is the tracking URI's.
    """

    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        address = Address.of(uri, settings)
        transport = WorkspaceTransport(address.workspace, settings)
        connection = WorkspaceConnection(transport, shown=str(uri))
        self._files: ArtifactRepository
        if address.owner is None:
            self._files = FileSystemFiles(uri, settings, connection, address.path)
        else:
            self._files = OwnedFiles(uri, settings, connection, address.owner)

    def list(self, path: str = "") -> Sequence[FileInfo]:
        return self._files.list(path)

    def open_read(self, path: str) -> BinaryIO:
        return self._files.open_read(path)

    def open_write(self, path: str) -> AbstractContextManager[BinaryIO]:
        return self._files.open_write(path)

    def delete(self, path: str) -> None:
        self._files.delete(path)

    def info(self, path: str) -> FileInfo:
        return self._files.info(path)
