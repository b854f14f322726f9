"""Files of runs and logged models by signed URLs, and of the workspace's file system."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from plugins.databricks.tests.fake_workspace import TRACKED, FakeWorkspace
from tracking_core.artifacts.repository import ArtifactRepository
from tracking_core.artifacts.transfer import download, upload
from tracking_core.config import Settings, Uri
from tracking_core.entities import FileInfo
from tracking_core.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    UnsupportedError,
)
from tracking_core.stores import NewExperiment, NewLoggedModel, NewRun
from tracking_core_databricks.artifacts import signed_storage
from tracking_core_databricks.artifacts.address import Address
from tracking_core_databricks.artifacts.repository import DbfsArtifactRepository
from tracking_core_databricks.store import DatabricksStore
from tracking_core_databricks.workspace import WorkspaceName

KINDS = ["AWS_PRESIGNED_URL", "AZURE_SAS_URI", "AZURE_ADLS_GEN2_SAS_URI", "GCP_SIGNED_URL"]
IN_WORK = Settings(tracking_uri="databricks://work")
PART_URL = "/api/2.0/mlflow/artifacts/get-presigned-upload-part-url"


@pytest.fixture(params=["run", "model"])
def files(request: pytest.FixtureRequest, store: DatabricksStore) -> ArtifactRepository:
    """The files of a run, and of a logged model."""
    new = NewExperiment(name="/Shared/files")
    experiment_id = store.runs.create_experiment(new).experiment_id
    if request.param == "run":
        run = store.runs.create_run(NewRun(experiment_id=experiment_id))
        return opened(run.info.artifact_uri)
    model = store.logged_models.create_logged_model(NewLoggedModel(experiment_id=experiment_id))
    return opened(model.artifact_location)


@pytest.fixture
def run_files(store: DatabricksStore) -> ArtifactRepository:
    new = NewExperiment(name="/Shared/files")
    experiment_id = store.runs.create_experiment(new).experiment_id
    run = store.runs.create_run(NewRun(experiment_id=experiment_id))
    return opened(run.info.artifact_uri)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed_storage, "PART_SIZE", 1000)


def opened(uri: str, settings: Settings = IN_WORK) -> DbfsArtifactRepository:
    return DbfsArtifactRepository(Uri.parse(uri), settings)


def write(files: ArtifactRepository, path: str, content: bytes) -> None:
    with files.open_write(path) as file:
        file.write(content)


def read(files: ArtifactRepository, path: str) -> bytes:
    with files.open_read(path) as file:
        return file.read()


# --- files of runs and models ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 7, 999, 1000, 1001, 3500])
@pytest.mark.usefixtures("small_parts")
def test_what_is_written_is_read_back_from_each_cloud(
    files: ArtifactRepository, workspace: FakeWorkspace, kind: str, size: int
) -> None:
    workspace.signs = kind
    content = random.Random(size).randbytes(size)
    write(files, "a b/ü#?.bin", content)
    assert read(files, "a b/ü#?.bin") == content
    assert files.info("a b/ü#?.bin") == FileInfo("a b/ü#?.bin", False, size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("small_parts")
def test_a_signed_url_that_expired_is_asked_for_anew(
    files: ArtifactRepository, workspace: FakeWorkspace, kind: str
) -> None:
    workspace.signs = kind
    workspace.vends_expired = 1
    write(files, "f", b"x" * 500)
    workspace.vends_expired = 1
    assert read(files, "f") == b"x" * 500


@pytest.mark.usefixtures("small_parts")
def test_a_part_whose_url_expired_is_asked_for_alone(
    run_files: ArtifactRepository, workspace: FakeWorkspace
) -> None:
    workspace.vends_expired = 3  # the first is for the file as a whole
    write(run_files, "f", b"0123456789" * 350)
    assert read(run_files, "f") == b"0123456789" * 350
    asked = workspace.asked(PART_URL)
    assert [request.query["part_number"] for request in asked] == ["1", "2"]


@pytest.mark.usefixtures("small_parts")
def test_an_upload_in_parts_that_fails_is_aborted_and_leaves_what_was_there(
    run_files: ArtifactRepository, workspace: FakeWorkspace
) -> None:
    write(run_files, "f", b"old")
    refuse = workspace._part_url
    workspace._part_url = lambda request: {  # type: ignore[method-assign]
        "upload_credential_info": {
            **refuse(request)["upload_credential_info"],
            "signed_uri": f"{workspace.url}/storage/x?sig=expired",
        }
    }
    workspace.vends_expired = 2
    with pytest.raises(PermissionDeniedError, match="refused the signed URL of 'f'"):
        write(run_files, "f", b"n" * 3500)
    assert len(workspace.aborted) == 1
    assert read(run_files, "f") == b"old"


def test_a_storage_that_refuses_a_new_url_too_is_an_error(
    run_files: ArtifactRepository, workspace: FakeWorkspace
) -> None:
    workspace.vends_expired = 2
    with pytest.raises(PermissionDeniedError, match="refused the signed URL of 'f'"):
        write(run_files, "f", b"x")


def test_the_storage_is_not_told_who_one_is(
    run_files: ArtifactRepository, workspace: FakeWorkspace
) -> None:
    path = Path.home() / ".netrc"
    path.write_text("default login kim password secret\n")
    path.chmod(0o600)
    write(run_files, "f", b"x")
    assert read(run_files, "f") == b"x"
    sent = [r for r in workspace.requests if r.path.startswith("/storage/")]
    assert sent
    assert not any("authorization" in request.headers for request in sent)


def test_a_block_that_raises_sends_nothing(
    run_files: ArtifactRepository, workspace: FakeWorkspace
) -> None:
    with pytest.raises(InterruptedError), run_files.open_write("f") as file:  # noqa: PT012
        file.write(b"half")
        raise InterruptedError
    assert workspace.blobs == {}


def test_a_file_is_read_from_where_it_is_asked_for(
    run_files: ArtifactRepository, workspace: FakeWorkspace
) -> None:
    content = random.Random(1).randbytes(3 << 20)
    write(run_files, "f", content)
    with run_files.open_read("f") as file:
        file.seek(-5, 2)
        assert file.read() == content[-5:]
        file.seek(1000)
        assert file.read(7) == content[1000:1007]
        file.seek(len(content) + 10)
        assert file.read() == b""
    ranges = {r.headers.get("range") for r in workspace.requests if r.method == "GET"}
    assert "bytes=1000-" in ranges


@pytest.mark.parametrize("path", ["missing", "d", "f/below"])
def test_what_is_no_file_is_not_found(files: ArtifactRepository, path: str) -> None:
    write(files, "d/f", b"x")
    write(files, "f", b"x")
    with pytest.raises(NotFoundError, match=f"no artifact '{path}'"):
        files.open_read(path)


def test_a_listing_is_one_level_and_of_all_pages(
    files: ArtifactRepository, workspace: FakeWorkspace
) -> None:
    for path in ("b/2", "b/1", "b/c/3", "a.txt", "a/x"):
        write(files, path, b"x")
    workspace.page_size = 1
    assert files.list() == [FileInfo("a", True), FileInfo("a.txt", False, 1), FileInfo("b", True)]
    assert [entry.path for entry in files.list("b")] == ["b/1", "b/2", "b/c"]
    assert files.list("a.txt") == []
    assert files.list("missing") == []
    assert [entry.path for entry in files.walk()] == ["a.txt", "a/x", "b/1", "b/2", "b/c/3"]


def test_a_uri_may_name_a_directory_of_a_run(run_files: ArtifactRepository) -> None:
    write(run_files, "model/data/f", b"x")
    write(run_files, "models/f", b"x")
    below = opened(f"{run_files.uri.text}/model")
    assert below.list() == [FileInfo("data", True)]
    assert below.list("data") == [FileInfo("data/f", False, 1)]
    assert read(below, "data/f") == b"x"
    write(below, "g", b"y")
    assert read(run_files, "model/g") == b"y"


def test_trees_go_up_and_down(run_files: ArtifactRepository, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / "tree" / f"d{number}").mkdir(parents=True)
        (tmp_path / "tree" / f"d{number}" / "f").write_bytes(bytes([number]) * 100)
    sent = upload(tmp_path / "tree", run_files, "x")
    back = download(run_files, "x", tmp_path / "back")
    assert back.digests == sent.digests
    assert (tmp_path / "back" / "x" / "d3" / "f").read_bytes() == b"\3" * 100


def test_files_of_a_run_cannot_be_deleted(files: ArtifactRepository) -> None:
    write(files, "f", b"x")
    with pytest.raises(UnsupportedError, match="delete the run or the model"):
        files.delete("f")
    assert files.exists("f")


def test_a_kind_of_credential_that_is_new_is_refused(
    run_files: ArtifactRepository, workspace: FakeWorkspace
) -> None:
    workspace.signs = "MOON_BASE_URL"
    with pytest.raises(UnsupportedError, match=r"'MOON_BASE_URL'.*update tracking"):
        write(run_files, "f", b"x")


# --- the file system ---


@pytest.mark.usefixtures("profiles")
def test_a_file_of_the_file_system_goes_in_blocks_and_appears_whole(
    workspace: FakeWorkspace,
) -> None:
    files = opened("dbfs:/mine")
    content = random.Random(1).randbytes((2 << 20) + 5)
    with files.open_write("d/f") as file:
        file.write(content)
        assert workspace.files == {}
    assert workspace.files == {"/mine/d/f": content}
    assert len(workspace.asked("/api/2.0/dbfs/add-block")) == 3
    assert read(files, "d/f") == content
    write(files, "d/f", b"new")
    assert workspace.files == {"/mine/d/f": b"new"}
    files.delete("d")
    assert workspace.files == {}


@pytest.mark.usefixtures("profiles")
def test_a_file_that_cannot_be_finished_leaves_nothing(
    workspace: FakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = opened("dbfs:/mine")
    write(files, "f", b"old")
    monkeypatch.setattr("tracking_core_databricks.artifacts.file_system._BLOCK", 2 << 20)
    with pytest.raises(InvalidValueError, match="1 MB"):
        write(files, "f", b"n" * (2 << 20))
    assert workspace.files == {"/mine/f": b"old"}


@pytest.mark.usefixtures("profiles")
def test_a_directory_in_the_way_of_a_file_is_said() -> None:
    files = opened("dbfs:/mine")
    write(files, "d/f", b"x")
    with pytest.raises(ConflictError, match="is a directory"):
        write(files, "d", b"x")
    with pytest.raises(ConflictError, match="'d/f' is a file"):
        write(files, "d/f/g", b"x")


# --- URIs ---


@pytest.mark.parametrize(
    ("uri", "tracking_uri", "profile"),
    [
        ("dbfs:/x", None, None),
        ("dbfs:/x", "databricks://work", "work"),
        ("dbfs:/x", "databricks-uc://work", "work"),
        ("dbfs:/x", "http://localhost", None),
        ("dbfs:///x", "databricks://work", "work"),
        ("dbfs://databricks/x", "databricks://work", None),
        ("dbfs://other@databricks/x", "databricks://work", "other"),
        ("dbfs://kim@corp@databricks/x", None, "kim@corp"),
    ],
)
def test_a_uri_names_its_workspace_or_means_the_tracking_uris(
    uri: str, tracking_uri: str | None, profile: str | None
) -> None:
    address = Address.of(Uri.parse(uri), Settings(tracking_uri=tracking_uri))
    assert address.workspace == WorkspaceName(profile=profile)
    assert (address.path, address.owner) == ("x", None)


@pytest.mark.parametrize(
    "uri",
    [
        "dbfs://somewhere/x",
        "dbfs:relative",
        "dbfs:/x/../y",
        "dbfs://@databricks/x",
        f"{TRACKED}/1",
        f"{TRACKED}/1/abc",
        f"{TRACKED}/1/logged_models/m-1",
    ],
)
def test_a_uri_that_names_nothing_is_refused(uri: str) -> None:
    with pytest.raises(InvalidValueError):
        opened(uri)


def test_a_profile_in_the_uri_is_the_one_that_is_used(
    profiles: Path, workspace: FakeWorkspace
) -> None:
    write(opened("dbfs://work@databricks/mine", Settings()), "f", b"x")
    assert workspace.files == {"/mine/f": b"x"}


CALLS: list[Callable[[ArtifactRepository], object]] = [
    lambda files: files.list("../x"),
    lambda files: files.open_read("../x"),
    lambda files: files.open_write("/x"),
    lambda files: files.delete("a/../.."),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("uri", ["dbfs:/mine", f"{TRACKED}/1/abc/artifacts"])
def test_a_path_that_would_leave_the_root_is_refused_before_anything_is_asked(
    call: Callable[[ArtifactRepository], object], uri: str
) -> None:
    with pytest.raises(InvalidValueError, match="artifact path"):
        call(opened(uri))
