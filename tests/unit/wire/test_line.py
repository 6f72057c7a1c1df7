"""A line of limited rate: serialisation, a queue that overflows, and order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netlab.wire.line import QUEUE, Line

MS = 1_000_000


def test_a_frame_takes_its_time() -> None:
    """1250 bytes at 1 Mbit/s are 10 ms, and 20 ms later they arrive; the next one waits for the first."""
    line = Line(1_000_000, 20 * MS)
    assert line.arrival(1250, 0, 0) == 30 * MS
    assert line.arrival(1250, 0, 0) == 40 * MS
    assert line.arrival(125, 5 * MS, 0) == 41 * MS
    assert line.arrival(1250, 100 * MS, 0) == 130 * MS  # it has long been idle


def test_without_a_rate_there_is_only_the_delay() -> None:
    """Any number of frames arrive at once."""
    line = Line(None, 7)
    assert {line.arrival(100_000, 3, 0) for _ in range(1000)} == {10}


def test_a_full_queue_takes_no_more() -> None:
    """64 KiB may wait, and the one that crosses it; when some have left, there is room again."""
    line = Line(8_000_000, 0)  # a byte a microsecond
    arrivals = [line.arrival(1000, 0, 0) for _ in range(100)]
    taken = [one for one in arrivals if one is not None]
    assert arrivals[len(taken) :] == [None] * (100 - len(taken))
    assert len(taken) == -(-QUEUE // 1000)
    assert line.arrival(1000, 2 * MS, 0) == taken[-1] + MS


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(-500, 500)), max_size=50))
def test_jitter_does_not_reorder(packets: list[tuple[int, int]]) -> None:
    """A law: who comes later arrives no earlier."""
    line, now, last = Line(None, 500), 0, 0
    for gap, jitter in packets:
        now += gap
        arrival = line.arrival(100, now, jitter)
        assert arrival is not None
        assert arrival >= max(last, now)
        last = arrival
