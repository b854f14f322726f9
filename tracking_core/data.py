"""Data sets, under the name that MLflow has for them: `data.from_pandas(df)`."""

from tracking_core.client.datasets import (
    LoggedDataset,
    NumpyDataset,
    PandasDataset,
    from_numpy,
    from_pandas,
)

__all__ = ["LoggedDataset", "NumpyDataset", "PandasDataset", "from_numpy", "from_pandas"]
