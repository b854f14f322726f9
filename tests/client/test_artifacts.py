from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tracking_core.client import Client
from tracking_core.errors import InvalidValueError, NotFoundError


def read(client: Client, run_id: str, path: str) -> bytes:
    return client.read_artifact(f"runs:/{run_id}/{path}")


def test_files_and_directories_are_logged_and_come_back(
    client: Client, run_id: str, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "deep/b.txt").write_text("b")

    client.log_artifact(run_id, str(source / "a.txt"))
    client.log_artifact(run_id, str(source / "a.txt"), "notes/")
    client.log_artifacts(run_id, str(source), "all")
    client.log_artifact(run_id, str(source))

    assert [each.path for each in client.list_artifacts(run_id)] == [
        "a.txt",
        "all",
        "notes",
        "source",
    ]
    assert [(e.path, e.is_dir) for e in client.list_artifacts(run_id, "all")] == [
        ("all/a.txt", False),
        ("all/deep", True),
    ]
    assert read(client, run_id, "source/deep/b.txt") == b"b"
    where = client.download_artifacts(run_id, "all", str(tmp_path / "new/place"))
    assert where == str(tmp_path / "new/place/all")
    assert (Path(where) / "deep/b.txt").read_text() == "b"
    everything = client.download_artifacts(run_id, "")
    assert sorted(path.name for path in Path(everything).iterdir()) == [
        "a.txt",
        "all",
        "notes",
        "source",
    ]


def test_text_dictionaries_and_streams(client: Client, run_id: str) -> None:
    client.log_text(run_id, "zwölf", "t.txt")
    client.log_dict(run_id, {"a": [1, {"b": None}], 3: (1, 2)}, "d.json")
    client.log_dict(run_id, {"a": ["ü", 1]}, "d.yaml")
    client.log_dict(run_id, ["x"], "other.cfg")
    client.log_stream(run_id, io.BytesIO(b"x" * 3_000_000), "big.bin")
    client.log_stream(run_id, io.StringIO("text"), "s.txt")

    assert read(client, run_id, "t.txt").decode() == "zwölf"
    assert json.loads(read(client, run_id, "d.json")) == {"a": [1, {"b": None}], "3": [1, 2]}
    assert read(client, run_id, "d.yaml").decode() == "a:\n- ü\n- 1\n"
    assert json.loads(read(client, run_id, "other.cfg")) == ["x"]
    assert len(read(client, run_id, "big.bin")) == 3_000_000
    assert read(client, run_id, "s.txt") == b"text"


def test_a_stream_that_breaks_leaves_nothing(client: Client, run_id: str) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            if not data:
                raise RuntimeError("cut")
            return data

    with pytest.raises(RuntimeError, match="cut"):
        client.log_stream(run_id, Broken(b"half"), "a.bin")

    assert client.list_artifacts(run_id) == []


def test_numpy_values_in_a_dictionary_are_written_as_plain_ones(
    client: Client, run_id: str
) -> None:
    numpy = pytest.importorskip("numpy")
    client.log_dict(run_id, {"a": numpy.arange(2), "b": numpy.float32(0.5)}, "d.json")

    assert json.loads(read(client, run_id, "d.json")) == {"a": [0, 1], "b": 0.5}


class PlotlyLike:
    """Has the methods of Plotly's figures."""

    def write_html(self, path: str, **arguments: Any) -> None:
        Path(path).write_text(f"<html>{arguments}")

    def write_image(self, path: str, **arguments: Any) -> None:
        Path(path).write_bytes(Path(path).suffix.encode())


def test_figures_of_plotly_by_extension(client: Client, run_id: str) -> None:
    client.log_figure(run_id, PlotlyLike(), "a/p.html", save_kwargs={"full_html": False})
    client.log_figure(run_id, PlotlyLike(), "a/p.svg")

    html = read(client, run_id, "a/p.html").decode()
    assert "'full_html': False" in html
    assert "cdn" in html
    assert read(client, run_id, "a/p.svg") == b".svg"


def test_figures_of_matplotlib(client: Client, run_id: str) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])

    client.log_figure(run_id, figure, "plots/p.png", save_kwargs={"dpi": 30})

    assert read(client, run_id, "plots/p.png").startswith(b"\x89PNG")
    with pytest.raises(InvalidValueError, match="can't be written"):
        client.log_figure(run_id, figure, "p.nosuch")


def test_uris_lead_to_files_of_this_machine(client: Client, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/a b.txt").write_text("x")
    uri = (tmp_path / "dir/a b.txt").as_uri()

    assert client.download_artifact_uri(uri) == str(tmp_path / "dir/a b.txt")
    assert client.download_artifact_uri(str(tmp_path / "dir")) == str(tmp_path / "dir")
    assert client.read_artifact(uri) == b"x"
    copied = client.download_artifact_uri(uri, str(tmp_path / "there"))
    assert Path(copied).read_text() == "x"
    assert [e.path for e in client.list_artifact_uri(str(tmp_path / "dir"))] == ["dir/a b.txt"]


def test_what_is_not_there_is_not_found(client: Client, run_id: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        client.download_artifacts(run_id, "none", str(tmp_path / "d"))
    assert not (tmp_path / "d").exists()
    with pytest.raises(NotFoundError):
        client.log_artifact(run_id, str(tmp_path / "none"))
    with pytest.raises(NotFoundError):
        client.read_artifact(f"runs:/{run_id}/none")
    assert client.list_artifacts(run_id, "none") == []
