"""The tables: integer keys inside, MLflow's ids outside.

- Names of metrics, params and tags stand once for each experiment, in `tracking_key`, so that an
  index that begins with the key holds one experiment's runs only.
- `tracking_metric` holds the latest point of each metric; searches never touch history.
- History lies in `tracking_metric_block`: points packed by column (see `runs.blocks`).
- A value of a param or tag is cut in two, `head` and `rest`, so that values of any length can be
  indexed, compared and ordered exactly: ordering by (head, rest) is ordering by the whole.
- Doubles that some databases lack are spelled out: NaN is NULL; an infinity is the largest double
  of its sign, and `infinity` is -1 or 1; where it is -2, the value is -0.0 (see `values`).
- Ids are never used twice, so that what a process remembers of one can't become another's.

Tables that get a row or more for each logged value have no foreign key constraints: every write
locks its run's row first, and a check for each row would halve the speed.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import DOUBLE, LONGBLOB

from tracking_core_sql.exact_text import ExactString, ExactText

HEAD_LENGTH = 255
"""Characters of a param's or tag's value that stand in `head`."""

metadata = MetaData()

_Id = BigInteger().with_variant(Integer(), "sqlite")  # INTEGER PRIMARY KEY is sqlite's rowid
_Double = Float(53).with_variant(DOUBLE(asdecimal=False), "mysql", "mariadb")
_Bytes = LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")


def _id() -> Column[int]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _to(table: str, name: str, **options: Any) -> Column[int]:
    """Return a column that refers to another table's id, as a constraint."""
    return Column(name, _Id, ForeignKey(f"{table}.id"), nullable=False, **options)


def _table(name: str, *parts: Any, clustered: bool = False) -> Table:
    """Declare a table; a clustered one is stored in the order of its primary key."""
    return Table(
        name,
        metadata,
        *parts,
        sqlite_with_rowid=not clustered,
        sqlite_autoincrement="id" in [getattr(part, "name", None) for part in parts],
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mariadb_engine="InnoDB",
        mariadb_charset="utf8mb4",
    )


schema_property = _table(
    "tracking_schema_property",
    Column("name", ExactString(64), primary_key=True),
    Column("value", ExactText(), nullable=False),
)
"""What is known of the schema itself: its revision, and who can still read and write it."""

# --- experiments and runs ---

experiment = _table(
    "tracking_experiment",
    _id(),
    Column("experiment_id", ExactString(64), nullable=False, unique=True),
    Column("name", ExactString(500), nullable=False, unique=True),
    Column("artifact_location", ExactText(), nullable=False),
    Column("is_deleted", SmallInteger, nullable=False, default=0),
    Column("creation_time", BigInteger, nullable=False),
    Column("last_update_time", BigInteger, nullable=False),
)

experiment_tag = _table(
    "tracking_experiment_tag",
    _to("tracking_experiment", "experiment"),
    Column("key", ExactString(250), nullable=False),
    Column("value", ExactText(), nullable=False),
    PrimaryKeyConstraint("experiment", "key"),
    clustered=True,
)

key = _table(
    "tracking_key",
    _id(),
    _to("tracking_experiment", "experiment"),
    Column("name", ExactString(250), nullable=False),
    UniqueConstraint("experiment", "name"),
)
"""Names of metrics, params and tags, once for each experiment."""

run = _table(
    "tracking_run",
    _id(),
    Column("run_id", ExactString(256), nullable=False, unique=True),
    _to("tracking_experiment", "experiment"),
    Column("name", ExactString(500), nullable=False),
    Column("user_id", ExactText(), nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger),
    Column("artifact_uri", ExactText(), nullable=False),
    Column("is_deleted", SmallInteger, nullable=False, default=0),
    Column("deleted_time", BigInteger),
    Column("idempotency_digest", ExactString(64)),
)
Index(
    "tracking_run_by_start_time",
    run.c.experiment,
    run.c.start_time.desc(),
    run.c.run_id,
)
Index("tracking_run_by_name", run.c.experiment, run.c.name)
Index("tracking_run_by_end_time", run.c.experiment, run.c.end_time)

# --- what is logged to runs ---

origin = _table(
    "tracking_origin",
    _id(),
    Column("fingerprint", ExactString(64), nullable=False, unique=True),
    Column("model_id", ExactString(256)),
    Column("dataset_name", ExactText()),
    Column("dataset_digest", ExactText()),
)
"""What points were measured on; the fingerprint is the SHA-256 of the other columns as JSON."""

