"""Alembic runs this inside the connection that `store.database.prepare` opened."""

from alembic import context

from tieout.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
