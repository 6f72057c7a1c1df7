"""Zone files: what their entries mean, whether dnspython's own reader agrees, what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import dns.message
import dns.name
import dns.rdatatype
import dns.zone
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netlab.errors import InputError
from netlab.services.dns import Authority
from netlab.topology import load, parse
from netlab.topology.faults import Faults
from netlab.topology.model import DnsService, Record, Topology, Zone
from netlab.topology.records import check_together
from netlab.topology.zonefile import Target, entries

ORIGIN = "lab.test"
SOA = Record("@", "SOA", "ns hostmaster 1 2 3 4 5")
Told = tuple[str, str, str, int | None]


def told(text: str, origin: str = ORIGIN) -> list[Told]:
    """Read a zone file that has no faults."""
    faults = Faults("zone", text)
    found = entries(text, "", Target(origin, "lab.test", "builtin"), faults)
    faults.check()
    return [(one.record.owner, one.record.type, one.record.rdata, one.record.ttl) for one in found]


def zones(topology: Topology) -> dict[str, Zone]:
    """Return all zones of a topology."""
    services = [service for node in topology.nodes for service in node.services]
    return {
        zone.origin: zone for service in services if isinstance(service, DnsService) for zone in service.zones
    }


WHOLE = r"""
; the lab's own zone
$TTL 1h
@        IN SOA ns hostmaster (    ; over several lines
              2024010101           ; serial
              3600 600 86400 300 )
         IN NS  ns
         300 MX 10 mail            ; an owner is left out: it is the one above
ns       A   192.0.2.53
www  60  IN  A 192.0.2.80
     IN  30  AAAA 2001:db8::80     ; TTL and class in either order
*.wild   CNAME www
john\.doe TXT "a b" c "semi;colon \" quote"
_http._tcp SRV 0 0 80 www
h        HTTPS 1 . alpn="h2,h3" port=443
$ORIGIN sub
host     A ( 192.0.2.1
         )
odd      TYPE65280 \# 4 0A000001
@        TXT sub's-own
$ORIGIN lab.test.
$TTL 5
last     A 192.0.2.2
"""


def by_dnspython(text: str, origin: str = ORIGIN) -> set[Told]:
    """Read a zone file with dnspython's own reader."""
    zone = dns.zone.from_text(text, dns.name.from_text(origin), relativize=False, check_origin=False)
    return {
        (str(name), dns.rdatatype.to_text(rdataset.rdtype), rdata.to_text(), rdataset.ttl)
        for name, rdataset in zone.iterate_rdatasets()
        for rdata in rdataset
    }


def test_a_whole_zone_file_is_read_as_dnspython_reads_it() -> None:
    """Directives, relative names, @, parentheses, comments, quotes, TTLs, unknown types."""
    assert set(told(WHOLE)) == by_dnspython(WHOLE)
    assert len(told(WHOLE)) == 14


names = st.sampled_from(["@", "www", "a.b", "*", "*.c", "x.lab.test.", "_s._tcp", r"do\.t", r"\065", "UP"])
data = st.sampled_from(
    [
        "A 192.0.2.1",
        "AAAA (2001:db8::1)",
        "TXT one two",
        'TXT "a;b" "()"',
        r'TXT "\"" \;',
        "MX 10 mail",
        "MX ( 20 ; why\n @ )",
        "SRV 0 0 80 www",
        "PTR far.example.",
        'CAA 0 issue "ca.test"',
        r"TYPE1234 \# 2 ABCD",
    ]
)
ttls = st.sampled_from(["", "60 ", "1h30m ", "IN ", "IN 7 ", "8 IN ", "in "])
blanks = st.sampled_from([" ", "\t", "  "])
records = st.builds(lambda name, blank, ttl, what: f"{name}{blank}{ttl}{what}", names, blanks, ttls, data)
further = st.builds(lambda blank, ttl, what: f"{blank}{ttl}{what}", blanks, ttls, data)
others = st.sampled_from(
    ["", "; comment", "  ", "$TTL 9", "$ttl 2d", "$ORIGIN deep", "$ORIGIN lab.test.", "$ORIGIN @"]
)


