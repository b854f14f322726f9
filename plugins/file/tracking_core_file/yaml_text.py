"""YAML as MLflow writes it: done without a YAML library where that is certain to agree.

A run's `meta.yaml` is a flat mapping of plain words and numbers, and PyYAML slow for so little.
Whatever isn't obviously that goes to PyYAML.
"""

from __future__ import annotations

import re
from typing import Any

from tracking_core.errors import CorruptDataError

# No digits first (numbers, dates, octals), no `: ` or ` #`, no colon at the end.
_WORD = r"[A-Za-z/](?:[\w\-./]|:(?=[\w/])| (?=[\w/]))*"
_HEX = r"(?!0[bBxX])[0-9]+[a-df][0-9a-f]*"
_INTEGER = r"0|-?[1-9][0-9]*"
_QUOTED = r"'(?:[ -&(-~]|'')*'"
_LINE = re.compile(
    rf"([a-z_]+): (?:(?P<integer>{_INTEGER})|(?P<word>{_WORD}|{_HEX})"
    rf"|(?P<quoted>{_QUOTED})|(?P<empty>\[\]|\{{\}}))",
    re.ASCII,
)
_INTEGER_ONLY = re.compile(_INTEGER, re.ASCII)
_WORD_ONLY = re.compile(rf"{_WORD}|{_HEX}", re.ASCII)
_QUOTABLE = re.compile(r"[ -~]*", re.ASCII)
_KEY = re.compile(r"[a-z_]+", re.ASCII)
# What YAML 1.1 takes for something other than text; `y` and `n` by some readers.
_SPECIAL = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))


def load_yaml(content: bytes, path: str) -> dict[str, Any]:
    """Return the mapping that a file holds.

    Args:
        content: Its bytes.
        path: Where it lies, for the error.

    Raises:
        CorruptDataError: It isn't YAML, or not a mapping.
    """
    simple = _load_simple(content)
    if simple is not None:
        return simple
    import yaml  # deferred: most files are simple

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        loaded = yaml.load(content, Loader=loader)
    except (yaml.YAMLError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise CorruptDataError(f"The file {path!r} is not valid YAML: {first}.") from error
    if not isinstance(loaded, dict):
        raise CorruptDataError(
            f"The file {path!r} holds no YAML mapping, but"
            f" {'nothing' if loaded is None else type(loaded).__name__}."
        )
    return loaded


def dump_yaml(values: dict[str, Any]) -> bytes:
    """Return the YAML of a mapping, its keys sorted."""
    simple = _dump_simple(values)
    if simple is not None:
        return simple
    import yaml  # deferred: most files are simple

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(
        dict(sorted(values.items())),
        Dumper=dumper,
        default_flow_style=False,
        allow_unicode=True,
        width=1_000_000,
        sort_keys=False,
    )
    return text.encode("utf-8")


def _load_simple(content: bytes) -> dict[str, Any] | None:
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return None
    if not text.endswith("\n"):
        return None
    values: dict[str, Any] = {}
    for line in text[:-1].split("\n"):
        found = _LINE.fullmatch(line)
        if found is None or found[1] in _SPECIAL:
            return None
        kind = found.lastgroup
        value: Any = found[kind or 0]
        if kind == "integer":
            value = int(value)
        elif kind == "quoted":
            value = value[1:-1].replace("''", "'")
        elif kind == "empty":
            value = [] if value == "[]" else {}
        elif value.lower() in _SPECIAL:
            if value != "null":
                return None
            value = None
        values[found[1]] = value
    return values


def _dump_simple(values: dict[str, Any]) -> bytes | None:
    lines = []
    for key in sorted(values):
        value = values[key]
        if not _KEY.fullmatch(key) or key in _SPECIAL:
            return None
        if value is None:
            text = "null"
        elif type(value) is int:
            text = str(value)
        elif value == []:
            text = "[]"
        elif value == {}:
            text = "{}"
        elif type(value) is not str or not _QUOTABLE.fullmatch(value):
            return None
        elif _WORD_ONLY.fullmatch(value) and value.lower() not in _SPECIAL:
            text = value
        else:
            text = "'" + value.replace("'", "''") + "'"
        lines.append(f"{key}: {text}\n")
    return "".join(lines).encode("ascii")
