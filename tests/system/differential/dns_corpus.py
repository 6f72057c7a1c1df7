"""What the DNS servers serve, and what they are asked: every trap that RFCs 1034 and 4592 know of."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

import dns.flags
import dns.name
import dns.opcode
import dns.rdataclass
import dns.rdatatype
from dns.rdatatype import RdataType
from hypothesis import strategies as st

from netlab.topology.model import Record, Zone


def _records(text: str) -> tuple[Record, ...]:
    """Read lines of owner, type and data."""
    fields = (line.split(None, 2) for line in text.strip().splitlines())
    return tuple(Record(owner, kind, rdata) for owner, kind, rdata in fields)


_CHAIN = "\n".join(f"c{number} CNAME c{number + 1}" for number in range(8)) + "\nc8 CNAME www"
_RING = "\n".join(f"r{number} CNAME r{(number + 1) % 5}" for number in range(5))
_MANY = "\n".join(f"many A 10.1.0.{number}" for number in range(60))
_LARGE = "\n".join(f'large TXT "{number:03} {"x" * 200}"' for number in range(20))
_EXACT = "\n".join(f'exact{size} TXT "{"x" * 250}" "{"y" * (size - 250)}"' for size in range(440, 470))
# Each of these RRsets fits into a message over TCP; both of them do not.
_HUGE = "\n".join(
    f'huge TXT "{number:03} {"x" * 250}"\nhuge TYPE65281 \\# 255 {number:02x}{"5a" * 254}'
    for number in range(130)
)

LAB = Zone(
    "lab.test",
    _records(f"""
@ SOA ns HostMaster 1 7200 900 1209600 60
@ NS ns
@ NS ns2.kid
@ MX 10 mail
@ MX 20 alias
@ MX 30 www.elsewhere.test.
@ MX 40 gone
@ MX 50 host.sub
@ TXT "the lab" "of two strings"
@ CAA 0 issue "ca.test"
ns A 10.0.0.53
ns AAAA fd00::53
www A 10.0.0.80
www A 10.0.0.81
www AAAA fd00::80
mail A 10.0.0.25
MiXed A 10.0.0.26
MiXed MX 5 MAIL.Lab.TEST.
alias CNAME second
second CNAME www
away CNAME www.example.
other CNAME www.elsewhere.test.
tokid CNAME www.kid
nowhere CNAME missing
nodata CNAME a.deep.empty
toempty CNAME deep.empty
tocut CNAME host.sub
towild CNAME any.wild
tomany CNAME many
tomx CNAME @
ring CNAME ring2
ring2 CNAME ring
self CNAME self
{_CHAIN}
{_RING}
a.deep.empty A 10.0.0.1
b.deep.empty TXT b
*.wild A 10.0.0.7
*.wild TXT synthesised
*.wild MX 10 mail
host.wild AAAA fd00::7
x.*.wild A 10.0.0.8
cut.wild NS ns.cut.wild
ns.cut.wild A 10.0.2.53
*.star CNAME www
*.pole CNAME x.pole
*.inner.wild A 10.0.0.9
sub NS ns.sub
sub NS ns
sub NS ns.far.away
ns.sub A 10.0.1.53
ns.sub AAAA fd00:1::53
host.sub A 10.0.1.80
below.sub NS ns.below.sub
ns.below.sub A 10.0.1.54
signed NS ns.signed
signed DS 12345 8 2 {"ab" * 32}
ns.signed A 10.0.1.55
lame NS ns.example.
own NS own
own A 10.0.1.56
away.cut NS ns.sub
far.away NS ns.far.away
ns.far.away A 10.0.1.57
kid NS ns
kid NS ns2.kid
ns2.kid A 10.0.9.54
_sip._udp SRV 0 5 5060 www
_sip._udp SRV 1 5 5060 alias
_sip._tcp SRV 0 0 0 .
odd TYPE65280 \\# 4 0a000001
a\\032b A 10.0.0.10
dot\\.ted A 10.0.0.11
\\000 A 10.0.0.12
{"l" * 63} A 10.0.0.13
{_MANY}
{_LARGE}
{_EXACT}
{_HUGE}
"""),
)
KID = Zone(
    "kid.lab.test",
    _records("""
