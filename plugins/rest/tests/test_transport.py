"""Requests and answers: connections, faults, who one is; against servers of the tests."""

from __future__ import annotations

import base64
import gzip
import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from requests.auth import AuthBase

from tracking_core.config import Settings
from tracking_core.discovery import default_manager, hookimpl
from tracking_core.errors import InvalidValueError, PluginLoadError, StoreUnavailableError
from tracking_core_rest.transport import HttpTransport

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


class Server:
    """A server whose answers are prepared one by one; the last one is repeated."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [reply(200, b"ok")]
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.peers: set[tuple[str, int]] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.seen.append((self.command, self.path, headers, body))
                server.peers.add(self.client_address)
                answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                answer(self, body)

            do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.address}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def reply(status: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hang_up(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Close the connection without an answer, as a server does that is killed."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def break_off(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    """Close the connection in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"a part")
    handler.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def transport(server: Server, pauses: list[float]) -> Iterator[HttpTransport]:
    transport = HttpTransport(server.url, Settings(), sleep=pauses.append)
    yield transport
    transport.close()


def sent_by(server: Server, url: str | None = None, **settings: Any) -> dict[str, str]:
    """Return the headers that a server sees."""
    transport = HttpTransport(url or server.url, Settings(**settings))
    transport.request("GET", "/", repeatable=True)
    transport.close()
    return server.seen[-1][2]


def test_connections_are_kept_between_requests(server: Server, transport: HttpTransport) -> None:
    for _ in range(5):
        transport.request("POST", "/", body=b"{}", repeatable=False)
    assert len(server.seen) == 5
    assert len(server.peers) == 1


def test_each_thread_has_a_connection_of_its_own(server: Server, transport: HttpTransport) -> None:
    meeting = threading.Barrier(3)

    def ask() -> None:
        meeting.wait()
        transport.request("GET", "/", repeatable=True)
        meeting.wait()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.peers) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_after_a_fork_both_sides_have_their_own_connections(
    server: Server, transport: HttpTransport
) -> None:
    transport.request("GET", "/parent", repeatable=True)
    child = os.fork()
    if not child:
        try:
            transport.request("GET", "/child", repeatable=True)
            transport.close()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    transport.request("GET", "/parent", repeatable=True)
    assert [path for _, path, _, _ in server.seen] == ["/parent", "/child", "/parent"]
    assert len(server.peers) == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_faults_of_a_server_that_pass_are_tried_again(
    server: Server, transport: HttpTransport, pauses: list[float], status: int
) -> None:
    server.answers = [reply(status), reply(status), reply(200, b"at last")]
    assert transport.request("GET", "/", repeatable=True).content == b"at last"
    assert len(server.seen) == 3
    assert len(pauses) == 2
    assert pauses[1] > pauses[0] / 2 > 0


def test_the_tries_come_to_an_end(server: Server, pauses: list[float]) -> None:
    server.answers = [reply(503, b"busy")]
    settings = Settings(http_max_retries=3)
    transport = HttpTransport(server.url, settings, sleep=pauses.append)
    assert transport.request("GET", "/", repeatable=True).status == 503
    assert len(server.seen) == 4
    assert sum(pauses) < 5
    transport.close()


def test_a_server_says_how_long_it_wants_to_be_left_alone(
    server: Server, transport: HttpTransport, pauses: list[float]
) -> None:
    server.answers = [reply(429, Retry_After="7"), reply(429, Retry_After="86400"), reply(200)]
    transport.request("POST", "/", body=b"{}", repeatable=False)
    assert pauses == [7, 60]


def test_what_must_not_be_done_twice_is_not_sent_twice(
    server: Server, transport: HttpTransport, pauses: list[float]
) -> None:
    server.answers = [hang_up, reply(200)]
    with pytest.raises(StoreUnavailableError, match="may have been done, so it wasn't asked again"):
        transport.request("POST", "/", body=b"{}", repeatable=False)
    assert len(server.seen) == 1
    assert pauses == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_fault_after_which_it_may_have_been_done_is_answered_as_it_is(
    server: Server, transport: HttpTransport, status: int
) -> None:
    server.answers = [reply(status, b"who knows")]
    assert transport.request("POST", "/", body=b"{}", repeatable=False).status == status
    assert len(server.seen) == 1


@pytest.mark.parametrize("fault", [hang_up, break_off])
def test_a_lost_answer_is_asked_for_again_where_that_changes_nothing(
    server: Server, transport: HttpTransport, fault: Answer
) -> None:
    server.answers = [fault, reply(200, b"ok")]
    assert transport.request("POST", "/", body=b"{}", repeatable=True).content == b"ok"
    assert [body for *_, body in server.seen] == [b"{}", b"{}"]


