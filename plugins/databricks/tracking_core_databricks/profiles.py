"""The file of profiles that Databricks's tools write and read.

Source: https://docs.databricks.com/dev-tools/auth/config-profiles.html
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tracking_core.errors import InvalidValueError, NotFoundError, PermissionDeniedError

DEFAULT_PROFILE = "DEFAULT"
HOW_TO_MAKE_ONE = (
    "'databricks auth login --host https://WORKSPACE --profile NAME' or 'databricks configure'"
)

_SETTINGS = "__settings__"


class ProfileFile(msgspec.Struct, frozen=True):
    """What a file of profiles says.

    Attributes:
        path: The file; it may not be there.
        profiles: The fields of each profile, by its name; those of others aren't mixed in.
        default_name: The profile for who names none; None: there is none.
    """

    path: Path
    profiles: dict[str, dict[str, str]]
    default_name: str | None = None

    def profile(self, name: str) -> dict[str, str]:
        """Return the fields of a profile.

        Raises:
            NotFoundError: There is none of this name.
        """
        if name in self.profiles:
            return self.profiles[name]
        if not self.path.exists():
            raise NotFoundError(
                f"There is no profile {name!r}, as the file {self.path} isn't there;"
                f" {HOW_TO_MAKE_ONE} makes it."
            )
        known = ", ".join(sorted(self.profiles)) or "none"
        raise NotFoundError(
            f"The file {self.path} has no profile {name!r}; it has: {known}. Name one of them, or"
            f" make it by {HOW_TO_MAKE_ONE}."
        )


def path_of_profiles(environment: Mapping[str, str]) -> Path:
    """Return where the profiles are."""
    return Path(environment.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg").expanduser()


def read_profiles(path: Path) -> ProfileFile:
    """Read a file of profiles; one that isn't there has none.

    Raises:
        PermissionDeniedError: It can't be read.
        InvalidValueError: It isn't such a file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ProfileFile(path, {})
    except PermissionError as error:
        raise PermissionDeniedError(
            f"The file of Databricks profiles {path} can't be read ({error.strerror}); see who may"
            " read it, or name another by DATABRICKS_CONFIG_FILE."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or "it isn't UTF-8 text"
        raise InvalidValueError(
            f"The file of Databricks profiles {path} can't be read ({cause}); name another by"
            " DATABRICKS_CONFIG_FILE."
        ) from error
    # A name that no section can have keeps configparser from mixing [DEFAULT] into the others.
    parser = configparser.ConfigParser(interpolation=None, default_section="\0")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        # What configparser says quotes the line, in which a token may stand.
        line = getattr(error, "lineno", None) or next(
            (number for number, _ in getattr(error, "errors", ())), None
        )
        where = "" if line is None else f" at line {line}"
        raise InvalidValueError(
            f"The file of Databricks profiles {path} can't be understood{where}; write [NAME], and"
            " below it host = https://WORKSPACE and token = TOKEN."
        ) from None
    sections = {name: dict(parser.items(name)) for name in parser.sections()}
    chosen = sections.pop(_SETTINGS, {}).get("default_profile", "").strip()
    if not sections.get(DEFAULT_PROFILE, {"": ""}):
        del sections[DEFAULT_PROFILE]  # the header alone stands there
    fallback = DEFAULT_PROFILE if DEFAULT_PROFILE in sections else None
    return ProfileFile(path, sections, chosen or fallback)
