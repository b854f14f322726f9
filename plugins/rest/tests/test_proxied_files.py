"""Artifacts through servers that are not ours: one of MLflow's protocol alone, and stock MLflow."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import URLError
from urllib.parse import parse_qs, quote, unquote, urlsplit
from urllib.request import urlopen

import pytest

from benchmarks.peers import PeerEnvironment
from tracking_core.config import Settings, Uri
from tracking_core.errors import (
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
    TrackingError,
)
from tracking_core.testing import ArtifactRepositoryTests, RepositoryLocation
from tracking_core_rest.proxy_repository import ProxyArtifactRepository

PROXY = "/api/2.0/mlflow-artifacts/artifacts"


class FileServer:
    """A directory behind MLflow's protocol; `ranges` says whether it answers in parts."""

    def __init__(self, directory: Path, *, ranges: bool, lists_files: bool = False) -> None:
        self.directory = directory
        self.ranges = ranges
        self.lists_files = lists_files
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.refusal: tuple[int, bytes] | None = None
        self.longest = 1 << 60
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.place = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.place}"

    def __enter__(self) -> FileServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def listing(self, path: str) -> list[dict[str, Any]]:
        place = self.directory / path
        if place.is_file():
            entry = {"path": place.name, "is_dir": False, "file_size": place.stat().st_size}
            return [entry] if self.lists_files else []
        if not place.is_dir():
            return []
        return [
            {"path": each.name, "is_dir": each.is_dir(), "file_size": each.stat().st_size}
            if each.is_file()
            else {"path": each.name, "is_dir": True}
            for each in place.iterdir()
        ]

    def write(self, path: str, content: bytes) -> None:
        place = self.directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.directory.parent, delete=False) as file:
            file.write(content)
        os.replace(file.name, place)

    def delete(self, path: str) -> None:
        place = self.directory / path
        if place.is_dir():
            shutil.rmtree(place, ignore_errors=True)
        elif place.is_file():
            place.unlink(missing_ok=True)
        for parent in place.parents:
            if parent == self.directory:
                return
            try:
                parent.rmdir()
            except OSError:
                return


