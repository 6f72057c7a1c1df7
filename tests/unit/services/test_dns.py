"""What the DNS engine answers, over a corpus of zones; dnspython reads the answers."""

from __future__ import annotations

import struct

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import ServiceError
from netlab.services.dns import UDP_PAYLOAD, Authority, describe
from netlab.topology.model import Record, Zone

SOA = Record("@", "SOA", "ns hostmaster 1 7200 900 1209600 60")
LAB = Zone(
    "lab.test",
    (
        SOA,
        Record("@", "NS", "ns"),
        Record("@", "MX", "10 mail"),
        Record("@", "MX", "20 mail.elsewhere.test."),
        Record("@", "TXT", '"the lab" "of two strings"'),
        Record("ns", "A", "10.0.0.53"),
        Record("ns", "AAAA", "fd00::53"),
        Record("www", "A", "10.0.0.80"),
        Record("www", "A", "10.0.0.81"),
        Record("www", "AAAA", "fd00::80"),
        Record("mail.lab.test.", "A", "10.0.0.25"),
        Record("alias", "CNAME", "second"),
        Record("second", "CNAME", "www"),
        Record("away", "CNAME", "www.elsewhere.test."),
        Record("nowhere", "CNAME", "missing"),
        Record("ring", "CNAME", "ring2"),
        Record("ring2", "CNAME", "ring"),
        Record("tocut", "CNAME", "host.sub"),
        Record("a.deep.empty", "A", "10.0.0.1"),
        Record("*.wild", "A", "10.0.0.7"),
        Record("*.wild", "TXT", "synthesised"),
        Record("host.wild", "AAAA", "fd00::7"),
        Record("sub", "NS", "ns.sub"),
        Record("sub", "NS", "ns"),
        Record("ns.sub", "A", "10.0.1.53"),
        Record("_sip._udp", "SRV", "0 5 5060 www"),
        *(Record("many", "A", f"10.1.{number // 200}.{number % 200}") for number in range(60)),
        *(Record("huge", "TXT", f'"{number:05} {"x" * 200}"') for number in range(400)),
    ),
)
CHILD = Zone("kid.lab.test", (SOA, Record("@", "NS", "ns.lab.test."), Record("www", "A", "10.0.9.80")))
REVERSE = Zone(
    "0.0.10.in-addr.arpa", (SOA, Record("@", "NS", "ns.lab.test."), Record("80", "PTR", "www.lab.test."))
)
ZONES = (LAB, CHILD, REVERSE)
AUTHORITY = Authority.from_zones(ZONES)
DENIAL = "lab.test. 60 IN SOA ns.lab.test. hostmaster.lab.test. 1 7200 900 1209600 60"


def ask(name: str, rdtype: str = "A", transport: str = "udp", **options: object) -> dns.message.Message:
    """Ask the corpus; the answer must parse without a byte left over, and echo id and question."""
    query = dns.message.make_query(name, rdtype, **options)
    return read(query, AUTHORITY.answer(query.to_wire(), transport=transport))


def read(query: dns.message.Message, wire: bytes | None) -> dns.message.Message:
    """Parse an answer, to its last byte, and hold it to the query."""
    assert wire is not None
    answer = dns.message.from_wire(wire)
    assert query.is_response(answer)
    assert not answer.flags & (dns.flags.RA | dns.flags.AD)
    return answer


def lines(rrsets: list[object]) -> list[str]:
    """Return a section as a zone file has it."""
    return [line for rrset in rrsets for line in str(rrset).splitlines()]


