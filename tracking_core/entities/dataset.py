"""Data sets, and what goes into and comes out of a run."""

from __future__ import annotations

import msgspec


class InputTag(msgspec.Struct, frozen=True):
    """A tag on a run's input, such as `mlflow.data.context`."""

    key: str
    value: str


class Dataset(msgspec.Struct, frozen=True):
    """A description of data, identified in its experiment by name and digest.

    Attributes:
        name: What people call it.
        digest: A fingerprint of the contents.
        source_type: The kind of `source`, such as `local` or `http`.
        source: Where the data came from, as JSON.
        schema: Column names and types as JSON.
        profile: Summary statistics as JSON.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class DatasetInput(msgspec.Struct, frozen=True):
    """A data set as used by one run."""

    dataset: Dataset
    tags: tuple[InputTag, ...] = ()


class DatasetSummary(msgspec.Struct, frozen=True):
    """What a list of an experiment's data sets shows."""

    experiment_id: str
    name: str
    digest: str
    context: str | None = None


class LoggedModelInput(msgspec.Struct, frozen=True):
    """A logged model that a run read."""

    model_id: str


class LoggedModelOutput(msgspec.Struct, frozen=True):
    """A logged model that a run made, and at which step."""

    model_id: str
    step: int = 0


class RunInputs(msgspec.Struct, frozen=True):
    """What went into a run."""

    dataset_inputs: tuple[DatasetInput, ...] = ()
    model_inputs: tuple[LoggedModelInput, ...] = ()


class RunOutputs(msgspec.Struct, frozen=True):
    """What came out of a run."""

    model_outputs: tuple[LoggedModelOutput, ...] = ()
