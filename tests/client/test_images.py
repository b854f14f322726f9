from __future__ import annotations

import io
import re
import sys
from typing import Any

import pytest

from tracking_core.client import Client
from tracking_core.errors import InvalidValueError, MissingDependencyError

numpy = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")


def picture(client: Client, run_id: str, path: str) -> Any:
    return Image.open(io.BytesIO(client.read_artifact(f"runs:/{run_id}/{path}")))


@pytest.mark.parametrize(
    ("array", "mode", "corner"),
    [
        (numpy.full((4, 5), True), "L", 255),
        (numpy.full((4, 5), 7, dtype="int64"), "L", 7),
        (numpy.full((4, 5, 1), 1.0), "L", 255),
        (numpy.full((4, 5, 3), 9, dtype="uint8"), "RGB", (9, 9, 9)),
        (numpy.full((4, 5, 4), 0.0, dtype="float32"), "RGBA", (0, 0, 0, 0)),
    ],
)
def test_arrays_become_images(
    client: Client, run_id: str, array: Any, mode: str, corner: Any
) -> None:
    client.log_image(run_id, array, "dir/a.png")

    image = picture(client, run_id, "dir/a.png")
    assert (image.mode, image.size, image.getpixel((0, 0))) == (mode, (5, 4), corner)


def test_images_of_pil_in_the_format_of_the_extension(client: Client, run_id: str) -> None:
    client.log_image(run_id, Image.new("RGB", (3, 3)), "a.jpg")
    assert picture(client, run_id, "a.jpg").format == "JPEG"


def test_an_image_of_a_key_lies_where_mlflow_shows_it(client: Client, run_id: str) -> None:
    client.log_image(run_id, numpy.zeros((900, 600)), key="dogs/big", step=3, timestamp=5)

    small, whole = (each.path for each in client.list_artifacts(run_id, "images"))
    name = r"images/dogs~big\+step\+3\+timestamp\+5\+[0-9a-f-]{36}"
    assert re.fullmatch(rf"{name}\.png", whole)
    assert small == whole.removesuffix(".png") + "+compressed.webp"
    assert picture(client, run_id, whole).size == (600, 900)
    assert max(picture(client, run_id, small).size) == 256
    assert client.get_run(run_id).data.tags["mlflow.loggedImages"] == "True"


@pytest.mark.parametrize(
    ("image", "arguments", "sentence"),
    [
        (numpy.zeros((2, 2)), {}, "artifact_file or a key"),
        (numpy.zeros((2, 2)), {"artifact_file": "a.png", "key": "k"}, "not both"),
        (numpy.zeros((2, 2)), {"artifact_file": "a.png", "step": 1}, "go with a key"),
        (numpy.zeros((2, 2)), {"key": "a#b"}, "image key 'a#b'"),
        (numpy.zeros((2, 2)), {"artifact_file": "a.nosuch"}, "can't be written as .nosuch"),
        (numpy.zeros((2, 2, 4)), {"artifact_file": "a.jpg"}, "can't be written as .jpg"),
        (numpy.full((2, 2), 256), {"key": "k"}, "from 0 to 255"),
        (numpy.full((2, 2), 1.5), {"key": "k"}, "from 0 to 1"),
        (numpy.full((2, 2), numpy.nan), {"key": "k"}, "from 0 to 1"),
        (numpy.zeros((2, 2, 2)), {"key": "k"}, "has the shape"),
        (numpy.zeros(0), {"key": "k"}, "has the shape"),
        (numpy.array([["a"]]), {"key": "k"}, "booleans, integers or floats"),
        ("a.png", {"key": "k"}, "is of type str"),
    ],
)
def test_what_is_no_image_is_refused_and_nothing_is_written(
    client: Client, run_id: str, image: Any, arguments: Any, sentence: str
) -> None:
    with pytest.raises(InvalidValueError, match=sentence):
        client.log_image(run_id, image, **arguments)
    assert client.list_artifacts(run_id) == []


def test_without_pillow_the_error_says_what_to_install(
    client: Client, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'tracking-core\[images\]'"):
        client.log_image(run_id, numpy.zeros((2, 2)), "a.png")