@ SOA ns.lab.test. hostmaster.lab.test. 7 7200 900 1209600 3600
@ NS ns.lab.test.
@ NS ns2
@ MX 10 mail.lab.test.
ns2 A 10.0.9.54
www A 10.0.9.80
up CNAME www.lab.test.
sub NS ns.sub
ns.sub A 10.0.9.55
"""),
)
ELSEWHERE = Zone(
    "Elsewhere.test",
    _records("""
@ SOA ns.lab.test. hostmaster.lab.test. 7 7200 900 1209600 0
@ NS ns.lab.test.
@ A 10.3.0.1
www A 10.3.0.80
back CNAME alias.lab.test.
* CNAME www
"""),
)
REVERSE = Zone(
    "0.0.10.in-addr.arpa",
    _records("""
@ SOA ns.lab.test. hostmaster.lab.test. 7 7200 900 1209600 600
@ NS ns.lab.test.
80 PTR www.lab.test.
81 CNAME 81.64-127
64-127 NS ns.lab.test.
"""),
)
ZONES = (LAB, KID, ELSEWHERE, REVERSE)

Labels = tuple[bytes, ...]


def labels(text: str) -> Labels:
    """Return a name's labels, the root's empty one left out."""
    return dns.name.from_text(text).labels[:-1]


@dataclass(frozen=True, slots=True)
class Edns:
    """An OPT record (RFC 6891); options are codes with their data."""

    payload: int = 1232
    version: int = 0
    flags: int = 0
    options: tuple[tuple[int, bytes], ...] = ()

    def to_wire(self) -> bytes:
        """Return the record."""
        data = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in self.options)
        return struct.pack("!BHHBBHH", 0, 41, self.payload, 0, self.version, self.flags, len(data)) + data


@dataclass(frozen=True, slots=True)
class Query:
    """A message with a question, or several of one name; `flags` is the header's word, opcode included."""

    name: Labels
    type: int = RdataType.A
    rdclass: int = dns.rdataclass.IN
    flags: int = 0
    edns: Edns | None = None
    questions: int = 1

    def to_wire(self) -> bytes:
        """Return the message."""
        head = struct.pack("!6H", 0x1234, self.flags, self.questions, 0, 0, self.edns is not None)
        name = b"".join(bytes([len(label)]) + label for label in self.name) + b"\0"
        types = (self.type + more & 0xFFFF for more in range(self.questions))
        questions = b"".join(name + struct.pack("!HH", rdtype, self.rdclass) for rdtype in types)
        return head + questions + (self.edns.to_wire() if self.edns else b"")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is sent to both; `query` is None where the bytes are not to be understood."""

    wire: bytes
    transport: str = "udp"
    query: Query | None = field(default=None, compare=False)


def ask(name: str, rdtype: str = "A", transport: str = "udp", **words: object) -> Asked:
    """Return a plain question, for examples by hand."""
    query = Query(labels(name), dns.rdatatype.from_text(rdtype), **words)  # type: ignore[arg-type]
    return Asked(query.to_wire(), transport, query)


# -- generation ----------------------------------------------------------------------------------------

_OWNERS = sorted(
    {
        dns.name.from_text(record.owner, dns.name.from_text(zone.origin)).labels[:-1]
        for zone in ZONES
        for record in zone.records
    }
)
_TYPES = ["A", "AAAA", "CNAME", "NS", "SOA", "MX", "TXT", "PTR", "SRV", "ANY", "DS", "CAA", "TYPE65280"]
_TYPES += ["NSEC", "RRSIG", "DNSKEY", "DNAME"]
_RARE_TYPES = (0, 1, 5, 10, 13, 24, 41, 46, 99, 103, 128, 249, 250, 251, 252, 253, 254, 255, 256, 65535)
_MORE = [b"www", b"sub", b"wild", b"*", b"kid", b"x", b"X-1", b"deep", b"l" * 63, b"\0", b"a.b"]


def _flip(name: Labels, bits: int) -> Labels:
    """Change the case of letters, one bit each."""
    flipped = []
    for label in name:
        octets = bytearray(label)
        for at, octet in enumerate(octets):
            bits = bits >> 1 | (bits & 1) << 63
            if bits & 1 and chr(octet).isalpha() and octet < 128:
                octets[at] ^= 0x20
        flipped.append(bytes(octets))
    return tuple(flipped)


def _fits(name: Labels) -> bool:
    return sum(len(label) + 1 for label in name) < 255


NAMES = st.builds(
    lambda more, name, bits: _flip((*more, *name), bits),
    st.lists(st.sampled_from(_MORE), max_size=3) | st.just([]),
    st.sampled_from(_OWNERS) | st.sampled_from([labels(each) for each in ("test", ".", "example", "arpa")]),
    st.just(0) | st.integers(0, 2**64 - 1),
).filter(_fits)
EDNS = st.none() | st.builds(
    Edns,
    st.sampled_from([1232, 0, 512, 700, 1024, 4096, 65535]),
    st.sampled_from([0, 0, 0, 0, 1, 255]),
    st.sampled_from([0, 0x8000, 0x4000, 0xFFFF]),
    st.lists(st.sampled_from([(65001, b"x"), (5, b"\x08"), (26946, b"")]), max_size=2).map(tuple),
)
_FLAGS = st.just(0) | st.sampled_from(
    [0x0100, 0x0010, 0x0020, 0x0040, 0x0400, 0x0200, 0x0080, 0x0130, 0x07FF]
)
_QUERIES = st.builds(
    Query,
    NAMES,
    st.sampled_from([int(dns.rdatatype.from_text(word)) for word in _TYPES]),
    st.just(1),
    _FLAGS,
    EDNS,
)
# NSID, client subnet (right, with more bits than it says), cookie (right, short), keepalive, padding
_OPTIONS = st.sampled_from(
    [
        (3, b""),
        (8, b"\0\1\x18\0\x0a\0\0"),
        (8, b"\0\1\x08\0\x0a\0\0"),
        (10, b"12345678"),
        (10, b"1"),
        (11, b""),
        (12, b"\0\0\0"),
    ]
)
# One oddity at a time. Class CH is left out: BIND has a view of its own there, and limits its rate.
_ODD_QUERIES = st.builds(
    lambda query, odd: replace(query, **odd),
    _QUERIES,
    st.sampled_from(_RARE_TYPES).map(lambda rdtype: {"type": rdtype})
    | st.sampled_from([4, 254, 255, 0, 77]).map(lambda rdclass: {"rdclass": rdclass})
    | st.integers(1, 15).map(lambda opcode: {"flags": opcode << 11})
    | st.sampled_from([0, 2, 3]).map(lambda questions: {"questions": questions})
    | st.lists(_OPTIONS, min_size=1, max_size=2).map(lambda options: {"edns": Edns(options=tuple(options))}),
)


@st.composite
def _junk(draw: st.DrawFn) -> bytes:
    """Damage a query: octets changed, cut off or added, counts that lie; or take any bytes at all."""
    wire = bytearray(draw(_QUERIES).to_wire())
    match draw(st.sampled_from(["change", "cut", "add", "counts", "any"])):
        case "change":
            wire[draw(st.integers(2, len(wire) - 1))] = draw(st.integers(0, 255))
        case "cut":
            del wire[draw(st.integers(0, len(wire))) :]
        case "add":
            wire += draw(st.binary(min_size=1, max_size=20))
        case "counts":
            wire[draw(st.sampled_from([5, 7, 9, 11]))] = draw(st.integers(0, 3))
        case _:
            wire = bytearray(draw(st.binary(max_size=40)))
    return bytes(wire)


def _asked(query: Query, transport: str) -> Asked:
    return Asked(query.to_wire(), transport, query)


_TRANSPORTS = st.sampled_from(["udp", "udp", "udp", "tcp"])
PLAIN = st.builds(_asked, _QUERIES, _TRANSPORTS)
ODD = st.builds(_asked, _ODD_QUERIES, _TRANSPORTS)
JUNK = st.builds(Asked, _junk(), _TRANSPORTS)
