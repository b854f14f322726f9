"""What a filter or an order may name: the fields of each subject, as tables.

Adding an attribute is adding a row. A row says how the value is taken from an entity, so that the
evaluator, the order and the pages know every field that the parser knows; a store that searches by
other means (SQL, REST) maps the same names.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from tracking_core.entities import (
    Experiment,
    LoggedModel,
    Metric,
    ModelVersion,
    RegisteredModel,
    Run,
)
from tracking_core.errors import InvalidValueError
from tracking_core.search.ast import Field, FieldKind, Operator, OrderBy, Subject

Entity = Run | Experiment | RegisteredModel | ModelVersion | LoggedModel
"""What can be searched for."""

Scalar = int | float | str | None
"""The value of a field; None where the entity lacks it."""

MeasuredOn = Sequence[tuple[str, str | None]]
"""Names and digests of data sets (None: any digest); empty: all data sets, and none."""


class ValueType(str, enum.Enum):
    """What a field is compared with."""

    TEXT = "text"
    NUMBER = "number"

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The comparisons that make sense; IN and IS NULL are for every field."""
        return _OPERATORS[self]


_OPERATORS = {
    ValueType.TEXT: (Operator.EQUAL, Operator.NOT_EQUAL, Operator.LIKE, Operator.ILIKE),
    ValueType.NUMBER: (
        Operator.EQUAL,
        Operator.NOT_EQUAL,
        Operator.LESS,
        Operator.LESS_OR_EQUAL,
        Operator.GREATER,
        Operator.GREATER_OR_EQUAL,
    ),
}


class Stock(enum.Flag):
    """Which tests of a field stock MLflow's grammar knows."""

    NOTHING = 0
    COMPARE = enum.auto()
    LISTS = enum.auto()
    NULLS = enum.auto()


_COMPARE = Stock.COMPARE
_LISTS = Stock.COMPARE | Stock.LISTS
_NULLS = Stock.COMPARE | Stock.NULLS


class Column(msgspec.Struct, frozen=True):
    """What is known of one field.

    Attributes:
        type: What it is compared with.
        value_of: Takes the value from an entity, or with `many` an iterable of values, of which
            any may match.
        many: Whether an entity may have several values.
        sorted_by: Takes the value that orders by this field; None: there is no such order.
        stock: What stock MLflow's grammar can ask of it.
        aliases: Other names of an attribute.
        quoted_numbers: Whether a number may stand in quotes, as MLflow has it for versions.
        bare_text: Whether a number may stand for text, as MLflow has it for logged models.
    """

    type: ValueType
    value_of: Callable[[Any], Any]
    many: bool = False
    sorted_by: Callable[[Any], Scalar] | None = None
    stock: Stock = Stock.NOTHING
    aliases: tuple[str, ...] = ()
    quoted_numbers: bool = False
    bare_text: bool = False


class Part(msgspec.Struct, frozen=True):
    """A part of an entity, such as its params.

    Attributes:
        prefixes: What stands before the dot; the first is the one that is written.
        columns: The fields by name, where the names are fixed.
        column: Makes the field of a key, where any key goes; it gets the key and the data sets
            that metrics must be measured on.
    """

    prefixes: tuple[str, ...]
    columns: dict[str, Column] = {}
    column: Callable[[str, MeasuredOn], Column] | None = None


