"""Zones as the text of master files (RFC 1035, section 5), for servers that read these."""

from __future__ import annotations

from collections.abc import Iterable

from netlab.topology.model import Record, Zone
from netlab.topology.records import ROOT

TTL = 300  # seconds, of records that say none: as the builtin engine has it


def zone_text(zone: Zone) -> str:
    """Return a zone's master file: every name absolute, the SOA first."""
    records = sorted(zone.records, key=lambda record: record.type != "SOA")
    return "".join([f"; zone {zone.origin}, by netlab\n", records_text(records)])


def records_text(records: Iterable[Record]) -> str:
    """Return records, a line each."""
    lines = ((one.owner, TTL if one.ttl is None else one.ttl, one.type, one.rdata) for one in records)
    return "".join(f"{owner} {ttl} IN {kind} {rdata}\n" for owner, ttl, kind, rdata in lines)


def file_name(origin: str) -> str:
    """Return the name of a zone's file; a slash (RFC 2317) is none in it."""
    stem = {ROOT: "root", "root": "root."}.get(origin.lower(), origin.lower())
    return f"{stem.replace('/', '%2F')}.zone"
