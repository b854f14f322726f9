"""A server on loopback that plays the documented API of a Databricks workspace."""

from __future__ import annotations

import base64
import itertools
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tracking_core.config import Settings, Uri
from tracking_core.errors import TrackingError
from tracking_core.stores import ModelRegistryStore
from tracking_core.stores.memory.store import MemoryStore
from tracking_core.wire import codec
from tracking_core.wire.endpoints import ENDPOINTS, Endpoint, registry
from tracking_core.wire.errors import body_of, status_of

TRACKED = "dbfs:/databricks/mlflow-tracking"
CATALOG = "/api/2.0/mlflow/unity-catalog"
_ANSWERED = [endpoint for endpoint in ENDPOINTS if endpoint.answer is not None]


class Request(NamedTuple):
    """What came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body or b"{}")


class RefusedError(Exception):
    """An error of the workspace's own."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.document = {"error_code": code, "message": message}


class Answer(NamedTuple):
    """What goes back."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = {}  # noqa: RUF012


class FakeWorkspace:
    """Experiments, runs, models, files and who may ask.

    Attributes:
        tokens: Those that are taken.
        directories: Those of the workspace, for experiments.
        throttled: How many requests are answered by 429 from now on.
        signs: The kind of credentials that it vends.
        vends_expired: How many of the signed URLs that it vends next have expired already.
        requests: All that came.
        files: Of its file system, by path.
        blobs: Of its cloud storage, by `OWNER/PATH`.
    """

    def __init__(self) -> None:
        self.url = ""
        self.tokens = {"dapi-good"}
        self.clients = {"client": "secret"}
        self.token_lifetime = 3600
        self.directories = {"/Shared", "/Users/kim@example.org"}
        self.throttled = 0
        self.signs = "AWS_PRESIGNED_URL"
        self.vends_expired = 0
        self.requests: list[Request] = []
        self.files: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.aborted: list[str] = []
        self.page_size = 1000
        self.answers_401 = False
        self.leads_elsewhere = False
        self.store = MemoryStore(Uri.parse("memory:"), Settings(artifact_root=TRACKED))
        self.catalog = MemoryStore(Uri.parse("memory:"), Settings())
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._signatures: set[str] = set()
        self._handles: dict[int, tuple[str, bytearray]] = {}
        self._uploads: dict[str, dict[int, bytes]] = {}
        self._blocks: dict[tuple[str, str], bytes] = {}

    def asked(self, path: str) -> list[Request]:
        """Return the requests of a path."""
        return [request for request in self.requests if request.path == path]

    def answer(self, request: Request) -> Answer:
        """Answer a request."""
        with self._lock:
            self.requests.append(request)
            try:
                if request.path.startswith("/storage/"):
                    return self._storage(request)
                if request.path.startswith("/oidc/"):
                    return self._identity_provider(request)
                if self.leads_elsewhere:
                    return Answer(302, b"", {"Location": "https://login.example.org/"})
                self._admit(request)
                document = self._handler(request)(request)
                return Answer(body=json.dumps(document).encode())
            except RefusedError as error:
                return Answer(error.status, json.dumps(error.document).encode())
            except TrackingError as error:
                return Answer(status_of(error), body_of(error))

    # --- who asks ---

    def _admit(self, request: Request) -> None:
        if self.answers_401:
            raise RefusedError(401, "401", "The access token has expired.")
        header = request.headers.get("authorization", "")
        if not header.startswith("Bearer "):
            raise RefusedError(401, "401", "Credential was not sent or was of an unsupported type.")
        if header.removeprefix("Bearer ") not in self.tokens:
            raise RefusedError(403, "403", "Invalid access token.")
        if self.throttled > 0:
            self.throttled -= 1
            raise RefusedError(429, "REQUEST_LIMIT_EXCEEDED", "REQUEST_LIMIT_EXCEEDED: too many.")

    def _identity_provider(self, request: Request) -> Answer:
        if request.method == "GET":
            document = {
                "authorization_endpoint": f"{self.url}/oidc/v1/authorize",
                "token_endpoint": f"{self.url}/oidc/v1/token",
            }
            return Answer(body=json.dumps(document).encode())
        pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        name, _, secret = pair.partition(":")
        if self.clients.get(unquote(name)) != unquote(secret):
            document = {"error": "invalid_client", "error_description": "Client auth failed"}
            return Answer(401, json.dumps(document).encode())
        token = f"oauth-{next(self._numbers)}"
        self.tokens.add(token)
        document = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": str(self.token_lifetime),
        }
        return Answer(body=json.dumps(document).encode())

    # --- what is asked ---

    def _handler(self, request: Request) -> Callable[[Request], Any]:
        path = request.path
        own: dict[str, Callable[[Request], Any]] = {
            "/api/2.0/mlflow/artifacts/list": self._list_artifacts,
            "/api/2.0/mlflow/artifacts/credentials-for-read": self._for_read,
            "/api/2.0/mlflow/artifacts/credentials-for-write": self._for_write,
            "/api/2.0/mlflow/artifacts/create-multipart-upload": self._create_upload,
            "/api/2.0/mlflow/artifacts/complete-multipart-upload": self._complete_upload,
            "/api/2.0/mlflow/artifacts/get-presigned-upload-part-url": self._part_url,
        }
        if path in own:
            return own[path]
        if path.startswith("/api/2.0/dbfs/"):
            return self._file_system
        if path.startswith(f"{CATALOG}/"):
            return self._unity_catalog
        if re.fullmatch(r"/api/2\.0/mlflow/logged-models/[^/]+/artifacts/.*", path):
            return self._model_files
        found = _endpoint(request.method, path)
        if found is None:
            raise RefusedError(
                404, "ENDPOINT_NOT_FOUND", f"No API found for '{request.method} {path}'"
            )
        return lambda request: self._tracking(request, *found)

    def _tracking(self, request: Request, endpoint: Endpoint, fields: dict[str, str]) -> Any:
        asked: Any = _decoded(request, endpoint, fields)
        self._check_limits(request, endpoint, asked)
        assert endpoint.facet is not None
        assert endpoint.answer is not None
        answer = endpoint.answer(self.store.facet(endpoint.facet), asked)
        document = json.loads(codec.encode(answer))
        if "logged-models" in endpoint.path:
            text = re.sub(rf"({TRACKED}/\w+)/models/", r"\1/logged_models/", json.dumps(document))
            document = json.loads(text)
        return document

    def _check_limits(self, request: Request, endpoint: Endpoint, asked: Any) -> None:
        name = endpoint.name
        if name in ("createExperiment", "updateExperiment"):
            self._check_place(asked.name if name == "createExperiment" else asked.new_name or "/")
        most = {"searchExperiments": 3000, "searchRuns": 50_000, "searchLoggedModels": 50}.get(name)
        if most is not None and (asked.max_results or 0) > most:
            raise _invalid(f"max_results must be at most {most}.")
        if name == "logBatch":
            counts = (len(asked.metrics), len(asked.params), len(asked.tags))
            if counts > (1000, 10_000) or max(counts[1:]) > 100 or sum(counts) > 1000:
                raise _invalid("A batch holds 1000 metrics, 100 params, 100 tags, 1000 in all.")
            if len(request.body) > 1_000_000:
                raise _invalid("Batched logging API requests must be at most 1000000 bytes.")

    def _check_place(self, path: str) -> None:
        if not path.startswith("/"):
            raise _invalid(f"Got an invalid experiment name '{path}'. It must be a path.")
        directory = path.rpartition("/")[0]
        if directory == "/Users/other@example.org":
            raise RefusedError(
                403, "PERMISSION_DENIED", "kim@example.org can't manage this directory"
            )
        if directory and directory not in self.directories:
            raise RefusedError(
                404, "RESOURCE_DOES_NOT_EXIST", f"Parent directory {directory} does not exist."
            )

    # --- files of runs and models ---

    def _list_artifacts(self, request: Request) -> Any:
        self.store.get_run(request.query["run_id"])
        listed = self._listed(f"runs/{request.query['run_id']}", request.query)
        run = self.store.get_run(request.query["run_id"])
        return {"root_uri": run.info.artifact_uri, **listed}

    def _listed(self, owner: str, query: dict[str, str]) -> dict[str, Any]:
        path = query.get("path") or query.get("artifact_directory_path") or ""
        own = {k[len(owner) + 1 :]: v for k, v in self.blobs.items() if k.startswith(f"{owner}/")}
        entries: dict[str, dict[str, Any]] = {}
        for name, content in own.items():
            if name == path:
                return {"files": [{"path": name, "is_dir": False, "file_size": len(content)}]}
            below = name[len(path) + 1 :] if path and name.startswith(f"{path}/") else name
            if path and not name.startswith(f"{path}/"):
                continue
            first, slash, _ = below.partition("/")
            whole = f"{path}/{first}" if path else first
            if slash:
                entries[f"{whole}/"] = {"path": whole, "is_dir": True}
            else:
                entries[whole] = {"path": whole, "is_dir": False, "file_size": len(content)}
        start = int(query.get("page_token") or 0)
        files = [entries[name] for name in sorted(entries)]
        page: dict[str, Any] = {"files": files[start : start + self.page_size]}
        if start + self.page_size < len(files):
            page["next_page_token"] = str(start + self.page_size)
        return page

    def _for_read(self, request: Request) -> Any:
        return self._vended(request, "runs")

    def _for_write(self, request: Request) -> Any:
        return self._vended(request, "runs")

    def _vended(self, request: Request, kind: str) -> Any:
        run_id = request.json["run_id"]
        self.store.get_run(run_id)
        found = [self._credential(f"{kind}/{run_id}", path) for path in request.json["path"]]
        return {"credential_infos": found}

    def _model_files(self, request: Request) -> Any:
        _, _, _, _, _, model_id, _, call = request.path.split("/")
        self.store.get_logged_model(model_id)
        if call == "directories":
            return self._listed(f"models/{model_id}", request.query)
        assert call in ("credentials-for-download", "credentials-for-upload")
        assert "model_id" not in request.query
        return {
            "credentials": [
                {
                    "model_id": model_id,
                    "credential_info": self._credential(f"models/{model_id}", path),
                }
                for path in request.json["paths"]
            ]
        }

    def _credential(self, owner: str, path: str, query: str = "") -> dict[str, Any]:
        signature = uuid.uuid4().hex
        if self.vends_expired:
            self.vends_expired -= 1
        else:
            self._signatures.add(signature)
        url = f"{self.url}/storage/{quote(f'{owner}/{path}', safe='')}?sig={signature}{query}"
        headers = [{"name": "x-signed-along", "value": "yes"}]
        if self.signs.startswith("AZURE"):
            headers = [{"name": "x-ms-encryption-scope", "value": "yes"}]
        return {
            "run_id": owner.partition("/")[2],
            "path": path,
            "signed_uri": url,
            "headers": headers,
            "type": self.signs,
        }

    def _create_upload(self, request: Request) -> Any:
        asked = request.json
        upload_id = f"upload-{next(self._numbers)}"
        self._uploads[upload_id] = {}
        owner = f"runs/{asked['run_id']}"
        return {
            "upload_id": upload_id,
            "upload_credential_infos": [
                self._credential(owner, asked["path"], f"&uploadId={upload_id}&partNumber={number}")
                for number in range(1, int(asked["num_parts"]) + 1)
            ],
            "abort_credential_info": self._credential(
                owner, asked["path"], f"&uploadId={upload_id}"
            ),
        }

    def _part_url(self, request: Request) -> Any:
        asked = request.query
        query = f"&uploadId={asked['upload_id']}&partNumber={asked['part_number']}"
        found = self._credential(f"runs/{asked['run_id']}", asked["path"], query)
        return {"upload_credential_info": found}

    def _complete_upload(self, request: Request) -> Any:
        asked = request.json
        parts = self._uploads.pop(asked["upload_id"])
        told = {each["part_number"]: each["etag"] for each in asked["part_etags"]}
        if told != {number: f'"part-{number}"' for number in parts}:
            raise _invalid(f"The parts are {sorted(parts)}, not {told}.")
        content = b"".join(parts[number] for number in sorted(parts))
        self.blobs[f"runs/{asked['run_id']}/{asked['path']}"] = content
        return {}

    # --- the cloud's storage ---

    def _storage(self, request: Request) -> Answer:
        if "authorization" in request.headers:
            return Answer(400, b"Only one auth mechanism is allowed.")
        if request.query.get("sig") not in self._signatures:
            return Answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        if request.body and request.headers.get("transfer-encoding"):
            return Answer(501, b"A header you provided implies functionality not implemented.")
        signed = "x-ms-encryption-scope" if self.signs.startswith("AZURE") else "x-signed-along"
        if request.headers.get(signed) != "yes" or "content-type" in request.headers:
            return Answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        key = unquote(request.path.removeprefix("/storage/"))
        if request.method == "GET":
            return self._fetched(key, request)
        if request.method == "DELETE":
            self.aborted.append(request.query["uploadId"])
            del self._uploads[request.query["uploadId"]]
            return Answer(204, b"")
        return self._stored(key, request)

    def _fetched(self, key: str, request: Request) -> Answer:
        content = self.blobs.get(key)
        if content is None:
            return Answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if asked is None:
            return Answer(200, content)
        first = int(asked[1])
        if first >= len(content):
            return Answer(416, b"")
        told = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
        return Answer(206, content[first:], told)

    def _stored(self, key: str, request: Request) -> Answer:
        query = request.query
        call = (self.signs, query.get("comp") or query.get("resource") or query.get("action"))
        if "partNumber" in query:
            number = int(query["partNumber"])
            self._uploads[query["uploadId"]][number] = request.body
            return Answer(200, b"", {"ETag": f'"part-{number}"'})
        if call == ("AZURE_SAS_URI", "block"):
            if request.headers.get("x-ms-blob-type") != "BlockBlob":
                return Answer(400, b"MissingRequiredHeader")
            self._blocks[key, query["blockid"]] = request.body
        elif call == ("AZURE_SAS_URI", "blocklist"):
            names = re.findall(r"<Latest>([^<]+)</Latest>", request.body.decode())
            self.blobs[key] = b"".join(self._blocks.pop((key, name)) for name in names)
        elif call == ("AZURE_ADLS_GEN2_SAS_URI", "file"):
            self._blocks[key, ""] = b""
        elif call == ("AZURE_ADLS_GEN2_SAS_URI", "append"):
            if int(query["position"]) != len(self._blocks[key, ""]):
                return Answer(400, b"InvalidFlushPosition")
            self._blocks[key, ""] += request.body
        elif call == ("AZURE_ADLS_GEN2_SAS_URI", "flush"):
            self.blobs[key] = self._blocks.pop((key, ""))
        elif call[0] in ("AWS_PRESIGNED_URL", "GCP_SIGNED_URL"):
            self.blobs[key] = request.body
        else:
            return Answer(400, b"UnsupportedOperation")
        return Answer(201, b"")

    # --- the file system ---

    def _file_system(self, request: Request) -> Any:
        call = request.path.rpartition("/")[2]
        asked = request.query if request.method == "GET" else request.json
        if call in ("list", "get-status", "read"):
            return self._looked_at(call, asked)
        if call == "create":
            path = asked["path"]
            parents = {path[: match.start()] for match in re.finditer("/", path)} - {""}
            if parents & self.files.keys() or self._is_directory(path):
                raise RefusedError(400, "RESOURCE_ALREADY_EXISTS", f"Something is at {path}.")
            handle = next(self._numbers)
            self._handles[handle] = (path, bytearray())
            return {"handle": handle}
        if call == "add-block":
            content = base64.b64decode(asked["data"])
            if len(content) > 1 << 20:
                raise RefusedError(400, "MAX_BLOCK_SIZE_EXCEEDED", "A block has at most 1 MB.")
            self._handles[asked["handle"]][1].extend(content)
        elif call == "close":
            path, written = self._handles.pop(asked["handle"])
            self.files[path] = bytes(written)
        elif call == "move":
            target = asked["destination_path"]
            if target in self.files or self._is_directory(target):
                raise RefusedError(400, "RESOURCE_ALREADY_EXISTS", f"Something is at {target}.")
            self.files[target] = self.files.pop(asked["source_path"])
        elif call == "delete":
            path = asked["path"]
            assert asked["recursive"] is True
            for each in [f for f in self.files if f == path or f.startswith(f"{path}/")]:
                del self.files[each]
        return {}

    def _looked_at(self, call: str, asked: dict[str, str]) -> Any:
        path = asked["path"]
        content = self.files.get(path)
        if content is None and not self._is_directory(path):
            raise RefusedError(
                404, "RESOURCE_DOES_NOT_EXIST", f"No file or directory exists on {path}."
            )
        status = {"path": path, "is_dir": content is None, "file_size": len(content or b"")}
        if call == "get-status":
            return status
        if call == "list":
            if content is not None:
                return {"files": [status]}
            names = {f[len(path) + 1 :].partition("/")[0] for f in self._below(path)}
            found = [self._looked_at("get-status", {"path": f"{path}/{n}"}) for n in sorted(names)]
            return {"files": found} if found else {}
        offset, length = int(asked["offset"]), int(asked["length"])
        if length > 1 << 20:
            raise RefusedError(400, "MAX_READ_SIZE_EXCEEDED", "At most 1 MB is read at once.")
        part = (content or b"")[offset : offset + length]
        return {"bytes_read": len(part), "data": base64.b64encode(part).decode()}

    def _is_directory(self, path: str) -> bool:
        return any(True for _ in self._below(path))

    def _below(self, path: str) -> Iterator[str]:
        return (each for each in self.files if each.startswith(f"{path}/"))

    # --- Unity Catalog ---

    def _unity_catalog(self, request: Request) -> Any:
        path = request.path.replace("/unity-catalog", "")
        asked = request.query if request.method == "GET" else request.json
        name = asked.get("name") or ""
        if "/search" not in path and len(name.split(".")) != 3:
            raise _invalid(f"'{name}' is not a valid name: CATALOG.SCHEMA.MODEL.")
        if path.endswith("registered-models/create") and name.split(".")[0] == "missing":
            raise RefusedError(404, "CATALOG_DOES_NOT_EXIST", "Catalog 'missing' does not exist.")
        if path.endswith("registered-models/search") and asked.keys() & {"filter", "order_by"}:
            raise _invalid("Searching by a filter is not supported.")
        if path.endswith("model-versions/search"):
            if not re.fullmatch(r"name ?= ?'[^']*'", asked.get("filter", "")):
                raise _invalid("Versions are searched by the name of their model.")
            if "order_by" in asked:
                raise _invalid("Ordering is not supported.")
        if path.endswith("registered-models/update") and "new_name" in asked:
            path = path.replace("/update", "/rename")
        found = _endpoint(request.method, path)
        if path.endswith("/rename"):
            found = (registry.RENAME, {})
        if found is None or "stage" in path or "latest" in path:
            raise RefusedError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{request.path}'")
        endpoint, fields = found
        message: Any = _decoded(request, endpoint, fields)
        assert endpoint.answer is not None
        answer = endpoint.answer(self.catalog.facet(ModelRegistryStore), message)
        document = json.loads(codec.encode(answer))
        is_search = endpoint in (registry.SEARCH, registry.SEARCH_VERSIONS)
        for model in [document.get("registered_model"), *document.get("registered_models", ())]:
            if model is not None:
                _as_in_catalog(model, is_search=is_search)
        for version in [document.get("model_version"), *document.get("model_versions", ())]:
            if version is not None:
                _as_in_catalog(version, is_search=is_search)
        return document


def _as_in_catalog(entity: dict[str, Any], *, is_search: bool) -> None:
    for what in ("latest_versions", "current_stage", "run_link"):
        entity.pop(what, None)
    if "version" in entity:
        entity["aliases"] = [
            {"alias": alias, "version": entity["version"]} for alias in entity.get("aliases", ())
        ]
        entity["storage_location"] = "s3://managed/models"
    if is_search:
        entity.pop("tags", None)
        entity.pop("aliases", None)


def _invalid(message: str) -> RefusedError:
    return RefusedError(400, "INVALID_PARAMETER_VALUE", message)


def _endpoint(method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
    for endpoint in _ANSWERED:
        pattern = re.sub(r"\{(\w+)(:path)?\}", r"(?P<\1>[^/]+)", endpoint.path)
        match = re.fullmatch(pattern, path)
        if match and endpoint.method == method:
            return endpoint, {name: unquote(text) for name, text in match.groupdict().items()}
    return None


def _decoded(request: Request, endpoint: Endpoint, fields: dict[str, str]) -> Any:
    if request.method == "GET":
        pairs = [(k, v) for k, v in parse_qsl(request.headers["x-query"], keep_blank_values=True)]
        return codec.decode_query(pairs, endpoint.request, fields)
    return codec.decode_body(request.body, endpoint.request, fields)


@contextmanager
def serving(workspace: FakeWorkspace) -> Iterator[str]:
    """Serve a workspace and give its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {**headers, "x-query": parts.query},
                self.rfile.read(length),
            )
            answer = workspace.answer(request)
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    workspace.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield workspace.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def no_waiting(seconds: float) -> None:
    """Wait a moment at most, instead of what a transport asks for."""
    time.sleep(0)
