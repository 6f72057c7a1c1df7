"""dnsmasq: answers from a table of names, or forwards; it has no notion of a zone, and knows no delegation.

`netlab.topology.engines` says which zones it therefore cannot serve.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan.model import PlannedNode
from netlab.services.programs import Engine, Program, directory
from netlab.services.zonefile import TTL
from netlab.topology.engines import wire
from netlab.topology.given import PortOpen
from netlab.topology.model import DnsService, Record, Service

_NUMBERS = {"NS": 2, "SOA": 6, "MX": 15, "TXT": 16}  # of types that it takes as they are on the wire


def describe(service: Service, node: PlannedNode) -> Program:
    """Return what it takes to serve with dnsmasq."""
    assert isinstance(service, DnsService)
    place = directory(node, service.kind)
    config = service.config.text if service.config else "\n".join(_lines(service, place)) + "\n"
    return Program(
        argv=("dnsmasq", f"--conf-file={place}/dnsmasq.conf"),
        ready=(PortOpen(53, "udp"), PortOpen(53)),
        directory=place,
        files=((f"{place}/dnsmasq.conf", config), (f"{place}/hosts", _hosts(service))),
    )


def _lines(service: DnsService, place: str) -> Iterator[str]:
    yield "keep-in-foreground"
    yield "log-facility=-"  # standard error
    yield "log-queries"
    yield "pid-file="
    yield "user="  # the one that it is started as, and its group
    yield "group="
    yield "no-hosts"
    yield "no-resolv"
    yield "no-poll"
    yield f"local-ttl={_ttl(service)}"
    yield f"addn-hosts={place}/hosts"
    yield from (f"server={one}" for one in service.forward)
    for zone in service.zones:
        yield f"local=/{zone.origin}/"
        yield from (line for record in zone.records if (line := _line(record)))


def _ttl(service: DnsService) -> int:
    """Return the TTL of all records: they have no two."""
    stated = (record.ttl for zone in service.zones for record in zone.records)
    return next((ttl for ttl in stated if ttl is not None), TTL)


def _line(record: Record) -> str | None:
    """Return a record as an option; None for an address, which stands among the hosts."""
    owner, target = record.owner.removesuffix("."), record.rdata.removesuffix(".")
    if record.type in ("A", "AAAA"):
        return f"address=/{owner}/{record.rdata}" if owner.startswith("*.") else None
    if record.type == "CNAME":
        return f"cname={owner},{target}"
    if record.type == "PTR":
        return f"ptr-record={owner},{target}"
    number = _NUMBERS.get(record.type)
    if number is None:
        import dns.rdatatype

        number = int(dns.rdatatype.from_text(record.type))
    return f"dns-rr={owner},{number},{wire(record.type, record.rdata).hex()}"


def _hosts(service: DnsService) -> str:
    records = [record for zone in service.zones for record in zone.records]
    return "".join(
        f"{record.rdata} {record.owner.removesuffix('.')}\n"
        for record in records
        if record.type in ("A", "AAAA") and not record.owner.startswith("*.")
    )


ENGINE = Engine(
    name="dnsmasq",
    program="dnsmasq",
    asking=("dnsmasq", "--version"),
    version=r"Dnsmasq version (\S+)",
    packages={"debian": "dnsmasq-base", "": "dnsmasq"},
    describe=describe,
    helpers={},
)
