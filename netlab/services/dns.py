"""The builtin DNS engine: an authoritative server's whole logic, bytes in and bytes out.

Its counterpart is `netlab.services.dns_server`, which holds the sockets. dnspython reads the zones and
encodes names and records; what is asked is read here, strictly, and answered in the order of
RFC 1034, section 4.3.2. The same query has the same answer, byte for byte.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import dns.exception
import dns.flags
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataset
import dns.rdatatype
import dns.wire
from dns.rdataclass import IN
from dns.rdatatype import AAAA, ANY, AXFR, CNAME, DNAME, DS, IXFR, MX, NS, OPT, SOA, SRV, A

from netlab.errors import ServiceError
from netlab.topology.model import Record, Zone

DEFAULT_TTL = 300  # seconds, of records that say none: those of a map in the topology
UDP_PAYLOAD = 1232  # bytes that cross any path unfragmented (DNS flag day 2020)
MIN_UDP_PAYLOAD = 512  # RFC 1035, section 4.2.1; RFC 6891, section 6.2.3
MAX_MESSAGE = 65535  # what TCP's two-byte length can say
_HEADER = struct.Struct("!HHHHHH")
_OPCODE = 0x7800  # its bits among the flags
_OPT = struct.Struct("!BHHIH")  # owner (the root), type, payload size, extended RCODE and flags, no options
_TARGETS = {NS: "target", MX: "exchange", SRV: "target"}  # whose addresses go into the additional section

Transport = Literal["udp", "tcp"]
_Key = tuple[bytes, ...]  # a name's labels in lower case (names compare so), the root's empty one last
_Node = dict[int, dns.rdataset.Rdataset]  # a name's RRsets by type, in the order of the zone
_RRset = tuple[dns.name.Name, dns.rdataset.Rdataset]


def _key(name: dns.name.Name) -> _Key:
    return tuple(label.lower() for label in name.labels)


@dataclass(frozen=True, slots=True)
class _ZoneData:
    """One zone, indexed: `nodes` holds every name that exists, those without records of their own included.

    `denial` is the SOA of negative answers, its TTL lowered as RFC 2308, section 3, wants it.
    """

    apex: _Key
    nodes: dict[_Key, _Node]
    cuts: frozenset[_Key]
    denial: _RRset

    def cut_above(self, key: _Key, qtype: int) -> _Key | None:
        """Return the topmost delegation at or above a name; a DS belongs to the side above its cut."""
        for depth in range(len(key) - len(self.apex) - 1, -1, -1):
            if key[depth:] in self.cuts and not (depth == 0 and qtype == DS):
                return key[depth:]
        return None

    def find(self, key: _Key) -> _Node | None:
        """Return a name's RRsets, or its wildcard's (RFC 4592, section 3.3.1); None: no such name."""
        if key in self.nodes:
            return self.nodes[key]
        encloser = next(key[depth:] for depth in range(1, len(key)) if key[depth:] in self.nodes)
        return self.nodes.get((b"*", *encloser))


def _read_record(record: Record, origin: dns.name.Name) -> tuple[dns.name.Name, dns.rdata.Rdata]:
    where = f"zone {origin}: record '{record.owner} {record.type} {record.rdata}'"
    try:
        owner = dns.name.from_text(record.owner, origin)
        rdtype = dns.rdatatype.from_text(record.type)
        rdata = dns.rdata.from_text(IN, rdtype, record.rdata, origin, relativize=False)
    except (dns.exception.DNSException, ValueError) as error:
        raise ServiceError(f"{where}: {error}", "write it as a zone file would") from error
    if dns.rdatatype.is_metatype(rdtype) or rdtype == DNAME:
        raise ServiceError(f"{where}: the builtin engine has no {record.type}", "choose another engine")
    if not owner.is_subdomain(origin):
        raise ServiceError(f"{where}: the owner lies outside the zone", "move it to its own zone")
    return owner, rdata


def _read_zone(zone: Zone) -> _ZoneData:
    try:
        origin = dns.name.from_text(zone.origin)
    except (dns.exception.DNSException, ValueError) as error:
        raise ServiceError(f"zone '{zone.origin}': {error}", "name it like lab.test") from error
    apex = _key(origin)
    nodes: dict[_Key, _Node] = {apex: {}}
    for record in zone.records:
        owner, rdata = _read_record(record, origin)
        key = _key(owner)
        for depth in range(len(key) - len(apex)):
            nodes.setdefault(key[depth:], {})
        _add(nodes[key], rdata, record.ttl, f"zone {origin}: {owner}")
    cuts = frozenset(key for key, node in nodes.items() if NS in node and key != apex and key[0] != b"*")
    return _ZoneData(apex, nodes, cuts, _denial(origin, nodes))


def _add(node: _Node, rdata: dns.rdata.Rdata, ttl: int | None, where: str) -> None:
    """Add a record to its RRset, which has the lowest TTL of its records (RFC 2181, section 5.2)."""
    rdataset = node.setdefault(rdata.rdtype, dns.rdataset.Rdataset(IN, rdata.rdtype))
    if dns.rdatatype.is_singleton(rdata.rdtype) and len(rdataset) and rdata not in rdataset:
        raise ServiceError(f"{where} has two {dns.rdatatype.to_text(rdata.rdtype)} records", "keep one")
    rdataset.add(rdata, DEFAULT_TTL if ttl is None else ttl)
    if CNAME in node and len(node) > 1:
        raise ServiceError(f"{where} has a CNAME beside other records", "keep one kind")


def _denial(origin: dns.name.Name, nodes: dict[_Key, _Node]) -> _RRset:
    holders = [key for key, node in nodes.items() if SOA in node]
    if holders != [_key(origin)]:
        raise ServiceError(f"zone {origin} needs one SOA, at its own name", "write it with the owner @")
    soa = nodes[holders[0]][SOA]
    return origin, dns.rdataset.from_rdata(min(soa.ttl, soa[0].minimum), soa[0])


@dataclass(frozen=True, slots=True)
class _Edns:
    """The client's OPT record (RFC 6891, section 6.1.3)."""

    payload: int
    version: int
    dnssec_ok: bool


