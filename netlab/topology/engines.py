"""What each engine can do beside serving zones or a directory, and what of a service it cannot.

Checked where a file names an engine, and once more where the command line names another.
"""

from __future__ import annotations

from netlab.topology.model import DnsService, HttpService, Service, Zone
from netlab.topology.records import ROOT, absolute

# Kind and engine → the keys that it understands, besides those that all of its kind do.
ABILITIES: dict[tuple[str, str], tuple[str, ...]] = {
    ("dns", "builtin"): (),
    ("dns", "bind9"): ("forward", "recursive", "root", "dnssec", "config"),
    ("dns", "dnsmasq"): ("forward", "config"),
    ("http", "builtin"): (),
    ("http", "nginx"): ("config",),
    ("http", "caddy"): ("https", "config"),
}
# dnsmasq reads lines of 1 KiB, in which a record's data stand in hexadecimal.
_MOST_OF_DNSMASQ = 350  # octets


def inability(kind: str, engine: str, word: str) -> tuple[str, str] | None:
    """Return what is wrong with a key for an engine, and the cure; None where the engine understands it."""
    if word in ABILITIES.get((kind, engine), (word,)):
        return None
    able = [one for (of, one), words in ABILITIES.items() if of == kind and word in words]
    if not able:
        return None  # all of its kind understand it
    return f"the engine {engine} cannot do {word}", f"write engine: {' or '.join(able)}, or leave it out"


def asked_of(service: Service) -> tuple[str, ...]:
    """Return the keys that a service uses, and that not every engine understands."""
    if isinstance(service, DnsService):
        asked = {
            "forward": service.forward,
            "recursive": service.recursive,  # with its roots, which the loader finds by itself
            "dnssec": service.dnssec,
            "config": service.config,
        }
    elif isinstance(service, HttpService):
        asked = {"https": service.https, "config": service.config}
    else:
        asked = {}
    return tuple(word for word, value in asked.items() if value)


def unfit(service: Service) -> tuple[str, str] | None:
    """Return what of a service's zones its engine cannot serve, and the cure; None where it can."""
    if not isinstance(service, DnsService) or service.config is not None:
        return None
    records = [record for zone in service.zones for record in zone.records]
    dname = next((record for record in records if record.type == "DNAME"), None)
    if dname is not None and service.engine != "bind9":
        return f"the engine {service.engine} cannot serve {dname.owner} DNAME", "write engine: bind9"
    if service.engine != "dnsmasq":
        return None
    why = next((why for zone in service.zones if (why := _not_for_dnsmasq(zone))), None)
    ttls = sorted({record.ttl for record in records if record.ttl is not None})
    if why is None and len(ttls) > 1:
        why = f"records of several TTLs ({', '.join(map(str, ttls))}): it has one for all"
    return None if why is None else (f"dnsmasq cannot serve {why}", "write engine: bind9 or builtin")


def _not_for_dnsmasq(zone: Zone) -> str | None:
    """Return what dnsmasq, which has no notion of a zone, cannot say of one."""
    apex = absolute(zone.origin).lower()
    if zone.origin == ROOT:
        return "the root zone"
    for record in zone.records:
        owner = record.owner.lower()
        if record.type == "NS" and owner != apex:
            return f"a delegation ({record.owner} NS)"
        if owner.startswith("*.") and record.type not in ("A", "AAAA"):
            return f"a wildcard other than addresses ({record.owner} {record.type})"
        if record.type not in ("A", "AAAA", "CNAME", "PTR") and len(wire(record.type, record.rdata)) > (
            _MOST_OF_DNSMASQ
        ):
            return f"so long a record ({record.owner} {record.type}): at most {_MOST_OF_DNSMASQ} octets"
    return None


def wire(kind: str, rdata: str) -> bytes:
    """Return a record's data, in presentation form with absolute names, as messages have it."""
    import dns.rdata

    return bytes(dns.rdata.from_text("IN", kind, rdata).to_wire() or b"")
