"""Throw-away environments with the peers in them, for benchmarks and for tests of compatibility.

An environment is made once, by uv, in the user's cache directory; checkouts share it. Its name
holds a digest of what is in it, so that changing a requirement makes another one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracking_core.config import user_cache_directory

ROOT = Path(__file__).parents[1]

# Read once: tests point XDG_CACHE_HOME elsewhere.
PEERS_DIRECTORY = user_cache_directory() / "peers"

# Prepended to a snippet; puts its arguments into its namespace.
_PRELUDE = "import json, sys\nglobals().update(json.load(sys.stdin))\n"


class PeerError(Exception):
    """A peer's environment can't be made, or a program run in it failed."""


@dataclass(frozen=True)
class Peer:
    """A program that we measure against or must understand.

    Attributes:
        name: What it is called in tables and in the name of its directory.
        requirements: What is installed.
        environment: Variables that its programs need.
    """

    name: str
    requirements: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


MLFLOW = Peer(
    "mlflow",
    ("mlflow==3.17.2",),
    {
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    },
)

MLFLOW_2 = Peer(
    "mlflow-2",
    # What it was written for: later ones lack what it imports.
    ("mlflow==2.22.1", "setuptools<81", "sqlalchemy<2.1"),
    MLFLOW.environment,
)
"""The last release of MLflow 2, whose clients are still many."""

MLFLOW_WITH_DRIVERS = Peer(
    "mlflow-with-drivers",
    ("mlflow==3.17.2", "psycopg[binary]", "pymysql"),
    MLFLOW.environment,
)
"""Stock MLflow that can reach database servers."""

FASTTRACKML = Peer("fasttrackml", ("fasttrackml==0.6.0", "setuptools<81", "psycopg[binary]"))
"""A server in Go that speaks MLflow REST; its own Python client doesn't work with this MLflow."""


@dataclass(frozen=True)
class PeerEnvironment:
    """A peer that is installed and can be run.

    Attributes:
        peer: What is in it.
        directory: The virtual environment.
    """

    peer: Peer
    directory: Path

    @property
    def scripts(self) -> Path:
        """The directory of its programs."""
        return self.directory / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.scripts / ("python.exe" if os.name == "nt" else "python")

    def variables(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment for a program: this process's, but no setting of a tracker."""
        return {**clean_variables(), **self.peer.environment, **(extra or {})}

    def run(
        self,
        code: str,
        *,
        environment: Mapping[str, str] | None = None,
        working_directory: Path | None = None,
        timeout: float = 100,
        **arguments: Any,
    ) -> Any:
        """Run Python code in the peer and return the JSON that it printed last.

        Args:
            code: The program; `json` and `sys` are imported, and each argument is a variable.
            environment: Variables on top of the peer's own.
            working_directory: Where it runs; the current directory if None.
            timeout: Seconds that it may take.
            **arguments: Values that JSON can carry.

        Raises:
            PeerError: It failed, took too long, or printed no JSON.
        """
        try:
            finished = subprocess.run(
                [self.python, "-c", _PRELUDE + code],
                input=json.dumps(arguments),
                env=self.variables(environment),
                cwd=working_directory,
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise PeerError(f"{self.peer.name} took more than {timeout} s.") from error
        if finished.returncode != 0:
            raise PeerError(
                f"{self.peer.name} ended with status {finished.returncode}:\n{finished.stderr}"
            )
        lines = finished.stdout.strip().splitlines()
        try:
            return json.loads(lines[-1])
        except (IndexError, ValueError) as error:
            raise PeerError(
                f"{self.peer.name} printed no JSON in its last line, but:\n{finished.stdout}"
            ) from error


def clean_variables() -> dict[str, str]:
    """Return this process's environment for a child that is another program.

    Settings of trackers are the developer's business. Bytecode is written, for an import that
    compiles everything each time measures the compiler.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "TRACKING_", "PYTEST_", "COV_"))
        and name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONWARNINGS", "VIRTUAL_ENV")
    }


def make_environment(peer: Peer, directory: Path = PEERS_DIRECTORY) -> PeerEnvironment:
    """Return the peer's environment, which the first call makes.

    Safe to call from several processes at once: one makes it, the others wait.

    Raises:
        PeerError: uv is missing or couldn't install the peer.
    """
    interpreter = os.path.realpath(sys.executable)
    tag = "|".join((*peer.requirements, sysconfig.get_platform(), sys.version, interpreter))
    environment = PeerEnvironment(
        peer, directory / f"{peer.name}-{hashlib.sha256(tag.encode()).hexdigest()[:12]}"
    )
    ready = environment.directory / ".ready"
    if ready.exists():
        return environment
    with _lock(environment.directory.with_suffix(".lock")):
        if not ready.exists():
            _install(environment)
            ready.touch()
    return environment


def _install(environment: PeerEnvironment) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        raise PeerError(
            "uv is neither beside the interpreter nor on PATH; `make test` installs it."
        )
    make = [
        uv,
        "venv",
        "--quiet",
        "--clear",
        "--python",
        # The interpreter itself: a link through this checkout's environment would end with it.
        os.path.realpath(sys.executable),
        str(environment.directory),
    ]
    install = [uv, "pip", "install", "--quiet", "--python", str(environment.python)]
    for command in (make, [*install, *environment.peer.requirements]):
        # In the checkout, so that uv takes exclude-newer from its pyproject.toml.
        finished = subprocess.run(
            command, cwd=ROOT, env=clean_variables(), capture_output=True, text=True
        )
        if finished.returncode != 0:
            raise PeerError(
                f"The environment of {environment.peer.name} can't be made:\n{finished.stderr}"
            )


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.name == "nt":  # no flock there; two makers at once are a nuisance, not a danger
        yield
        return
    import fcntl  # POSIX only

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
