"""Zones: the short forms, what the loader completes, and how text is quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from netlab.topology import parse
from netlab.topology.model import DnsService, Topology


def read(text: str, directory: Path = Path("/nowhere")) -> Topology:
    """Read a topology from a file that is called lab.yaml."""
    return parse(text, file="lab.yaml", directory=directory)


def records(topology: Topology) -> set[tuple[str, str, str]]:
    """Return the records of the first zone of the first node."""
    service = topology.nodes[0].services[0]
    assert isinstance(service, DnsService)
    return {(record.owner, record.type, record.rdata) for record in service.zones[0].records}


def zone(body: str, origin: str = "lab.test") -> Topology:
    """Read a lab whose first node, ns, serves a zone with this body."""
    return read(f"nodes: {{ns: {{services: {{dns: {{zones: {{{origin}: {body}}}}}}}}}}}")


def test_zone_is_completed() -> None:
    """SOA, NS and the server's own address are there although the file names none of them."""
    assert records(zone("{www: 192.0.2.80}")) == {
        ("lab.test.", "SOA", "ns.lab.test. hostmaster.lab.test. 1 3600 600 86400 300"),
        ("lab.test.", "NS", "ns.lab.test."),
        ("ns.lab.test.", "A", "10.0.0.1"),
        ("www.lab.test.", "A", "192.0.2.80"),
    }


def test_what_the_file_says_is_not_completed() -> None:
    """A zone's own SOA, NS and server's address stay as they are."""
    body = '{"@": {SOA: a b 7 1 2 3 4, NS: [ns, ns.example.]}, NS: 192.0.2.9}'
    assert records(zone(body)) == {
        ("lab.test.", "SOA", "a.lab.test. b.lab.test. 7 1 2 3 4"),
        ("lab.test.", "NS", "ns.lab.test."),
        ("lab.test.", "NS", "ns.example."),
        ("NS.lab.test.", "A", "192.0.2.9"),
    }


def test_the_servers_address_is_not_added_beside_its_alias() -> None:
    """A server whose name is a CNAME gets no A record: nothing may stand beside a CNAME."""
    assert {kind for owner, kind, _ in records(zone("{ns: {CNAME: www}}")) if owner == "ns.lab.test."} == {
        "CNAME"
    }


def test_reverse_zone_gets_no_address_of_the_server() -> None:
    """The server's name does not lie in a reverse zone, so that only SOA and NS are added there."""
    found = records(zone('{"80": {PTR: www.lab.test.}}', "0.0.10.in-addr.arpa"))
    assert {kind for _, kind, _ in found} == {"SOA", "NS", "PTR"}
    assert ("80.0.0.10.in-addr.arpa.", "PTR", "www.lab.test.") in found


def test_names_become_absolute() -> None:
    """Owners and the names in data lose the short form: relative, @, absolute, wildcard."""
    body = '{"@": {MX: 10 mail}, a: {CNAME: "@"}, b.lab.test.: 192.0.2.2, "*": {CNAME: www.example.}}'
    assert records(zone(body)) >= {
        ("lab.test.", "MX", "10 mail.lab.test."),
        ("a.lab.test.", "CNAME", "lab.test."),
        ("b.lab.test.", "A", "192.0.2.2"),
        ("*.lab.test.", "CNAME", "www.example."),
    }


def test_an_address_alone_is_a_record_of_its_kind() -> None:
    """An address, or a list of them, is an A or an AAAA record each."""
    assert records(zone('{www: [192.0.2.80, 192.0.2.81, "fd00::80"]}')) >= {
        ("www.lab.test.", "A", "192.0.2.80"),
        ("www.lab.test.", "A", "192.0.2.81"),
        ("www.lab.test.", "AAAA", "fd00::80"),
    }


@pytest.mark.parametrize(
    ("written", "rdata"),
    [
        ("hello from the lab", '"hello from the lab"'),
        ("2012", '"2012"'),
        ("yes", '"yes"'),
        ('\'"one" "two"\'', '"one" "two"'),
        ("'say \\'", '"say \\\\"'),
        ("Zürich", '"Z\\195\\188rich"'),
        ("''", '""'),
        ("x" * 300, f'"{"x" * 255}" "{"x" * 45}"'),
    ],
)
def test_txt_is_quoted_unless_it_is(written: str, rdata: str) -> None:
    """A text needs no quotes of DNS's own; with them it is taken as it stands; 255 octets make a string."""
    assert ("t.lab.test.", "TXT", rdata) in records(zone(f"{{t: {{TXT: {written}}}}}"))


def test_search_domain_names_the_server() -> None:
    """The completed records follow the lab's own search domain."""
    topology = read(
        "search: example.test.\nnodes: {ns: {services: {dns: {zones: {example.test: {www: 192.0.2.80}}}}}}"
    )
    assert topology.search == "example.test"
    assert ("example.test.", "NS", "ns.example.test.") in records(topology)
