"""What services are told of the rest of the lab: whom to ask, whom to believe, under which names to serve.

And how a plan shows them, to the eye and to a program.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netlab.plan import provisions
from netlab.plan.ways import Ways
from netlab.topology.model import (
    DnsService,
    ExecService,
    HttpService,
    Node,
    Record,
    Service,
    Topology,
    Zone,
)
from netlab.topology.records import ROOT, absolute, within
from netlab.topology.values import is_label

_FOLLOWED = 8  # aliases in a row; a ring of them has no end


def planned(node: Node, topology: Topology, ways: Ways) -> tuple[Service, ...]:
    """Return a node's services with all that is decided for them."""
    return tuple(_planned(service, node, topology, ways) for service in node.services)


def _planned(service: Service, node: Node, topology: Topology, ways: Ways) -> Service:
    if isinstance(service, HttpService):
        return replace(service, names=_names(node, topology)) if service.https else service
    if isinstance(service, DnsService) and (service.forward or service.recursive):
        known = {each.name: each for each in topology.nodes}
        forward = tuple(
            str(ways.address(known[one], node)) if one in known else one for one in service.forward
        )
        hints = tuple(hint for name in service.root for hint in _hints(known[name], node, ways))
        return replace(
            service, forward=forward, hints=tuple(dict.fromkeys(hints)), anchors=_anchors(topology)
        )
    return service


# -- names -------------------------------------------------------------------------------------------


def all_zones(topology: Topology) -> Iterator[tuple[DnsService, Zone]]:
    """Yield every zone of every server."""
    for node in topology.nodes:
        for service in node.services:
            if isinstance(service, DnsService):
                yield from ((service, zone) for zone in service.zones)


def _hints(root: Node, node: Node, ways: Ways) -> Iterator[Record]:
    """Yield the root's name servers as one of them tells them, or, with no address there, the node itself."""
    for service in root.services:
        for zone in service.zones if isinstance(service, DnsService) else ():
            if zone.origin != ROOT:
                continue
            addresses = [one for one in zone.records if one.type in ("A", "AAAA")]
            for server in (one for one in zone.records if one.type == "NS" and one.owner == ROOT):
                yield server
                own = [one for one in addresses if one.owner.lower() == server.rdata.lower()]
                address = ways.address(root, node)
                kind = "A" if address.version == 4 else "AAAA"
                yield from own or [Record(server.rdata, kind, str(address))]


def _anchors(topology: Topology) -> tuple[str, ...]:
    """Return the signed zones for which no signed zone above them can vouch."""
    signed = {zone.origin.lower() for service, zone in all_zones(topology) if service.dnssec}
    zones = {zone.origin.lower(): (service.dnssec, zone) for service, zone in all_zones(topology)}
    return tuple(sorted(origin for origin in signed if not _is_vouched_for(origin, zones)))


def _is_vouched_for(origin: str, zones: dict[str, tuple[bool, Zone]]) -> bool:
    parent = parent_of(origin, zones)
    if parent is None:
        return False
    signed, zone = zones[parent]
    return signed and delegates(zone, origin)


def parent_of(origin: str, zones: dict[str, tuple[bool, Zone]]) -> str | None:
    """Return the nearest zone above one, of those that there are; None where there is none."""
    above = [one for one in zones if one != origin and within(origin, one)]
    return max(above, key=len, default=None)


def delegates(zone: Zone, origin: str) -> bool:
    """Say whether a zone hands `origin`, a name below its own, to servers of that one."""
    return any(one.type == "NS" and one.owner.lower() == absolute(origin).lower() for one in zone.records)


def has_https(topology: Topology) -> bool:
    """Say whether any node serves HTTPS, with a certificate of the lab's own."""
    services = (service for node in topology.nodes for service in node.services)
    return any(isinstance(service, HttpService) and service.https for service in services)


def _names(node: Node, topology: Topology) -> tuple[str, ...]:
    """Return all names under which a node is found: its own, DNS's for its addresses, and these."""
    own = [str(one) for each in node.interfaces for one in (each.address, each.address6) if one is not None]
    records = [record for _, zone in all_zones(topology) for record in zone.records]
    found = {r.owner.lower() for r in records if r.type in ("A", "AAAA") and r.rdata in own}
    for _ in range(_FOLLOWED):
        found |= {r.owner.lower() for r in records if r.type == "CNAME" and r.rdata.lower() in found}
    plain = sorted(name.removesuffix(".") for name in found)
    # A certificate is for hosts: not for names as _service._tcp.
    hosts = [name for name in plain if all(map(is_label, name.removeprefix("*.").split(".")))]
    return tuple(dict.fromkeys([*hosts, node.name.lower(), *own]))


# -- for the eye, and for a program -----------------------------------------------------------------------


def row(service: Service) -> tuple[str, str]:
    """Return a service's name, and what it is in a line."""
    if isinstance(service, ExecService):
        one = service.startup
        ready = "it runs" if one.ready is None else str(one.ready)
        again = "" if service.restart == "never" else f", restarted {service.restart}"
        return service.called, f"{provisions.shown_command(one.argv)}; ready when {ready}{again}"
    config = f", configured by {service.config.origin}" if service.config else ""
    if isinstance(service, HttpService):
        https = f" and 443 (https, as {', '.join(service.names)})" if service.https else ""
        return service.kind, f"{service.engine}, port {service.port}{https}, serves {service.content}{config}"
    does = [f"serves {', '.join(map(_zone, service.zones))}"] if service.zones else []
    does += ["signed (DNSSEC)"] if service.dnssec else []
    does += [f"forwards to {', '.join(service.forward)}"] if service.forward else []
    does += [f"recursive from {', '.join(service.root)}"] if service.recursive else []
    return service.kind, f"{service.engine}, port 53, {', '.join(does)}{config}"


def _zone(zone: Zone) -> str:
    return f"{zone.origin} ({len(zone.records)} record{'s' * (len(zone.records) != 1)})"


def data(service: Service) -> dict[str, Any]:
    """Return a service as JSON has it; of what it does not use, nothing."""
    common: dict[str, Any] = {"kind": service.kind, "engine": service.engine}
    if isinstance(service, ExecService):
        more = {"name": service.name, "restart": service.restart, "stop": service.stop}
        return common | more | provisions.startup_data(service.startup)
    config = {"config": service.config.origin} if service.config else {}
    if isinstance(service, HttpService):
        common |= {"content": str(service.content), "port": service.port}
        return common | ({"https": list(service.names)} if service.https else {}) | config
    told: dict[str, Any] = {
        "forward": list(service.forward),
        "recursive": service.recursive,
        "hints": [_record(one) for one in service.hints],
        "dnssec": service.dnssec,
        "anchors": list(service.anchors),
    }
    zones = [{"origin": one.origin, "records": list(map(_record, one.records))} for one in service.zones]
    return common | {"zones": zones} | {word: value for word, value in told.items() if value} | config


def _record(record: Record) -> dict[str, Any]:
    told = {"owner": record.owner, "type": record.type, "rdata": record.rdata}
    return told | ({} if record.ttl is None else {"ttl": record.ttl})