def aa(answer: dns.message.Message) -> bool:
    """Return whether the answer is authoritative."""
    return bool(answer.flags & dns.flags.AA)


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("www.lab.test.", "A", ["www.lab.test. 300 IN A 10.0.0.80", "www.lab.test. 300 IN A 10.0.0.81"]),
        ("lab.test.", "TXT", ['lab.test. 300 IN TXT "the lab" "of two strings"']),
        ("80.0.0.10.in-addr.arpa.", "PTR", ["80.0.0.10.in-addr.arpa. 300 IN PTR www.lab.test."]),
        (
            "alias.lab.test.",
            "AAAA",
            [
                "alias.lab.test. 300 IN CNAME second.lab.test.",
                "second.lab.test. 300 IN CNAME www.lab.test.",
                "www.lab.test. 300 IN AAAA fd00::80",
            ],
        ),
        ("alias.lab.test.", "CNAME", ["alias.lab.test. 300 IN CNAME second.lab.test."]),
        ("alias.lab.test.", "ANY", ["alias.lab.test. 300 IN CNAME second.lab.test."]),
        ("away.lab.test.", "A", ["away.lab.test. 300 IN CNAME www.elsewhere.test."]),
        (
            "ring.lab.test.",
            "A",
            ["ring.lab.test. 300 IN CNAME ring2.lab.test.", "ring2.lab.test. 300 IN CNAME ring.lab.test."],
        ),
        ("any.thing.wild.lab.test.", "A", ["any.thing.wild.lab.test. 300 IN A 10.0.0.7"]),
        ("*.wild.lab.test.", "TXT", ['*.wild.lab.test. 300 IN TXT "synthesised"']),
        (
            "ns.lab.test.",
            "ANY",
            ["ns.lab.test. 300 IN A 10.0.0.53", "ns.lab.test. 300 IN AAAA fd00::53"],
        ),
        ("www.kid.lab.test.", "A", ["www.kid.lab.test. 300 IN A 10.0.9.80"]),
    ],
)
def test_positive_answers(name: str, rdtype: str, expected: list[str]) -> None:
    """Records come in the zone's order, with AA; CNAMEs are followed, but never out or in a ring."""
    answer = ask(name, rdtype)
    assert (answer.rcode(), aa(answer), lines(answer.answer)) == (dns.rcode.NOERROR, True, expected)
    assert answer.authority == []


@pytest.mark.parametrize(
    ("name", "rdtype", "rcode"),
    [
        ("missing.lab.test.", "A", "NXDOMAIN"),
        ("below.missing.lab.test.", "A", "NXDOMAIN"),
        ("below.www.lab.test.", "A", "NXDOMAIN"),
        ("www.lab.test.", "MX", "NOERROR"),
        ("empty.lab.test.", "A", "NOERROR"),
        ("deep.empty.lab.test.", "A", "NOERROR"),
        ("wild.lab.test.", "A", "NOERROR"),
        ("host.wild.lab.test.", "A", "NOERROR"),
        ("below.host.wild.lab.test.", "A", "NXDOMAIN"),
        ("foo.wild.lab.test.", "MX", "NOERROR"),
        ("sub.lab.test.", "DS", "NOERROR"),
        ("kid.lab.test.", "DS", "NXDOMAIN"),
    ],
)
def test_negative_answers(name: str, rdtype: str, rcode: str) -> None:
    """No name and no data are told apart (RFC 8020, 4592); both carry the SOA, its TTL lowered (RFC 2308)."""
    answer = ask(name, rdtype)
    assert dns.rcode.to_text(answer.rcode()) == rcode
    assert aa(answer)
    assert (lines(answer.answer), lines(answer.authority)) == ([], [DENIAL])


def test_rcode_after_a_chain_is_that_of_its_end() -> None:
    """A CNAME to a name that is not there is an answer and an NXDOMAIN at once (RFC 6604)."""
    answer = ask("nowhere.lab.test.")
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert lines(answer.answer) == ["nowhere.lab.test. 300 IN CNAME missing.lab.test."]
    assert lines(answer.authority) == [DENIAL]


