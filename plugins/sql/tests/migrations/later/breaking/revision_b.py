"""A revision that older code can't write to, nor read."""

from __future__ import annotations

from tracking_core_sql.migrations.steps import Steps

revision = "breaking"
down_revision = "additive"


def upgrade() -> None:
    steps = Steps()
    steps.ask_for(reader=2, writer=3)
    steps.drop_column("tracking_run", "user_id")
