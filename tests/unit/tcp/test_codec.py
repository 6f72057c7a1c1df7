"""Segments, options, datagrams and ICMP: to bytes and back, and bytes that nobody meant."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.report.checksum import checksum
from netlab.tcp import datagram, icmp, options, segment
from netlab.tcp.datagram import Datagram
from netlab.tcp.options import NO_OPTIONS, Options
from netlab.tcp.segment import ACK, PSH, SYN, DamagedError, Segment
from netlab.tcp.sequence import SPACE, unwrap, wrap

V4 = bytes([10, 0, 0, 10]), bytes([10, 0, 0, 80])
V6 = bytes.fromhex("fd00" + "0" * 27 + "7"), bytes.fromhex("fd00" + "0" * 26 + "80")
words = st.integers(0, 0xFFFFFFFF)
halves = st.integers(0, 0xFFFF)

some_options = st.builds(
    Options,
    mss=st.none() | halves,
    window_scale=st.none() | st.integers(0, 14),
    sack_permitted=st.booleans(),
    sack=st.lists(st.tuples(words, words), max_size=1).map(tuple),
    timestamps=st.none() | st.tuples(words, words),
)
segments = st.builds(
    Segment, halves, halves, words, words, st.integers(0, 0x1FF), halves, st.binary(max_size=40),
    some_options | st.just(NO_OPTIONS), halves,
)  # fmt: skip


@given(segments, st.sampled_from((V4, V6)))
def test_a_segment_survives(one: Segment, ends: tuple[bytes, bytes]) -> None:
    """Every segment comes out of its bytes as it went in, over IPv4 and IPv6; so does its datagram."""
    data = segment.encode(one, *ends)
    packet = datagram.decode(datagram.encode(Datagram(*ends, segment.PROTOCOL, data)))
    assert (packet.source, packet.destination, packet.protocol) == (*ends, segment.PROTOCOL)
    assert segment.decode(packet.payload, *ends) == one


@given(segments, st.sampled_from((V4, V6)), st.data())
def test_a_damaged_bit_is_noticed(one: Segment, ends: tuple[bytes, bytes], data: st.DataObject) -> None:
    """No segment with one bit wrong is taken for one: the checksum covers all of it, and both addresses."""
    whole = bytearray(b"".join(ends) + segment.encode(one, *ends))
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[at // 8] ^= 1 << at % 8
    size = len(ends[0])
    with pytest.raises(DamagedError):
        segment.decode(bytes(whole[2 * size :]), bytes(whole[:size]), bytes(whole[size : 2 * size]))


@given(st.binary(max_size=80))
def test_garbage_is_damaged_or_a_segment(data: bytes) -> None:
    """No bytes raise anything but DamagedError, be they read as a segment, a datagram, options or ICMP."""
    for read in (lambda: segment.decode(data, *V4), lambda: datagram.decode(data)):
        with contextlib.suppress(DamagedError):
            read()
    options.decode(data[:40])
    for version in (4, 6):
        icmp.decode(data, version)


def with_checksum(data: bytes) -> bytes:
    """Return a segment's bytes with the right checksum, whatever else is wrong with them."""
    data = data[:16] + b"\0\0" + data[18:]
    total = checksum(segment.pseudo_header(*V4, len(data)) + data)
    return data[:16] + total.to_bytes(2) + data[18:]