@dataclass(frozen=True, slots=True)
class _Query:
    name: dns.name.Name
    type: int
    rdclass: int
    edns: _Edns | None

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


def _read_question(parser: dns.wire.Parser) -> tuple[dns.name.Name, int, int]:
    """Return name, type and class; DNSException where there is no such thing."""
    name, size = _read_name(parser)
    # Before the first name stands only the header: no pointer can mean a name there.
    if size != sum(len(label) + 1 for label in name.labels):
        raise dns.exception.FormError
    rdtype, rdclass = parser.get_struct("!HH")
    return name, rdtype, rdclass


def _read_query(message: bytes) -> _Query:
    """Read a standard query to its last byte; DNSException where it is none."""
    parser = dns.wire.Parser(message)
    _, _, questions, answers, authorities, extras = parser.get_struct(_HEADER.format)
    if questions != 1:
        raise dns.exception.FormError
    name, rdtype, rdclass = _read_question(parser)
    misplaced = [edns for _ in range(answers + authorities) if (edns := _read_extra(parser))]
    found = [edns for _ in range(extras) if (edns := _read_extra(parser))]
    if misplaced or len(found) > 1 or parser.remaining():
        raise dns.exception.FormError
    return _Query(name, rdtype, rdclass, found[0] if found else None)


def _read_extra(parser: dns.wire.Parser) -> _Edns | None:
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
    return _Edns(rdclass, ttl >> 16 & 0xFF, bool(ttl & dns.flags.DO))


@dataclass(slots=True)
class _Reply:
    """An answer while it is put together."""

    rcode: int = dns.rcode.NOERROR
    authoritative: bool = False
    referral: bool = False
    answer: list[_RRset] = field(default_factory=list)
    authority: list[_RRset] = field(default_factory=list)
    additional: list[_RRset] = field(default_factory=list)


def _bare_header(number: int, flags: int, rcode: int) -> bytes:
    """Return the answer to a message whose body cannot be trusted to hold a question."""
    echoed = flags & (_OPCODE | dns.flags.RD)
    return _HEADER.pack(number, dns.flags.QR | echoed | rcode, 0, 0, 0, 0)


