from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tracking_core.errors import CorruptDataError
from tracking_core_file import yaml_text
from tracking_core_file.yaml_text import dump_yaml, load_yaml

TRICKY = st.sampled_from(
    (
        *(
            "null",
            "Null",
            "~",
            "yes",
            "Off",
            "0x1f",
            "1e3",
            "1.5",
            ".5",
            "2020-01-01",
            "0b1",
            "1_0",
        ),
        *("12:30", "0o7", "017", "=", "<<", "- a", "a: b", "a #b", "'", "''", '"', "\n", " a "),
        *("1" * 32, "0123456789abcdef0123456789abcdef", "1e5e5", "&a", "!x", "%a", "1_0"),
    )
)
SCALARS = (
    st.none() | st.integers() | st.text() | TRICKY | st.text(st.sampled_from("ae019.-_:/ #'\n"))
)
KEYS = st.sampled_from(["run_name", "user_id", "status", "y", "null", "artifact_uri"])
MAPPINGS = st.dictionaries(KEYS, SCALARS | st.just([]) | st.just({}), min_size=1)


@given(MAPPINGS)
def test_any_yaml_library_reads_what_is_written(values: dict[str, Any]) -> None:
    assert yaml.safe_load(dump_yaml(values)) == values
    assert load_yaml(dump_yaml(values), "meta.yaml") == values


@given(st.lists(st.tuples(KEYS, SCALARS.map(str)), min_size=1))
def test_the_short_way_agrees_with_pyyaml_or_leaves_it_to_it(lines: list[tuple[str, str]]) -> None:
    content = "".join(f"{key}: {value}\n" for key, value in lines).encode()
    simple = yaml_text._load_simple(content)
    if simple is not None:
        assert simple == yaml.safe_load(content)


@given(MAPPINGS)
def test_what_pyyaml_writes_is_read(values: dict[str, Any]) -> None:
    content = yaml.dump(values, default_flow_style=False, allow_unicode=True).encode()
    # Not always what was written: of a next-line character PyYAML makes a space.
    assert load_yaml(content, "meta.yaml") == yaml.safe_load(content)


def test_the_files_of_runs_take_the_short_way() -> None:
    content = b"""\
artifact_uri: file:///home/someone/mlruns/1/0123456789abcdef0123456789abcdef/artifacts
end_time: null
entry_point_name: ''
experiment_id: '493626281437069740'
run_id: 71d1114506e54803a2ba2b6c2d6bb7bc
run_name: brawny-lark-995
start_time: 1795431671466
status: 1
tags: []
"""
    assert yaml_text._load_simple(content) == yaml.safe_load(content)


@pytest.mark.parametrize("content", [b"", b"a", b"- 1\n", b"a: [1\n", b"\xff\xfe\xfd", b"a: \0\n"])
def test_what_is_no_mapping_is_corrupt_and_named(content: bytes) -> None:
    with pytest.raises(CorruptDataError, match=r"here/meta\.yaml"):
        load_yaml(content, "here/meta.yaml")
