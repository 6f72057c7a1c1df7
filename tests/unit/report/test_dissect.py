"""Headers from bytes: no bytes make it raise, and on what Scapy builds it reads what Scapy reads."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.report.checksum import ip_checksum_ok, transport_checksum_ok
from netlab.report.dissect import dissect, dissect_ip
from netlab.report.headers import Arp, Icmp, IPv4, IPv6, Tcp, TcpOption, Udp

PORT, LONG = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)
OPTIONS = st.sampled_from(
    [("MSS", 1460), ("SAckOK", b""), ("WScale", 7), ("NOP", None), ("Timestamp", (1, 2))]
)
STARTS = [
    b"",
    bytes(12) + b"\x08\x00\x45",
    bytes(12) + b"\x86\xdd\x60",
    bytes(12) + b"\x81\x00\0\x05\x08\x00\x45",
]


@given(st.sampled_from(STARTS), st.binary(max_size=120), st.integers(0, 200))
def test_no_bytes_make_it_raise(start: bytes, data: bytes, original_length: int) -> None:
    """Any frame gives a packet, its checksums can be asked for, and headers lie within the frame."""
    packet = dissect(start + data, original_length)
    ip_checksum_ok(packet)
    transport_checksum_ok(packet)
    for header in (packet.ethernet, packet.arp, packet.ip, packet.transport):
        assert header is None or header.offset + header.header_length <= len(packet.data)
    assert len(packet.payload) <= packet.payload_length
    dissect_ip(data)


@given(st.data())
def test_a_cut_or_changed_frame_does_not_make_it_raise(wire: Any, data: st.DataObject) -> None:
    """Every prefix of a sound frame, and every frame with a changed byte, gives a packet."""
    sack = b"\x01\x01\x05\x0a" + bytes(8)
    frame = bytearray(wire.tcp(("fd00::1", "fd00::2"), (1, 2), (3, 4), 0x10, b"data", options=sack))
    end = data.draw(st.integers(0, len(frame)))
    assert bool(dissect(bytes(frame[:end])).malformed) == (end < len(frame))
    frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    dissect(bytes(frame))


@given(
    fields=st.fixed_dictionaries({
        "sport": PORT, "dport": PORT, "seq": LONG, "ack": LONG, "flags": st.integers(0, 511),
        "window": PORT, "urgptr": PORT, "options": st.lists(OPTIONS, max_size=4),
    }),
    data=st.binary(max_size=50), vlan=st.none() | st.integers(0, 4095),
)  # fmt: skip
def test_reads_scapys_tcp(fields: dict[str, Any], data: bytes, vlan: int | None) -> None:
    """Every field of a TCP segment that Scapy built comes out again, and its checksums are right."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.l2 import Dot1Q, Ether

    tag = Dot1Q(vlan=vlan) if vlan is not None else None
    segment = TCP(**fields)
    ip = IP(src="10.0.0.10", dst="10.0.0.80", id=7, ttl=9, flags="DF", tos=4)
    link = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    packet = dissect(bytes(link / tag / ip / segment / data if tag else link / ip / segment / data))
    assert packet.malformed == ""
    assert packet.ethernet is not None
    assert packet.ethernet.vlans == (() if vlan is None else (vlan,))
    head, tcp = packet.ip, packet.transport
    assert isinstance(head, IPv4)
    assert (head.source, head.destination, head.ttl, head.flags) == ("10.0.0.10", "10.0.0.80", 9, 2)
    assert (head.identification, head.traffic_class, packet.is_fragment) == (7, 4, False)
    assert isinstance(tcp, Tcp)
    read = (tcp.source_port, tcp.destination_port, tcp.sequence, tcp.acknowledgment)
    assert read == tuple(fields[name] for name in ("sport", "dport", "seq", "ack"))
    assert (tcp.flags, tcp.window, tcp.urgent) == (fields["flags"], fields["window"], fields["urgptr"])
    kinds = {"MSS": 2, "SAckOK": 4, "WScale": 3, "NOP": 1, "Timestamp": 8}
    expected = [kinds[name] for name, _ in fields["options"]]
    assert [option.kind for option in tcp.options][: len(expected)] == expected
    assert (packet.payload, packet.payload_length) == (data, len(data))
    assert (ip_checksum_ok(packet), transport_checksum_ok(packet)) == (True, True)


