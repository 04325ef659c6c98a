"""Operations on frames in the thread that asks for them (ADR 0019)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import polars as pl

T = TypeVar("T")


def in_own_thread(act: Callable[[], T]) -> T:
    """What `act` returns or raises; operations on frames inside it stay in the calling thread.

    Polars hands each operation to threads of its own and waits: on a few rows that takes longer than the operation.
    Inside a function that Polars calls itself it computes on the spot, with one core. Other threads are not held up.
    """
    outcome = Future[T]()

    def call(frame: pl.DataFrame) -> pl.DataFrame:
        try:
            outcome.set_result(act())
        except BaseException as error:
            outcome.set_exception(error)
        return frame

    pl.LazyFrame({"one": [1]}).map_batches(call).collect()
    return outcome.result()
