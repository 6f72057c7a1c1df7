"""What records in a map and in a zone file have in common: names, addresses, what may stand together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.model import Record

if TYPE_CHECKING:
    import dns.name
    import dns.rdata

ROOT = "."
# Types whose data ends in a name that is meant to have an address, or to be one's own.
NAMING = ("CNAME", "NS", "PTR", "MX")

# Looser than a hostname: service labels (_tcp), RFC 2317's slash; a lone * is a wildcard.
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_/-]{0,61}[A-Za-z0-9_])?")
_MAX_NAME = 253
_MOST_DATA = 65535  # octets: what a record's length can say, RFC 1035, section 3.2.1


@dataclass(frozen=True, slots=True)
class Entry:
    """A record with its place in the file."""

    record: Record
    mark: Mark

    @property
    def owner(self) -> str:
        """The owner as DNS compares it (RFC 4343)."""
        return self.record.owner.lower()


def read_data(kind: str, text: str, origin: dns.name.Name) -> dns.rdata.Rdata:
    """Return a type's data, with absolute names; what dnspython raises where it is none.

    It makes an error of its own of whatever comes while it reads; a signal's exception is raised again.
    """
    import dns.exception
    import dns.rdata

    try:
        return dns.rdata.from_text("IN", kind, text, origin, relativize=False)
    except dns.exception.DNSException as error:
        cause = error.__cause__
        while cause is not None and isinstance(cause, Exception):
            cause = cause.__cause__
        if cause is not None:
            raise cause from None
        raise


def check_together(read: list[Entry], origin: str, faults: Faults) -> None:
    """Note what no zone may hold: a record twice, a CNAME beside other data (RFC 1034 §3.6.2), two SOAs.

    And records of one name and type whose TTLs differ (RFC 2181, section 5.2).
    """
    by_owner: dict[str, list[Entry]] = {}
    ttls: dict[tuple[str, str], int | None] = {}
    seen = set()
    for entry in read:
        by_owner.setdefault(entry.owner, []).append(entry)
        same = (entry.owner, entry.record.type, entry.record.rdata)
        if same in seen:
            faults.add(entry.mark, "this record is there already", "delete one of the two")
        elif entry.record.type != "RRSIG":  # each has the TTL of what it signs (RFC 4034, section 3)
            _check_ttl(entry, ttls.setdefault(same[:2], entry.record.ttl), faults)
        seen.add(same)
    apex = absolute(origin).lower()
    for owner, entries in by_owner.items():
        aliases = [entry for entry in entries if entry.record.type == "CNAME"]
        if aliases and (len(entries) > 1 or owner == apex):
            what = f"a CNAME stands beside other data of {shown(owner)}"
            hint = "a name is either an alias or has data of its own (RFC 1034)"
            faults.add(aliases[-1].mark, what, hint)
        starts = [entry for entry in entries if entry.record.type == "SOA"]
        if starts and owner != apex:
            faults.add(starts[0].mark, "an SOA stands below the top of its zone", "write it under '@'")
        elif len(starts) > 1:
            faults.add(starts[1].mark, "a second SOA", "a zone has one: delete the other")


def _check_ttl(entry: Entry, first: int | None, faults: Faults) -> None:
    """Note a TTL that is not that of the first record of the same name and type."""
    record = entry.record
    if record.ttl != first:
        one, other = ("none" if ttl is None else f"{ttl} s" for ttl in (first, record.ttl))
        what = f"records {record.type} of {shown(record.owner)} have two TTLs, {one} and {other}"
        faults.add(entry.mark, what, "give all of them one (RFC 2181)")


def is_too_long(rdata: dns.rdata.Rdata, mark: Mark, faults: Faults) -> bool:
    """Note data that no message can carry; dnspython reads it nevertheless."""
    octets = len(rdata.to_wire() or b"")
    if octets > _MOST_DATA:
        what = f"a record's data has {_MOST_DATA} octets at most (RFC 1035), and this has {octets}"
        faults.add(mark, what, "say less")
    return octets > _MOST_DATA


def no_final_dot(mark: Mark, word: str, origin: str, faults: Faults) -> None:
    """Note a name that was most likely meant to be absolute; `origin` is what it is relative to."""
    what = f"{shown(word)} has no final dot, and would mean {shown(absolute(below(word, origin)))}"
    faults.add(mark, what, f"write {shown(word + '.')}, or a name relative to the zone")


def absolute(origin: str) -> str:
    """Return a zone's name with the final dot; the root's is nothing but that."""
    return origin if origin == ROOT else origin + "."


def below(word: str, origin: str) -> str:
    """Return what a relative name means in a zone, without the final dot."""
    return word if origin == ROOT else f"{word}.{origin}"


def is_domain(name: str) -> bool:
    """Say whether a text, without a final dot, can name something in DNS."""
    return len(name) <= _MAX_NAME and all(map(_LABEL.fullmatch, name.split(".")))


def within(name: str, zone: str) -> bool:
    """Say whether a name (no final dot) is the zone's or below it."""
    return zone == ROOT or ("." + name.lower()).endswith("." + zone.lower())


def is_address(word: str, kind: str) -> bool:
    """Say whether a text is the data of an A, or else of an AAAA record."""
    try:
        (IPv4Address if kind == "A" else IPv6Address)(word)
    except AddressValueError:
        return False
    return "%" not in word  # a scope is a host's own matter, no record's


def a(kind: str) -> str:
    """Return a record type with its article, as it is spoken."""
    return f"{'an' if kind[0] in 'AMNS' else 'a'} {kind}"
