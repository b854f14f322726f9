"""From a URI to a workspace: profiles, the environment, tokens, and what is said when they fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.databricks.tests.conftest import OpenStore, WriteProfiles
from plugins.databricks.tests.fake_workspace import FakeWorkspace
from tracking_core.config import Uri
from tracking_core.errors import (
    InvalidValueError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
    UnsupportedError,
)
from tracking_core_databricks.store import DatabricksStore
from tracking_core_databricks.workspace import WorkspaceName, find_workspace


def token_used(workspace: FakeWorkspace) -> str:
    return workspace.requests[-1].headers["authorization"]


# --- which workspace ---


def test_the_profile_of_the_uri_is_used(store: DatabricksStore, workspace: FakeWorkspace) -> None:
    store.check_health()
    assert token_used(workspace) == "Bearer dapi-good"


def test_a_profile_that_is_named_is_not_mixed_with_the_environment(
    store: DatabricksStore, workspace: FakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "https://other.example.org")
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-other")
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "missing")
    store.check_health()
    assert token_used(workspace) == "Bearer dapi-good"


def test_the_profile_of_the_environment_wins_over_its_token(
    profiles: Path, workspace: FakeWorkspace, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-environment")
    monkeypatch.setenv("DATABRICKS_CONFIG_PROFILE", "work")
    open_store("databricks").check_health()
    assert token_used(workspace) == "Bearer dapi-good"


def test_the_environment_wins_over_the_default_profile(
    workspace: FakeWorkspace,
    write_profiles: WriteProfiles,
    open_store: OpenStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_profiles("[DEFAULT]\nhost = https://other.example.org\ntoken = dapi-default\n")
    workspace.tokens.add("dapi-environment")
    monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-environment")
    open_store("databricks").check_health()
    assert token_used(workspace) == "Bearer dapi-environment"


@pytest.mark.parametrize("chosen", ["", "[__settings__]\ndefault_profile = chosen\n"])
def test_without_a_word_the_default_profile_is_used(
    workspace: FakeWorkspace, write_profiles: WriteProfiles, open_store: OpenStore, chosen: str
) -> None:
    name = "chosen" if chosen else "DEFAULT"
    write_profiles(f"[{name}]\nhost = {workspace.url}/?o=1\ntoken = dapi-good\n{chosen}")
    open_store("databricks").check_health()
    assert token_used(workspace) == "Bearer dapi-good"


def test_the_file_may_be_elsewhere(
    profiles: Path,
    workspace: FakeWorkspace,
    open_store: OpenStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    profiles.rename(tmp_path / "mine")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "mine"))
    open_store("databricks://work").check_health()
    assert token_used(workspace) == "Bearer dapi-good"


def test_a_host_without_a_scheme_is_one_of_https(write_profiles: WriteProfiles) -> None:
    write_profiles("[p]\nhost = work.example.org/\ntoken = t\nworkspace_id = 17\n")
    found = find_workspace(WorkspaceName(profile="p"), os.environ)
    assert found.host == "https://work.example.org"
    assert found.headers() == {"Authorization": "Bearer t", "X-Databricks-Workspace-Id": "17"}


def test_nothing_is_looked_up_or_sent_before_the_first_call(
    open_store: OpenStore, workspace: FakeWorkspace
) -> None:
    store = open_store("databricks://missing")
    assert len(store.facets()) == 3
    assert store.capabilities
    assert store.limits.param_value_length
    assert workspace.requests == []


def test_a_workspace_is_not_asked_what_it_can_do(
    store: DatabricksStore, workspace: FakeWorkspace
) -> None:
    store.check_health()
    paths = {request.path for request in workspace.requests}
    assert paths == {"/api/2.0/mlflow/experiments/search"}


def test_a_personal_access_token_waits_for_no_import_of_the_sdk(
    profiles: Path, workspace: FakeWorkspace
) -> None:
    code = (
        "import sys\n"
        "from tracking_core.config import Settings, Uri\n"
        "from tracking_core_databricks.store import DatabricksStore\n"
        "with DatabricksStore(Uri.parse('databricks://work'), Settings()) as store:\n"
        "    store.check_health()\n"
        "print([name for name in sys.modules if name.startswith('databricks')])\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert run.stdout.strip() == "[]"
    assert workspace.requests


# --- tokens that databricks-sdk fetches ---


@pytest.mark.parametrize("where", ["profile", "environment"])
def test_a_client_and_its_secret_get_a_token_without_asking_for_metadata(
    workspace: FakeWorkspace,
    write_profiles: WriteProfiles,
    open_store: OpenStore,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    fields = {"host": workspace.url, "client_id": "client", "client_secret": "secret"}
    if where == "profile":
        write_profiles("[m2m]\n" + "".join(f"{k} = {v}\n" for k, v in fields.items()))
        # What the environment says of another must not be mixed in.
        monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-other")
        store = open_store("databricks://m2m")
    else:
        for name, value in fields.items():
            monkeypatch.setenv(f"DATABRICKS_{name.upper()}", value)
        store = open_store("databricks")
    store.check_health()
    store.check_health()
    assert token_used(workspace).startswith("Bearer oauth-")
    assert len(workspace.asked("/oidc/v1/token")) == 1
    assert not any("databricks-config" in request.path for request in workspace.requests)


def test_a_token_that_ran_out_is_fetched_anew_before_the_next_request(
    workspace: FakeWorkspace, write_profiles: WriteProfiles, open_store: OpenStore
) -> None:
    workspace.token_lifetime = 0
    write_profiles(f"[m2m]\nhost = {workspace.url}\nclient_id = client\nclient_secret = secret\n")
    store = open_store("databricks://m2m")
    store.check_health()
    first = token_used(workspace)
    # The SDK takes a token that ends within seconds for one that has ended.
    workspace.tokens = {"dapi-good"}
    store.check_health()
    assert token_used(workspace) != first


def test_a_token_that_is_renewed_in_the_file_is_taken_by_a_program_that_runs(
    store: DatabricksStore, workspace: FakeWorkspace, profiles: Path
) -> None:
    store.check_health()
    workspace.tokens = {"dapi-new"}
    profiles.write_text(profiles.read_text().replace("dapi-good", "dapi-new"))
    store.check_health()
    assert token_used(workspace) == "Bearer dapi-new"


# --- errors ---


def test_no_profile_and_no_environment_says_what_to_set(open_store: OpenStore) -> None:
    with pytest.raises(InvalidValueError, match="DATABRICKS_HOST and DATABRICKS_TOKEN") as caught:
        open_store("databricks").check_health()
    assert "'databricks auth login" in str(caught.value)
    assert "'databricks configure'" in str(caught.value)
    assert str(Path.home() / ".databrickscfg") in str(caught.value)


def test_an_unknown_profile_lists_those_that_there_are(
    write_profiles: WriteProfiles, open_store: OpenStore
) -> None:
    path = write_profiles("[b]\nhost = h\n[a]\nhost = h\n[__settings__]\nx = y\n[DEFAULT]\n")
    with pytest.raises(NotFoundError, match="no profile 'work'; it has: a, b") as caught:
        open_store("databricks://work").check_health()
    assert str(path) in str(caught.value)


def test_a_profile_where_no_file_is_says_how_to_make_one(open_store: OpenStore) -> None:
    with pytest.raises(NotFoundError, match=r"isn't there; 'databricks auth login"):
        open_store("databricks://work").check_health()


def test_a_profile_without_a_host_says_what_to_write(
    write_profiles: WriteProfiles, open_store: OpenStore
) -> None:
    write_profiles("[DEFAULT]\nhost = https://other.example.org\n[work]\ntoken = t\n")
    with pytest.raises(InvalidValueError, match=r"'work' .* has no host; write host = https://"):
        open_store("databricks://work").check_health()


def test_a_host_that_is_no_address_is_refused(
    write_profiles: WriteProfiles, open_store: OpenStore
) -> None:
    write_profiles("[work]\nhost = https://kim:secret@work.example.org\ntoken = t\n")
    with pytest.raises(InvalidValueError, match="no address") as caught:
        open_store("databricks://work").check_health()
    assert "secret" not in str(caught.value)


def test_a_token_without_a_host_in_the_environment_says_what_lacks(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-secret")
    with pytest.raises(InvalidValueError, match="has DATABRICKS_TOKEN, but no DATABRICKS_HOST"):
        open_store("databricks").check_health()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_says_whose_it_is_and_how_to_renew_it(
    workspace: FakeWorkspace, write_profiles: WriteProfiles, open_store: OpenStore, status: int
) -> None:
    token = "" if status == 401 else "dapi-old"
    path = write_profiles(f"[work]\nhost = {workspace.url}\ntoken = {token or ' x'}\n")
    if status == 401:
        workspace.answers_401 = True
    with pytest.raises(PermissionDeniedError, match="The profile 'work' of") as caught:
        open_store("databricks://work").check_health()
    assert str(path) in str(caught.value)
    assert "'databricks auth login --profile work'" in str(caught.value)
    assert len(workspace.requests) == 1  # the same token isn't tried twice


def test_a_refused_client_says_who_it_was(
    workspace: FakeWorkspace, write_profiles: WriteProfiles, open_store: OpenStore
) -> None:
    write_profiles(f"[m2m]\nhost = {workspace.url}\nclient_id = client\nclient_secret = wrong\n")
    with pytest.raises(PermissionDeniedError, match="The profile 'm2m' of") as caught:
        open_store("databricks://m2m").check_health()
    assert "wrong" not in str(caught.value)


def test_a_client_whose_host_cannot_be_reached_says_so_at_once(
    write_profiles: WriteProfiles, open_store: OpenStore
) -> None:
    write_profiles("[m2m]\nhost = http://127.0.0.1:9\nclient_id = client\nclient_secret = s\n")
    with pytest.raises(StoreUnavailableError, match=r"'m2m' .*:9 can't be reached"):
        open_store("databricks://m2m").check_health()


def test_a_profile_that_says_nothing_of_who_one_is_says_so(
    workspace: FakeWorkspace, write_profiles: WriteProfiles, open_store: OpenStore
) -> None:
    write_profiles(f"[work]\nhost = {workspace.url}\n")
    with pytest.raises(PermissionDeniedError, match=r"'work' .* doesn't say who you are"):
        open_store("databricks://work").check_health()


def test_a_host_that_cannot_be_reached_says_where_it_stands(
    write_profiles: WriteProfiles, open_store: OpenStore
) -> None:
    write_profiles("[work]\nhost = http://127.0.0.1:9\ntoken = t\n")
    store = open_store("databricks://work", http_max_retries=0)
    with pytest.raises(StoreUnavailableError, match=r"127.0.0.1:9 can't be reached") as caught:
        store.check_health()
    assert "The profile 'work' of" in str(caught.value)


def test_a_page_of_another_server_is_no_workspace(
    workspace: FakeWorkspace, store: DatabricksStore
) -> None:
    workspace.leads_elsewhere = True
    with pytest.raises(StoreUnavailableError, match=r"leads elsewhere .*302.*The profile 'work'"):
        store.check_health()


@pytest.mark.parametrize(
    "content", [b"host = before any profile\n", b"[work]\ntoken dapi-secret\n", b"[a]\xff\n"]
)
def test_a_file_that_cannot_be_understood_is_named_without_its_secrets(
    open_store: OpenStore, content: bytes
) -> None:
    path = Path.home() / ".databrickscfg"
    path.write_bytes(content)
    with pytest.raises(InvalidValueError) as caught:
        open_store("databricks://work").check_health()
    assert str(path) in str(caught.value)
    assert "dapi-secret" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(
    profiles: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **keywords: object) -> str:
        raise PermissionError(13, "Permission denied")

    # root reads every file
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(PermissionDeniedError, match=r"\.databrickscfg can't be read"):
        open_store("databricks://work").check_health()


def test_a_directory_in_place_of_the_file_is_named(open_store: OpenStore) -> None:
    (Path.home() / ".databrickscfg").mkdir()
    with pytest.raises(InvalidValueError, match=r"\.databrickscfg can't be read"):
        open_store("databricks://work").check_health()


# --- URIs ---


@pytest.mark.parametrize("uri", ["databricks://scope:prefix", "databricks-uc://scope:12"])
def test_a_secret_scope_is_refused_outside_of_a_cluster(uri: str, open_store: OpenStore) -> None:
    with pytest.raises(UnsupportedError, match="inside of a Databricks cluster only") as caught:
        open_store(uri)
    assert "databricks://PROFILE" in str(caught.value)


@pytest.mark.parametrize(
    "uri", ["databricks://work/path", "databricks:work", "databricks://scope:", "databricks://:p"]
)
def test_another_form_of_uri_is_refused(uri: str) -> None:
    with pytest.raises(InvalidValueError, match="write databricks"):
        WorkspaceName.of(Uri.parse(uri))


@pytest.mark.parametrize(
    ("uri", "profile"),
    [
        ("databricks", None),
        ("databricks://", None),
        ("databricks://Work", "Work"),
        ("databricks-uc://kim@corp/", "kim@corp"),
    ],
)
def test_a_uri_names_a_profile_or_leaves_it_open(uri: str, profile: str | None) -> None:
    assert WorkspaceName.of(Uri.parse(uri)) == WorkspaceName(profile=profile)
