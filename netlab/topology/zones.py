"""The zones of a dns service: short forms to records with absolute names, checked by dnspython, completed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from netlab.topology import values
from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.model import Record, Zone
from netlab.topology.reader import Mapping, Scalar, Value
from netlab.topology.reader import Sequence as Items
from netlab.topology.vocabulary import RECORD_TYPES

if TYPE_CHECKING:
    import dns.name

# Looser than a hostname: service labels (_tcp), RFC 2317's slash; a lone * is a wildcard.
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_/-]{0,61}[A-Za-z0-9_])?")
_MAX_NAME = 253
_TXT_STRING = 255  # octets in one character-string, RFC 1035 section 3.3
_NAMING = ("CNAME", "NS", "PTR", "MX")


@dataclass(frozen=True, slots=True)
class Server:
    """The node that serves the zones: `name` is its own absolute one, with the final dot."""

    name: str
    search: str
    addresses: Sequence[IPv4Address | IPv6Address]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record with its place in the file."""

    record: Record
    mark: Mark

    @property
    def owner(self) -> str:
        """The owner as DNS compares it (RFC 4343)."""
        return self.record.owner.lower()


def zones(value: Value | None, server: Server, at: Mark, faults: Faults) -> tuple[Zone, ...]:
    """Return the zones, complete; `at` is where a missing `zones` is noted."""
    expected = "zones by name, as {lab.test: {www: 10.0.0.80}}"
    found = values.entries(value, expected, faults)
    if found == ():
        faults.add(value.mark if value else at, "a dns service without zones", f"write {expected}")
    values.once([key for key, _ in found or ()], "zone", faults)
    return tuple(_zone(key, entry, server, faults) for key, entry in found or ())


def _zone(key: Scalar, value: Value, server: Server, faults: Faults) -> Zone:
    import dns.name

    origin = key.text.removesuffix(".")
    if not _is_domain(origin) and key.text != ".":
        hint = "write a domain, as lab.test or 0.0.10.in-addr.arpa"
        faults.add(key.mark, f"{shown(key.text)} is no name of a zone", hint)
        return Zone(origin, ())
    found = values.entries(value, "names with their records, as {www: 10.0.0.80}", faults) or ()
    reading = _Reading(origin, dns.name.from_text(origin + "."), server.search, faults)
    read = [entry for owner, records in found for entry in reading.owner(owner, records)]
    _check_together(read, origin, faults)
    return Zone(origin, _complete([entry.record for entry in read], origin, server))


@dataclass(frozen=True, slots=True)
class _Reading:
    """One zone being read."""

    origin: str
    origin_name: dns.name.Name
    search: str
    faults: Faults

    def owner(self, key: Scalar, value: Value) -> Iterator[_Entry]:
        """Yield an owner's records."""
        owner = self._absolute(key)
        if owner is None:
            return
        if not isinstance(value, Mapping):
            for item in value.items if isinstance(value, Items) else (value,):
                yield from self._address(owner, item)
            return
        for kind, data in value.entries:
            if kind.text not in RECORD_TYPES:
                hint = values.suggest(kind.text, tuple(RECORD_TYPES))
                self.faults.add(kind.mark, f"unknown record type {shown(kind.text)}", hint)
                continue
            for item in data.items if isinstance(data, Items) else (data,):
                yield from self._record(owner, kind.text, item)

    def _absolute(self, key: Scalar) -> str | None:
        """Return an owner's absolute name, with the final dot, if it is one and lies in the zone."""
        word = key.text
        name = word.removesuffix(".") if word.endswith(".") else f"{word}.{self.origin}".removesuffix(".")
        if word == "@":
            name = self.origin
        if not _is_domain(name.removeprefix("*.")) and (name or word not in ("@", ".")):
            self.faults.add(key.mark, f"{shown(word)} is no domain name", "write labels and dots, as www")
            return None
        if not _within(name, self.origin):
            what = f"{shown(word)} lies outside the zone {shown(self.origin)}"
            self.faults.add(
                key.mark, what, "write a name relative to the zone, as www, or move it to its own zone"
            )
            return None
        if word != "@" and not word.endswith(".") and self.origin and _within(word, self.origin):
            self._no_final_dot(key.mark, word)
            return None
        return name + "."

    def _address(self, owner: str, value: Value) -> Iterator[_Entry]:
        """Read the short form: an address alone is an A or AAAA record."""
        expected = "an address, as 10.0.0.80, or records by type, as {CNAME: web}"
        word = values.text(value, expected, self.faults)
        if word is None:
            return
        kind = "AAAA" if ":" in word else "A"
        if _is_address(word, kind):
            yield from self._record(owner, kind, value)
        else:
            self.faults.add(value.mark, f"{shown(word)} is no address", f"write {expected}")

    def _record(self, owner: str, kind: str, value: Value) -> Iterator[_Entry]:
        word = self._word(kind, value)
        if word is None:
            return
        if kind in _NAMING and (misnamed := word.split()[-1:]):
            if _is_address(misnamed[0], "A"):
                what = f"{kind} wants a name, and {shown(misnamed[0])} is an address"
                self.faults.add(value.mark, what, f"write {RECORD_TYPES[kind]}")
                return
            # Below the root, every name is whole.
            if self.origin and (_within(misnamed[0], self.origin) or _within(misnamed[0], self.search)):
                self._no_final_dot(value.mark, misnamed[0])
                return
        rdata = self._rdata(kind, word)
        if rdata is None:
            what = f"{shown(word)} is no data of {_a(kind)} record"
            self.faults.add(value.mark, what, f"write {RECORD_TYPES[kind]}")
        else:
            yield _Entry(Record(owner, kind, rdata), value.mark)

    def _word(self, kind: str, value: Value) -> str | None:
        """Return a record's data as text; what is a number to YAML is text all the same in a TXT."""
        if kind == "TXT" and isinstance(value, Scalar) and value.kind != "null":
            return value.text if value.text.startswith('"') else _quoted(value.text)
        return values.text(value, RECORD_TYPES[kind], self.faults)

    def _rdata(self, kind: str, word: str) -> str | None:
        """Return the data in canonical form with absolute names; None where it is not of that type."""
        import dns.exception
        import dns.rdata

        if kind in ("A", "AAAA") and not _is_address(word, kind):
            return None
        try:
            rdata = dns.rdata.from_text("IN", kind, word, self.origin_name, relativize=False)
            return str(rdata.to_text())
        except (dns.exception.DNSException, ValueError):
            return None

    def _no_final_dot(self, mark: Mark, word: str) -> None:
        what = f"{shown(word)} has no final dot, and would mean {shown(f'{word}.{self.origin}.')}"
        self.faults.add(mark, what, f"write {shown(word + '.')}, or a name relative to the zone")


