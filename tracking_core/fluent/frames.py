"""Runs as DataFrames, with the columns that MLflow gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tracking_core.client.dependencies import require
from tracking_core.entities import Run

if TYPE_CHECKING:
    import pandas
    import polars

FORMATS = ("pandas", "polars", "list")

_TEXTS = ("run_id", "experiment_id", "status", "artifact_uri")
_NOT_A_TIME = -(2**63)
_TIMES = ("start_time", "end_time")


def pandas_frame(runs: Sequence[Run]) -> pandas.DataFrame:
    """Return runs as a DataFrame of pandas: metrics as floats, times with the zone UTC.

    Raises:
        MissingDependencyError: pandas isn't there.
    """
    library = require("pandas", "pandas", extra="pandas", to="return a DataFrame")
    texts = {name: [_text(run, name) for run in runs] for name in _TEXTS}
    data: dict[str, Any] = {
        # Text even if there are no runs, in pandas 2 and 3 each as it has text.
        name: library.Series(values, dtype=None if values else "object")
        for name, values in texts.items()
    }
    # The units that each of pandas' versions takes for times by itself.
    unit = "ns" if library.__version__.startswith("2.") else "us"
    numpy = require("numpy", "numpy", extra="pandas", to="return a DataFrame")
    for name in _TIMES:
        times = [getattr(run.info, name) for run in runs]
        whole = numpy.array([_NOT_A_TIME if t is None else t for t in times], dtype="int64")
        zoned = library.Series(whole.view("datetime64[ms]")).dt.tz_localize("UTC")
        data[name] = zoned.dt.as_unit(unit)
    nan = float("nan")
    for key in _keys(run.data.metrics for run in runs):
        values = [run.data.metrics.get(key, nan) for run in runs]
        data[f"metrics.{key}"] = library.Series(values, dtype="float64")
    for kind in ("params", "tags"):
        for key in _keys(getattr(run.data, kind) for run in runs):
            data[f"{kind}.{key}"] = [getattr(run.data, kind).get(key) for run in runs]
    return library.DataFrame(data)


def polars_frame(runs: Sequence[Run]) -> polars.DataFrame:
    """Return runs as a DataFrame of polars; a missing metric is null, and NaN is NaN.

    Raises:
        MissingDependencyError: polars isn't there.
    """
    library = require("polars", "polars", extra="polars", to="return a DataFrame")
    data: dict[str, list[Any]] = {name: [_text(run, name) for run in runs] for name in _TEXTS}
    schema: dict[str, Any] = dict.fromkeys(_TEXTS, library.String)
    for name in _TIMES:
        data[name] = [getattr(run.info, name) for run in runs]
        schema[name] = library.Int64
    for key in _keys(run.data.metrics for run in runs):
        data[f"metrics.{key}"] = [run.data.metrics.get(key) for run in runs]
        schema[f"metrics.{key}"] = library.Float64
    for kind in ("params", "tags"):
        for key in _keys(getattr(run.data, kind) for run in runs):
            data[f"{kind}.{key}"] = [getattr(run.data, kind).get(key) for run in runs]
            schema[f"{kind}.{key}"] = library.String
    times = [library.col(name).cast(library.Datetime("ms", "UTC")) for name in _TIMES]
    frame: polars.DataFrame = library.DataFrame(data, schema=schema).with_columns(times)
    return frame


def _text(run: Run, name: str) -> str:
    value = getattr(run.info, name)
    return str(value)


def _keys(mappings: Iterable[dict[str, Any]]) -> list[str]:
    """Return the keys of all, in the order in which they appear."""
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))
