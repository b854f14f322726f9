"""URIs: parsed once, printed without secrets."""

from __future__ import annotations

import os
import string
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tracking_core.config import Uri, join_uri, path_to_file_uri, redact
from tracking_core.errors import InvalidValueError

HERE = os.getcwd


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("./mlruns", "mlruns"),
        ("mlruns", "mlruns"),
        ("a b/größe", "a b/größe"),
        ("100%/#1?x", "100%/#1?x"),
        ("file:mlruns", "mlruns"),
        ("file:./a%20b", "a b"),
        ("2024-01-01 12:30", "2024-01-01 12:30"),
        ("models", "models"),
    ],
)
def test_a_bare_word_or_path_is_a_file_of_the_working_directory(text: str, path: str) -> None:
    uri = Uri.parse(text)
    assert (uri.scheme, uri.path) == ("file", os.path.join(HERE(), path))
    assert uri.local_path == Path(uri.path)
    assert uri.text == text


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/srv/runs", "/srv/runs"),
        ("file:///srv/a%20b", "/srv/a b"),
        ("file:/srv/runs", "/srv/runs"),
        ("file://localhost/srv/runs", "/srv/runs"),
        ("FILE:///srv/runs", "/srv/runs"),
        ("/srv/x/../runs/", "/srv/runs"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="POSIX paths")
def test_an_absolute_path_stays(text: str, path: str) -> None:
    assert Uri.parse(text).path == path


@pytest.mark.parametrize("text", [r"C:\runs", "C:/runs", "c:", r"D:\a b#c?d"])
def test_a_path_of_windows_is_a_path_and_not_a_scheme(text: str) -> None:
    uri = Uri.parse(text)
    assert uri.scheme == "file"
    assert uri.path.endswith(text.replace("\\", os.sep) if os.name == "nt" else text)


def test_the_home_directory_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/kim")
    monkeypatch.setenv("USERPROFILE", "/home/kim")
    assert Uri.parse("~/runs").path == os.path.abspath("/home/kim/runs")


@pytest.mark.parametrize("text", ["databricks", "Databricks", "databricks-uc"])
def test_mlflows_words_without_a_colon_are_schemes(text: str) -> None:
    uri = Uri.parse(text)
    assert (uri.scheme, uri.path) == (text.lower(), "")
    assert Uri.parse(f"./{text}").scheme == "file"


def test_the_parts_of_a_uri() -> None:
    uri = Uri.parse("postgresql+psycopg://kim:a%40b@db.example:5432/tracking?sslmode=require&x=1")
    assert (uri.scheme, uri.host, uri.port) == ("postgresql+psycopg", "db.example", 5432)
    assert (uri.username, uri.password, uri.path) == ("kim", "a@b", "/tracking")
    assert uri.query == {"sslmode": "require", "x": "1"}


@pytest.mark.parametrize(
    ("text", "host", "port", "path"),
    [
        ("http://[::1]:5000/x", "[::1]", 5000, "/x"),
        ("http://Example.COM", "example.com", None, ""),
        ("s3://My_Bucket/a?b#c", "My_Bucket", None, "/a?b#c"),
        ("databricks://Profile", "Profile", None, ""),
        ("sqlite:////tmp/a.db", "", None, "//tmp/a.db"),
        ("sqlite:///a.db", "", None, "/a.db"),
        ("memory:", "", None, ""),
        ("memory://name", "name", None, ""),
        ("http://host/model@v1", "host", None, "/model@v1"),
    ],
)
def test_hosts_ports_and_paths(text: str, host: str, port: int | None, path: str) -> None:
    uri = Uri.parse(text)
    assert (uri.host, uri.port, uri.path, uri.password) == (host, port, path, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The URI is empty; give a path such as ./mlruns or a URI."),
        ("  ", "The URI is empty; give a path such as ./mlruns or a URI."),
        ("a\0b", "The URI holds a NUL byte; no path or address may hold one."),
        (
            "file://srv/runs",
            "The URI 'file://srv/runs' names the host 'srv', but a file: URI is a path of this"
            " machine; write file:///srv/runs or srv/runs.",
        ),
        (
            "http://kim:swordfish@host:70000/",
            "The port 70000 in 'http://kim:***@host:70000/' is above 65535.",
        ),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="hosts are shares there")
def test_a_uri_that_can_not_be_is_refused_with_this_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        Uri.parse(text)
    assert str(caught.value) == sentence


def test_a_remote_uri_is_no_local_path() -> None:
    with pytest.raises(InvalidValueError, match=r"http://kim:\*\*\*@host is not a local path"):
        _ = Uri.parse("http://kim:swordfish@host").local_path


# A marker, so that a part of the password that stands elsewhere by chance is not mistaken for it.
PASSWORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=0, max_size=20
).map(lambda text: f"<{text}>")