@pytest.mark.parametrize("name", ["sub.lab.test.", "x.y.sub.lab.test.", "ns.sub.lab.test."])
def test_delegation_is_referred(name: str) -> None:
    """At and below a cut, glue's own name included, the answer is the child's NS with glue, and no AA."""
    answer = ask(name)
    assert (answer.rcode(), aa(answer), answer.answer) == (dns.rcode.NOERROR, False, [])
    assert lines(answer.authority) == [
        "sub.lab.test. 300 IN NS ns.sub.lab.test.",
        "sub.lab.test. 300 IN NS ns.lab.test.",
    ]
    assert lines(answer.additional) == [
        "ns.sub.lab.test. 300 IN A 10.0.1.53",
        "ns.lab.test. 300 IN A 10.0.0.53",
        "ns.lab.test. 300 IN AAAA fd00::53",
    ]


def test_cname_into_a_delegation_keeps_aa() -> None:
    """AA speaks of the first owner name (RFC 1035, section 4.1.1): the CNAME is ours, what follows is not."""
    answer = ask("tocut.lab.test.")
    assert aa(answer)
    assert lines(answer.answer) == ["tocut.lab.test. 300 IN CNAME host.sub.lab.test."]
    assert lines(answer.authority)[0] == "sub.lab.test. 300 IN NS ns.sub.lab.test."


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        ("lab.test.", "MX", ["mail.lab.test. 300 IN A 10.0.0.25"]),
        ("lab.test.", "NS", ["ns.lab.test. 300 IN A 10.0.0.53", "ns.lab.test. 300 IN AAAA fd00::53"]),
        (
            "_sip._udp.lab.test.",
            "SRV",
            [
                "www.lab.test. 300 IN A 10.0.0.80",
                "www.lab.test. 300 IN A 10.0.0.81",
                "www.lab.test. 300 IN AAAA fd00::80",
            ],
        ),
        ("kid.lab.test.", "NS", ["ns.lab.test. 300 IN A 10.0.0.53", "ns.lab.test. 300 IN AAAA fd00::53"]),
    ],
)
def test_addresses_of_targets_are_added(name: str, rdtype: str, expected: list[str]) -> None:
    """MX, NS and SRV bring along the addresses of their targets, from whichever zone served holds them."""
    assert lines(ask(name, rdtype).additional) == expected


@pytest.mark.parametrize(
    "query",
    [
        dns.message.make_query("www.example.", "A"),
        dns.message.make_query(".", "NS"),
        dns.message.make_query("test.", "A"),
        dns.message.make_query("lab.test.", "AXFR"),
        dns.message.make_query("lab.test.", "IXFR"),
        dns.message.make_query("www.lab.test.", "A", "CH"),
        dns.message.make_query("www.lab.test.", "A", "ANY"),
    ],
    ids=lambda query: str(query.question[0]),
)
def test_refused(query: dns.message.Message) -> None:
    """Outside its zones, in other classes and for transfers it refuses, without AA and without a record."""
    answer = read(query, AUTHORITY.answer(query.to_wire(), transport="tcp"))
    assert (answer.rcode(), aa(answer)) == (dns.rcode.REFUSED, False)
    assert answer.answer == answer.authority == answer.additional == []


def header(
    flags: int = 0, questions: int = 1, answers: int = 0, authorities: int = 0, extras: int = 0
) -> bytes:
    """Return a message's header with the id 0x1234."""
    return struct.pack("!6H", 0x1234, flags, questions, answers, authorities, extras)


QUESTION = b"\3www\3lab\4test\0\0\1\0\1"
OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


