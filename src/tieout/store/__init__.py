"""The only SQL: tables, migrations and set-based reads and writes; callers own the transaction."""
