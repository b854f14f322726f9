"""Case is ignored as Python's `re` ignores it, which the evaluator uses."""

from __future__ import annotations

import re
import sys

import pytest

from tracking_core_sql.searching.patterns import ANY, ONE, is_within_limits, parts_of
from tracking_core_sql.searching.patterns import same_but_for_case as same


def test_the_characters_equal_to_one_are_complete_for_all_of_unicode() -> None:
    everything = [chr(each) for each in range(sys.maxunicode + 1) if not 0xD800 <= each < 0xE000]
    cased = {each for each in everything if len(same(each)) > 1}
    assert len(cased) > 2_500
    # Those without a case equal no others: none of them is found by any that has one.
    others = "".join(each for each in everything if each not in cased)
    pattern = re.compile("[" + "".join(map(re.escape, sorted(cased))) + "]", re.IGNORECASE)
    assert pattern.findall(others) == []
    text = "".join(sorted(cased))
    for each in sorted(cased):
        assert set(re.findall(re.escape(each), text, re.IGNORECASE)) == set(same(each)), each


def test_equal_characters_are_a_class_of_their_own() -> None:
    for each in map(chr, range(0x20000)):
        for other in same(each) if not "\ud800" <= each <= "\udfff" else "":
            assert same(other) == same(each)


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("", ()),
        ("a%b_", ("a", ANY, "b", ONE)),
        (r"a\%b\_c\\d", ("a%b_c\\d",)),
        (r"\x\%", ("\\x%",)),
        ("%%", (ANY, ANY)),
    ],
)
def test_a_backslash_makes_wildcards_and_itself_ordinary(
    pattern: str, parts: tuple[object, ...]
) -> None:
    assert parts_of(pattern) == parts


def test_patterns_that_a_database_would_refuse_are_known() -> None:
    assert is_within_limits("%Größe%", ignore_case=True)
    assert not is_within_limits("x" * 50_000, ignore_case=False)
    assert not is_within_limits("".join(map(chr, range(0x400, 0x4FF))), ignore_case=True)