def test_a_known_segment_is_these_bytes() -> None:
    """A SYN with the usual options, by hand from RFC 9293's figure 1 and RFC 7323's appendix A."""
    syn = Segment(50000, 80, 1, 0, SYN, 65535, b"", Options(1460, 7, True, (), (2, 0)))
    data = segment.encode(syn, *V4)
    assert data[:16].hex() == "c35000500000000100000000b002ffff"
    assert data[20:].hex() == "020405b4010104020101080a000000020000000001030307"
    assert checksum(V4[0] + V4[1] + struct.pack("!HH", 6, len(data)) + data) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:19], "a header has 20"),
        (lambda data: data[:12] + b"\x40" + data[13:], "a data offset of 4 words"),
        (lambda data: data[:12] + b"\xf0" + data[13:], "a data offset of 15 words"),
    ],
)
def test_lengths_that_cannot_be(change: object, words: str) -> None:
    """A segment too short for a header, or whose data offset points into it or past its end, is damaged."""
    data = segment.encode(Segment(1, 2, 3, 4, ACK | PSH, 5, b"abc"), *V4)
    changed = change(data)  # type: ignore[operator]
    with pytest.raises(DamagedError, match=words):
        segment.decode(with_checksum(changed) if len(changed) >= 20 else changed, *V4)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ("", NO_OPTIONS),
        ("00020405b4", Options()),  # nothing after the end mark
        ("0101020405b4", Options(mss=1460)),
        ("020405b4fe0412ab0402", Options(mss=1460, sack_permitted=True)),  # an unknown kind: MUST-6
        ("020405b40300", Options(mss=1460)),  # an illegal length: MUST-7
        ("020405b40301", Options(mss=1460)),
        ("020405b40304", Options(mss=1460)),  # past the end
        ("020405b403", Options(mss=1460)),  # without a length
        ("0203050402", Options(sack_permitted=True)),  # a length that is not the kind's
        ("03030f", Options(window_scale=14)),  # RFC 7323, section 2.3
        ("050900000001000002", Options()),  # half a block
        ("050a0000000100000002", Options(sack=((1, 2),))),
    ],
)
def test_options_that_are_odd(data: str, found: Options) -> None:
    """Options are read up to the first that cannot be; unknown ones and wrong lengths are passed over."""
    assert options.decode(bytes.fromhex(data)) == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:10], "neither"),
        (lambda data: data[:8] + b"\x00" + data[9:], "checksum"),
        (lambda data: b"\x75" + data[1:], "neither"),
        (lambda data: data[:-1], "lengths"),
    ],
)
def test_datagrams_that_are_odd(change: object, words: str) -> None:
    """What is cut short, damaged, or of another version is not read."""
    data = datagram.encode(Datagram(*V4, 6, b"abcdef"))
    with pytest.raises(DamagedError, match=words):
        datagram.decode(change(data))  # type: ignore[operator]


def test_a_fragment_is_not_read() -> None:
    """The first part of a datagram, or a later one, is no datagram."""
    fields = (0x45, 0, 24, 0, 0x2000, 64, 6, 0, *V4)
    header = struct.pack("!BBHHHBBH4s4s", *fields)
    data = header[:10] + checksum(header).to_bytes(2) + header[12:] + b"abcd"
    with pytest.raises(DamagedError, match="fragment"):
        datagram.decode(data)


def test_extension_headers_are_passed_over() -> None:
    """A hop-by-hop header before TCP hides no segment; one that is cut short is damage."""
    whole = datagram.encode(Datagram(*V6, 0, bytes([6, 0, 1, 4, 0, 0, 0, 0]) + b"segment"))
    assert datagram.decode(whole) == Datagram(*V6, 6, b"segment")
    with pytest.raises(DamagedError):
        datagram.decode(datagram.encode(Datagram(*V6, 0, bytes([6, 9, 1, 4, 0, 0, 0, 0]))).ljust(44))


def quoting(kind: int, code: int, second: int, ends: tuple[bytes, bytes]) -> bytes:
    """Return an ICMP error about a segment from port 50000 to 80, number 7; 8 bytes of it are quoted."""
    quoted = datagram.encode(Datagram(*ends, 6, struct.pack("!HHIQ", 50000, 80, 7, 0)))
    return struct.pack("!BBHI", kind, code, 0, second) + quoted[: len(quoted) - 8]


@pytest.mark.parametrize(
    ("kind", "code", "second", "version", "meaning"),
    [
        (3, 3, 0, 4, icmp.Kind.HARD),
        (3, 1, 0, 4, icmp.Kind.SOFT),
        (3, 4, 1400, 4, icmp.Kind.TOO_BIG),
        (11, 0, 0, 4, icmp.Kind.SOFT),
        (4, 0, 0, 4, None),  # a source quench: MUST-55
        (0, 0, 0, 4, None),
        (1, 4, 0, 6, icmp.Kind.HARD),
        (1, 0, 0, 6, icmp.Kind.SOFT),
        (2, 0, 1300, 6, icmp.Kind.TOO_BIG),
        (3, 0, 0, 6, icmp.Kind.SOFT),
        (128, 0, 0, 6, None),
    ],
)
def test_icmp(kind: int, code: int, second: int, version: int, meaning: icmp.Kind | None) -> None:
    """Each error means what RFC 9293, section 3.9.2.2, says, and names the segment that it is about."""
    report = icmp.decode(quoting(kind, code, second, V4 if version == 4 else V6), version)
    assert (report and report.kind) is meaning
    if report is not None:
        assert (report.source_port, report.destination_port, report.seq) == (50000, 80, 7)
        assert report.mtu == second


@given(st.integers(0, SPACE * 4), st.integers(1 - SPACE // 2, SPACE // 2 - 1))
def test_numbers_unwrap(near: int, distance: int) -> None:
    """A number comes back from the wire as it was, if it is less than 2³¹ from one that is known."""
    assert unwrap(wrap(near + distance), near) == near + distance
