"""The mandatory facet: experiments, runs and what is logged to them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from tracking_core.entities import (
    DatasetSummary,
    Experiment,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunTag,
    ViewType,
)
from tracking_core.errors import AlreadyExistsError, NotFoundError
from tracking_core.search.ast import Comparison, Field, FieldKind, Operator
from tracking_core.search.page import Page
from tracking_core.stores.facet import Facet
from tracking_core.stores.requests import (
    EVERYTHING,
    HEADER_ONLY,
    Batch,
    ExperimentChanges,
    ExperimentQuery,
    MetricHistoryQuery,
    NewExperiment,
    NewRun,
    Projection,
    PurgeReport,
    PurgeRequest,
    RunChanges,
    RunQuery,
)

_LARGEST_PAGE = 50_000


class RunStore(Facet):
    """Experiments, runs and run data.

    The contract, which the suites of `tracking_core.testing` prove:

    - **Who may call.** Any thread, at any time. With `Capability.MULTI_PROCESS` any number of
      processes may have the same URI open. After a fork both sides may go on.
    - **Atomic.** Each call happens whole or not at all, as others see it; for `log_batch` each
      param, tag and point is whole, and params that contradict stored ones make the whole batch
      fail before anything of it is written.
    - **Durable.** With `Capability.DURABLE`, what a call acknowledged survives the end of the
      process.
    - **Names.** An experiment's name is unique, deleted ones included; creating is atomic.
    - **Names of runs.** `RunInfo.run_name` and the tag `mlflow.runName` are the same: changing one
      changes the other.
    - **Deleted.** A deleted run or experiment can be read, restored and purged; every other change
      to it is refused with InvalidStateError. The runs of a deleted experiment read as deleted
      until it is restored; runs deleted on their own stay so.
    - **Latest metric.** The greatest (step, timestamp, value) of a key.
    - **Input.** Requests have checked themselves; bare arguments are for the store to check. Ids of
      things that aren't there raise NotFoundError, ids that can't be raise InvalidValueError.
    - **Unsupported.** What needs a capability that the backend doesn't declare raises
      UnsupportedError.

    Subclasses implement the abstract methods; the rest is correct on top of them, and a store
    overrides it to be faster. No abstract method is ever added within a major version.
    """

    contract_name = "RunStore"

    # --- experiments ---

    @abstractmethod
    def create_experiment(self, new: NewExperiment) -> Experiment:
        """Create an experiment.

        Raises:
            AlreadyExistsError: The name or the chosen id is taken; the sentence says whether by a
                deleted one.
            UnsupportedError: An id or time is chosen, without Capability.CHOSEN_IDS.
        """

    @abstractmethod
    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment, a deleted one too.

        Raises:
            InvalidValueError: No experiment can have this id.
            NotFoundError: There is none.
        """

    @abstractmethod
    def update_experiment(self, experiment_id: str, *, changes: ExperimentChanges) -> Experiment:
        """Change an experiment and return it as it then is.

        Deleting a deleted one and restoring an active one changes nothing.

        Raises:
            NotFoundError: There is no such experiment, or a tag to delete isn't there.
            AlreadyExistsError: The new name is taken.
            InvalidStateError: It is deleted, and the change is another than restoring it.
        """

    @abstractmethod
    def search_experiments(self, query: ExperimentQuery) -> Page[Experiment]:
        """Return a page of the experiments that match.

        Raises:
            InvalidValueError: The page token isn't one of this query.
        """

    # --- runs ---

    @abstractmethod
    def create_run(self, new: NewRun) -> Run:
        """Create a run; with an idempotency key, return the run that an earlier call made.

        Raises:
            NotFoundError: There is no such experiment.
            InvalidStateError: The experiment is deleted.
            AlreadyExistsError: The chosen id is taken, and not by an earlier call with this key.
            UnsupportedError: An id is chosen, without Capability.CHOSEN_IDS.
        """

    @abstractmethod
    def get_run(self, run_id: str, *, projection: Projection = EVERYTHING) -> Run:
        """Return a run, a deleted one too.

        Raises:
            InvalidValueError: No run can have this id.
            NotFoundError: There is none.
        """

    @abstractmethod
    def update_run(self, run_id: str, *, changes: RunChanges) -> RunInfo:
        """Change a run's header and return it as it then is.

        Deleting a deleted one and restoring an active one changes nothing.

        Raises:
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted, and the change is another than restoring it; or its
                experiment is deleted.
        """

    @abstractmethod
    def search_runs(self, query: RunQuery) -> Page[Run]:
        """Return a page of the runs that match.

        Raises:
            InvalidValueError: The page token isn't one of this query.
        """

    # --- run data ---

    @abstractmethod
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        """Log metrics, params and tags: the one way that data gets into a run.

        A point with a `model_id` also becomes a metric of that logged model, where the backend has
        logged models and this one is there.

        Raises:
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
            ConflictError: A param has another value already; nothing of the batch is written.
        """

    @abstractmethod
    def delete_tag(self, run_id: str, *, key: str) -> None:
        """Delete a tag of a run.

        Raises:
            NotFoundError: There is no such run, or no such tag.
            InvalidStateError: The run is deleted.
        """

    @abstractmethod
    def log_inputs(self, run_id: str, *, inputs: RunInputs) -> None:
        """Add data sets and models that a run read; those that it has already aren't doubled.

        Raises:
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
        """

    @abstractmethod
    def log_outputs(self, run_id: str, *, outputs: RunOutputs) -> None:
        """Add models that a run made; those that it has already aren't doubled.

        Raises:
            NotFoundError: There is no such run.
            InvalidStateError: It is deleted.
        """

    @abstractmethod
    def metric_history(self, run_id: str, *, query: MetricHistoryQuery) -> Page[Metric]:
        """Return points of one metric; an unknown key has none.

        Raises:
            NotFoundError: There is no such run.
            InvalidValueError: The page token isn't one of this query.
        """

    @abstractmethod
    def purge(self, request: PurgeRequest) -> PurgeReport:
        """Remove deleted runs and experiments for good; artifacts are the caller's to remove first.

        Can be repeated after an interruption: what is gone already is passed over.

        Raises:
            InvalidStateError: One of them isn't deleted; nothing is removed.
            UnsupportedError: Without Capability.PURGE.
        """

    # --- conveniences: correct for every store, to be overridden by those that can do better ---

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Return the experiment of this name, a deleted one too, or None."""
        named = Comparison(Field(FieldKind.ATTRIBUTE, "name"), Operator.EQUAL, name)
        page = self.search_experiments(
            ExperimentQuery(filter=named, view_type=ViewType.ALL, max_results=1)
        )
        return page.items[0] if page.items else None

    def ensure_experiment(self, new: NewExperiment) -> Experiment:
        """Return the experiment of this name, created if it isn't there.

        Safe against others who do the same at the same time.

        Raises:
            AlreadyExistsError: The chosen id belongs to an experiment of another name.
        """
        for _ in range(2):
            known = self.get_experiment_by_name(new.name)
            if known is not None:
                return known
            try:
                return self.create_experiment(new)
            except AlreadyExistsError:
                if new.experiment_id is None:
                    continue
                known = self.get_experiment(new.experiment_id)
                if known.name == new.name:
                    return known
                raise
        raise NotFoundError(f"The experiment {new.name!r} came and went; try again.")

    def iterate_experiments(self, query: ExperimentQuery) -> Iterator[Experiment]:
        """Yield all experiments that match, page by page."""
        while True:
            page = self.search_experiments(query)
            yield from page.items
            if page.next_page_token is None:
                return
            query = replace(query, page_token=page.next_page_token)

    def iterate_runs(self, query: RunQuery) -> Iterator[Run]:
        """Yield all runs that match, page by page."""
        while True:
            page = self.search_runs(query)
            yield from page.items
            if page.next_page_token is None:
                return
            query = replace(query, page_token=page.next_page_token)

    def count_experiments(self, query: ExperimentQuery) -> int:
        """Return how many experiments match, whatever the page size."""
        query = replace(query, page_token=None, max_results=_LARGEST_PAGE)
        return sum(1 for _ in self.iterate_experiments(query))

    def count_runs(self, query: RunQuery) -> int:
        """Return how many runs match, whatever the page size."""
        query = replace(
            query, page_token=None, max_results=_LARGEST_PAGE, order_by=(), projection=HEADER_ONLY
        )
        return sum(1 for _ in self.iterate_runs(query))

    def metric_histories(
        self, run_ids: Sequence[str], *, query: MetricHistoryQuery
    ) -> list[Metric]:
        """Return the points of one metric in several runs, `Metric.run_id` set, run after run.

        Raises:
            NotFoundError: One of the runs isn't there.
        """
        whole = replace(query, max_results=None, page_token=None)
        return [
            replace(point, run_id=run_id)
            for run_id in run_ids
            for point in self.metric_history(run_id, query=whole).items
        ]

    def search_datasets(self, experiment_ids: Iterable[str]) -> list[DatasetSummary]:
        """Return the data sets that the experiments' active runs used, without repetition."""
        found: dict[DatasetSummary, None] = {}
        query = RunQuery(
            experiment_ids=tuple(experiment_ids),
            projection=replace(HEADER_ONLY, inputs=True),
            max_results=_LARGEST_PAGE,
        )
        for run in self.iterate_runs(query):
            for used in run.inputs.dataset_inputs:
                context = next((t.value for t in used.tags if t.key == "mlflow.data.context"), None)
                found[
                    DatasetSummary(
                        run.info.experiment_id, used.dataset.name, used.dataset.digest, context
                    )
                ] = None
        return list(found)

    def log_metric(self, run_id: str, *, metric: Metric) -> None:
        """Log one point; raises what `log_batch` does."""
        self.log_batch(run_id, batch=Batch(metrics=(metric,)))

    def log_param(self, run_id: str, *, param: Param) -> None:
        """Log one param; raises what `log_batch` does."""
        self.log_batch(run_id, batch=Batch(params=(param,)))

    def set_tag(self, run_id: str, *, tag: RunTag) -> None:
        """Set one tag; raises what `log_batch` does."""
        self.log_batch(run_id, batch=Batch(tags=(tag,)))

    def delete_experiment(self, experiment_id: str) -> None:
        """Move an experiment to the bin."""
        changes = ExperimentChanges(lifecycle_stage=LifecycleStage.DELETED)
        self.update_experiment(experiment_id, changes=changes)

    def restore_experiment(self, experiment_id: str) -> None:
        """Take an experiment out of the bin."""
        changes = ExperimentChanges(lifecycle_stage=LifecycleStage.ACTIVE)
        self.update_experiment(experiment_id, changes=changes)

    def delete_run(self, run_id: str) -> None:
        """Move a run to the bin."""
        self.update_run(run_id, changes=RunChanges(lifecycle_stage=LifecycleStage.DELETED))

    def restore_run(self, run_id: str) -> None:
        """Take a run out of the bin."""
        self.update_run(run_id, changes=RunChanges(lifecycle_stage=LifecycleStage.ACTIVE))