@given(
    ports=st.tuples(PORT, PORT),
    data=st.binary(max_size=50),
    flow=st.integers(0, 2**20 - 1),
    hop_by_hop=st.booleans(),
)
def test_reads_scapys_udp_over_ipv6(
    ports: tuple[int, int],
    data: bytes,
    flow: int,
    hop_by_hop: bool,
) -> None:
    """Addresses, flow label, extension headers, ports and payload come out again, the checksum right."""
    from scapy.layers.inet import UDP
    from scapy.layers.inet6 import IPv6 as ScapyIPv6
    from scapy.layers.inet6 import IPv6ExtHdrHopByHop
    from scapy.layers.l2 import Ether

    head = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ScapyIPv6(
        src="fd00::1", dst="fd00::2", fl=flow
    )
    head = head / IPv6ExtHdrHopByHop() if hop_by_hop else head
    packet = dissect(bytes(head / UDP(sport=ports[0], dport=ports[1]) / data))
    ip, udp = packet.ip, packet.transport
    assert packet.malformed == ""
    assert isinstance(ip, IPv6)
    assert (ip.source, ip.destination, ip.flow_label) == ("fd00::1", "fd00::2", flow)
    assert (ip.extensions, ip.header_length) == (((0,), 48) if hop_by_hop else ((), 40))
    assert isinstance(udp, Udp)
    assert (udp.source_port, udp.destination_port, udp.length) == (*ports, 8 + len(data))
    assert packet.payload == data
    assert transport_checksum_ok(packet) is True


def test_padding_is_no_payload(wire: Any) -> None:
    """A short segment in a frame of 60 bytes has the payload that its IP header says."""
    frame = wire.tcp(wire.request, (1, 2), (3, 4), 0x10, b"x")
    packet = dissect(frame)
    assert (len(frame), packet.payload, packet.payload_length) == (60, b"x", 1)


def test_arp(wire: Any) -> None:
    """Who asks for whom."""
    arp = dissect(wire.arp(1, wire.client, wire.web)).arp
    assert arp == Arp(14, 28, 1, "02:00:00:00:00:10", wire.client, "00:00:00:00:00:00", wire.web)


def test_icmp(wire: Any) -> None:
    """Type, code, rest of the header and data; its place in the frame."""
    packet = dissect(wire.icmp(wire.request, 8, 0, 0x00070001, b"ping"))
    assert isinstance(packet.transport, Icmp)
    assert (packet.transport.offset, packet.transport.type, packet.transport.rest) == (34, 8, 0x00070001)
    assert packet.payload == b"ping"


def test_flags_are_named_in_the_usual_order(wire: Any) -> None:
    """SYN,ACK and FIN,ACK, as everyone says them, and AE last."""
    names = [
        dissect(wire.tcp(wire.request, (1, 2), (3, 4), flags)).transport.flag_names
        for flags in (0x12, 0x11, 0x18, 0x1FF, 0)
    ]
    everything = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE")
    assert names == [("SYN", "ACK"), ("FIN", "ACK"), ("PSH", "ACK"), everything, ()]


def test_options_keep_their_order_and_values(wire: Any) -> None:
    """A kernel's SYN: MSS, SACK permitted, timestamps, window scale; nothing after the end mark."""
    options = bytes.fromhex("020405b4 0402 080a0000000100000000 01 030307 00 aabbcc")
    tcp = dissect(wire.tcp(wire.request, (1, 2), (3, 4), 2, options=options)).transport
    expected = [(2, "05b4"), (4, ""), (8, "0000000100000000"), (1, ""), (3, "07")]
    assert tcp.options == tuple(TcpOption(kind, bytes.fromhex(value)) for kind, value in expected)


