"""Programs as people write them against MLflow, with nothing changed but the import."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fluent.conftest import Program


def test_a_quickstart_runs_unchanged(
    run_program: Program, statuses: Callable[[], dict[str, str]]
) -> None:
    pytest.importorskip("pandas")
    done = run_program(
        """
        import os
        import tempfile

        import tracking_core as mlflow
        from tracking_core import MlflowClient
        from tracking_core.entities import Metric, Param, RunTag, ViewType
        from tracking_core.exceptions import MlflowException
        from tracking_core.tracking import MlflowClient as TheSameClient

        assert mlflow.tracking.MlflowClient is MlflowClient is TheSameClient
        assert mlflow.exceptions.MlflowException is mlflow.MlflowException is MlflowException

        mlflow.set_tracking_uri("quickstart")
        assert mlflow.get_tracking_uri().startswith("file:///")
        experiment = mlflow.set_experiment("Quickstart")
        print(experiment.experiment_id, experiment.name, experiment.artifact_location,
              experiment.tags, experiment.lifecycle_stage, experiment.creation_time)

        # A loop over choices, with runs inside of a run.
        with mlflow.start_run(run_name="all", description="three rates") as parent:
            mlflow.set_tag("mlflow.note.content", "rates")
            for rate in (0.1, 0.01):
                with mlflow.start_run(run_name=f"rate {rate}", nested=True) as run:
                    mlflow.log_param("rate", rate)
                    mlflow.log_params({"optimizer": "sgd", "layers": [8, 8]})
                    for epoch in range(3):
                        mlflow.log_metric("loss", 1 / (epoch + 1) + rate, step=epoch)
                        mlflow.log_metrics({"train_acc": 0.8, "val_acc": 0.7 + rate}, step=epoch)
                    mlflow.set_tags({"release.version": "2.2.0", "candidate": rate < 0.05})
                    with tempfile.TemporaryDirectory() as directory:
                        path = os.path.join(directory, "features.txt")
                        with open(path, "w") as file:
                            file.write("rooms, zipcode")
                        mlflow.log_artifact(path)
                        mlflow.log_artifacts(directory, artifact_path="states")
                    mlflow.log_text("a report", "reports/report.txt")
                    mlflow.log_dict({"mlflow-version": "0.28"}, "config.yml")

        run = mlflow.last_active_run()
        assert run.info.run_name == "all" and run.info.status == "FINISHED"

        # Reading back.
        client = MlflowClient()
        experiment = client.get_experiment_by_name("Quickstart")
        best = client.search_runs(
            experiment_ids=[experiment.experiment_id],
            filter_string="params.optimizer = 'sgd' and metrics.val_acc < 0.75",
            run_view_type=ViewType.ACTIVE_ONLY,
            max_results=1,
            order_by=["metrics.loss ASC"],
        )[0]
        assert best.data.params["rate"] == "0.01"
        assert best.data.metrics["loss"] < 0.4
        assert best.data.tags["mlflow.parentRunId"] == parent.info.run_id
        history = client.get_metric_history(best.info.run_id, "loss")
        assert [metric.step for metric in history] == [0, 1, 2]
        frame = mlflow.search_runs(experiment_names=["Quickstart"],
                                   filter_string="tags.candidate = 'True'")
        assert frame.loc[0, "metrics.val_acc"] == 0.71
        assert frame.loc[0, "run_id"] == best.info.run_id

        uri = f"runs:/{best.info.run_id}/states"
        local = mlflow.artifacts.download_artifacts(artifact_uri=uri)
        assert os.listdir(local) == ["features.txt"]
        assert mlflow.artifacts.load_dict(f"runs:/{best.info.run_id}/config.yml")
        for artifact in client.list_artifacts(best.info.run_id, "reports"):
            print(artifact.path, artifact.is_dir, artifact.file_size)

        # The client alone.
        created = client.create_run(experiment.experiment_id, tags={"engineering": "ML Platform"})
        client.log_batch(
            created.info.run_id,
            metrics=[Metric("m", 1.5, 1700000000000, 1)],
            params=[Param("p", "p")],
            tags=[RunTag("t", "t")],
        )
        client.set_terminated(created.info.run_id)
        assert client.get_run(created.info.run_id).info.status == "FINISHED"
        try:
            client.log_param(created.info.run_id, "p", "other")
        except MlflowException as error:
            assert error.error_code == "INVALID_PARAMETER_VALUE", error.error_code
            print(error.message)

        # The registry.
        version = mlflow.register_model(f"runs:/{best.info.run_id}/states", "houses")
        client.set_registered_model_alias("houses", "champion", version.version)
        client.set_model_version_tag("houses", version.version, "validated", "true")
        champion = client.get_model_version_by_alias("houses", "champion")
        assert champion.version == version.version and champion.tags == {"validated": "true"}
        for model in client.search_registered_models(filter_string="name = 'houses'"):
            print(model.name, model.aliases, model.latest_versions)

        # Without a block.
        mlflow.start_run()
        mlflow.log_metric("foo", 2)
        assert mlflow.active_run() is not None
        mlflow.end_run()
        mlflow.delete_run(mlflow.last_active_run().info.run_id)
        """
    )
    assert done.returncode == 0, done.stderr
    assert statuses() == {}  # set_tracking_uri won over the environment


def test_a_training_that_fails_says_so(
    run_program: Program, statuses: Callable[[], dict[str, str]]
) -> None:
    done = run_program(
        """
        import tracking_core as mlflow
        with mlflow.start_run(run_name="diverges"):
            mlflow.log_metric("loss", float("inf"))
            raise RuntimeError("diverged")
        """
    )
    assert done.returncode == 1
    assert "RuntimeError: diverged" in done.stderr
    assert statuses() == {"diverges": "FAILED"}
