"""The client's methods for tables: rows that runs log to JSON or Parquet files.

Source: MLflow's layout: a JSON file is pandas' `split` form, `{"columns": [...], "data": [[...]]}`,
and the run's tag `mlflow.loggedArtifacts` lists its tables.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracking_core.artifacts.paths import check_path
from tracking_core.client.artifacts import ArtifactMethods
from tracking_core.client.dependencies import require
from tracking_core.entities import Run
from tracking_core.errors import CorruptDataError, InvalidValueError, NotFoundError
from tracking_core.stores.validation import shown

if TYPE_CHECKING:
    import pandas

LOGGED_ARTIFACTS_TAG = "mlflow.loggedArtifacts"

Table = tuple[list[str], list[list[Any]]]
"""Column names and rows."""


class TableMethods(ArtifactMethods):
    """Tables: log rows, load those of many runs."""

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        """Write a table to an artifact, or append to the one that is there.

        Two that append to one table at the same time may lose the rows of one.

        Args:
            run_id: The run.
            data: A DataFrame of pandas or polars, or a dictionary of columns; a dictionary of
                single values is one row.
            artifact_file: Ends in `.json` or `.parquet`.

        Raises:
            InvalidValueError: The data is no table, or the path isn't one in the artifacts or has
                another ending.
            NotFoundError: There is no such run.
            InvalidStateError: The run is deleted.
            MissingDependencyError: For Parquet, pandas or pyarrow isn't there.
        """
        path = _table_path(artifact_file)
        repository = self._run_files(run_id)
        columns, rows = _table_of(data, artifact_file)
        try:
            with repository.open_read(path) as source:
                known = _read(source.read(), path)
        except NotFoundError:
            pass
        else:
            columns, rows = _appended(known, (columns, rows))
        content = _written((columns, rows), path)
        with repository.open_write(path) as target:
            target.write(content)
        self._note_table(run_id, path)

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> pandas.DataFrame:
        """Return the tables of this path of an experiment's runs as one DataFrame.

        Args:
            experiment_id: The experiment.
            artifact_file: The path that the runs logged them to.
            run_ids: Which runs; None: all that have the table.
            extra_columns: What to add of each run: `run_id`, `params.x`, `start_time`, ... as
                `search_runs` names its columns.

        Raises:
            NotFoundError: No run has such a table, or an extra column is in none of them.
            MissingDependencyError: pandas isn't there.
        """
        pandas = require("pandas", "pandas", extra="pandas", to="return a DataFrame")
        path = _table_path(artifact_file)
        if isinstance(run_ids, str):
            raise InvalidValueError(f"The run ids {run_ids!r} must be a list: pass [{run_ids!r}].")
        wanted = None if not run_ids else set(run_ids)
        frames = []
        extra = list(extra_columns or ())
        missing = set(extra)
        for run in self.iterate_runs([experiment_id]):
            if wanted is not None and run.info.run_id not in wanted:
                continue
            if path not in _tables_of(run):
                continue
            with self._repository(run.info.artifact_uri).open_read(path) as source:
                columns, rows = _read(source.read(), path)
            values = _columns_of(run)
            frame = pandas.DataFrame(rows, columns=columns)
            for name in extra:
                if name in values:
                    missing.discard(name)
                frame[name] = values.get(name)
            frames.append(frame)
        if not frames:
            raise NotFoundError(
                f"No run of the experiment {experiment_id!r} has a table {path!r}"
                f"{'' if wanted is None else ' among the given runs'}."
            )
        if missing:
            raise NotFoundError(
                f"The extra columns {sorted(missing)} are in none of the runs that have the table"
                f" {path!r}."
            )
        return pandas.concat(frames, ignore_index=True)

    def _note_table(self, run_id: str, path: str) -> None:
        run = self._runs.get_run(run_id)
        known = _logged_artifacts(run)
        entry = {"path": path, "type": "table"}
        if entry not in known:
            self.set_tag(run_id, LOGGED_ARTIFACTS_TAG, json.dumps([*known, entry]))


def _table_path(artifact_file: object) -> str:
    path = check_path(artifact_file)  # type: ignore[arg-type] # it checks the type too
    if not path.endswith((".json", ".parquet")):
        raise InvalidValueError(f"The table's path {path!r} must end in .json or .parquet.")
    return path


def _logged_artifacts(run: Run) -> list[Any]:
    try:
        found = json.loads(run.data.tags.get(LOGGED_ARTIFACTS_TAG, "[]"))
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _tables_of(run: Run) -> set[str]:
    return {
        each["path"]
        for each in _logged_artifacts(run)
        if isinstance(each, dict) and each.get("type") == "table" and "path" in each
    }


def _columns_of(run: Run) -> dict[str, Any]:
    info = run.info
    values: dict[str, Any] = {
        "run_id": info.run_id,
        "experiment_id": info.experiment_id,
        "status": info.status.value,
        "artifact_uri": info.artifact_uri,
        "start_time": info.start_time,
        "end_time": info.end_time,
    }
    values.update({f"metrics.{key}": value for key, value in run.data.metrics.items()})
    values.update({f"params.{key}": value for key, value in run.data.params.items()})
    values.update({f"tags.{key}": value for key, value in run.data.tags.items()})
    return values


def _table_of(data: Any, name: str) -> Table:
    """Return columns and rows of whatever can be logged as a table."""
    if isinstance(data, Mapping):
        return _table_of_columns(data, name)
    columns = getattr(data, "columns", None)
    if columns is not None and callable(getattr(data, "rows", None)):  # polars
        return [str(column) for column in columns], [list(row) for row in data.rows()]
    if columns is not None and callable(getattr(data, "itertuples", None)):  # pandas
        rows = data.itertuples(index=False, name=None)
        return [str(column) for column in columns], [list(row) for row in rows]
    raise InvalidValueError(
        f"The data for the table {name!r} is of type {type(data).__name__}; give a DataFrame of"
        " pandas or polars, or a dictionary of columns."
    )


def _table_of_columns(data: Mapping[Any, Any], name: str) -> Table:
    columns = [str(key) for key in data]
    values = [_as_list(value) for value in data.values()]
    lengths = {len(column) for column in values if column is not None}
    if not lengths:
        return columns, [list(data.values())] if columns else []
    if len(lengths) > 1:
        raise InvalidValueError(
            f"The columns of the table {name!r} have different lengths:"
            f" {', '.join(map(str, sorted(lengths)))}."
        )
    (length,) = lengths
    filled = [
        [single] * length if column is None else column
        for column, single in zip(values, data.values(), strict=True)
    ]
    return columns, [list(row) for row in zip(*filled, strict=True)]


def _as_list(value: Any) -> list[Any] | None:
    """Return a column as a list, or None for a single value."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return None
    try:
        return list(value)
    except TypeError:  # numpy's scalars say that they can be iterated
        return None


