"""Each kind of packet in a line: names for addresses, words for what it is, remarks for what is wrong."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.report.frame import Frame
from netlab.report.line import format_line, parse_line
from netlab.report.narrator import Narrator, as_remark, as_word

NAMES = {
    "10.0.0.10": "client",
    "10.0.0.53": "dns",
    "10.0.0.80": "web",
    "fd00::1": "six",
    "fe80::2": "two words",
}


def tell(frame: bytes, original_length: int = 0, port: str = "eth0") -> str:
    """Return what is told of a single frame."""
    line = Narrator(NAMES).line(Frame(0, port, frame, original_length or len(frame)))
    return f"{line.source} > {line.destination} {line.protocol}: {line.text}"


@given(st.binary(max_size=100), st.sampled_from(["", "a b", "a > b", "x\ny", "  "]))
def test_any_bytes_and_names_give_a_line_that_can_be_read_back(data: bytes, name: str) -> None:
    """A law: no frame and no name breaks the trace's form."""
    frame = bytes(12) + b"\x08\x00\x45" + data
    line = Narrator({"10.0.0.80": name}).line(Frame(0, "client", frame, len(frame)))
    assert parse_line(format_line(line)) == line


def test_what_a_wire_did_is_a_remark(wire: Any) -> None:
    """It stands in a comment of the packet; other comments are somebody's own."""
    frame = wire.udp(wire.request, (5000, 7), b"x")
    comment = "mine\nwire: held 200 ms by wire, duplicated by wire\nwire: dropped by wire"
    told = Narrator(NAMES).line(Frame(0, "client", frame, len(frame), comment))
    assert told.remarks == ("held 200 ms by wire, duplicated by wire", "dropped by wire")
    assert parse_line(format_line(told)) == told


def test_arp(wire: Any) -> None:
    """A question to all, an answer to one, and a probe by one who has no address yet."""
    assert tell(wire.arp(1, wire.client, wire.dns)) == "client > broadcast ARP: who-has dns tell client"
    answer = wire.arp(2, wire.client, wire.dns, destination=bytes(6))
    assert tell(answer) == "client > dns ARP: client is-at 02:00:00:00:00:10"
    probe = wire.arp(1, "0.0.0.0", wire.dns)
    assert tell(probe) == "02:00:00:00:00:10 > broadcast ARP: who-has dns tell 0.0.0.0"


def test_udp(wire: Any) -> None:
    """Length of the payload; a name that is not one word is made one; an address without a name is shown."""
    assert (
        tell(wire.udp(wire.request, (5000, 7), b"x" * 30)) == "client:5000 > web:7 UDP: len=30 data=e90cd978"
    )
    six = wire.udp(("fe80::2", "fe80::3"), (5000, 7), b"hello")
    assert tell(six) == "two_words:5000 > [fe80::3]:7 UDP: len=5 data=ea6706f7"


def test_tcp_options_of_a_syn(wire: Any) -> None:
    """MSS, SACK, timestamps (not their value: a clock chose it), window scale, and what has no name."""
    options = bytes.fromhex("020405b4 0402 080a0000000100000000 01 030307 2202 0000")
    syn = wire.tcp(wire.request, (5000, 80), (9, 0), 0x02, options=options)
    assert tell(syn).endswith("SYN  seq=0 win=64240 len=0 isn=9 mss=1460 sackok ts wscale=7 option=34")


def test_the_isn_is_told_where_a_seed_has_drawn_it(wire: Any) -> None:
    """Of a SYN from a port that no kernel gives out; a server's port tells nothing."""
    told = {
        port: "isn=9" in tell(wire.tcp(wire.request, (port, 80), (9, 0), 0x02))
        for port in (1024, 32767, 32768, 49151, 49152, 65535)
    }
    assert told == {1024: True, 32767: True, 32768: False, 49151: False, 49152: True, 65535: True}
    assert "isn" not in tell(wire.tcp(wire.response, (80, 50000), (9, 1), 0x12))
    assert "isn" not in tell(wire.tcp(wire.request, (50000, 80), (9, 1), 0x10))