@pytest.mark.parametrize(
    "message",
    [
        header(),
        header(questions=0),
        header(questions=2) + QUESTION + QUESTION,
        header() + QUESTION + b"!",
        header() + QUESTION[:-1],
        header() + b"\xc0\x00\0\1\0\1",
        header() + b"\3www\xc0\x04\0\1\0\1",
        header() + b"\x41" + QUESTION,
        header() + (b"\x3f" + b"x" * 63) * 4 + b"\0\0\1\0\1",
        header(extras=1) + QUESTION,
        header(extras=2) + QUESTION + OPT + OPT,
        header(answers=1) + QUESTION + OPT,
        header(extras=1) + QUESTION + b"\1x" + OPT,
        header(extras=1) + QUESTION + OPT[:-1] + b"\3\0\x0a\0",
        header(extras=1) + QUESTION + OPT[:-1] + b"\5\0\x0a\0\1",
    ],
    ids=[
        "nothing",
        "no question",
        "two questions",
        "trailing junk",
        "cut short",
        "pointer to header",
        "pointer in name",
        "label type",
        "long name",
        "missing record",
        "two OPT",
        "OPT as answer",
        "OPT not at root",
        "option cut short",
        "option without data",
    ],
)
def test_nonsense_is_a_format_error(message: bytes) -> None:
    """A header that promises what the body does not hold gets FORMERR, with the id and no section."""
    assert AUTHORITY.answer(message, transport="udp") == header(0x8001, questions=0)


@pytest.mark.parametrize(
    "message", [b"", b"\0" * 11, header(0x8000) + QUESTION], ids=["empty", "short", "answer"]
)
def test_what_is_no_query_is_dropped(message: bytes) -> None:
    """Without a header there is no id to answer to, and an answer to an answer would never end."""
    assert AUTHORITY.answer(message, transport="udp") is None


@pytest.mark.parametrize("opcode", [1, 2, 4, 5, 6, 15])
def test_other_operations_are_not_implemented(opcode: int) -> None:
    """The opcode is echoed beside NOTIMP, whatever the body is."""
    answer = AUTHORITY.answer(header(opcode << 11 | 0x0100) + b"\xff", transport="udp")
    assert answer == header(0x8000 | opcode << 11 | 0x0100 | dns.rcode.NOTIMP, questions=0)


def test_header_bits() -> None:
    """RD is copied, whatever else was set is not, and RA stays clear: nothing here recurses."""
    for rd in (0, dns.flags.RD):
        answer = AUTHORITY.answer(header(rd | 0x06FF) + QUESTION, transport="udp")
        assert answer is not None
        assert int.from_bytes(answer[2:4], "big") == dns.flags.QR | dns.flags.AA | rd


def test_case_of_the_question_is_kept() -> None:
    """A resolver that mixes case to be safe against forgery finds its own spelling, as the owner too."""
    answer = ask("wWw.LaB.tEsT.")
    assert answer.question[0].name.to_text() == answer.answer[0].name.to_text() == "wWw.LaB.tEsT."


def test_names_are_compressed() -> None:
    """The owner of an answer costs a pointer of two bytes, not the name again."""
    wire = AUTHORITY.answer(header() + b"\4mail" + QUESTION[4:], transport="udp")
    assert wire == header(0x8400, answers=1) + b"\4mail" + QUESTION[4:] + bytes.fromhex(
        "c00c 0001 0001 0000012c 0004 0a000019"
    )


@pytest.mark.parametrize(
    ("payload", "limit"), [(None, 512), (0, 512), (512, 512), (700, 700), (1232, 1232), (65535, UDP_PAYLOAD)]
)
def test_udp_size(payload: int | None, limit: int) -> None:
    """Over UDP an answer keeps to the client's size and to our own; OPT answers OPT and nothing else."""
    options = {} if payload is None else {"use_edns": 0, "payload": payload}
    for name, rdtype in (("many.lab.test.", "A"), ("huge.lab.test.", "TXT")):
        query = dns.message.make_query(name, rdtype, **options)
        wire = AUTHORITY.answer(query.to_wire(), transport="udp")
        answer = read(query, wire)
        assert len(wire or b"") <= limit
        assert bool(answer.flags & dns.flags.TC) == (name.startswith("huge") or limit < 1000)
        assert len(answer.answer) == (0 if answer.flags & dns.flags.TC else 1)
        assert (answer.edns, answer.payload) == ((-1, 0) if payload is None else (0, UDP_PAYLOAD))