def test_a_server_that_is_not_there_is_tried_again_whatever_is_asked(pauses: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    transport = HttpTransport(address, Settings(http_max_retries=2), sleep=pauses.append)
    with pytest.raises(StoreUnavailableError) as caught:
        transport.request("POST", "/", body=b"{}", repeatable=False)
    assert len(pauses) == 2
    assert str(caught.value) == (
        f"The server {address} can't be reached after 3 tries (Connection refused); see whether it"
        " runs and whether the address is right."
    )


def test_a_silent_server_is_given_up(server: Server) -> None:
    stop = threading.Event()
    server.answers = [lambda *_: stop.wait(10) and None]  # type: ignore[list-item]
    transport = HttpTransport(server.url, Settings(http_timeout=0.05, http_max_retries=0))
    with pytest.raises(StoreUnavailableError, match="didn't answer in time"):
        transport.request("GET", "/", repeatable=True)
    stop.set()
    transport.close()


def test_a_file_is_sent_again_from_its_beginning(
    server: Server, transport: HttpTransport, tmp_path: Any
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"skipped content")
    server.answers = [reply(503), reply(200)]
    with path.open("rb") as file:
        file.seek(8)
        transport.request("PUT", "/", body=file, repeatable=True)
    assert [body for *_, body in server.seen][-1] == b"content"


def test_user_and_password_go_by_basic_authentication(server: Server) -> None:
    expected = "Basic " + base64.b64encode(b"me:secret").decode()
    found = sent_by(server, http_username="me", http_password="secret")
    assert found["authorization"] == expected
    url = f"http://me:secret@{server.address}"
    assert sent_by(server, url, http_token="other")["authorization"] == expected


def test_a_token_goes_as_bearer(server: Server) -> None:
    assert sent_by(server, http_token="t0ken")["authorization"] == "Bearer t0ken"


def test_mlflows_file_of_credentials_is_the_last_that_is_asked(
    server: Server, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "authorization" not in sent_by(server)
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow/credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = u\nmlflow_tracking_password = p%w\n"
    )
    expected = "Basic " + base64.b64encode(b"u:p%w").decode()
    assert sent_by(server)["authorization"] == expected


def test_plugins_sign_requests_and_add_headers(server: Server) -> None:
    class Signing(AuthBase):
        def __call__(self, request: Any) -> Any:
            request.headers["Authorization"] = "Company 42"
            return request

    class Plugin:
        @hookimpl
        def tracking_request_headers(self, uri: str) -> dict[str, str]:
            return {"X-To": uri}

        @hookimpl
        def tracking_request_auth(self) -> AuthBase:
            return Signing()

    with default_manager().register(Plugin(), name="signing-for-a-test"):
        found = sent_by(server, http_token="t0ken", http_auth="signing-for-a-test")
    assert found["authorization"] == "Company 42"
    assert found["x-to"] == server.url


def test_a_plugin_that_signs_by_nothing_is_refused(server: Server) -> None:
    class Plugin:
        @hookimpl
        def tracking_request_auth(self) -> object:
            return "a password"

    with (
        default_manager().register(Plugin(), name="wrong-for-a-test"),
        pytest.raises(PluginLoadError, match=r"gave str, which is no requests.auth.AuthBase"),
    ):
        sent_by(server, http_auth="wrong-for-a-test")


def test_nobody_else_is_told_who_one_is(server: Server) -> None:
    other = Server()
    server.answers = [reply(307, Location=f"{other.url}/there")]
    transport = HttpTransport(server.url, Settings(http_token="t0ken"))
    assert transport.request("GET", "/", repeatable=True).status == 307
    assert other.seen == []
    transport.close()
    other.close()


def test_a_redirect_on_the_same_server_keeps_method_and_body(
    server: Server, transport: HttpTransport
) -> None:
    server.answers = [reply(301, Location="/elsewhere"), reply(200, b"ok")]
    answer = transport.request("POST", "/here", body=b"{}", repeatable=False)
    assert answer.content == b"ok"
    method, path, _, body = server.seen[-1]
    assert (method, path, body) == ("POST", "/elsewhere", b"{}")


def test_large_bodies_are_packed_for_servers_that_unpack_them(server: Server) -> None:
    body = b"x" * 100_000
    plain = HttpTransport(server.url, Settings())
    packing = HttpTransport(server.url, Settings(), compress=lambda: True)
    for transport in (plain, packing):
        transport.request("POST", "/", body=body, repeatable=True)
    packing.request("POST", "/", body=b"small", repeatable=True)
    assert [h.get("content-encoding") for _, _, h, _ in server.seen] == [None, "gzip", None]
    assert gzip.decompress(server.seen[1][3]) == body
    plain.close()
    packing.close()


def test_the_path_of_the_server_stands_before_every_path(server: Server) -> None:
    transport = HttpTransport(f"{server.url}/tracking/", Settings())
    transport.request("GET", "/api", query={"a": ["1", "2"], "b": "x y"}, repeatable=True)
    assert server.seen[-1][1] == "/tracking/api?a=1&a=2&b=x+y"
    transport.close()


def test_the_server_learns_which_client_it_is(server: Server) -> None:
    assert sent_by(server)["user-agent"].startswith("tracking-core/")


@pytest.mark.parametrize("url", ["http://", "ftp://host", "file:///x"])
def test_an_address_that_is_no_servers_is_refused(url: str) -> None:
    with pytest.raises(InvalidValueError, match="no address of a server"):
        HttpTransport(url, Settings())


def test_secrets_are_in_no_error_and_no_representation(pauses: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = Settings(http_max_retries=0, http_token="t0ken", http_password="s3cret")
    transport = HttpTransport(f"http://me:s3cret@127.0.0.1:{port}", settings)
    with pytest.raises(StoreUnavailableError) as caught:
        transport.request("GET", "/", repeatable=True)
    for text in (str(caught.value), repr(transport), repr(settings), str(settings)):
        assert "s3cret" not in text
        assert "t0ken" not in text
