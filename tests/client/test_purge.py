from __future__ import annotations

from pathlib import Path

import pytest

from tracking_core.client import Client
from tracking_core.errors import InvalidStateError, NotFoundError


def test_purging_takes_artifacts_and_metadata(client: Client, experiment_id: str) -> None:
    kept, gone = (client.create_run(experiment_id).info for _ in range(2))
    for info in (kept, gone):
        client.log_text(info.run_id, "x", "dir/a.txt")
    client.delete_run(gone.run_id)

    would = client.purge(run_ids=[gone.run_id], dry_run=True)
    assert would.run_ids == (gone.run_id,)
    assert client.list_artifacts(gone.run_id) != []

    report = client.purge(run_ids=[gone.run_id])

    assert report.run_ids == (gone.run_id,)
    with pytest.raises(NotFoundError):
        client.get_run(gone.run_id)
    assert client._repository(gone.artifact_uri).list() == []
    assert client.read_artifact(f"runs:/{kept.run_id}/dir/a.txt") == b"x"


def test_what_is_not_deleted_is_refused_before_anything_goes(
    client: Client, experiment_id: str
) -> None:
    deleted, active = (client.create_run(experiment_id).info.run_id for _ in range(2))
    client.log_text(deleted, "x", "a.txt")
    client.delete_run(deleted)

    with pytest.raises(InvalidStateError, match="delete it first"):
        client.purge(run_ids=[deleted, active])
    with pytest.raises(InvalidStateError, match="delete it first"):
        client.purge(experiment_ids=[experiment_id])

    assert [each.path for each in client.list_artifacts(deleted)] == ["a.txt"]


def test_an_interrupted_purge_is_finished_by_the_next(
    client: Client, experiment_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [client.create_run(experiment_id).info.run_id for _ in range(3)]
    for run_id in ids:
        client.log_text(run_id, "x", "a.txt")
        client.delete_run(run_id)
    purge = client.store.runs.purge

    def interrupted(request: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(client.store.runs, "purge", interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.purge(run_ids=ids)
    monkeypatch.setattr(client.store.runs, "purge", purge)

    assert set(client.purge(run_ids=ids).run_ids) == set(ids)
    assert client.purge(run_ids=ids).run_ids == ()


def test_without_arguments_the_whole_bin_is_emptied(client: Client, experiment_id: str) -> None:
    alone = client.create_run(experiment_id).info.run_id
    client.delete_run(alone)
    other = client.create_experiment("other")
    with_it = client.create_run(other).info.run_id
    client.delete_experiment(other)
    stays = client.create_run(experiment_id).info.run_id

    report = client.purge()

    assert set(report.run_ids) == {alone, with_it}
    assert report.experiment_ids == (other,)
    assert [run.info.run_id for run in client.iterate_runs(None)] == [stays]
    assert client.create_experiment("other")


def test_artifacts_that_others_may_share_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from tracking_core.stores import NewRun

    client = Client("memory:")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "a.txt").write_text("x")
    experiment_id = client.create_experiment("e")
    new = NewRun(experiment_id=experiment_id, artifact_uri=shared.as_uri())
    run_id = client.store.runs.create_run(new).info.run_id
    client.delete_run(run_id)

    assert client.purge().run_ids == (run_id,)
    assert (shared / "a.txt").read_text() == "x"
    assert "stay" in caplog.text
