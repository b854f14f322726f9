"""Upgrades a database and kills itself after a number of changes: URI, number, directories."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import event

from plugins.sql.tests.migrations.conftest import engine_of, upgrade
from tracking_core_sql.migrations.upgrade import Scripts


def main() -> None:
    uri, number, *others = sys.argv[1:]
    engine = engine_of(uri)
    changes = 0

    @event.listens_for(engine, "after_cursor_execute")
    def count(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        nonlocal changes
        changes += statement.split()[0] in ("CREATE", "ALTER", "INSERT", "UPDATE")
        if changes == int(number):
            os.kill(os.getpid(), signal.SIGKILL)

    upgrade(engine, uri=uri, progress=lambda text: None, scripts=Scripts(list(map(Path, others))))


if __name__ == "__main__":
    main()
