"""Real checkouts, made by git, and what we read of them without it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tracking_core.client.git_checkout import GitCheckout, read_checkout


def git(directory: Path, *arguments: str) -> str:
    configured = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *configured, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(directory)},
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q")
    git(root, "commit", "-q", "--allow-empty", "-m", "first")
    (root / "deep/er").mkdir(parents=True)
    return root


def test_commit_and_branch_are_found_from_a_directory_below(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert read_checkout(checkout / "deep/er") == GitCheckout(commit, "main", None)


def test_packed_refs_and_branches_with_slashes(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "-b", "feature/x")
    git(checkout, "pack-refs", "--all")
    found = read_checkout(checkout)
    assert found == GitCheckout(git(checkout, "rev-parse", "HEAD"), "feature/x", None)


def test_a_detached_head_has_no_branch(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "--detach")
    assert read_checkout(checkout) == GitCheckout(git(checkout, "rev-parse", "HEAD"), None, None)


def test_a_worktree_has_its_own_head_and_the_repository_s_remote(checkout: Path) -> None:
    git(checkout, "remote", "add", "origin", "git@example.com:a/b.git")
    git(checkout, "worktree", "add", "-q", "-b", "side", "../side")
    git(checkout.parent / "side", "commit", "-q", "--allow-empty", "-m", "second")

    found = read_checkout(checkout.parent / "side")

    commit = git(checkout.parent / "side", "rev-parse", "HEAD")
    assert found == GitCheckout(commit, "side", "git@example.com:a/b.git")
    assert commit != git(checkout, "rev-parse", "HEAD")


def test_a_repository_without_a_commit_names_its_branch(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert read_checkout(tmp_path) == GitCheckout(None, "main", None)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@example.com/a.git", "https://example.com/a.git"),
        ("https://ghp_token@example.com/a.git", "https://example.com/a.git"),
        ("https://example.com/a@b.git", "https://example.com/a@b.git"),
        ("ssh://git@example.com/a.git", "ssh://git@example.com/a.git"),
        ("/srv/a.git", "/srv/a.git"),
    ],
)
def test_a_remote_s_url_comes_without_its_credentials(checkout: Path, url: str, shown: str) -> None:
    git(checkout, "remote", "add", "other", "https://example.com/other.git")
    git(checkout, "remote", "add", "origin", url)
    found = read_checkout(checkout)
    assert found is not None
    assert found.remote_url == shown


def test_outside_of_a_checkout_there_is_none(tmp_path: Path) -> None:
    assert read_checkout(tmp_path) is None


@pytest.mark.parametrize("head", ["", "ref: refs/heads/../../../etc/passwd", "\xff", "ref:"])
def test_a_broken_head_breaks_nothing(checkout: Path, head: str) -> None:
    (checkout / ".git/HEAD").write_bytes(head.encode("latin-1"))
    found = read_checkout(checkout)
    assert found is None or found.commit is None