@given(st.lists(st.one_of(records, further, others), max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_reading_agrees_with_dnspython(lines: list[str], end: str) -> None:
    """Whatever rows a good zone file has, names, types and data are those that dnspython's reader finds.

    So are TTLs, but where a name has several records of a type: then dnspython keeps the lowest for all.
    """
    text = end.join(["$TTL 300", "first A 192.0.2.9", *lines, ""])
    found = told(text)
    lowest = {
        (owner.lower(), kind): min(
            ttl or 0 for one, same, _, ttl in found if (one.lower(), same) == (owner.lower(), kind)
        )
        for owner, kind, _, _ in found
    }
    ours = {(owner.lower(), kind, rdata, lowest[owner.lower(), kind]) for owner, kind, rdata, _ in found}
    assert ours == {(owner.lower(), *rest) for owner, *rest in by_dnspython(text)}


PIECES = """
a www lab.test. lab.test IN CH 60 99999999999 A TXT SOA MX SVCB NSEC3 RRSIG LOC 192.0.2.1 $ORIGIN $TTL
$INCLUDE \\# alpn= ü \\999 \\1 .. "a"
"""
pieces = st.sampled_from([*' \t\n()";\\@*$.', "\r\n", "x" * 70, *PIECES.split()])


@given(st.lists(pieces, max_size=25).map("".join))
@example('www A 192.0.2.80\n @ ( "')
def test_any_text_is_read_or_told(text: str) -> None:
    """No text brings anything but records, which the server takes as they are, or faults with places."""
    faults = Faults("zone", text)
    found = entries(text, "", Target(ORIGIN, "lab.test", "builtin"), faults)
    lines = text.splitlines() or [""]
    if faults:
        with pytest.raises(InputError) as caught:
            faults.check()
        assert all(1 <= fault.place.line <= len(lines) for fault in caught.value.faults)
        return
    for one in found:
        assert one.record.owner.endswith(".")
        if one.record.type != "SOA":
            asked = dns.message.make_query(one.record.owner, one.record.type)
            served = Authority.from_zones([Zone(ORIGIN, (SOA, one.record))])
            assert dns.message.from_wire(served.answer(asked.to_wire(), transport="tcp") or b"").answer
        again = entries(
            f"{one.record.owner} {one.record.type} {one.record.rdata}",
            "",
            Target(".", "lab.test", "builtin"),
            faults,
        )
        assert [each.record.rdata for each in again] == [one.record.rdata]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"A \# 4 C0000201", "192.0.2.1"),
        (r"DS \# 4 db03b9ff", r"\# 4 db03b9ff"),  # without a digest it has no text
        (r"TYPE65280 \# 2 ( AB", None),
    ],
)
def test_data_in_octets(text: str, expected: str | None) -> None:
    """It is its type's text (RFC 3597, section 5) where there is one; else it stays as it stands."""
    kind = text.partition(" ")[0]
    if expected is None:
        assert told(f"x {text}\n CD )\n") == [("x.lab.test.", kind, r"\# 2 abcd", None)]
        return
    assert told(f"x {text}\n") == [("x.lab.test.", kind, expected, None)]
    Authority.from_zones([Zone(ORIGIN, (SOA, Record("x", kind, expected)))])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a A 192.0.2.1\n", [None]),
        ("a 60 A 192.0.2.1\nb A 192.0.2.1\n", [60, 60]),
        ("a 60 A 192.0.2.1\n$TTL 5\nb A 192.0.2.1\nc 7 A 192.0.2.1\nd A 192.0.2.1\n", [60, 5, 7, 5]),
        ("@ SOA a b 1 2 3 4 77\na A 192.0.2.1\n", [77, 77]),
    ],
)
def test_a_ttl_that_is_left_out(text: str, expected: list[int | None]) -> None:
    """It is $TTL, else the last that was stated (RFC 1035), else the SOA's minimum, else the server's own."""
    assert [ttl for *_, ttl in told(text)] == expected


LAB = """\
nodes:
  ns: {services: {dns: {zones: {lab.test: zones/lab.zone}}}}
  b:
"""


