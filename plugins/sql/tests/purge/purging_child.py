"""A program that purges and is killed: `python purging_child.py URI AFTER EXPERIMENT...`.

It kills itself by SIGKILL inside the transaction that comes after so many whole ones.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tracking_core.config import Settings, Uri
from tracking_core.stores import PurgeRequest
from tracking_core_sql import purge
from tracking_core_sql.database import Transaction
from tracking_core_sql.store import SqlStore


def main(uri: str, after: int, experiment_ids: tuple[str, ...]) -> None:
    purge.MOST_RUNS, purge.MOST_ROWS = 3, 8
    with SqlStore(Uri.parse(uri), Settings()) as store:
        write = store._database.write
        written = 0

        def write_or_die(work: Callable[[Transaction], Any]) -> Any:
            nonlocal written

            def dying(transaction: Transaction) -> None:
                work(transaction)
                os.kill(os.getpid(), signal.SIGKILL)

            written += 1
            return write(work if written <= after else dying)

        store._database.write = write_or_die
        store.purge(PurgeRequest(experiment_ids=experiment_ids))
    print("survived")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), tuple(sys.argv[3:]))
