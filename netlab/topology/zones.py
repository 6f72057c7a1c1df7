"""The zones of a dns service: short forms to records with absolute names, checked by dnspython, completed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from netlab.topology import values, zonefile
from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.model import Record, Zone
from netlab.topology.reader import Mapping, Scalar, Value
from netlab.topology.reader import Sequence as Items
from netlab.topology.records import (
    NAMING,
    ROOT,
    Entry,
    a,
    absolute,
    below,
    check_together,
    is_address,
    is_domain,
    is_too_long,
    no_final_dot,
    read_data,
    within,
)
from netlab.topology.vocabulary import RECORD_TYPES

if TYPE_CHECKING:
    import dns.name
    import dns.rdata

_TXT_STRING = 255  # octets in one character-string, RFC 1035 section 3.3


@dataclass(frozen=True, slots=True)
class Server:
    """The node that serves the zones: `name` is its own absolute one, with the final dot."""

    name: str
    search: str
    addresses: Sequence[IPv4Address | IPv6Address]
    sources: zonefile.Sources
    engine: str = "builtin"


def zones(value: Value | None, server: Server, at: Mark, faults: Faults) -> tuple[Zone, ...]:
    """Return the zones, from maps or zone files, complete; `at` is where a missing `zones` is noted."""
    expected = "zones by name, as {lab.test: {www: 10.0.0.80}}"
    found = values.entries(value, expected, faults)
    if found == ():
        faults.add(value.mark if value else at, "a dns service without zones", f"write {expected}")
    values.once([key for key, _ in found or ()], "zone", faults)
    return tuple(_zone(key, entry, server, faults) for key, entry in found or ())


def _zone(key: Scalar, value: Value, server: Server, faults: Faults) -> Zone:
    import dns.name

    origin = key.text.removesuffix(".") or key.text
    if origin != ROOT and not is_domain(origin):
        hint = "write a domain, as lab.test or 0.0.10.in-addr.arpa"
        faults.add(key.mark, f"{shown(key.text)} is no name of a zone", hint)
        return Zone(origin, ())
    source = None
    if isinstance(value, Scalar) and value.kind == "str" and value.text:
        file = server.sources.read(value, faults)
        if file is None:
            return Zone(origin, ())
        source, target = file[0], zonefile.Target(origin, server.search, server.engine)
        read = zonefile.entries(file[1], str(source), target, faults)
    else:
        found = (
            values.entries(
                value, f"names with their records, as {{www: 10.0.0.80}}, or {zonefile.PATH}", faults
            )
            or ()
        )
        reading = _Reading(origin, dns.name.from_text(absolute(origin)), server.search, faults)
        read = [entry for owner, records in found for entry in reading.owner(owner, records)]
    check_together(read, origin, faults)
    server.sources.entries += [one for one in read if not (value if source else one).mark.file]
    records = _complete([entry.record for entry in read], origin, server)
    return Zone(origin, records, source.resolve() if source else None)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One zone being read."""

    origin: str
    origin_name: dns.name.Name
    search: str
    faults: Faults

    def owner(self, key: Scalar, value: Value) -> Iterator[Entry]:
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
        name = word.removesuffix(".") if word.endswith(".") else below(word, self.origin)
        if word == "@":
            name = self.origin
        if name != ROOT and not is_domain(name.removeprefix("*.")):
            self.faults.add(key.mark, f"{shown(word)} is no domain name", "write labels and dots, as www")
            return None
        if not within(name, self.origin):
            what = f"{shown(word)} lies outside the zone {shown(self.origin)}"
            self.faults.add(
                key.mark, what, "write a name relative to the zone, as www, or move it to its own zone"
            )
            return None
        if self.origin != ROOT and word != "@" and not word.endswith(".") and within(word, self.origin):
            no_final_dot(key.mark, word, self.origin, self.faults)
            return None
        return absolute(name)

    def _address(self, owner: str, value: Value) -> Iterator[Entry]:
        """Read the short form: an address alone is an A or AAAA record."""
        expected = "an address, as 10.0.0.80, or records by type, as {CNAME: web}"
        word = values.text(value, expected, self.faults)
        if word is None:
            return
        kind = "AAAA" if ":" in word else "A"
        if is_address(word, kind):
            yield from self._record(owner, kind, value)
        else:
            self.faults.add(value.mark, f"{shown(word)} is no address", f"write {expected}")

    def _record(self, owner: str, kind: str, value: Value) -> Iterator[Entry]:
        word = self._word(kind, value)
        if word is None:
            return
        if kind in NAMING and (misnamed := word.split()[-1:]):
            if is_address(misnamed[0], "A"):
                what = f"{kind} wants a name, and {shown(misnamed[0])} is an address"
                self.faults.add(value.mark, what, f"write {RECORD_TYPES[kind]}")
                return
            if any(within(misnamed[0], zone) for zone in {self.origin, self.search} - {ROOT}):
                no_final_dot(value.mark, misnamed[0], self.origin, self.faults)
                return
        rdata = self._rdata(kind, word)
        if rdata is not None and is_too_long(rdata, value.mark, self.faults):
            return
        if rdata is None:
            what = f"{shown(word)} is no data of {a(kind)} record"
            self.faults.add(value.mark, what, f"write {RECORD_TYPES[kind]}")
        else:
            yield Entry(Record(owner, kind, str(rdata.to_text())), value.mark)

    def _word(self, kind: str, value: Value) -> str | None:
        """Return a record's data as text; what is a number to YAML is text all the same in a TXT."""
        if kind == "TXT" and isinstance(value, Scalar) and value.kind != "null":
            return value.text if value.text.startswith('"') else _quoted(value.text)
        return values.text(value, RECORD_TYPES[kind], self.faults)

    def _rdata(self, kind: str, word: str) -> dns.rdata.Rdata | None:
        """Return the data with absolute names; None where it is not of that type."""
        import dns.exception

        if kind in ("A", "AAAA") and not is_address(word, kind):
            return None
        try:
            return read_data(kind, word, self.origin_name)
        except (dns.exception.DNSException, ValueError):
            return None


def _complete(records: list[Record], origin: str, server: Server) -> tuple[Record, ...]:
    """Add what a zone cannot be without, and its server's own address."""
    apex = absolute(origin)
    at_apex = {record.type for record in records if record.owner.lower() == apex.lower()}
    first = []
    if "SOA" not in at_apex:
        first.append(Record(apex, "SOA", f"{server.name} hostmaster.{server.search}. 1 3600 600 86400 300"))
    if "NS" not in at_apex:
        first.append(Record(apex, "NS", server.name))
    last = []
    # Not where the name is an alias, either: nothing may stand beside a CNAME.
    own = {record.type for record in records if record.owner.lower() == server.name.lower()}
    if within(server.name[:-1], origin) and "CNAME" not in own:
        kinds = {4: "A", 6: "AAAA"}
        found = [Record(server.name, kinds[one.version], str(one)) for one in server.addresses]
        last = [record for record in found if record.type not in own]
    return (*first, *records, *last)


def _quoted(text: str) -> str:
    """Write a text as quoted character-strings (RFC 1035, section 5.1), in UTF-8, cut where one is full."""
    octets = text.encode()
    cuts = range(0, len(octets) or 1, _TXT_STRING)
    return " ".join('"' + "".join(map(_escaped, octets[at : at + _TXT_STRING])) + '"' for at in cuts)


def _escaped(octet: int) -> str:
    if octet in b'"\\':
        return "\\" + chr(octet)
    return chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}"