def test_a_challenge_ack_is_told_as_what_it_is(wire: Any) -> None:
    """The server answers a SYN within an older connection (RFC 5961, section 4)."""
    narrator = Narrator(NAMES)
    syn = wire.tcp(wire.request, (50000, 80), (9_000, 0), 0x02)
    challenge = wire.tcp(wire.response, (80, 50000), (77, 5_000), 0x10)
    told = [narrator.line(Frame(0, "client", frame, len(frame))) for frame in (syn, challenge)]
    assert "acknowledges an older connection" not in told[0].text
    assert "acknowledges an older connection" in told[1].text


@given(st.binary(min_size=1, max_size=20), st.binary(min_size=1, max_size=20))
def test_a_payload_is_told_by_its_digest(wire: Any, one: bytes, other: bytes) -> None:
    """A law: of TCP, UDP and what has no name, other bytes are another line, of the same length too."""
    for build in (
        lambda data: wire.udp(wire.request, (50000, 7), data),
        lambda data: wire.tcp(wire.request, (50000, 7), (1, 1), 0x18, data),
        lambda data: wire.ethernet(0x0800, wire.ip(wire.request, 253, data)),
        lambda data: wire.icmp(("fd00::1", "fd00::2"), 135, 0, 0, data),
    ):
        assert (tell(build(one)) == tell(build(other))) == (one == other)


def test_what_a_kernel_puts_into_a_payload_is_not_told(wire: Any) -> None:
    """The clock in an echo, the IP id in what an ICMP error quotes."""
    for kind in (0, 3, 8, 11, 13):
        first, second = (tell(wire.icmp(wire.request, kind, 0, 0, bytes([n]) * 28)) for n in (0, 1))
        assert first == second


def test_the_ip_header_is_told_where_it_is_unusual(wire: Any) -> None:
    """TTL but 64, type of service, DF and options; of IPv6 too."""

    def told(at: int, value: int) -> str:
        frame = bytearray(wire.udp(wire.request, (50000, 7), b""))
        frame[14 + at] = value
        return tell(bytes(frame)).partition("len=0")[2].removesuffix("  bad checksum (IPv4)")

    assert [told(8, 64), told(8, 63), told(1, 0x10), told(6, 0x40)] == ["", " ttl=63", " tos=0x10", " df"]
    six = bytearray(wire.udp(("fd00::1", "fd00::2"), (50000, 7), b""))
    six[21] = 255
    assert tell(bytes(six)).endswith("len=0 ttl=255")
    options = struct.pack("!BBHHHBBH", 0x46, 0, 24, 1, 0, 64, 253, 0)
    options += b"".join(ip_address(end).packed for end in wire.request) + bytes.fromhex("94040000")
    assert "len=0 ip-options=94040000  " in tell(wire.ethernet(0x0800, options))


@pytest.mark.parametrize(
    ("port", "remark"),
    [
        ("client", ""),
        ("web", "at web"),
        ("client.1", "at client.1"),
        ("eth0", ""),
        ("lan", ""),
        ("clien~1", ""),
        ("clien~1.2", "at clien~1.2"),
        ("we~1", "at we~1"),
    ],
)
def test_a_packet_that_enters_elsewhere_is_remarked(wire: Any, port: str, remark: str) -> None:
    """At another node's port, or at the node's own second one; what is no switch's port says nothing."""
    for frame in (
        wire.udp(wire.request, (50000, 7), b""),
        wire.icmp(wire.request, 8, 0, 0),
        wire.arp(1, wire.client, wire.dns),
    ):
        assert Narrator(NAMES).line(Frame(0, port, frame, len(frame))).remarks == (
            (remark,) if remark else ()
        )
    nobodys = wire.udp(("192.0.2.1", wire.web), (50000, 7), b"")
    assert tell(nobodys, port="client").endswith("  at client")


def test_options_after_the_syn(wire: Any) -> None:
    """What belongs into a SYN alone is told of another segment as well; timestamps are a kernel's matter."""
    options = bytes.fromhex("020405b4 0101080a0000000100000000 00000000")
    told = tell(wire.tcp(wire.request, (50000, 80), (9, 1), 0x10, options=options))
    assert told.endswith("ACK  seq=0 ack=0 win=64240 len=0 mss=1460  no SYN seen")


def test_tcp_oddities(wire: Any) -> None:
    """No flag at all, and urgent data."""
    assert "TCP: none  seq=0 win=64240 len=0" in tell(wire.tcp(wire.request, (1, 2), (9, 0), 0))
    assert "URG  seq=0 win=64240 len=0 urg=0" in tell(wire.tcp(wire.request, (1, 2), (9, 0), 0x20))