def written(directory: Path, zone: str | bytes, topology: str = LAB) -> Path:
    """Write a topology with its zone file, and return its path."""
    (directory / "zones").mkdir(exist_ok=True)
    (directory / "zones" / "lab.zone").write_bytes(zone if isinstance(zone, bytes) else zone.encode())
    path = directory / "lab.yaml"
    path.write_text(topology)
    return path


def short(zone: Zone) -> set[tuple[str, str, int | None]]:
    """Return what of a zone's records matters here."""
    return {(one.owner, one.type, one.ttl) for one in zone.records}


def test_a_zone_file_is_completed_as_a_map_is(tmp_path: Path) -> None:
    """SOA, NS and the server's address are added where they are missing; so three words make a zone."""
    zone = zones(load(written(tmp_path, "www 60 A 192.0.2.80\n")))[ORIGIN]
    assert short(zone) == {
        ("lab.test.", "SOA", None),
        ("lab.test.", "NS", None),
        ("www.lab.test.", "A", 60),
        ("ns.lab.test.", "A", None),
    }
    assert zone.source == tmp_path / "zones" / "lab.zone"


def test_what_a_zone_file_says_is_not_completed(tmp_path: Path) -> None:
    """Its own SOA, NS and server's address stay alone."""
    text = "$TTL 9\n@ SOA ns h 1 2 3 4 5\n NS ns\nns A 10.0.0.1\n"
    zone = zones(load(written(tmp_path, text)))[ORIGIN]
    assert short(zone) == {("lab.test.", "SOA", 9), ("lab.test.", "NS", 9), ("ns.lab.test.", "A", 9)}


def test_the_byte_order_mark_is_none_of_its_text(tmp_path: Path) -> None:
    """Some editors put one in front."""
    zone = zones(load(written(tmp_path, b"\xef\xbb\xbfwww A 192.0.2.80\r\n")))[ORIGIN]
    assert ("www.lab.test.", "A", None) in short(zone)


def test_the_path_starts_from_the_file_that_it_stands_in(tmp_path: Path) -> None:
    """One that extends a topology elsewhere has its zones too, and faults in them are told there."""
    (tmp_path / "below").mkdir()
    written(tmp_path / "below", "www A 192.0.2.80\n")
    over = tmp_path / "over.yaml"
    over.write_text("extends: below/lab.yaml\n")
    assert ("www.lab.test.", "A", None) in short(zones(load(over))[ORIGIN])
    written(tmp_path / "below", "www A 192.0.2\n")
    with pytest.raises(InputError, match=r"below/zones/lab.zone:1:7: '192.0.2' is no data of an A record"):
        load(over)


def test_one_too_large(tmp_path: Path) -> None:
    """More than a mebibyte is refused, and so are files that come to that together, each use counted."""
    large = b";" * (1 << 20)
    assert zones(load(written(tmp_path, large)))
    with pytest.raises(InputError, match=r"2:43: 'zones/lab.zone' is larger than 1 MiB"):
        load(written(tmp_path, large + b"\n"))
    half = written(tmp_path, large[: 1 << 19], LAB.replace("  ns: {", "  ns: {count: 3, "))
    with pytest.raises(
        InputError, match="the zone files of all servers are larger than 1 MiB together"
    ) as error:
        load(half)
    assert len(error.value.faults) == 1


def test_data_that_no_message_can_carry(tmp_path: Path) -> None:
    """A record of more than 65535 octets is told, in a file and in a map: it would end the server."""
    strings = " ".join(f'"{"x" * 255}"' for _ in range(256))
    for text in (f"big TXT ( {strings} )\nok A 192.0.2.1\n", ""):
        topology = LAB if text else LAB.replace("zones/lab.zone", f"{{big: {{TXT: '{strings}'}}}}")
        with pytest.raises(
            InputError, match=r"octets at most .RFC 1035., and this has 65536 — say less"
        ) as error:
            load(written(tmp_path, text, topology))
        assert len(error.value.faults) == 1


