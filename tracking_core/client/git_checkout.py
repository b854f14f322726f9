"""What a git checkout says of itself, read from its files: starting git would take longer.

Source: gitrepository-layout(5), git-config(1). A repository that keeps its refs in reftables says
its remote alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SECTION = re.compile(r'\s*\[\s*([\w.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]')
_ENTRY = re.compile(r"\s*([A-Za-z][\w-]*)\s*=\s*(.*?)\s*$")
_WEB_USER = re.compile(r"(?P<scheme>https?://)[^/?#]*@", re.IGNORECASE)
_MOST_LINKS = 5


class GitCheckout(msgspec.Struct, frozen=True):
    """Where a directory's code comes from; None for what isn't known.

    Attributes:
        commit: What is checked out.
        branch: None where no branch is.
        remote_url: Where it was cloned from, without user name and password.
    """

    commit: str | None = None
    branch: str | None = None
    remote_url: str | None = None


def read_checkout(directory: Path) -> GitCheckout | None:
    """Return what the checkout that holds a directory says, or None outside of one."""
    try:
        git = _find(directory)
        return None if git is None else _read(git)
    except (OSError, ValueError):
        return None


def _find(directory: Path) -> Path | None:
    """Return the git directory, which in worktrees and submodules lies elsewhere."""
    for place in (directory, *directory.parents):
        entry = place / ".git"
        if entry.is_dir():
            return entry
        if entry.is_file():
            text = entry.read_text(encoding="utf-8").strip()
            if text.startswith("gitdir:"):
                return place / text.removeprefix("gitdir:").strip()
    return None


def _read(git: Path) -> GitCheckout:
    # A worktree has a HEAD of its own, and shares the rest with the repository it belongs to.
    shared = git
    if (git / "commondir").is_file():
        shared = git / (git / "commondir").read_text(encoding="utf-8").strip()
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    branch = None
    if head.startswith("ref:"):
        name = head.removeprefix("ref:").strip()
        if name.startswith("refs/heads/") and name != "refs/heads/.invalid":
            branch = name.removeprefix("refs/heads/")
        head = _resolve(name, git, shared)
    return GitCheckout(
        commit=head if _COMMIT.fullmatch(head) else None,
        branch=branch,
        remote_url=_remote_url(shared),
    )


def _resolve(name: str, git: Path, shared: Path) -> str:
    for _ in range(_MOST_LINKS):
        if ".." in name.split("/"):
            return ""
        loose = next((d / name for d in (git, shared) if (d / name).is_file()), None)
        if loose is None:
            return _packed(name, shared)
        text = loose.read_text(encoding="utf-8").strip()
        if not text.startswith("ref:"):
            return text
        name = text.removeprefix("ref:").strip()
    return ""


def _packed(name: str, shared: Path) -> str:
    packed = shared / "packed-refs"
    if packed.is_file():
        for line in packed.read_text(encoding="utf-8").splitlines():
            commit, _, ref = line.partition(" ")
            if ref == name:
                return commit
    return ""


def _remote_url(shared: Path) -> str | None:
    """Return the URL of the remote `origin`, or of the first one if none is called so."""
    configuration = shared / "config"
    if not configuration.is_file():
        return None
    urls: dict[str, str] = {}
    for remote, url in _remotes(configuration.read_text(encoding="utf-8")):
        urls.setdefault(remote, url)
    if not urls:
        return None
    # A token may stand in the place of the user name, so all of it goes.
    return _WEB_USER.sub(r"\g<scheme>", urls.get("origin") or next(iter(urls.values())))


def _remotes(text: str) -> Iterator[tuple[str, str]]:
    remote: str | None = None
    for line in text.splitlines():
        if section := _SECTION.match(line):
            remote = section[2] if section[1].lower() == "remote" else None
            line = line[section.end() :]
        entry = _ENTRY.match(line)
        if remote is not None and entry is not None and entry[1].lower() == "url":
            yield remote, entry[2].strip('"')