@pytest.mark.parametrize(
    ("ends", "message", "told"),
    [
        ("v4", (8, 0, 0x00070001, b"ping"), "echo-request id=7 seq=1 len=4"),
        ("v4", (11, 0, 0), "time-exceeded len=0"),
        ("v4", (42, 1, 0), "type-42-code-1 len=0"),
        (
            "v6",
            (135, 0, 0, ip_address("fd00::1").packed),
            "neighbour-solicitation target=six len=16 data=b74a838d",
        ),
        ("v6", (1, 4, 0), "port-unreachable len=0"),
    ],
)
def test_icmp(wire: Any, ends: str, message: tuple[Any, ...], told: str) -> None:
    """Messages have names, echoes numbers, neighbour discovery its target."""
    frame = wire.icmp(wire.request if ends == "v4" else ("fd00::1", "fd00::2"), *message)
    assert tell(frame).partition(": ")[2] == told


def test_an_icmp_error_tells_what_it_is_about(wire: Any) -> None:
    """The quoted packet's ends are named."""
    quoted = wire.udp(wire.request, (5000, 81), b"hello")[14 : 14 + 28]
    told = "web > client ICMP: port-unreachable len=28  for client:5000 > web:81 UDP"
    assert tell(wire.icmp(wire.response, 3, 3, 0, quoted)) == told


def test_fragments(wire: Any) -> None:
    """Offset, and whether more follow."""
    datagram = struct.pack("!HHHH", 5000, 7, 2008, 0) + b"x" * 1472
    first = wire.ethernet(0x0800, wire.ip(wire.request, 17, datagram, fragment=0x2000))
    later = wire.ethernet(0x0800, wire.ip(wire.request, 17, b"y" * 528, fragment=185))
    assert tell(first) == "client:5000 > web:7 UDP: len=1472 data=135109ae fragment=0 more"
    assert tell(later) == "client > web UDP: len=528 data=0d9be061 fragment=1480"


def test_what_is_wrong_with_a_packet_is_remarked(wire: Any) -> None:
    """Wrong checksums, by protocol; malformed headers; what the recorder cut."""
    frame = bytearray(wire.udp(wire.request, (5000, 7), b"x" * 30))
    frame[50] ^= 1
    assert tell(bytes(frame)) == "client:5000 > web:7 UDP: len=30 data=00baf9a4  bad checksum (UDP)"
    frame[22] -= 1
    assert tell(bytes(frame)).endswith("data=00baf9a4 ttl=63  bad checksum (IPv4)  bad checksum (UDP)")
    assert tell(bytes(frame[:50]), len(frame)).endswith(
        "ttl=63  bad checksum (IPv4)  recorded 50 of 72 bytes"
    )
    assert (
        tell(b"\1\2")
        == "? > ? Ethernet: len=2 data=db37d69d  malformed: Ethernet header cut short: 2 of 14 bytes"
    )


def test_what_is_not_ip(wire: Any) -> None:
    """Other EtherTypes are told by number, IEEE 802.3 frames as LLC, between MACs; VLANs are told."""
    assert (
        tell(wire.ethernet(0x88CC, b""))
        == "02:00:00:00:00:10 > 02:00:00:00:00:80 0x88cc: len=46 data=9baa9ccc"
    )
    assert (
        tell(wire.ethernet(0x0026, b"", b"\xff" * 6))
        == "02:00:00:00:00:10 > broadcast LLC: len=46 data=9baa9ccc"
    )
    assert tell(wire.ethernet(0x8100, b"\0\x05\x88\xcc")).endswith("0x88cc: len=42 data=c789132d  VLAN 5")
    assert (
        tell(wire.ethernet(0x0800, wire.ip(wire.request, 253, b"test")))
        == "client > web IP-253: len=4 data=748bf119"
    )


@given(st.text())
def test_texts_from_packets_stay_on_their_line(text: str) -> None:
    """A law: a word has no space, a remark no line's end and no two spaces."""
    assert " " not in as_word(text)
    assert as_word(text).isprintable()
    remark = as_remark(text)
    assert remark.isprintable()
    assert "  " not in remark
    assert remark == remark.strip()