def _encode(number: int, flags: int, query: _Query, reply: _Reply, limit: int) -> bytes:
    """Return the message, in at most `limit` bytes.

    TC says that an RRset of the answer, of the authority or of a referral's glue (RFC 9471) had to be
    left out; other additional records are a courtesy and go without a word (RFC 2181, section 9).
    """
    flags = dns.flags.QR | flags & (_OPCODE | dns.flags.RD) | reply.rcode & 0xF
    flags |= dns.flags.AA if reply.authoritative else 0
    output = io.BytesIO(bytes(_HEADER.size))
    output.seek(_HEADER.size)
    compress: dict[dns.name.Name, int] = {}
    query.name.to_wire(output, compress)
    output.write(struct.pack("!HH", query.type, query.rdclass))
    counts = [1, 0, 0, 0]
    room = limit - (_OPT.size if query.edns else 0)
    sections = ((reply.answer, True), (reply.authority, True), (reply.additional, reply.referral))
    for section, (rrsets, needed) in enumerate(sections, start=1):
        counts[section], whole = _fill(output, compress, rrsets, room)
        if not whole:
            flags |= dns.flags.TC if needed else 0
            break
    if query.edns:
        ttl = reply.rcode >> 4 << 24 | (dns.flags.DO if query.edns.dnssec_ok else 0)
        output.write(_OPT.pack(0, OPT, UDP_PAYLOAD, ttl, 0))
        counts[3] += 1
    output.seek(0)
    output.write(_HEADER.pack(number, flags, *counts))
    return output.getvalue()


def _fill(
    output: io.BytesIO, compress: dict[dns.name.Name, int], rrsets: Sequence[_RRset], room: int
) -> tuple[int, bool]:
    """Write RRsets until one does not fit; return how many records went in, and whether all did.

    After a False no name may be written: `compress` still knows those of the RRset taken back.
    """
    count = 0
    for owner, rdataset in rrsets:
        start = output.tell()
        added = rdataset.to_wire(owner, output, compress, want_shuffle=False)
        if output.tell() > room:
            output.seek(start)
            output.truncate()
            return count, False
        count += added
    return count, True


class Authority:
    """Answers for its zones, and for nothing else; nothing that it is asked changes it."""

    def __init__(self, zones: Sequence[_ZoneData]) -> None:
        self._zones = {zone.apex: zone for zone in zones}

    @classmethod
    def from_zones(cls, zones: Sequence[Zone]) -> Authority:
        """Read the zones; ServiceError names the first record that no zone can hold."""
        read = [_read_zone(zone) for zone in zones]
        for zone, data in zip(zones, read, strict=True):
            if sum(data.apex == other.apex for other in read) > 1:
                raise ServiceError(f"zone {zone.origin} stands twice", "make one of them")
        return cls(read)

    def answer(self, query: bytes, *, transport: Transport) -> bytes | None:
        """Return the answer; None for what has no header, or is itself an answer."""
        if len(query) < _HEADER.size or query[2] & 0x80:
            return None
        number, flags = struct.unpack_from("!HH", query)
        if flags & _OPCODE:
            return _bare_header(number, flags, dns.rcode.NOTIMP)
        try:
            asked = _read_query(query)
        except dns.exception.DNSException:
            return _bare_header(number, flags, dns.rcode.FORMERR)
        return _encode(number, flags, asked, self._reply(asked), asked.limit(transport))

    def _reply(self, query: _Query) -> _Reply:
        if query.edns and query.edns.version > 0:
            return _Reply(dns.rcode.BADVERS)
        if query.rdclass != IN or query.type in (AXFR, IXFR):
            return _Reply(dns.rcode.REFUSED)
        return self._resolve(query.name, query.type)

    def _resolve(self, name: dns.name.Name, qtype: int) -> _Reply:
        """Follow CNAMEs to a name that answers, is not ours or was seen; it sets the RCODE (RFC 6604)."""
        reply = _Reply()
        seen: set[_Key] = set()
        target: dns.name.Name | None = name
        while target is not None and (key := _key(target)) not in seen:
            seen.add(key)
            zone = self._closest(key, qtype)
            if zone is None:
                break
            target = _step(reply, zone, target, qtype)
        if not (reply.answer or reply.authority):
            return _Reply(dns.rcode.REFUSED)
        self._add_addresses(reply)
        return reply

    def _closest(self, key: _Key, qtype: int) -> _ZoneData | None:
        """Return the deepest zone that holds a name; for a DS at an apex, the zone above it if served."""
        holders = [zone for depth in range(len(key)) if (zone := self._zones.get(key[depth:]))]
        if qtype == DS and len(holders) > 1 and holders[0].apex == key:
            return holders[1]
        return holders[0] if holders else None

    def _add_addresses(self, reply: _Reply) -> None:
        """Add the addresses that the zones have, glue included, for the targets of MX, NS and SRV records."""
        present = {(_key(owner), rdataset.rdtype) for owner, rdataset in reply.answer}
        for _, rdataset in [*reply.answer, *reply.authority]:
            for rdata in rdataset if rdataset.rdtype in _TARGETS else ():
                target = getattr(rdata, _TARGETS[rdataset.rdtype])
                key = _key(target)
                zone = self._closest(key, A)
                node = zone.nodes.get(key, {}) if zone else {}
                for rdtype in (A, AAAA):
                    if rdtype in node and (key, rdtype) not in present:
                        present.add((key, rdtype))
                        reply.additional.append((target, node[rdtype]))