def test_tcp_gives_the_whole() -> None:
    """What UDP truncated, TCP has in full, in the zone's order."""
    assert ask("many.lab.test.").flags & dns.flags.TC
    answer = ask("many.lab.test.", transport="tcp")
    assert not answer.flags & dns.flags.TC
    assert [str(rdata) for rdata in answer.answer[0]] == [
        record.rdata for record in LAB.records if record.owner == "many"
    ]


def test_tcp_truncates_what_no_length_can_say() -> None:
    """An RRset of more than 65535 bytes is left out over TCP too, and TC says so."""
    answer = ask("huge.lab.test.", "TXT", transport="tcp")
    assert answer.flags & dns.flags.TC
    assert answer.answer == []


def test_truncation_takes_whole_rrsets() -> None:
    """What stood before the RRset that does not fit stays, and nothing of it (RFC 2181, section 9)."""
    zone = Zone(
        "big.test",
        (SOA, Record("alias", "CNAME", "many"), *(Record("many", "A", f"10.0.0.{n}") for n in range(40))),
    )
    query = dns.message.make_query("alias.big.test.", "A", use_edns=False)
    answer = read(query, Authority.from_zones([zone]).answer(query.to_wire(), transport="udp"))
    assert answer.flags & dns.flags.TC
    assert lines(answer.answer) == ["alias.big.test. 300 IN CNAME many.big.test."]


def test_records_have_the_ttl_that_they_say() -> None:
    """One that says none has the server's own; an RRset has the lowest of its records' (RFC 2181, 5.2)."""
    zone = Zone(
        "ttl.test",
        (
            Record("@", "SOA", "ns hostmaster 1 7200 900 1209600 60", 30),
            Record("a", "A", "192.0.2.1", 5),
            Record("a", "A", "192.0.2.2", 7),
            Record("a", "TXT", "x"),
            Record("z", "A", "192.0.2.3", 0),
        ),
    )
    authority = Authority.from_zones([zone])

    def ttl(name: str, rdtype: str, section: str = "answer") -> int:
        query = dns.message.make_query(name, rdtype)
        answer = read(query, authority.answer(query.to_wire(), transport="udp"))
        return int(getattr(answer, section)[0].ttl)

    assert [ttl("a.ttl.test.", "A"), ttl("a.ttl.test.", "TXT"), ttl("z.ttl.test.", "A")] == [5, 300, 0]
    assert ttl("none.ttl.test.", "A", "authority") == 30


def test_lost_glue_is_truncation_but_lost_courtesy_is_not() -> None:
    """A referral without its glue leads nowhere (RFC 9471); an MX without addresses is an answer."""
    many = [Record("ns.sub", "A", f"10.0.0.{number}") for number in range(40)]
    zone = Zone("big.test", (SOA, Record("sub", "NS", "ns.sub"), *many, Record("@", "MX", "1 ns.sub")))
    authority = Authority.from_zones([zone])
    for name, rdtype, truncated in (("x.sub.big.test.", "A", True), ("big.test.", "MX", False)):
        query = dns.message.make_query(name, rdtype, use_edns=False)
        answer = read(query, authority.answer(query.to_wire(), transport="udp"))
        assert bool(answer.flags & dns.flags.TC) == truncated
        assert answer.additional == []


def test_edns_version_that_is_not_ours() -> None:
    """A later EDNS version gets BADVERS, our version and no answer (RFC 6891, section 6.1.3)."""
    answer = ask("www.lab.test.", use_edns=1)
    assert (answer.rcode(), answer.edns, answer.answer) == (dns.rcode.BADVERS, 0, [])


def test_dnssec_ok_is_copied() -> None:
    """DO comes back as it was sent (RFC 3225, section 3)."""
    assert ask("www.lab.test.", want_dnssec=True).ednsflags == dns.flags.DO
    assert ask("www.lab.test.", use_edns=0).ednsflags == 0


