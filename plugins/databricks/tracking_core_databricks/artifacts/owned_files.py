"""The files of a run or of a logged model: listed by the workspace, moved by signed URLs."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, BinaryIO, cast

import requests

from tracking_core.artifacts.paths import check_path, join_path
from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.config import Settings, Uri
from tracking_core.entities import FileInfo
from tracking_core.errors import NotFoundError, StoreUnavailableError, UnsupportedError
from tracking_core.wire.endpoints import Endpoint
from tracking_core.wire.endpoints.artifacts import LIST, LIST_LOGGED_MODEL
from tracking_core.wire.messages.artifacts import ArtifactsFound, FileInfoMessage, ListArtifacts
from tracking_core.wire.messages.base import Empty
from tracking_core.wire.messages.logged_models import (
    ListLoggedModelArtifacts,
    LoggedModelArtifacts,
)
from tracking_core_databricks.artifacts import calls
from tracking_core_databricks.artifacts.address import Owner
from tracking_core_databricks.artifacts.signed_storage import (
    SignedStorage,
    Upload,
    aborted_on_failure,
)
from tracking_core_databricks.artifacts.spooled import rewound, spooled
from tracking_core_databricks.connection import WorkspaceConnection

_BUFFER = 1 << 20


class OwnedFiles(ArtifactRepository):
    """Files of a run or of a logged model.

    The workspace gives a signed URL for each file, so that the bytes go straight to the cloud's
    storage. One that expired is asked for anew. It has no call to delete files.
    """

    def __init__(
        self, uri: Uri, settings: Settings, connection: WorkspaceConnection, owner: Owner
    ) -> None:
        super().__init__(uri, settings)
        self._connection = connection
        self._owner = owner
        self.storage = SignedStorage(settings, uri)

    def list(self, path: str = "") -> Sequence[FileInfo]:
        path = check_path(path, allow_root=True)
        where = self._below(path)
        found: dict[str, FileInfo] = {}
        for message in self._listed(where):
            entry = message.entity()
            if entry.path == where and not entry.is_dir:
                return []  # a file's listing is the file itself
            own = self._relative(entry.path)
            if own:
                found[own] = FileInfo(own, entry.is_dir, entry.file_size)
        return sorted(found.values(), key=lambda entry: entry.path)

    def open_read(self, path: str) -> BinaryIO:
        path = check_path(path)
        return cast("BinaryIO", io.BufferedReader(_Reader(self, path), buffer_size=_BUFFER))

    def open_write(self, path: str) -> AbstractContextManager[BinaryIO]:
        return self._write(check_path(path))

    def delete(self, path: str) -> None:
        check_path(path, allow_root=True)
        raise UnsupportedError(
            f"The files in {self.uri} can't be deleted: Databricks has no call for that; delete the"
            " run or the model instead."
        )

    def for_read(self, path: str) -> calls.Credential:
        """Ask for a signed URL to read a file.

        Raises:
            NotFoundError: There is no such file.
        """
        try:
            return self._vended(calls.FOR_READ, calls.FOR_MODEL_READ, path)
        except NotFoundError as error:
            raise NotFoundError(f"There is no artifact {path!r} in {self.uri}.") from error

    @contextlib.contextmanager
    def _write(self, path: str) -> Iterator[BinaryIO]:
        with spooled() as (writable, content):
            yield writable
            size = rewound(content)
            Upload(
                self.storage,
                path,
                size,
                credential=lambda: self._vended(calls.FOR_WRITE, calls.FOR_MODEL_WRITE, path),
                parts=None if self._owner.is_model else self._in_parts(path),
            ).send(content)

    def _in_parts(self, path: str) -> Any:
        place = {"run_id": self._owner.identifier, "path": self._below(path)}

        def send(file: IO[bytes], part_size: int) -> None:
            count = -(-rewound(file) // part_size)
            begin = calls.CreateUpload(**place, num_parts=count)
            made = self._connection.send(calls.CREATE_UPLOAD, begin, calls.UploadCreated)
            credentials = made.upload_credential_infos
            upload_id = made.upload_id or ""

            def abort() -> None:
                if made.abort_credential_info is not None:
                    self.storage.send("DELETE", made.abort_credential_info)

            with aborted_on_failure(abort):
                if len(credentials) != count:
                    raise StoreUnavailableError(
                        f"The workspace gave {len(credentials)} URLs for the {count} parts of the"
                        f" artifact {path!r} in {self.uri}; try again."
                    )
                tags = []
                for number, credential in enumerate(credentials, start=1):
                    tag = self._send_part(path, file.read(part_size), credential, upload_id, number)
                    tags.append(calls.PartTag(part_number=number, etag=tag))
                done = calls.CompleteUpload(**place, upload_id=upload_id, part_etags=tuple(tags))
                self._connection.send(calls.COMPLETE_UPLOAD, done, Empty)

        return send

    def _send_part(
        self, path: str, content: bytes, credential: calls.Credential, upload_id: str, number: int
    ) -> str:
        response = self.storage.send("PUT", credential, body=content)
        if response.status in (401, 403):
            asked = calls.GetPartUrl(
                run_id=self._owner.identifier,
                path=self._below(path),
                upload_id=upload_id,
                part_number=number,
            )
            found = self._connection.send(calls.PART_URL, asked, calls.PartUrl)
            if found.upload_credential_info is not None:
                response = self.storage.send("PUT", found.upload_credential_info, body=content)
        if response.status >= 300:
            raise self.storage.failure(path, response.status)
        tag = response.headers.get("etag")
        if tag is None:
            raise StoreUnavailableError(
                f"The cloud storage took a part of {path!r} in {self.uri} without saying its ETag,"
                " without which the file can't be put together; try again."
            )
        return tag

    def _vended(self, of_run: Endpoint, of_model: Endpoint, path: str) -> calls.Credential:
        where = self._below(path)
        if self._owner.is_model:
            asked = calls.GetModelCredentials(model_id=self._owner.identifier, paths=(where,))
            models = self._connection.send(of_model, asked, calls.ModelCredentials).credentials
            found = [each.credential_info for each in models if each.credential_info is not None]
        else:
            request = calls.GetCredentials(run_id=self._owner.identifier, path=(where,))
            answer = self._connection.send(of_run, request, calls.Credentials)
            found = list(answer.credential_infos)
        if not found or not found[0].signed_uri:
            raise StoreUnavailableError(
                f"The workspace gave no signed URL for {path!r} in {self.uri}; try again."
            )
        return found[0]

    def _listed(self, where: str) -> Iterator[FileInfoMessage]:
        token = None
        while True:
            found: ArtifactsFound | LoggedModelArtifacts
            try:
                if self._owner.is_model:
                    asked = ListLoggedModelArtifacts(
                        model_id=self._owner.identifier,
                        artifact_directory_path=where or None,
                        page_token=token,
                    )
                    found = self._connection.send(LIST_LOGGED_MODEL, asked, LoggedModelArtifacts)
                else:
                    request = ListArtifacts(
                        run_id=self._owner.identifier, path=where or None, page_token=token
                    )
                    found = self._connection.send(LIST, request, ArtifactsFound)
            except NotFoundError:
                # The directory, or the run: what isn't there holds nothing.
                return
            yield from found.files
            token = found.next_page_token
            if not token or not found.files:
                return

    def _below(self, path: str) -> str:
        return join_path(self._owner.directory, path)

    def _relative(self, path: str) -> str:
        """Return a told path as it is below this repository's root; empty if it isn't below."""
        directory = self._owner.directory
        if not directory:
            return path
        return path[len(directory) + 1 :] if path.startswith(f"{directory}/") else ""


class _Reader(io.RawIOBase):
    """A file behind a signed URL, fetched from where it is read on."""

    def __init__(self, files: OwnedFiles, path: str) -> None:
        super().__init__()
        self._files = files
        self._path = path
        self._at = 0
        self._size: int | None = None
        self._stack = contextlib.ExitStack()
        self._answer: requests.Response | None = None
        self._credential = files.for_read(path)
        # What isn't there should be said when it is opened.
        self._open()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_CUR:
            offset += self._at
        elif whence == io.SEEK_END:
            offset += self._whole_size()
        if offset < 0:
            raise ValueError(f"negative seek position {offset}")
        if offset != self._at:
            self._leave()
            self._at = offset
        return offset

    def readinto(self, buffer: Any, /) -> int:
        if self._size is not None and self._at >= self._size:
            return 0
        if self._answer is None:
            self._open()
            if self._answer is None:
                return 0
        try:
            content: bytes = self._answer.raw.read(len(buffer))
        except Exception as error:
            raise self._broken_off(str(error)) from error
        if not content and self._size is not None and self._at < self._size:
            raise self._broken_off("it ended")
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._leave()
            super().close()

    def _open(self) -> None:
        answer = self._asked()
        if answer.status_code in (401, 403):
            self._leave()
            self._credential = self._files.for_read(self._path)  # it may have expired
            answer = self._asked()
        status = answer.status_code
        if status == 416:  # behind the end
            self._leave()
            self._size = self._at
            return
        if status >= 300:
            self._leave()
            raise self._files.storage.failure(self._path, status)
        length = answer.headers.get("Content-Length")
        if length is not None and length.isdigit():
            self._size = int(length) + (self._at if status == 206 else 0)
        self._answer = answer
        if self._at and status != 206:
            self._skip(self._at)

    def _asked(self) -> requests.Response:
        self._stack = contextlib.ExitStack()
        return self._stack.enter_context(
            self._files.storage.stream(self._credential, first=self._at)
        )

    def _skip(self, count: int) -> None:
        """Pass over what a storage that knows no ranges sends again."""
        assert self._answer is not None
        while count:
            content = self._answer.raw.read(min(count, _BUFFER))
            if not content:
                return
            count -= len(content)

    def _whole_size(self) -> int:
        if self._size is None:
            at = self._at
            while self.readinto(bytearray(_BUFFER)):
                pass
            self._size = self._at
            self._leave()
            self._at = at
        return self._size

    def _broken_off(self, why: str) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"The artifact {self._path!r} in {self._files.uri} broke off at byte {self._at}"
            f" ({why}); try again."
        )

    def _leave(self) -> None:
        self._answer = None
        self._stack.close()
