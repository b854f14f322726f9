"""Artifact paths can't leave their root, however they are spelled."""

from __future__ import annotations

import os
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_core.artifacts import check_path
from tracking_core.artifacts.paths import is_temporary, join_path, temporary_name
from tracking_core.errors import InvalidValueError
from tracking_core.testing.artifact_tests import NAMES, PATHS_THAT_LEAVE

WINDOWS_PATHS_THAT_LEAVE = [
    "..\\x",
    "a\\..\\..\\x",
    "a/..\\..\\x",
    "\\x",
    "\\\\server\\share",
    "a/C:",
    "a/c:x",
    "C:x",
    "file.txt:stream",
    "file::$DATA",
    "..:x",
    ".. ",
    "../ x",
    "a/.. /x",
    "a/...",
    "a./b",
    "a /b",
    "NUL",
    "nul.txt",
    "a/CON",
    "com1",
    "COM¹",
    "lpt9.log",
    "aux .txt",
    'a"b',
    "a<b",
    "a>b",
    "a|b",
    "a?b",
    "a*b",
    "a\nb",
]


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("path", PATHS_THAT_LEAVE)
def test_a_path_that_leaves_is_refused_with_a_sentence(path: str, windows: bool) -> None:
    with pytest.raises(InvalidValueError) as caught:
        check_path(path, windows=windows, allow_root=True)
    sentence = str(caught.value)
    assert sentence.startswith("The artifact path")
    assert sentence.endswith(".")
    assert ";" in sentence
    sentence.encode()  # can be printed
    assert "\0" not in sentence


def test_there_are_enough_spellings() -> None:
    assert len(set(PATHS_THAT_LEAVE)) >= 25


@pytest.mark.parametrize("path", WINDOWS_PATHS_THAT_LEAVE)
def test_what_windows_takes_for_something_else_is_refused_there(path: str) -> None:
    with pytest.raises(InvalidValueError):
        check_path(path, windows=True)


@pytest.mark.parametrize("name", [*NAMES, "NUL", "com1", "Aux.txt", "a\\b", "..\\x", "a. "])
def test_elsewhere_names_are_left_alone(name: str) -> None:
    assert check_path(name, windows=False) == name
    assert check_path(f"{name}/{name}", windows=False) == f"{name}/{name}"


@pytest.mark.parametrize(
    ("path", "normal"),
    [("./a", "a"), ("a/./b", "a/b"), ("a/.", "a"), ("././a/././b/.", "a/b"), (".a/.b", ".a/.b")],
)
def test_single_dots_are_left_out(path: str, normal: str) -> None:
    assert check_path(path) == normal


@pytest.mark.parametrize("path", ["", ".", "./."])
def test_the_root_is_named_only_where_it_is_allowed(path: str) -> None:
    assert check_path(path, allow_root=True) == ""
    with pytest.raises(InvalidValueError, match="root"):
        check_path(path)


@pytest.mark.parametrize("path", [None, b"a", 1, ["a"], object()])
def test_what_is_no_string_is_refused(path: object) -> None:
    with pytest.raises(InvalidValueError, match="give a string"):
        check_path(path)  # type: ignore[arg-type]


def test_a_long_path_is_shortened_in_the_sentence() -> None:
    with pytest.raises(InvalidValueError) as caught:
        check_path("x" * 10_000 + "/..")
    assert len(str(caught.value)) < 400


def test_names_for_files_that_are_being_written_are_reserved() -> None:
    name = temporary_name()
    assert is_temporary(name)
    assert temporary_name() != name
    assert len(name) < 64
    for path in (name, f"a/{name}", f"{name}/b"):
        with pytest.raises(InvalidValueError, match="being written"):
            check_path(path)
    for path in (f"{name}x", name[:-1], f"x{name}"):
        assert check_path(path) == path


PARTS = st.sampled_from(
    ["..", ".", "", "a", "...", " ", "\\", "..\\", "C:", "~", "%2e%2e", "\0", "\ud800", "é", "a:b"]
) | st.text(max_size=5)


@given(st.lists(PARTS, max_size=6).map("/".join) | st.text(st.characters(exclude_categories=())))
def test_whatever_is_accepted_stays_below_the_root_and_is_normal(path: str) -> None:
    try:
        checked = check_path(path, allow_root=True, windows=False)
    except InvalidValueError:
        return
    joined = posixpath.normpath(posixpath.join("/root", checked))
    assert joined == "/root" or joined.startswith("/root/")
    assert joined == posixpath.join("/root", checked).rstrip("/")
    assert check_path(checked, allow_root=True, windows=False) == checked
    os.fsencode(checked)


@given(st.lists(PARTS, max_size=6).map("/".join))
def test_whatever_is_accepted_for_windows_stays_below_the_root_there(path: str) -> None:
    import ntpath

    try:
        checked = check_path(path, allow_root=True, windows=True)
    except InvalidValueError:
        return
    joined = ntpath.normpath(ntpath.join("C:\\root", checked))
    assert joined == "C:\\root" or joined.startswith("C:\\root\\")
    assert ntpath.splitdrive(checked)[0] == ""
    assert check_path(checked, allow_root=True, windows=False) == checked


def test_parts_are_joined_without_the_empty_ones() -> None:
    assert join_path("", "a", "", "b/c") == "a/b/c"
    assert join_path() == ""
