"""Other processes that use the artifact repository under test, started as those of `child`."""

from __future__ import annotations

import base64
import os
import pickle
import sys

from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.testing.child import Child
from tracking_core.testing.repository_location import RepositoryLocation


def start(location: RepositoryLocation, task: str, *arguments: object) -> Child:
    """Start a process that does one of the tasks below, and let it begin."""
    child = Child(location, task, *arguments, module=__name__)
    child.go()
    return child


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _write_and_wait(repository: ArtifactRepository, path: str, size: int) -> None:
    """Write a part of a file, and wait for the end of this process."""
    with repository.open_write(path) as file:
        file.write(b"n" * size)
        file.flush()
        _tell("half")
        sys.stdin.readline()


def _write_again_and_again(
    repository: ArtifactRepository, path: str, letter: str, size: int
) -> None:
    """Write a file in pieces, until this process is killed or whoever started it is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        with repository.open_write(path) as file:
            for _ in range(4):
                file.write(letter.encode() * (size // 4))


def _fork(repository: ArtifactRepository) -> None:
    """Use the repository, fork, and use it on both sides."""
    _write(repository, "before", b"before")
    repository.list()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _write(repository, "child", b"child")
            names = [entry.path for entry in repository.list()]
            with repository.open_read("before") as file:
                status = 0 if file.read() == b"before" and "child" in names else 2
        finally:
            os._exit(status)
    _write(repository, "parent", b"parent")
    _, status = os.waitpid(child, 0)
    with repository.open_read("parent") as file:
        _tell(f"{os.waitstatus_to_exitcode(status)} {file.read().decode()}")


def _write(repository: ArtifactRepository, path: str, content: bytes) -> None:
    with repository.open_write(path) as file:
        file.write(content)


_TASKS = {
    function.__name__.lstrip("_"): function
    for function in (_fork, _write, _write_again_and_again, _write_and_wait)
}


def main() -> None:
    """Do the task that stands on standard input."""
    location, task, arguments = pickle.loads(base64.b64decode(sys.stdin.readline()))
    repository = location.open()
    _tell("ready")
    if sys.stdin.readline().strip() == "go":
        _TASKS[task](repository, *arguments)


if __name__ == "__main__":
    main()
