"""Everything of one backend copied to another, over the contract alone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tracking_core.client.copying.files import Files
from tracking_core.client.copying.ledger import Ledger
from tracking_core.client.copying.logged_models import LoggedModelCopier, logged_models_of
from tracking_core.client.copying.proving import Proof
from tracking_core.client.copying.registry import RegistryCopier, registered_models_of
from tracking_core.client.copying.report import CopyProgress, CopyReport
from tracking_core.client.copying.runs import RunCopier
from tracking_core.client.copying.sameness import Sameness, experiment_name, is_default
from tracking_core.client.copying.sides import ONES_OWN_FAULT, Sides, page_size, runs_of
from tracking_core.client.copying.target import Target
from tracking_core.discovery import PluginManager
from tracking_core.entities import Experiment, LifecycleStage, ViewType
from tracking_core.errors import (
    InvalidValueError,
    NotFoundError,
    StoreUnavailableError,
    UnsupportedError,
)
from tracking_core.stores import (
    HEADER_ONLY,
    BackendStore,
    Capability,
    ExperimentQuery,
    LoggedModelQuery,
    LoggedModelStore,
    ModelRegistryStore,
    RegisteredModelQuery,
    RunQuery,
)
from tracking_core.stores.validation import shown

_WORKERS = 4
_PAGE = 500


def copy(
    source: BackendStore,
    destination: BackendStore,
    *,
    experiments: Sequence[str] = (),
    artifacts: bool = False,
    registry: bool = True,
    logged_models: bool = True,
    dry_run: bool = False,
    verify_only: bool = False,
    workers: int = _WORKERS,
    progress: CopyProgress | None = None,
    plugins: PluginManager | None = None,
) -> CopyReport:
    """Copy everything of a backend to another, and prove that both then hold the same.

    What is in the destination already and equal is passed over, what an interruption left undone is
    completed, and what differs is a problem that is named: nothing is ever overwritten or deleted.
    What else the destination holds is left alone. The source is only read.

    Args:
        source: Where from.
        destination: Where to; it needs Capability.CHOSEN_IDS.
        experiments: Names or ids; empty: all. The registry is copied only with all.
        artifacts: Whether to copy files too, to the places that the destination chooses; else its
            URIs lead to where the files are now.
        registry: Whether to copy the model registry.
        logged_models: Whether to copy logged models.
        dry_run: Whether to write nothing and tell what would be written.
        verify_only: Whether to write nothing and compare both sides.
        workers: How many threads read and write.
        progress: Is told how far it is.
        plugins: Where artifact repositories are found.

    Returns:
        What was done; `is_whole` tells whether both sides are equal.

    Raises:
        InvalidValueError: Source and destination are the same.
        NotFoundError: There is no such experiment, or nothing at all.
        UnsupportedError: The destination can't keep chosen ids, or lacks a facet in which the
            source has something; nothing was written.
        StoreUnavailableError: One of them can't be reached any more; copy again to go on.
    """
    if workers < 1:
        raise InvalidValueError(f"workers is {workers}; it must be at least 1.")
    _check_distinct(source, destination)
    chosen = _chosen_experiments(source, experiments)
    if not chosen and not _has_registered_models(source):
        raise NotFoundError(f"There is nothing in {source.uri} to copy; is it the right place?")
    registry = registry and not experiments and ModelRegistryStore in source.facets()
    logged_models = logged_models and LoggedModelStore in source.facets()
    if not verify_only:
        destination.require(
            Capability.CHOSEN_IDS, to="be copied to, for ids and times would be lost"
        )
    registry = registry and _has_registry(source, destination)
    logged_models = logged_models and _has_logged_models(source, destination, chosen)
    ledger = Ledger(progress)
    sides = Sides(
        source=source,
        destination=destination,
        sameness=Sameness(files_move=artifacts),
        ledger=ledger,
        files=Files(source, destination, plugins) if artifacts else None,
        dry_run=dry_run,
        workers=workers,
    )
    if not verify_only:
        try:
            _write(sides, chosen, registry=registry, logged_models=logged_models)
        except StoreUnavailableError as error:
            raise StoreUnavailableError(f"{error} Copy again to go on where it stopped.") from error
    report = CopyReport(
        source=str(source.uri),
        destination=str(destination.uri),
        dry_run=dry_run,
        not_carried=_not_carried(sides, registry=registry, logged_models=logged_models),
    )
    if dry_run and not verify_only:
        return _with_ledger(report, ledger)
    if not experiments:
        # Those that came meanwhile are missing in the destination, which has to be told.
        known = {each.experiment_id for each in chosen}
        now_there = _chosen_experiments(source, ())
        chosen += [each for each in now_there if each.experiment_id not in known]
    proof = _prove(sides, chosen, registry=registry, logged_models=logged_models)
    if proof.stale and not verify_only:
        # Their headers were equal, but points were logged that don't show in them.
        ledger.begin("Copying", len(proof.stale))
        for experiment in chosen:
            _copy_runs(sides, experiment, only=proof.stale)
        proof = _prove(sides, chosen, registry=registry, logged_models=logged_models)
    if experiments and ModelRegistryStore in source.facets():
        ledger.note("The model registry was left out, as it goes with no single experiment.")
    return msgspec.structs.replace(
        _with_ledger(report, ledger),
        tallies=proof.tallies,
        differences=tuple(proof.found),
        differing=proof.differing,
        not_carried=_not_carried(sides, registry=registry, logged_models=logged_models),
    )


def _with_ledger(report: CopyReport, ledger: Ledger) -> CopyReport:
    return msgspec.structs.replace(
        report,
        written={kind: count for kind, count in ledger.written.items() if count},
        passed_over=len(ledger.passed_over),
        problems=tuple(dict.fromkeys(ledger.problems)),
        notes=tuple(ledger.notes),
    )


# --- before ---


def _check_distinct(source: BackendStore, destination: BackendStore) -> None:
    one, other = source.uri, destination.uri
    places = [(uri.scheme, uri.host, uri.port, uri.path, uri.query) for uri in (one, other)]
    if source is destination or (places[0] == places[1] and (one.host or one.path)):
        raise InvalidValueError(
            f"Source and destination are both {one}; name another place to copy to."
        )


def _chosen_experiments(source: BackendStore, names: Sequence[str]) -> list[Experiment]:
    """Return the experiments to copy, the default one first.

    Some backends make a default one with their first experiment, unless that is it.
    """
    if isinstance(names, str):
        raise InvalidValueError(f"The experiments {names!r} must be a list: pass [{names!r}].")
    query = ExperimentQuery(view_type=ViewType.ALL, max_results=page_size(source, _PAGE))
    everything = sorted(
        source.runs.iterate_experiments(query),
        key=lambda each: not (is_default(each) or each.name == "Default"),
    )
    if not names:
        return everything
    chosen = {}
    for name in names:
        found = [each for each in everything if each.name == name] or [
            each for each in everything if each.experiment_id == name
        ]
        if not found:
            raise NotFoundError(
                f"There is no experiment {shown(name)} in {source.uri}; give a name or an id."
            )
        chosen[found[0].experiment_id] = found[0]
    return [each for each in everything if each.experiment_id in chosen]


def _has_registry(source: BackendStore, destination: BackendStore) -> bool:
    if ModelRegistryStore in destination.facets():
        return True
    if not _has_registered_models(source):
        return False
    raise UnsupportedError(
        f"The source has registered models, and the destination {destination.uri}"
        f" ({type(destination).__name__}) has no model registry; nothing was written. Leave them"
        " out with --skip-registry (registry=False)."
    )


def _has_registered_models(store: BackendStore) -> bool:
    if ModelRegistryStore not in store.facets():
        return False
    query = RegisteredModelQuery(max_results=1)
    return bool(store.registry.search_registered_models(query).items)


def _has_logged_models(
    source: BackendStore, destination: BackendStore, experiments: Sequence[Experiment]
) -> bool:
    if LoggedModelStore in destination.facets():
        return True
    ids = tuple(each.experiment_id for each in experiments)
    query = LoggedModelQuery(experiment_ids=ids, max_results=1)
    if not source.logged_models.search_logged_models(query).items:
        return False
    raise UnsupportedError(
        f"The source has logged models, and the destination {destination.uri}"
        f" ({type(destination).__name__}) can't keep them; nothing was written. Leave them out with"
        " --skip-logged-models (logged_models=False)."
    )


# --- writing ---


def _write(
    sides: Sides, experiments: Sequence[Experiment], *, registry: bool, logged_models: bool
) -> None:
    sides.ledger.begin("Copying", _count_runs(sides, sides.source, experiments))
    for experiment in experiments:
        _copy_experiment(sides, experiment, logged_models=logged_models)
    if registry:
        models = registered_models_of(sides.source)
        sides.do_all(RegistryCopier(sides).copy, models)


def _copy_experiment(sides: Sides, experiment: Experiment, *, logged_models: bool) -> None:
    try:
        target = Target(sides, experiment)
    except ONES_OWN_FAULT as error:
        text, name = str(error), experiment_name(experiment)
        sides.ledger.problem(
            text
            if f"The {name} is in the destination" in text or "left out" in text
            else f"The {name} could not be copied, and its runs were left out: {text}"
        )
        return
    begun = []
    if logged_models:
        copier = LoggedModelCopier(sides, target)
        models = logged_models_of(sides.source, experiment.experiment_id)
        begun = [model for model in sides.each_done(copier.begin, models) if model is not None]
    _copy_its_runs(sides, experiment, target)
    if begun:
        sides.do_all(copier.finish, begun)
    target.finish()


def _copy_its_runs(sides: Sides, experiment: Experiment, target: Target) -> None:
    in_bin = experiment.lifecycle_stage is LifecycleStage.DELETED
    copier = RunCopier(sides, target, in_bin=in_bin)
    runs = runs_of(sides.source, experiment.experiment_id)
    sides.do_all(copier.copy, runs)


def _copy_runs(sides: Sides, experiment: Experiment, *, only: set[str]) -> None:
    """Go through the histories of some runs too."""
    in_bin = experiment.lifecycle_stage is LifecycleStage.DELETED
    found = (r for r in runs_of(sides.source, experiment.experiment_id) if r.info.run_id in only)
    target = Target(sides, experiment)
    copier = RunCopier(sides, target, in_bin=in_bin, thorough=True)
    sides.do_all(copier.copy, found)
    target.finish()


# --- after ---


def _prove(
    sides: Sides, experiments: Sequence[Experiment], *, registry: bool, logged_models: bool
) -> Proof:
    both = (sides.source, sides.destination)
    sides.ledger.begin("Comparing", sum(_count_runs(sides, each, experiments) for each in both))
    proof = Proof(sides, logged_models=logged_models, registry=registry)
    proof.compare(experiments)
    return proof


def _count_runs(sides: Sides, store: BackendStore, experiments: Sequence[Experiment]) -> int:
    if not sides.ledger.is_watched:
        return 0
    ids = tuple(each.experiment_id for each in experiments)
    query = RunQuery(experiment_ids=ids, view_type=ViewType.ALL)
    if store.limits.page_size is None:
        return store.runs.count_runs(query)
    small = msgspec.structs.replace(
        query, projection=HEADER_ONLY, max_results=page_size(store, _PAGE)
    )
    return sum(1 for _ in store.runs.iterate_runs(small))


def _not_carried(sides: Sides, *, registry: bool, logged_models: bool) -> tuple[str, ...]:
    notes = ["The idempotency keys of runs and batches, which no backend tells."]
    if logged_models:
        notes.append("Logged models that were deleted, which no backend shows.")
    if registry:
        notes.append(
            "That the newest version of a registered model was deleted: its number may come again."
        )
    if sides.sameness.unknown:
        notes.append(
            f"{sides.sameness.unknown} times or places that the source itself doesn't know; the"
            " destination has its own."
        )
    return tuple(notes)
