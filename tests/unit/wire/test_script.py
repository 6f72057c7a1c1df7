"""Which packets a script is for: each kind of word, and how steps count."""

from __future__ import annotations

import struct

import pytest

from netlab.topology.steps import parse_step
from netlab.topology.wires import Step
from netlab.wire.packet import look
from netlab.wire.script import Script
from tests.unit.wire.frames import ACK, BUILDER, FIN, SYN, tcp, udp

FRAMES = {
    "syn": (True, tcp(flags=SYN)),
    "syn-ack": (False, tcp(flags=SYN | ACK)),
    "get": (True, tcp(b"GET")),
    "ack": (False, tcp()),
    "page": (False, tcp(b"page")),
    "fin": (False, tcp(flags=FIN | ACK)),
    "query": (True, udp(b"query")),
    "empty": (True, udp()),
    "arp": (True, BUILDER.arp(1, "10.0.0.1", "10.0.0.2")),
    "ping": (True, BUILDER.icmp(("10.0.0.1", "10.0.0.2"), 8, 0, 1, b"x")),
    "neighbour": (False, BUILDER.icmp(("fe80::1", "fe80::2"), 135, 0, 0)),
}


def step(words: str) -> Step:
    """Return a step of client's cable."""
    found = parse_step(words, "client")
    assert isinstance(found, Step)
    return found


@pytest.mark.parametrize(
    ("which", "names"),
    [
        ("each", "syn syn-ack get ack page fin query empty arp ping neighbour"),
        ("each tcp", "syn syn-ack get ack page fin"),
        ("each tcp syn", "syn syn-ack"),
        ("each syn no ack", "syn"),
        ("each tcp data", "get page"),
        ("each tcp no data", "syn syn-ack ack fin"),
        ("each data", "get page query"),
        ("each no data from client", "syn empty"),
        ("each to client", "syn-ack ack page fin neighbour"),
        ("each udp", "query empty"),
        ("each arp", "arp"),
        ("each icmp", "ping"),
        ("each icmpv6", "neighbour"),
        ("1st tcp", "syn"),
        ("2nd tcp data", "page"),
        ("3rd tcp to client no data", "fin"),
        ("9th tcp", ""),
    ],
)
def test_which_packets(which: str, names: str) -> None:
    """Every word narrows them down, and a number is of those that fit."""
    script = Script([step(f"drop {which}")])
    hit = [name for name, (sent, frame) in FRAMES.items() if script.steps(look(frame), sent=sent)]
    assert hit == names.split()


def test_steps_count_for_themselves() -> None:
    """A packet may be for several, which come in their order; one that is hit counts for the others too."""
    steps = [step("corrupt 2nd tcp"), step("drop 1st tcp data"), step("delay each tcp by 1 ms")]
    script = Script(steps)
    told = [script.steps(look(frame), sent=True) for frame in (tcp(), tcp(b"x"), tcp(b"y"))]
    assert told == [[steps[2]], steps, [steps[2]]]


def test_a_direction_without_steps_need_not_be_looked_at() -> None:
    """`is_for` is by `sent`."""
    assert Script([]).is_for == (False, False)
    assert Script([step("drop 1st tcp from client")]).is_for == (False, True)
    assert Script([step("drop 1st tcp to client")]).is_for == (True, False)
    assert Script([step("drop 1st tcp")]).is_for == (True, True)


@pytest.mark.parametrize(
    ("which", "hit"),
    [("each udp", [0]), ("each udp no data", []), ("2nd udp", []), ("each data", [0]), ("each", [0, 1, 2])],
)
@pytest.mark.parametrize("version", [4, 6])
def test_fragments(version: int, which: str, hit: list[int]) -> None:
    """Later ones have no header by which a step could know them: none that asks for one counts them."""
    frames = []
    for number, offset in enumerate((0, 8, 512)):
        if version == 4:
            flags = offset >> 3 | (0x2000 if number < 2 else 0)
            datagram = BUILDER.ip(("10.0.0.1", "10.0.0.2"), 17, udp(b"x" * 8)[34:], fragment=flags)
            frames.append(BUILDER.ethernet(0x0800, datagram))
        else:
            header = struct.pack("!BxHI", 17, offset | (number < 2), 1)
            packet = BUILDER.ip(("fd00::1", "fd00::2"), 44, header + udp(b"x" * 8)[34:])
            frames.append(BUILDER.ethernet(0x86DD, packet))
    script = Script([step(f"drop {which}")])
    assert [at for at, frame in enumerate(frames) if script.steps(look(frame), sent=True)] == hit