def test_the_root_can_be_served() -> None:
    """The zone "." has every name in it, as a map and as a file; a referral from it has its glue."""
    text = """\
nodes:
  root: {services: {dns: {zones: {".": {test: {NS: ns.test.}, ns.test: 10.0.0.2}}}}}
  ns:
"""
    zone = zones(parse(text, file="lab.yaml", directory=Path("/nowhere")))["."]
    assert {(one.owner, one.type) for one in zone.records} == {
        (".", "SOA"),
        (".", "NS"),
        ("test.", "NS"),
        ("ns.test.", "A"),
        ("root.lab.test.", "A"),
    }
    Authority.from_zones([zone])
    assert [one[:3] for one in told("test NS ns.test.\n@ TXT x\n", ".")] == [
        ("test.", "NS", "ns.test."),
        (".", "TXT", '"x"'),
    ]


def good(text: str) -> Iterable[Zone]:
    """Load a topology without faults."""
    return zones(parse(text, file="lab.yaml", directory=Path("/nowhere"))).values()


@pytest.mark.parametrize(
    "records",
    [
        '{"@": {NS: a}, "*": 10.0.0.1}',  # a wildcard is an address of every name
        '{"@": {NS: a}, a: {CNAME: b}, b: 10.0.0.1}',
        '{"@": {NS: [ns.elsewhere.test.]}}',
        "{sub: {NS: ns.sub}, ns.sub: 203.0.113.53}",  # delegated to where no lab is
        "{sub: {NS: a.other}, other: {NS: ns.lab.test.}}",  # other knows a.other's address
        "{www: [192.0.2.80, 10.0.0.2], v6: 'fd00::99'}",  # outside, a node's, and no subnet of the lab
    ],
)
def test_zones_that_point_elsewhere_are_good(records: str) -> None:
    """What a lab cannot know is not judged, nor what leads to a node by another way."""
    assert good(f"nodes: {{ns: {{services: {{dns: {{zones: {{lab.test: {records}}}}}}}}}, b: }}")


def test_a_node_may_be_taken_away_from_a_lab_whose_zones_name_it(root: Path, tmp_path: Path) -> None:
    """A file that extends another is not blamed for what that one's zones say."""
    path = tmp_path / "lab.yaml"
    path.write_text(f"extends: {root}/topologies/web.yaml\nnodes: {{web: null}}\n")
    assert zones(load(path))


@pytest.mark.parametrize(
    ("line", "blank"),
    [
        ("ns 300 AX 10.0.0.53", False),
        ("mx AX 10.0.0.53", False),
        ("a AX 10.0.0.53", False),
        ("txt AX words", False),
        ("NS ns.lab.test.", True),
        ("MX 10 mail", True),
        ("A 10.0.0.1", True),
        ('TXT "words"', True),
    ],
)
def test_a_type_in_the_owners_place(line: str, blank: bool) -> None:
    """A forgotten blank is told by the data that follows; a host may be called as a type is."""
    with pytest.raises(InputError, match="unknown record type") as raised:
        told(line + "\n")
    assert ("begin the line with a blank" in str(raised.value)) == blank


def test_class_1_is_in() -> None:
    """RFC 3597, section 5: a class by its number; the others are none of a lab's."""
    assert told("www 60 CLASS1 A 10.0.0.1\n") == told("www 60 IN A 10.0.0.1\n")
    with pytest.raises(InputError, match="a record of class CLASS3"):
        told("www class3 A 10.0.0.1\n")


def test_one_ttl_for_one_set() -> None:
    """RFC 2181, section 5.2: of one name and type; other types may have others."""

    def check(text: str) -> None:
        faults = Faults("zone", text)
        check_together(entries(text, "", Target(ORIGIN, "lab.test", "builtin"), faults), ORIGIN, faults)
        faults.check()

    check("www 300 A 10.0.0.1\nWWW 300 A 10.0.0.2\nwww 60 AAAA ::1\n")
    with pytest.raises(InputError, match=r"records A of 'WWW.lab.test.' have two TTLs, 300 s and 600 s"):
        check("www 300 A 10.0.0.1\nWWW 600 A 10.0.0.2\n")
