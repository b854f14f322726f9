from __future__ import annotations

import subprocess
import sys

LOADED_WHEN_NEEDED = {"base64", "difflib", "hashlib", "json"}


def test_importing_the_room_loads_nothing_that_only_some_calls_need() -> None:
    code = "import sys, tracking_core.search; print(*sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(finished.stdout.split())
    assert "tracking_core.search.parser" in loaded
    assert not LOADED_WHEN_NEEDED & loaded
