"""Whether the names of a lab's zones lead to nodes: name servers, and addresses within the lab's own subnets.

Judged when all nodes have their addresses. What lies outside of the lab is nobody's to judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from netlab.topology.addressing import addresses
from netlab.topology.faults import Faults, shown
from netlab.topology.model import DnsService, Network, Node, Record, Zone
from netlab.topology.records import ROOT, Entry, absolute

_Address = IPv4Address | IPv6Address
_OUTSIDE = {4: "192.0.2.80", 6: "2001:db8::80"}  # RFC 5737, RFC 3849


def check_names(
    written: Iterable[Entry], nodes: Sequence[Node], networks: Sequence[Network], faults: Faults
) -> None:
    """Note name servers without an address, and addresses that should be a node's and are none's.

    `written` are the records that this file's author wrote: what netlab completes is right by itself, and one
    who extends a file may take a node away that its zones still name.
    """
    zones = [
        zone
        for node in nodes
        for service in node.services
        if isinstance(service, DnsService)
        for zone in service.zones
    ]
    if not zones:
        return
    subnets = [one for network in networks for one in (network.subnet, network.subnet6) if one]
    own = {one for node in nodes for one in addresses(node.interfaces)}
    lost: set[_Address] = set()
    entries = list(dict.fromkeys(written))
    for entry in entries:
        if entry.record.type not in ("A", "AAAA"):
            continue
        address = ip_address(entry.record.rdata)
        subnet = next((one for one in subnets if one.version == address.version and address in one), None)
        if subnet is not None and address not in own and address not in lost:
            lost.add(address)
            hint = f"give it to a node, or write one outside of the lab, as {_OUTSIDE[address.version]}"
            faults.add(entry.mark, f"no node has the address {address}, in the lab's {subnet}", hint)
    _Servers(zones, frozenset(own), frozenset(lost), faults).check(entries)


class _Servers:
    """The name servers of a lab's zones; `lost` are addresses that have their fault already."""

    def __init__(
        self, zones: Sequence[Zone], own: frozenset[_Address], lost: frozenset[_Address], faults: Faults
    ) -> None:
        self._known = own | lost
        self._faults = faults
        self._zones: dict[str, set[str]] = {}  # name with its final dot → the names that it delegates
        self._records: dict[str, list[Record]] = {}
        for zone in zones:
            apex = absolute(zone.origin).lower()
            cuts = self._zones.setdefault(apex, set())
            for record in zone.records:
                owner = record.owner.lower()
                self._records.setdefault(owner, []).append(record)
                if record.type == "NS" and owner != apex:
                    cuts.add(owner)

    def check(self, entries: Iterable[Entry]) -> None:
        """Note each name server that should have an address, and each zone that none of the nodes serves."""
        at_apex: dict[str, list[tuple[Entry, set[_Address]]]] = {}
        told: set[str] = set()
        for entry in entries:
            if entry.record.type != "NS":
                continue
            name = entry.record.rdata.lower()
            found = self._addresses(name)
            if not found and name not in told and self._should_be_known(name, entry.owner):
                told.add(name)
                what = f"the name server {shown(name)} has no address"
                hint = "write an A or AAAA record of it into the zone that it is in"
                self._faults.add(entry.mark, what, hint)
            if entry.owner in self._zones:
                at_apex.setdefault(entry.owner, []).append((entry, found))
        for owner, servers in at_apex.items():
            if all(found and found.isdisjoint(self._known) for _, found in servers):
                entry, found = servers[0]
                what = f"no node is a name server of {shown(owner)}: {min(map(str, found))} is none's"
                hint = "write the address of the node that serves it, or leave out NS, which netlab completes"
                self._faults.add(entry.mark, what, hint)

    def _addresses(self, name: str) -> set[_Address]:
        """Return the addresses of a name in any zone of the lab, those of a wildcard or an alias' end too."""
        found: set[_Address] = set()
        waiting, seen = [name], {name}
        while waiting:
            asked = waiting.pop()
            records = self._records.get(asked) or self._records.get("*." + asked.partition(".")[2], [])
            found |= {ip_address(one.rdata) for one in records if one.type in ("A", "AAAA")}
            aliases = {one.rdata.lower() for one in records if one.type == "CNAME"} - seen
            seen |= aliases
            waiting += aliases
        return found

    def _should_be_known(self, name: str, owner: str) -> bool:
        """Say whether a zone of the lab is the one to have a name's address, as its own data or as glue."""
        labels = name.removesuffix(".").split(".")
        above = [".".join([*labels[at:], ""]) for at in range(len(labels))] + [ROOT]
        apex = next((one for one in above if one in self._zones), None)
        if apex is None:
            return False
        cuts = self._zones[apex].intersection(above)
        return not cuts or owner in cuts