class Vocabulary(msgspec.Struct, frozen=True, dict=True):
    """Everything that a filter or an order of one subject may name.

    Attributes:
        subject: What is searched.
        noun: One of it, with its article.
        parts: By kind.
        default_order: Used where no order is asked for; ends in the id.
        tie_break: Follows an order that is asked for; ends in the id.
        stock_quotes: The quotes that stock MLflow's grammar takes around names and around text.
    """

    subject: Subject
    noun: str
    parts: dict[FieldKind, Part]
    default_order: tuple[OrderBy, ...]
    tie_break: tuple[OrderBy, ...]
    stock_quotes: str = "`\"'"

    def __post_init__(self) -> None:
        kinds = {prefix: kind for kind, part in self.parts.items() for prefix in part.prefixes}
        names = {
            (kind, name): Field(kind, key)
            for kind, part in self.parts.items()
            for key, column in part.columns.items()
            for name in (key, *column.aliases)
        }
        self.__dict__.update(kinds=kinds, names=names)

    @property
    def kind_of_prefix(self) -> dict[str, FieldKind]:
        """The part that each prefix and alias of a prefix names."""
        kinds: dict[str, FieldKind] = self.__dict__["kinds"]
        return kinds

    @property
    def field_of_name(self) -> dict[tuple[FieldKind, str], Field]:
        """The fields whose names are fixed, by kind and name or alias."""
        names: dict[tuple[FieldKind, str], Field] = self.__dict__["names"]
        return names

    def column(self, field: Field, *, measured_on: MeasuredOn = ()) -> Column:
        """Return what is known of a field, whose aliases are resolved.

        Raises:
            InvalidValueError: This subject has no such field.
        """
        part = self.parts.get(field.kind)
        if part is not None:
            if part.column is not None:
                return part.column(field.key, measured_on)
            if field.key in part.columns:
                return part.columns[field.key]
        raise InvalidValueError(
            f"{self.subject.value.capitalize()} have no {field.kind.value} {field.key!r}"
            " to search or order by."
        )


def vocabulary(subject: Subject) -> Vocabulary:
    """Return the vocabulary of a subject."""
    return _VOCABULARIES[subject]


# --- rows ---


def _text(value_of: Callable[[Any], Scalar], stock: Stock = Stock.NOTHING, *aliases: str) -> Column:
    return Column(ValueType.TEXT, value_of, sorted_by=value_of, stock=stock, aliases=aliases)


def _number(
    value_of: Callable[[Any], Scalar], stock: Stock = Stock.NOTHING, *aliases: str
) -> Column:
    return Column(ValueType.NUMBER, value_of, sorted_by=value_of, stock=stock, aliases=aliases)


def _any_text(values_of: Callable[[Any], Iterable[str]], stock: Stock) -> Column:
    return Column(ValueType.TEXT, values_of, many=True, stock=stock)


def _contexts(run: Run) -> list[str]:
    return [
        tag.value
        for used in run.inputs.dataset_inputs
        for tag in used.tags
        if tag.key == "mlflow.data.context"
    ]


def _run_metric(key: str, _: MeasuredOn) -> Column:
    # Run.data.metrics would make a dict for each run, which costs more than the scan saves.
    def value_of(run: Run) -> float | None:
        for metric in run.data.latest_metrics:
            if metric.key == key:
                return metric.value
        return None

    return _number(value_of, _COMPARE)


def _run_param(key: str, _: MeasuredOn) -> Column:
    return _text(lambda run: run.data.params.get(key), _NULLS)


def _run_tag(key: str, _: MeasuredOn) -> Column:
    return _text(lambda run: run.data.tags.get(key), _NULLS)


def _experiment_tag(key: str, _: MeasuredOn) -> Column:
    return _text(lambda experiment: experiment.tags.get(key), _NULLS)


def _registry_tag(key: str, _: MeasuredOn) -> Column:
    if key == "mlflow.prompt.is_prompt":
        # Models from before there were prompts lack the tag, and clients ask for `!= 'true'`.
        return _text(lambda entity: entity.tags.get(key, "false"), _COMPARE)
    return _text(lambda entity: entity.tags.get(key), _COMPARE)


def is_measured_on(metric: Metric, datasets: MeasuredOn) -> bool:
    """Tell whether a point was measured on one of the data sets; none are named: any point is."""
    return not datasets or any(
        metric.dataset_name == name and digest in (None, metric.dataset_digest)
        for name, digest in datasets
    )


def latest_measurement(
    model: LoggedModel, key: str, measured_on: MeasuredOn, only: MeasuredOn = ()
) -> float | None:
    """Return the newest value of a logged model's metric among those data sets."""
    points = [
        metric
        for metric in model.metrics
        if metric.key == key
        and is_measured_on(metric, measured_on)
        and is_measured_on(metric, only)
    ]
    if not points:
        return None
    # NaN has no order of its own: of points of one time, a real value wins.
    newest = max(points, key=lambda m: (m.timestamp, m.step, m.value == m.value, m.value))
    return newest.value


