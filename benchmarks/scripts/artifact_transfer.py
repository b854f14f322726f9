"""Move artifacts to a local directory and back: artifact_transfer.py MODULE SMALL LARGE."""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

module, *directories = sys.argv[1:]
ROOT = Path.cwd() / "artifacts"
WRITES = 500

if module == "tracking_core":
    from tracking_core.artifacts import download, upload
    from tracking_core.config import Settings
    from tracking_core.discovery import open_artifact_repository

    repository = open_artifact_repository(ROOT, Settings())

    def up(source: str, name: str) -> None:
        upload(source, repository, name)

    def down(name: str, destination: Path) -> None:
        download(repository, name, destination)

    def write(number: int, content: bytes) -> None:
        with repository.open_write(f"loop/{number}.png") as file:
            file.write(content)

else:
    home = importlib.import_module("mlflow.store.artifact.local_artifact_repo")
    peer = home.LocalArtifactRepository(ROOT.as_uri())
    scratch = Path.cwd() / "scratch"
    scratch.mkdir()

    def up(source: str, name: str) -> None:
        peer.log_artifacts(source, name)

    def down(name: str, destination: Path) -> None:
        destination.mkdir()
        peer.download_artifacts(name, str(destination))

    def write(number: int, content: bytes) -> None:
        # As its log_image and log_text do: a temporary file, then log_artifact.
        local = scratch / f"{number}.png"
        local.write_bytes(content)
        peer.log_artifact(str(local), "loop")
        local.unlink()


def seconds(call: Callable[..., None], *arguments: object) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def write_all() -> None:
    for number in range(WRITES):
        write(number, b"x" * 4096)


values = {}
for directory in directories:
    name = Path(directory).name
    back = Path.cwd() / f"{name}-back"
    values[f"{name}_up"] = seconds(up, directory, name)
    values[f"{name}_down"] = seconds(down, name, back)
    for original in Path(directory).rglob("*.bin"):
        path = original.relative_to(directory)
        for copy in (ROOT / name / path, back / name / path):
            if copy.read_bytes() != original.read_bytes():
                sys.exit(f"{copy} is not what was sent")
values["write_loop"] = seconds(write_all) / WRITES * 1e6
if len(list((ROOT / "loop").iterdir())) != WRITES:
    sys.exit("files of the loop are missing")
print(json.dumps(values))
