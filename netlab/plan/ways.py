"""Which of a server's addresses a node is to use: one that leads there, and the nearest of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from netlab.topology.model import Node, Topology
from netlab.topology.routing import on, reached


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways of a lab; `found` has, by server, the networks from which each version of IP leads there."""

    topology: Topology
    found: dict[str, Mapping[int, set[str]]] = field(default_factory=dict)

    def address(self, server: Node, node: Node) -> IPv4Address | IPv6Address:
        """Return a server's address on a network that both are on, else its first; one that is up.

        Of IPv4 where that leads there.
        """
        shared = {interface.network for interface in node.interfaces if interface.up}
        up = [interface for interface in server.interfaces if interface.up] or list(server.interfaces)
        up.sort(key=lambda one: one.network not in shared)
        first: list[IPv4Address | IPv6Address] = [one.address for one in up if one.address]
        second: list[IPv4Address | IPv6Address] = [one.address6 for one in up if one.address6]
        if node.name != server.name and self._from(server)[4].isdisjoint(on(node, 4)):
            first, second = second, first
        return (*first, *second)[0]

    def _from(self, server: Node) -> Mapping[int, set[str]]:
        if server.name not in self.found:
            nodes = self.topology.nodes
            self.found[server.name] = {version: reached(nodes, server, version) for version in (4, 6)}
        return self.found[server.name]
