from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

import tracking_core as tracking
from tracking_core.client import Client
from tracking_core.entities import LoggedModelInput, LoggedModelOutput
from tracking_core.errors import ConflictError, InvalidValueError, NotFoundError


def test_metrics_params_and_tags(store: Client) -> None:
    with tracking.start_run() as run:
        assert tracking.log_metric("a", 1) is None
        tracking.log_metric("a", 2, step=3, timestamp=7)
        tracking.log_metrics({"b": 0.5, "c": float("nan")}, step=1, timestamp=8)
        assert tracking.log_param("p", [1]) == [1]
        tracking.log_params({"q": 1, "r": None})
        tracking.set_tag("t", 1)
        tracking.set_tags({"u": True, "v": "w"})
        tracking.delete_tag("t")
        with pytest.raises(NotFoundError):
            tracking.delete_tag("t")

    data = store.get_run(run.info.run_id).data
    assert data.metrics["a"] == 2
    assert data.metrics["c"] != data.metrics["c"]
    assert data.params == {"p": "[1]", "q": "1", "r": "None"}
    assert (data.tags["u"], data.tags["v"]) == ("True", "w")
    points = store.get_metric_history(run.info.run_id, "a")
    assert [(p.step, p.value) for p in points] == [(0, 1), (3, 2)]
    assert points[1].timestamp == 7


def test_calls_that_need_not_be_waited_for(store: Client) -> None:
    with tracking.start_run():
        for pending in (
            tracking.log_metric("a", 1, synchronous=False),
            tracking.log_metrics({"a": 1}, synchronous=False),
            tracking.log_param("p", 1, synchronous=False),
            tracking.log_params({"p": 1}, synchronous=False),
            tracking.set_tag("t", 1, synchronous=False),
            tracking.set_tags({"t": 1}, synchronous=False),
        ):
            pending.wait()
        tracking.flush_async_logging()
        tracking.flush_artifact_async_logging()


def test_another_run_by_its_id(store: Client) -> None:
    other = store.create_run("0").info.run_id
    tracking.log_metric("a", 1, run_id=other)
    tracking.log_params({"p": 1}, run_id=other)
    tracking.log_text("x", "a.txt", run_id=other)
    assert tracking.active_run() is None
    assert store.get_run(other).data.metrics == {"a": 1}
    assert [each.path for each in store.list_artifacts(other)] == ["a.txt"]


def test_a_mistake_in_one_of_several_logs_none(store: Client) -> None:
    with tracking.start_run() as run:
        tracking.log_param("p", 1)
        with pytest.raises(ConflictError):
            tracking.log_params({"new": 1, "p": 2})
        with pytest.raises(InvalidValueError):
            tracking.log_metrics({"good": 1, "bad": "x"})  # type: ignore[dict-item]
        for call in (tracking.log_metrics, tracking.log_params, tracking.set_tags):
            with pytest.raises(InvalidValueError, match="must be a mapping"):
                call(["a"])  # type: ignore[arg-type]

    data = store.get_run(run.info.run_id).data
    assert data.params == {"p": "1"}
    assert data.metrics == {}


