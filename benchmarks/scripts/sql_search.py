"""Search databases of runs: sql_search.py MODULE DIRECTORY SEARCH POSTGRESQL.

MODULE has MLflow's names. DIRECTORY has a file runs-COUNT.db for each size. SEARCH is a file with
ten thousand runs, what is asked and what must be found. POSTGRESQL is the URI of a server to which
these runs are logged first; empty: none is used.
"""

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

module, directory, search, postgresql = sys.argv[1:]
COUNT, SMALL, LARGE = 10_000, 1_000, 100_000
PAGE, PAGES = 100, 10
ENOUGH_SECONDS, ENOUGH_TIMES = 2.0, 30

tracker = importlib.import_module(module)
asked = json.loads(Path(search).read_text())


def check(runs: list[Any], names: list[str] | None) -> None:
    """End the script if these aren't the runs that must be found."""
    if len(runs) != PAGE or names not in (None, [run.info.run_name for run in runs]):
        sys.exit(f"the {len(runs)} runs of a page aren't those that match")
    values = [run.data.metrics["m1"] for run in runs]
    if values != sorted(values, reverse=True) or not all(
        len(run.data.metrics) == len(run.data.params) == 10
        and len(run.data.tags) == 5
        and run.data.metrics["m0"] > 0.5
        and run.data.params["p0"] == "x"
        for run in runs
    ):
        sys.exit("a run of a page doesn't match, isn't whole, or is in the wrong place")


def repeated(call: Callable[[], Any], at_least: int) -> tuple[float, Any]:
    """Call until it is enough, and return the median of the seconds and what the last returned."""
    seconds: list[float] = []
    while len(seconds) < at_least or (
        sum(seconds) < ENOUGH_SECONDS and len(seconds) < ENOUGH_TIMES
    ):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


class Search:
    """The question, asked of one database."""

    def __init__(self, uri: str) -> None:
        start = time.perf_counter()
        self.client = tracker.MlflowClient(uri)
        self.experiment_id = self.client.get_experiment_by_name(asked["experiment"]).experiment_id
        self.first = self.page()
        self.opening_seconds = time.perf_counter() - start

    def page(self, token: str | None = None) -> Any:
        return self.client.search_runs(
            [self.experiment_id],
            asked["filter"],
            max_results=PAGE,
            order_by=[asked["order_by"]],
            page_token=token,
        )

    def following(self) -> list[Any]:
        """Return the pages after the first."""
        pages = [self.first]
        for _ in range(PAGES):
            pages.append(self.page(pages[-1].token))
        return pages[1:]

    def close(self) -> None:
        if hasattr(self.client, "close"):
            self.client.close()


def measure(uri: str) -> dict[str, float]:
    """Measure everything on a database of COUNT runs."""
    search = Search(uri)
    page_seconds, _ = repeated(search.page, 3)
    following_seconds, following = repeated(search.following, 1)
    for number, page in enumerate((search.first, *following)):
        check(page, asked["found"][number * PAGE : (number + 1) * PAGE])
    search.close()
    tracker.set_tracking_uri(uri)

    frame_seconds, frame = repeated(lambda: tracker.search_runs([search.experiment_id]), 1)
    if len(frame) != COUNT or not {"metrics.m9", "params.p9", "tags.t3"} <= set(frame):
        sys.exit(f"the DataFrame has {len(frame)} rows and the columns {sorted(frame)}")
    return {
        "opening_page": search.opening_seconds * 1000,
        "first_page": page_seconds * 1000,
        "next_pages": following_seconds / page_seconds,
        "data_frame": frame_seconds,
    }


def page_milliseconds(uri: str) -> float:
    search = Search(uri)
    check(search.first, None)
    seconds, _ = repeated(search.page, 3)
    search.close()
    return seconds * 1000


def log_runs(uri: str) -> float:
    """Log the runs to an empty database, and return how many a second took."""
    entities: Any = importlib.import_module(f"{module}.entities")
    client = tracker.MlflowClient(uri)
    start = time.perf_counter()
    experiment_id = client.create_experiment(asked["experiment"])
    for run in asked["runs"]:
        created = client.create_run(
            experiment_id, run["start_time"], run["tags"], run_name=run["name"]
        )
        client.log_batch(
            created.info.run_id,
            [
                entities.Metric(key, item, run["start_time"], 0)
                for key, item in run["metrics"].items()
            ],
            [entities.Param(key, item) for key, item in run["params"].items()],
        )
    seconds = time.perf_counter() - start
    client.close()
    return float(len(asked["runs"]) / seconds)


files = {
    int(path.stem.removeprefix("runs-")): f"sqlite:///{path}"
    for path in Path(directory).glob("runs-*.db")
}
values = {f"sqlite_{name}": value for name, value in measure(files[COUNT]).items()}
if LARGE in files:
    large = page_milliseconds(files[LARGE])
    values["sqlite_first_page_large"] = large
    values["sqlite_growth"] = large / page_milliseconds(files[SMALL])
if postgresql:
    server = importlib.import_module("sql_postgresql")
    with server.new_database(postgresql) as uri:
        values["postgresql_logging"] = log_runs(uri)
        server.analyse(uri)
        values |= {f"postgresql_{name}": value for name, value in measure(uri).items()}
print(json.dumps(values))
