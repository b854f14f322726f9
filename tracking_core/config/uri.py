r"""URIs of stores and artifact roots: parsed once, printed without secrets.

Three things that generic URL parsers get wrong for this job are handled here: paths of any
system are URIs too (`./mlruns`, `C:\runs`), passwords may hold any character, and object keys
may hold `?`, `#` and `%`, so that nothing behind the authority is decoded, but for `file`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from tracking_core.errors import InvalidValueError

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):(?P<rest>.*)", re.DOTALL)
_WINDOWS_DRIVE = re.compile(r"[A-Za-z]:($|[\\/])")
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]*\]|[^:/?#@\[\]]*)(:\d*)?")
_SECRET_NAME = re.compile(
    r"pass(word|wd)?$|pwd|token|secret|signature|^sig$|credential|api[_-]?key|access[_-]?key", re.I
)
_MASK = "***"
# MLflow writes these without a colon; a directory of this name is `./databricks`.
_BARE_SCHEMES = frozenset({"databricks", "databricks-uc"})


class Uri(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """A parsed URI or path.

    `str()` and `repr()` show it with its secrets masked; `text` is the whole thing, for the
    library that connects, and must not be printed, logged or stored.

    Attributes:
        text: What was given.
        scheme: In lower case; `file` for a path.
        path: What follows the authority, without the query. For `file`: an absolute path of this
            system; for others: as written.
        username: Decoded; None if there is none.
        password: Decoded; None if there is none.
        host: In lower case, brackets of IPv6 addresses kept; empty if there is none.
        port: None if there is none.
        query: The query's pairs, decoded; the last of equal names wins.
    """

    text: str
    scheme: str
    path: str = ""
    username: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    query: dict[str, str] = {}

    @classmethod
    def parse(cls, text: str | os.PathLike[str]) -> Uri:
        """Parse a URI or a path.

        Raises:
            InvalidValueError: The text is empty, holds a NUL byte, or isn't a URI of its scheme.
        """
        text = os.fspath(text)
        if not text or not text.strip():
            raise InvalidValueError("The URI is empty; give a path such as ./mlruns or a URI.")
        if "\0" in text:
            raise InvalidValueError("The URI holds a NUL byte; no path or address may hold one.")
        if text.lower() in _BARE_SCHEMES:
            return cls(text=text, scheme=text.lower())
        match = None if _WINDOWS_DRIVE.match(text) else _SCHEME.fullmatch(text)
        if match is None:
            return cls(text=text, scheme="file", path=_absolute(text))
        scheme, rest = match["scheme"].lower(), match["rest"]
        if scheme == "file":
            return cls(text=text, scheme="file", path=_file_path(text, rest))
        return _parse_remote(text, scheme, rest)

    @property
    def local_path(self) -> Path:
        """The path of a `file` URI.

        Raises:
            InvalidValueError: The URI has another scheme.
        """
        if self.scheme != "file":
            raise InvalidValueError(f"{self} is not a local path.")
        return Path(self.path)

    @property
    def redacted(self) -> str:
        """The text with password and secret query values masked."""
        return redact(self.text)

    def __str__(self) -> str:
        return self.redacted

    def __repr__(self) -> str:
        return f"Uri({self.redacted!r})"


def redact(text: str) -> str:
    """Mask the password and the secret query values of a URI, for printing.

    A text that isn't a URI comes back as it is.
    """
    head, separator, rest = text.partition("://")
    if not separator:
        return text
    userinfo, after = _split_userinfo(head.lower(), rest)
    doubtful = _doubtful_secret(head.lower(), rest)
    if doubtful is not None:
        rest = f"{rest[: doubtful[0]]}{_MASK}{rest[doubtful[1] :]}"
    elif userinfo is not None:
        name, colon, _ = userinfo.partition(":")
        rest = f"{name}{colon}{_MASK if colon else ''}@{after}"
    location, question, query = rest.partition("?")
    if question:
        pairs = []
        for pair in query.split("&"):
            name, equals, value = pair.partition("=")
            secret = value and _SECRET_NAME.search(unquote(name))
            pairs.append(f"{name}{equals}{_MASK if secret else value}")
        rest = f"{location}?{'&'.join(pairs)}"
    return f"{head}://{rest}"


def path_to_file_uri(path: str | os.PathLike[str]) -> str:
    """Return the `file:` URI of a path, made absolute, percent-encoded."""
    return Path(_absolute(os.fspath(path))).as_uri()


def join_uri(root: str, *parts: str) -> str:
    """Append relative POSIX parts to a URI or path, before its query if it has one.

    Parts are percent-encoded for `file:` URIs alone: object keys are used literally.
    """
    match = None if _WINDOWS_DRIVE.match(root) else _SCHEME.fullmatch(root)
    scheme = match["scheme"].lower() if match else ""
    location, question, query = root, "", ""
    if match and scheme not in _LITERAL_QUESTION_MARKS:
        location, question, query = root.partition("?")
    encoded = [quote(part) if scheme == "file" else part for part in parts if part]
    return "/".join([location.rstrip("/"), *encoded]) + question + query


# Object keys and paths may hold a question mark; there a query doesn't exist.
_LITERAL_QUESTION_MARKS = frozenset({"", "file", "s3", "gs", "gcs", "memory", "hdfs", "sftp"})


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _file_path(text: str, rest: str) -> str:
    if rest.startswith("//"):
        host, slash, tail = rest[2:].partition("/")
        if os.name == "nt" and host and host.lower() != "localhost":
            return os.path.abspath(rf"\\{host}\{unquote(tail)}")
        if host.lower() not in ("", "localhost"):
            raise InvalidValueError(
                f"The URI {text!r} names the host {host!r}, but a file: URI is a path of this"
                f" machine; write file:///{host}{slash}{tail} or {host}{slash}{tail}."
            )
        rest = slash + tail
    path = unquote(rest)
    if os.name == "nt" and re.match(r"/[A-Za-z]:", path):
        path = path[1:]
    return _absolute(path) if path else _absolute(".")


def _split_userinfo(scheme: str, rest: str) -> tuple[str | None, str]:
    """Split what follows `://` into user information and the remainder.

    A password may hold `/`, `?`, `#` and `@` unencoded: unless the text begins with a host and
    port, the last `@` before the query that a host and port follow ends the user information.
    """
    end = min((i for i in (rest.find(c) for c in "/?#") if i >= 0), default=len(rest))
    if _HOST_AND_PORT.fullmatch(rest[:end]):
        return None, rest
    userinfo, at, host = rest[:end].rpartition("@")
    # Paths of web addresses hold `@` in earnest (`/model@v1`), those of databases don't.
    if at and scheme in ("http", "https") and _HOST_AND_PORT.fullmatch(host):
        return userinfo, host + rest[end:]
    query = re.search(r"\?[\w.\-]+=", rest)
    position = rest.rfind("@", 0, query.start() if query else len(rest))
    while position >= 0:
        after = rest[position + 1 :]
        host = re.split(r"[/?#]", after, maxsplit=1)[0]
        if _HOST_AND_PORT.fullmatch(host):
            return rest[:position], after
        position = rest.rfind("@", 0, position)
    return None, rest


def _doubtful_secret(scheme: str, rest: str) -> tuple[int, int] | None:
    """Return where a password may stand that looks like host, path and query; better to hide it.

    With `/`, `?` or `@` unencoded, `kim:5?a=b@host` could be a host with a query too. Object keys
    and the paths of web addresses hold `@` in earnest, unless what begins can't be a host.
    """
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if scheme in ("http", "https"):
        if "@" in authority or _HOST_AND_PORT.fullmatch(authority):
            return None
    elif scheme in _LITERAL_QUESTION_MARKS:
        return None
    begin, end = rest.find(":") + 1, rest.rfind("@")
    return (begin, end) if 0 < begin <= end else None


def _parse_remote(text: str, scheme: str, rest: str) -> Uri:
    if not rest.startswith("//"):
        location, _, query = rest.partition("?")
        return Uri(text=text, scheme=scheme, path=location, query=_query(query))
    userinfo, after = _split_userinfo(scheme, rest[2:])
    split = re.search(r"[/?]" if scheme not in _LITERAL_QUESTION_MARKS else r"/", after)
    end = split.start() if split else len(after)
    authority, tail = after[:end], after[end:]
    host, port = authority, None
    match = re.fullmatch(r"(?P<host>\[[^\]]*\]|[^:]*):(?P<port>\d*)", authority)
    if match:
        host, port = match["host"], int(match["port"]) if match["port"] else None
        if port is not None and port > 65535:
            raise InvalidValueError(f"The port {port} in {redact(text)!r} is above 65535.")
    path, query = tail, ""
    if scheme not in _LITERAL_QUESTION_MARKS:
        path, _, query = tail.partition("?")
    username, password = None, None
    if userinfo is not None:
        name, colon, secret = userinfo.partition(":")
        username, password = unquote(name), unquote(secret) if colon else None
    return Uri(
        text=text,
        scheme=scheme,
        path=path,
        username=username,
        password=password,
        # Bucket names, profiles and share names are case-sensitive; only true hosts aren't.
        host=host.lower() if scheme in ("http", "https") else host,
        port=port,
        query=_query(query),
    )


def _query(query: str) -> dict[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True)) if query else {}
