"""The facet of logged models: models that runs make, before anyone registers them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from msgspec.structs import replace

from tracking_core.entities import LoggedModel
from tracking_core.search.page import Page
from tracking_core.stores.facet import Facet
from tracking_core.stores.requests import LoggedModelChanges, LoggedModelQuery, NewLoggedModel


class LoggedModelStore(Facet):
    """Logged models; lives in the same backend as the runs that make them.

    Beside what RunStore's contract says: a model's metrics are the points that runs logged with its
    id, the latest one for each key and data set, each with the `run_id` that logged it.
    """

    contract_name = "LoggedModelStore"

    @abstractmethod
    def create_logged_model(self, new: NewLoggedModel) -> LoggedModel:
        """Create a logged model.

        Raises:
            NotFoundError: There is no such experiment.
            InvalidStateError: The experiment is deleted.
            AlreadyExistsError: The chosen id is taken.
            UnsupportedError: An id is chosen, without Capability.CHOSEN_IDS.
        """

    @abstractmethod
    def get_logged_model(self, model_id: str) -> LoggedModel:
        """Return a logged model that isn't deleted.

        Raises:
            InvalidValueError: No logged model can have this id.
            NotFoundError: There is none, or it is deleted.
        """

    @abstractmethod
    def update_logged_model(self, model_id: str, *, changes: LoggedModelChanges) -> LoggedModel:
        """Change a logged model and return it as it then is.

        Raises:
            NotFoundError: There is no such model, or a tag to delete isn't there.
            ConflictError: A param has another value already; nothing is changed.
        """

    @abstractmethod
    def delete_logged_model(self, model_id: str) -> None:
        """Delete a logged model; its files stay until it is purged with its experiment.

        Raises:
            NotFoundError: There is no such model.
        """

    @abstractmethod
    def search_logged_models(self, query: LoggedModelQuery) -> Page[LoggedModel]:
        """Return a page of the logged models that match and aren't deleted.

        Raises:
            InvalidValueError: The page token isn't one of this query.
        """

    # --- conveniences ---

    def iterate_logged_models(self, query: LoggedModelQuery) -> Iterator[LoggedModel]:
        """Yield all logged models that match, page by page."""
        while True:
            page = self.search_logged_models(query)
            yield from page.items
            if page.next_page_token is None:
                return
            query = replace(query, page_token=page.next_page_token)
