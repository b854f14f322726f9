"""Purging: what goes goes from all tables, in small transactions that may be interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select

from plugins.sql.tests.statements import collected_statements
from tracking_core.config import Settings, Uri
from tracking_core.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Param,
    RunInputs,
    RunOutputs,
    RunTag,
    ViewType,
)
from tracking_core.errors import InvalidStateError, NotFoundError
from tracking_core.stores import (
    Batch,
    MetricHistoryQuery,
    NewExperiment,
    NewLoggedModel,
    NewRun,
    PurgeReport,
    PurgeRequest,
    RunQuery,
)
from tracking_core_sql import purge, schema
from tracking_core_sql.database import Transaction
from tracking_core_sql.store import SqlStore

PROGRAM = Path(__file__).with_name("purging_child.py")
STAYING = ("tracking_schema_property", "tracking_origin")


def counts(store: SqlStore) -> dict[str, int]:
    """Return how many rows there are in each table, but for what is never purged."""

    def count(transaction: Transaction) -> dict[str, int]:
        return {
            table.name: transaction.rows(select(func.count()).select_from(table))[0][0]
            for table in schema.metadata.sorted_tables
            if table.name not in STAYING
        }

    return store._database.read(count)


def dataset(name: str) -> RunInputs:
    used = Dataset(name=name, digest="d", source_type="local", source="{}")
    return RunInputs((DatasetInput(used, (InputTag("mlflow.data.context", "training"),)),))


def make_run(store: SqlStore, experiment_id: str, *, data: str = "shared", points: int = 5) -> str:
    """Make a run with something of everything."""
    new = NewRun(experiment_id=experiment_id, run_name="r", tags={"t": "v"})
    run_id = store.create_run(new).info.run_id
    model = NewLoggedModel(
        experiment_id=experiment_id, params={"p": "v"}, tags={"t": "v"}, source_run_id=run_id
    )
    model_id = store.create_logged_model(model).model_id
    metrics = [Metric(f"m{n % 3}", float(n), n, n, model_id, "data") for n in range(points)]
    batch = Batch(
        metrics=tuple(metrics),
        params=(Param("p", "v"), Param("q", "v" * 1000)),
        tags=(RunTag("u", "v"),),
        idempotency_key="key",
    )
    store.log_batch(run_id, batch=batch)
    store.log_inputs(run_id, inputs=dataset(data))
    store.log_inputs(run_id, inputs=RunInputs(model_inputs=(LoggedModelInput(model_id),)))
    outputs = RunOutputs((LoggedModelOutput(model_id, 1),))
    store.log_outputs(run_id, outputs=outputs)
    return run_id


def make_experiment(store: SqlStore, name: str, *, runs: int) -> tuple[str, list[str]]:
    new = NewExperiment(name=name, tags={"k": "v"})
    experiment_id = store.create_experiment(new).experiment_id
    return experiment_id, [make_run(store, experiment_id) for _ in range(runs)]


def everything_of(store: SqlStore, run_ids: Sequence[str]) -> list[object]:
    points = [
        store.metric_history(run_id, query=MetricHistoryQuery(key=f"m{n}")).items
        for run_id in run_ids
        for n in range(3)
    ]
    return [*points, *map(store.get_run, run_ids)]


def test_nothing_stays_in_any_table_of_a_purged_experiment(store: SqlStore) -> None:
    kept, runs_kept = make_experiment(store, "kept", runs=2)
    before, data_before = counts(store), everything_of(store, runs_kept)
    gone, runs_gone = make_experiment(store, "gone", runs=3)
    store.delete_experiment(gone)
    report = store.purge(PurgeRequest(experiment_ids=(gone,)))
    assert report == PurgeReport(run_ids=tuple(runs_gone), experiment_ids=(gone,))
    assert counts(store) == before
    assert everything_of(store, runs_kept) == data_before
    again = store.create_experiment(NewExperiment(name="gone"))
    assert again.experiment_id not in (kept, gone)


def test_a_purged_run_takes_data_sets_along_that_no_other_run_used(store: SqlStore) -> None:
    experiment_id, (kept,) = make_experiment(store, "e", runs=1)
    make_run(store, experiment_id, data="other")
    before, data_before = counts(store), everything_of(store, [kept])
    runs = [make_run(store, experiment_id, data=data) for data in ("own", "shared", "own")]
    for run_id in runs:
        store.delete_run(run_id)
    report = store.purge(PurgeRequest(run_ids=(*runs, "never")))
    assert report == PurgeReport(run_ids=tuple(runs))
    after = counts(store)
    # Logged models belong to the experiment.
    models = {name: rows for name, rows in after.items() if "logged_model" in name}
    assert {**after, **{name: before[name] for name in models}} == before
    assert everything_of(store, [kept]) == data_before
    with pytest.raises(NotFoundError):
        store.get_run(runs[0])


def test_a_data_set_that_goes_while_it_is_logged_again_is_told_anew(
    store: SqlStore, database_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment_id, (old,) = make_experiment(store, "e", runs=1)
    new = store.create_run(NewRun(experiment_id=experiment_id)).info.run_id
    store.delete_run(old)
    write = store._database.write
    purged: list[PurgeReport] = []

    def write_after_a_purge(work: object) -> object:
        if store.count_runs(RunQuery(view_type=ViewType.DELETED_ONLY)) and asked:
            with SqlStore(Uri.parse(database_uri), Settings()) as other:
                purged.append(other.purge(PurgeRequest(run_ids=(old,))))
        asked.append(work)
        return write(work)

    asked: list[object] = []
    monkeypatch.setattr(store._database, "write", write_after_a_purge)
    store.log_inputs(new, inputs=dataset("shared"))
    assert purged == [PurgeReport(run_ids=(old,))]
    assert store.get_run(new).inputs == dataset("shared")


def test_nothing_is_removed_if_one_of_all_is_not_deleted(store: SqlStore) -> None:
    deleted, (run_id, other) = make_experiment(store, "deleted", runs=2)
    active, (active_run,) = make_experiment(store, "active", runs=1)
    store.delete_experiment(deleted)
    before = counts(store)
    for request, sentence in (
        (
            PurgeRequest(run_ids=(run_id, active_run, other)),
            f"The run {active_run!r} is not deleted, so it can't be purged; delete it first.",
        ),
        (
            PurgeRequest(run_ids=(run_id,), experiment_ids=(deleted, active)),
            f"The experiment 'active' (id {active}) is not deleted, so it can't be purged; delete"
            " it first.",
        ),
    ):
        with pytest.raises(InvalidStateError) as raised:
            store.purge(request)
        assert str(raised.value) == sentence
        assert counts(store) == before


class _Restoring(SqlStore):
    """A store that restores something just before it is to be removed."""

    restored: str

    def _runs_of(self, experiments: Sequence[int]) -> list[purge._Run]:
        found = super()._runs_of(experiments)
        self.restore_experiment(self.restored)
        return found

    def _purge_runs(self, runs: Sequence[purge._Run]) -> list[str]:
        if self.restored in [run.run_id for run in runs]:
            self.restore_run(self.restored)
        return super()._purge_runs(runs)


def test_what_is_restored_meanwhile_stays(store: SqlStore, database_uri: str) -> None:
    first, runs_of_first = make_experiment(store, "first", runs=2)
    second, runs_of_second = make_experiment(store, "second", runs=2)
    for run_id in runs_of_second:
        store.delete_run(run_id)
    store.delete_experiment(first)
    data = everything_of(store, runs_of_second[:1])[:3]
    with _Restoring(Uri.parse(database_uri), Settings()) as restoring:
        restoring.restored = first
        assert restoring.purge(PurgeRequest(experiment_ids=(first,))) == PurgeReport()
        restoring.restored = runs_of_second[0]
        report = restoring.purge(PurgeRequest(run_ids=tuple(runs_of_second)))
    assert report == PurgeReport(run_ids=(runs_of_second[1],))
    assert store.count_runs(RunQuery(experiment_ids=(first, second))) == 3
    assert everything_of(store, runs_of_second[:1])[:3] == data
    assert store.get_run(runs_of_first[0]).info.lifecycle_stage is LifecycleStage.ACTIVE


def test_runs_that_came_meanwhile_go_with_their_experiment(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment_id, (early,) = make_experiment(store, "e", runs=1)
    store.delete_experiment(experiment_id)
    late: list[str] = []
    purge_models = store._purge_models

    def purge_models_and_add(experiments: Sequence[int]) -> None:
        purge_models(experiments)
        if not late:
            store.restore_experiment(experiment_id)
            late.append(make_run(store, experiment_id))
            store.delete_experiment(experiment_id)

    monkeypatch.setattr(store, "_purge_models", purge_models_and_add)
    report = store.purge(PurgeRequest(experiment_ids=(experiment_id,)))
    assert report == PurgeReport(run_ids=(early, *late), experiment_ids=(experiment_id,))
    assert set(counts(store).values()) == {0}


def test_a_run_with_very_much_goes_piece_by_piece(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "MOST_ROWS", 4)
    experiment_id, runs = make_experiment(store, "e", runs=2)
    heavy = store.create_run(NewRun(experiment_id=experiment_id)).info.run_id
    for number in range(12):
        batch = Batch(
            metrics=tuple(Metric(f"m{number}", float(n), n, n) for n in range(600)),
            params=(Param(f"p{number}", "v"),),
            tags=(RunTag(f"t{number}", "v"),),
            idempotency_key=str(number),
        )
        store.log_batch(heavy, batch=batch)
        store.log_batch(heavy, batch=Batch(metrics=batch.metrics))
    store.delete_experiment(experiment_id)
    with collected_statements() as statements:
        report = store.purge(PurgeRequest(experiment_ids=(experiment_id,)))
    assert sorted(report.run_ids) == sorted([*runs, heavy])
    assert set(counts(store).values()) == {0}
    assert sum("DELETE FROM tracking_metric_block" in text for text, _ in statements) > 4


def test_statements_do_not_depend_on_how_many_runs_go(store: SqlStore) -> None:
    asked = []
    for number in (1, 12):
        experiment_id, _ = make_experiment(store, f"e{number}", runs=number)
        store.delete_experiment(experiment_id)
        with collected_statements() as statements:
            store.purge(PurgeRequest(experiment_ids=(experiment_id,)))
        asked.append(len(statements))
    assert asked[0] == asked[1]
    assert asked[0] <= 33


def test_a_purge_that_is_killed_leaves_no_half_run_and_goes_on(
    store: SqlStore, database_uri: str
) -> None:
    _, runs_kept = make_experiment(store, "kept", runs=1)
    before = counts(store)
    experiment_id, runs = make_experiment(store, "gone", runs=7)
    store.delete_experiment(experiment_id)
    as_made = dict(zip(runs, (everything_of(store, [run_id]) for run_id in runs), strict=True))
    rows, after = counts(store), 0
    while True:
        command = [sys.executable, str(PROGRAM), database_uri, str(after), experiment_id]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        child = subprocess.run(command, env=environment, capture_output=True, text=True)
        if child.stdout == "survived\n":
            break
        assert (child.returncode, child.stderr) == (-signal.SIGKILL, "")
        query = RunQuery(experiment_ids=(experiment_id,), view_type=ViewType.ALL)
        left = [run.info.run_id for run in store.iterate_runs(query)]
        assert {run_id: everything_of(store, [run_id]) for run_id in left} == {
            run_id: as_made[run_id] for run_id in left
        }
        now = counts(store)
        assert now["tracking_experiment"] == before["tracking_experiment"] + 1
        assert now == rows if after == 0 else sum(now.values()) < sum(rows.values())
        rows, after = now, 2
    assert counts(store) == before
    assert everything_of(store, runs_kept)
