"""The index of the decision records lists each of them."""

from __future__ import annotations

import re
from pathlib import Path

DECISIONS = Path(__file__).parents[2] / "docs/decisions"


def test_the_index_lists_each_decision_under_its_number_and_title() -> None:
    rows = re.findall(
        r"^\| \[(\d+)\]\((.*)\) \| (.*) \|$", (DECISIONS / "index.md").read_text(), re.M
    )
    records = []
    for path in sorted(DECISIONS.glob("0*.md")):
        number, title = path.read_text().splitlines()[0].removeprefix("# ").split(". ", 1)
        assert int(path.name[:4]) == int(number)
        records.append((number, path.name, title))
    assert rows == records
