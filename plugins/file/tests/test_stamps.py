from __future__ import annotations

import os
import time
from pathlib import Path

from tracking_core_file.stamps import (
    ABSENT,
    LOCAL_TICK,
    UNTRUSTED,
    Stamper,
    stamp,
    stamp_of,
)


def test_what_changed_within_a_tick_before_it_was_read_isnt_trusted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("1")
    assert Stamper(LOCAL_TICK)(os.stat(path)) == UNTRUSTED
    # The time of the content can be set back, that of the change can't.
    os.utime(path, (0, 0))
    assert Stamper(LOCAL_TICK)(os.stat(path)) == UNTRUSTED


def test_what_changed_while_it_was_read_isnt_trusted(tmp_path: Path) -> None:
    stamper = Stamper(0)
    time.sleep(0.02)
    path = tmp_path / "file"
    path.write_text("1")
    assert stamper(os.stat(path)) == UNTRUSTED


def test_what_is_older_is_trusted_until_anything_of_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("1")
    before = Stamper(-(10**9))(os.stat(path))
    assert before == stamp_of(os.stat(path)) == stamp(str(path))
    path.write_text("12")
    assert stamp(str(path)) != before
    path.unlink()
    assert stamp(str(path)) == ABSENT
