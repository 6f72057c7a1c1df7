"""Messages between session and supervisor: whole, with their descriptors; errors stay what they were."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab import errors
from netlab.backends.inside import channel
from netlab.errors import (
    CommandNotFoundError,
    LabError,
    MachineError,
    ServiceError,
    TimeLimitError,
    UsageError,
)

TEXT = st.text(max_size=40)
SAID = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | TEXT | st.lists(TEXT), max_size=5)
CARRIED = [MachineError, LabError, ServiceError, TimeLimitError, CommandNotFoundError, UsageError]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a channel."""
    one, other = channel.pair()
    with one, other:
        yield one, other


@given(said=st.lists(SAID, max_size=5))
def test_messages_arrive_apart_and_in_order(said: list[dict[str, Any]]) -> None:
    """Each message is received as one, whatever is in it, in the order of sending."""
    one, other = channel.pair()
    with one, other:
        for message in said:
            channel.send(one, message)
        assert [channel.receive(other) for _ in said] == [(message, []) for message in said]


def test_bytes_that_are_no_text_pass(ends: tuple[socket.socket, socket.socket]) -> None:
    """An argument that is not UTF-8, as Python holds it, comes out as it went in."""
    name = os.fsdecode(b"\xff\xfe name")
    channel.send(ends[0], {"argv": [name]})
    assert channel.receive(ends[1]) == ({"argv": [name]}, [])


def test_descriptors_travel(ends: tuple[socket.socket, socket.socket]) -> None:
    """Descriptors arrive as new ones for the same files, and are not inherited by programs."""
    reading, writing = os.pipe()
    channel.send(ends[0], {}, (reading, writing))
    os.close(reading)
    os.close(writing)
    received = channel.receive(ends[1])
    assert received is not None
    got_reading, got_writing = received[1]
    os.write(got_writing, b"x")
    assert os.read(got_reading, 1) == b"x"
    assert not os.get_inheritable(got_reading)
    for descriptor in received[1]:
        os.close(descriptor)


@pytest.mark.parametrize("excess", [0, 1])
def test_the_largest_message(ends: tuple[socket.socket, socket.socket], excess: int) -> None:
    """A message of the limit arrives whole; a larger one is refused before the other side sees a part."""
    message: dict[str, Any] = {"x": "y" * (channel.LARGEST - len('{"x": ""}') + excess)}
    if excess:
        with pytest.raises(LabError, match=f"{channel.LARGEST + 1} bytes are too many — shorten the command"):
            channel.send(ends[0], message)
        channel.send(ends[0], {"next": 1})
        message = {"next": 1}
    else:
        channel.send(ends[0], message)
    assert channel.receive(ends[1]) == (message, [])


def test_the_other_side_has_gone(ends: tuple[socket.socket, socket.socket]) -> None:
    """Receiving says None; sending is a LabError."""
    ends[1].close()
    assert channel.receive(ends[0]) is None
    with pytest.raises(LabError, match="the lab has ended"):
        channel.send(ends[0], {})


def test_waiting(ends: tuple[socket.socket, socket.socket]) -> None:
    """`wait` tells whether there is something: a message, or the other side's end."""
    assert not channel.wait(ends[0], 0)
    channel.send(ends[1], {})
    assert channel.wait(ends[0], None)
    channel.receive(ends[0])
    assert not channel.wait(ends[0], 0.01)
    ends[1].close()
    assert channel.wait(ends[0], None)


@pytest.mark.parametrize("kind", CARRIED)
@given(what=TEXT, hint=TEXT, log=st.lists(TEXT))
def test_errors_stay_what_they_were(
    kind: type[errors.NetlabError], what: str, hint: str, log: list[str]
) -> None:
    """An error raised inside is raised outside: the same class, exit status and text, also through JSON."""
    error = ServiceError(what, hint, log) if kind is ServiceError else kind(what, hint)
    one, other = channel.pair()
    with one, other:
        channel.send(one, {"error": channel.encode_error(error)})
        received = channel.receive(other)
    assert received is not None
    with pytest.raises(kind) as caught:
        channel.raise_error(received[0]["error"])
    assert (type(caught.value), str(caught.value)) == (kind, str(error))
    assert caught.value.exit_status == error.exit_status


def test_a_fault_of_ours_is_called_one() -> None:
    """Any other exception becomes a LabError that says where it was, and asks for a report."""
    nothing: dict[str, int] = {}
    try:
        nothing["missing"]
    except KeyError as error:
        encoded = channel.encode_error(error)
    with pytest.raises(
        LabError, match=r"test_channel\.py:\d+: KeyError\('missing'\) — this is a fault of netlab"
    ):
        channel.raise_error(encoded)


def test_the_peer_is_known(ends: tuple[socket.socket, socket.socket]) -> None:
    """The kernel tells whose process is on the other side."""
    assert channel.peer_user(ends[0]) == os.geteuid()
