"""What a backend can do beyond the mandatory, and what it limits."""

from __future__ import annotations

import enum

import msgspec


class Capability(str, enum.Enum):
    """A fine ability of a backend: declared by it, tested both ways, told over REST.

    What isn't declared must be refused with UnsupportedError rather than done by half.
    """

    CHOSEN_IDS = "chosen_ids"
    """`create_*` takes ids and times that the caller chose, `update_*` times, so that copies keep
    them."""

    IDEMPOTENCY_KEYS = "idempotency_keys"
    """A batch, run or model version sent twice with one key is there once."""

    RICH_FILTERS = "rich_filters"
    """Filters may hold OR, NOT, and IN or NULL tests where MLflow's grammar has none."""

    PURGE = "purge"
    """`purge` removes what was deleted for good."""

    MULTI_PROCESS = "multi_process"
    """Several processes may open the same URI at once."""

    DURABLE = "durable"
    """What a call acknowledged survives kill -9 of the process that made it."""

    METRIC_DATASETS = "metric_datasets"
    """Points keep the model and data set that they were measured on."""

    def __str__(self) -> str:
        return self.value


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a backend refuses for its size; None means no limit.

    Lengths are in characters. Nothing is ever cut to fit: what is too long is refused with a
    sentence, and a batch that is too large is split by the client.
    """

    param_value_length: int | None = None
    tag_value_length: int | None = None
    experiment_tag_value_length: int | None = None
    batch_size: int | None = None
    batch_metrics: int | None = None
    batch_params: int | None = None
    batch_tags: int | None = None
    page_size: int | None = None
