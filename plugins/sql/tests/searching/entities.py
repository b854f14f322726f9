"""Things to search for, made to be awkward, and written by plain inserts."""

# ruff: noqa: RUF001 - look-alikes are what is tested

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, insert

from tracking_core.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LifecycleStage,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    ModelVersion,
    ModelVersionStage,
    ModelVersionStatus,
    RegisteredModel,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
)
from tracking_core_sql import schema
from tracking_core_sql.searching.subjects import VERSION_STAGES, VERSION_STATUSES
from tracking_core_sql.values import split_double, split_text

LARGEST = sys.float_info.max
LONG = "long" * 63 + "xyz"  # 255 characters: as many as the column `head` holds
TEXTS = [
    "", "x", "X", "xy", "x ", " x", "x\n", "it's", '"', "`", "%", "_", "a%b", "axb", "a_b", "a\\b",
    "\\", "\\%", "!", "!%", "[a]", "a]", "*", "?", "^", "-", "|", "7", "07", "größe", "GRÖSSE",
    "GRÖßE", "GRÖẞE", "k", "K", "\u212a", "s", "S", "ſ", "i", "I", "İ", "ı", "i\u0307", "µ", "μ",
    "Μ", "σ", "ς", "Σ", "ǆ", "ǅ", "Ǆ", "ﬁ", "ﬆ", "ﬅ", "é", "e\u0301", "𐐀", "𐐨", "😀", "日本",
    "\uffff", "\U0010ffff", "\x01", "\x7f", "\u200b", LONG, LONG + "k", LONG + "K", LONG + "k ",
    LONG + "\u212a%", LONG * 2, LONG[:-1] + "Z", "x" * 300, "X" * 300, "FINISHED", "active",
    "READY", "None", "1", "false", "true",
]  # fmt: skip
NUMBERS = [
    0.0, -0.0, 0.5, 1.0, 1.0, 7.0, -1.0, -3.5, 0.1, math.nextafter(0.1, 1), 5e-324, -5e-324, 1e308,
    2.0**53, 2.0**53 + 2, 2.0**63, -(2.0**63), LARGEST, -LARGEST, math.nextafter(LARGEST, 0),
    math.inf, -math.inf, math.nan, math.nan,
]  # fmt: skip
TIMES = [0, 1, 1, 2, 7, 2**40, 2**53, 2**53 + 1, 2**63 - 1]
KEYS = ["a", "b", "A", "a b", "ä", "common"]
CONTEXT = "mlflow.data.context"
PROMPT = "mlflow.prompt.is_prompt"


@dataclass
class World:
    """All that is in a database."""

    experiments: list[Experiment]
    runs: list[Run]
    registered_models: list[RegisteredModel]
    model_versions: list[ModelVersion]
    logged_models: list[LoggedModel]


def make_world(seed: int, *, size: int) -> World:
    """Return a world of random things; of each kind so many."""
    chance = random.Random(seed)
    experiments = [
        Experiment(
            experiment_id=name,
            name=f"{chance.choice(TEXTS)[:100]} {number}",
            artifact_location=chance.choice(TEXTS),
            lifecycle_stage=LifecycleStage.DELETED if number == 2 else LifecycleStage.ACTIVE,
            tags=_texts(chance, KEYS),
            creation_time=chance.choice(TIMES),
            last_update_time=chance.choice(TIMES),
        )
        for number, name in enumerate(["1", "7", "gone", "e-4", "Empty"])
    ]
    ids = [experiment.experiment_id for experiment in experiments[:4]]
    models = [
        RegisteredModel(
            name=f"{chance.choice(TEXTS)[:200]}{number}",
            description=chance.choice(TEXTS),
            creation_timestamp=chance.choice(TIMES),
            last_updated_timestamp=chance.choice(TIMES),
            tags=_texts(chance, [*KEYS, PROMPT]),
        )
        for number in range(size)
    ]
    return World(
        experiments,
        [_run(chance, number, chance.choice(ids)) for number in range(size)],
        models,
        [_version(chance, number, chance.choice(models).name) for number in range(1, size)],
        [_logged_model(chance, number, chance.choice(ids[:2])) for number in range(size)],
    )


def _texts(chance: random.Random, keys: Sequence[str]) -> dict[str, str]:
    return {key: chance.choice(TEXTS) for key in sorted(keys) if chance.random() < 0.6}


