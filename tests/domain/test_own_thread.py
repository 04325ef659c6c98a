"""Frames in the thread that asks for them: results and errors as themselves, nobody else held up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

from tieout.domain.frames import FrameMismatch
from tieout.domain.frames.own_thread import in_own_thread


def doubled() -> int:
    frame = pl.DataFrame({"hours": [1, 2, 3]})
    return int(
        frame.filter(pl.col("hours") > 1).join(frame, on="hours").select(pl.col("hours") * 2).sum().item()
    )


def test_it_returns_and_raises_what_is_called() -> None:
    def refuse() -> None:
        raise FrameMismatch("frame hours: contract is missing")

    assert in_own_thread(lambda: (doubled(), threading.get_ident())) == (10, threading.get_ident())
    with pytest.raises(FrameMismatch, match="contract is missing"):
        in_own_thread(refuse)


def test_one_inside_another_and_others_beside_it_go_on() -> None:
    with ThreadPoolExecutor(4) as others:

        def wait_for_others() -> list[int]:
            beside = [others.submit(doubled), others.submit(in_own_thread, doubled)]
            return [in_own_thread(doubled), *(one.result(timeout=60) for one in beside)]

        assert in_own_thread(wait_for_others) == [10, 10, 10]
