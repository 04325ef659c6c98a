"""The history of the schema, run by Alembic through `tieout.store.database.prepare`."""
