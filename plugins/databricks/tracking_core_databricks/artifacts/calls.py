"""The calls of a workspace about files: their messages and their endpoints.

Sources: mlflow/protos/databricks_artifacts.proto of MLflow 3.17, and
https://docs.databricks.com/api/workspace/dbfs.
"""

from __future__ import annotations

from tracking_core.wire.endpoints import PREFIX, Endpoint
from tracking_core.wire.messages.base import Empty, Message

_ARTIFACTS = f"{PREFIX}/artifacts"
_MODEL = f"{PREFIX}/logged-models/{{model_id}}/artifacts"
_FILES = "/api/2.0/dbfs"


class HttpHeader(Message, kw_only=True):
    """A header that a signed request must have."""

    name: str | None = None
    value: str | None = None


class Credential(Message, kw_only=True):
    """mlflow.ArtifactCredentialInfo: a URL that is itself the permission."""

    run_id: str | None = None
    path: str | None = None
    signed_uri: str | None = None
    headers: tuple[HttpHeader, ...] = ()
    type: str | int | None = None


class GetCredentials(Message, kw_only=True):
    """The request of artifacts/credentials-for-read and -for-write."""

    run_id: str | None = None
    path: tuple[str, ...] = ()
    page_token: str | None = None


class Credentials(Message, kw_only=True):
    """Its answer."""

    credential_infos: tuple[Credential, ...] = ()
    next_page_token: str | None = None


class GetModelCredentials(Message, kw_only=True):
    """The request of a logged model's credentials-for-download and -for-upload."""

    model_id: str | None = None
    paths: tuple[str, ...] = ()
    page_token: str | None = None


class ModelCredential(Message, kw_only=True):
    """mlflow.LoggedModelArtifactCredential."""

    model_id: str | None = None
    credential_info: Credential | None = None


class ModelCredentials(Message, kw_only=True):
    """Its answer."""

    credentials: tuple[ModelCredential, ...] = ()
    next_page_token: str | None = None


class CreateUpload(Message, kw_only=True):
    """The request of artifacts/create-multipart-upload."""

    run_id: str | None = None
    path: str | None = None
    num_parts: int


class UploadCreated(Message, kw_only=True):
    """Its answer."""

    upload_id: str | None = None
    upload_credential_infos: tuple[Credential, ...] = ()
    abort_credential_info: Credential | None = None


class GetPartUrl(Message, kw_only=True):
    """The request of artifacts/get-presigned-upload-part-url."""

    run_id: str | None = None
    path: str | None = None
    upload_id: str | None = None
    part_number: int | None = None


class PartUrl(Message, kw_only=True):
    """Its answer."""

    upload_credential_info: Credential | None = None


class PartTag(Message, kw_only=True):
    """mlflow.PartEtag."""

    part_number: int | None = None
    etag: str | None = None


class CompleteUpload(Message, kw_only=True):
    """The request of artifacts/complete-multipart-upload."""

    run_id: str | None = None
    path: str | None = None
    upload_id: str | None = None
    part_etags: tuple[PartTag, ...] = ()


class FilePath(Message, kw_only=True):
    """The request of dbfs/list and dbfs/get-status."""

    path: str


class FileStatus(Message, kw_only=True):
    """A file or a directory of DBFS."""

    path: str | None = None
    is_dir: bool | None = None
    file_size: int | None = None


class FilesListed(Message, kw_only=True):
    """The answer of dbfs/list."""

    files: tuple[FileStatus, ...] = ()


class ReadFile(Message, kw_only=True):
    """The request of dbfs/read."""

    path: str
    offset: int
    length: int


class FileRead(Message, kw_only=True):
    """Its answer; the content in base64."""

    bytes_read: int | None = None
    data: str | None = None


class CreateFile(Message, kw_only=True):
    """The request of dbfs/create."""

    path: str
    overwrite: bool | None = None


class FileHandle(Message, kw_only=True):
    """The answer of dbfs/create, and the request of dbfs/close."""

    handle: int | None = None


class AddBlock(Message, kw_only=True):
    """The request of dbfs/add-block; the content in base64."""

    handle: int | None = None
    data: str


class MoveFile(Message, kw_only=True):
    """The request of dbfs/move."""

    source_path: str
    destination_path: str


class DeleteFile(Message, kw_only=True):
    """The request of dbfs/delete."""

    path: str
    recursive: bool | None = None


FOR_READ = Endpoint(
    name="getCredentialsForRead",
    method="POST",
    path=f"{_ARTIFACTS}/credentials-for-read",
    request=GetCredentials,
    response=Credentials,
)
FOR_WRITE = Endpoint(
    name="getCredentialsForWrite",
    method="POST",
    path=f"{_ARTIFACTS}/credentials-for-write",
    request=GetCredentials,
    response=Credentials,
)
FOR_MODEL_READ = Endpoint(
    name="getCredentialsForLoggedModelDownload",
    method="POST",
    path=f"{_MODEL}/credentials-for-download",
    request=GetModelCredentials,
    response=ModelCredentials,
)
FOR_MODEL_WRITE = Endpoint(
    name="getCredentialsForLoggedModelUpload",
    method="POST",
    path=f"{_MODEL}/credentials-for-upload",
    request=GetModelCredentials,
    response=ModelCredentials,
)
CREATE_UPLOAD = Endpoint(
    name="createMultipartUpload",
    method="POST",
    path=f"{_ARTIFACTS}/create-multipart-upload",
    request=CreateUpload,
    response=UploadCreated,
    writes=True,
)
PART_URL = Endpoint(
    name="getPresignedUploadPartUrl",
    method="GET",
    path=f"{_ARTIFACTS}/get-presigned-upload-part-url",
    request=GetPartUrl,
    response=PartUrl,
)
COMPLETE_UPLOAD = Endpoint(
    name="completeMultipartUpload",
    method="POST",
    path=f"{_ARTIFACTS}/complete-multipart-upload",
    request=CompleteUpload,
    response=Empty,
    writes=True,
    repeatable=False,
)
LIST_FILES = Endpoint(
    name="listFiles",
    method="GET",
    path=f"{_FILES}/list",
    request=FilePath,
    response=FilesListed,
)
FILE_STATUS = Endpoint(
    name="getFileStatus",
    method="GET",
    path=f"{_FILES}/get-status",
    request=FilePath,
    response=FileStatus,
)
READ_FILE = Endpoint(
    name="readFile",
    method="GET",
    path=f"{_FILES}/read",
    request=ReadFile,
    response=FileRead,
)
CREATE_FILE = Endpoint(
    name="createFile",
    method="POST",
    path=f"{_FILES}/create",
    request=CreateFile,
    response=FileHandle,
    writes=True,
)
ADD_BLOCK = Endpoint(
    name="addBlock",
    method="POST",
    path=f"{_FILES}/add-block",
    request=AddBlock,
    response=Empty,
    writes=True,
    repeatable=False,
)
CLOSE_FILE = Endpoint(
    name="closeFile",
    method="POST",
    path=f"{_FILES}/close",
    request=FileHandle,
    response=Empty,
    writes=True,
    repeatable=False,
)
MOVE_FILE = Endpoint(
    name="moveFile",
    method="POST",
    path=f"{_FILES}/move",
    request=MoveFile,
    response=Empty,
    writes=True,
    repeatable=False,
)
DELETE_FILE = Endpoint(
    name="deleteFile",
    method="POST",
    path=f"{_FILES}/delete",
    request=DeleteFile,
    response=Empty,
    writes=True,
)
