"""The client's methods for artifacts: files, texts, documents, figures."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tracking_core.artifacts.paths import check_path, join_path
from tracking_core.artifacts.references import is_reference
from tracking_core.client.addresses import AddressMethods
from tracking_core.client.dependencies import require
from tracking_core.config import Uri
from tracking_core.entities import FileInfo
from tracking_core.errors import InvalidValueError, NotFoundError
from tracking_core.stores.validation import shown

if TYPE_CHECKING:
    from tracking_core.artifacts.repository import ArtifactRepository

_CHUNK = 1 << 20


class ArtifactMethods(AddressMethods):
    """Artifacts: log, list, download, of runs and wherever a URI leads."""

    # --- log ---

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:
        """Copy a local file, or a directory with its name, to a run's artifacts.

        Args:
            run_id: The run.
            local_path: A file or directory.
            artifact_path: The directory in the artifacts; None: the root.

        Raises:
            InvalidValueError: The artifact path would leave the root.
            NotFoundError: There is no such run, or no such local file.
            InvalidStateError: The run is deleted.
        """
        self._upload(self._run_files(run_id), local_path, artifact_path)

    def log_artifacts(self, run_id: str, local_dir: str, artifact_path: str | None = None) -> None:
        """Copy what a local directory holds to a run's artifacts.

        Args:
            run_id: The run.
            local_dir: The directory.
            artifact_path: The directory in the artifacts; None: the root.

        Raises:
            InvalidValueError: It is no directory, or the artifact path would leave the root.
            NotFoundError: There is no such run, or no such local directory.
            InvalidStateError: The run is deleted.
        """
        self._upload_directory(self._run_files(run_id), local_dir, artifact_path)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Write text to an artifact, as UTF-8.

        Raises:
            InvalidValueError: It isn't text, or the path isn't one in the artifacts.
            NotFoundError: There is no such run.
            InvalidStateError: The run is deleted.
        """
        if not isinstance(text, str):
            raise InvalidValueError(
                f"The text for {artifact_file!r} is of type {type(text).__name__}; give a string."
            )
        try:
            content = text.encode()
        except UnicodeEncodeError as error:
            raise InvalidValueError(
                f"The text for {artifact_file!r} holds a lone surrogate at {error.start}, which"
                " isn't valid Unicode."
            ) from None
        self._write(run_id, artifact_file, content)

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        """Write a dictionary or list to an artifact: YAML for `.yaml` and `.yml`, else JSON.

        Raises:
            InvalidValueError: It holds what the format can't hold, or the path isn't one in the
                artifacts.
            NotFoundError: There is no such run.
            InvalidStateError: The run is deleted.
        """
        if not isinstance(dictionary, (Mapping, list, tuple)):
            raise InvalidValueError(
                f"What is to be written to {artifact_file!r} is of type"
                f" {type(dictionary).__name__}; give a dictionary or a list."
            )
        extension = os.path.splitext(_file_path(artifact_file))[1].lower()
        try:
            if extension in (".yaml", ".yml"):
                yaml = require("yaml", "PyYAML", extra=None, to="write YAML")
                text = yaml.safe_dump(
                    dictionary, indent=2, default_flow_style=False, allow_unicode=True
                )
            else:
                text = json.dumps(dictionary, indent=2, default=_plain)
        except Exception as error:
            raise InvalidValueError(
                f"What is to be written to {artifact_file!r} can't be: {error}."
            ) from error
        self._write(run_id, artifact_file, text.encode())

    def log_stream(self, run_id: str, stream: IO[bytes] | IO[str], artifact_file: str) -> None:
        """Write what a file object yields to an artifact, piece by piece.

        Raises:
            InvalidValueError: It can't be read, or the path isn't one in the artifacts.
            NotFoundError: There is no such run.
            InvalidStateError: The run is deleted.
        """
        if not callable(getattr(stream, "read", None)):
            raise InvalidValueError(
                f"The stream for {artifact_file!r} is of type {type(stream).__name__}, which has"
                " no read(); give an open file."
            )
        path = _file_path(artifact_file)
        with self._run_files(run_id).open_write(path) as target:
            while piece := stream.read(_CHUNK):
                target.write(piece.encode() if isinstance(piece, str) else piece)

    def log_figure(
        self,
        run_id: str,
        figure: Any,
        artifact_file: str,
        *,
        save_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a figure to an artifact, in the format of the file's extension.

        Args:
            run_id: The run.
            figure: Of Matplotlib or Plotly, or whatever has their methods for writing.
            artifact_file: Such as `plots/loss.png`; `.html` for Plotly's interactive ones.
            save_kwargs: Passed on to the method that writes.

        Raises:
            InvalidValueError: It isn't a figure, or can't be written in this format.
            NotFoundError: There is no such run.
            InvalidStateError: The run is deleted.
        """
        path = _file_path(artifact_file)
        extension = os.path.splitext(path)[1].lower()
        arguments = dict(save_kwargs or {})
        if callable(getattr(figure, "savefig", None)):
            write = figure.savefig
        elif callable(getattr(figure, "write_html", None)) and extension in (".html", ".htm"):
            write = figure.write_html
            arguments = {"include_plotlyjs": "cdn", "auto_open": False} | arguments
        elif callable(getattr(figure, "write_image", None)):
            write = figure.write_image
        else:
            raise InvalidValueError(
                f"The figure for {artifact_file!r} is of type {type(figure).__name__}, which has"
                " neither savefig nor write_html and write_image; give one of Matplotlib or Plotly."
            )
        repository = self._run_files(run_id)
        import tempfile  # local, as below: most processes only log numbers

        # Through a file: the libraries take the format from its extension.
        with tempfile.TemporaryDirectory() as directory:
            local = os.path.join(directory, f"figure{extension}")
            try:
                write(local, **arguments)
                content = Path(local).read_bytes()
            except Exception as error:
                raise InvalidValueError(
                    f"The figure can't be written to {artifact_file!r}: {error}."
                ) from error
        with repository.open_write(path) as target:
            target.write(content)

    # --- list and download ---

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """Return what a directory of a run's artifacts holds, one level, sorted by path.

        Args:
            run_id: The run.
            path: The directory; None: the root.

        Raises:
            InvalidValueError: The path would leave the root.
            NotFoundError: There is no such run.
        """
        return self._list(self._repository(self._header(run_id).artifact_uri), path)

    def list_artifact_uri(self, artifact_uri: str) -> list[FileInfo]:
        """Return what a directory holds that a URI leads to, one level, sorted by path.

        Args:
            artifact_uri: `runs:/RUN_ID/path`, `models:/NAME/3`, a path, `s3://bucket/path`, ...

        Raises:
            InvalidValueError: It isn't a URI of its scheme.
            NotFoundError: There is no such run or model.
        """
        repository, path = self._place(artifact_uri)
        return list(repository.list(path))

    def download_artifacts(self, run_id: str, path: str, dst_path: str | None = None) -> str:
        """Copy an artifact, or a directory of them, to this machine, and return where it is.

        Args:
            run_id: The run.
            path: The file or directory in the artifacts; empty for all.
            dst_path: A directory, made if it isn't there; None: a new temporary one.

        Raises:
            InvalidValueError: The path would leave the root.
            NotFoundError: There is no such run or artifact.
        """
        repository = self._repository(self._header(run_id).artifact_uri)
        return self._download(repository, path, dst_path)

    def download_artifact_uri(self, artifact_uri: str, dst_path: str | None = None) -> str:
        """Copy what a URI leads to to this machine, and return where it is.

        Args:
            artifact_uri: `runs:/RUN_ID/path`, `models:/NAME/3`, a path, `s3://bucket/path`, ...
            dst_path: A directory, made if it isn't there; None: a new temporary one, but for a
                file of this machine: the file itself.

        Raises:
            InvalidValueError: It isn't a URI of its scheme.
            NotFoundError: There is nothing that it leads to.
        """
        repository, path = self._place(artifact_uri)
        if dst_path is None and not is_reference(os.fspath(artifact_uri)):
            uri = Uri.parse(artifact_uri)
            if uri.scheme == "file":
                if not uri.local_path.exists():
                    raise NotFoundError(f"There is no local file or directory {uri.path!r}.")
                return uri.path
        return self._download(repository, path, dst_path)

    def read_artifact(self, artifact_uri: str) -> bytes:
        """Return the content of one file that a URI leads to.

        Raises:
            InvalidValueError: It isn't a URI of its scheme, or leads to a root.
            NotFoundError: There is no such file.
        """
        repository, path = self._place(artifact_uri)
        with repository.open_read(path) as source:
            return source.read()

    # --- for the other methods of the client ---

    def _run_files(self, run_id: str) -> ArtifactRepository:
        return self._repository(self._writable_header(run_id).artifact_uri)

    def _model_files(self, model_id: str) -> ArtifactRepository:
        model = self._logged_models.get_logged_model(model_id)
        return self._repository(model.artifact_location)

    def _write(self, run_id: str, artifact_file: str, content: bytes) -> None:
        path = _file_path(artifact_file)
        with self._run_files(run_id).open_write(path) as target:
            target.write(content)

    def _list(self, repository: ArtifactRepository, path: str | None) -> list[FileInfo]:
        return list(repository.list(_directory_path(path)))

    def _upload(
        self, repository: ArtifactRepository, local_path: str, artifact_path: str | None
    ) -> None:
        from tracking_core.artifacts.transfer import upload

        local = _local_path(local_path)
        directory = _directory_path(artifact_path)
        if os.path.isdir(local):
            name = os.path.basename(os.path.abspath(local))
            directory = check_path(join_path(directory, name))
        upload(local, repository, directory)

    def _upload_directory(
        self, repository: ArtifactRepository, local_dir: str, artifact_path: str | None
    ) -> None:
        from tracking_core.artifacts.transfer import upload

        local = _local_path(local_dir)
        if os.path.exists(local) and not os.path.isdir(local):
            raise InvalidValueError(
                f"{local!r} is not a directory; log_artifact takes files and directories."
            )
        upload(local, repository, _directory_path(artifact_path))

    def _download(self, repository: ArtifactRepository, path: str, dst_path: str | None) -> str:
        import tempfile

        from tracking_core.artifacts.transfer import download

        path = _directory_path(path)
        repository.info(path)  # before a directory is made in vain
        if dst_path is None:
            destination = tempfile.mkdtemp(prefix="tracking-")
        else:
            destination = os.path.abspath(_local_path(dst_path))
        download(repository, path, destination)
        return os.path.join(destination, *path.split("/")) if path else destination


def _file_path(artifact_file: object) -> str:
    return check_path(artifact_file)  # type: ignore[arg-type] # it checks the type too


def _directory_path(path: object) -> str:
    """Return a directory's path; None and `dir/` are written a lot, and can mean one thing only."""
    if path is None:
        return ""
    if isinstance(path, str) and path.endswith("/") and path != "/":
        path = path[:-1]
    return check_path(path, allow_root=True)  # type: ignore[arg-type] # it checks the type too


def _local_path(path: Any) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidValueError(
            f"The local path {shown(path)} is of type {type(path).__name__}; give a string or a"
            " Path."
        )
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidValueError(
            f"The local path {shown(path)} names no file: it is empty, holds NUL, or isn't text."
        )
    return os.path.expanduser(text)


def _plain(value: Any) -> Any:
    """Return what JSON can hold for a value that it doesn't know: numpy's, dates, paths."""
    for name in ("tolist", "isoformat"):
        method = getattr(value, name, None)
        if callable(method):
            return method()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{shown(value)} of type {type(value).__name__} has no form in JSON")