def test_every_record_is_found_by_asking() -> None:
    """Whatever a zone says comes back when asked for over TCP; what lies below a cut comes as glue."""
    for zone in ZONES:
        origin = dns.name.from_text(zone.origin)
        for record in zone.records:
            if record.owner == "huge":  # no message can hold it: see the test of truncation over TCP
                continue
            owner = dns.name.from_text(record.owner, origin)
            rdata = dns.rdata.from_text("IN", record.type, record.rdata, origin, relativize=False)
            answer = ask(owner.to_text(), record.type, "tcp")
            rrsets = [*answer.answer, *answer.authority, *answer.additional]
            assert any(rrset.name == owner and rdata in rrset for rrset in rrsets), record


def test_same_query_has_the_same_answer() -> None:
    """Two authorities, and one asked again, agree to the byte; only the id follows the query."""
    other = Authority.from_zones(ZONES)
    for name, rdtype in (("www.lab.test.", "A"), ("lab.test.", "ANY"), ("missing.lab.test.", "A")):
        query = dns.message.make_query(name, rdtype, id=1).to_wire()
        first = AUTHORITY.answer(query, transport="udp")
        assert first == AUTHORITY.answer(query, transport="udp") == other.answer(query, transport="udp")
        assert first is not None
        assert AUTHORITY.answer(b"\xab\xcd" + query[2:], transport="udp") == b"\xab\xcd" + first[2:]


LABELS = st.sampled_from(
    ["www", "sub", "wild", "*", "lab", "test", "kid", "alias", "deep", "empty", "huge", "x"]
)
QUERIES = st.builds(
    lambda labels, rdtype, edns, payload, number: dns.message.make_query(
        dns.name.Name([*(label.encode() for label in labels), b"lab", b"test", b""]),
        rdtype,
        use_edns=edns,
        payload=payload,
        id=number,
    ),
    st.lists(LABELS, max_size=5),
    st.sampled_from(["A", "AAAA", "CNAME", "NS", "SOA", "MX", "TXT", "ANY", "DS", "TYPE65280"]),
    st.sampled_from([False, 0, 1]),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
)


@given(query=QUERIES, tcp=st.booleans())
def test_any_query_gets_one_valid_answer(query: dns.message.Message, tcp: bool) -> None:
    """For every name around the zones the answer parses, echoes id, opcode and question, and fits."""
    wire = AUTHORITY.answer(query.to_wire(), transport="tcp" if tcp else "udp")
    answer = read(query, wire)
    assert answer.opcode() == dns.opcode.QUERY
    assert len(wire or b"") <= (65535 if tcp else max(512, min(query.payload, UDP_PAYLOAD)))
    assert describe(query.to_wire(), wire).endswith(f" {len(wire or b'')} bytes")


