"""Both sides read again, counted, digested and compared."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from tracking_core.client.copying.histories import (
    first_difference,
    history_digest,
    history_pages,
)
from tracking_core.client.copying.logged_models import logged_models_of
from tracking_core.client.copying.registry import registered_models_of, versions_of
from tracking_core.client.copying.report import Difference, Tally
from tracking_core.client.copying.sameness import (
    differences,
    digest_of,
    experiment_name,
    logged_model_name,
    registered_model_name,
    run_name,
    version_name,
)
from tracking_core.client.copying.sides import ONES_OWN_FAULT, Sides, runs_of
from tracking_core.entities import Experiment, LifecycleStage, Run
from tracking_core.errors import NotFoundError, TrackingError
from tracking_core.stores import BackendStore

NAMED = 20
"""How many differing entities a report names."""

_RUN_KINDS = ("runs", "params", "tags", "points", "inputs", "outputs")
_REGISTRY_KINDS = ("registered models", "versions", "aliases")
_MODULUS = 1 << 256


class _Total:
    """How many there are, and the sum of their SHA-256: the same in every order."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0

    def add(self, count: int, digest: bytes) -> None:
        self.count += count
        self._sum = (self._sum + int.from_bytes(digest, "big")) % _MODULUS

    @property
    def digest(self) -> str:
        return f"{self._sum:064x}"


class _ReadRun(msgspec.Struct, frozen=True):
    """A run as it was read: its digests by kind, all of them together, and as a search shows it."""

    run_id: str
    parts: dict[str, tuple[int, bytes]]
    whole: bytes
    shown: bytes


