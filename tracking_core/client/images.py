"""The client's method for images.

Source: MLflow's naming, so that its UI shows them: an image of a key lies in `images/` as
`KEY+step+STEP+timestamp+MS+UUID.png`, with a small `...+compressed.webp` beside it; `/` in a key is
written `~`.
"""

from __future__ import annotations

import io
import os
import re
import uuid
from typing import Any

from tracking_core.artifacts.paths import check_path, join_path
from tracking_core.client.dependencies import require
from tracking_core.client.tables import TableMethods
from tracking_core.errors import InvalidValueError
from tracking_core.stores import validation
from tracking_core.stores.validation import shown

LOGGED_IMAGES_TAG = "mlflow.loggedImages"

_KEY = re.compile(r"[A-Za-z0-9_\-./ ]+")
_LARGEST_SIDE = 256


class ImageMethods(TableMethods):
    """Images, as single files or as a series over steps."""

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
    ) -> None:
        """Write an image to an artifact: to a path, or as one of the series of a key.

        Args:
            run_id: The run.
            image: A numpy array of height x width (x 1, 3 or 4 channels) of booleans, integers
                from 0 to 255 or floats from 0 to 1; or an image of PIL.
            artifact_file: The path, whose extension says the format.
            key: The series, instead of a path.
            step: Its place in the series; None: 0.
            timestamp: Milliseconds since the epoch; None: now.
            synchronous: Accepted as MLflow has it; the file is there when the call returns.

        Raises:
            InvalidValueError: It is no image; or not exactly one of path and key is given.
            NotFoundError: There is no such run.
            InvalidStateError: The run is deleted.
            MissingDependencyError: Pillow isn't there.
        """
        if (artifact_file is None) == (key is None):
            raise InvalidValueError("An image needs an artifact_file or a key, and not both.")
        if artifact_file is not None and (step is not None or timestamp is not None):
            raise InvalidValueError("step and timestamp go with a key, not with an artifact_file.")
        picture = as_picture(image)
        if artifact_file is not None:
            path = check_path(artifact_file)
            self._write(run_id, path, _encoded(picture, os.path.splitext(path)[1]))
            return
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise InvalidValueError(
                f"The image key {shown(key)} may hold ASCII letters, digits, underscores, dashes,"
                " periods, spaces and slashes only, and must not be empty."
            )
        step = validation.check_int64(0 if step is None else step, what="step")
        timestamp = self._now() if timestamp is None else validation.check_timestamp(timestamp)
        name = f"{key.replace('/', '~')}+step+{step}+timestamp+{timestamp}+{uuid.uuid4()}"
        content = _encoded(picture, ".png")
        self._write(run_id, join_path("images", f"{name}.png"), content)
        small = _compressed(picture)
        if small is not None:
            self._write(run_id, join_path("images", f"{name}+compressed.webp"), small)
        self.set_tag(run_id, LOGGED_IMAGES_TAG, True)


def as_picture(image: Any) -> Any:
    """Return an image of PIL for whatever `log_image` takes.

    Raises:
        InvalidValueError: It is no image.
        MissingDependencyError: Pillow isn't there.
    """
    pil = require("PIL.Image", "Pillow", extra="images", to="write images")
    if isinstance(image, pil.Image):
        return image
    to_pil = getattr(image, "to_pil", None)
    if callable(to_pil):
        return to_pil()
    if not (hasattr(image, "__array_interface__") or hasattr(image, "__array__")):
        raise InvalidValueError(
            f"The image is of type {type(image).__name__}; give a numpy array or an image of PIL."
        )
    numpy = require("numpy", "numpy", extra="images", to="write arrays as images")
    array = numpy.asarray(image)
    kind = array.dtype.kind
    if kind == "b":
        array = array.astype(numpy.uint8) * 255
    elif kind in "iu":
        if array.size and (array.min() < 0 or array.max() > 255):
            raise InvalidValueError(
                f"The image holds integers from {array.min()} to {array.max()}; they must be from"
                " 0 to 255."
            )
    elif kind == "f":
        if array.size and not (array.min() >= 0 and array.max() <= 1):  # also refuses NaN
            raise InvalidValueError(
                f"The image holds floats from {array.min()} to {array.max()}; they must be from 0"
                " to 1."
            )
        array = array * 255
    else:
        raise InvalidValueError(
            f"The image is an array of {array.dtype}; it must hold booleans, integers or floats."
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))) or not array.size:
        raise InvalidValueError(
            f"The image has the shape {tuple(array.shape)}; it must be height x width, with 1, 3"
            " or 4 channels as a third dimension if any."
        )
    return pil.fromarray(array.astype(numpy.uint8))


def _encoded(picture: Any, extension: str) -> bytes:
    buffer = io.BytesIO()
    pil = require("PIL.Image", "Pillow", extra="images", to="write images")
    formats = pil.registered_extensions()
    try:
        picture.save(buffer, format=formats[extension.lower()])
    except KeyError:
        raise InvalidValueError(
            f"Images can't be written as {extension or 'a file without extension'};"
            " take .png or .jpg."
        ) from None
    except OSError as error:
        raise InvalidValueError(
            f"The image can't be written as {extension}: {error}; take .png."
        ) from error
    return buffer.getvalue()


def _compressed(picture: Any) -> bytes | None:
    """Return a small copy as WebP, for lists of images; None where Pillow can't write it."""
    small = picture.convert("RGB" if picture.mode not in ("RGBA", "LA", "P") else "RGBA")
    small.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    buffer = io.BytesIO()
    try:
        small.save(buffer, format="WEBP", quality=75)
    except (KeyError, OSError):
        return None
    return buffer.getvalue()