def _logged_metric(key: str, measured_on: MeasuredOn) -> Column:
    def values_of(model: LoggedModel) -> list[float]:
        return [
            metric.value
            for metric in model.metrics
            if metric.key == key and is_measured_on(metric, measured_on)
        ]

    return Column(
        ValueType.NUMBER,
        values_of,
        many=True,
        sorted_by=lambda model: latest_measurement(model, key, measured_on),
        stock=_COMPARE,
    )


def _logged_text(mapping_of: Callable[[Any], dict[str, str]], key: str) -> Column:
    def value_of(model: LoggedModel) -> str | None:
        return mapping_of(model).get(key)

    return Column(ValueType.TEXT, value_of, sorted_by=value_of, stock=_LISTS, bare_text=True)


_ATTRIBUTE_PREFIXES = ("attributes", "attribute", "attr")
_METRIC_PREFIXES = ("metrics", "metric")
_PARAM_PREFIXES = ("params", "param", "parameters", "parameter")
_TAG_PREFIXES = ("tags", "tag")


def _by(key: str, ascending: bool = True) -> OrderBy:
    return OrderBy(Field(FieldKind.ATTRIBUTE, key), ascending)


# --- tables ---

_RUNS = Vocabulary(
    Subject.RUNS,
    "a run",
    {
        FieldKind.ATTRIBUTE: Part(
            (*_ATTRIBUTE_PREFIXES, "run"),
            {
                "run_id": _text(lambda run: run.info.run_id, _LISTS),
                "run_name": _text(
                    lambda run: run.info.run_name, _COMPARE, "run name", "Run name", "Run Name"
                ),
                "experiment_id": _text(lambda run: run.info.experiment_id),
                "status": _text(lambda run: run.info.status.value, _COMPARE),
                "user_id": _text(lambda run: run.info.user_id, _COMPARE),
                "artifact_uri": _text(lambda run: run.info.artifact_uri, _COMPARE),
                "lifecycle_stage": _text(lambda run: run.info.lifecycle_stage.value),
                "start_time": _number(
                    lambda run: run.info.start_time, _COMPARE, "created", "Created"
                ),
                "end_time": _number(lambda run: run.info.end_time, _COMPARE),
            },
        ),
        FieldKind.METRIC: Part(_METRIC_PREFIXES, column=_run_metric),
        FieldKind.PARAM: Part(_PARAM_PREFIXES, column=_run_param),
        FieldKind.TAG: Part(_TAG_PREFIXES, column=_run_tag),
        FieldKind.DATASET: Part(
            ("dataset", "datasets"),
            {
                "name": _any_text(
                    lambda run: [used.dataset.name for used in run.inputs.dataset_inputs], _LISTS
                ),
                "digest": _any_text(
                    lambda run: [used.dataset.digest for used in run.inputs.dataset_inputs], _LISTS
                ),
                "context": _any_text(_contexts, _LISTS),
            },
        ),
    },
    default_order=(_by("start_time", False), _by("run_id")),
    tie_break=(_by("start_time", False), _by("run_id")),
)

_EXPERIMENTS = Vocabulary(
    Subject.EXPERIMENTS,
    "an experiment",
    {
        FieldKind.ATTRIBUTE: Part(
            _ATTRIBUTE_PREFIXES,
            {
                "name": _text(lambda experiment: experiment.name, _COMPARE),
                "experiment_id": _text(lambda experiment: experiment.experiment_id, _LISTS),
                "artifact_location": _text(lambda experiment: experiment.artifact_location),
                "lifecycle_stage": _text(lambda experiment: experiment.lifecycle_stage.value),
                "creation_time": _number(lambda experiment: experiment.creation_time, _COMPARE),
                "last_update_time": _number(
                    lambda experiment: experiment.last_update_time, _COMPARE
                ),
            },
        ),
        FieldKind.TAG: Part(_TAG_PREFIXES, column=_experiment_tag),
    },
    default_order=(_by("creation_time", False), _by("experiment_id")),
    tie_break=(_by("experiment_id", False),),
)

