"""The baseline: a bare engine with one queue and three recorded inserts per workflow. Arguments: URL, workflows."""

from __future__ import annotations

import sys
import threading

import sqlalchemy as sa
from dbos import DBOS, SQLAlchemyDatasource

from tieout.store.database import driver_url


def main(url: str, count: int) -> None:
    """Enqueue `count` workflows and carry them out until killed."""
    engine = sa.create_engine(driver_url(url), pool_size=12, pool_pre_ping=True)

    def insert(key: str, name: str) -> None:
        session = datasource.sql_session()
        session.execute(sa.text("INSERT INTO effect (key, step) VALUES (:k, :s)"), {"k": key, "s": name})

    @DBOS.workflow(name="three")
    def three(key: str) -> None:
        for name in ("first", "second", "third"):
            datasource.run_tx_step({"name": name, "isolation_level": "READ COMMITTED"}, insert, key, name)

    DBOS(
        config={
            "name": "bare", "system_database_url": url, "application_version": "1", "executor_id": "bare",
            "log_level": "ERROR", "notification_listener_polling_interval_sec": 0.05,
        }
    )  # fmt: skip
    datasource = SQLAlchemyDatasource.create(url, engine=engine)
    DBOS.launch()
    DBOS.register_queue("three", worker_concurrency=8, polling_interval_sec=0.05)
    for number in range(count):
        DBOS.enqueue_workflow("three", three, f"k{number}")
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