def _appended(known: Table, new: Table) -> Table:
    columns = list(dict.fromkeys((*known[0], *new[0])))
    rows = []
    for names, table in (known, new):
        places = {name: place for place, name in enumerate(names)}
        for row in table:
            rows.append([row[places[c]] if c in places else None for c in columns])
    return columns, rows


def _written(table: Table, path: str) -> bytes:
    columns, rows = table
    if os.path.splitext(path)[1] == ".parquet":
        pandas = require("pandas", "pandas", extra="pandas", to="write Parquet")
        require("pyarrow", "pyarrow", extra=None, to="write Parquet")
        buffer = io.BytesIO()
        pandas.DataFrame(rows, columns=columns).to_parquet(buffer)
        return buffer.getvalue()
    cells = [[_cell(value) for value in row] for row in rows]
    try:
        text = json.dumps({"columns": columns, "data": cells}, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InvalidValueError(f"The table {path!r} can't be written as JSON: {error}.") from error
    return text.encode()


def _read(content: bytes, path: str) -> Table:
    if os.path.splitext(path)[1] == ".parquet":
        pandas = require("pandas", "pandas", extra="pandas", to="read Parquet")
        require("pyarrow", "pyarrow", extra=None, to="read Parquet")
        return _table_of(pandas.read_parquet(io.BytesIO(content)), path)
    try:
        table = json.loads(content)
        columns, rows = [str(c) for c in table["columns"]], [list(row) for row in table["data"]]
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptDataError(f"The artifact {path!r} is no table: {error!r}.") from error
    return columns, rows


def _cell(value: Any) -> Any:
    """Return what stands in JSON for a value; what isn't a number there stands as null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _cell(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_cell(each) for each in value]
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        return _cell(tolist())
    isoformat = getattr(value, "isoformat", None)
    if callable(isoformat):
        text = isoformat()
        return None if text == "NaT" else text
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    raise InvalidValueError(
        f"The table holds {shown(value)} of type {type(value).__name__}, which has no form in"
        " JSON; make it text or a number."
    )
