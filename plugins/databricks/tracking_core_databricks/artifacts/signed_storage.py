"""Requests to cloud storage by URLs that are themselves the permission.

Sources: https://learn.microsoft.com/rest/api/storageservices/put-block and put-block-list,
https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path.
"""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import IO
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from tracking_core.config import Settings, Uri
from tracking_core.errors import (
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
    TrackingError,
    UnsupportedError,
)
from tracking_core_databricks.artifacts.calls import Credential
from tracking_core_rest.transport import HttpTransport, Response

PART_SIZE = 16 << 20
_MOST_PARTS = 10_000
_LARGEST_PUT = 5 << 30

# Headers that were signed along, by where Azure takes them.
_ANYWHERE = (
    "authorization",
    "x-ms-client-request-id",
    "x-ms-date",
    "x-ms-encryption-",
    "x-ms-lease-id",
    "x-ms-version",
)
_OF_A_BLOB = (*_ANYWHERE, "x-ms-blob-", "x-ms-meta-", "x-ms-tags", "x-ms-access-tier")


class SignedStorage:
    """Sends what signed URLs allow; any thread may call.

    Args:
        settings: What is trusted, and how long is waited.
        where: The repository's URI, for sentences.
    """

    def __init__(self, settings: Settings, where: Uri) -> None:
        self._settings = settings
        self._where = where
        self._transports: dict[str, HttpTransport] = {}
        self._lock = threading.Lock()

    def send(
        self,
        method: str,
        credential: Credential,
        *,
        body: bytes | IO[bytes] | None = None,
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request and return its answer, whatever its status.

        Args:
            method: The HTTP method.
            credential: Where to.
            body: What is sent.
            query: More of the URL's query.
            headers: Instead of those that the credential asks for.

        Raises:
            StoreUnavailableError: No answer came.
        """
        url = credential.signed_uri or ""
        if query:
            url += ("&" if "?" in url else "?") + query
        wanted = headers_of(credential) if headers is None else headers
        return self._transport(url).request(
            method, url, body=body, content_type="", headers=wanted, repeatable=True
        )

    def stream(
        self, credential: Credential, *, first: int
    ) -> AbstractContextManager[requests.Response]:
        """Ask for a file from a byte on, and give the answer before its body is read."""
        url = credential.signed_uri or ""
        headers = {**headers_of(credential), "Accept-Encoding": "identity"}
        if first:
            headers["Range"] = f"bytes={first}-"
        return self._transport(url).stream("GET", url, headers=headers)

    def failure(self, path: str, status: int) -> TrackingError:
        """Return the error that an answer of the storage is."""
        what = f"{path!r} in {self._where}"
        if status == 404:
            return NotFoundError(f"There is no artifact {what}.")
        if status in (401, 403):
            return PermissionDeniedError(
                f"The cloud storage refused the signed URL of {what} (HTTP status {status}), a new"
                " one too; see whether the workspace may still use its storage, and whether"
                " this machine's network is let in."
            )
        return StoreUnavailableError(
            f"The cloud storage answered with HTTP status {status} for {what}; try again."
        )

    def _transport(self, url: str) -> HttpTransport:
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            if place not in self._transports:
                self._transports[place] = HttpTransport(
                    place, self._settings, auth=_AlreadySigned()
                )
            return self._transports[place]


class Upload:
    """Brings one file to where a workspace lets it go.

    Args:
        storage: Sends.
        path: The artifact, for sentences.
        size: Of the file.
        credential: Asks the workspace for a signed URL, anew each time.
        parts: Uploads in parts, as Amazon's storage needs it; None: the workspace has no call for
            that here.
    """

    def __init__(
        self,
        storage: SignedStorage,
        path: str,
        size: int,
        *,
        credential: Callable[[], Credential],
        parts: Callable[[IO[bytes], int], None] | None,
    ) -> None:
        self._storage = storage
        self._path = path
        self._size = size
        self._ask = credential
        self._credential = credential()
        self._parts = parts

    def send(self, file: IO[bytes]) -> None:
        """Send the file, which stands at its beginning.

        Raises:
            UnsupportedError: It goes where this plugin can't send to.
            PermissionDeniedError: The storage refused.
            StoreUnavailableError: The storage can't be reached.
        """
        kind = self._credential.type
        if kind == "AZURE_SAS_URI":
            self._send_blocks(file)
        elif kind == "AZURE_ADLS_GEN2_SAS_URI":
            self._append(file)
        elif kind == "AWS_PRESIGNED_URL" and self._parts is not None and self._size > PART_SIZE:
            self._parts(file, part_size(self._size))
        elif kind in ("AWS_PRESIGNED_URL", "GCP_SIGNED_URL"):
            if self._size > _LARGEST_PUT:
                raise UnsupportedError(
                    f"The artifact {self._path!r} has {self._size} bytes; the workspace lets at"
                    f" most {_LARGEST_PUT} through at once here."
                )
            # An empty file would be sent in chunks, which storages refuse.
            self._checked("PUT", body=file if self._size else b"")
        else:
            raise UnsupportedError(
                f"The workspace wants the artifact {self._path!r} sent by {kind!r}, which this"
                " release doesn't know; update tracking-core-databricks."
            )

    def _send_blocks(self, file: IO[bytes]) -> None:
        names = []
        for number, content in enumerate(_pieces(file, part_size(self._size))):
            # All names of a blob's blocks must be of one length.
            names.append(base64.b64encode(f"{number:08}".encode()).decode())
            query = f"comp=block&blockid={names[-1].replace('=', '%3D')}"
            headers = {"x-ms-blob-type": "BlockBlob"}
            self._checked("PUT", body=content, query=query, keep=_ANYWHERE, headers=headers)
        listed = "".join(f"<Latest>{name}</Latest>" for name in names)
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
        self._checked("PUT", body=body.encode(), query="comp=blocklist", keep=_OF_A_BLOB)

    def _append(self, file: IO[bytes]) -> None:
        self._checked("PUT", body=b"", query="resource=file", keep=_ANYWHERE)
        position = 0
        for content in _pieces(file, part_size(self._size)):
            query = f"action=append&position={position}"
            self._checked("PATCH", body=content, query=query, keep=_ANYWHERE)
            position += len(content)
        query = f"action=flush&position={position}"
        self._checked("PATCH", body=b"", query=query, keep=_ANYWHERE)

    def _checked(
        self,
        method: str,
        *,
        body: bytes | IO[bytes],
        query: str = "",
        keep: tuple[str, ...] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        start = 0 if isinstance(body, bytes) else body.tell()
        for is_last in (False, True):
            if not isinstance(body, bytes):
                body.seek(start)
            wanted = {
                name: value
                for name, value in headers_of(self._credential).items()
                if keep is None or (name.lower().startswith(keep) and name != "x-ms-blob-type")
            }
            response = self._storage.send(
                method,
                self._credential,
                body=body,
                query=query,
                headers={**wanted, **(headers or {})},
            )
            if response.status in (401, 403) and not is_last:
                self._credential = self._ask()  # it may have expired
                continue
            if response.status >= 300:
                raise self._storage.failure(self._path, response.status)
            return


def headers_of(credential: Credential) -> dict[str, str]:
    """Return the headers that a signed request must have."""
    return {each.name or "": each.value or "" for each in credential.headers}


def part_size(size: int) -> int:
    """Return how large the parts of a file are; storages take 10,000 of one."""
    return max(PART_SIZE, -(-size // _MOST_PARTS))


@contextlib.contextmanager
def aborted_on_failure(abort: Callable[[], object]) -> Iterator[None]:
    """Abort what was begun if the block raises, whatever comes of that."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(TrackingError):
            abort()
        raise


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    while content := file.read(size):
        yield content


class _AlreadySigned(AuthBase):
    """Tells a storage nothing of who one is: not the workspace's token, nor what ~/.netrc holds."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # A content type that wasn't signed along makes some signatures invalid.
        if not request.headers.get("Content-Type"):
            request.headers.pop("Content-Type", None)
        return request
