"""Programs that the tests run in processes of their own, to log there and to be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

_PRELUDE = """
import json, os, sys
from tracking_core.config import Settings, Uri
from tracking_core.entities import *
from tracking_core.stores import *
from tracking_core_file.store import FileStore
globals().update(json.loads(sys.argv[1]))
store = FileStore(Uri.parse(root), Settings())
"""


def start(code: str, **arguments: Any) -> subprocess.Popen[str]:
    """Start a program that has a store on the argument `root`; each argument is a variable."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        [sys.executable, "-c", _PRELUDE + code, json.dumps(arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_all(programs: list[subprocess.Popen[str]]) -> list[str]:
    """Wait for programs, and return what they printed."""
    printed = [program.communicate(timeout=100)[0] for program in programs]
    assert [program.returncode for program in programs] == [0] * len(programs)
    return printed
