"""Two endpoints over a wire that misbehaves as generated schedules say: TCP's promises hold for all of them.

There are 10,000 schedules, or as many as NETLAB_TEST_SCHEDULES says; each test has its share of them.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netlab.tcp.block import Failure
from netlab.tcp.segment import Segment
from netlab.tcp.sequence import SPACE
from netlab.tcp.settings import Settings
from netlab.tcp.states import State
from tests.unit.tcp.simulation import LEGAL, Side, World, assert_legal, make_world

SCHEDULES = int(os.environ.get("NETLAB_TEST_SCHEDULES", "10000"))
TEXTS = random.Random(1).randbytes(1200), random.Random(2).randbytes(1200)

# Short waits make short runs; nothing here depends on how long a second is.
QUICK = Settings(
    mss=100, receive_buffer=1000, send_buffer=2000, minimum_rto=0.2, maximum_rto=4.0, msl=1.0, nagle=False,
)  # fmt: skip
VARIANTS = (
    QUICK,
    Settings(
        mss=100, receive_buffer=300, send_buffer=500, minimum_rto=0.2, maximum_rto=4.0, msl=1.0, sack=False
    ),
    Settings(mss=100, minimum_rto=0.2, maximum_rto=4.0, msl=1.0, timestamps=False, window_scaling=False),
    Settings(
        mss=100, receive_buffer=150, maximum_rto=4.0, msl=1.0, delayed_ack=0.0, timestamps=False, sack=False
    ),
)

# The numbers of a connection begin near where 32 bits end, as often as anywhere.
numbers = st.sampled_from((0, 1, SPACE - 1, SPACE - 700, SPACE // 2 - 300)) | st.integers(0, SPACE - 1)
sizes = st.tuples(st.integers(0, 320), st.integers(0, 320))
schedules = st.binary(max_size=24)


def share(part: float) -> Callable[[Any], Any]:
    """Give a test its part of the schedules."""
    # How long drawing takes says more about the machine than about the code.
    quiet = [HealthCheck.too_slow]
    return settings(max_examples=max(1, int(SCHEDULES * part)), suppress_health_check=quiet)


def assert_good(world: World) -> None:
    """Fail unless each side has heard what the other said, and both have ended as the table allows."""
    client, web = world.sides
    for side, other in ((client, web), (web, client)):
        assert bytes(side.heard) == other.to_say
        assert side.at_end
        assert_legal(side)
        assert (side.endpoint.state, side.endpoint.failure) == (State.CLOSED, None)


def assert_ended(side: Side, other: Side) -> None:
    """Fail unless a side has ended, legally, and what it heard is the beginning of what was said."""
    assert side.endpoint.state is State.CLOSED
    assert_legal(side)
    assert other.to_say.startswith(bytes(side.heard))


def world_of(
    said: tuple[int, int], schedule: bytes, isn: tuple[int, int], *, variant: int = 0, both_open: bool = False
) -> World:
    """Make a world in which the sides say so many bytes."""
    says = TEXTS[0][: said[0]], TEXTS[1][: said[1]]
    return make_world(says=says, schedule=schedule, settings=VARIANTS[variant], isn=isn, both_open=both_open)


@share(0.25)
@given(st.integers(150, 500), schedules, st.tuples(numbers, numbers))
def test_a_download(length: int, schedule: bytes, isn: tuple[int, int]) -> None:
    """What one side asks with a line, the other answers at length: every byte, in order, once."""
    world = world_of((20, length), schedule, isn)
    world.run()
    assert_good(world)


@share(0.25)
@given(sizes, schedules, st.tuples(numbers, numbers))
def test_what_arrives_is_what_was_sent(said: tuple[int, int], schedule: bytes, isn: tuple[int, int]) -> None:
    """Loss, duplicates, reordering and damage change no byte, lead to no illegal state, and end."""
    world = world_of(said, schedule, isn)
    world.run()
    assert_good(world)


@share(0.15)
@given(sizes, schedules, st.tuples(numbers, numbers))
def test_both_may_open(said: tuple[int, int], schedule: bytes, isn: tuple[int, int]) -> None:
    """So does a connection that both sides open at the same time."""
    world = world_of(said, schedule, isn, both_open=True)
    world.run()
    assert_good(world)
    assert all(State.LISTEN not in side.endpoint.block.history for side in world.sides)


@share(0.2)
@given(
    sizes, schedules, st.tuples(numbers, numbers), st.sampled_from(range(len(VARIANTS))),
    st.tuples(st.sampled_from((1, 60, 5000)), st.sampled_from((7, 130, 5000))),
)  # fmt: skip
def test_small_windows_and_missing_options(
    said: tuple[int, int], schedule: bytes, isn: tuple[int, int], variant: int, habits: tuple[int, int]
) -> None:
    """The same holds with windows of a segment or two, users that write and read by bits, no options."""
    world = world_of((said[0] // 2, said[1] // 2), schedule, isn, variant=variant)
    world.sides[0].piece, world.sides[1].most = max(habits[0], said[0] // 20), habits[1]
    world.run()
    assert_good(world)


@share(0.1)
@given(sizes, schedules, st.integers(0, 25))
def test_a_peer_that_vanishes(said: tuple[int, int], schedule: bytes, packet: int) -> None:
    """From some packet on nothing arrives: both sides end by themselves, having heard a part or all of it."""
    world = world_of(said, schedule, (1, 2))
    world.vanishes_at = packet
    world.run()
    client, web = world.sides
    assert_ended(client, web)
    if web.endpoint.state is State.LISTEN:  # it never heard anything, and goes on listening
        assert not web.heard
    else:
        assert_legal(web)
        assert client.to_say.startswith(bytes(web.heard))
    assert client.endpoint.failure in (None, Failure.TIMED_OUT, Failure.RESET)


forgeries = st.tuples(
    st.integers(0, 20),
    st.builds(
        Segment,
        st.just(80),
        st.just(50000),
        seq=numbers,
        ack=numbers,
        flags=st.integers(0, 0x3F),
        window=st.integers(0, 0xFFFF),
        data=st.binary(max_size=5),
    ),
)


@share(0.05)
@given(sizes, schedules, st.tuples(numbers, numbers), st.lists(forgeries, min_size=1, max_size=3))
def test_what_others_forge(
    said: tuple[int, int], schedule: bytes, isn: tuple[int, int], forged: list[tuple[int, Segment]]
) -> None:
    """Segments of any numbers, by somebody who guesses, lead to no illegal state, and both sides end."""
    world = world_of(said, schedule, isn)
    world.forged = tuple(forged)
    world.run()
    for side in world.sides:
        assert_legal(side)
        assert side.endpoint.state in (State.CLOSED, State.LISTEN)


def test_the_table_is_the_diagram() -> None:
    """Each change that RFC 9293's figure 5 draws is in the table, and each state can be left for CLOSED."""
    drawn = """
        CLOSED LISTEN · CLOSED SYN_SENT · LISTEN SYN_RECEIVED · LISTEN SYN_SENT · LISTEN CLOSED
        SYN_SENT SYN_RECEIVED · SYN_SENT ESTABLISHED · SYN_SENT CLOSED · SYN_RECEIVED ESTABLISHED
        SYN_RECEIVED FIN_WAIT_1 · SYN_RECEIVED LISTEN · ESTABLISHED FIN_WAIT_1 · ESTABLISHED CLOSE_WAIT
        FIN_WAIT_1 FIN_WAIT_2 · FIN_WAIT_1 CLOSING · FIN_WAIT_2 TIME_WAIT · CLOSING TIME_WAIT
        CLOSE_WAIT LAST_ACK · LAST_ACK CLOSED · TIME_WAIT CLOSED
    """
    pairs = " ".join(drawn.split()).replace(" · ", " ").split()
    arrows = {(State[one], State[other]) for one, other in zip(pairs[::2], pairs[1::2], strict=True)}
    ended = {(state, State.CLOSED) for state in State if state is not State.CLOSED}
    assert arrows | ended == LEGAL
    assert len(State) == 11


@pytest.mark.parametrize("settings", VARIANTS)
def test_a_perfect_wire_needs_no_retransmission(settings: Settings) -> None:
    """Nothing is sent twice where nothing is lost: each side's text takes as many segments as it must."""
    world = make_world(says=TEXTS, settings=settings, isn=(7, SPACE - 5), both_open=False)
    world.run()
    assert_good(world)
    assert world.carried == [len(text) for text in TEXTS]
