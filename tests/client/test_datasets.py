from __future__ import annotations

import json

import pytest

from tracking_core import data
from tracking_core.client.datasets import as_dataset
from tracking_core.entities import Dataset
from tracking_core.errors import InvalidValueError

numpy = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")


def test_a_data_frame_is_described_as_mlflow_does() -> None:
    frame = pandas.DataFrame({"a": [1, 2], "s": ["x", "y"], "f": [0.5, 1.0]})

    dataset = data.from_pandas(frame, targets="f", name="train", source="data/train.csv")

    assert dataset.to_dict() == {
        "name": "train",
        "digest": "a8febb59",  # MLflow 3.17's digest of this frame
        "source_type": "local",
        "source": '{"uri": "data/train.csv"}',
        "schema": json.dumps(
            {
                "mlflow_colspec": [
                    {"type": "long", "name": "a", "required": True},
                    {"type": "string", "name": "s", "required": True},
                    {"type": "double", "name": "f", "required": True},
                ]
            }
        ),
        "profile": '{"num_rows": 2, "num_elements": 6}',
    }
    assert dataset.df is frame


def test_arrays_are_described_as_mlflow_does() -> None:
    dataset = data.from_numpy(
        numpy.arange(6).reshape(2, 3), targets=numpy.arange(2), source="https://host/y.csv"
    )

    described = dataset.to_dict()
    assert described["digest"] == "1a986738"  # MLflow 3.17's digest of these arrays
    assert (described["source_type"], described["source"]) == (
        "http",
        '{"url": "https://host/y.csv"}',
    )
    assert json.loads(described["profile"]) == {
        "features_shape": [2, 3],
        "features_size": 6,
        "features_nbytes": 48,
        "targets_shape": [2],
        "targets_size": 2,
        "targets_nbytes": 16,
    }
    features = json.loads(json.loads(described["schema"])["mlflow_tensorspec"]["features"])
    assert features == [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1, 3]}}]


def test_a_dictionary_of_arrays() -> None:
    dataset = data.from_numpy({"a": numpy.arange(6)}, source="/tmp/x.npy")
    assert dataset.digest == "976a84d4"  # MLflow 3.17's


def test_other_data_has_another_digest() -> None:
    frames = [pandas.DataFrame({"a": values}) for values in ([1, 2], [1, 3], [1, 2, 2])]
    assert len({data.from_pandas(frame).digest for frame in frames}) == 3


def test_without_a_source_the_program_is_it_and_passwords_are_masked() -> None:
    frame = pandas.DataFrame({"a": [1]})
    assert data.from_pandas(frame).source_type == "code"
    assert "mlflow.source.name" in json.loads(data.from_pandas(frame).source)["tags"]
    masked = data.from_pandas(frame, source="postgresql://me:secret@host/db").source
    assert "secret" not in masked


def test_what_is_no_data_set_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="no column 'z'"):
        data.from_pandas(pandas.DataFrame({"a": [1]}), targets="z")
    with pytest.raises(InvalidValueError, match="is of type list"):
        data.from_pandas([1])
    with pytest.raises(InvalidValueError, match="takes arrays"):
        data.from_numpy([1])
    with pytest.raises(InvalidValueError, match=r"data\.from_pandas"):
        as_dataset("train.csv")


def test_an_entity_is_taken_as_it_is() -> None:
    dataset = Dataset("a", "1", "local", "{}")
    assert as_dataset(dataset) is dataset
