"""The server shows artifacts of the places it was started with, whatever clients have stored."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest

from plugins.server.tests.asgi_client import Answer, AsgiClient
from plugins.server.tests.conftest import Serve
from tracking_core.errors import InvalidValueError, PermissionDeniedError
from tracking_core.stores import (
    LoggedModelChanges,
    ModelVersionChanges,
    NewLoggedModel,
    NewModelVersion,
    RunChanges,
)
from tracking_core.wire.contract_calls import contract_calls
from tracking_core_server.artifact_roots import below

LIST = "/api/2.0/mlflow/artifacts/list"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def _new_run(client: AsgiClient, location: str | None = None) -> str:
    """Make a run in an experiment with this artifact location, and return its id."""
    name = f"in {location}"
    wanted = {} if location is None else {"artifact_location": location}
    experiment_id = client.call("experiments/create", {"name": name, **wanted})["experiment_id"]
    run = client.call("runs/create", {"experiment_id": experiment_id})["run"]
    return str(run["info"]["run_id"])


def _contract(client: AsgiClient, call: str, *positional: object, **keywords: object) -> Answer:
    path = f"/api/2.0/tracking/contract/{call}"
    body = contract_calls()[path].request(*positional, **keywords)
    return client.request("POST", path, body=body)


def _requests_for(client: AsgiClient, run_id: str) -> list[Answer]:
    return [
        client.get(f"{LIST}?{urlencode({'run_id': run_id})}"),
        client.get(f"{LIST}?{urlencode({'run_id': run_id, 'path': 'passwd'})}"),
        client.get(f"/get-artifact?{urlencode({'run_id': run_id, 'path': 'passwd'})}"),
        client.get(f"/get-artifact?{urlencode({'run_uuid': run_id, 'path': 'passwd'})}"),
        client.post(
            "/ajax-api/2.0/mlflow/upload-artifact?"
            + urlencode({"run_uuid": run_id, "path": "planted"}),
            body=b"x",
        ),
    ]


def test_the_artifacts_of_a_run_are_listed_and_fetched(with_artifacts: AsgiClient) -> None:
    run_id = _new_run(with_artifacts)
    info = with_artifacts.call("runs/get", {"run_id": run_id}, method="GET")["run"]["info"]
    uri = info["artifact_uri"]
    assert uri.startswith("mlflow-artifacts:/")
    base = PROXY + "/" + uri.removeprefix("mlflow-artifacts:/").strip("/")
    with_artifacts.put(f"{base}/model/MLmodel", b"flavors: {}")
    with_artifacts.put(f"{base}/a%20b.txt", b"hello")

    listed = with_artifacts.get(f"{LIST}?run_id={run_id}").json()
    assert listed == {
        "root_uri": uri,
        "files": [
            {"path": "a b.txt", "is_dir": False, "file_size": 5},
            {"path": "model", "is_dir": True},
        ],
    }
    for path in ("model", "model/"):
        inner = with_artifacts.get(f"{LIST}?run_id={run_id}&path={path}").json()
        assert [each["path"] for each in inner["files"]] == ["model/MLmodel"]
    # Old clients call it run_uuid.
    assert with_artifacts.get(f"{LIST}?run_uuid={run_id}").json() == listed
    got = with_artifacts.get(f"/get-artifact?run_id={run_id}&path=a%20b.txt")
    assert (got.status, got.body) == (200, b"hello")
    assert got.headers["content-disposition"].startswith("attachment")

    upload = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run_id}&path=from%2Fpage"
    assert with_artifacts.post(upload, body=b"sent").status == 200
    got = with_artifacts.get(f"/get-artifact?run_id={run_id}&path=from/page")
    assert got.body == b"sent"


@pytest.mark.parametrize("path", ["..", "../x", "/etc/passwd", "a/../../x", "a\0b", "C:/x"])
def test_a_path_does_not_leave_the_run(
    with_artifacts: AsgiClient, artifacts: Path, path: str
) -> None:
    run_id = _new_run(with_artifacts)
    query = urlencode({"run_id": run_id, "path": path})
    assert with_artifacts.get(f"{LIST}?{query}").status == 400
    assert with_artifacts.get(f"/get-artifact?{query}").status == 400
    upload = urlencode({"run_uuid": run_id, "path": path})
    answer = with_artifacts.post(f"/ajax-api/2.0/mlflow/upload-artifact?{upload}", body=b"x")
    assert answer.status == 400
    assert [each for each in artifacts.rglob("*") if each.is_file()] == []


def test_what_is_missing_is_named(with_artifacts: AsgiClient) -> None:
    run_id = _new_run(with_artifacts)
    for target, name in [
        (LIST, "run_id"),
        ("/get-artifact", "path"),
        (f"/get-artifact?run_id={run_id}", "path"),
        ("/get-artifact?path=a", "run_id"),
        ("/model-versions/get-artifact", "name"),
        ("/model-versions/get-artifact?name=m", "version"),
        ("/model-versions/get-artifact?name=m&version=1", "path"),
        ("/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files", "artifact_file_path"),
    ]:
        answer = with_artifacts.get(target)
        assert answer.status == 400, target
        assert answer.message.startswith(f"Missing value for required parameter '{name}'."), target
    assert with_artifacts.get("/get-artifact?run_id=nothing&path=a").status == 404
    twice = with_artifacts.get(f"/get-artifact?run_id={run_id}&path=a&path=b")
    assert twice.status == 400
    assert "twice" in twice.message


def test_an_upload_from_a_page_has_a_limit(with_artifacts: AsgiClient, artifacts: Path) -> None:
    run_id = _new_run(with_artifacts)
    target = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run_id}&path=big"
    answer = with_artifacts.post(target, body=[b"x" * (1 << 20)] * 10 + [b"y"])
    assert answer.status == 400
    assert "larger than 10485760 bytes" in answer.message
    assert [each for each in artifacts.rglob("*") if each.is_file()] == []
    assert with_artifacts.post(target, body=[b"x" * (1 << 20)] * 10).status == 200


ELSEWHERE = [
    "/etc",
    "file:///etc",
    "file:/etc",
    "FILE:///etc",
    "file://localhost/etc",
    "file:///",
    "s3://other",
    "s3://other/bucket",
    "gs://other",
    "http://169.254.169.254/latest",
    "mlflow-artifacts://otherhost/",
    "mlflow-artifacts://localhost:5000/x",
    "memory://else",
]


@pytest.mark.parametrize("location", ELSEWHERE)
def test_artifacts_that_lie_elsewhere_are_refused(
    with_artifacts: AsgiClient, location: str
) -> None:
    run_id = _new_run(with_artifacts, location)
    for answer in _requests_for(with_artifacts, run_id):
        assert answer.status == 403, answer.body
        assert answer.json()["error_code"] == "PERMISSION_DENIED"
        assert "root:" not in answer.message


def test_a_place_beside_a_root_is_not_in_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root-other").mkdir()
    (tmp_path / "root-other" / "passwd").write_text("secret")
    client = serve(artifacts_destination=str(tmp_path / "root"))
    for number, location in enumerate(
        [
            f"{tmp_path}/root-other",
            f"{tmp_path}/root/../root-other",
            f"file://{tmp_path}/root/%2e%2e/root-other",
            f"{tmp_path}/root/..",
            str(tmp_path),
        ]
    ):
        # Stores make paths absolute; what a client writes into a run, they leave as it is.
        run_id = _new_run(client, f"{tmp_path}/root/{number}")
        changed = _contract(
            client, "RunStore/update_run", run_id, changes=RunChanges(artifact_uri=location)
        )
        assert changed.status == 200, changed.body
        for answer in _requests_for(client, run_id):
            assert answer.status in (400, 403), (location, answer.body)


def test_s3_locations_that_only_begin_like_a_root_are_not_in_it(serve: Serve) -> None:
    client = serve(artifact_roots=("s3://bucket/ours",))
    for location in ("s3://bucket/ours-not", "s3://bucket", "s3://bucket/ours/../theirs"):
        for answer in _requests_for(client, _new_run(client, location)):
            assert answer.status in (400, 403), (location, answer.body)


def test_a_password_in_a_location_is_not_told(with_artifacts: AsgiClient) -> None:
    run_id = _new_run(with_artifacts, "ftp://me:geheim@elsewhere/x")
    for answer in _requests_for(with_artifacts, run_id):
        assert answer.status == 403
        assert "geheim" not in answer.message


def test_a_further_root_is_read_and_written(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "shared" / "7").mkdir(parents=True)
    (tmp_path / "shared" / "7" / "passwd").write_text("not secret")
    client = serve(artifact_roots=(f"file://{tmp_path}/shared",))
    run_id = _new_run(client, f"{tmp_path}/shared/7")
    changes = RunChanges(artifact_uri=f"{tmp_path}/shared/7")
    assert _contract(client, "RunStore/update_run", run_id, changes=changes).status == 200
    listed, _, got, _, sent = _requests_for(client, run_id)
    assert [each["path"] for each in listed.json()["files"]] == ["passwd"]
    assert got.body == b"not secret"
    assert sent.status == 200
    assert (tmp_path / "shared" / "7" / "planted").read_bytes() == b"x"


# --- registered and logged models ---

VERSIONS = "/api/2.0/mlflow/model-versions"


@pytest.fixture
def registry(with_artifacts: AsgiClient) -> AsgiClient:
    with_artifacts.call("registered-models/create", {"name": "m"})
    return with_artifacts


LOCAL = ["/etc", "file:///etc", "file:/etc", "FILE:///etc/", "etc", "../etc", "file://localhost/"]


@pytest.mark.parametrize("source", LOCAL)
def test_a_version_whose_files_are_a_machines_own_is_refused(
    registry: AsgiClient, source: str
) -> None:
    by_mlflow = registry.post(f"{VERSIONS}/create", {"name": "m", "source": source})
    new = NewModelVersion(name="m", source=source)
    by_contract = _contract(registry, "ModelRegistryStore/create_model_version", new)
    for answer in (by_mlflow, by_contract):
        assert answer.status == 400, answer.body
        assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
        assert answer.message.startswith("Invalid model version source: ")
    assert registry.get(f"{VERSIONS}/get?name=m&version=1").status == 404


@pytest.mark.parametrize("source", LOCAL)
def test_a_version_does_not_get_such_files_later_either(registry: AsgiClient, source: str) -> None:
    assert registry.post(f"{VERSIONS}/create", {"name": "m", "source": "s3://b/m"}).status == 200
    answer = _contract(
        registry,
        "ModelRegistryStore/update_model_version",
        "m",
        version=1,
        changes=ModelVersionChanges(source=source),
    )
    assert answer.status == 400, answer.body
    assert answer.message.startswith("Invalid model version source: ")
    found = registry.get(f"{VERSIONS}/get?name=m&version=1").json()
    assert found["model_version"]["source"] == "s3://b/m"


def test_a_version_may_be_changed_without_its_source(registry: AsgiClient) -> None:
    registry.post(f"{VERSIONS}/create", {"name": "m", "source": "s3://b/m"})
    answer = _contract(
        registry,
        "ModelRegistryStore/update_model_version",
        "m",
        version=1,
        changes=ModelVersionChanges(description="told"),
    )
    assert answer.status == 200


@pytest.mark.parametrize(
    "source", ["runs:/r1/model", "models:/m-1", "s3://b/m", "mlflow-artifacts:/0/r/artifacts/m"]
)
def test_a_version_whose_files_lie_in_a_store_is_made(registry: AsgiClient, source: str) -> None:
    answer = registry.post(f"{VERSIONS}/create", {"name": "m", "source": source})
    assert answer.status == 200
    assert answer.json()["model_version"]["source"] == source


def test_the_files_of_a_version_in_a_root_are_fetched(
    registry: AsgiClient, artifacts: Path
) -> None:
    (artifacts / "models").mkdir()
    (artifacts / "models" / "MLmodel").write_text("flavors: {}")
    for source in (f"{artifacts}/models", "mlflow-artifacts:/models"):
        answer = registry.post(f"{VERSIONS}/create", {"name": "m", "source": source})
        version = answer.json()["model_version"]["version"]
        target = f"/model-versions/get-artifact?name=m&version={version}&path=MLmodel"
        assert registry.get(target).body == b"flavors: {}"
    assert registry.get("/model-versions/get-artifact?name=m&version=9&path=a").status == 404
    for version in ("0", "x", "-1"):
        target = f"/model-versions/get-artifact?name=m&version={version}&path=a"
        assert registry.get(target).status == 400


@pytest.mark.parametrize("source", ["s3://b/m", "runs:/r1/model", "http://169.254.169.254/"])
def test_the_files_of_a_version_elsewhere_are_refused(registry: AsgiClient, source: str) -> None:
    registry.post(f"{VERSIONS}/create", {"name": "m", "source": source})
    answer = registry.get("/model-versions/get-artifact?name=m&version=1&path=passwd")
    assert answer.status == 403, answer.body


def test_the_files_of_a_logged_model_are_listed_and_fetched(registry: AsgiClient) -> None:
    model = registry.call("logged-models", {"experiment_id": "0", "name": "net"})["model"]
    model_id, uri = model["info"]["model_id"], model["info"]["artifact_uri"]
    base = PROXY + "/" + uri.removeprefix("mlflow-artifacts:/").strip("/")
    registry.put(f"{base}/data/weights.bin", b"\x00\x01")
    path = f"/api/2.0/mlflow/logged-models/{model_id}/artifacts/directories"
    assert registry.get(path).json() == {
        "root_uri": uri,
        "files": [{"path": "data", "is_dir": True}],
    }
    inner = registry.get(f"{path}?artifact_directory_path=data").json()["files"]
    assert inner == [{"path": "data/weights.bin", "is_dir": False, "file_size": 2}]
    files = f"/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files"
    got = registry.get(f"{files}?artifact_file_path=data/weights.bin")
    assert got.body == b"\x00\x01"
    assert got.headers["content-type"] == "application/octet-stream"
    # A version that names the model has its files.
    registry.post(f"{VERSIONS}/create", {"name": "m", "source": f"models:/{model_id}"})
    target = "/model-versions/get-artifact?name=m&version=1&path=data/weights.bin"
    assert registry.get(target).body == b"\x00\x01"


@pytest.mark.parametrize("location", ["/etc", "file:///etc", "s3://other"])
def test_the_files_of_a_logged_model_elsewhere_are_refused(
    registry: AsgiClient, location: str
) -> None:
    new = NewLoggedModel(experiment_id="0", model_id="m-1", artifact_location=location)
    assert _contract(registry, "LoggedModelStore/create_logged_model", new).status == 200
    registry.post(f"{VERSIONS}/create", {"name": "m", "source": "models:/m-1"})
    targets = [
        "/api/2.0/mlflow/logged-models/m-1/artifacts/directories",
        "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files?artifact_file_path=passwd",
        "/model-versions/get-artifact?name=m&version=1&path=passwd",
    ]
    for target in targets:
        assert registry.get(target).status == 403, target
    changes = LoggedModelChanges(artifact_location="file:///")
    _contract(registry, "LoggedModelStore/update_logged_model", "m-1", changes=changes)
    for target in targets:
        assert registry.get(target).status == 403, target


# --- the pieces ---


@pytest.mark.parametrize("inner", ["..", "a/../..", "/etc", "a//b", "\0", "../root"])
def test_below_a_directory_there_is_no_way_out(inner: str) -> None:
    with pytest.raises(InvalidValueError):
        below("root/run", inner)


@pytest.mark.parametrize(
    ("inner", "joined"), [(None, "r"), ("", "r"), (" ", "r"), ("a", "r/a"), ("a/b/", "r/a/b")]
)
def test_below_a_directory_lies_what_is_named(inner: str | None, joined: str) -> None:
    assert below("r", inner) == joined


def test_a_uri_is_known_to_lie_in_a_place_or_not(
    with_artifacts: AsgiClient, artifacts: Path
) -> None:
    roots = with_artifacts.application.service.artifacts
    assert roots.holds(f"file://{artifacts}/a/b")
    assert roots.holds("mlflow-artifacts:/a")
    assert not roots.holds("mlflow-artifacts:/../a")
    assert not roots.holds("file:///etc")
    with pytest.raises(PermissionDeniedError, match="--artifact-root"):
        roots.place("file:///etc")
