"""Settings: which source wins, and what is said of a value that can't be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracking_core.config import ENVIRONMENT, Settings, load_settings
from tracking_core.errors import InvalidValueError


@pytest.fixture
def user_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(
        "tracking_core.config.settings.user_configuration_directory", lambda: tmp_path / "user"
    )
    (tmp_path / "user").mkdir()
    return tmp_path / "user" / "config.toml"


@pytest.fixture
def work(tmp_path: Path, user_file: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_without_any_source_everything_is_its_default(work: Path) -> None:
    loaded = load_settings({}, working_directory=work)
    assert loaded.settings == Settings()
    assert set(loaded.sources.values()) == {"default"}


def test_the_sources_win_in_this_order(work: Path, user_file: Path) -> None:
    def uri(environment: dict[str, str], **arguments: str) -> tuple[str | None, str]:
        loaded = load_settings(environment, working_directory=work, **arguments)
        return loaded.settings.tracking_uri, loaded.sources["tracking_uri"]

    assert uri({}) == (None, "default")
    user_file.write_text('tracking_uri = "user"')
    assert uri({}) == ("user", str(user_file))
    (work / "tracking.toml").write_text('tracking_uri = "project"')
    assert uri({}) == ("project", str(work / "tracking.toml"))
    mlflows = {"MLFLOW_TRACKING_URI": "mlflow"}
    assert uri(mlflows) == ("mlflow", "MLFLOW_TRACKING_URI")
    ours = {**mlflows, "TRACKING_URI": "ours"}
    assert uri(ours) == ("ours", "TRACKING_URI")
    assert uri(ours, tracking_uri="given") == ("given", "argument")


def test_files_are_merged_field_by_field(work: Path, user_file: Path) -> None:
    user_file.write_text('artifact_root = "s3://a"\ntransfer_workers = 3')
    (work / "tracking.toml").write_text("transfer_workers = 4")
    settings = load_settings({}, working_directory=work).settings
    assert (settings.artifact_root, settings.transfer_workers) == ("s3://a", 4)


def test_a_named_file_stands_in_for_the_one_of_the_directory(work: Path, tmp_path: Path) -> None:
    (work / "tracking.toml").write_text('tracking_uri = "project"')
    named = tmp_path / "named.toml"
    named.write_text('tracking_uri = "named"')
    loaded = load_settings({"TRACKING_CONFIG": str(named)}, working_directory=work)
    assert loaded.settings.tracking_uri == "named"


def test_an_empty_variable_counts_as_not_set(work: Path) -> None:
    environment = {"TRACKING_URI": "", "MLFLOW_TRACKING_URI": "mlflow"}
    loaded = load_settings(environment, working_directory=work)
    assert loaded.settings.tracking_uri == "mlflow"


def test_an_argument_of_none_counts_as_not_given(work: Path) -> None:
    loaded = load_settings({"TRACKING_URI": "a"}, working_directory=work, tracking_uri=None)
    assert loaded.sources["tracking_uri"] == "TRACKING_URI"


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("TRACKING_DISABLED_PLUGINS", "a, b,,c", "disabled_plugins", ("a", "b", "c")),
        ("TRACKING_SCHEME_OWNERS", "s3=one, gs = two", "scheme_owners", {"s3": "one", "gs": "two"}),
        ("TRACKING_FILE_INDEX", "no", "file_index", False),
        ("TRACKING_FILE_INDEX", "TRUE", "file_index", True),
        ("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "1", "log_system_metrics", True),
        ("TRACKING_TRANSFER_WORKERS", "12", "transfer_workers", 12),
        (
            "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL",
            "0.5",
            "system_metrics_sampling_interval",
            0.5,
        ),
        ("TRACKING_DURABILITY", "system", "durability", "system"),
    ],
)
def test_text_becomes_the_fields_type(
    work: Path, variable: str, text: str, field: str, value: object
) -> None:
    loaded = load_settings({variable: text}, working_directory=work)
    assert getattr(loaded.settings, field) == value


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"TRACKING_TRANSFER_WORKERS": "many"}, "transfer_workers from TRACKING_TRANSFER_WORKERS"),
        ({"TRACKING_DURABILITY": "eternal"}, "'eternal'"),
        ({"TRACKING_FILE_INDEX": "perhaps"}, "file_index from TRACKING_FILE_INDEX.*'perhaps'"),
        ({"TRACKING_CONFIG": "/no/such/file"}, "TRACKING_CONFIG names '/no/such/file'"),
    ],
)
def test_a_variable_that_can_not_be_read_is_told(
    work: Path, environment: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidValueError, match=told):
        load_settings(environment, working_directory=work)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("tracking_url = 'a'", "sets 'tracking_url', which is no setting; known are tracking_uri"),
        ("tracking_uri = 5", "The setting tracking_uri from .*tracking.toml has the value 5"),
        ("transfer_workers = '5'", "transfer_workers from .*tracking.toml has the value '5'"),
        ("tracking_uri = ", "tracking.toml can't be read"),
    ],
)
def test_a_file_that_can_not_be_read_is_told(work: Path, content: str, told: str) -> None:
    (work / "tracking.toml").write_text(content)
    with pytest.raises(InvalidValueError, match=told):
        load_settings({}, working_directory=work)


def test_every_field_that_has_a_variable_is_a_field_and_no_variable_has_two() -> None:
    assert set(ENVIRONMENT) <= set(Settings.__struct_fields__)
    variables = [name for names in ENVIRONMENT.values() for name in names]
    assert len(set(variables)) == len(variables)


def test_our_variables_win_over_mlflows() -> None:
    for names in ENVIRONMENT.values():
        assert names[0].startswith("TRACKING_")
        assert all(name.startswith("MLFLOW_") for name in names[1:])


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().tracking_uri = "a"  # type: ignore[misc]