@given(
    message=st.one_of(
        st.binary(max_size=600),
        st.builds(
            lambda head, body: head + body,
            st.builds(header, st.integers(0, 0x7FFF), *[st.integers(0, 2)] * 4),
            st.lists(
                st.sampled_from([QUESTION, OPT, QUESTION[:9], b"\xc0\x0c", b"\0", b"!"]), max_size=5
            ).map(b"".join),
        ),
        st.builds(
            lambda query, at, byte: query[: at % len(query)] + bytes([byte]) + query[at % len(query) + 1 :],
            QUERIES.map(lambda query: query.to_wire()),
            st.integers(0, 600),
            st.integers(0, 255),
        ),
    ),
    tcp=st.booleans(),
)
def test_any_bytes_never_raise(message: bytes, tcp: bool) -> None:
    """Any bytes get nothing or a message that parses, with their id and opcode; any are described."""
    wire = AUTHORITY.answer(message, transport="tcp" if tcp else "udp")
    text = describe(message, wire)
    assert text.isprintable()
    if wire is None:
        assert len(message) < 12 or message[2] & 0x80
        return
    answer = dns.message.from_wire(wire)
    assert answer.id == int.from_bytes(message[:2], "big")
    assert answer.flags & dns.flags.QR
    assert answer.opcode() == message[2] >> 3 & 0xF
    assert len(wire) <= (65535 if tcp else UDP_PAYLOAD)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (dns.message.make_query("www.lab.test.", "A"), "A www.lab.test. NOERROR 2 answers 62 bytes"),
        (dns.message.make_query("mail.lab.test.", "A"), "A mail.lab.test. NOERROR 1 answer 47 bytes"),
        (dns.message.make_query("no.lab.test.", "A"), "A no.lab.test. NXDOMAIN 0 answers 79 bytes"),
        (dns.message.make_query("x.sub.lab.test.", "A"), "A x.sub.lab.test. NOERROR referral 126 bytes"),
        (
            dns.message.make_query("many.lab.test.", "A"),
            "A many.lab.test. NOERROR 0 answers truncated 31 bytes",
        ),
        (dns.message.make_query("lab.test.", "A", use_edns=1), "A lab.test. BADVERS 0 answers 37 bytes"),
        (
            dns.message.make_query("a b.test.", "TYPE65280"),
            r"TYPE65280 a\032b.test. REFUSED 0 answers 26 bytes",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_log_line(query: dns.message.Message, expected: str) -> None:
    """A line says what was asked, how it went and how much went back."""
    wire = query.to_wire()
    assert describe(wire, AUTHORITY.answer(wire, transport="udp")) == expected


def test_log_line_of_what_is_no_query() -> None:
    """Other operations, unreadable questions and dropped messages have their line too."""

    def line(message: bytes) -> str:
        return describe(message, AUTHORITY.answer(message, transport="udp"))

    assert line(header(0x2000) + QUESTION) == "NOTIFY A www.lab.test. NOTIMP 0 answers 12 bytes"
    assert line(header()) == "12 bytes without a question FORMERR 0 answers 12 bytes"
    assert line(b"GET") == "3 bytes that are no query: dropped"


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "zone bad.test. needs one SOA"),
        ([SOA, Record("below", "SOA", SOA.rdata)], "zone bad.test. needs one SOA"),
        ([SOA, Record("@", "SOA", "ns other 1 2 3 4 5")], "two SOA records"),
        ([SOA, Record("www", "A", "10.0.0.999")], "record 'www A 10.0.0.999'"),
        ([SOA, Record("www", "NOPE", "x")], "record 'www NOPE x'"),
        ([SOA, Record("www", "ANY", "x")], "record 'www ANY x'"),
        ([SOA, Record("a..b", "A", "10.0.0.1")], "record 'a..b A"),
        ([SOA, Record("www.lab.test.", "A", "10.0.0.1")], "outside the zone"),
        ([SOA, Record("x", "DNAME", "y")], "has no DNAME"),
        ([SOA, Record("x", "CNAME", "y"), Record("x", "CNAME", "z")], "two CNAME records"),
        ([SOA, Record("x", "CNAME", "y"), Record("x", "A", "10.0.0.1")], "a CNAME beside other records"),
    ],
)
def test_zone_that_cannot_be(records: list[Record], message: str) -> None:
    """A record that no zone can hold is named, with what is wrong with it."""
    with pytest.raises(ServiceError, match="zone") as caught:
        Authority.from_zones([Zone("bad.test", tuple(records))])
    assert message in str(caught.value)


def test_zone_given_twice() -> None:
    """Two zones of one name, in whatever case, could only hide one another."""
    with pytest.raises(ServiceError, match="stands twice"):
        Authority.from_zones([LAB, Zone("LAB.test", (SOA,))])


def test_root_zone() -> None:
    """The root, whose origin without its final dot is empty, is a zone like any other."""
    root = Authority.from_zones(
        [Zone("", (Record("@", "SOA", "a. b. 1 2 3 4 5"), Record("test", "A", "10.0.0.1")))]
    )
    query = dns.message.make_query("test.", "A")
    assert lines(read(query, root.answer(query.to_wire(), transport="udp")).answer) == [
        "test. 300 IN A 10.0.0.1"
    ]
