"""The first schema: every table of `store/tables/` and the guards of `store/guards.py`."""

from alembic import op
from sqlalchemy import text

from tieout.store import guards
from tieout.store.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables; from the first release on, changes come as further versions."""
    metadata.create_all(op.get_bind())
    for statement in guards.statements():
        op.execute(text(statement))


def downgrade() -> None:
    """Remove all tables of the hub."""
    metadata.drop_all(op.get_bind())
    for statement in guards.removals():
        op.execute(text(statement))
