"""Data sets that runs read: described by name, digest, schema and source, never copied.

Source: MLflow's forms of digest, schema, profile and source, so that the same data has the same
digest there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from tracking_core.client.dependencies import require
from tracking_core.client.run_context import local_tags
from tracking_core.config import Uri, redact
from tracking_core.entities import Dataset
from tracking_core.errors import InvalidValueError
from tracking_core.stores.validation import check_text, shown

DATASET_CONTEXT_TAG = "mlflow.data.context"

_MOST_ROWS = 10_000
"""How much of the data a digest looks at."""


class LoggedDataset:
    """A data set as a user holds it: what is logged of it, and the data itself.

    Attributes:
        name: What people call it.
        digest: A fingerprint of its first rows, its size and its columns.
        source: Where it came from, as JSON.
        source_type: The kind of `source`.
        schema: Column names and types.
        profile: Its size.
        targets: The column, or the array, of what is to be predicted.
    """

    def __init__(
        self,
        data: Any,
        *,
        source: Any,
        targets: Any,
        name: str | None,
        digest: str,
        schema: Mapping[str, Any],
        profile: Mapping[str, Any],
    ) -> None:
        self._data = data
        self.source_type, self.source = _source_of(source)
        self.targets = targets
        self.name = check_text("dataset" if name is None else name, what="name of the data set")
        self.digest = check_text(digest, what="digest of the data set")
        self.schema = schema
        self.profile = profile

    def to_dict(self) -> dict[str, str]:
        """Return what is logged, as MLflow's method of this name does."""
        return {
            "name": self.name,
            "digest": self.digest,
            "source": self.source,
            "source_type": self.source_type,
            "schema": json.dumps(self.schema),
            "profile": json.dumps(self.profile),
        }

    def to_entity(self) -> Dataset:
        """Return what is logged."""
        return Dataset(**self.to_dict())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, digest={self.digest!r})"


class PandasDataset(LoggedDataset):
    """A data set that is a DataFrame of pandas."""

    @property
    def df(self) -> Any:
        """The DataFrame."""
        return self._data


class NumpyDataset(LoggedDataset):
    """A data set that is a numpy array, or a dictionary of arrays."""

    @property
    def features(self) -> Any:
        """The array or arrays."""
        return self._data