class Proof:
    """Compares both sides; `tallies`, `found` and `differing` tell the outcome.

    Args:
        sides: Both backends.
        logged_models: Whether logged models are compared.
        registry: Whether the model registry is.
    """

    def __init__(self, sides: Sides, *, logged_models: bool, registry: bool) -> None:
        self._sides = sides
        self._has_models = logged_models
        self._has_registry = registry
        kinds = ["experiments", *_RUN_KINDS]
        kinds += ["logged models"] if logged_models else []
        kinds += _REGISTRY_KINDS if registry else []
        kinds += ["artifact files"] if sides.files is not None else []
        self._totals = {kind: (_Total(), _Total()) for kind in kinds}
        self.found: list[Difference] = []
        self.differing = 0
        self.stale: set[str] = set()
        """Runs that were passed over as equal, but aren't."""

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """The totals of each kind."""
        return tuple(
            Tally(
                kind=kind,
                source_count=ours.count,
                source_digest=ours.digest,
                destination_count=theirs.count,
                destination_digest=theirs.digest,
            )
            for kind, (ours, theirs) in self._totals.items()
        )

    def compare(self, experiments: Iterable[Experiment]) -> None:
        """Read and compare these experiments of the source, and the registry if it is asked for."""
        for experiment in experiments:
            self._compare_experiment(experiment)
        if self._has_registry:
            self._compare_registry()

    # --- experiments and runs ---

    def _compare_experiment(self, old: Experiment) -> None:
        sides, experiment_id = self._sides, old.experiment_id
        ours = _experiment(sides.source, experiment_id)
        theirs = _experiment(sides.destination, experiment_id)
        fields = [
            None if each is None else sides.sameness.experiment(each, source=each is ours)
            for each in (ours, theirs)
        ]
        self._compare_one("experiments", experiment_name(ours or old), experiment_id, fields)
        if self._has_models:
            self._compare_logged_models(experiment_id, ours, theirs)
        read = {each.run_id: each for each in self._read_runs(sides.source, ours, 0)}
        changed = {
            run_id
            for run_id, each in read.items()
            if sides.ledger.as_copied and sides.ledger.as_copied.get(run_id) != each.shown
        }
        left = {run_id: each.whole for run_id, each in read.items()}
        del read
        for each in self._read_runs(sides.destination, theirs, 1):
            whole = left.pop(each.run_id, None)
            if whole != each.whole:
                if each.run_id in sides.ledger.passed_over:
                    self.stale.add(each.run_id)
                self._differs(
                    self._run_difference(each.run_id, each.run_id in changed, ours, theirs)
                )
        if theirs is None:
            self.differing += len(left)
            return
        for run_id in left:
            self._differs(
                Difference(
                    entity=run_name(run_id), source="there", source_changed=run_id in changed
                )
            )

    def _read_runs(
        self, store: BackendStore, experiment: Experiment | None, side: int
    ) -> Iterator[_ReadRun]:
        if experiment is None:
            return
        in_bin = experiment.lifecycle_stage is LifecycleStage.DELETED

        def read(run: Run) -> _ReadRun:
            return self._read_run(store, run, in_bin=in_bin, source=side == 0)

        runs = runs_of(store, experiment.experiment_id)
        for each in self._sides.each_done(read, runs):
            for kind, (count, digest) in each.parts.items():
                self._totals[kind][side].add(count, digest)
            yield each

    def _read_run(self, store: BackendStore, run: Run, *, in_bin: bool, source: bool) -> _ReadRun:
        sides, run_id = self._sides, run.info.run_id
        name = run_name(run_id)
        parts = {
            kind: (count, digest_of((run_id, value)))
            for kind, (count, value) in sides.sameness.run(
                run, in_bin=in_bin, source=source
            ).items()
        }
        histories: dict[str, bytes] = {}
        points = 0
        for latest in run.data.latest_metrics:
            try:
                count, histories[latest.key] = history_digest(
                    history_pages(store, run_id, latest.key)
                )
            except ONES_OWN_FAULT as error:
                sides.ledger.problem(
                    f"The metric {latest.key!r} of the {name} could not be read from {store.uri}:"
                    f" {error}"
                )
            else:
                points += count
        parts["points"] = (points, digest_of((run_id, histories)))
        if sides.files is not None:
            files = self._files(run.info.artifact_uri, name, source=source)
            parts["artifact files"] = (len(files), digest_of((run_id, files)))
        sides.ledger.advance(runs=1, points=points)
        return _ReadRun(
            run_id,
            parts,
            hashlib.sha256(b"".join(digest for _, digest in parts.values())).digest()[:16],
            sides.sameness.run_digest(run, in_bin=in_bin, source=source) if source else b"",
        )

    def _run_difference(
        self, run_id: str, changed: bool, ours: Experiment | None, theirs: Experiment | None
    ) -> Difference:
        """Find the first thing in which a run differs."""
        name = run_name(run_id)
        if len(self.found) >= NAMED:
            return Difference(entity=name)
        found = ("", "", "there")
        sides = self._sides
        try:
            one = sides.source.runs.get_run(run_id)
            other = sides.destination.runs.get_run(run_id)
        except NotFoundError:
            return Difference(entity=name, destination="there")
        if one.info.experiment_id == other.info.experiment_id:
            found = self._first_difference(one, other, ours, theirs)
        return Difference(
            entity=name,
            field=found[0],
            source=found[1],
            destination=found[2],
            source_changed=changed,
        )

    def _first_difference(
        self, one: Run, other: Run, ours: Experiment | None, theirs: Experiment | None
    ) -> tuple[str, str, str]:
        sides = self._sides
        parts = [
            sides.sameness.run(
                run,
                in_bin=experiment is not None
                and experiment.lifecycle_stage is LifecycleStage.DELETED,
                source=run is one,
            )
            for run, experiment in ((one, ours), (other, theirs))
        ]
        for kind in parts[0]:
            values = [each[kind][1] for each in parts]
            if kind in ("params", "tags"):
                values = [{kind: value} for value in values]
            for found in differences(*values):
                return found
        keys = [{point.key for point in run.data.latest_metrics} for run in (one, other)]
        for key in sorted(keys[0] | keys[1]):
            points = first_difference(
                *(
                    history_pages(store, one.info.run_id, key)
                    for store in (sides.source, sides.destination)
                )
            )
            if points[0] != points[1]:
                return (f"the points of {key!r}", *points)
        if sides.files is not None:
            files = [
                dict(
                    self._files(run.info.artifact_uri, run_name(run.info.run_id), source=run is one)
                )
                for run in (one, other)
            ]
            for found in differences({"artifact": files[0]}, {"artifact": files[1]}):
                return found
        return ("what was read while it was compared", "something", "something else")

    def _files(self, uri: str, owner: str, *, source: bool) -> list[tuple[str, int | None]]:
        assert self._sides.files is not None
        try:
            return self._sides.files.listing(uri, source=source)
        except TrackingError as error:
            self._sides.ledger.problem(f"The files of the {owner} could not be listed: {error}")
            return []

    # --- models ---

    def _compare_logged_models(
        self, experiment_id: str, ours: Experiment | None, theirs: Experiment | None
    ) -> None:
        sides = self._sides
        both = []
        for store, experiment in ((sides.source, ours), (sides.destination, theirs)):
            models = [] if experiment is None else logged_models_of(store, experiment_id)
            found: dict[str, dict[str, Any]] = {}
            for model in models:
                is_source = store is sides.source
                found[model.model_id] = sides.sameness.logged_model(model, source=is_source)
                if sides.files is not None:
                    name = logged_model_name(model.model_id)
                    files = self._files(model.artifact_location, name, source=is_source)
                    total = self._totals["artifact files"][0 if is_source else 1]
                    total.add(len(files), digest_of((model.model_id, files)))
                    found[model.model_id]["artifact"] = dict(files)
            both.append(found)
        for model_id in dict.fromkeys(itertools.chain(*both)):
            pair = [found.get(model_id) for found in both]
            self._compare_one("logged models", logged_model_name(model_id), model_id, pair)

    def _compare_registry(self) -> None:
        """Compare the source's registered models; others of the destination are none of ours."""
        sides = self._sides
        for model in registered_models_of(sides.source):
            name = registered_model_name(model.name)
            try:
                other = sides.destination.registry.get_registered_model(model.name)
            except NotFoundError:
                other = None
            models = (model, other)
            fields = [None if m is None else sides.sameness.registered_model(m) for m in models]
            self._compare_one("registered models", name, model.name, fields)
            aliases = [None if m is None else {"aliases": m.aliases} for m in models]
            if any(each and each["aliases"] for each in aliases):
                counts = [0 if m is None else len(m.aliases) for m in models]
                self._compare_one("aliases", name, model.name, aliases, counts=counts)
            versions = [
                {} if each is None else {v.version: v for v in versions_of(store, model.name)}
                for each, store in zip(models, (sides.source, sides.destination), strict=True)
            ]
            for number in sorted({*versions[0], *versions[1]}):
                pair = [each.get(number) for each in versions]
                known = next(each for each in pair if each is not None)
                fields = [
                    None if v is None else sides.sameness.version(v, source=side == 0)
                    for side, v in enumerate(pair)
                ]
                identity = f"{model.name}/{number}"
                self._compare_one("versions", version_name(known), identity, fields)

    def _compare_one(
        self,
        kind: str,
        entity: str,
        identity: str,
        both: Sequence[dict[str, Any] | None],
        *,
        counts: Sequence[int] = (1, 1),
    ) -> None:
        for total, fields, count in zip(self._totals[kind], both, counts, strict=True):
            if fields is not None:
                total.add(count, digest_of((identity, fields)))
        ours, theirs = both
        if ours is None or theirs is None:
            self._differs(
                Difference(
                    entity=entity,
                    source="there" if ours is not None else "",
                    destination="there" if theirs is not None else "",
                )
            )
            return
        for field, one, other in differences(ours, theirs):
            self._differs(Difference(entity=entity, field=field, source=one, destination=other))
            return

    def _differs(self, difference: Difference) -> None:
        self.differing += 1
        if len(self.found) < NAMED:
            self.found.append(difference)


def _experiment(store: BackendStore, experiment_id: str) -> Experiment | None:
    try:
        return store.runs.get_experiment(experiment_id)
    except NotFoundError:
        return None
