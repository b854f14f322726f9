"""Stores that each make one mistake, as an author might, for the kit to catch."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tracking_core.config import Settings, Uri
from tracking_core.entities import (
    DatasetInput,
    Experiment,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunInfo,
    RunInputs,
    ViewType,
)
from tracking_core.errors import (
    AlreadyExistsError,
    InvalidStateError,
    InvalidValueError,
    NotFoundError,
    UnsupportedError,
)
from tracking_core.search import (
    And,
    Comparison,
    Expression,
    NullTest,
    Operator,
    Or,
    Page,
)
from tracking_core.stores import (
    EVERYTHING,
    RUN_NAME_TAG,
    UNSET,
    Batch,
    Capability,
    ExperimentChanges,
    MetricHistoryQuery,
    NewExperiment,
    NewRun,
    Projection,
    PurgeReport,
    PurgeRequest,
    RunChanges,
    RunQuery,
)
from tracking_core.stores.memory import MemoryStore

MISTAKES: list[tuple[type[MemoryStore], str]] = []
"""Each wrong store, and the test of the kit that must catch it."""


def caught_by(test: str) -> Any:
    """Enter a wrong store into the table."""

    def enter(store: type[MemoryStore]) -> type[MemoryStore]:
        MISTAKES.append((store, test))
        return store

    return enter


class ChangesPoints(MemoryStore):
    """Base of those that change points on their way in."""

    def change(self, point: Metric) -> Metric | None:
        raise NotImplementedError

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        changed = (self.change(point) for point in batch.metrics)
        points = tuple(point for point in changed if point is not None)
        super().log_batch(run_id, batch=replace(batch, metrics=points))


@caught_by("test_step_and_time_come_back")
class DropsTheStep(ChangesPoints):
    def change(self, point: Metric) -> Metric:
        return replace(point, step=0)


@caught_by("test_a_point_keeps_step_data_set_and_model")
class DropsTheStepOfPointsWithADataSet(ChangesPoints):
    def change(self, point: Metric) -> Metric:
        return replace(point, step=0) if point.dataset_name else point


@caught_by("test_a_point_keeps_step_data_set_and_model")
class SplitsDataSetNamesAtSpaces(ChangesPoints):
    def change(self, point: Metric) -> Metric:
        return replace(point, dataset_name=(point.dataset_name or "").partition(" ")[0] or None)


@caught_by("test_points_keep_their_data_set")
class DeclaresDataSetsOfPointsAndDropsThem(ChangesPoints):
    def change(self, point: Metric) -> Metric:
        return replace(point, dataset_name=None, dataset_digest=None)


@caught_by("test_a_value_comes_back_to_the_last_bit")
class ForgetsNan(ChangesPoints):
    def change(self, point: Metric) -> Metric | None:
        return point if point.value == point.value else None


@caught_by("test_a_value_comes_back_to_the_last_bit")
class StoresInfinityAsTheLargestFloat(ChangesPoints):
    def change(self, point: Metric) -> Metric:
        largest = sys.float_info.max
        return replace(point, value=max(-largest, min(point.value, largest)))


@caught_by("test_a_value_comes_back_to_the_last_bit")
class StoresSinglePrecision(ChangesPoints):
    def change(self, point: Metric) -> Metric:
        return replace(point, value=float(f"{point.value:.8g}"))


@caught_by("test_equal_points_are_each_kept")
class DropsEqualPoints(MemoryStore):
    def metric_history(self, run_id: str, *, query: MetricHistoryQuery) -> Page[Metric]:
        page = super().metric_history(run_id, query=query)
        return Page(tuple(dict.fromkeys(page.items)), page.next_page_token)


@caught_by("test_a_history_is_in_order_of_step_and_time_and_ties_as_logged")
class ReturnsHistoriesAsLogged(MemoryStore):
    def metric_history(self, run_id: str, *, query: MetricHistoryQuery) -> Page[Metric]:
        super().metric_history(run_id, query=query)
        return Page(tuple(self._state.runs[run_id].points.get(query.key, ())))


@caught_by("test_a_history_can_be_narrowed_to_steps")
class ExcludesTheLastStep(MemoryStore):
    def metric_history(self, run_id: str, *, query: MetricHistoryQuery) -> Page[Metric]:
        if query.last_step is not None:
            query = replace(query, last_step=query.last_step - 1)
        return super().metric_history(run_id, query=query)


@caught_by("test_the_latest_is_the_greatest_step_then_time_then_value")
class TakesTheLastLoggedForTheLatest(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        super().log_batch(run_id, batch=batch)
        for point in batch.metrics:
            self._state.runs[run_id].latest[point.key] = point


class PagesBy(MemoryStore):
    """Base of those that make page tokens of their own."""

    def search_runs(self, query: RunQuery) -> Page[Run]:
        start = int(query.page_token) if query.page_token else 0
        everything = replace(query, page_token=None, max_results=50_000)
        found = super().search_runs(everything).items
        end = start + query.max_results
        return Page(found[start:end], str(end) if end < len(found) else None)


@caught_by("test_runs_that_come_and_go_between_pages_neither_double_nor_hide_others")
class PagesByOffset(PagesBy):
    pass


@caught_by("test_a_token_that_is_none_is_refused")
class PagesByOffsetAndTakesAnyNumber(PagesBy):
    def search_runs(self, query: RunQuery) -> Page[Run]:
        try:
            return super().search_runs(query)
        except ValueError:
            raise InvalidValueError("That is no page token.") from None


@caught_by("test_the_token_of_another_query_is_refused")
class TakesTheTokensOfOtherQueries(PagesBy):
    pass


@caught_by("test_a_page_that_takes_the_rest_is_the_last")
class EndsWithAnEmptyPage(PagesBy):
    def search_runs(self, query: RunQuery) -> Page[Run]:
        page = super().search_runs(query)
        start = int(query.page_token or 0)
        return Page(page.items, str(start + len(page.items)) if page.items else None)


@caught_by("test_a_changed_param_is_refused_and_the_first_value_stays")
class OverwritesParams(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        with suppress(KeyError):
            for param in batch.params:
                self._state.runs[run_id].params.pop(param.key, None)
        super().log_batch(run_id, batch=batch)


@caught_by("test_a_changed_param_is_refused_and_the_first_value_stays")
class KeepsTheFirstParamSilently(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        known = self.get_run(run_id).data.params
        params = tuple(p for p in batch.params if known.get(p.key, p.value) == p.value)
        super().log_batch(run_id, batch=replace(batch, params=params))


@caught_by("test_nothing_of_a_batch_that_contradicts_is_written")
class WritesHalfOfAConflictingBatch(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        super().log_batch(run_id, batch=replace(batch, params=()))
        super().log_batch(run_id, batch=Batch(params=batch.params))


@caught_by("test_nothing_of_a_batch_that_contradicts_is_written")
class WritesParamsOneByOne(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        for param in batch.params:
            super().log_batch(run_id, batch=Batch(params=(param,)))
        super().log_batch(run_id, batch=batch)


@caught_by("test_values_that_only_look_alike_are_different")
class ComparesParamsAsNumbers(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        known = self.get_run(run_id).data.params

        def same(param: Param) -> bool:
            with suppress(KeyError, ValueError):
                return float(known[param.key]) == float(param.value)
            return False

        params = tuple(param for param in batch.params if not same(param))
        super().log_batch(run_id, batch=replace(batch, params=params))


@caught_by("test_any_text_is_kept_whole")
class CutsLongValues(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        params = tuple(replace(param, value=param.value[:6000]) for param in batch.params)
        super().log_batch(run_id, batch=replace(batch, params=params))


@caught_by("test_any_text_is_kept_whole")
class StripsValues(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        tags = tuple(replace(tag, value=tag.value.strip()) for tag in batch.tags)
        super().log_batch(run_id, batch=replace(batch, tags=tags))


@caught_by("test_keys_that_differ_in_case_alone_are_two")
class IgnoresTheCaseOfKeys(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        params = {param.key.lower(): param for param in batch.params}
        super().log_batch(run_id, batch=replace(batch, params=tuple(params.values())))


@caught_by("test_a_batch_sent_twice_with_one_key_is_there_once")
class IgnoresTheIdempotencyKeyOfBatches(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        super().log_batch(run_id, batch=replace(batch, idempotency_key=None))


@caught_by("test_the_key_of_a_refused_batch_is_not_used_up")
class UsesUpTheKeyOfARefusedBatch(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        try:
            super().log_batch(run_id, batch=batch)
        finally:
            if batch.idempotency_key is not None:
                self._state.runs[run_id].batch_keys.add(batch.idempotency_key)


@caught_by("test_one_key_in_two_runs_is_two_batches")
class KeepsKeysForAllRunsTogether(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        if any(batch.idempotency_key in each.batch_keys for each in self._state.runs.values()):
            return
        super().log_batch(run_id, batch=batch)


@caught_by("test_a_run_sent_twice_with_one_key_is_there_once")
class IgnoresTheIdempotencyKeyOfRuns(MemoryStore):
    def create_run(self, new: NewRun) -> Run:
        if new.idempotency_key is not None:
            new = replace(new, idempotency_key=None, run_id=None)
        return super().create_run(new)


@caught_by("test_the_id_of_a_run_made_without_this_key_is_taken")
class ReturnsWhateverRunHasTheId(MemoryStore):
    def create_run(self, new: NewRun) -> Run:
        if new.idempotency_key is not None and new.run_id in self._state.runs:
            return self.get_run(new.run_id)
        return super().create_run(new)


@caught_by("test_nan_comes_after_the_numbers_and_what_is_missing_last")
class SortsNanFirst(MemoryStore):
    def search_runs(self, query: RunQuery) -> Page[Run]:
        page = super().search_runs(query)

        def is_number(run: Run) -> bool:
            return all(metric.value == metric.value for metric in run.data.latest_metrics)

        return Page(tuple(sorted(page.items, key=is_number)), page.next_page_token)


@caught_by("test_a_search_of_runs_sees_the_stages_of_its_view")
class ReturnsDeletedRuns(MemoryStore):
    def search_runs(self, query: RunQuery) -> Page[Run]:
        return super().search_runs(replace(query, view_type=ViewType.ALL))


def _matching_what_is_missing(expression: Expression | None) -> Expression | None:
    if isinstance(expression, And):
        return And(tuple(filter(None, map(_matching_what_is_missing, expression.terms))))
    if isinstance(expression, Comparison) and expression.operator is Operator.NOT_EQUAL:
        return Or((expression, NullTest(expression.field)))
    return expression


@caught_by("test_an_unequal_comparison_never_matches_what_is_missing")
class LetsUnequalMatchWhatIsMissing(MemoryStore):
    def search_runs(self, query: RunQuery) -> Page[Run]:
        return super().search_runs(replace(query, filter=_matching_what_is_missing(query.filter)))


def _in_any_case(expression: Expression | None) -> Expression | None:
    if isinstance(expression, And):
        return And(tuple(filter(None, map(_in_any_case, expression.terms))))
    if isinstance(expression, Comparison) and expression.operator is Operator.LIKE:
        return replace(expression, operator=Operator.ILIKE)
    return expression


@caught_by("test_every_filter_finds_what_it_means")
class LikesInAnyCase(MemoryStore):
    def search_runs(self, query: RunQuery) -> Page[Run]:
        return super().search_runs(replace(query, filter=_in_any_case(query.filter)))


@caught_by("test_every_order_is_the_same_everywhere")
class BreaksTiesByName(MemoryStore):
    def search_runs(self, query: RunQuery) -> Page[Run]:
        page = super().search_runs(query)
        if query.order_by:
            return page
        runs = sorted(page.items, key=lambda run: run.info.run_name)
        runs.sort(key=lambda run: run.info.start_time or 0, reverse=True)
        return Page(tuple(runs), page.next_page_token)


@caught_by("test_a_search_stays_in_its_experiments")
class SearchesEverywhereForNoExperiments(MemoryStore):
    def search_runs(self, query: RunQuery) -> Page[Run]:
        return super().search_runs(replace(query, experiment_ids=query.experiment_ids or None))


@caught_by("test_without_experiments_a_search_is_in_every_active_one")
class SearchesDeletedExperimentsToo(MemoryStore):
    def search_runs(self, query: RunQuery) -> Page[Run]:
        if query.experiment_ids is None:
            query = replace(query, experiment_ids=tuple(self._state.experiments))
        return super().search_runs(query)


@caught_by("test_a_projection_leaves_out_what_it_does_not_name")
class FiltersWhatItHasProjected(MemoryStore):
    def search_runs(self, query: RunQuery) -> Page[Run]:
        page = super().search_runs(query)
        keys = query.projection.metrics
        if keys is not None and "metrics" not in keys and query.filter is not None:
            return Page(tuple(run for run in page.items if run.data.latest_metrics))
        return page


@caught_by("test_a_projection_leaves_out_what_it_does_not_name")
class IgnoresTheProjection(MemoryStore):
    def get_run(self, run_id: str, *, projection: Projection = EVERYTHING) -> Run:
        return super().get_run(run_id)


@caught_by("test_pages_together_are_the_whole_and_none_is_empty")
class CountsAPage(MemoryStore):
    def count_runs(self, query: RunQuery) -> int:
        return len(self.search_runs(query).items)


@caught_by("test_a_deleted_tag_does_not_come_back_with_other_changes")
class ResurrectsTags(MemoryStore):
    def delete_tag(self, run_id: str, *, key: str) -> None:
        value = self.get_run(run_id).data.tags.get(key, "")
        super().delete_tag(run_id, key=key)
        self.__dict__.setdefault("_buried", {})[run_id] = (key, value)

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        super().log_batch(run_id, batch=batch)
        if run_id in self.__dict__.get("_buried", {}):
            key, value = self.__dict__["_buried"].pop(run_id)
            self._state.runs[run_id].tags[key] = value


@caught_by("test_a_tag_that_is_not_there_can_not_be_deleted")
class DeletesTagsThatAreNotThere(MemoryStore):
    def delete_tag(self, run_id: str, *, key: str) -> None:
        with suppress(NotFoundError):
            super().delete_tag(run_id, key=key)


@caught_by("test_a_new_name_changes_the_tag")
class RenamesWithoutTheTag(MemoryStore):
    def update_run(self, run_id: str, *, changes: RunChanges) -> RunInfo:
        tag = self.get_run(run_id).data.tags[RUN_NAME_TAG]
        info = super().update_run(run_id, changes=changes)
        self._state.runs[run_id].tags[RUN_NAME_TAG] = tag
        return info


@caught_by("test_a_new_tag_changes_the_name")
class TagsWithoutTheName(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        info = self._record(run_id).info
        super().log_batch(run_id, batch=batch)
        self._state.runs[run_id].info = info


@caught_by("test_the_end_time_can_be_taken_away_again")
class TakesNoneForUnset(MemoryStore):
    def update_run(self, run_id: str, *, changes: RunChanges) -> RunInfo:
        if changes.end_time is None:
            changes = replace(changes, end_time=UNSET)
        return super().update_run(run_id, changes=changes)


@caught_by("test_a_deleted_run_refuses_data")
class WritesToDeletedRuns(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        info = self._record(run_id).info
        self._state.runs[run_id].info = replace(info, lifecycle_stage=LifecycleStage.ACTIVE)
        super().log_batch(run_id, batch=batch)
        self._state.runs[run_id].info = info


@caught_by("test_the_runs_of_a_deleted_experiment_read_as_deleted_until_it_is_restored")
class ForgetsThatTheExperimentIsDeleted(MemoryStore):
    def _seen(self, record: Any) -> Run:
        run: Run = record.to_run()
        return run


@caught_by("test_the_runs_of_a_deleted_experiment_read_as_deleted_until_it_is_restored")
class RestoresAllRunsOfAnExperiment(MemoryStore):
    def update_experiment(self, experiment_id: str, *, changes: ExperimentChanges) -> Experiment:
        experiment = super().update_experiment(experiment_id, changes=changes)
        if changes.lifecycle_stage is LifecycleStage.ACTIVE:
            for run_id in self._state.run_ids[experiment_id]:
                self.restore_run(run_id)
        return experiment


@caught_by("test_the_name_of_a_deleted_experiment_stays_taken_and_the_sentence_says_so")
class FreesTheNamesOfDeletedExperiments(MemoryStore):
    def _holders_of(self, wanted: Experiment) -> list[Experiment]:
        holders = super()._holders_of(wanted)
        return [each for each in holders if each.lifecycle_stage is LifecycleStage.ACTIVE]


@caught_by("test_deleting_an_experiment_twice_and_restoring_it_twice_changes_nothing")
class RefusesToDeleteTwice(MemoryStore):
    def update_experiment(self, experiment_id: str, *, changes: ExperimentChanges) -> Experiment:
        if changes.lifecycle_stage is self.get_experiment(experiment_id).lifecycle_stage:
            raise InvalidStateError(f"The experiment {experiment_id} is so already.")
        return super().update_experiment(experiment_id, changes=changes)


@caught_by("test_what_is_not_deleted_stops_the_purge_before_it_begins")
class PurgesUntilItMeetsAnActiveOne(MemoryStore):
    def purge(self, request: PurgeRequest) -> PurgeReport:
        for run_id in request.run_ids:
            super().purge(PurgeRequest(run_ids=(run_id,)))
        return super().purge(request)


@caught_by("test_purging_again_passes_over_what_is_gone")
class RefusesToPurgeAgain(MemoryStore):
    def purge(self, request: PurgeRequest) -> PurgeReport:
        for run_id in request.run_ids:
            self.get_run(run_id)
        return super().purge(request)


@caught_by("test_a_purged_experiment_takes_its_runs_along_and_frees_its_name")
class PurgesWithoutReportingRuns(MemoryStore):
    def purge(self, request: PurgeRequest) -> PurgeReport:
        return replace(super().purge(request), run_ids=request.run_ids)


@caught_by("test_an_input_that_is_there_is_not_doubled")
class DoublesInputs(MemoryStore):
    def log_inputs(self, run_id: str, *, inputs: RunInputs) -> None:
        record = self._writable(run_id)
        datasets: tuple[DatasetInput, ...] = record.inputs.dataset_inputs + inputs.dataset_inputs
        record.inputs = RunInputs(datasets, record.inputs.model_inputs + inputs.model_inputs)


@caught_by("test_a_run_that_is_not_there_is_not_found")
class AnswersWithAnEmptyHistory(MemoryStore):
    def metric_history(self, run_id: str, *, query: MetricHistoryQuery) -> Page[Metric]:
        if run_id not in self._state.runs:
            return Page(())
        return super().metric_history(run_id, query=query)


@caught_by("test_a_run_that_is_not_there_is_not_found")
class RaisesKeyErrors(MemoryStore):
    def _record(self, run_id: str) -> Any:
        return self._state.runs[run_id]


@caught_by("test_a_run_id_that_can_not_be_is_refused")
class ChecksNoIds(MemoryStore):
    def _record(self, run_id: str) -> Any:
        record = self._state.runs.get(run_id)
        if record is None:
            raise NotFoundError(f"There is no run {run_id!r}.")
        return record


@caught_by("test_a_run_id_that_can_not_be_is_refused")
class NamesNothingInItsSentences(MemoryStore):
    def _record(self, run_id: str) -> Any:
        try:
            return super()._record(run_id)
        except InvalidValueError:
            raise InvalidValueError("A bad id was given.") from None


@caught_by("test_threads_that_create_one_name_make_one_experiment")
class ChecksTheNameBeforeItTakesTheLock(MemoryStore):
    def create_experiment(self, new: NewExperiment) -> Experiment:
        if self.get_experiment_by_name(new.name) is not None:
            raise AlreadyExistsError(f"The name {new.name!r} is taken.")
        time.sleep(0)
        free = super().create_experiment(replace(new, name=f"{new.name} (for now)"))
        with self._state.lock:
            named = replace(free, name=new.name)
            self._state.experiments[free.experiment_id] = named
            self._state.experiment_ids.pop(free.name)
            self._state.experiment_ids[new.name] = free.experiment_id
        return named


@caught_by("test_threads_lose_no_point_of_one_run")
class WritesBackWhatItReadBefore(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        with self._state.lock:
            record = self._record(run_id)
            params = dict(record.params)
        time.sleep(0)
        super().log_batch(run_id, batch=batch)
        params.update((param.key, param.value) for param in batch.params)
        record.params = params


@caught_by("test_who_reads_while_others_write_sees_whole_things")
class WritesTextInPieces(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        record = self._record(run_id)
        for tag in batch.tags:
            record.tags[tag.key] = tag.value[: len(tag.value) // 2 + 1]
            time.sleep(0)
        super().log_batch(run_id, batch=batch)


@caught_by("test_methods_keep_the_names_kinds_and_defaults_of_their_parameters")
class RenamesAParameter(MemoryStore):
    def get_run(self, run: str, *, projection: Projection = EVERYTHING) -> Run:  # type: ignore[override]
        return super().get_run(run, projection=projection)


@caught_by("test_methods_keep_the_names_kinds_and_defaults_of_their_parameters")
class TakesKeywordsByPosition(MemoryStore):
    def get_run(self, run_id: str, projection: Projection = EVERYTHING) -> Run:
        return super().get_run(run_id, projection=projection)


@caught_by("test_the_constructor_takes_the_uri_and_the_settings_and_nothing_else")
class WantsAnotherArgument(MemoryStore):
    def __init__(self, uri: Uri, settings: Settings, timeout: float = 5.0) -> None:
        super().__init__(uri, settings)


@caught_by("test_opening_and_reading_leave_no_trace")
class LeavesATrace(MemoryStore):
    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        if uri.path:
            Path(uri.path).mkdir(exist_ok=True)


@caught_by("test_what_was_written_is_there_for_the_next_connection")
class ForgetsWhenItIsOpenedAgain(MemoryStore):
    def __init__(self, uri: Uri, settings: Settings) -> None:
        super().__init__(uri, settings)
        with self._state.lock:
            self._state.runs.clear()


@caught_by("test_no_password_is_shown")
class ShowsThePassword(MemoryStore):
    def __repr__(self) -> str:
        return f"ShowsThePassword({self.uri.text!r})"


@caught_by("test_rich_filters_are_answered")
class DeclaresRichFiltersAndRefusesThem(MemoryStore):
    def search_runs(self, query: RunQuery) -> Page[Run]:
        if isinstance(query.filter, Or):
            raise UnsupportedError("This store can't search so.")
        return super().search_runs(query)


@caught_by("test_purging_removes_for_good")
class DeclaresPurgingAndRefusesIt(MemoryStore):
    def purge(self, request: PurgeRequest) -> PurgeReport:
        raise UnsupportedError("This store can't purge.")


@caught_by("test_chosen_ids_are_kept")
class DeclaresChosenIdsAndChoosesItsOwn(MemoryStore):
    def create_run(self, new: NewRun) -> Run:
        return super().create_run(replace(new, run_id=None))


@caught_by("test_rich_filters_are_refused_where_they_are_not_declared")
class AnswersRichFiltersWithoutDeclaringThem(MemoryStore):
    capabilities = MemoryStore.capabilities - {Capability.RICH_FILTERS}


@caught_by("test_idempotency_keys_are_refused_where_they_are_not_declared")
class DropsKeysThatItDoesNotDeclare(MemoryStore):
    capabilities = MemoryStore.capabilities - {Capability.IDEMPOTENCY_KEYS}

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        super().log_batch(run_id, batch=replace(batch, idempotency_key=None))


@caught_by("test_chosen_ids_are_refused_where_they_are_not_declared")
class DropsIdsThatItDoesNotDeclare(MemoryStore):
    capabilities = MemoryStore.capabilities - {Capability.CHOSEN_IDS}

    def create_run(self, new: NewRun) -> Run:
        return super().create_run(replace(new, run_id=None))


@caught_by("test_purging_is_refused_where_it_is_not_declared")
class PurgesWithoutDeclaringIt(MemoryStore):
    capabilities = MemoryStore.capabilities - {Capability.PURGE}


@caught_by("test_points_with_a_data_set_are_refused_where_it_is_not_declared")
class DropsDataSetsThatItDoesNotDeclare(DeclaresDataSetsOfPointsAndDropsThem):
    capabilities = MemoryStore.capabilities - {Capability.METRIC_DATASETS}


@caught_by("test_processes_that_ensure_one_name_get_one_experiment")
class DeclaresSeveralProcesses(MemoryStore):
    capabilities = MemoryStore.capabilities | {Capability.MULTI_PROCESS}


@caught_by("test_what_a_killed_process_had_acknowledged_is_there")
class DeclaresDurability(MemoryStore):
    capabilities = MemoryStore.capabilities | {Capability.DURABLE}

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        # It acknowledges what the other process's memory alone holds.
        with suppress(NotFoundError):
            super().log_batch(run_id, batch=batch)

    def create_run(self, new: NewRun) -> Run:
        with suppress(NotFoundError):
            return super().create_run(new)
        return Run(info=RunInfo(run_id="lost", experiment_id=new.experiment_id))


_private_lock = threading.Lock()
# The child gets it as it is at that moment: held, and nobody there to release it.
os.register_at_fork(before=_private_lock.acquire, after_in_parent=_private_lock.release)


@caught_by("test_after_a_fork_both_sides_go_on")
class HoldsItsLockAcrossForks(MemoryStore):
    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        with _private_lock:
            super().log_batch(run_id, batch=batch)
