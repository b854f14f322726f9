"""Artifacts go through the server whole, whatever they are called, and stay below their root."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest

from plugins.server.tests.asgi_client import GONE, AsgiClient
from plugins.server.tests.conftest import Serve

PROXY = "/api/2.0/mlflow-artifacts/artifacts"
MIB = 1 << 20

NAMES = [
    "plain.txt",
    "with a space",
    "#hash",
    "100%",
    "%41",
    "%2e%2e",
    "%2F",
    "what?",
    "a+b&c=d;e",
    "\u00e9\u4e2d\U0001f600",
    "e\u0301",
    "back\\slash",
    "'quoted' \"twice\"",
    "...",
    ".hidden",
    "a:b",
    "~",
    "-",
    "line\nfeed",
    "x" * 200,
]


@pytest.fixture(params=["directory", "memory"])
def either(request: pytest.FixtureRequest, serve: Serve, artifacts: Path) -> AsgiClient:
    """A server whose artifacts lie in a directory, and one whose artifacts don't."""
    if request.param == "directory":
        return serve(artifacts_destination=str(artifacts))
    return serve(artifacts_destination=f"memory://{uuid4().hex}/root")


def _listed(client: AsgiClient, path: str | None = None) -> dict[str, int | None]:
    query = "" if path is None else f"?path={quote(path, safe='')}"
    answer = client.get(PROXY + query)
    assert answer.status == 200, answer.body
    return {
        each["path"]: None if each.get("is_dir") else each.get("file_size", 0)
        for each in answer.json().get("files", [])
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_sent_listed_fetched_and_deleted(
    either: AsgiClient, name: str
) -> None:
    content = name.encode() * 3
    for path in (name, f"inner/{name}"):
        target = f"{PROXY}/{quote(path)}"
        assert either.put(target, content).json() == {}
        answer = either.get(target)
        assert (answer.status, answer.body) == (200, content)
        assert int(answer.headers["content-length"]) == len(content)
    assert _listed(either) == {name: len(content), "inner": None}
    assert _listed(either, "inner") == {name: len(content)}
    for path in (name, f"inner/{name}"):
        assert either.delete(f"{PROXY}/{quote(path)}").status == 200
        assert either.get(f"{PROXY}/{quote(path)}").status == 404
    assert name not in _listed(either)


def test_an_upload_replaces_what_was_there(either: AsgiClient) -> None:
    for content in (b"first and longer", b"then", b""):
        assert either.put(f"{PROXY}/a/b", content).status == 200
        assert either.get(f"{PROXY}/a/b").body == content


def test_a_directory_is_deleted_with_all_that_is_in_it(either: AsgiClient) -> None:
    for path in ("model/a", "model/deep/b", "model2"):
        either.put(f"{PROXY}/{path}", b"x")
    assert either.delete(f"{PROXY}/model/").status == 200
    assert _listed(either) == {"model2": 1}
    # What is gone already is gone.
    assert either.delete(f"{PROXY}/model").status == 200


def test_a_directory_and_what_is_not_there_can_not_be_fetched(either: AsgiClient) -> None:
    either.put(f"{PROXY}/model/a", b"x")
    for path in ("model", "nothing", "model/nothing", "model/a/b"):
        answer = either.get(f"{PROXY}/{path}")
        assert answer.status == 404
        assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert _listed(either, "nothing") == {}


OUT_OF_BOUNDS = [
    "..",
    "../secret",
    "%2e%2e/secret",
    "%2E%2e%2Fsecret",
    "..%2fsecret",
    "inner/../../secret",
    "inner/%2e%2e/%2e%2e/secret",
    "/etc/passwd",
    "%2Fetc%2Fpasswd",
    "inner//secret",
    "C:/secret",
    "C:%5Csecret",
    "c%3a/secret",
    "a%00b",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    ".",
    "%2e",
    "./.",
]


@pytest.mark.parametrize("path", OUT_OF_BOUNDS)
def test_a_path_that_leaves_its_root_is_refused(
    either: AsgiClient, tmp_path: Path, path: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    either.put(f"{PROXY}/inner/kept", b"kept")
    for answer in (
        either.get(f"{PROXY}/{path}"),
        either.request("HEAD", f"{PROXY}/{path}"),
        either.put(f"{PROXY}/{path}", b"overwritten"),
        either.delete(f"{PROXY}/{path}"),
    ):
        assert answer.status == 400, answer.body
        assert b"secret" not in answer.body.replace(b"secret'", b"")
    assert secret.read_text() == "secret"
    assert _listed(either) == {"inner": None}
    assert {each.name for each in tmp_path.iterdir()} <= {"artifacts", "secret"}


@pytest.mark.parametrize(
    "path", ["%252e%252e", "%252e%252e/secret", "%252e%252e%252fsecret", "%5c..%5csecret"]
)
def test_what_is_encoded_twice_is_a_name_like_any_other(
    either: AsgiClient, tmp_path: Path, path: str
) -> None:
    (tmp_path / "secret").write_text("secret")
    assert either.get(f"{PROXY}/{path}").status == 404
    assert either.put(f"{PROXY}/{path}", b"mine").status == 200
    assert either.get(f"{PROXY}/{path}").body == b"mine"
    assert (tmp_path / "secret").read_text() == "secret"
    assert {each.name for each in tmp_path.iterdir()} <= {"artifacts", "secret"}


@pytest.mark.parametrize("path", ["..", "../..", "/", "/etc", "inner/../..", "a\0b", "C:\\"])
def test_a_listing_does_not_leave_its_root(either: AsgiClient, path: str) -> None:
    answer = either.get(f"{PROXY}?path={quote(path, safe='')}")
    assert answer.status == 400 or answer.json() == {}, answer.body


@pytest.mark.parametrize("target", ["/", "//", "/.", "/./", "/%2e", "/%2f", "/%2f%2f", ""])
def test_the_root_itself_is_not_deleted(either: AsgiClient, target: str) -> None:
    either.put(f"{PROXY}/kept", b"kept")
    assert either.delete(f"{PROXY}{target}").status in (400, 404, 405)
    assert _listed(either) == {"kept": 4}


def test_names_of_files_that_are_being_written_are_nobodys(either: AsgiClient) -> None:
    name = f".tracking-partial-{'0' * 32}"
    assert either.put(f"{PROXY}/{name}", b"x").status == 400
    assert either.get(f"{PROXY}/{name}").status == 400


# --- how it is sent ---


@pytest.mark.parametrize(
    ("header", "status", "body", "told"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-4", 206, b"4", "bytes 4-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-100", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=9-9", 206, b"9", "bytes 9-9/10"),
        # What can't be read or met asks for everything, as HTTP allows.
        ("bytes=-100", 200, b"0123456789", None),
        ("bytes=0-9", 200, b"0123456789", None),
        ("bytes=10-", 200, b"0123456789", None),
        ("bytes=5-2", 200, b"0123456789", None),
        ("bytes=-0", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("bytes=a-b", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=--3", 200, b"0123456789", None),
        ("bytes=\u00b2-", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("", 200, b"0123456789", None),
        ("bytes=" + "9" * 5_000 + "-", 200, b"0123456789", None),
        ("bytes=-" + "9" * 5_000, 200, b"0123456789", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_part_of_a_file_is_sent_if_it_is_asked_for(
    either: AsgiClient, header: str, status: int, body: bytes, told: str | None
) -> None:
    either.put(f"{PROXY}/digits", b"0123456789")
    answer = either.get(f"{PROXY}/digits", headers={"Range": header})
    assert (answer.status, answer.body) == (status, body)
    assert answer.headers.get("content-range") == told
    assert answer.headers["accept-ranges"] == "bytes"
    head = either.request("HEAD", f"{PROXY}/digits", headers={"Range": header})
    assert (head.status, head.body, head.headers) == (status, b"", answer.headers)


def test_an_empty_file_is_sent_whole_whatever_part_is_asked_for(either: AsgiClient) -> None:
    either.put(f"{PROXY}/nothing", b"")
    for header in ({}, {"Range": "bytes=0-"}, {"Range": "bytes=-1"}):
        answer = either.get(f"{PROXY}/nothing", headers=header)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-length"] == "0"


@pytest.mark.parametrize(
    "name", ["a.html", "a.HTM", "a.svg", "a.js", "a.xml", "a.json", "a.py", "MLmodel", "a.tar.svg"]
)
def test_what_a_browser_might_run_comes_as_plain_text(
    with_artifacts: AsgiClient, name: str
) -> None:
    with_artifacts.put(f"{PROXY}/{name}", b"<script>alert(1)</script>")
    answer = with_artifacts.get(f"{PROXY}/{name}")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "name",
    ["a.html", "a.svg", "a.xhtml", "a.mjs", "a.pdf", "a.swf", "a.png", "a", "a.unknown", "a.mht"],
)
def test_no_artifact_is_a_page_of_the_servers_site(with_artifacts: AsgiClient, name: str) -> None:
    with_artifacts.put(f"{PROXY}/{name}", b"<script>alert(1)</script>")
    answer = with_artifacts.get(f"{PROXY}/{name}")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "text/html" not in answer.headers["content-type"]


def test_the_name_of_a_file_adds_no_header(with_artifacts: AsgiClient) -> None:
    name = 'a"; filename="b.exe\r\nSet-Cookie: x=1\u00e9'
    with_artifacts.put(f"{PROXY}/{quote(name)}", b"x")
    answer = with_artifacts.get(f"{PROXY}/{quote(name)}")
    assert "set-cookie" not in answer.headers
    shown = answer.headers["content-disposition"]
    assert "\r" not in shown
    assert "\n" not in shown
    assert shown == (
        "attachment; filename=\"a_; filename=_b.exe__Set-Cookie: x=1_\"; filename*=UTF-8''"
        + quote(name, safe="")
    )


def test_a_server_without_artifacts_says_so(client: AsgiClient) -> None:
    for answer in (
        client.get(f"{PROXY}/a"),
        client.put(f"{PROXY}/a", b"x"),
        client.delete(f"{PROXY}/a"),
        client.get(PROXY),
    ):
        assert answer.status == 501
        assert "--artifacts-destination" in answer.message


def test_multipart_uploads_and_presigned_urls_are_refused_in_a_sentence(
    with_artifacts: AsgiClient,
) -> None:
    prefix = "/api/2.0/mlflow-artifacts"
    for answer in (
        with_artifacts.post(f"{prefix}/mpu/create/a/b", {"path": "b", "num_parts": 2}),
        with_artifacts.post(f"{prefix}/mpu/complete/a/b", {}),
        with_artifacts.post(f"{prefix}/mpu/abort/a/b", {}),
        with_artifacts.get(f"{prefix}/presigned/a/b"),
        with_artifacts.post("/api/2.0/mlflow/artifacts/presigned-upload-url", {}),
        with_artifacts.post("/api/2.0/mlflow/artifacts/presigned-download-url", {}),
    ):
        assert answer.status == 501
        assert answer.json()["error_code"] == "NOT_IMPLEMENTED"


# --- half an artifact is never seen ---


@pytest.mark.parametrize("pieces", [0, 1, 3])
def test_a_client_that_goes_away_in_the_middle_leaves_nothing(
    with_artifacts: AsgiClient, artifacts: Path, pieces: int
) -> None:
    with_artifacts.put(f"{PROXY}/model/there", b"what was there")
    body = [b"x" * MIB] * pieces + [b"y" * 1_000, GONE]
    for name in ("there", "new"):
        answer = with_artifacts.put(f"{PROXY}/model/{name}", body)
        assert answer.status == 0  # nobody is there to be answered
    assert with_artifacts.get(f"{PROXY}/model/there").body == b"what was there"
    assert [each.name for each in (artifacts / "model").rglob("*")] == ["there"]


def test_what_is_being_sent_is_not_seen_before_it_is_whole(
    with_artifacts: AsgiClient, artifacts: Path
) -> None:
    seen: list[object] = []

    def pieces() -> Iterator[bytes]:
        yield b"x" * MIB
        yield b"y" * MIB
        seen.append(list(artifacts.rglob("big")))
        yield b"z"

    assert with_artifacts.put(f"{PROXY}/big", pieces()).status == 200
    assert seen == [[]]
    assert (artifacts / "big").stat().st_size == 2 * MIB + 1


def test_a_place_that_can_not_be_written_to_is_an_error_that_names_no_directory(
    with_artifacts: AsgiClient,
) -> None:
    with_artifacts.put(f"{PROXY}/file", b"x")
    answer = with_artifacts.put(f"{PROXY}/file/below", b"x")
    assert 400 <= answer.status < 500
    assert answer.json()["error_code"]


def test_large_artifacts_are_streamed(with_artifacts: AsgiClient, artifacts: Path) -> None:
    piece = random.Random(5).randbytes(64 * 1024)
    total = 64 * MIB
    received = 0

    def take(piece: bytes) -> None:
        nonlocal received
        received += len(piece)

    with_artifacts.put(f"{PROXY}/warm", piece)
    with_artifacts.get(f"{PROXY}/warm")
    tracemalloc.start()
    try:
        pieces = (piece for _ in range(total // len(piece)))
        assert with_artifacts.put(f"{PROXY}/large", pieces).status == 200
        assert with_artifacts.get(f"{PROXY}/large", taken=take).status == 200
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert received == total == (artifacts / "large").stat().st_size
    assert peak < 8 * MIB


def test_many_small_pieces_are_put_together(with_artifacts: AsgiClient) -> None:
    pieces = [bytes([number % 251]) * (number % 7) for number in range(5_000)]
    assert with_artifacts.put(f"{PROXY}/a", pieces).status == 200
    assert with_artifacts.get(f"{PROXY}/a").body == b"".join(pieces)


# --- links ---


@pytest.fixture
def linked(artifacts: Path, tmp_path: Path) -> Path:
    """A directory outside of the root, to which links below the root lead."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (artifacts / "directory").symlink_to(outside)
    (artifacts / "file").symlink_to(outside / "secret")
    return outside


def test_a_link_out_of_the_root_is_not_followed(
    with_artifacts: AsgiClient, artifacts: Path, linked: Path
) -> None:
    assert _listed(with_artifacts) == {}
    for path in ("directory/secret", "file"):
        answer = with_artifacts.get(f"{PROXY}/{path}")
        assert answer.status == 400
        assert str(linked) not in answer.message
    answer = with_artifacts.get(f"{PROXY}?path=directory")
    assert answer.status == 400
    assert with_artifacts.put(f"{PROXY}/directory/new", b"x").status == 400
    assert with_artifacts.delete(f"{PROXY}/directory/secret").status == 400
    assert [(each.name, each.read_text()) for each in linked.iterdir()] == [("secret", "secret")]


def test_a_link_is_deleted_and_not_what_it_leads_to(
    with_artifacts: AsgiClient, artifacts: Path, linked: Path
) -> None:
    assert with_artifacts.delete(f"{PROXY}/directory").status == 200
    assert with_artifacts.delete(f"{PROXY}/file").status == 200
    assert list(artifacts.iterdir()) == []
    assert (linked / "secret").read_text() == "secret"
