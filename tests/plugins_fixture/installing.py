"""Install the distributions beside this file, as an installer would do it with a wheel."""

from __future__ import annotations

import functools
import io
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent


@functools.cache
def _wheel(name: str) -> bytes:
    # Local, because only tests that install need it. In this process, because it is quick.
    from hatchling.builders.wheel import WheelBuilder

    with tempfile.TemporaryDirectory() as directory:
        (path,) = WheelBuilder(str(HERE / name)).build(directory=directory, versions=["standard"])
        return Path(path).read_bytes()


def install(names: tuple[str, ...], target: Path) -> Path:
    """Install distributions by the names of their folders into a directory, and return it."""
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        with zipfile.ZipFile(io.BytesIO(_wheel(name))) as wheel:
            wheel.extractall(target)
    return target