def from_pandas(
    df: Any,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> PandasDataset:
    """Describe a DataFrame of pandas.

    Args:
        df: The DataFrame.
        source: A path or URI; None: the program that calls this.
        targets: The column of what is to be predicted.
        name: None: `dataset`.
        digest: None: computed.
        predictions: The column of what was predicted.

    Raises:
        InvalidValueError: It is no DataFrame, or has no such column.
        MissingDependencyError: pandas isn't there.
    """
    pandas = require("pandas", "pandas", extra="pandas", to="describe a DataFrame")
    if not isinstance(df, pandas.DataFrame):
        raise InvalidValueError(
            f"The data set is of type {type(df).__name__}; from_pandas takes a DataFrame."
        )
    for what, column in (("targets", targets), ("predictions", predictions)):
        if column is not None and column not in df.columns:
            raise InvalidValueError(
                f"The DataFrame has no column {column!r} for the {what}; it has"
                f" {', '.join(map(str, df.columns[:20]))}."
            )
    return PandasDataset(
        df,
        source=source,
        targets=targets,
        name=name,
        digest=_pandas_digest(pandas, df) if digest is None else digest,
        schema={"mlflow_colspec": [_column(df, column) for column in df.columns]},
        profile={"num_rows": len(df), "num_elements": int(df.size)},
    )


def from_numpy(
    features: Any,
    source: Any = None,
    targets: Any = None,
    name: str | None = None,
    digest: str | None = None,
) -> NumpyDataset:
    """Describe a numpy array, or a dictionary of arrays.

    Args:
        features: The array or arrays.
        source: A path or URI; None: the program that calls this.
        targets: What is to be predicted, likewise.
        name: None: `dataset`.
        digest: None: computed.

    Raises:
        InvalidValueError: It is neither an array nor a dictionary of arrays.
        MissingDependencyError: numpy isn't there.
    """
    numpy = require("numpy", "numpy", extra="images", to="describe an array")
    for given in (features, targets):
        arrays = list(given.values()) if isinstance(given, Mapping) else [given]
        if given is not None and not all(isinstance(each, numpy.ndarray) for each in arrays):
            raise InvalidValueError(
                f"The data set holds a value of type {type(given).__name__}; from_numpy takes"
                " arrays and dictionaries of arrays."
            )
    if features is None:
        raise InvalidValueError("The data set has no features; give an array.")
    profile = _array_profile(features, "features")
    if targets is not None:
        profile |= _array_profile(targets, "targets")
    schema = {
        "features": json.dumps(_tensors(features)),
        "targets": None if targets is None else json.dumps(_tensors(targets)),
    }
    return NumpyDataset(
        features,
        source=source,
        targets=targets,
        name=name,
        digest=_numpy_digest(numpy, features, targets) if digest is None else digest,
        schema={"mlflow_tensorspec": schema},
        profile=profile,
    )


def as_dataset(dataset: Any) -> Dataset:
    """Return the entity of a data set: of an entity, of ours, or of MLflow's own classes.

    Raises:
        InvalidValueError: It is none of them.
    """
    if isinstance(dataset, Dataset):
        return dataset
    if isinstance(dataset, LoggedDataset):
        return dataset.to_entity()
    to_dict = getattr(dataset, "to_dict", None)
    described = to_dict() if callable(to_dict) and hasattr(dataset, "digest") else None
    if isinstance(described, Mapping) and {"name", "digest"} <= described.keys():
        fields = {key: described.get(key) for key in Dataset.__struct_fields__}
        return Dataset(**{"source": "", "source_type": ""} | fields)  # type: ignore[arg-type]
    raise InvalidValueError(
        f"The data set {shown(dataset)} is of type {type(dataset).__name__}; make one by"
        " data.from_pandas or data.from_numpy."
    )


def _source_of(source: Any) -> tuple[str, str]:
    if source is None:
        return "code", json.dumps({"tags": local_tags()})
    if isinstance(source, (str, os.PathLike)):
        text = redact(os.fspath(source))
        scheme = Uri.parse(text).scheme
        kind = {"file": "local", "https": "http"}.get(scheme, scheme)
        return kind, json.dumps({"url" if kind == "http" else "uri": text})
    to_json = getattr(source, "to_json", None)
    kind_of = getattr(source, "_get_source_type", None)
    if callable(to_json) and callable(kind_of):  # one of MLflow's own
        return str(kind_of()), str(to_json())
    raise InvalidValueError(
        f"The source {shown(source)} is of type {type(source).__name__}; give a path or a URI."
    )


def _column(df: Any, column: Any) -> dict[str, Any]:
    values = df[column]
    missing = bool(values.isna().any()) if values.ndim == 1 else False
    return {
        "type": _column_type(str(values.dtype)) if values.ndim == 1 else "any",
        "name": str(column),
        "required": not missing,
    }


def _column_type(dtype: str) -> str:
    name = dtype.lower()
    exact = {
        "bool": "boolean",
        "boolean": "boolean",
        "int64": "long",
        "uint32": "long",
        "float64": "double",
        "float32": "float",
        "float16": "float",
        "object": "string",
        "str": "string",
        "category": "string",
    }
    if name in exact:
        return exact[name]
    if name.startswith(("int", "uint")):
        return "integer"
    if name.startswith("datetime"):
        return "datetime"
    return "string" if name.startswith("string") else "any"


def _tensors(data: Any) -> list[dict[str, Any]]:
    def tensor(array: Any) -> dict[str, Any]:
        # The first dimension is the number of samples, which may differ next time.
        shape = [-1, *(int(size) for size in array.shape[1:])] if array.ndim else []
        return {"type": "tensor", "tensor-spec": {"dtype": str(array.dtype), "shape": shape}}

    if isinstance(data, Mapping):
        return [{"name": str(name), **tensor(array)} for name, array in data.items()]
    return [tensor(data)]


def _array_profile(data: Any, what: str) -> dict[str, Any]:
    def of(array: Any, name: str) -> Any:
        value = getattr(array, name)
        return [int(size) for size in value] if name == "shape" else int(value)

    return {
        f"{what}_{name}": {str(key): of(array, name) for key, array in data.items()}
        if isinstance(data, Mapping)
        else of(data, name)
        for name in ("shape", "size", "nbytes")
    }


def _pandas_digest(pandas: Any, df: Any) -> str:
    numpy = require("numpy", "numpy", extra="pandas", to="describe a DataFrame")
    first = df.head(_MOST_ROWS)
    is_text = [all(isinstance(each, str) for each in first.iloc[:, i]) for i in range(df.shape[1])]
    texts = first.columns[is_text]
    numbers = first.select_dtypes(include=[numpy.number]).columns
    rows = pandas.util.hash_pandas_object(first[texts.union(numbers)]).to_numpy()
    return _digest([rows, numpy.int64(len(df)), *(str(column).encode() for column in df.columns)])


def _numpy_digest(numpy: Any, features: Any, targets: Any) -> str:
    try:  # the hash of arrays that MLflow uses; without it the digest is one of our own
        import pandas
    except ImportError:
        pandas = None
    parts: list[Any] = []
    for data in (features, targets):
        if data is None:
            continue
        named = isinstance(data, Mapping)
        for array in [data[key] for key in sorted(data)] if named else [data]:
            first = array.flatten()[:_MOST_ROWS]
            try:
                parts.append(pandas.util.hash_array(first) if pandas else first.tobytes())
            except TypeError:
                parts.append(numpy.int64(first.size))
            parts.extend(numpy.int64(size) for size in array.shape)
    return _digest(parts)


def _digest(parts: Iterable[Any]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:8]
