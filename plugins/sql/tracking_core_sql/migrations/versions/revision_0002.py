"""The table of webhooks.

Revision ID: 0002

Only adds: programs of the version before go on, and know nothing of webhooks.
"""

from __future__ import annotations

import sqlalchemy as sa

from tracking_core_sql.exact_text import ExactString, ExactText
from tracking_core_sql.migrations.steps import Steps

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    Steps().create_table(
        "tracking_webhook",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("webhook_id", ExactString(32), nullable=False),
        sa.Column("name", ExactText(), nullable=False),
        sa.Column("url", ExactText(), nullable=False),
        sa.Column("events", ExactText(), nullable=False),
        sa.Column("description", ExactText()),
        sa.Column("secret", ExactText()),
        sa.Column("is_disabled", sa.SmallInteger(), nullable=False),
        sa.Column("creation_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_updated_timestamp", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("webhook_id"),
    )