def _run(chance: random.Random, number: int, experiment_id: str) -> Run:
    is_deleted = chance.random() < 0.2
    points = []
    for key in sorted(KEYS):
        if chance.random() < 0.6:
            origin = (None, None, None)
            if chance.random() < 0.2:
                origin = ("m-1", chance.choice([None, "d"]), chance.choice([None, "1"]))
            value = 1.0 if key == "common" else chance.choice(NUMBERS)
            points.append(Metric(key, value, 1, chance.randrange(-9, 9), *origin))
    used = tuple(
        DatasetInput(
            Dataset(chance.choice(TEXTS), str(place), "local", "{}"),
            tuple(
                InputTag(key, chance.choice(TEXTS))
                for key in ("other", CONTEXT)
                if chance.random() < 0.6
            ),
        )
        for place in range(chance.choice([0, 0, 1, 2]))
    )
    return Run(
        info=RunInfo(
            run_id=f"r{number:03}{'aA'[number % 2]}",
            experiment_id=experiment_id,
            run_name=chance.choice(TEXTS)[:500],
            user_id=chance.choice(TEXTS),
            status=chance.choice(list(RunStatus)),
            start_time=chance.choice(TIMES),
            end_time=chance.choice([None, *TIMES]),
            artifact_uri=chance.choice(TEXTS),
            lifecycle_stage=LifecycleStage.DELETED if is_deleted else LifecycleStage.ACTIVE,
            deleted_time=5 if is_deleted else None,
        ),
        data=RunData(
            latest_metrics=tuple(points), params=_texts(chance, KEYS), tags=_texts(chance, KEYS)
        ),
        inputs=RunInputs(used, (LoggedModelInput("m-2"),) if number % 7 == 0 else ()),
        outputs=RunOutputs((LoggedModelOutput("m-3", 4),) if number % 5 == 0 else ()),
    )


def _version(chance: random.Random, number: int, name: str) -> ModelVersion:
    return ModelVersion(
        name=name,
        version=number,
        creation_timestamp=chance.choice(TIMES),
        last_updated_timestamp=chance.choice(TIMES),
        description=chance.choice(TEXTS),
        user_id=chance.choice([None, *TEXTS]),
        current_stage=chance.choice(list(ModelVersionStage)),
        source=chance.choice(TEXTS),
        run_id=chance.choice([None, "r001a", "R1"]),
        status=chance.choice(list(ModelVersionStatus)),
        model_id=chance.choice([None, "m-1", "m-2"]),
        tags=_texts(chance, [*KEYS, PROMPT]),
    )


def _logged_model(chance: random.Random, number: int, experiment_id: str) -> LoggedModel:
    origins = [(None, None), ("d", None), ("d", "1"), ("d", "2"), ("e", "1")]
    points = tuple(
        Metric(key, chance.choice(NUMBERS), chance.choice([1, 2]), chance.choice([1, 2]), None, *on)
        for key in sorted(KEYS)
        for on in origins
        if chance.random() < 0.3
    )
    return LoggedModel(
        model_id=f"m-{number:03}",
        experiment_id=experiment_id,
        name=chance.choice([text for text in TEXTS if len(text) < 500]),
        artifact_location=chance.choice(TEXTS),
        creation_timestamp=chance.choice(TIMES),
        last_updated_timestamp=chance.choice(TIMES),
        status=chance.choice(list(LoggedModelStatus)),
        model_type=chance.choice([None, *TEXTS]),
        source_run_id=chance.choice([None, "r001a"]),
        tags=_texts(chance, KEYS),
        params=_texts(chance, KEYS),
        metrics=points,
    )


# --- writing ---


