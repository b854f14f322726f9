"""Runs: made anew, completed after an interruption, or passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tracking_core.client.copying.batches import Packer
from tracking_core.client.copying.histories import all_points, history_pages, missing_points
from tracking_core.client.copying.sameness import own_stage, run_name, shortened
from tracking_core.client.copying.sides import (
    ONES_OWN_FAULT,
    Sides,
    contradictions,
    lacking,
    runs_of,
)
from tracking_core.client.copying.target import Target
from tracking_core.entities import (
    DatasetInput,
    LifecycleStage,
    Metric,
    Run,
    RunInputs,
    RunOutputs,
    RunStatus,
)
from tracking_core.errors import ConflictError, TrackingError, UnsupportedError
from tracking_core.stores import (
    RUN_NAME_TAG,
    UNSET,
    USER_TAG,
    Capability,
    NewRun,
    RunChanges,
)

_FIRST_FEW = 5


class _Plan(msgspec.Struct, kw_only=True):
    """What a run of the destination lacks, and what contradicts the source's."""

    conflicts: list[str]
    params: dict[str, str]
    tags: dict[str, str]
    surplus_tags: list[str]
    inputs: RunInputs
    outputs: RunOutputs
    changes: RunChanges

    @property
    def is_nothing(self) -> bool:
        """Whether all is there, as far as the headers tell."""
        return not (
            self.params
            or self.tags
            or self.surplus_tags
            or self.inputs != RunInputs()
            or self.outputs != RunOutputs()
            or self.changes != RunChanges()
        )


