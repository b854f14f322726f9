from __future__ import annotations

from pathlib import Path

import pytest

from tracking_core.client import Client
from tracking_core.errors import ConflictError, InvalidValueError, NotFoundError


def test_from_creation_to_ready(client: Client, experiment_id: str, run_id: str) -> None:
    model = client.create_logged_model(
        experiment_id, "svm", run_id, tags={"t": 1}, params={"C": 0.5}, model_type="classifier"
    )

    assert model.status == "PENDING"
    assert (model.tags, model.params) == ({"t": "1"}, {"C": "0.5"})
    assert client.finalize_logged_model(model.model_id, "ready").status == "READY"
    client.set_logged_model_tags(model.model_id, {"u": 2})
    client.delete_logged_model_tag(model.model_id, "t")
    client.log_model_params(model.model_id, {"gamma": 2})
    with pytest.raises(ConflictError):
        client.log_model_params(model.model_id, {"gamma": 3, "new": 1})
    found = client.get_logged_model(model.model_id)
    assert (found.tags, found.params) == ({"u": "2"}, {"C": "0.5", "gamma": "2"})
    client.delete_logged_model(model.model_id)
    with pytest.raises(NotFoundError):
        client.get_logged_model(model.model_id)


def test_files_of_a_logged_model_and_its_registration(
    client: Client, experiment_id: str, run_id: str, tmp_path: Path
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/weights.txt").write_text("w")
    model = client.create_logged_model(experiment_id, "svm", run_id)

    client.log_model_artifact(model.model_id, str(tmp_path / "m/weights.txt"))
    client.log_model_artifacts(model.model_id, str(tmp_path / "m"), "again")

    paths = [each.path for each in client.list_logged_model_artifacts(model.model_id)]
    assert paths == ["again", "weights.txt"]
    assert client.read_artifact(f"{model.model_uri}/again/weights.txt") == b"w"
    version = client.register_model(model.model_uri, "registered")
    assert (version.model_id, version.run_id) == (model.model_id, run_id)
    assert client.read_artifact("models:/registered/1/weights.txt") == b"w"


def test_points_with_a_model_become_its_metrics_and_order_it(
    client: Client, experiment_id: str, run_id: str
) -> None:
    ids = {}
    for name, accuracy in (("a", 0.5), ("b", 0.9)):
        model = client.create_logged_model(experiment_id, name, run_id)
        ids[name] = model.model_id
        client.log_metric(
            run_id,
            "accuracy",
            accuracy,
            model_id=model.model_id,
            dataset_name="test",
            dataset_digest="1",
        )

    best = client.search_logged_models(
        [experiment_id], order_by=[{"field_name": "metrics.accuracy", "ascending": False}]
    )
    good = client.search_logged_models(
        [experiment_id], "metrics.accuracy > 0.8", datasets=[{"dataset_name": "test"}]
    )

    assert [model.name for model in best] == ["b", "a"]
    assert [model.name for model in good] == ["b"]
    assert client.get_logged_model(ids["a"]).metrics[0].value == 0.5


@pytest.mark.parametrize(
    "arguments",
    [
        {"datasets": ["test"]},
        {"datasets": [{}]},
        {"order_by": [{"ascending": True}]},
        {"order_by": [{"field_name": "name", "descending": True}]},
    ],
)
def test_what_is_no_data_set_or_order_is_refused(
    client: Client, experiment_id: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(InvalidValueError, match="must be a mapping"):
        client.search_logged_models([experiment_id], **arguments)  # type: ignore[arg-type]