metric = _table(
    "tracking_metric",
    Column("run", _Id, nullable=False),
    Column("key", _Id, nullable=False),
    Column("value", _Double),
    Column("infinity", SmallInteger, nullable=False, default=0),
    Column("step", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("origin", _Id),
    Column("points", BigInteger, nullable=False),
    Column("sealed", BigInteger, nullable=False, default=0),
    PrimaryKeyConstraint("run", "key"),
    clustered=True,
)
"""The latest point of each metric of each run, and how many points its history has.

The first `sealed` of them lie in blocks that stay as they are; those behind may yet be merged.
"""
Index("tracking_metric_by_value", metric.c.key, metric.c.value, metric.c.run)

metric_block = _table(
    "tracking_metric_block",
    Column("run", _Id, nullable=False),
    Column("key", _Id, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("points", Integer, nullable=False),
    Column("first_step", BigInteger, nullable=False),
    Column("first_timestamp", BigInteger, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("last_timestamp", BigInteger, nullable=False),
    Column("data", _Bytes, nullable=False),
    PrimaryKeyConstraint("run", "key", "number"),
    clustered=True,
)
"""History: `number` counts the points of the metric that were logged before the block's first.

`first_step` and `first_timestamp` are the place of the block's least point in the order (step,
timestamp), `last_step` and `last_timestamp` that of its greatest.
"""


def _values(name: str) -> Table:
    table = _table(
        name,
        Column("run", _Id, nullable=False),
        Column("key", _Id, nullable=False),
        Column("head", ExactString(HEAD_LENGTH), nullable=False),
        Column("rest", ExactText(), nullable=False),
        PrimaryKeyConstraint("run", "key"),
        clustered=True,
    )
    Index(f"{name}_by_value", table.c.key, table.c.head, table.c.run)
    return table


param = _values("tracking_param")
tag = _values("tracking_tag")

batch = _table(
    "tracking_batch",
    Column("run", _Id, nullable=False),
    Column("digest", ExactString(64), nullable=False),
    PrimaryKeyConstraint("run", "digest"),
    clustered=True,
)
"""Batches that came with an idempotency key: the SHA-256 of the key."""

dataset = _table(
    "tracking_dataset",
    _id(),
    _to("tracking_experiment", "experiment"),
    Column("fingerprint", ExactString(64), nullable=False),
    Column("name", ExactText(), nullable=False),
    Column("digest", ExactText(), nullable=False),
    Column("source_type", ExactText(), nullable=False),
    Column("source", ExactText(), nullable=False),
    Column("schema", ExactText()),
    Column("profile", ExactText()),
    UniqueConstraint("experiment", "fingerprint"),
)
"""Descriptions of data sets; the fingerprint is the SHA-256 of all their fields as JSON."""

run_dataset = _table(
    "tracking_run_dataset",
    _to("tracking_run", "run"),
    Column("position", Integer, nullable=False),
    _to("tracking_dataset", "dataset", index=True),
    Column("context", ExactText()),
    Column("tags", ExactText(), nullable=False),
    PrimaryKeyConstraint("run", "position"),
    clustered=True,
)
"""Data sets that runs read; `tags` is a JSON list of pairs, `context` the tag that is searched."""

run_model = _table(
    "tracking_run_model",
    _to("tracking_run", "run"),
    Column("is_output", SmallInteger, nullable=False),
    Column("position", Integer, nullable=False),
    Column("model_id", ExactString(256), nullable=False),
    Column("step", BigInteger, nullable=False),
    PrimaryKeyConstraint("run", "is_output", "position"),
    clustered=True,
)
"""Logged models that runs read and made, in order."""

# --- logged models ---

logged_model = _table(
    "tracking_logged_model",
    _id(),
    Column("model_id", ExactString(256), nullable=False, unique=True),
    _to("tracking_experiment", "experiment"),
    Column("name", ExactText(), nullable=False),
    Column("artifact_location", ExactText(), nullable=False),
    Column("creation_timestamp", BigInteger, nullable=False),
    Column("last_updated_timestamp", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("status_message", ExactText()),
    Column("model_type", ExactText()),
    Column("source_run_id", ExactString(256)),
    Column("is_deleted", SmallInteger, nullable=False, default=0),
)
Index(
    "tracking_logged_model_by_time",
    logged_model.c.experiment,
    logged_model.c.creation_timestamp.desc(),
    logged_model.c.model_id,
)

logged_model_param = _table(
    "tracking_logged_model_param",
    _to("tracking_logged_model", "model"),
    Column("key", ExactString(250), nullable=False),
    Column("value", ExactText(), nullable=False),
    PrimaryKeyConstraint("model", "key"),
    clustered=True,
)

logged_model_tag = _table(
    "tracking_logged_model_tag",
    _to("tracking_logged_model", "model"),
    Column("key", ExactString(250), nullable=False),
    Column("value", ExactText(), nullable=False),
    PrimaryKeyConstraint("model", "key"),
    clustered=True,
)

logged_model_metric = _table(
    "tracking_logged_model_metric",
    _to("tracking_logged_model", "model"),
    Column("key", ExactString(250), nullable=False),
    _to("tracking_origin", "origin", index=True),
    Column("run_id", ExactString(256), nullable=False),
    Column("value", _Double),
    Column("infinity", SmallInteger, nullable=False, default=0),
    Column("step", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    PrimaryKeyConstraint("model", "key", "origin"),
    clustered=True,
)
"""The latest point of each metric and data set of each logged model."""

# --- the model registry ---

registered_model = _table(
    "tracking_registered_model",
    _id(),
    Column("name", ExactString(500), nullable=False, unique=True),
    Column("description", ExactText(), nullable=False),
    Column("creation_timestamp", BigInteger, nullable=False),
    Column("last_updated_timestamp", BigInteger, nullable=False),
    Column("last_version", BigInteger, nullable=False, default=0),
)

registered_model_tag = _table(
    "tracking_registered_model_tag",
    _to("tracking_registered_model", "model"),
    Column("key", ExactString(250), nullable=False),
    Column("value", ExactText(), nullable=False),
    PrimaryKeyConstraint("model", "key"),
    clustered=True,
)

registered_model_alias = _table(
    "tracking_registered_model_alias",
    _to("tracking_registered_model", "model"),
    Column("alias", ExactString(255), nullable=False),
    Column("version", BigInteger, nullable=False),
    PrimaryKeyConstraint("model", "alias"),
    clustered=True,
)

model_version = _table(
    "tracking_model_version",
    _id(),
    _to("tracking_registered_model", "model"),
    Column("version", BigInteger, nullable=False),
    Column("creation_timestamp", BigInteger, nullable=False),
    Column("last_updated_timestamp", BigInteger, nullable=False),
    Column("description", ExactText(), nullable=False),
    Column("user_id", ExactText()),
    Column("stage", SmallInteger, nullable=False),
    Column("source", ExactText(), nullable=False),
    Column("run_id", ExactString(256)),
    Column("run_link", ExactText()),
    Column("status", SmallInteger, nullable=False),
    Column("status_message", ExactText()),
    Column("model_id", ExactString(256)),
    Column("idempotency_digest", ExactString(64)),
    Column("is_deleted", SmallInteger, nullable=False, default=0),
    UniqueConstraint("model", "version"),
    UniqueConstraint("model", "idempotency_digest"),
)
"""Versions; a deleted one stays as a row, for no number is used twice."""
Index(
    "tracking_model_version_by_stage",
    model_version.c.model,
    model_version.c.is_deleted,
    model_version.c.stage,
    model_version.c.version,
)
Index("tracking_model_version_by_time", model_version.c.last_updated_timestamp)
Index("tracking_model_version_by_run", model_version.c.run_id)

model_version_tag = _table(
    "tracking_model_version_tag",
    _to("tracking_model_version", "version"),
    Column("key", ExactString(250), nullable=False),
    Column("value", ExactText(), nullable=False),
    PrimaryKeyConstraint("version", "key"),
    clustered=True,
)

webhook = _table(
    "tracking_webhook",
    _id(),
    Column("webhook_id", ExactString(32), nullable=False, unique=True),
    Column("name", ExactText(), nullable=False),
    Column("url", ExactText(), nullable=False),
    Column("events", ExactText(), nullable=False),
    Column("description", ExactText()),
    Column("secret", ExactText()),
    Column("is_disabled", SmallInteger, nullable=False, default=0),
    Column("creation_timestamp", BigInteger, nullable=False),
    Column("last_updated_timestamp", BigInteger, nullable=False),
)
"""Who is told what happens in the registry; `events` is JSON, a list of names."""
