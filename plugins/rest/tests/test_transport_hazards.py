"""What lies in wait below a transport: other programs' variables, odd secrets, ended threads."""

from __future__ import annotations

import base64
import datetime
import gc
import io
import ipaddress
import os
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import requests
from requests.auth import AuthBase

from tracking_core.config import Settings
from tracking_core.discovery import default_manager, hookimpl
from tracking_core.errors import InvalidValueError, StoreUnavailableError
from tracking_core_rest.transport import HttpTransport

OWN_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What the server answers; `hangs_up` without a word, once the request was read."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs_up: bool = False


class ScriptedServer:
    """Answers requests by its script, line by line; behind its end, all with 200."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.script: list[Answer] = []
        self.seen: list[Seen] = []
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.place = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{'https' if certificate else 'http'}://{self.place}"

    def next(self, seen: Seen) -> Answer:
        self.seen.append(seen)
        return self.script.pop(0) if self.script else Answer()

    def __enter__(self) -> ScriptedServer:
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


class _Server(ThreadingHTTPServer):
    # A thread that waits for a connection's next request ends with the process.
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that distrusts the certificate hangs up."""


def _handler_of(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body at once: apart, the second waits for an acknowledgement

        def answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("transfer-encoding"):
                body = b"".join(iter(self._chunk, b""))
            else:
                body = self.rfile.read(int(headers.get("content-length", 0)))
            answer = server.next(Seen(self.command, self.path, headers, body))
            if answer.hangs_up:
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Content-Length", "2")
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")
            self.wfile.flush()

        def _chunk(self) -> bytes:
            size = int(self.rfile.readline(), 16)
            return self.rfile.read(size + 2)[:size]

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names of the library

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture(autouse=True)
def _no_file_of_the_developer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OWN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def opened() -> Iterator[Callable[..., HttpTransport]]:
    """Makes transports that never really wait, and closes them."""
    made: list[HttpTransport] = []

    def open_(url: str, *, options: dict[str, Any] | None = None, **settings: Any) -> HttpTransport:
        options = {"sleep": lambda _: None, **(options or {})}
        made.append(HttpTransport(url, Settings(**settings), **options))
        return made[-1]

    yield open_
    for transport in made:
        transport.close()


def get(transport: HttpTransport) -> int:
    return transport.request("GET", "/", repeatable=True).status


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# --- certificates ---


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two certificates for 127.0.0.1, each signed by itself, with their keys."""
    pytest.importorskip("cryptography")
    directory = tmp_path_factory.mktemp("certificates")
    one, other = (directory / name for name in ("one.pem", "other.pem"))
    for path in (one, other):
        path.write_bytes(_certificate())
    return one, other


def _certificate() -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(place, critical=False)
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def secure(certificates: tuple[Path, Path]) -> Iterator[ScriptedServer]:
    with ScriptedServer(certificates[0]) as server:
        yield server


def test_a_server_is_trusted_by_the_certificate_that_the_setting_names(
    secure: ScriptedServer,
    certificates: tuple[Path, Path],
    opened: Callable[..., HttpTransport],
) -> None:
    assert get(opened(secure.url, http_server_certificate=str(certificates[0]))) == 200


@pytest.mark.parametrize("settings", [{}, {"http_server_certificate": "the other"}])
def test_a_wrong_certificate_is_said_at_once_and_with_the_setting_that_trusts_it(
    secure: ScriptedServer, certificates: tuple[Path, Path], settings: dict[str, str]
) -> None:
    settings = dict.fromkeys(settings, str(certificates[1]))
    pauses: list[float] = []
    transport = HttpTransport(secure.url, Settings(**settings), sleep=pauses.append)
    with pytest.raises(StoreUnavailableError, match="TRACKING_HTTP_SERVER_CERTIFICATE") as caught:
        get(transport)
    assert f"{secure.url} can't be trusted: self-signed certificate" in str(caught.value)
    assert secure.seen == []
    assert pauses == []


@pytest.mark.parametrize("variable", OWN_VARIABLES)
def test_variables_of_other_programs_do_not_overrule_the_settings(
    secure: ScriptedServer,
    certificates: tuple[Path, Path],
    opened: Callable[..., HttpTransport],
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, str(certificates[1]))
    assert get(opened(secure.url, http_server_certificate=str(certificates[0]))) == 200
    with pytest.warns(Warning, match="Unverified HTTPS request"):
        assert get(opened(secure.url, http_insecure_tls=True)) == 200


def test_a_variable_of_other_programs_counts_where_the_settings_say_nothing(
    secure: ScriptedServer,
    certificates: tuple[Path, Path],
    opened: Callable[..., HttpTransport],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates[0]))
    assert get(opened(secure.url)) == 200


@pytest.mark.parametrize("setting", ["http_server_certificate", "http_client_certificate"])
def test_a_certificate_that_is_not_there_is_said_with_its_setting(
    secure: ScriptedServer, opened: Callable[..., HttpTransport], setting: str
) -> None:
    with pytest.raises(InvalidValueError, match=rf"/nowhere\.pem.*{setting}"):
        get(opened(secure.url, **{setting: "/nowhere.pem"}))


def test_a_server_without_tls_is_not_said_to_have_a_wrong_certificate(
    server: ScriptedServer, opened: Callable[..., HttpTransport]
) -> None:
    with pytest.raises(StoreUnavailableError, match="doesn't speak TLS; write http://"):
        get(opened(f"https://{server.place}"))


def test_an_answer_that_is_lost_inside_tls_is_no_matter_of_trust(
    secure: ScriptedServer,
    certificates: tuple[Path, Path],
    opened: Callable[..., HttpTransport],
) -> None:
    secure.script = [Answer(hangs_up=True)]
    transport = opened(secure.url, http_server_certificate=str(certificates[0]))
    with pytest.raises(StoreUnavailableError, match="may have been done"):
        transport.request("POST", "/", body=b"{}", repeatable=False)
    assert len(secure.seen) == 1


# --- who one is ---


@pytest.mark.parametrize("password", ["pa/ss", "p@ss", "pa?ss#", "пароль"])
def test_a_password_of_any_characters_is_sent_and_not_shown(
    server: ScriptedServer, opened: Callable[..., HttpTransport], password: str
) -> None:
    transport = opened(f"http://me:{password}@{server.place}/root")
    assert get(transport) == 200
    assert server.seen[-1].headers["authorization"] == basic("me", password)
    assert server.seen[-1].path == "/root/"
    assert transport.shown == f"{server.url}/root"
    assert password not in repr(transport)


def test_settings_may_hold_any_characters_too(
    server: ScriptedServer, opened: Callable[..., HttpTransport]
) -> None:
    get(opened(server.url, http_username="Ольга", http_password="пароль"))
    assert server.seen[-1].headers["authorization"] == basic("Ольга", "пароль")


@pytest.mark.parametrize("token", ["s3cret\n", "s3cret\r\nX-Other: 1", "s3cret-ключ"])
def test_a_token_that_no_header_can_hold_is_refused_without_showing_it(
    server: ScriptedServer, opened: Callable[..., HttpTransport], token: str
) -> None:
    with pytest.raises(InvalidValueError, match="http_token") as caught:
        get(opened(server.url, http_token=token))
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert server.seen == []


def test_a_header_of_a_plugin_that_can_not_be_sent_is_not_shown(
    server: ScriptedServer, opened: Callable[..., HttpTransport]
) -> None:
    options = {"headers": lambda: {"X-Key": "s3cret\n"}}
    with pytest.raises(InvalidValueError, match="what plugins add") as caught:
        get(opened(server.url, options=options))
    assert "s3cret" not in "".join(traceback.format_exception_only(caught.value))
    assert caught.value.__suppress_context__


def test_netrc_counts_only_where_nobody_else_says_who_one_is(
    server: ScriptedServer, opened: Callable[..., HttpTransport], tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login of password netrc\n")
    get(opened(server.url))
    get(opened(server.url, http_token="t"))
    get(opened(server.url, options={"headers": lambda: {"authorization": "Own 1"}}))
    found = [seen.headers["authorization"] for seen in server.seen]
    assert found == [basic("of", "netrc"), "Bearer t", "Own 1"]


class _Signature(AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = "Signature 1"
        return request


class _SigningPlugin:
    @hookimpl
    def tracking_request_auth(self, uri: str) -> AuthBase:
        return _Signature()


@pytest.mark.parametrize(
    ("user", "settings", "expected"),
    [
        ("me:pw@", {"http_token": "t", "http_auth": "a-signing-test"}, basic("me", "pw")),
        ("", {"http_token": "t", "http_auth": "a-signing-test"}, "Signature 1"),
        ("", {"http_token": "t"}, "Bearer t"),
        ("", {}, "Signature 1"),
    ],
)
def test_what_was_asked_for_goes_before_what_happens_to_be_installed(
    server: ScriptedServer,
    opened: Callable[..., HttpTransport],
    tmp_path: Path,
    user: str,
    settings: dict[str, str],
    expected: str,
) -> None:
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username=f\nmlflow_tracking_password=f\n"
    )
    with default_manager().register(_SigningPlugin(), name="a-signing-test"):
        get(opened(f"http://{user}{server.place}", **settings))
    assert server.seen[-1].headers["authorization"] == expected


def test_a_server_that_is_not_trusted_learns_nothing(
    server: ScriptedServer, opened: Callable[..., HttpTransport], tmp_path: Path
) -> None:
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username=f\nmlflow_tracking_password=f\n"
    )
    get(opened(server.url, http_token="t", options={"is_trusted": False}))
    assert "authorization" not in server.seen[-1].headers


def test_a_whole_url_of_another_server_is_asked_without_saying_who_one_is(
    server: ScriptedServer, opened: Callable[..., HttpTransport]
) -> None:
    options = {"headers": lambda: {"X-Key": "s3cret"}}
    with ScriptedServer() as other:
        transport = opened(server.url, http_token="t", options=options)
        transport.request("GET", f"{other.url}/x", repeatable=True)
        transport.request("GET", f"{server.url}/x", repeatable=True)
    assert not {"authorization", "x-key"} & set(other.seen[-1].headers)
    assert {"authorization", "x-key"} <= set(server.seen[-1].headers)


def test_a_user_without_a_home_can_send_requests(
    server: ScriptedServer, opened: Callable[..., HttpTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert get(opened(server.url)) == 200


# --- faults ---


def test_a_busy_server_that_says_when_to_come_again_has_done_nothing(
    server: ScriptedServer, opened: Callable[..., HttpTransport]
) -> None:
    pauses: list[float] = []
    server.script = [Answer(503, {"Retry-After": "3"}), Answer(200)]
    transport = opened(server.url, options={"sleep": pauses.append})
    assert transport.request("POST", "/", body=b"{}", repeatable=False).status == 200
    assert pauses == [3]


@pytest.mark.parametrize("after", ["\N{SUPERSCRIPT TWO}", "soon", "-1", "", "99999999999999999999"])
def test_a_time_to_come_again_that_can_not_be_read_is_passed_over(
    server: ScriptedServer, opened: Callable[..., HttpTransport], after: str
) -> None:
    pauses: list[float] = []
    server.script = [Answer(429, {"Retry-After": after}), Answer(200)]
    assert get(opened(server.url, options={"sleep": pauses.append})) == 200
    assert 0 < pauses[0] <= 60


def test_no_try_is_begun_after_ten_minutes(
    server: ScriptedServer, opened: Callable[..., HttpTransport]
) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    server.script = [Answer(429, {"Retry-After": "60"})] * 100
    options = {"sleep": sleep, "clock": lambda: now[0]}
    assert get(opened(server.url, http_max_retries=99, options=options)) == 429
    assert now[0] == 600


def test_a_file_that_is_sent_elsewhere_is_sent_whole(
    server: ScriptedServer, opened: Callable[..., HttpTransport]
) -> None:
    server.script = [Answer(307, {"Location": "/there"})]
    file = io.BytesIO(b"skipped|content")
    file.seek(8)
    opened(server.url).request("PUT", "/here", body=file, repeatable=True)
    assert [(seen.path, seen.body) for seen in server.seen] == [
        ("/here", b"content"),
        ("/there", b"content"),
    ]


def test_a_server_that_sends_every_request_elsewhere_is_given_up(
    server: ScriptedServer, opened: Callable[..., HttpTransport]
) -> None:
    server.script = [Answer(307, {"Location": "/again"})] * 100
    with pytest.raises(StoreUnavailableError, match="sends every request elsewhere"):
        get(opened(server.url))
    assert len(server.seen) < 10


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system doesn't list its files")
def test_the_connections_of_a_thread_end_with_it(
    server: ScriptedServer, opened: Callable[..., HttpTransport]
) -> None:
    transport = opened(server.url)

    def count() -> int:
        gc.collect()
        return sum("socket" in os.readlink(path) for path in _files())

    before = count()
    for _ in range(20):
        thread = threading.Thread(target=get, args=(transport,))
        thread.start()
        thread.join()
    # The server's own ends, which it closes when it sees ours closed, are of this process too.
    assert count() - before < 20


def _files() -> Iterator[str]:
    for name in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{name}"
        if os.path.lexists(path):
            yield path