class _Server(ThreadingHTTPServer):
    # A thread that waits for a connection's next request ends with the process.
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients are killed here."""


def _handler_of(server: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body at once: apart, the second waits for an acknowledgement

        def answer(self) -> None:
            promised = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(promised)
            if len(body) != promised:  # of a client that was killed
                self.close_connection = True
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.seen.append((self.command, self.path, headers))
            if server.refusal is not None:
                self.say(*server.refusal)
                return
            parts = urlsplit(self.path)
            if self.command == "GET" and parts.path == PROXY:
                (path,) = parse_qs(parts.query).get("path", [""])
                self.say(200, json.dumps({"files": server.listing(path)}).encode())
                return
            path = unquote(parts.path.removeprefix(PROXY + "/"))
            try:
                if self.command == "GET":
                    self.send_file(server.directory / path)
                    return
                if self.command == "PUT":
                    server.write(path, body)
                else:
                    server.delete(path)
            except (FileExistsError, NotADirectoryError, IsADirectoryError, FileNotFoundError):
                self.say(409, b'{"error_code": "RESOURCE_CONFLICT", "message": "in the way"}')
            except OSError as error:
                told = {"error_code": "INVALID_PARAMETER_VALUE", "message": str(error)}
                self.say(400, json.dumps(told).encode())
            else:
                self.say(200, b"{}")

        def send_file(self, place: Path) -> None:
            try:
                content = place.read_bytes()
            except OSError:
                self.say(404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no file"}')
                return
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if not server.ranges or wanted is None:
                self.say(200, content)
            elif int(wanted[1]) >= len(content):
                self.say(416, b"")
            else:
                part = f"bytes {wanted[1]}-{len(content) - 1}/{len(content)}"
                self.say(206, content[int(wanted[1]) :], {"Content-Range": part})

        def say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: server.longest])
            self.wfile.flush()
            if len(body) > server.longest:
                self.close_connection = True

        do_GET = do_PUT = do_DELETE = answer  # noqa: N815 - the names of the library

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving(directory: Path, **options: bool) -> Iterator[FileServer]:
    (directory / "files").mkdir()
    with FileServer(directory / "files", **options) as server:
        yield server


@pytest.fixture(params=[True, False], ids=["ranges", "no-ranges"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileServer]:
    with serving(tmp_path, ranges=request.param) as server:
        yield server


def opened(server: FileServer, uri: str = "mlflow-artifacts:/root") -> ProxyArtifactRepository:
    settings = Settings(tracking_uri=server.url, http_max_retries=0)
    return ProxyArtifactRepository(Uri.parse(uri), settings)


class TestPlainServerWithRanges(ArtifactRepositoryTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> Iterator[RepositoryLocation]:
        with serving(tmp_path, ranges=True) as server:
            settings = Settings(tracking_uri=server.url)
            yield RepositoryLocation(ProxyArtifactRepository, "mlflow-artifacts:/a b", settings)


class TestPlainServerWithoutRanges(ArtifactRepositoryTests):
    @pytest.fixture
    def location(self, tmp_path: Path) -> Iterator[RepositoryLocation]:
        with serving(tmp_path, ranges=False, lists_files=True) as server:
            settings = Settings(tracking_uri=server.url)
            yield RepositoryLocation(ProxyArtifactRepository, "mlflow-artifacts:/a b", settings)


# --- reading ---


def test_a_zip_is_read_by_few_requests(server: FileServer) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(50):
            archive.writestr(f"{number}.bin", os.urandom(60_000))
    server.write("root/a.zip", content.getvalue())
    with opened(server).open_read("a.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 50
    if not server.ranges:
        # The one that opens it, and the one that is kept.
        assert len(server.seen) == 2
    else:
        assert len(server.seen) < 10


def test_a_jump_back_and_to_where_one_was_asks_for_nothing_more(server: FileServer) -> None:
    server.write("root/f", bytes(3 << 20))
    with opened(server).open_read("f") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        assert len(file.read()) == size
    assert len(server.seen) == 1


def test_an_answer_that_breaks_off_is_no_end_of_the_file(server: FileServer) -> None:
    server.write("root/f", bytes(100_000))
    server.longest = 40_000
    with (
        pytest.raises(StoreUnavailableError, match="broke off at byte"),
        opened(server).open_read("f") as file,
    ):
        file.read()


def test_a_file_that_changes_between_two_parts_is_not_mixed(tmp_path: Path) -> None:
    with serving(tmp_path, ranges=True) as server:
        server.write("root/f", b"a" * (5 << 20))
        with opened(server).open_read("f") as file:
            assert file.read(1) == b"a"
            server.write("root/f", b"b" * (4 << 20))
            file.seek(3 << 20)
            with pytest.raises(StoreUnavailableError, match="changed while it was read"):
                file.read(1)


def test_a_part_that_was_not_asked_for_is_not_taken_for_it(tmp_path: Path) -> None:
    with serving(tmp_path, ranges=True) as server:
        server.write("root/f", bytes(5 << 20))
        handler: Any = server._server.RequestHandlerClass
        say = handler.say

        def lie(self: Any, status: int, body: bytes, headers: Any = None) -> None:
            say(self, status, body, {"Content-Range": f"bytes 0-9/{5 << 20}"} if headers else None)

        handler.say = lie
        with opened(server).open_read("f") as file:
            file.seek(3 << 20)
            with pytest.raises(StoreUnavailableError, match="changed while it was read"):
                file.read(1)


# --- writing ---


def test_each_file_is_sent_by_one_request_that_says_how_long_it_is(server: FileServer) -> None:
    repository = opened(server)
    for size in (0, 5, 9 << 20):
        with repository.open_write(f"d/{size}") as file:
            file.write(bytes(size))
    puts = [(path, headers) for method, path, headers in server.seen if method == "PUT"]
    assert [headers.get("content-length") for _, headers in puts] == ["0", "5", str(9 << 20)]
    assert not [headers for _, headers in puts if "transfer-encoding" in headers]


def test_nothing_is_sent_when_the_block_raises(server: FileServer) -> None:
    with pytest.raises(InterruptedError), opened(server).open_write("f") as file:  # noqa: PT012
        file.write(b"half")
        raise InterruptedError
    assert server.seen == []


@pytest.mark.parametrize(
    "name", ["a b", "a#b", "a?b=c", "a%20b", "%2e%2e", "ä/日本", "a+b;c", "a:b"]
)
def test_names_are_encoded_once(server: FileServer, name: str) -> None:
    with opened(server).open_write(name) as file:
        file.write(b"x")
    assert server.seen[-1][1] == f"{PROXY}/root/{quote(name)}"
    assert (server.directory / "root" / name).read_bytes() == b"x"


# --- errors ---


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "INVALID_PARAMETER_VALUE", InvalidValueError),
        (401, "UNAUTHENTICATED", PermissionDeniedError),
        (403, "PERMISSION_DENIED", PermissionDeniedError),
        (404, "RESOURCE_DOES_NOT_EXIST", NotFoundError),
        (500, "INTERNAL_ERROR", StoreUnavailableError),
        (503, "TEMPORARILY_UNAVAILABLE", StoreUnavailableError),
    ],
)
def test_refusals_are_errors_of_ours_with_the_words_of_the_server(
    server: FileServer, status: int, code: str, kind: type[TrackingError]
) -> None:
    server.refusal = (status, json.dumps({"error_code": code, "message": "for a reason"}).encode())
    repository = opened(server)
    with pytest.raises(kind) as read:
        repository.open_read("f")
    with pytest.raises(kind) as written, repository.open_write("f") as file:
        file.write(b"x")
    for caught in (read, written):
        assert ("for a reason" in str(caught.value)) == (status not in (404, 500))


# --- which server ---


@pytest.mark.parametrize(
    ("uri", "tracking", "asked"),
    [
        ("mlflow-artifacts:/x", "http://{place}", f"{PROXY}/x/f"),
        ("mlflow-artifacts:/x", "http://{place}/prefix/", f"/prefix{PROXY}/x/f"),
        ("mlflow-artifacts:/", "http://{place}", f"{PROXY}/f"),
        ("mlflow-artifacts://{place}/x", "http://{place}/prefix", f"/prefix{PROXY}/x/f"),
        ("mlflow-artifacts://{place}/x", "http://elsewhere/prefix", f"/prefix{PROXY}/x/f"),
        ("mlflow-artifacts://{place}/x", "sqlite:///a.db", f"{PROXY}/x/f"),
        (f"http://{{place}}/before{PROXY}/a%20b", "", f"/before{PROXY}/a%20b/f"),
    ],
)
def test_the_server_is_found_as_mlflow_finds_it(
    server: FileServer, uri: str, tracking: str, asked: str
) -> None:
    settings = Settings(tracking_uri=tracking.format(place=server.place) or None)
    uri = uri.format(place=server.place)
    with pytest.raises(NotFoundError):
        ProxyArtifactRepository(Uri.parse(uri), settings).open_read("f")
    assert server.seen[-1][1] == asked


@pytest.mark.parametrize(
    ("uri", "tracking", "is_told"),
    [
        ("mlflow-artifacts:/x", "http://{place}", True),
        ("mlflow-artifacts://{place}/x", "http://{place}", True),
        (f"http://{{place}}{PROXY}/x", "http://{place}", True),
        ("mlflow-artifacts://{place}/x", "http://elsewhere", False),
        (f"http://{{place}}{PROXY}/x", "http://elsewhere", False),
        (f"http://{{place}}{PROXY}/x", "https://{place}", False),
    ],
)
def test_who_one_is_is_told_to_the_tracking_server_alone(
    server: FileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uri: str,
    tracking: str,
    is_told: bool,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username=f\nmlflow_tracking_password=f\n"
    )
    for settings in ({"http_token": "t"}, {}):
        repository = ProxyArtifactRepository(
            Uri.parse(uri.format(place=server.place)),
            Settings(tracking_uri=tracking.format(place=server.place), **settings),
        )
        with pytest.raises(NotFoundError):
            repository.open_read("f")
        assert ("authorization" in server.seen[-1][2]) == is_told


def test_a_web_page_is_no_place_for_artifacts() -> None:
    with pytest.raises(InvalidValueError, match=r"isn't below /api/2\.0/mlflow-artifacts/"):
        ProxyArtifactRepository(Uri.parse("https://example.org/files"), Settings())


# --- stock MLflow ---


@pytest.fixture(scope="module")
def stock_url(
    stock_mlflow: PeerEnvironment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a stock server that passes artifacts on."""
    directory = tmp_path_factory.mktemp("stock-artifacts")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        *(str(stock_mlflow.scripts / "mlflow"), "server", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", place.rpartition(":")[2]),
        *("--backend-store-uri", f"sqlite:///{directory}/mlflow.db"),
        *("--artifacts-destination", f"{directory}/artifacts", "--serve-artifacts"),
    ]
    log = directory / "log"
    variables = stock_mlflow.variables({"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=variables, cwd=directory, stdout=output, stderr=output) as it,
    ):
        try:
            _wait_for(f"http://{place}/health", it, log)
            yield f"http://{place}"
        finally:
            it.terminate()
            try:
                it.wait(20)
            except subprocess.TimeoutExpired:
                it.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"The stock server didn't answer:\n{log.read_text()}")