_REGISTERED_MODELS = Vocabulary(
    Subject.REGISTERED_MODELS,
    "a registered model",
    {
        FieldKind.ATTRIBUTE: Part(
            _ATTRIBUTE_PREFIXES,
            {
                "name": _text(lambda model: model.name, _LISTS),
                "description": _text(lambda model: model.description),
                "creation_timestamp": _number(lambda model: model.creation_timestamp),
                "last_updated_timestamp": _number(
                    lambda model: model.last_updated_timestamp, Stock.NOTHING, "timestamp"
                ),
            },
        ),
        FieldKind.TAG: Part(_TAG_PREFIXES, column=_registry_tag),
    },
    default_order=(_by("name"),),
    tie_break=(_by("name"),),
)

_MODEL_VERSIONS = Vocabulary(
    Subject.MODEL_VERSIONS,
    "a model version",
    {
        FieldKind.ATTRIBUTE: Part(
            _ATTRIBUTE_PREFIXES,
            {
                "name": _text(lambda version: version.name, _LISTS),
                "version_number": Column(
                    ValueType.NUMBER,
                    lambda version: version.version,
                    sorted_by=lambda version: version.version,
                    stock=_COMPARE,
                    aliases=("version",),
                    quoted_numbers=True,
                ),
                "run_id": _text(lambda version: version.run_id, _LISTS),
                "source_path": _text(lambda version: version.source, _COMPARE, "source"),
                "description": _text(lambda version: version.description),
                "user_id": _text(lambda version: version.user_id),
                "current_stage": _text(
                    lambda version: version.current_stage.value, Stock.NOTHING, "stage"
                ),
                "status": _text(lambda version: version.status.value),
                "model_id": _text(lambda version: version.model_id),
                "creation_timestamp": _number(lambda version: version.creation_timestamp),
                "last_updated_timestamp": _number(lambda version: version.last_updated_timestamp),
            },
        ),
        FieldKind.TAG: Part(_TAG_PREFIXES, column=_registry_tag),
    },
    default_order=(
        _by("last_updated_timestamp", False),
        _by("name"),
        _by("version_number", False),
    ),
    tie_break=(_by("name"), _by("version_number", False)),
)

_LOGGED_MODELS = Vocabulary(
    Subject.LOGGED_MODELS,
    "a logged model",
    {
        FieldKind.ATTRIBUTE: Part(
            _ATTRIBUTE_PREFIXES,
            {
                "model_id": _text(lambda model: model.model_id, _LISTS),
                "name": _text(lambda model: model.name, _LISTS),
                "experiment_id": _text(lambda model: model.experiment_id),
                "model_type": _text(lambda model: model.model_type, _LISTS),
                "status": _text(lambda model: model.status.value, _LISTS),
                "source_run_id": _text(lambda model: model.source_run_id, _LISTS),
                "artifact_location": _text(lambda model: model.artifact_location),
                "creation_timestamp": _number(
                    lambda model: model.creation_timestamp, _COMPARE, "creation_time"
                ),
                "last_updated_timestamp": _number(
                    lambda model: model.last_updated_timestamp, _COMPARE, "last_updated_time"
                ),
            },
        ),
        FieldKind.METRIC: Part(_METRIC_PREFIXES, column=_logged_metric),
        FieldKind.PARAM: Part(
            _PARAM_PREFIXES, column=lambda key, _: _logged_text(lambda model: model.params, key)
        ),
        FieldKind.TAG: Part(
            _TAG_PREFIXES, column=lambda key, _: _logged_text(lambda model: model.tags, key)
        ),
    },
    default_order=(_by("creation_timestamp", False), _by("model_id")),
    tie_break=(_by("creation_timestamp", False), _by("model_id")),
    stock_quotes="`'",
)

_VOCABULARIES = {
    table.subject: table
    for table in (_RUNS, _EXPERIMENTS, _REGISTERED_MODELS, _MODEL_VERSIONS, _LOGGED_MODELS)
}
