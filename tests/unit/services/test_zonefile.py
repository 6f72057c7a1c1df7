"""Master files: what is written is what dnspython reads back, for any zone that a topology can have."""

from __future__ import annotations

import dns.rdatatype
import dns.zone
from hypothesis import given
from hypothesis import strategies as st

from netlab.services import dns as builtin
from netlab.services.zonefile import TTL, file_name, zone_text
from netlab.topology.model import Record, Zone
from netlab.topology.zones import _quoted

LABELS = st.from_regex(r"[a-z][a-z0-9-]{0,6}[a-z0-9]", fullmatch=True)
RECORDS = st.one_of(
    st.tuples(st.just("A"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("AAAA"), st.ip_addresses(v=6).map(str)),
    st.tuples(st.just("TXT"), st.text(st.characters(codec="utf-8"), max_size=300).map(_quoted)),
    st.tuples(st.just("MX"), LABELS.map(lambda label: f"10 {label}.test.")),
)
SOA = Record("lab.test.", "SOA", "ns.lab.test. h.lab.test. 1 2 3 4 5")


@given(st.lists(st.tuples(LABELS, RECORDS), max_size=8))
def test_what_is_written_is_read_back(made: list[tuple[str, tuple[str, str]]]) -> None:
    """Owner, type, data and TTL of every record survive, quotes and octets beyond ASCII in texts too."""
    records = [Record(f"{label}.lab.test.", *data) for label, data in made]
    text = zone_text(Zone("lab.test", (*records, SOA, Record("lab.test.", "NS", "ns.elsewhere.test."))))
    zone = dns.zone.from_text(text, "lab.test.", relativize=False)
    read = {
        (str(name), dns.rdatatype.to_text(rdataset.rdtype), rdata, rdataset.ttl)
        for name, rdataset in zone.iterate_rdatasets()
        for rdata in rdataset
    }
    for record in records:
        wanted = dns.rdata.from_text("IN", record.type, record.rdata)
        assert (record.owner, record.type, wanted, TTL) in read


def test_the_soa_comes_first() -> None:
    """Some readers want it there."""
    zone = Zone("lab.test", (Record("a.lab.test.", "A", "10.0.0.1"), SOA))
    assert zone_text(zone).splitlines()[1].startswith("lab.test. 300 IN SOA ")


def test_all_engines_serve_with_one_ttl() -> None:
    """What the builtin engine says of a record's life is what the others are told."""
    assert builtin.DEFAULT_TTL == TTL


def test_each_zone_has_a_file_of_its_own() -> None:
    """The root and a zone that is called root, and a name with a slash (RFC 2317)."""
    names = [file_name(origin) for origin in (".", "root", "Lab.test", "0/25.2.0.192.in-addr.arpa")]
    assert names == ["root.zone", "root..zone", "lab.test.zone", "0%2F25.2.0.192.in-addr.arpa.zone"]


def test_a_record_keeps_its_own_ttl() -> None:
    """One that says none has the server's own."""
    own, usual = Record("a.lab.test.", "A", "192.0.2.1", 60), Record("b.lab.test.", "A", "192.0.2.2")
    assert zone_text(Zone("lab.test", (SOA, own, usual))).splitlines()[2:] == [
        "a.lab.test. 60 IN A 192.0.2.1",
        f"b.lab.test. {TTL} IN A 192.0.2.2",
    ]
