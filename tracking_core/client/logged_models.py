"""The client's methods for logged models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracking_core.client.artifacts import ArtifactMethods
from tracking_core.client.choices import logged_model_status_of
from tracking_core.client.connection import text_by_key
from tracking_core.client.paged_list import PagedList, paged
from tracking_core.entities import FileInfo, LoggedModel
from tracking_core.errors import InvalidValueError
from tracking_core.search import OrderBy, Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    DatasetFilter,
    LoggedModelChanges,
    LoggedModelQuery,
    NewLoggedModel,
    validation,
)


class LoggedModelMethods(ArtifactMethods):
    """Logged models: models that runs make, before anyone registers them."""

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Create a logged model, whose files are still to come.

        Args:
            experiment_id: An active experiment.
            name: Not unique; None: a random one.
            source_run_id: The run that makes it.
            tags: Values by key; what isn't text becomes text.
            params: Likewise.
            model_type: Free text, such as `classifier`.

        Raises:
            NotFoundError: There is no such experiment.
            InvalidStateError: It is deleted.
        """
        new = NewLoggedModel(
            experiment_id=experiment_id,
            name=name,
            source_run_id=source_run_id,
            model_type=model_type,
            tags=text_by_key(tags, what="tags"),
            params=text_by_key(params, what="params"),
        )
        return self._logged_models.create_logged_model(new)

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """Return a logged model.

        Raises:
            NotFoundError: There is none, or it is deleted.
        """
        return self._logged_models.get_logged_model(model_id)

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, str]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """Return a page of the logged models that match.

        Args:
            experiment_ids: Where to look.
            filter_string: Such as `metrics.accuracy > 0.9 AND params.kind = 'svm'`.
            datasets: `{"dataset_name": ..., "dataset_digest": ...}`: metrics of other data sets
                are not looked at; the digest may be left out.
            max_results: The size of a page; None: 100.
            order_by: `{"field_name": "metrics.accuracy", "ascending": False, "dataset_name": ...,
                "dataset_digest": ...}`; all but the first may be left out.
            page_token: The `token` of the page before.

        Raises:
            FilterSyntaxError: The filter or order can't be parsed.
            InvalidValueError: A data set or an order isn't of that form.
        """
        if isinstance(experiment_ids, (str, int)):
            raise InvalidValueError(
                f"The experiment ids {validation.shown(experiment_ids)} must be a list: pass"
                f" [{str(experiment_ids)!r}]."
            )
        query = LoggedModelQuery(
            experiment_ids=tuple(experiment_ids),
            filter=parse_filter(filter_string, Subject.LOGGED_MODELS),
            datasets=tuple(_dataset_filter(each) for each in datasets or ()),
            order_by=tuple(_order(each) for each in order_by or ()),
            max_results=100 if max_results is None else max_results,
            page_token=page_token or None,
        )
        return paged(self._logged_models.search_logged_models(query))

    def finalize_logged_model(self, model_id: str, status: str) -> LoggedModel:
        """Say that a logged model's files are there (`READY`), or will not come (`FAILED`).

        Raises:
            InvalidValueError: There is no such status.
            NotFoundError: There is no such model.
        """
        changes = LoggedModelChanges(status=logged_model_status_of(status))
        return self._logged_models.update_logged_model(model_id, changes=changes)

    def delete_logged_model(self, model_id: str) -> None:
        """Delete a logged model; its files stay until it is purged with its experiment.

        Raises:
            NotFoundError: There is no such model.
        """
        self._logged_models.delete_logged_model(model_id)

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a logged model.

        Raises:
            NotFoundError: There is no such model.
        """
        changes = LoggedModelChanges(set_tags=text_by_key(tags, what="tags"))
        self._logged_models.update_logged_model(model_id, changes=changes)

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Delete a tag of a logged model.

        Raises:
            NotFoundError: There is no such model, or no such tag.
        """
        changes = LoggedModelChanges(delete_tags=(key,))
        self._logged_models.update_logged_model(model_id, changes=changes)

    def log_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Log params of a logged model.

        Raises:
            NotFoundError: There is no such model.
            ConflictError: A param has another value already; nothing is logged.
        """
        changes = LoggedModelChanges(log_params=text_by_key(params, what="params"))
        self._logged_models.update_logged_model(model_id, changes=changes)

    def log_model_artifact(
        self, model_id: str, local_path: str, artifact_path: str | None = None
    ) -> None:
        """Copy a local file or directory to the files of a logged model.

        Raises:
            NotFoundError: There is no such model, or no such local file.
        """
        self._upload(self._model_files(model_id), local_path, artifact_path)

    def log_model_artifacts(
        self, model_id: str, local_dir: str, artifact_path: str | None = None
    ) -> None:
        """Copy what a local directory holds to the files of a logged model.

        Raises:
            NotFoundError: There is no such model, or no such local directory.
        """
        self._upload_directory(self._model_files(model_id), local_dir, artifact_path)

    def list_logged_model_artifacts(self, model_id: str, path: str | None = None) -> list[FileInfo]:
        """Return what a directory of a logged model's files holds, one level.

        Raises:
            NotFoundError: There is no such model.
        """
        return self._list(self._model_files(model_id), path)


def _dataset_filter(given: Any) -> DatasetFilter:
    if not isinstance(given, Mapping) or not isinstance(given.get("dataset_name"), str):
        raise InvalidValueError(
            f"The data set {validation.shown(given)} must be a mapping with dataset_name, and"
            " dataset_digest if only one is meant."
        )
    return DatasetFilter(
        dataset_name=given["dataset_name"], dataset_digest=given.get("dataset_digest")
    )


_ORDER_KEYS = {"field_name", "ascending", "dataset_name", "dataset_digest"}


def _order(given: Any) -> OrderBy:
    if isinstance(given, str):
        return parse_order_by([given], Subject.LOGGED_MODELS)[0]
    if not isinstance(given, Mapping) or "field_name" not in given or set(given) - _ORDER_KEYS:
        raise InvalidValueError(
            f"The order {validation.shown(given)} must be a mapping with field_name, and maybe"
            " ascending, dataset_name and dataset_digest."
        )
    field = parse_order_by([given["field_name"]], Subject.LOGGED_MODELS)[0].field
    return OrderBy(
        field,
        ascending=bool(given.get("ascending", True)),
        dataset_name=given.get("dataset_name"),
        dataset_digest=given.get("dataset_digest"),
    )
