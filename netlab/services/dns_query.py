"""What a DNS client asks, read strictly and to the last byte, and how large an answer it takes.

Its counterpart is `netlab.services.dns`, which answers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

import dns.exception
import dns.flags
import dns.name
import dns.wire
from dns.rdatatype import OPT

UDP_PAYLOAD = 1232  # bytes that cross any path unfragmented (DNS flag day 2020)
MIN_UDP_PAYLOAD = 512  # RFC 1035, section 4.2.1; RFC 6891, section 6.2.3
MAX_MESSAGE = 65535  # what TCP's two-byte length can say
HEADER = struct.Struct("!HHHHHH")

Transport = Literal["udp", "tcp"]


@dataclass(frozen=True, slots=True)
class Edns:
    """The client's OPT record (RFC 6891, section 6.1.3)."""

    payload: int
    version: int
    dnssec_ok: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A standard query's one question, and its EDNS if it has any."""

    name: dns.name.Name
    type: int
    rdclass: int
    edns: Edns | None

    def limit(self, transport: Transport) -> int:
        """Return how many bytes the answer may have."""
        if transport == "tcp":
            return MAX_MESSAGE
        return min(max(self.edns.payload, MIN_UDP_PAYLOAD), UDP_PAYLOAD) if self.edns else MIN_UDP_PAYLOAD


def _read_name(parser: dns.wire.Parser) -> tuple[dns.name.Name, int]:
    """Return a name and how many bytes it took."""
    name, size = dns.name.from_wire(parser.wire, parser.current)
    parser.seek(parser.current + size)
    return name, size


def read_question(parser: dns.wire.Parser, *, first: bool = True) -> tuple[dns.name.Name, int, int]:
    """Return name, type and class; DNSException where there is no such thing."""
    name, size = _read_name(parser)
    # Before the first name stands only the header: no pointer can mean a name there.
    if first and size != sum(len(label) + 1 for label in name.labels):
        raise dns.exception.FormError
    rdtype, rdclass = parser.get_struct("!HH")
    return name, rdtype, rdclass


def read_query(message: bytes) -> tuple[Query | None, Edns | None]:
    """Read a message to its last byte; DNSException where it is none.

    There is no query where it asks nothing, or several questions at once, whose answers could not be told
    apart (RFC 9619); the OPT record holds all the same.
    """
    parser = dns.wire.Parser(message)
    _, _, questions, answers, authorities, extras = parser.get_struct(HEADER.format)
    read = [read_question(parser, first=number == 0) for number in range(questions)]
    misplaced = [edns for _ in range(answers + authorities) if (edns := _read_extra(parser))]
    found = [edns for _ in range(extras) if (edns := _read_extra(parser))]
    if misplaced or len(found) > 1 or parser.remaining():
        raise dns.exception.FormError
    edns = found[0] if found else None
    return (Query(*read[0], edns) if len(read) == 1 else None), edns


def _read_extra(parser: dns.wire.Parser) -> Edns | None:
    """Step over a record that follows the question; return what it says if it is an OPT."""
    owner, _ = _read_name(parser)
    rdtype, rdclass, ttl, length = parser.get_struct("!HHIH")
    with parser.restrict_to(length):
        if rdtype != OPT:
            parser.get_remaining()
            return None
        while parser.remaining():
            _, size = parser.get_struct("!HH")
            parser.get_bytes(size)
    if owner != dns.name.root:
        raise dns.exception.FormError
    return Edns(rdclass, ttl >> 16 & 0xFF, bool(ttl & dns.flags.DO))