class Writer:
    """Writes entities by plain inserts; `numbers` are the internal ids that it gave."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: dict[Table, list[dict[str, Any]]] = {}
        self._keys: dict[tuple[int, str], int] = {}
        self._origins: dict[tuple[str | None, ...], int] = {}
        self.experiments: dict[str, int] = {}
        self.numbers: dict[str, int] = {}

    def world(self, world: World) -> None:
        """Write all of a world."""
        for experiment in world.experiments:
            self.experiment(experiment)
        for run in world.runs:
            self.run(run)
        for model in world.registered_models:
            self.registered_model(model)
        for version in world.model_versions:
            self.version(version)
        for logged in world.logged_models:
            self.logged_model(logged)
        self.flush()

    def flush(self) -> None:
        """Insert everything, tables that others refer to first."""
        for table in schema.metadata.sorted_tables:
            rows = self._rows.pop(table, [])
            if rows:
                self._connection.execute(insert(table), rows)

    def _add(self, table: Table, **values: Any) -> int:
        rows = self._rows.setdefault(table, [])
        if "id" in table.c:
            values["id"] = len(rows) + 1
        rows.append(values)
        return len(rows)

    def _key(self, experiment: int, name: str) -> int:
        place = (experiment, name)
        if place not in self._keys:
            self._keys[place] = self._add(schema.key, experiment=experiment, name=name)
        return self._keys[place]

    def _origin(self, *origin: str | None) -> int:
        if origin not in self._origins:
            self._origins[origin] = self._add(
                schema.origin,
                fingerprint=str(origin)[:64],
                model_id=origin[0],
                dataset_name=origin[1],
                dataset_digest=origin[2],
            )
        return self._origins[origin]

    def experiment(self, experiment: Experiment) -> None:
        number = self._add(
            schema.experiment,
            experiment_id=experiment.experiment_id,
            name=experiment.name,
            artifact_location=experiment.artifact_location,
            is_deleted=int(experiment.lifecycle_stage is LifecycleStage.DELETED),
            creation_time=experiment.creation_time,
            last_update_time=experiment.last_update_time,
        )
        self.experiments[experiment.experiment_id] = number
        for key, value in experiment.tags.items():
            self._add(schema.experiment_tag, experiment=number, key=key, value=value)

    def run(self, run: Run) -> None:
        info = run.info
        experiment = self.experiments[info.experiment_id]
        number = self._add(
            schema.run,
            run_id=info.run_id,
            experiment=experiment,
            name=info.run_name,
            user_id=info.user_id,
            status=info.status.number,
            start_time=info.start_time,
            end_time=info.end_time,
            artifact_uri=info.artifact_uri,
            is_deleted=int(info.lifecycle_stage is LifecycleStage.DELETED),
            deleted_time=info.deleted_time,
        )
        self.numbers[info.run_id] = number
        for point in run.data.latest_metrics:
            value, infinity = split_double(point.value)
            origin = (point.model_id, point.dataset_name, point.dataset_digest)
            self._add(
                schema.metric,
                run=number,
                key=self._key(experiment, point.key),
                value=value,
                infinity=infinity,
                step=point.step,
                timestamp=point.timestamp,
                origin=self._origin(*origin) if any(origin) else None,
                points=1,
            )
        for table, texts in ((schema.param, run.data.params), (schema.tag, run.data.tags)):
            for key, text in texts.items():
                head, rest = split_text(text)
                self._add(table, run=number, key=self._key(experiment, key), head=head, rest=rest)
        for place, used in enumerate(run.inputs.dataset_inputs):
            described = used.dataset
            dataset = self._add(
                schema.dataset,
                experiment=experiment,
                fingerprint=f"{number} {place}",
                name=described.name,
                digest=described.digest,
                source_type=described.source_type,
                source=described.source,
                schema=described.schema,
                profile=described.profile,
            )
            self._add(
                schema.run_dataset,
                run=number,
                position=place,
                dataset=dataset,
                context=next((tag.value for tag in used.tags if tag.key == CONTEXT), None),
                tags=json.dumps([[tag.key, tag.value] for tag in used.tags]),
            )
        models = [(0, m.model_id, 0) for m in run.inputs.model_inputs]
        models += [(1, m.model_id, m.step) for m in run.outputs.model_outputs]
        for place, (is_output, model_id, step) in enumerate(models):
            self._add(
                schema.run_model,
                run=number,
                is_output=is_output,
                position=place,
                model_id=model_id,
                step=step,
            )

    def registered_model(self, model: RegisteredModel) -> None:
        number = self._add(
            schema.registered_model,
            name=model.name,
            description=model.description,
            creation_timestamp=model.creation_timestamp,
            last_updated_timestamp=model.last_updated_timestamp,
            last_version=0,
        )
        self.numbers[model.name] = number
        for key, value in model.tags.items():
            self._add(schema.registered_model_tag, model=number, key=key, value=value)

    def version(self, version: ModelVersion) -> None:
        stages = {text: number for number, text in VERSION_STAGES.items()}
        statuses = {text: number for number, text in VERSION_STATUSES.items()}
        number = self._add(
            schema.model_version,
            model=self.numbers[version.name],
            version=version.version,
            creation_timestamp=version.creation_timestamp,
            last_updated_timestamp=version.last_updated_timestamp,
            description=version.description,
            user_id=version.user_id,
            stage=stages[version.current_stage.value],
            source=version.source,
            run_id=version.run_id,
            status=statuses[version.status.value],
            model_id=version.model_id,
            is_deleted=0,
        )
        self.numbers[f"{version.name}/{version.version}"] = number
        for key, value in version.tags.items():
            self._add(schema.model_version_tag, version=number, key=key, value=value)

    def logged_model(self, model: LoggedModel) -> None:
        number = self._add(
            schema.logged_model,
            model_id=model.model_id,
            experiment=self.experiments[model.experiment_id],
            name=model.name,
            artifact_location=model.artifact_location,
            creation_timestamp=model.creation_timestamp,
            last_updated_timestamp=model.last_updated_timestamp,
            status=model.status.number,
            model_type=model.model_type,
            source_run_id=model.source_run_id,
            is_deleted=0,
        )
        self.numbers[model.model_id] = number
        for table, texts in (
            (schema.logged_model_param, model.params),
            (schema.logged_model_tag, model.tags),
        ):
            for key, text in texts.items():
                self._add(table, model=number, key=key, value=text)
        for point in model.metrics:
            value, infinity = split_double(point.value)
            self._add(
                schema.logged_model_metric,
                model=number,
                key=point.key,
                origin=self._origin(None, point.dataset_name, point.dataset_digest),
                run_id="r",
                value=value,
                infinity=infinity,
                step=point.step,
                timestamp=point.timestamp,
            )
