"""From what people type to what is meant: experiments by name, runs by the start of their id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tracking_core.entities import Experiment, Run, ViewType
from tracking_core.errors import InvalidValueError, NotFoundError

if TYPE_CHECKING:
    from tracking_core.client import Client

_WHOLE_ID_LENGTH = 32
_SHORTEST_PREFIX = 4
_PAGE = 1000

VIEWS = {
    "active": ViewType.ACTIVE_ONLY,
    "deleted": ViewType.DELETED_ONLY,
    "all": ViewType.ALL,
}


def all_experiments(
    client: Client,
    view: ViewType,
    *,
    filter_string: str | None = None,
    order_by: Sequence[str] = (),
) -> Iterator[Experiment]:
    """Yield the experiments that match, page by page."""
    token: str | None = None
    while True:
        page = client.search_experiments(
            view_type=view,
            max_results=_PAGE,
            filter_string=filter_string,
            order_by=list(order_by) or None,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def find_experiment(client: Client, text: str) -> Experiment:
    """Return the experiment of a name, or else of an id.

    Raises:
        NotFoundError: There is neither.
    """
    named = client.get_experiment_by_name(text)
    if named is not None:
        return named
    try:
        return client.get_experiment(text)
    except (NotFoundError, InvalidValueError):
        names = sorted(e.name for e in all_experiments(client, ViewType.ACTIVE_ONLY))
        known = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
        raise NotFoundError(
            f"There is no experiment with the name or id {text!r} in {client.store.uri};"
            f" there are: {known or 'none'}."
        ) from None


def found_runs(
    client: Client,
    experiments: Sequence[str],
    *,
    filter_string: str = "",
    view: ViewType = ViewType.ACTIVE_ONLY,
    order_by: Sequence[str] = (),
    limit: int = 0,
) -> Iterator[Run]:
    """Yield the runs of experiments, by default of all active ones, page by page.

    Args:
        client: Where.
        experiments: Names or ids.
        filter_string: Which ones.
        view: Which lifecycle stages.
        order_by: In which order.
        limit: How many the caller is going to show, so that no more than one beyond is fetched at
            first; 0: all.

    Raises:
        NotFoundError: There is no such experiment.
        FilterSyntaxError: The filter or order can't be parsed.
    """
    if experiments:
        ids = [find_experiment(client, text).experiment_id for text in experiments]
    else:
        # Deleted experiments have deleted runs only.
        where = ViewType.ACTIVE_ONLY if view is ViewType.ACTIVE_ONLY else ViewType.ALL
        ids = [experiment.experiment_id for experiment in all_experiments(client, where)]
    # Asked even where there is nothing to find, so that a mistake in the filter is told.
    token: str | None = None
    while True:
        page = client.search_runs(
            experiment_ids=ids,
            filter_string=filter_string,
            run_view_type=view,
            max_results=min(limit + 1, _PAGE) if limit else _PAGE,
            order_by=list(order_by) or None,
            page_token=token,
        )
        yield from page
        token = page.token
        if not token:
            return


def find_run(client: Client, text: str) -> Run:
    """Return the run of an id, or of the start of one, deleted runs included.

    Raises:
        InvalidValueError: It is too short, or the start of several.
        NotFoundError: No id begins so.
    """
    if len(text) >= _WHOLE_ID_LENGTH:
        return client.get_run(text)
    if len(text) < _SHORTEST_PREFIX or not re.fullmatch(r"[\w-]+", text, re.ASCII):
        raise InvalidValueError(
            f"{text!r} is no run id; give one, or at least its first {_SHORTEST_PREFIX} letters."
        )
    matching = f"attributes.run_id LIKE '{text}%'"
    # `_` stands for any letter in LIKE.
    runs = [
        run
        for run in found_runs(client, (), filter_string=matching, view=ViewType.ALL)
        if run.info.run_id.startswith(text)
    ]
    if not runs:
        raise NotFoundError(f"No run's id begins with {text!r} in {client.store.uri}.")
    if len(runs) > 1:
        listed = ", ".join(run.info.run_id for run in runs[:4]) + (", ..." if runs[4:] else "")
        raise InvalidValueError(f"{len(runs)} runs' ids begin with {text!r}: {listed}.")
    return client.get_run(runs[0].info.run_id)
