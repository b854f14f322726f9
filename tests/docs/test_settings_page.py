"""The page of settings lists every setting with its variables and its default."""

from __future__ import annotations

from pathlib import Path

from tracking_core.config import ENVIRONMENT, Settings

PAGE = Path(__file__).parents[2] / "docs/reference/settings.md"


def test_the_page_of_settings_has_a_row_for_each_setting() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]

    expected = [
        f"| `{name}` | {', '.join(f'`{variable}`' for variable in ENVIRONMENT[name])}"
        f" | `{getattr(Settings(), name)!r}` |"
        for name in Settings.__struct_fields__
    ]

    assert rows == expected
