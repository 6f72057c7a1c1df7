"""Headers field by field, and drawn: nothing is left out, and every value is the packet's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from netlab.report.checksum import transport_checksum
from netlab.report.dissect import dissect
from netlab.report.drawing import draw
from netlab.report.fields import Field, Header
from netlab.report.headers import Tcp
from netlab.report.packet_fields import headers

CLIENT, WEB = "10.0.0.10", "10.0.0.80"
OPTIONS = [
    ("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 7),
]  # fmt: skip


def frame(packet: Packet) -> bytes:
    """Return a packet's bytes, in a frame."""
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet)


def segment(**how: object) -> Packet:
    """Return a segment to web's port 80."""
    return IP(src=CLIENT, dst=WEB, id=1) / TCP(**{"sport": 50000, "dport": 80, "seq": 1000, **how})


def fields(packet: Packet, title: str = "TCP") -> dict[str, Field]:
    """Return a header's fields by name; of several of one name, the last."""
    found = headers(dissect(frame(packet)))
    return {each.name: each for each in next(one for one in found if one.title.startswith(title)).fields}


def as_bits(header: Header) -> str:
    """Put a header together from what its fields say."""
    bits = ""
    for field in header.fields:
        number = int(ip_address(field.said)) if "address" in field.name else int(field.said, 0)
        bits += f"{number:0{field.bits}b}"
    return bits


PACKETS = {
    "query": IP(src=CLIENT, dst="10.0.0.53", id=1)
    / UDP(sport=65535, dport=53)
    / DNS(id=7, rd=1, qd=DNSQR(qname="www.lab.test")),
    "syn": segment(flags="SEC", options=OPTIONS),
    "unreachable": IP(src=WEB, dst=CLIENT, id=2)
    / ICMP(type=3, code=3)
    / IPerror(src=CLIENT, dst=WEB, id=1)
    / UDPerror(sport=50000, dport=81),
    "ping6": IPv6(src="fd00::1", dst="fd00::2", fl=5) / IPv6ExtHdrDestOpt() / ICMPv6EchoRequest(id=1, seq=2),
}


@pytest.mark.parametrize("name", PACKETS)
def test_a_drawing_is_the_golden_one(name: str, golden: Callable[[str, str], None]) -> None:
    """Each kind of header, drawn and explained, as a person has read it."""
    golden(f"headers/{name}.txt", draw(dissect(frame(PACKETS[name]))) + "\n")


def test_what_is_no_ip_is_not_drawn() -> None:
    """ARP, and what is no frame at all, have no such headers."""
    assert draw(dissect(frame(ARP()))) == draw(dissect(b"")) == ""


# -- the law: fields are the header ---------------------------------------------------------------------


def mutations(of: bytes) -> st.SearchStrategy[bytes]:
    """Change, cut and lengthen a frame behind its Ethernet header."""
    changes = st.lists(st.tuples(st.integers(14, len(of) - 1), st.integers(0, 255)), max_size=6)
    length = st.one_of(st.just(len(of)), st.integers(14, len(of) + 20))

    def changed(drawn: tuple[list[tuple[int, int]], int]) -> bytes:
        data = bytearray(of)
        for at, value in drawn[0]:
            data[at] = value
        return bytes(data[: drawn[1]]).ljust(drawn[1], b"\x00")

    return st.tuples(changes, length).map(changed)


def lengths(data: bytes) -> Iterator[tuple[int, int]]:
    """Give begin and length of the headers that a frame itself has."""
    packet = dissect(data)
    for header in (packet.ip, packet.transport):
        if header is not None:
            yield header.offset, header.header_length


@given(st.sampled_from(sorted(PACKETS)).flatmap(lambda name: mutations(frame(PACKETS[name]))))
def test_the_fields_are_the_headers_bits(data: bytes) -> None:
    """Whatever a frame holds, its fields put together are the bytes of its headers, none more or less."""
    found = [header for header in headers(dissect(data)) if not header.title.startswith("quoted")]
    for header, (offset, length) in zip(found, lengths(data), strict=True):
        assert int(as_bits(header), 2).to_bytes(length) == data[offset : offset + length]


@given(st.sampled_from(sorted(PACKETS)).flatmap(lambda name: mutations(frame(PACKETS[name]))))
def test_the_rows_are_of_one_width(data: bytes) -> None:
    """Every drawn row has 32 bits of two characters, and each field has a line of its own below."""
    text = draw(dissect(data))
    rows = [line for line in text.splitlines() if re.match(r"[+|]", line)]
    assert all(len(row) == 65 for row in rows)
    for header in headers(dissect(data)):
        for field in header.fields:
            assert re.search(rf"^{re.escape(field.name)} +{field.bits}  {re.escape(field.said)}", text, re.M)


