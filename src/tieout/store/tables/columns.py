"""What all tables share: their metadata and the types of their columns."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, Numeric
from sqlalchemy import DateTime as _DateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MONEY = Numeric(20, 4)
PRICE = Numeric(20, 6)
HOURS = Numeric(20, 6)
QUANTITY = Numeric(20, 6)
SHARE = Numeric(9, 6)
MOMENT = _DateTime(timezone=True)


def recorded_at() -> Column:
    return Column("recorded_at", MOMENT, nullable=False)