class RunCopier:
    """Copies the runs of one experiment; `copy` may be called by many threads.

    A run that is being copied has another status than its source's, RUNNING unless that is the
    source's own. It gets the right one last, with its end and its deletion: so a run whose header
    is equal is known to be whole, and one that an interruption left behind to be completed.

    Args:
        sides: Both backends.
        target: The destination's experiment.
        in_bin: Whether the source's experiment is deleted.
        thorough: Whether the histories of runs that look whole are gone through too.
    """

    def __init__(
        self, sides: Sides, target: Target, *, in_bin: bool, thorough: bool = False
    ) -> None:
        self._sides = sides
        self._runs = sides.destination.runs
        self._target = target
        self._in_bin = in_bin
        self._thorough = thorough
        self._known = (
            {}
            if target.is_new
            else {
                run.info.run_id: sides.sameness.run_digest(
                    run, in_bin=target.was_in_bin, source=False
                )
                for run in runs_of(sides.destination, target.experiment_id)
            }
        )

    def copy(self, run: Run) -> None:
        """Copy a run, or note why it can't be."""
        run_id = run.info.run_id
        ledger = self._sides.ledger
        digest = self._digest(run)
        ledger.as_copied[run_id] = digest
        try:
            self._check_fits(run)
            if run_id not in self._known:
                self._make(run)
            elif self._known[run_id] == digest and self._is_settled(run):
                ledger.passed_over.add(run_id)
            elif self._complete(run, self._runs.get_run(run_id)):
                ledger.passed_over.discard(run_id)
                ledger.wrote("runs completed")
            else:
                ledger.passed_over.add(run_id)
        except ONES_OWN_FAULT as error:
            text = str(error)
            name = run_name(run_id)
            ledger.passed_over.discard(run_id)
            ledger.problem(text if name in text else f"The {name} could not be copied: {text}")
        ledger.advance(runs=1)

    # --- what is there ---

    def _digest(self, run: Run) -> bytes:
        return self._sides.sameness.run_digest(run, in_bin=self._in_bin, source=True)

    def _is_settled(self, run: Run) -> bool:
        """Tell whether equal headers mean equal histories: nobody logs to it any more."""
        return run.info.status.is_terminated and not self._thorough

    # --- what fits ---

    def _check_fits(self, run: Run) -> None:
        limits = self._sides.destination.limits
        for what, values, most in (
            ("param", run.data.params, limits.param_value_length),
            ("tag", run.data.tags, limits.tag_value_length),
        ):
            for key, value in values.items():
                if most is not None and len(value) > most:
                    raise UnsupportedError(
                        f"The {what} {shortened(key)} of the {run_name(run.info.run_id)} has"
                        f" {len(value)} characters, but the destination keeps at most {most}; the"
                        " run was left out."
                    )
        for point in run.data.latest_metrics:
            self._check_point_fits(run.info.run_id, point, "left out")

    def _check_point_fits(self, run_id: str, point: Metric, outcome: str) -> None:
        if Capability.METRIC_DATASETS in self._sides.destination.capabilities:
            return
        if (point.model_id, point.dataset_name, point.dataset_digest) != (None, None, None):
            raise UnsupportedError(
                f"Points of the metric {shortened(point.key)} of the {run_name(run_id)} tell the"
                " model or data set that they were measured on, which the destination can't keep"
                f" (it lacks the capability {Capability.METRIC_DATASETS}); the run was {outcome}."
            )

    # --- a run that isn't there ---

    def _make(self, run: Run) -> None:
        sides, info = self._sides, run.info
        if sides.dry_run:
            for kind, (count, _) in self._parts(run).items():
                sides.ledger.wrote(kind, count)
            return
        self._target.open()
        created = self._runs.create_run(
            NewRun(
                experiment_id=info.experiment_id,
                run_id=info.run_id,
                run_name=info.run_name or None,
                user_id=info.user_id or None,
                start_time=info.start_time if info.start_time is not None else info.end_time,
                status=_mark(info.status),
                artifact_uri=None if sides.files else info.artifact_uri or None,
                idempotency_key=f"copy-{info.run_id}" if sides.keeps_keys else None,
            )
        )
        sides.ledger.wrote("runs")
        # Creating it gave it some of its tags.
        sides.ledger.wrote("tags", len(created.data.tags.items() & run.data.tags.items()))
        self._complete(run, created)

    def _parts(self, run: Run) -> dict[str, tuple[int, Any]]:
        return self._sides.sameness.run(run, in_bin=self._in_bin, source=True)

    # --- a run that is there ---

    def _complete(self, run: Run, there: Run) -> bool:
        """Write what is missing; return whether anything was.

        Raises:
            ConflictError: It is another one than the source's.
        """
        plan = self._plan(run, there)
        run_id = run.info.run_id
        if plan.conflicts:
            listed = "; ".join(plan.conflicts[:_FIRST_FEW])
            more = len(plan.conflicts) - _FIRST_FEW
            raise ConflictError(
                f"The {run_name(run_id)} is in the destination already and differs from the"
                f" source's, so it was left as it is: {listed}"
                f"{f'; and {more} more' if more > 0 else ''}."
            )
        if self._sides.dry_run:
            return not plan.is_nothing
        writes = not plan.is_nothing
        if writes:
            self._target.open()
        if plan.inputs != RunInputs():
            self._runs.log_inputs(run_id, inputs=plan.inputs)
            number = len(plan.inputs.dataset_inputs) + len(plan.inputs.model_inputs)
            self._sides.ledger.wrote("inputs", number)
        if plan.outputs != RunOutputs():
            self._runs.log_outputs(run_id, outputs=plan.outputs)
            self._sides.ledger.wrote("outputs", len(plan.outputs.model_outputs))
        packer = Packer(run_id, self._sides.destination.limits, keyed=self._sides.keeps_keys)
        for batch in packer.batches(plan.params, plan.tags, self._points(run, there)):
            self._target.open()
            self._check_not_deleted(there)
            self._runs.log_batch(run_id, batch=batch)
            writes = True
            self._sides.ledger.wrote("params", len(batch.params))
            self._sides.ledger.wrote("tags", len(batch.tags))
            self._sides.ledger.wrote("points", len(batch.metrics))
            self._sides.ledger.advance(points=len(batch.metrics))
        changes = plan.changes
        if changes.run_name is not UNSET:
            # A name brings its tag along, so it has to come before the tag goes.
            self._runs.update_run(run_id, changes=RunChanges(run_name=changes.run_name))
            changes = msgspec.structs.replace(changes, run_name=UNSET)
        for key in plan.surplus_tags:
            self._runs.delete_tag(run_id, key=key)
        if self._sides.files is not None:
            writes |= self._move_files(run, there)
        if changes != RunChanges():
            self._runs.update_run(run_id, changes=changes)
        return writes

    def _check_not_deleted(self, there: Run) -> None:
        if own_stage(there, in_bin=self._target.was_in_bin) is LifecycleStage.DELETED:
            raise ConflictError(
                f"The {run_name(there.info.run_id)} lacks points in the destination, but is deleted"
                " there, so it was left as it is; restore it there and copy again."
            )

    def _points(self, run: Run, there: Run) -> Iterator[tuple[int, Metric]]:
        """Yield the points that the destination lacks, metric after metric."""
        run_id = run.info.run_id
        known = {point.key for point in there.data.latest_metrics}
        for key in sorted(point.key for point in run.data.latest_metrics):
            pages = history_pages(self._sides.source, run_id, key)
            points = (
                missing_points(
                    pages,
                    history_pages(self._sides.destination, run_id, key),
                    entity=f"metric {key!r} of the {run_name(run_id)}",
                )
                if key in known
                else all_points(pages)
            )
            for offset, point in points:
                self._check_point_fits(run_id, point, "left unfinished")
                # Some stores say which run a point is of; it is this one.
                yield (
                    offset,
                    point if point.run_id is None else msgspec.structs.replace(point, run_id=None),
                )

    def _move_files(self, run: Run, there: Run) -> bool:
        assert self._sides.files is not None
        try:
            moved = self._sides.files.move(run.info.artifact_uri, there.info.artifact_uri)
        except TrackingError as error:
            raise UnsupportedError(
                f"The artifacts of the {run_name(run.info.run_id)} could not be copied: {error}"
            ) from error
        self._sides.ledger.wrote("artifact files", moved)
        return bool(moved)

    def _plan(self, run: Run, there: Run) -> _Plan:
        ours = self._parts(run)
        theirs = self._sides.sameness.run(there, in_bin=self._target.was_in_bin, source=False)
        header, found = ours["runs"][1], theirs["runs"][1]
        conflicts = contradictions(
            header, found, "experiment_id", "user_id", "start_time", "artifact_uri"
        )
        changes: dict[str, Any] = {}
        status = there.info.status
        goes_on = (
            status is not run.info.status
            and not status.is_terminated
            and there.info.end_time is None
            and found["lifecycle_stage"] == "active"
        )
        if goes_on:
            changes["status"] = run.info.status
            if run.info.end_time is not None:
                changes["end_time"] = run.info.end_time
            if header["lifecycle_stage"] == "deleted":
                changes["lifecycle_stage"] = LifecycleStage.DELETED
                if run.info.deleted_time is not None:
                    changes["deleted_time"] = run.info.deleted_time
            if header["run_name"] != found["run_name"]:
                if not run.info.run_name:
                    changes["run_name"] = ""
                else:
                    conflicts += contradictions(header, found, "run_name")
        else:
            conflicts += contradictions(
                header, found, "status", "end_time", "lifecycle_stage", "deleted_time", "run_name"
            )
        there_tags = dict(there.data.tags)
        # Creating a run gives it these, whatever the source has.
        surplus = []
        if goes_on:
            for key in (RUN_NAME_TAG, USER_TAG):
                if there_tags.get(key) != run.data.tags.get(key) and key in there_tags:
                    del there_tags[key]
                    if key not in run.data.tags:
                        surplus.append(key)
        params = lacking(run.data.params, there.data.params, what="param", conflicts=conflicts)
        tags = lacking(run.data.tags, there_tags, what="tag", conflicts=conflicts)
        inputs = self._lacking_inputs(run.inputs, there.inputs, conflicts)
        outputs = self._lacking_outputs(run.outputs, there.outputs, conflicts)
        keys = {point.key for point in run.data.latest_metrics}
        conflicts += [
            f"metric {point.key!r} is there, and isn't in the source"
            for point in there.data.latest_metrics
            if point.key not in keys
        ]
        plan = _Plan(
            conflicts=conflicts,
            params=params,
            tags=tags,
            surplus_tags=surplus,
            inputs=inputs,
            outputs=outputs,
            changes=RunChanges(**changes),
        )
        if found["lifecycle_stage"] == "deleted" and not plan.is_nothing and not conflicts:
            conflicts.append("it is deleted, so that what is missing can't be added")
        return plan

    @staticmethod
    def _lacking_inputs(ours: RunInputs, theirs: RunInputs, conflicts: list[str]) -> RunInputs:
        known = {_identity(used): used for used in theirs.dataset_inputs}
        wanted = {_identity(used): used for used in ours.dataset_inputs}
        missing = []
        for identity, used in wanted.items():
            there = known.get(identity)
            if there is None:
                missing.append(used)
                continue
            tags = {tag.key: tag.value for tag in used.tags}
            there_tags = {tag.key: tag.value for tag in there.tags}
            what = f"data set {shortened(identity[0])}: tag"
            if lacking(tags, there_tags, what=what, conflicts=conflicts):
                missing.append(used)
            if used.dataset != there.dataset:
                conflicts.append(f"data set {shortened(identity[0])} is described otherwise")
        conflicts += [
            f"data set {shortened(identity[0])} is an input, and isn't in the source"
            for identity in known.keys() - wanted.keys()
        ]
        models = tuple(each for each in ours.model_inputs if each not in theirs.model_inputs)
        conflicts += [
            f"model {each.model_id!r} is an input, and isn't in the source"
            for each in theirs.model_inputs
            if each not in ours.model_inputs
        ]
        return RunInputs(tuple(missing), models)

    @staticmethod
    def _lacking_outputs(ours: RunOutputs, theirs: RunOutputs, conflicts: list[str]) -> RunOutputs:
        missing = lacking(
            {each.model_id: each for each in ours.model_outputs},
            {each.model_id: each for each in theirs.model_outputs},
            what="output model",
            conflicts=conflicts,
        )
        return RunOutputs(tuple(missing.values()))


def _mark(status: RunStatus) -> RunStatus:
    """Return the status of a run that is being copied."""
    return RunStatus.SCHEDULED if status is RunStatus.RUNNING else RunStatus.RUNNING


def _identity(used: DatasetInput) -> tuple[str, str]:
    return (used.dataset.name, used.dataset.digest)