def _check_together(read: list[_Entry], origin: str, faults: Faults) -> None:
    """Note what no zone may hold: a record twice, a CNAME beside other data (RFC 1034 §3.6.2), two SOAs."""
    by_owner: dict[str, list[_Entry]] = {}
    seen = set()
    for entry in read:
        by_owner.setdefault(entry.owner, []).append(entry)
        same = (entry.owner, entry.record.type, entry.record.rdata)
        if same in seen:
            faults.add(entry.mark, "this record is there already", "delete one of the two")
        seen.add(same)
    apex = origin.lower() + "."
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


def _complete(records: list[Record], origin: str, server: Server) -> tuple[Record, ...]:
    """Add what a zone cannot be without, and its server's own address."""
    apex = origin + "."
    at_apex = {record.type for record in records if record.owner.lower() == apex.lower()}
    first = []
    if "SOA" not in at_apex:
        first.append(Record(apex, "SOA", f"{server.name} hostmaster.{server.search}. 1 3600 600 86400 300"))
    if "NS" not in at_apex:
        first.append(Record(apex, "NS", server.name))
    last = []
    # Not where the name is an alias, either: nothing may stand beside a CNAME.
    own = {record.type for record in records if record.owner.lower() == server.name.lower()}
    if _within(server.name[:-1], origin) and "CNAME" not in own:
        kinds = {4: "A", 6: "AAAA"}
        found = [Record(server.name, kinds[one.version], str(one)) for one in server.addresses]
        last = [record for record in found if record.type not in own]
    return (*first, *records, *last)


def _is_domain(name: str) -> bool:
    return len(name) <= _MAX_NAME and all(map(_LABEL.fullmatch, name.split(".")))


def _within(name: str, zone: str) -> bool:
    """Say whether a name (no final dot) is the zone's or below it."""
    return not zone or ("." + name.lower()).endswith("." + zone.lower())


def _is_address(word: str, kind: str) -> bool:
    try:
        (IPv4Address if kind == "A" else IPv6Address)(word)
    except AddressValueError:
        return False
    return "%" not in word  # a scope is a host's own matter, no record's


def _quoted(text: str) -> str:
    """Write a text as quoted character-strings (RFC 1035, section 5.1), in UTF-8, cut where one is full."""
    octets = text.encode()
    cuts = range(0, len(octets) or 1, _TXT_STRING)
    return " ".join('"' + "".join(map(_escaped, octets[at : at + _TXT_STRING])) + '"' for at in cuts)


def _escaped(octet: int) -> str:
    if octet in b'"\\':
        return "\\" + chr(octet)
    return chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}"


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'AMNS' else 'a'} {kind}"
