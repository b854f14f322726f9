"""`runs:/` and `models:/` URIs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking_core.artifacts import (
    ModelReference,
    RunReference,
    check_path,
    is_reference,
    parse_models_uri,
    parse_runs_uri,
)
from tracking_core.entities import ModelVersionStage
from tracking_core.errors import InvalidValueError

MODEL_ID = f"m-{'0123456789abcdef' * 2}"


@pytest.mark.parametrize(
    ("uri", "reference"),
    [
        ("runs:/abc/model", RunReference("abc", "model")),
        ("runs:/abc", RunReference("abc")),
        ("runs:/abc/", RunReference("abc")),
        ("runs:/abc/model/", RunReference("abc", "model")),
        ("runs:/abc/a/b c#?%20.txt", RunReference("abc", "a/b c#?%20.txt")),
        ("RUNS:/abc/Model", RunReference("abc", "Model")),
        ("runs:///abc/m", RunReference("abc", "m")),
        ("runs://kim@databricks/abc/m", RunReference("abc", "m", "kim@databricks")),
        ("runs:/abc/m@x/1", RunReference("abc", "m@x/1")),
        ("runs:/abc/./m", RunReference("abc", "m")),
    ],
)
def test_a_runs_uri_names_a_run_and_a_path(uri: str, reference: RunReference) -> None:
    assert parse_runs_uri(uri) == reference
    assert parse_runs_uri(str(reference)) == reference
    assert is_reference(uri)


@pytest.mark.parametrize(
    ("uri", "reference"),
    [
        ("models:/a/1", ModelReference(name="a", version=1)),
        ("models:/a/01", ModelReference(name="a", version=1)),
        ("models:/a b%20/12", ModelReference(name="a b%20", version=12)),
        ("models:/a/Production", ModelReference(name="a", stage=ModelVersionStage.PRODUCTION)),
        ("models:/a/staging", ModelReference(name="a", stage=ModelVersionStage.STAGING)),
        ("models:/a/None", ModelReference(name="a", stage=ModelVersionStage.NONE)),
        ("models:/a/latest", ModelReference(name="a", latest=True)),
        ("models:/a/LATEST", ModelReference(name="a", latest=True)),
        ("models:/a@champion", ModelReference(name="a", alias="champion")),
        ("models:/a@1", ModelReference(name="a", alias="1")),
        ("models:/a@b@c", ModelReference(name="a@b", alias="c")),
        ("models:/m-@x", ModelReference(name="m-", alias="x")),
        (f"models:/{MODEL_ID}", ModelReference(model_id=MODEL_ID)),
        ("models:/m-short", ModelReference(model_id="m-short")),
        ("models:/m-short/3", ModelReference(name="m-short", version=3)),
        (f"models:/{MODEL_ID}/MLmodel", ModelReference(model_id=MODEL_ID, path="MLmodel")),
        ("models:/a/1/data/x", ModelReference(name="a", version=1, path="data/x")),
        ("models:/a@champion/x", ModelReference(name="a", alias="champion", path="x")),
        ("models:///a/1", ModelReference(name="a", version=1)),
        (
            "models://kim@databricks/a/1",
            ModelReference(name="a", version=1, authority="kim@databricks"),
        ),
    ],
)
def test_a_models_uri_names_a_version_or_a_logged_model(
    uri: str, reference: ModelReference
) -> None:
    assert parse_models_uri(uri) == reference
    assert parse_models_uri(str(reference)) == reference
    assert is_reference(uri)


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("", "no runs:/ URI"),
        ("runs", "no runs:/ URI"),
        ("runs:", "no slash"),
        ("runs:/", "names nothing"),
        ("runs://", "names nothing"),
        ("runs://abc", "names nothing"),
        ("runs:abc/x", "no slash"),
        ("runs:/abc/../x", "'..'"),
        ("runs:/../x", "'..'"),
        ("runs:/abc//x", "absolute"),
        ("runs:/abc/x//", "empty part"),
        ("runs:/abc/x\0", "NUL"),
        ("runs:/a b/x", "names no run"),
        ("runs:/-/x", "names no run"),
        ("run:/abc/x", "no runs:/ URI"),
        ("models:/a/1", "no runs:/ URI"),
        ("/abc/x", "no runs:/ URI"),
        (None, "give a string"),
        (b"runs:/abc", "give a string"),
    ],
)
def test_a_malformed_runs_uri_gets_a_sentence(uri: str, sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_runs_uri(uri)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("models:/", "names nothing"),
        ("models:a/1", "no slash"),
        ("models:/a", "which version of 'a'"),
        ("models:/a/", "ends with a slash"),
        ("models:/@x", "no name before"),
        ("models:/a@", "no alias after"),
        ("models:/a@b c", "no alias after"),
        ("models:/a/0", "neither a version"),
        ("models:/a/-1", "neither a version"),
        ("models:/a/1.0", "neither a version"),
        ("models:/a/٣", "neither a version"),
        ("models:/a/champion", "models:/a@champion"),
        ("models:/a/b/1", "neither a version"),
        ("models:/a/1/../x", "'..'"),
        ("models:/a/1//x", "empty part"),
        ("models:/../1", "'..'"),
        ("runs:/abc/x", "no models:/ URI"),
        (None, "give a string"),
    ],
)
def test_a_malformed_models_uri_gets_a_sentence(uri: str, sentence: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        parse_models_uri(uri)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("uri", ["", "./runs", "/runs:/x", "s3://runs:/", "run:/x", "runsy:/x"])
def test_other_uris_are_no_references(uri: str) -> None:
    assert not is_reference(uri)


def is_path(text: str) -> bool:
    try:
        return check_path(text, allow_root=True) == text
    except InvalidValueError:
        return False


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PATHS = st.lists(TEXT, max_size=3).map("/".join).filter(is_path)
AUTHORITIES = st.sampled_from(["", "kim@databricks", "databricks"])
NAMES = TEXT.filter(
    lambda name: name and "/" not in name and "@" not in name and is_path(name)
).filter(lambda name: not name.startswith("m-"))
RUN_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,40}", fullmatch=True)
ALIASES = st.from_regex(r"[A-Za-z0-9_\-]{1,20}", fullmatch=True)
MODEL_IDS = st.from_regex(r"m-[0-9a-f]{32}", fullmatch=True)


@given(RUN_IDS, PATHS, AUTHORITIES)
def test_a_run_reference_survives_a_round_trip(run_id: str, path: str, authority: str) -> None:
    reference = RunReference(run_id, path, authority)
    assert parse_runs_uri(str(reference)) == reference


@given(
    st.one_of(
        st.builds(lambda model_id: {"model_id": model_id}, MODEL_IDS),
        st.builds(lambda name, alias: {"name": name, "alias": alias}, NAMES, ALIASES),
        st.builds(
            lambda name, version: {"name": name, "version": version}, NAMES, st.integers(1, 2**63)
        ),
        st.builds(
            lambda name, stage: {"name": name, "stage": stage},
            NAMES,
            st.sampled_from(list(ModelVersionStage)),
        ),
        st.builds(lambda name: {"name": name, "latest": True}, NAMES),
    ),
    PATHS,
    AUTHORITIES,
)
def test_a_model_reference_survives_a_round_trip(
    what: dict[str, object], path: str, authority: str
) -> None:
    reference = ModelReference(**what, path=path, authority=authority)  # type: ignore[arg-type]
    assert parse_models_uri(str(reference)) == reference


@given(st.text(max_size=30) | PATHS.map("models:/{}".format) | PATHS.map("runs:/{}".format))
def test_any_text_is_parsed_or_refused_with_a_sentence(text: str) -> None:
    for parse in (parse_runs_uri, parse_models_uri):
        try:
            reference = parse(text)
        except InvalidValueError:
            continue
        assert parse(str(reference)) == reference
