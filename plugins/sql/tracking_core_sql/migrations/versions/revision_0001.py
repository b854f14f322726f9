"""The tables of the first version.

Revision ID: 0001

Written out, rather than taken from `schema`, for that moves on and this must stay what it was.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import DOUBLE, LONGBLOB

from tracking_core_sql.exact_text import ExactString, ExactText
from tracking_core_sql.migrations.steps import Steps

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DOUBLE = sa.Float(53).with_variant(DOUBLE(asdecimal=False), "mysql", "mariadb")
_BYTES = sa.LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")


def upgrade() -> None:
    """Create the tables."""
    steps = Steps()
    _create_tables(steps)
    steps.store_as_it_is("tracking_metric_block", "data")
    _create_indexes(steps)


def _create_tables(steps: Steps) -> None:
    steps.create_table(
        "tracking_batch",
        sa.Column("run", _ID, nullable=False),
        sa.Column("digest", ExactString(64), nullable=False),
        sa.PrimaryKeyConstraint("run", "digest"),
        clustered=True,
    )
    steps.create_table(
        "tracking_experiment",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("experiment_id", ExactString(64), nullable=False),
        sa.Column("name", ExactString(500), nullable=False),
        sa.Column("artifact_location", ExactText(), nullable=False),
        sa.Column("is_deleted", sa.SmallInteger(), nullable=False),
        sa.Column("creation_time", sa.BigInteger(), nullable=False),
        sa.Column("last_update_time", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("experiment_id"),
        sa.UniqueConstraint("name"),
    )
    steps.create_table(
        "tracking_metric",
        sa.Column("run", _ID, nullable=False),
        sa.Column("key", _ID, nullable=False),
        sa.Column("value", _DOUBLE),
        sa.Column("infinity", sa.SmallInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("origin", _ID),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run", "key"),
        clustered=True,
    )
    steps.create_table(
        "tracking_metric_block",
        sa.Column("run", _ID, nullable=False),
        sa.Column("key", _ID, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("first_step", sa.BigInteger(), nullable=False),
        sa.Column("first_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("last_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("data", _BYTES, nullable=False),
        sa.PrimaryKeyConstraint("run", "key", "number"),
        clustered=True,
    )
    steps.create_table(
        "tracking_origin",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("fingerprint", ExactString(64), nullable=False),
        sa.Column("model_id", ExactString(256)),
        sa.Column("dataset_name", ExactText()),
        sa.Column("dataset_digest", ExactText()),
        sa.UniqueConstraint("fingerprint"),
    )
    steps.create_table(
        "tracking_param",
        sa.Column("run", _ID, nullable=False),
        sa.Column("key", _ID, nullable=False),
        sa.Column("head", ExactString(255), nullable=False),
        sa.Column("rest", ExactText(), nullable=False),
        sa.PrimaryKeyConstraint("run", "key"),
        clustered=True,
    )
    steps.create_table(
        "tracking_registered_model",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("name", ExactString(500), nullable=False),
        sa.Column("description", ExactText(), nullable=False),
        sa.Column("creation_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_updated_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_version", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("name"),
    )
    steps.create_table(
        "tracking_schema_property",
        sa.Column("name", ExactString(64), primary_key=True),
        sa.Column("value", ExactText(), nullable=False),
    )
    steps.create_table(
        "tracking_tag",
        sa.Column("run", _ID, nullable=False),
        sa.Column("key", _ID, nullable=False),
        sa.Column("head", ExactString(255), nullable=False),
        sa.Column("rest", ExactText(), nullable=False),
        sa.PrimaryKeyConstraint("run", "key"),
        clustered=True,
    )
    steps.create_table(
        "tracking_dataset",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("experiment", _ID, sa.ForeignKey("tracking_experiment.id"), nullable=False),
        sa.Column("fingerprint", ExactString(64), nullable=False),
        sa.Column("name", ExactText(), nullable=False),
        sa.Column("digest", ExactText(), nullable=False),
        sa.Column("source_type", ExactText(), nullable=False),
        sa.Column("source", ExactText(), nullable=False),
        sa.Column("schema", ExactText()),
        sa.Column("profile", ExactText()),
        sa.UniqueConstraint("experiment", "fingerprint"),
    )
    steps.create_table(
        "tracking_experiment_tag",
        sa.Column("experiment", _ID, sa.ForeignKey("tracking_experiment.id"), nullable=False),
        sa.Column("key", ExactString(250), nullable=False),
        sa.Column("value", ExactText(), nullable=False),
        sa.PrimaryKeyConstraint("experiment", "key"),
        clustered=True,
    )
    steps.create_table(
        "tracking_key",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("experiment", _ID, sa.ForeignKey("tracking_experiment.id"), nullable=False),
        sa.Column("name", ExactString(250), nullable=False),
        sa.UniqueConstraint("experiment", "name"),
    )
    steps.create_table(
        "tracking_logged_model",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("model_id", ExactString(256), nullable=False),
        sa.Column("experiment", _ID, sa.ForeignKey("tracking_experiment.id"), nullable=False),
        sa.Column("name", ExactText(), nullable=False),
        sa.Column("artifact_location", ExactText(), nullable=False),
        sa.Column("creation_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_updated_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("status_message", ExactText()),
        sa.Column("model_type", ExactText()),
        sa.Column("source_run_id", ExactString(256)),
        sa.Column("is_deleted", sa.SmallInteger(), nullable=False),
        sa.UniqueConstraint("model_id"),
    )
    steps.create_table(
        "tracking_model_version",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("model", _ID, sa.ForeignKey("tracking_registered_model.id"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("creation_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_updated_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("description", ExactText(), nullable=False),
        sa.Column("user_id", ExactText()),
        sa.Column("stage", sa.SmallInteger(), nullable=False),
        sa.Column("source", ExactText(), nullable=False),
        sa.Column("run_id", ExactString(256)),
        sa.Column("run_link", ExactText()),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("status_message", ExactText()),
        sa.Column("model_id", ExactString(256)),
        sa.Column("idempotency_digest", ExactString(64)),
        sa.Column("is_deleted", sa.SmallInteger(), nullable=False),
        sa.UniqueConstraint("model", "version"),
        sa.UniqueConstraint("model", "idempotency_digest"),
    )
    steps.create_table(
        "tracking_registered_model_alias",
        sa.Column("model", _ID, sa.ForeignKey("tracking_registered_model.id"), nullable=False),
        sa.Column("alias", ExactString(255), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "alias"),
        clustered=True,
    )
    steps.create_table(
        "tracking_registered_model_tag",
        sa.Column("model", _ID, sa.ForeignKey("tracking_registered_model.id"), nullable=False),
        sa.Column("key", ExactString(250), nullable=False),
        sa.Column("value", ExactText(), nullable=False),
        sa.PrimaryKeyConstraint("model", "key"),
        clustered=True,
    )
    steps.create_table(
        "tracking_run",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("run_id", ExactString(256), nullable=False),
        sa.Column("experiment", _ID, sa.ForeignKey("tracking_experiment.id"), nullable=False),
        sa.Column("name", ExactString(500), nullable=False),
        sa.Column("user_id", ExactText(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger()),
        sa.Column("artifact_uri", ExactText(), nullable=False),
        sa.Column("is_deleted", sa.SmallInteger(), nullable=False),
        sa.Column("deleted_time", sa.BigInteger()),
        sa.Column("idempotency_digest", ExactString(64)),
        sa.UniqueConstraint("run_id"),
    )
    steps.create_table(
        "tracking_logged_model_metric",
        sa.Column("model", _ID, sa.ForeignKey("tracking_logged_model.id"), nullable=False),
        sa.Column("key", ExactString(250), nullable=False),
        sa.Column("origin", _ID, sa.ForeignKey("tracking_origin.id"), nullable=False),
        sa.Column("run_id", ExactString(256), nullable=False),
        sa.Column("value", _DOUBLE),
        sa.Column("infinity", sa.SmallInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "key", "origin"),
        clustered=True,
    )
    steps.create_table(
        "tracking_logged_model_param",
        sa.Column("model", _ID, sa.ForeignKey("tracking_logged_model.id"), nullable=False),
        sa.Column("key", ExactString(250), nullable=False),
        sa.Column("value", ExactText(), nullable=False),
        sa.PrimaryKeyConstraint("model", "key"),
        clustered=True,
    )
    steps.create_table(
        "tracking_logged_model_tag",
        sa.Column("model", _ID, sa.ForeignKey("tracking_logged_model.id"), nullable=False),
        sa.Column("key", ExactString(250), nullable=False),
        sa.Column("value", ExactText(), nullable=False),
        sa.PrimaryKeyConstraint("model", "key"),
        clustered=True,
    )
    steps.create_table(
        "tracking_model_version_tag",
        sa.Column("version", _ID, sa.ForeignKey("tracking_model_version.id"), nullable=False),
        sa.Column("key", ExactString(250), nullable=False),
        sa.Column("value", ExactText(), nullable=False),
        sa.PrimaryKeyConstraint("version", "key"),
        clustered=True,
    )
    steps.create_table(
        "tracking_run_dataset",
        sa.Column("run", _ID, sa.ForeignKey("tracking_run.id"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("dataset", _ID, sa.ForeignKey("tracking_dataset.id"), nullable=False),
        sa.Column("context", ExactText()),
        sa.Column("tags", ExactText(), nullable=False),
        sa.PrimaryKeyConstraint("run", "position"),
        clustered=True,
    )
    steps.create_table(
        "tracking_run_model",
        sa.Column("run", _ID, sa.ForeignKey("tracking_run.id"), nullable=False),
        sa.Column("is_output", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("model_id", ExactString(256), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run", "is_output", "position"),
        clustered=True,
    )


def _create_indexes(steps: Steps) -> None:
    steps.create_index("tracking_metric_by_value", "tracking_metric", ["key", "value", "run"])
    steps.create_index("tracking_param_by_value", "tracking_param", ["key", "head", "run"])
    steps.create_index("tracking_tag_by_value", "tracking_tag", ["key", "head", "run"])
    steps.create_index(
        "tracking_logged_model_by_time",
        "tracking_logged_model",
        ["experiment", sa.text("creation_timestamp DESC"), "model_id"],
    )
    steps.create_index("tracking_model_version_by_run", "tracking_model_version", ["run_id"])
    steps.create_index(
        "tracking_model_version_by_stage",
        "tracking_model_version",
        ["model", "is_deleted", "stage", "version"],
    )
    steps.create_index(
        "tracking_model_version_by_time", "tracking_model_version", ["last_updated_timestamp"]
    )
    steps.create_index("tracking_run_by_end_time", "tracking_run", ["experiment", "end_time"])
    steps.create_index("tracking_run_by_name", "tracking_run", ["experiment", "name"])
    steps.create_index(
        "tracking_run_by_start_time",
        "tracking_run",
        ["experiment", sa.text("start_time DESC"), "run_id"],
    )
    steps.create_index(
        "ix_tracking_logged_model_metric_origin", "tracking_logged_model_metric", ["origin"]
    )
    steps.create_index("ix_tracking_run_dataset_dataset", "tracking_run_dataset", ["dataset"])