@given(PASSWORDS, st.sampled_from(["postgresql", "mysql+pymysql", "mssql", "redis", "ftp"]))
def test_a_password_of_any_characters_is_never_shown(password: str, scheme: str) -> None:
    uri = Uri.parse(f"{scheme}://kim:{password}@db.example:1234/name")
    for shown in (str(uri), repr(uri), f"{uri}", uri.redacted, redact(uri.text)):
        assert password not in shown
        assert "kim:***@db.example:1234/name" in shown
    assert (uri.username, uri.host, uri.port, uri.path) == ("kim", "db.example", 1234, "/name")


@pytest.mark.parametrize(
    "password",
    ["<?a=b>", "a?b=c", "x/y?z=1", "p@h:1/x", "?x=1@y", "/", "123/abc", "a@b?c=d", "#", "@@"],
)
def test_a_password_that_looks_like_host_path_and_query_is_not_shown_either(password: str) -> None:
    uri = Uri.parse(f"postgresql://kim:{password}@db.example:1234/name")
    assert str(uri) == "postgresql://kim:***@db.example:1234/name"


@pytest.mark.parametrize("password", ["a?b=c", "a/b", "a#b"])
def test_nor_is_one_of_a_web_address_that_can_not_be_a_port(password: str) -> None:
    assert str(Uri.parse(f"https://kim:{password}@host/x")) == "https://kim:***@host/x"


@pytest.mark.parametrize(
    "text",
    ["http://host:5000/model@v1?a=b", "s3://bucket/a:b@c", "postgresql://host:5432/name?a=b"],
)
def test_an_address_without_a_password_is_shown_whole(text: str) -> None:
    assert str(Uri.parse(text)) == text


# What looks like a query would not come by chance.
TRICKY = st.lists(
    st.sampled_from(["@", "/", "?", "#", ":", "=", "&", "?a=", "@h", ":1", "%", "x"]), max_size=8
).map(lambda parts: f"<{''.join(parts)}>")


@given(TRICKY, st.sampled_from(["postgresql", "mysql", "https", "sftp+x"]))
def test_no_arrangement_of_a_uris_own_characters_shows_a_password(
    password: str, scheme: str
) -> None:
    assume(scheme != "https" or "@" not in password)
    assert password not in str(Uri.parse(f"{scheme}://kim:{password}@db.example/name"))


@given(PASSWORDS)
def test_an_encoded_password_comes_back_decoded(password: str) -> None:
    for scheme in ("postgresql", "https"):
        uri = Uri.parse(f"{scheme}://kim:{quote(password, safe='')}@db.example/name")
        assert uri.password == password
        assert quote(password, safe="") not in str(uri)


@pytest.mark.parametrize(
    "name", ["password", "token", "access_key", "api-key", "sig", "X-Amz-Signature", "PWD"]
)
def test_a_secret_of_the_query_is_never_shown(name: str) -> None:
    uri = Uri.parse(f"mssql://host/db?driver=x&{name}=swordfish&timeout=5")
    assert "swordfish" not in f"{uri}{uri!r}"
    assert str(uri) == f"mssql://host/db?driver=x&{name}=***&timeout=5"
    assert uri.query[name] == "swordfish"


@pytest.mark.parametrize("text", ["./a@b", "no uri: at all", "s3://bucket/key", "memory:"])
def test_what_has_no_secret_is_shown_as_it_is(text: str) -> None:
    assert redact(text) == text


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_text_is_parsed_or_refused_with_a_sentence(text: str) -> None:
    try:
        uri = Uri.parse(text)
    except InvalidValueError as error:
        assume(str(error).endswith("."))
        return
    assert uri.text == text
    assert uri.scheme


@given(st.lists(st.text(string.printable, min_size=1, max_size=8), min_size=1, max_size=4))
@pytest.mark.skipif(os.name == "nt", reason="POSIX paths")
def test_a_path_survives_being_a_uri(parts: list[str]) -> None:
    assume(not any("/" in part or part in (".", "..") for part in parts))
    path = "/" + "/".join(parts)
    uri = path_to_file_uri(path)
    assert Uri.parse(uri).path == path
    assert Uri.parse(join_uri("file:///root", *parts)).path == f"/root{path}"


@pytest.mark.parametrize(
    ("root", "parts", "joined"),
    [
        ("s3://b/root/", ("a b", "c#d"), "s3://b/root/a b/c#d"),
        ("s3://b/ro?t", ("a",), "s3://b/ro?t/a"),
        ("http://h/x?y=1", ("a",), "http://h/x/a?y=1"),
        ("file:///x", ("a b",), "file:///x/a%20b"),
        ("/x", ("a b", "", "c"), "/x/a b/c"),
        ("./x", (), "./x"),
        (r"C:\x", ("a",), r"C:\x/a"),
    ],
)
def test_parts_are_appended_to_a_root(root: str, parts: tuple[str, ...], joined: str) -> None:
    assert join_uri(root, *parts) == joined
