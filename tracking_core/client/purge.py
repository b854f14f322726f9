"""The client's method that empties the bin."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from tracking_core.client.addresses import AddressMethods
from tracking_core.entities import Experiment, LifecycleStage, RunInfo, ViewType
from tracking_core.errors import InvalidStateError, InvalidValueError, NotFoundError
from tracking_core.stores import (
    HEADER_ONLY,
    Capability,
    ExperimentQuery,
    LoggedModelQuery,
    LoggedModelStore,
    PurgeReport,
    PurgeRequest,
    RunQuery,
    validation,
)

_logger = logging.getLogger(__name__)


class PurgeMethods(AddressMethods):
    """Purging: what was deleted goes for good."""

    def purge(
        self,
        run_ids: Sequence[str] | None = None,
        experiment_ids: Sequence[str] | None = None,
        *,
        dry_run: bool = False,
    ) -> PurgeReport:
        """Remove deleted runs and experiments for good, their artifacts first.

        What an interruption left undone, the next call does. A run's artifacts are left where
        they are if their URI doesn't hold the run's id, since others may use them too.

        Args:
            run_ids: Deleted runs.
            experiment_ids: Deleted experiments; their runs go with them.
                With neither, everything that is deleted.
            dry_run: Whether to tell only what would go.

        Returns:
            What is gone, or would be.

        Raises:
            InvalidStateError: One of them isn't deleted; nothing is removed.
            UnsupportedError: The store can't purge.
        """
        self._store.require(Capability.PURGE, to="remove runs and experiments for good")
        for given, what in ((run_ids, "run"), (experiment_ids, "experiment")):
            if isinstance(given, str):
                raise InvalidValueError(
                    f"The {what} ids {given!r} must be a list: pass [{given!r}]."
                )
        everything = run_ids is None and experiment_ids is None
        experiments = (
            self._deleted_experiments()
            if everything
            else self._to_purge_experiments(experiment_ids or ())
        )
        gone = {experiment.experiment_id for experiment in experiments}
        runs = self._deleted_runs() if everything else self._to_purge_runs(run_ids or (), gone)
        request = PurgeRequest(
            run_ids=tuple(run.run_id for run in runs if run.experiment_id not in gone),
            experiment_ids=tuple(gone),
        )
        if dry_run:
            return PurgeReport(
                run_ids=tuple(run.run_id for run in runs), experiment_ids=request.experiment_ids
            )
        for run in runs:
            self._delete_files(run.artifact_uri, run.run_id)
        for experiment in experiments:
            self._delete_model_files(experiment)
        if not request.run_ids and not request.experiment_ids:
            return PurgeReport()
        return self._runs.purge(request)

    def _deleted_experiments(self) -> list[Experiment]:
        query = ExperimentQuery(view_type=ViewType.DELETED_ONLY)
        return list(self._runs.iterate_experiments(query))

    def _to_purge_experiments(self, experiment_ids: Iterable[str]) -> list[Experiment]:
        found = []
        for experiment_id in dict.fromkeys(experiment_ids):
            try:
                experiment = self._runs.get_experiment(experiment_id)
            except NotFoundError:
                continue  # an earlier purge took it
            if experiment.lifecycle_stage is not LifecycleStage.DELETED:
                raise InvalidStateError(
                    f"The experiment {validation.shown(experiment.name)} (id {experiment_id}) is"
                    " not deleted, so it can't be purged; delete it first."
                )
            found.append(experiment)
        return found

    def _deleted_runs(self) -> list[RunInfo]:
        """Return every deleted run, which those of deleted experiments are too."""
        everywhere = [
            each.experiment_id
            for each in self._runs.iterate_experiments(ExperimentQuery(view_type=ViewType.ALL))
        ]
        return self._headers(everywhere, ViewType.DELETED_ONLY)

    def _to_purge_runs(self, run_ids: Iterable[str], experiment_ids: set[str]) -> list[RunInfo]:
        found = {run.run_id: run for run in self._headers(sorted(experiment_ids), ViewType.ALL)}
        for run_id in run_ids:
            try:
                info = self._header(run_id)
            except NotFoundError:
                continue  # an earlier purge took it
            if info.lifecycle_stage is not LifecycleStage.DELETED:
                raise InvalidStateError(
                    f"The run {run_id!r} is not deleted, so it can't be purged; delete it first."
                )
            found.setdefault(run_id, info)
        return list(found.values())

    def _headers(self, experiment_ids: Sequence[str], view: ViewType) -> list[RunInfo]:
        if not experiment_ids:
            return []
        query = RunQuery(
            experiment_ids=tuple(experiment_ids), view_type=view, projection=HEADER_ONLY
        )
        return [run.info for run in self._runs.iterate_runs(query)]

    def _delete_files(self, uri: str, identity: str) -> None:
        if not uri:
            return
        if identity not in uri:
            _logger.warning(
                "The artifacts in %s stay: nothing in the URI says that they are %s's alone.",
                uri.partition("?")[0],
                identity,
            )
            return
        self._repository(uri).delete("")

    def _delete_model_files(self, experiment: Experiment) -> None:
        if LoggedModelStore not in self._store.facets():
            return
        query = LoggedModelQuery(experiment_ids=(experiment.experiment_id,))
        for model in self._logged_models.iterate_logged_models(query):
            self._delete_files(model.artifact_location, model.model_id)
