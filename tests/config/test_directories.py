"""The user's directories."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tracking_core.config import (
    user_cache_directory,
    user_configuration_directory,
    user_state_directory,
)

pytestmark = pytest.mark.skipif(
    os.name == "nt" or sys.platform == "darwin", reason="the convention of freedesktop.org"
)


def test_they_follow_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/a")
    monkeypatch.setenv("XDG_STATE_HOME", "/b")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/c")
    assert user_cache_directory() == Path("/a/tracking_core")
    assert user_state_directory() == Path("/b/tracking_core")
    assert user_configuration_directory() == Path("/c/tracking_core")


def test_without_the_variables_they_are_below_the_home_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/home/kim")
    assert user_cache_directory() == Path("/home/kim/.cache/tracking_core")
    assert user_state_directory() == Path("/home/kim/.local/state/tracking_core")
    assert user_configuration_directory() == Path("/home/kim/.config/tracking_core")