def test_the_middle_of_a_datagram_has_no_transport_header(wire: Any) -> None:
    """A later IPv4 fragment is data only; the first shows the header, and no length is held against it."""
    datagram = struct.pack("!HHHH", 1, 2, 2008, 0) + b"x" * 1472
    first = dissect(wire.ethernet(0x0800, wire.ip(wire.request, 17, datagram, fragment=0x2000)))
    later = dissect(wire.ethernet(0x0800, wire.ip(wire.request, 17, b"y" * 520, fragment=185)))
    assert isinstance(first.transport, Udp)
    assert (first.malformed, first.is_fragment, first.payload_length) == ("", True, 1472)
    assert (later.transport, later.malformed, later.payload_length) == (None, "", 520)
    assert later.ip is not None
    assert later.ip.fragment_offset == 1480


def test_ipv6_fragments(wire: Any) -> None:
    """The fragment header tells offset and whether more follow; a later fragment is data only."""
    header = struct.pack("!BBHI", 17, 0, 1480 | 1, 99)
    packet = dissect(wire.ethernet(0x86DD, wire.ip(("fd00::1", "fd00::2"), 44, header + b"data")))
    assert isinstance(packet.ip, IPv6)
    assert (packet.ip.identification, packet.ip.fragment_offset, packet.ip.more_fragments) == (99, 1480, True)
    assert (packet.ip.protocol, packet.transport, packet.malformed) == (17, None, "")


def test_what_the_recorder_cut_is_not_the_packets_fault(wire: Any) -> None:
    """A frame recorded in part is not malformed, and its length is the one that was on the wire."""
    frame = wire.tcp(wire.request, (1, 2), (3, 4), 0x10, b"x" * 1000)
    packet = dissect(frame[:96], len(frame))
    assert (packet.malformed, len(packet.payload), packet.payload_length) == ("", 96 - 54, 1000)


def test_a_quoted_packet_may_end_anywhere(wire: Any) -> None:
    """ICMP errors quote an IP header and 8 bytes: enough for the ports of UDP."""
    quoted = wire.udp(wire.request, (5000, 81), b"data")[14 : 14 + 28]
    packet = dissect_ip(quoted)
    assert isinstance(packet.transport, Udp)
    assert (packet.transport.destination_port, packet.malformed) == (81, "")


def spoiled(frame: bytes, at: int, value: int) -> bytes:
    """Return the frame with one byte changed."""
    return frame[:at] + bytes([value]) + frame[at + 1 :]


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda frame: frame[:9], "Ethernet header cut short: 9 of 14 bytes"),
        (lambda frame: frame[:30], "IPv4 header cut short: 16 of 20 bytes"),
        (lambda frame: spoiled(frame, 14, 0x65), "IP version 6 where IPv4 was announced"),
        (lambda frame: spoiled(frame, 14, 0x44), "IPv4 header length 16, but a header has at least 20 bytes"),
        (lambda frame: spoiled(frame, 17, 5), "IPv4 total length 5 is less than its header's 20"),
        (lambda frame: spoiled(frame, 16, 1), "IPv4 length exceeds the packet by 256 bytes"),
        (lambda frame: spoiled(frame, 17, 30), "TCP header cut short: 10 of 20 bytes"),
        (lambda frame: spoiled(frame, 46, 0x40), "TCP data offset 4, but a header has at least 5 words"),
        (lambda frame: spoiled(frame, 46, 0xF0), "TCP header cut short: 30 of 60 bytes"),
        (lambda frame: spoiled(frame, 55, 3), "TCP option 2 of 3 bytes"),
        (lambda frame: spoiled(frame, 55, 7), "TCP option 2 of 7 bytes"),
    ],
)
def test_what_is_wrong_is_said(wire: Any, spoil: Any, what: str) -> None:
    """Each way to spoil a TCP segment is told by the rule it breaks."""
    frame = wire.tcp(wire.request, (1, 2), (3, 4), 2, b"data12", options=bytes.fromhex("020405b4"))
    assert dissect(spoil(frame)).malformed == what


@pytest.mark.parametrize(
    ("length", "what"),
    [(7, "UDP length 7, but the header alone has 8 bytes"), (13, "UDP length exceeds the packet by 1 bytes")],
)
def test_udps_length_is_checked(wire: Any, length: int, what: str) -> None:
    """A UDP length below the header's or beyond the datagram is malformed."""
    segment = struct.pack("!HHHH", 1, 2, length, 0) + b"data"
    packet = dissect(wire.ethernet(0x0800, wire.ip(wire.request, 17, segment)))
    assert packet.malformed == what