def _step(reply: _Reply, zone: _ZoneData, name: dns.name.Name, qtype: int) -> dns.name.Name | None:
    """Add what `zone` says of `name`; return the name to go on with after a CNAME."""
    key = _key(name)
    cut = zone.cut_above(key, qtype)
    if cut is not None:
        reply.referral = True
        reply.authority.append((name.split(len(cut))[1], zone.nodes[cut][NS]))
        return None
    reply.authoritative = True
    node = zone.find(key)
    if node is None:
        reply.rcode = dns.rcode.NXDOMAIN
        reply.authority.append(zone.denial)
        return None
    if CNAME in node and qtype not in (CNAME, ANY):
        reply.answer.append((name, node[CNAME]))
        target: dns.name.Name = node[CNAME][0].target
        return target
    # RFC 8482 allows to answer ANY with less; in a lab, all that there is teaches more.
    found = list(node.values()) if qtype == ANY else [node[kind] for kind in node if kind == qtype]
    reply.answer.extend((name, rdataset) for rdataset in found)
    if not found:
        reply.authority.append(zone.denial)
    return None


def describe(query: bytes, answer: bytes | None) -> str:
    """Return one line on an exchange: `A www.lab.test. NOERROR 1 answer 46 bytes`; for any bytes whatever."""
    if answer is None or len(answer) < _HEADER.size:
        return f"{len(query)} bytes that are no query: dropped"
    _, flags, _, answers, authorities, _ = _HEADER.unpack_from(answer)
    parts = [_subject(query), dns.rcode.to_text(_rcode(answer))]
    referral = authorities and not answers and not flags & dns.flags.AA
    parts.append("referral" if referral else f"{answers} answer{'' if answers == 1 else 's'}")
    if flags & dns.flags.TC:
        parts.append("truncated")
    return " ".join([*parts, f"{len(answer)} bytes"])


def _subject(query: bytes) -> str:
    """Return the operation if it is no plain query, then the question's type and name."""
    flags = int.from_bytes(query[2:4], "big")
    opcode = [dns.opcode.to_text(dns.opcode.from_flags(flags))] if flags & _OPCODE else []
    try:
        name, rdtype, _ = _read_question(dns.wire.Parser(query, _HEADER.size))
    except dns.exception.DNSException:
        return " ".join([*opcode, f"{len(query)} bytes without a question"])
    return " ".join([*opcode, dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rdtype)), name.to_text()])


def _rcode(answer: bytes) -> dns.rcode.Rcode:
    """Return the whole RCODE; its upper bits are in the OPT, which ends every answer that has one."""
    low = answer[3] & 0xF
    has_opt = answer[-_OPT.size :].startswith(_OPT.pack(0, OPT, UDP_PAYLOAD, 0, 0)[:5])
    return dns.rcode.Rcode.make((answer[-6] << 4 if has_opt else 0) | low)
