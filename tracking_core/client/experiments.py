"""The client's methods for experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracking_core.client.choices import view_type_of
from tracking_core.client.connection import Connection, as_text, text_by_key
from tracking_core.client.paged_list import PagedList, paged
from tracking_core.config import Uri, path_to_file_uri
from tracking_core.entities import Experiment, ViewType
from tracking_core.errors import NotFoundError
from tracking_core.search import Subject, parse_filter, parse_order_by
from tracking_core.stores import (
    Capability,
    ExperimentChanges,
    ExperimentQuery,
    NewExperiment,
    validation,
)

DEFAULT_EXPERIMENT_NAME = "Default"
DEFAULT_EXPERIMENT_ID = "0"


class ExperimentMethods(Connection):
    """Experiments: create, find, change, delete."""

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> str:
        """Create an experiment and return its id.

        Args:
            name: Must not be taken, by a deleted experiment neither.
            artifact_location: Where its runs put artifacts; None: the store decides.
            tags: Values by key; what isn't text becomes text.

        Raises:
            InvalidValueError: The name, location or a tag isn't allowed.
            AlreadyExistsError: The name is taken.
        """
        new = new_experiment(name, artifact_location, tags)
        return self._runs.create_experiment(new).experiment_id

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment, a deleted one too.

        Raises:
            NotFoundError: There is none.
        """
        return self._runs.get_experiment(experiment_id)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Return the experiment of this name, a deleted one too, or None."""
        validation.check_experiment_name(name)
        return self._runs.get_experiment_by_name(name)

    def ensure_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> Experiment:
        """Return the experiment of this name, created if it isn't there.

        Safe against others that do the same at the same time. One that is there keeps its location
        and tags, and may be deleted.

        Raises:
            InvalidValueError: The name, location or a tag isn't allowed.
        """
        new = new_experiment(name, artifact_location, tags)
        if name == DEFAULT_EXPERIMENT_NAME and Capability.CHOSEN_IDS in self._store.capabilities:
            return self._ensure_default(new)
        return self._runs.ensure_experiment(new)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """Return a page of the experiments that match.

        Args:
            view_type: Which lifecycle stages.
            max_results: The size of a page.
            filter_string: Such as `name LIKE 'digits%' AND tags.team = 'vision'`.
            order_by: Such as `["creation_time DESC"]`.
            page_token: The `token` of the page before.

        Raises:
            FilterSyntaxError: The filter or order can't be parsed.
        """
        query = ExperimentQuery(
            filter=parse_filter(filter_string, Subject.EXPERIMENTS),
            order_by=parse_order_by(order_by or (), Subject.EXPERIMENTS),
            max_results=1000 if max_results is None else max_results,
            page_token=page_token or None,
            view_type=view_type_of(view_type),
        )
        return paged(self._runs.search_experiments(query))

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Give an experiment another name.

        Raises:
            NotFoundError: There is no such experiment.
            AlreadyExistsError: The name is taken.
            InvalidStateError: It is deleted.
        """
        self._runs.update_experiment(experiment_id, changes=ExperimentChanges(name=new_name))

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment.

        Raises:
            NotFoundError: There is no such experiment.
            InvalidStateError: It is deleted.
        """
        changes = ExperimentChanges(set_tags={key: as_text(value)})
        self._runs.update_experiment(experiment_id, changes=changes)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Delete a tag of an experiment.

        Raises:
            NotFoundError: There is no such experiment, or no such tag.
            InvalidStateError: It is deleted.
        """
        changes = ExperimentChanges(delete_tags=(key,))
        self._runs.update_experiment(experiment_id, changes=changes)

    def delete_experiment(self, experiment_id: str) -> None:
        """Move an experiment with its runs to the bin; `purge` empties it.

        Raises:
            NotFoundError: There is no such experiment.
        """
        self._runs.delete_experiment(experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        """Take an experiment with its runs out of the bin.

        Raises:
            NotFoundError: There is no such experiment.
        """
        self._runs.restore_experiment(experiment_id)

    def _ensure_default(self, new: NewExperiment) -> Experiment:
        """Make the default experiment under MLflow's id, if that is free."""
        known = self._runs.get_experiment_by_name(new.name)
        if known is not None:
            return known
        try:
            self._runs.get_experiment(DEFAULT_EXPERIMENT_ID)
        except NotFoundError:
            new = NewExperiment(
                name=new.name,
                artifact_location=new.artifact_location,
                tags=new.tags,
                experiment_id=DEFAULT_EXPERIMENT_ID,
            )
        return self._runs.ensure_experiment(new)


def new_experiment(
    name: str, artifact_location: str | None, tags: Mapping[str, Any] | None
) -> NewExperiment:
    """Return the request for an experiment; a relative path is one from the working directory."""
    if artifact_location is not None:
        validation.check_artifact_location(artifact_location)
        uri = Uri.parse(artifact_location)
        if uri.scheme == "file":
            artifact_location = path_to_file_uri(uri.path)
    return NewExperiment(
        name=name,
        artifact_location=artifact_location,
        tags=text_by_key(tags, what="tags"),
    )
