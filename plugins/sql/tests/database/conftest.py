"""A PostgreSQL server of the tests' own, which they may stop and start."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Cluster:
    """A server on a port of its own, run by the user postgres."""

    programs: Path
    directory: Path
    port: int

    @property
    def uri(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def control(self, *arguments: str) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        command = [str(self.programs / "pg_ctl"), "-D", str(self.directory), "-w", "-o", options]
        log = ["-l", str(self.directory / "log")]
        as_postgres([*command, *log, *arguments])

    def restart(self) -> None:
        self.control("restart", "-m", "immediate")


def as_postgres(command: list[str]) -> None:
    if os.geteuid() == 0:  # the server refuses to run as root
        command = ["runuser", "-u", "postgres", "--", *command]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=60)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = found[-1] if found else shutil.which("initdb")
    if initdb is None:
        if os.environ.get("CI"):
            pytest.fail("no PostgreSQL server is installed")
        pytest.skip("no PostgreSQL server is installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Not below tmp_path, whose parents are closed to the user postgres.
    directory = Path("/tmp") / f"tracking-cluster-{os.getpid()}-{port}"
    cluster = Cluster(Path(initdb).parent, directory, port)
    try:
        as_postgres(
            [str(initdb), "-D", str(directory), "-A", "trust", "-U", "postgres", "-E", "UTF8"]
        )
        cluster.control("start")
        yield cluster
    finally:
        if (directory / "postmaster.pid").exists():
            cluster.control("stop", "-m", "immediate")
        shutil.rmtree(directory, ignore_errors=True)
