"""The destination's side of an experiment that is copied."""

from __future__ import annotations

import threading
from typing import Any

from tracking_core.client.copying.sameness import experiment_name, is_default
from tracking_core.client.copying.sides import Sides, contradictions, lacking, runs_of
from tracking_core.entities import Experiment, LifecycleStage
from tracking_core.errors import ConflictError, NotFoundError, UnsupportedError
from tracking_core.stores import (
    ExperimentChanges,
    LoggedModelQuery,
    LoggedModelStore,
    NewExperiment,
)


class Target:
    """An experiment of the destination, made if it isn't there.

    A deleted one is restored when something is to be written to it, and deleted again by `finish`.

    Args:
        sides: Both backends.
        source: The source's experiment.

    Raises:
        ConflictError: What is there is another experiment than the source's.
        AlreadyExistsError: Its name is taken by one of another id.
        UnsupportedError: A tag doesn't fit.
    """

    def __init__(self, sides: Sides, source: Experiment) -> None:
        self._sides = sides
        self._source = source
        self._lock = threading.Lock()
        self.experiment_id = source.experiment_id
        self._check_fits()
        try:
            there = sides.destination.runs.get_experiment(source.experiment_id)
        except NotFoundError:
            there = self._make()
            self.is_new = True
        else:
            self.is_new = False
        self._location: str | None = None
        if not self.is_new:
            self._compare(there)
        self._stage = there.lifecycle_stage
        self.was_in_bin = there.lifecycle_stage is LifecycleStage.DELETED

    def open(self) -> None:
        """Make sure that it can be written to."""
        if self._stage is LifecycleStage.ACTIVE:
            return
        with self._lock:
            if self._stage is LifecycleStage.DELETED:
                self._update(lifecycle_stage=LifecycleStage.ACTIVE)
                self._stage = LifecycleStage.ACTIVE

    def finish(self) -> None:
        """Give it the stage, the tags and the time that the source's has."""
        sides, source = self._sides, self._source
        if sides.dry_run:
            return
        there = sides.destination.runs.get_experiment(self.experiment_id)
        missing = {key: value for key, value in source.tags.items() if key not in there.tags}
        moves = self._location is not None and there.artifact_location != self._location
        if missing or moves:
            self.open()
            changes: dict[str, Any] = {"set_tags": missing}
            if moves:
                changes["artifact_location"] = self._location
            self._update(**changes)
        if source.lifecycle_stage is LifecycleStage.DELETED:
            if self._stage is LifecycleStage.ACTIVE:
                self._update(lifecycle_stage=LifecycleStage.DELETED)
        elif source.last_update_time not in (None, there.last_update_time) or missing or moves:
            self._update()

    def _update(self, **changes: Any) -> None:
        if self._source.last_update_time is not None:
            changes["last_update_time"] = self._source.last_update_time
        self._sides.destination.runs.update_experiment(
            self.experiment_id, changes=ExperimentChanges(**changes)
        )

    def _check_fits(self) -> None:
        most = self._sides.destination.limits.experiment_tag_value_length
        for key, value in self._source.tags.items():
            if most is not None and len(value) > most:
                raise UnsupportedError(
                    f"The tag {key!r} of the {experiment_name(self._source)} has {len(value)}"
                    f" characters, but the destination keeps at most {most}; the experiment was"
                    " left out with its runs."
                )

    def _make(self) -> Experiment:
        source = self._source
        self._sides.ledger.wrote("experiments")
        if self._sides.dry_run:
            return source
        return self._sides.destination.runs.create_experiment(
            NewExperiment(
                name=source.name,
                experiment_id=source.experiment_id,
                artifact_location=(None if self._sides.files else source.artifact_location or None),
                tags=source.tags,
                creation_time=source.creation_time,
                last_update_time=source.last_update_time,
            )
        )

    def _compare(self, there: Experiment) -> None:
        ours = self._sides.sameness.experiment(self._source, source=True)
        theirs = self._sides.sameness.experiment(there, source=False)
        conflicts: list[str] = []
        lacking(ours["tags"], theirs["tags"], what="tag", conflicts=conflicts)
        names = ["name", "creation_time"]
        if not self._is_untouched(there):
            names.append("artifact_location")
        elif "artifact_location" in ours:
            self._location = self._source.artifact_location
        conflicts += contradictions(ours, theirs, *names)
        if self._sides.files and there.artifact_location == self._source.artifact_location:
            self._sides.ledger.note(
                f"The files of the {experiment_name(self._source)} stay where they are, because"
                " both sides name the same place for them."
            )
        if there.lifecycle_stage is LifecycleStage.DELETED:
            conflicts += contradictions(ours, theirs, "lifecycle_stage")
        if conflicts:
            raise ConflictError(
                f"The {experiment_name(self._source)} is in the destination already and differs"
                " from the source's, so it was left as it is, and its runs were left out:"
                f" {'; '.join(conflicts)}. Rename it on one side, or delete and purge it in the"
                " destination."
            )

    def _is_untouched(self, there: Experiment) -> bool:
        """Tell whether it is the default one, as the destination made it by itself."""
        destination = self._sides.destination
        if not is_default(there) or there.tags or any(runs_of(destination, there.experiment_id)):
            return False
        if LoggedModelStore not in destination.facets():
            return True
        query = LoggedModelQuery(experiment_ids=(there.experiment_id,), max_results=1)
        return not destination.logged_models.search_logged_models(query).items
