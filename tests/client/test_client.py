"""A client is an object: it has no global state, and shares none with another."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from tracking_core.client import Client
from tracking_core.config import Settings
from tracking_core.discovery import BackendSpec, PluginManager, hookimpl
from tracking_core.entities import Metric, Param, RunTag
from tracking_core.errors import InvalidValueError, UnknownSchemeError
from tracking_core.stores import Batch, Limits, RunStore
from tracking_core.stores.memory.store import MemoryStore


def test_two_clients_with_two_uris_do_not_see_each_other(tmp_path: Path) -> None:
    before = dict(os.environ)
    first, second = Client(tmp_path / "a"), Client(tmp_path / "b")

    first.create_experiment("only here")

    assert second.get_experiment_by_name("only here") is None
    assert first.tracking_uri == (tmp_path / "a").as_uri()
    assert dict(os.environ) == before


def test_two_clients_in_two_threads_log_each_to_its_own_store(tmp_path: Path) -> None:
    histories = {}

    def work(name: str) -> None:
        with Client(tmp_path / name) as client:
            run = client.create_run(client.create_experiment(name))
            for step in range(50):
                client.log_metric(run.info.run_id, name, step, step=step)
            histories[name] = client.get_metric_history(run.info.run_id, name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {name: len(points) for name, points in histories.items()} == {"a": 50, "b": 50}


def test_making_a_client_leaves_no_trace(tmp_path: Path) -> None:
    client = Client(tmp_path / "mlruns")

    assert client.search_experiments() == []
    assert list(tmp_path.iterdir()) == []


def test_without_a_uri_the_settings_decide_and_then_mlruns_in_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert Client().tracking_uri == (Path.cwd() / "mlruns").as_uri()
    assert Client(settings=Settings(tracking_uri="memory://a")).tracking_uri == "memory://a"

    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "b"))
    assert Client().tracking_uri == (tmp_path / "b").as_uri()

    monkeypatch.setenv("TRACKING_URI", "memory://c")
    assert Client().tracking_uri == "memory://c"
    assert Client("memory://d").tracking_uri == "memory://d"


def test_the_registry_may_live_in_another_store(tmp_path: Path) -> None:
    client = Client(tmp_path / "runs", tmp_path / "models")

    assert client.registry_store is not client.store
    assert client.registry_uri == (tmp_path / "models").as_uri()
    assert Client(tmp_path / "runs").registry_uri == (tmp_path / "runs").as_uri()


def test_an_unknown_scheme_is_refused_when_the_client_is_made() -> None:
    with pytest.raises(UnknownSchemeError, match="'nosuch'"):
        Client("nosuch://host")


def test_a_password_is_not_in_the_representation() -> None:
    class Plugin:
        @hookimpl
        def tracking_backends(self) -> list[BackendSpec]:
            implementation = f"{MemoryStore.__module__}:MemoryStore"
            return [BackendSpec(name="x", schemes=("x",), implementation=implementation)]

    plugins = PluginManager()
    plugins.register(Plugin())

    client = Client("x://user:secret@host/db", plugins=plugins)

    assert "secret" not in repr(client)
    assert "user" in repr(client)


def test_closing_twice_is_no_error(tmp_path: Path) -> None:
    client = Client(tmp_path)
    client.close()
    client.close()


def test_a_uri_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="The tracking_uri 7 is of type int"):
        Client(7)  # type: ignore[arg-type]


class SmallStore(MemoryStore):
    """Takes small batches, and remembers them."""

    limits = Limits(batch_size=5, batch_params=2, batch_metrics=4)
    batches: ClassVar[list[Batch]] = []

    def log_batch(self, run_id: str, *, batch: Batch) -> None:
        SmallStore.batches.append(batch)
        super().log_batch(run_id, batch=batch)


def test_a_batch_beyond_the_limits_is_split_params_first_and_nothing_is_lost() -> None:
    class Plugin:
        @hookimpl
        def tracking_backends(self) -> list[BackendSpec]:
            implementation = f"{__name__}:SmallStore"
            return [BackendSpec(name="small", schemes=("small",), implementation=implementation)]

    SmallStore.batches.clear()
    plugins = PluginManager()
    plugins.register(Plugin())
    client = Client("small://x", plugins=plugins)
    assert isinstance(client.store.runs, RunStore)
    run_id = client.create_run(client.create_experiment("e")).info.run_id

    client.log_batch(
        run_id,
        metrics=[Metric("m", float(i), i, i) for i in range(10)],
        params=[Param(f"p{i}", i) for i in range(3)],
        tags=[RunTag(f"t{i}", i) for i in range(6)],
    )

    kinds = [
        ("params" if b.params else "tags" if b.tags else "metrics", len(b))
        for b in SmallStore.batches
    ]
    assert kinds == [
        ("params", 2),
        ("params", 1),
        ("tags", 5),
        ("tags", 1),
        ("metrics", 4),
        ("metrics", 4),
        ("metrics", 2),
    ]
    run = client.get_run(run_id)
    assert run.data.params == {"p0": "0", "p1": "1", "p2": "2"}
    assert len(client.get_metric_history(run_id, "m")) == 10


def test_a_batch_within_the_limits_is_sent_whole() -> None:
    client = Client("memory:")
    run_id = client.create_run(client.create_experiment("e")).info.run_id
    seen = []
    log = client.store.runs.log_batch
    client.store.runs.log_batch = lambda run_id, *, batch: (  # type: ignore[method-assign]
        seen.append(len(batch)),
        log(run_id, batch=batch),
    )[1]
    client.log_batch(
        run_id,
        params=[Param("p", "1")],
        tags=[RunTag("t", "1")],
    )

    assert seen == [2]