_NAMES = "the server takes names that hold %, # or a line end for others, or refuses them"
_CONFLICTS = "the server fails where a file and a directory would have one name, and says no more"
_WHOLE = "the server writes a file in place, so that readers see a part of it"

# Each must fail, so that the list gets shorter by itself.
FAILING = {
    "test_a_file_where_a_directory_is_is_refused_or_both_stay_whole[a-a/b]": _CONFLICTS,
    "test_a_file_where_a_directory_is_is_refused_or_both_stay_whole[a/b-a]": _CONFLICTS,
    "test_a_file_where_a_directory_is_is_refused_or_both_stay_whole[a/b/c-a/b]": _CONFLICTS,
    "test_a_name_is_taken_as_it_is[%2e%2e]": _NAMES,
    "test_a_name_is_taken_as_it_is[..%2fx]": _NAMES,
    "test_a_name_is_taken_as_it_is[a#b]": _NAMES,
    "test_a_name_is_taken_as_it_is[a%20b]": _NAMES,
    "test_a_name_is_taken_as_it_is[a\\nb]": _NAMES,
    "test_a_tree_that_was_uploaded_comes_back_the_same": _NAMES,
    "test_awkward_names_lie_side_by_side": _NAMES,
}
# These depend on who is quicker.
UNCERTAIN = {
    "test_of_several_writers_of_one_path_one_wins_whole": _WHOLE,
    "test_processes_that_write_one_path_leave_one_whole_version": _WHOLE,
}


class TestStockServer(ArtifactRepositoryTests):
    @pytest.fixture(autouse=True)
    def _what_stock_can_not_keep(self, request: pytest.FixtureRequest) -> None:
        name = request.node.name
        if reason := FAILING.get(name) or UNCERTAIN.get(name):
            mark = pytest.mark.xfail(reason=reason, strict=name in FAILING)
            request.node.add_marker(mark)

    @pytest.fixture
    def location(self, stock_url: str) -> RepositoryLocation:
        # One try more, as the server resets connections; what it fails at, it fails at again.
        settings = Settings(tracking_uri=stock_url, http_max_retries=1)
        return RepositoryLocation(ProxyArtifactRepository, "mlflow-artifacts:/root", settings)
