"""What a wire sees of a frame: protocol, flow, flags, data; and that no bytes trouble it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.wire.packet import FLAGS, look
from tests.unit.wire.frames import ACK, BUILDER, PSH, SYN, tcp, udp

SIX = ("fd00::10", "fd00::80")


@pytest.mark.parametrize(
    ("frame", "protocol", "data"),
    [
        (tcp(), "tcp", b""),
        (tcp(b"hello", ends=SIX), "tcp", b"hello"),
        (BUILDER.tcp(("10.0.0.1", "10.0.0.2"), (1, 2), (0, 0), SYN, options=b"\1" * 8), "tcp", b""),
        (udp(), "udp", b""),
        (udp(b"x" * 600, ends=SIX), "udp", b"x" * 600),
        (BUILDER.icmp(("10.0.0.1", "10.0.0.2"), 8, 0, 7, b"ping"), "icmp", b"ping"),
        (BUILDER.icmp(SIX, 135, 0, 0, b"t" * 16), "icmpv6", b"t" * 16),
        (BUILDER.arp(1, "10.0.0.1", "10.0.0.2"), "arp", b""),
        (BUILDER.ethernet(0x88CC, b"?"), "", b""),
        (BUILDER.ethernet(0x0800, BUILDER.ip(("10.0.0.1", "10.0.0.2"), 47, b"gre")), "", b""),
    ],
)
def test_protocol_and_data(frame: bytes, protocol: str, data: bytes) -> None:
    """A network card's padding is no data."""
    packet = look(frame)
    assert packet.protocol == protocol
    assert frame[packet.payload : packet.end] == data
    assert packet.has_data == bool(data)


def test_flags_are_tcps() -> None:
    """Each has the bit of RFC 9293, section 3.1."""
    assert look(tcp(flags=SYN | ACK | PSH)).flags == FLAGS["syn"] | FLAGS["ack"] | FLAGS["psh"]
    assert list(FLAGS.values()) == [1 << bit for bit in range(8)]


def test_a_kernels_port_is_not_in_a_flow() -> None:
    """What no seed decides (the client's port) does not change a flow; the server's port does."""
    flows = {look(tcp(ports=(client, 80))).flow for client in (32768, 40000, 49151, 49152, 60000)}
    assert len(flows) == 1
    assert look(tcp(ports=(40000, 81))).flow not in flows
    # A server within the kernel's range is not told from its clients.
    assert look(tcp(ports=(40000, 40001))).flow == look(tcp(ports=(40001, 45000))).flow


def test_flows_are_told_apart() -> None:
    """By protocol, addresses and their direction, and the lower port."""
    frames = [
        *(tcp(), udp(ports=(50000, 80)), tcp(ends=("10.0.0.80", "10.0.0.10")), tcp(ends=SIX)),
        *(BUILDER.arp(1, "10.0.0.1", "10.0.0.2"), BUILDER.arp(1, "10.0.0.1", "10.0.0.3")),
        *(BUILDER.icmp(("10.0.0.10", "10.0.0.80"), 8, 0, 1), tcp(ports=(50000, 8080))),
    ]
    assert len({look(frame).flow for frame in frames}) == len(frames)


def test_a_later_fragment_has_no_ports() -> None:
    """Its first bytes are data, whatever they look like; the first fragment has the header."""
    ends = ("10.0.0.1", "10.0.0.2")
    segment = tcp(b"x" * 40)[34:]
    later = look(BUILDER.ethernet(0x0800, BUILDER.ip(ends, 6, segment, fragment=0x2001)))
    assert (later.protocol, later.flags, later.has_data) == ("tcp", 0, False)
    first = look(BUILDER.ethernet(0x0800, BUILDER.ip(ends, 6, segment, fragment=0x2000)))
    assert (first.flags, first.has_data) == (ACK, True)


def test_extension_headers_are_passed_over() -> None:
    """A hop-by-hop header and a first fragment's stand before UDP; a later fragment ends the search."""
    datagram = udp(b"hello", ends=SIX)[54:67]
    hop = struct.pack("!BB6x", 17, 0)
    packet = look(BUILDER.ethernet(0x86DD, BUILDER.ip(SIX, 0, hop + datagram)))
    assert (packet.protocol, packet.has_data) == ("udp", True)
    # An Authentication Header of 24 bytes counts words of four, a destination header of 16 words of eight.
    for kind, size, length in ((51, 24, 4), (60, 16, 1)):
        header = struct.pack(f"!BB{size - 2}x", 17, length)
        packet = look(BUILDER.ethernet(0x86DD, BUILDER.ip(SIX, kind, header + datagram)))
        assert (packet.protocol, packet.payload) == ("udp", 54 + size + 8)
    for offset, has_data in ((0, True), (8, False)):
        fragment = struct.pack("!BxHI", 17, offset, 1)
        packet = look(BUILDER.ethernet(0x86DD, BUILDER.ip(SIX, 44, fragment + datagram)))
        assert (packet.protocol, packet.has_data) == ("udp", has_data)


@given(st.sampled_from([b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\0\0"]), st.binary(max_size=90))
def test_any_bytes(kind: bytes, rest: bytes) -> None:
    """A law: whatever comes, the offsets lie within the frame and in order."""
    frame = bytes(12) + kind + rest
    packet = look(frame)
    assert 0 <= packet.transport <= packet.payload <= packet.end <= len(frame)


@given(st.integers(0, 70))
def test_a_frame_cut_short(length: int) -> None:
    """So it is with a good frame that has lost its end."""
    packet = look(tcp(b"x" * 20)[:length])
    assert packet.transport <= packet.payload <= packet.end <= length
