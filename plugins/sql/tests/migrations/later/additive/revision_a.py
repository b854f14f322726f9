"""A revision that only adds: older code goes on with it."""

from __future__ import annotations

import sqlalchemy as sa

from tracking_core_sql.migrations.revisions import HEAD
from tracking_core_sql.migrations.steps import Steps

revision = "additive"
down_revision = HEAD


def upgrade() -> None:
    steps = Steps()
    steps.create_table(
        "tracking_note",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("run", sa.BigInteger(), nullable=False),
    )
    steps.create_index("tracking_note_by_run", "tracking_note", ["run"])
    steps.add_column("tracking_run", sa.Column("priority", sa.BigInteger()))
    steps.fill("tracking_run", "priority", sa.column("start_time") * 2, by="id")
    steps.create_index("tracking_run_by_priority", "tracking_run", ["experiment", "priority"])
