"""What artifact URIs lead to: `runs:/` and `models:/` are resolved by asking the stores."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from tracking_core.artifacts.references import (
    ModelReference,
    RunReference,
    is_reference,
    parse_models_uri,
    parse_runs_uri,
)
from tracking_core.client.runs import RunMethods
from tracking_core.config import Uri, join_uri, path_to_file_uri
from tracking_core.discovery import open_artifact_repository
from tracking_core.entities import ModelVersion
from tracking_core.errors import InvalidValueError, NotFoundError, UnsupportedError
from tracking_core.search import Comparison, Field, FieldKind, Operator
from tracking_core.search.ast import OrderBy
from tracking_core.stores import ModelVersionQuery, validation

if TYPE_CHECKING:
    from tracking_core.artifacts.repository import ArtifactRepository

_LONGEST_CHAIN = 5


class Origin(msgspec.Struct, frozen=True):
    """What a URI leads to.

    Attributes:
        root: The URI of the root of a run's or a model's files, or of a directory.
        path: Below it; empty for the root.
        run_id: The run, if the URI names one.
        model_id: The logged model, if it names one.
    """

    root: str
    path: str = ""
    run_id: str | None = None
    model_id: str | None = None

    @property
    def uri(self) -> str:
        """Root and path in one."""
        return join_uri(self.root, *self.path.split("/")) if self.path else self.root


class AddressMethods(RunMethods):
    """Artifact URIs: where they lead, and the repositories behind them."""

    def _repository(self, uri: str) -> ArtifactRepository:
        return open_artifact_repository(uri, self._settings, manager=self._plugins)

    def _origin(self, uri: str, *, _links: int = _LONGEST_CHAIN) -> Origin:
        """Return what a URI leads to in the end.

        Raises:
            InvalidValueError: It isn't a URI of its scheme.
            NotFoundError: There is nothing that it names.
        """
        if not isinstance(uri, (str, os.PathLike)):
            raise InvalidValueError(
                f"The artifact URI {validation.shown(uri)} is of type {type(uri).__name__}; give"
                " a string."
            )
        text = os.fspath(uri)
        if not is_reference(text):
            parsed = Uri.parse(text)
            return Origin(path_to_file_uri(parsed.path) if parsed.scheme == "file" else text)
        if _links == 0:
            raise InvalidValueError(
                f"The URI {text!r} leads from one model to the next more than {_LONGEST_CHAIN}"
                " times; one of them may lead back to itself."
            )
        if text.partition(":")[0].lower() == "runs":
            return self._origin_of_run(parse_runs_uri(text))
        reference = parse_models_uri(text)
        if reference.model_id is not None:
            _refuse_authority(reference)
            model = self._logged_models.get_logged_model(reference.model_id)
            return Origin(
                model.artifact_location, reference.path, model.source_run_id, model.model_id
            )
        version = self._version_of(reference)
        found = self._origin(version.source, _links=_links - 1)
        path = "/".join(part for part in (found.path, reference.path) if part)
        return Origin(found.root, path, version.run_id, version.model_id)

    def _origin_of_run(self, reference: RunReference) -> Origin:
        _refuse_authority(reference)
        info = self._header(reference.run_id)
        return Origin(info.artifact_uri, reference.path, info.run_id)

    def _place(self, uri: str) -> tuple[ArtifactRepository, str]:
        """Return the repository that a URI leads to, and the path in it.

        A plain URI may be one of a file: its directory is the repository then.
        """
        origin = self._origin(uri)
        if is_reference(os.fspath(uri)):
            return self._repository(origin.root), origin.path
        if Uri.parse(origin.root).query:
            return self._repository(origin.root), ""
        parent, _, name = origin.root.rstrip("/").rpartition("/")
        if not parent or parent.endswith((":", ":/", "//")):
            return self._repository(origin.root), ""
        if origin.root.startswith("file:"):
            path = Uri.parse(origin.root).local_path
            return self._repository(path_to_file_uri(path.parent)), path.name
        return self._repository(parent), name

    def _model_version_of(self, uri: object) -> ModelVersion | None:
        """Return the version that a `models:/` URI names, or None if it names none."""
        if not isinstance(uri, str) or not uri.lower().startswith("models:"):
            return None
        reference = parse_models_uri(uri)
        return None if reference.model_id is not None else self._version_of(reference)

    def _version_of(self, reference: ModelReference) -> ModelVersion:
        _refuse_authority(reference)
        name = reference.name or ""
        if reference.alias == "latest" or reference.latest:
            return self._newest_version(name)
        if reference.alias is not None:
            return self._models.get_model_version_by_alias(name, alias=reference.alias)
        if reference.version is not None:
            return self._models.get_model_version(name, version=reference.version)
        stages = () if reference.stage is None else (reference.stage,)
        newest = self._models.latest_versions(name, stages=stages)
        if not newest:
            raise NotFoundError(
                f"No version of {name!r} is in the stage {reference.stage}, which {reference} asks"
                " for."
            )
        return newest[-1]

    def _newest_version(self, name: str) -> ModelVersion:
        self._models.get_registered_model(name)
        query = ModelVersionQuery(
            filter=Comparison(Field(FieldKind.ATTRIBUTE, "name"), Operator.EQUAL, name),
            order_by=(OrderBy(Field(FieldKind.ATTRIBUTE, "version_number"), ascending=False),),
            max_results=1,
        )
        found = self._models.search_model_versions(query).items
        if not found:
            raise NotFoundError(f"The registered model {name!r} has no versions.")
        return found[0]


def _refuse_authority(reference: RunReference | ModelReference) -> None:
    if reference.authority:
        raise UnsupportedError(
            f"The URI {reference} names the store {reference.authority!r}; make a Client for that"
            " store, and ask it for the URI without the name."
        )