def test_artifacts_of_every_kind(store: Client, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/f.txt").write_text("f")
    with tracking.start_run() as run:
        tracking.log_artifact(str(tmp_path / "source/f.txt"), "one")
        tracking.log_artifacts(str(tmp_path / "source"), "all")
        tracking.log_text("t", "t.txt")
        tracking.log_dict({"a": 1}, "d.yaml")
        tracking.log_stream(io.BytesIO(b"s"), "s.bin")
        tracking.log_table({"a": [1]}, "t.json")
        uri = tracking.get_artifact_uri()
        assert tracking.get_artifact_uri("one/f.txt") == f"{uri}/one/f.txt"
        with pytest.raises(InvalidValueError, match=r"holds '\.\.'"):
            tracking.get_artifact_uri("../x")

    run_id = run.info.run_id
    artifacts = tracking.artifacts
    assert [each.path for each in artifacts.list_artifacts(run_id=run_id)] == [
        "all",
        "d.yaml",
        "one",
        "s.bin",
        "t.json",
        "t.txt",
    ]
    listed = artifacts.list_artifacts(f"runs:/{run_id}/one")
    assert [each.path for each in listed] == ["one/f.txt"]
    assert artifacts.load_text(f"runs:/{run_id}/t.txt") == "t"
    assert artifacts.load_dict(f"runs:/{run_id}/d.yaml") == {"a": 1}
    assert artifacts.load_dict(f"runs:/{run_id}/t.json") == {"columns": ["a"], "data": [[1]]}
    assert artifacts.load_text(f"{uri}/one/f.txt") == "f"
    where = artifacts.download_artifacts(run_id=run_id, artifact_path="all")
    assert Path(where, "f.txt").read_text() == "f"
    where = artifacts.download_artifacts(f"runs:/{run_id}/all", dst_path=str(tmp_path / "d"))
    assert where == str(tmp_path / "d/all")


def test_reading_what_is_not_what_was_asked_for(store: Client) -> None:
    with tracking.start_run() as run:
        tracking.log_stream(io.BytesIO(b"\xff{"), "a.bin")
    uri = f"runs:/{run.info.run_id}/a.bin"
    with pytest.raises(InvalidValueError, match="is no text"):
        tracking.artifacts.load_text(uri)
    with pytest.raises(InvalidValueError, match="not both"):
        tracking.artifacts.list_artifacts(uri, run_id=run.info.run_id)
    with pytest.raises(InvalidValueError, match="not both"):
        tracking.artifacts.download_artifacts()
    with pytest.raises(InvalidValueError, match="append it"):
        tracking.artifacts.download_artifacts(uri, artifact_path="x")


def test_images_and_figures(store: Client) -> None:
    numpy = pytest.importorskip("numpy")
    pytest.importorskip("PIL")
    with tracking.start_run() as run:
        tracking.log_image(numpy.zeros((2, 3)), "a.png")
        tracking.log_image(numpy.zeros((2, 3)), key="k", step=1)
        with pytest.raises(InvalidValueError, match="neither savefig"):
            tracking.log_figure("figure", "a.png")
    assert tracking.artifacts.load_image(f"runs:/{run.info.run_id}/a.png").size == (3, 2)


def test_tables_of_the_experiment(store: Client) -> None:
    pytest.importorskip("pandas")
    tracking.set_experiment("e")
    for number in (1, 2):
        with tracking.start_run():
            tracking.log_table({"n": [number]}, "t.json")
    assert sorted(tracking.load_table("t.json")["n"]) == [1, 2]


def test_data_sets_and_models(store: Client) -> None:
    pandas = pytest.importorskip("pandas")
    dataset = tracking.data.from_pandas(pandas.DataFrame({"a": [1]}), name="train")
    with tracking.start_run() as run:
        tracking.log_input(dataset, context="training", tags={"fold": 1})
        tracking.log_input(model=LoggedModelInput("m-" + "0" * 32))
        tracking.log_outputs([LoggedModelOutput("m-" + "1" * 32, 3)])
        tracking.log_metric("loss", 0.5, dataset=dataset)
        with pytest.raises(InvalidValueError, match="one of each"):
            tracking.log_inputs([dataset], contexts=["a", "b"])

    found = store.get_run(run.info.run_id)
    (used,) = found.inputs.dataset_inputs
    assert used.dataset == dataset.to_entity()
    assert {tag.key: tag.value for tag in used.tags} == {
        "fold": "1",
        "mlflow.data.context": "training",
    }
    assert found.inputs.model_inputs[0].model_id == "m-" + "0" * 32
    assert found.outputs.model_outputs[0].step == 3
    (point,) = store.get_metric_history(run.info.run_id, "loss")
    assert (point.dataset_name, point.dataset_digest) == ("train", dataset.digest)


def test_logged_models(store: Client) -> None:
    with tracking.start_run() as run:
        model = tracking.initialize_logged_model("svm", params={"C": 1}, tags={"t": 1})
        assert (model.source_run_id, model.status) == (run.info.run_id, "PENDING")
        assert tracking.last_logged_model() == model
        with tracking.set_active_model(model_id=model.model_id):
            tracking.log_metric("accuracy", 0.9)
            tracking.log_metrics({"f1": 0.8})
            tracking.log_model_params({"gamma": 2})
        assert tracking.get_active_model_id() is None
        tracking.log_metric("other", 1)
    tracking.finalize_logged_model(model.model_id, "READY")
    tracking.set_logged_model_tags(model.model_id, {"u": 2})
    tracking.delete_logged_model_tag(model.model_id, "t")

    found = tracking.get_logged_model(model.model_id)
    assert found.status == "READY"
    assert {m.key: m.value for m in found.metrics} == {"accuracy": 0.9, "f1": 0.8}
    assert (found.params, found.tags) == ({"C": "1", "gamma": "2"}, {"u": "2"})
    with pytest.raises(InvalidValueError, match="Params of which model"):
        tracking.log_model_params({"a": 1})


def test_an_active_model_by_name_is_made_if_need_be(store: Client) -> None:
    with tracking.set_active_model(name="svm") as first:
        pass
    tracking.set_active_model(name="svm")
    assert tracking.get_active_model_id() == first.model_id
    tracking.clear_active_model()
    assert tracking.get_active_model_id() is None
    assert first.status == "READY"
    found = tracking.search_logged_models(output_format="list")
    assert [each.model_id for each in found] == [first.model_id]
    with pytest.raises(InvalidValueError):
        tracking.set_active_model()


def test_registering_models(store: Client) -> None:
    with tracking.start_run() as run:
        tracking.log_text("w", "model/weights.txt")
    version = tracking.register_model(f"runs:/{run.info.run_id}/model", "digits", tags={"a": 1})
    tracking.set_model_version_tag("digits", version.version, "b", 2)

    assert [m.name for m in tracking.search_registered_models()] == ["digits"]
    (found,) = tracking.search_model_versions(filter_string="name = 'digits'")
    assert found.tags == {"a": "1", "b": "2"}
    assert tracking.artifacts.load_text("models:/digits/1/weights.txt") == "w"


def test_the_doctor_shows_settings_without_secrets(
    store: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    monkeypatch.setenv("TRACKING_REGISTRY_URI", "postgresql://me:hunter3@host/db")
    tracking.doctor()
    text = capsys.readouterr().out
    assert "The store answers." in text
    assert "MLFLOW_TRACKING_PASSWORD: ***" in text
    assert "from TRACKING_REGISTRY_URI" in text
    assert "hunter" not in text
    json.dumps(text)
