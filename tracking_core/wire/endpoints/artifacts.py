"""The endpoints of artifacts, which the server answers itself: the facets know no repositories.

The proxy's transfers of bytes are no messages, and so not here: `PROXY` is where they begin.
"""

from __future__ import annotations

from tracking_core.wire.endpoints.endpoint import PREFIX, Endpoint
from tracking_core.wire.messages import artifacts as messages
from tracking_core.wire.messages.base import Empty
from tracking_core.wire.messages.logged_models import (
    ListLoggedModelArtifacts,
    LoggedModelArtifacts,
)

PROXY_PREFIX = "/api/2.0/mlflow-artifacts"
PROXY = f"{PROXY_PREFIX}/artifacts"

LIST = Endpoint(
    name="listArtifacts",
    method="GET",
    path=f"{PREFIX}/artifacts/list",
    request=messages.ListArtifacts,
    response=messages.ArtifactsFound,
)
LIST_LOGGED_MODEL = Endpoint(
    name="listLoggedModelArtifacts",
    method="GET",
    path=f"{PREFIX}/logged-models/{{model_id}}/artifacts/directories",
    request=ListLoggedModelArtifacts,
    response=LoggedModelArtifacts,
)
PRESIGNED_UPLOAD = Endpoint(
    name="createPresignedUploadUrl",
    method="POST",
    path=f"{PREFIX}/artifacts/presigned-upload-url",
    request=messages.CreatePresignedUpload,
    response=messages.PresignedUrl,
)
PRESIGNED_DOWNLOAD = Endpoint(
    name="createPresignedDownloadUrl",
    method="POST",
    path=f"{PREFIX}/artifacts/presigned-download-url",
    request=messages.CreatePresignedDownload,
    response=messages.PresignedUrl,
)
LIST_PROXIED = Endpoint(
    name="listProxiedArtifacts",
    method="GET",
    path=PROXY,
    request=messages.ListProxied,
    response=messages.ProxiedFound,
)
CREATE_MULTIPART = Endpoint(
    name="createMultipartUpload",
    method="POST",
    path=f"{PROXY_PREFIX}/mpu/create/{{artifact_path:path}}",
    request=messages.CreateMultipartUpload,
    response=messages.MultipartUploadCreated,
    writes=True,
)
COMPLETE_MULTIPART = Endpoint(
    name="completeMultipartUpload",
    method="POST",
    path=f"{PROXY_PREFIX}/mpu/complete/{{artifact_path:path}}",
    request=messages.CompleteMultipartUpload,
    response=Empty,
    writes=True,
)
ABORT_MULTIPART = Endpoint(
    name="abortMultipartUpload",
    method="POST",
    path=f"{PROXY_PREFIX}/mpu/abort/{{artifact_path:path}}",
    request=messages.AbortMultipartUpload,
    response=Empty,
    writes=True,
)
PROXIED_PRESIGNED = Endpoint(
    name="getPresignedDownloadUrl",
    method="GET",
    path=f"{PROXY_PREFIX}/presigned/{{artifact_path:path}}",
    request=Empty,
    response=messages.ProxiedPresignedUrl,
)

ENDPOINTS = (
    LIST,
    LIST_LOGGED_MODEL,
    PRESIGNED_UPLOAD,
    PRESIGNED_DOWNLOAD,
    LIST_PROXIED,
    CREATE_MULTIPART,
    COMPLETE_MULTIPART,
    ABORT_MULTIPART,
    PROXIED_PRESIGNED,
)
