"""Who one is to a server: user and password, or a token."""

from __future__ import annotations

import configparser
from pathlib import Path

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from tracking_core.config import Settings


class BearerAuth(AuthBase):
    """Signs requests by a token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def basic_auth(user: str, password: str) -> AuthBase:
    """Return what signs requests by user and password, which may hold any character."""
    # As bytes: text would have to be Latin-1.
    return HTTPBasicAuth(user.encode(), password.encode())


def auth_of_settings(settings: Settings) -> AuthBase | None:
    """Return what signs requests by what the settings say; None: they say nothing."""
    if settings.http_username is not None and settings.http_password is not None:
        return basic_auth(settings.http_username, settings.http_password)
    if settings.http_token is not None:
        return BearerAuth(settings.http_token)
    return None


def auth_of_file() -> AuthBase | None:
    """Return what signs requests by MLflow's file of credentials; None: there is none."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        path = Path.home() / ".mlflow" / "credentials"
        parser.read_string(path.read_text(encoding="utf-8"))
    # A user without a home, as in a container, is a RuntimeError.
    except (OSError, RuntimeError, UnicodeDecodeError, configparser.Error):
        return None
    if "mlflow" not in parser:
        return None
    section = parser["mlflow"]
    user, password = (
        section.get("mlflow_tracking_username"),
        section.get("mlflow_tracking_password"),
    )
    return basic_auth(user, password) if user and password else None
