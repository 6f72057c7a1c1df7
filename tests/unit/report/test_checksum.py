"""The Internet checksum, against its definition and against flipped bits."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.report.checksum import checksum, ip_checksum_ok, transport_checksum_ok
from netlab.report.dissect import dissect


def word_by_word(data: bytes) -> int:
    """Sum as RFC 1071, section 1, writes it."""
    total = 0
    for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@given(st.one_of(st.binary(), st.integers(0, 9).map(bytes), st.integers(0, 9).map(lambda n: b"\xff" * n)))
def test_is_the_ones_complement_sum(data: bytes) -> None:
    """The division gives what adding word by word gives, all zeros and all ones included."""
    assert checksum(data) == word_by_word(data)


def test_the_example_of_the_rfc() -> None:
    """RFC 1071, section 3: the sum of 0001 f203 f4f5 f6f7 is ddf2."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF


def frames(wire: Any) -> list[bytes]:
    """Return a frame of each transport over IPv4 and IPv6."""
    six = "2001:db8::10", "2001:db8::80"
    four = wire.client, wire.web
    return [
        frame
        for ends in (four, six)
        for frame in (
            wire.tcp(ends, (1, 2), (3, 4), 0x18, b"odd"),
            wire.udp(ends, (1, 2), b"even"),
            wire.icmp(ends, 128 if ends is six else 8, 0, 7, b"ping"),
        )
    ]


def test_right_checksums_are_right(wire: Any) -> None:
    """What was summed by RFC 1071 word by word verifies, for every protocol and odd lengths."""
    packets = [dissect(frame) for frame in frames(wire)]
    assert [transport_checksum_ok(packet) for packet in packets] == [True] * 6
    assert [ip_checksum_ok(packet) for packet in packets] == [True] * 3 + [None] * 3


@given(which=st.integers(0, 5), bit=st.integers(0, 7), data=st.data())
def test_every_flipped_bit_is_noticed(wire: Any, which: int, bit: int, data: st.DataObject) -> None:
    """One bit changed in the payload makes the checksum wrong."""
    frame = bytearray(frames(wire)[which])
    packet = dissect(bytes(frame))
    assert packet.transport is not None
    start = packet.transport.offset + packet.transport.header_length
    frame[data.draw(st.integers(start, start + packet.payload_length - 1))] ^= 1 << bit
    assert transport_checksum_ok(dissect(bytes(frame))) is False


def test_a_spoiled_ipv4_header_is_noticed(wire: Any) -> None:
    """A changed TTL makes the header's checksum wrong, and leaves the segment's right."""
    frame = bytearray(wire.udp(wire.request, (1, 2), b"data"))
    frame[22] -= 1
    packet = dissect(bytes(frame))
    assert (ip_checksum_ok(packet), transport_checksum_ok(packet)) == (False, True)


@pytest.mark.parametrize(
    ("ends", "verdict"), [(("10.0.0.1", "10.0.0.2"), None), (("fd00::1", "fd00::2"), False)]
)
def test_udp_may_send_none_over_ipv4_alone(wire: Any, ends: tuple[str, str], verdict: bool | None) -> None:
    """Zero is "no checksum" over IPv4 (RFC 768) and forbidden over IPv6 (RFC 8200, section 8.1)."""
    segment = struct.pack("!HHHH", 1, 2, 12, 0) + b"data"
    kind = 0x86DD if ":" in ends[0] else 0x0800
    assert transport_checksum_ok(dissect(wire.ethernet(kind, wire.ip(ends, 17, segment)))) is verdict


def test_what_was_not_captured_whole_is_not_judged(wire: Any) -> None:
    """A packet cut by the recorder has neither a right nor a wrong checksum."""
    frame = wire.tcp(wire.request, (1, 2), (3, 4), 0x18, b"x" * 100)
    assert transport_checksum_ok(dissect(frame[:80], len(frame))) is None
