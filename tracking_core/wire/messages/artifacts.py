"""Messages about artifacts."""

from __future__ import annotations

import msgspec

from tracking_core.entities import FileInfo
from tracking_core.wire.messages.base import Message


class FileInfoMessage(Message, kw_only=True):
    """mlflow.FileInfo."""

    path: str | None = None
    is_dir: bool | None = None
    file_size: int | None = None

    @classmethod
    def of(cls, entry: FileInfo) -> FileInfoMessage:
        """Return what the wire says of an entry of a listing."""
        return cls(path=entry.path, is_dir=entry.is_dir, file_size=entry.file_size)

    def entity(self) -> FileInfo:
        """Return the entry."""
        is_dir = bool(self.is_dir)
        return FileInfo(self.path or "", is_dir, None if is_dir else self.file_size or 0)


class ListArtifacts(Message, kw_only=True):
    """The request of artifacts/list."""

    run_id: str | None = None
    run_uuid: str | None = None
    path: str | None = None
    page_token: str | None = None


class ArtifactsFound(Message, kw_only=True):
    """Its answer."""

    root_uri: str | None = None
    files: tuple[FileInfoMessage, ...] = ()
    next_page_token: str | None = None


class ListProxied(Message, kw_only=True):
    """The request of mlflow-artifacts/artifacts (GET)."""

    path: str | None = None


class ProxiedFound(Message, kw_only=True):
    """Its answer; the paths are the entries' names."""

    files: tuple[FileInfoMessage, ...] = ()


class CreatePresignedUpload(Message, kw_only=True):
    """The request of artifacts/presigned-upload-url."""

    run_id: str | None = None
    path: str | None = None
    expiration: int | None = None
    model_id: str | None = None


class CreatePresignedDownload(Message, kw_only=True):
    """The request of artifacts/presigned-download-url."""

    run_id: str | None = None
    path: str | None = None
    expiration: int | None = None


class PresignedUrl(Message, kw_only=True):
    """The answer of both."""

    presigned_url: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    file_size: int | None = None


class ProxiedPresignedUrl(Message, kw_only=True):
    """The answer of mlflow-artifacts/presigned."""

    url: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    file_size: int | None = None


class CreateMultipartUpload(Message, kw_only=True):
    """The request of mlflow-artifacts/mpu/create."""

    path: str | None = None
    num_parts: int | None = None


class MultipartCredential(Message, kw_only=True):
    """mlflow.artifacts.MultipartUploadCredential."""

    url: str | None = None
    part_number: int | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)


class MultipartUploadCreated(Message, kw_only=True):
    """The answer of mlflow-artifacts/mpu/create."""

    upload_id: str | None = None
    credentials: tuple[MultipartCredential, ...] = ()


class MultipartPart(Message, kw_only=True):
    """mlflow.artifacts.MultipartUploadPart."""

    part_number: int | None = None
    etag: str | None = None
    url: str | None = None


class CompleteMultipartUpload(Message, kw_only=True):
    """The request of mlflow-artifacts/mpu/complete."""

    path: str | None = None
    upload_id: str | None = None
    parts: tuple[MultipartPart, ...] = ()


class AbortMultipartUpload(Message, kw_only=True):
    """The request of mlflow-artifacts/mpu/abort."""

    path: str | None = None
    upload_id: str | None = None