@given(st.binary(min_size=20, max_size=60), st.integers(0, 40))
def test_any_options_are_told(options: bytes, cut: int) -> None:
    """Options of any bytes, cut short or damaged, are fields of which nothing is missing."""
    data = options[: max(0, len(options) - cut) // 4 * 4][:40]
    packet = frame(segment(flags="S"))
    made = bytearray(packet + data)
    made[14 + 20 + 12] = (5 + len(data) // 4) << 4
    made[16:18] = (40 + len(data)).to_bytes(2)
    (_, header) = headers(dissect(bytes(made)))
    assert int(as_bits(header), 2).to_bytes(20 + len(data)) == bytes(made[34:])


# -- reasons --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "name", "value", "reason"),
    [
        ({"flags": "S"}, "Acknowledgment number", "0", "means nothing: ACK is not set"),
        ({"flags": "SA", "ack": 8}, "Acknowledgment number", "8", "its SYN took one"),
        ({"flags": "S"}, "Sequence number", "1000", "ISN"),
        ({"flags": "PA"}, "Sequence number", "1000", "the first of 3 bytes"),
        ({"flags": "FA"}, "Sequence number", "1000", "the first of 3 bytes of data, after which FIN"),
        ({"flags": "RA", "seq": 0}, "Sequence number", "0", "a segment without ACK"),
        ({"flags": "R"}, "Sequence number", "1000", "RFC 5961"),
        ({"flags": "R"}, "Window", "8192", "there is no connection"),
        ({"flags": "SEC"}, "ECE", "1", "do you speak ECN"),
        ({"flags": "SEC"}, "CWR", "1", "do you speak ECN"),
        ({"flags": "SAE"}, "ECE", "1", "I do speak ECN"),
        ({"flags": "AE"}, "ECE", "1", "a packet came with a mark"),
        ({"flags": "A"}, "AE", "0", "once NS, in RFC 9293 reserved"),
        ({"flags": 0x110}, "AE", "1", "RFC 9768"),
        ({"flags": "A", "reserved": 5}, "Reserved", "5", "zero until"),
        ({"flags": "AU", "urgptr": 3}, "Urgent pointer", "3", "how far"),
        ({"flags": "A", "chksum": 1}, "Checksum", "0x0001", "WRONG: computed anew, it is 0x"),
        ({"flags": "A"}, "Checksum", None, "computed anew, it is the same"),
        ({"flags": "A", "sport": 0}, "Source port", "0", "well-known"),
        ({"flags": "A", "sport": 1023}, "Source port", "1023", "well-known"),
        ({"flags": "A", "sport": 1024}, "Source port", "1024", "registered"),
        ({"flags": "A", "sport": 49151}, "Source port", "49151", "registered"),
        ({"flags": "A", "sport": 49152}, "Source port", "49152", "dynamic"),
        ({"flags": "A", "sport": 65535}, "Source port", "65535", "dynamic"),
    ],
)
def test_a_reason_fits_its_packet(how: dict[str, object], name: str, value: str | None, reason: str) -> None:
    """What is said of a field depends on what else is in the header, as the RFCs have it."""
    found = fields(segment(**how) / Raw(b"abc" * (how["flags"] in ("PA", "FA"))))[name]
    assert found.said == (value or found.said)
    assert reason in found.why


def test_sacks_edges_have_their_names() -> None:
    """Blocks of SACK are pairs of edges."""
    found = fields(segment(flags="A", options=[("NOP", None), ("NOP", None), ("SAck", (5, 9))]))
    assert (found["left edge"].said, found["right edge"].said) == ("5", "9")


def test_udps_checksum_may_be_none() -> None:
    """Zero over IPv4 says that there is none; a wrong one is said to be wrong."""
    query = PACKETS["query"].copy()
    query[UDP].chksum = 0
    assert "computed none" in fields(query, "UDP")["Checksum"].why
    query[UDP].chksum = 1
    assert "WRONG" in fields(query, "UDP")["Checksum"].why


def test_a_headers_own_checksum_is_judged() -> None:
    """IPv4's covers its header alone."""
    packet = segment(flags="A")
    assert fields(packet, "IPv4")["Header checksum"].why.endswith("it is right")
    packet.chksum = 1
    assert fields(packet, "IPv4")["Header checksum"].why.endswith("it is WRONG")


# -- the checksum, computed -----------------------------------------------------------------------------


@given(st.binary(max_size=40), st.sampled_from(["tcp", "udp", "ping", "udp6"]))
def test_the_checksum_is_scapys(data: bytes, kind: str) -> None:
    """Whatever stands in the field, the same is computed that Scapy fills in."""
    heads = {
        "tcp": segment(flags="PA"),
        "udp": IP(src=CLIENT, dst=WEB) / UDP(sport=1, dport=2),
        "ping": IP(src=CLIENT, dst=WEB) / ICMP(),
        "udp6": IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=1, dport=2),
    }
    right = dissect(frame(heads[kind] / Raw(data)))
    assert right.transport is not None
    heads[kind].lastlayer().chksum = 1
    wrong = dissect(frame(heads[kind] / Raw(data)))
    assert transport_checksum(wrong) == transport_checksum(right) == right.transport.checksum


def test_a_udp_sum_of_zero_is_sent_as_all_ones() -> None:
    """RFC 768: a computed zero is 0xffff, for zero means that there is none."""
    packet = IP(src=CLIENT, dst=WEB) / UDP(sport=1, dport=2, chksum=0) / Raw(b"\x00\x00")
    first = transport_checksum(dissect(frame(packet)))
    assert first is not None
    packet[Raw].load = first.to_bytes(2)  # the sum with it is all ones, its complement zero
    assert transport_checksum(dissect(frame(packet))) == 0xFFFF


def test_a_checksum_of_what_is_not_whole() -> None:
    """A packet that was cut short has none that can be computed; its field says so."""
    data = frame(segment(flags="PA") / Raw(b"abcdef"))
    packet = dissect(data[:-3], len(data))
    assert isinstance(packet.transport, Tcp)
    assert transport_checksum(packet) is None
    (_, header) = headers(packet)
    assert "cannot be verified" in next(one.why for one in header.fields if one.name == "Checksum")
