"""The routes of every node: those given by hand, and for all other networks the shortest way over routers.

Counterpart: `netlab.topology.routing`, which reads what is given. Each IP version has a graph of its own: a
network without a subnet of that version is no part of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from netlab.plan.model import Route
from netlab.topology.model import Interface, Network, Node, Topology

_Address = IPv4Address | IPv6Address
_Subnet = IPv4Network | IPv6Network


def routes(topology: Topology) -> Mapping[str, tuple[Route, ...]]:
    """Return each node's routes by its name: the given ones, then those to networks in the file's order."""
    graphs = [_Graph.of(topology, version) for version in (4, 6)]
    targets = [(graph, name, graph.ways_to(name)) for graph in graphs for name in graph.subnets]
    subnets = {one.name: _subnets(one) for one in topology.networks}
    found = {}
    for node in topology.nodes:
        given = tuple(_given(node, subnets))
        # A router's default is for what it knows no way to; a host's is its only one.
        covered = [route.destination for route in given if route.destination.prefixlen or not node.router]
        computed = (
            []
            if node.only_given
            else [
                Route(graph.subnets[name], *step)
                for graph, name, ways in targets
                if not any(_covers(one, graph.subnets[name]) for one in covered)
                and (step := graph.step(node, name, ways))
            ]
        )
        found[node.name] = (*given, *computed)
    return found


def _subnets(network: Network) -> list[_Subnet]:
    return [one for one in (network.subnet, network.subnet6) if one is not None]


def _given(node: Node, subnets: Mapping[str, Sequence[_Subnet]]) -> Iterator[Route]:
    for route in node.routes:
        for interface in node.interfaces:
            if interface.up and any(route.gateway in subnet for subnet in subnets[interface.network]):
                yield Route(route.destination, route.gateway, interface.name)
                break


def _covers(wide: _Subnet, subnet: _Subnet) -> bool:
    first, last = int(subnet.network_address), int(subnet.broadcast_address)
    same = wide.version == subnet.version
    return same and int(wide.network_address) <= first and last <= int(wide.broadcast_address)


_Ways = Mapping[str, tuple[int, _Address]]


@dataclass(frozen=True, slots=True)
class _Graph:
    """Networks and the routers between them, in one IP version; `on`: the routers of each network."""

    version: int
    subnets: Mapping[str, _Subnet]
    on: Mapping[str, Sequence[Sequence[Interface]]]

    @classmethod
    def of(cls, topology: Topology, version: int) -> _Graph:
        """Build the graph of a topology; an interface that is down joins nothing."""
        subnets = {
            one.name: net for one in topology.networks for net in _subnets(one) if net.version == version
        }
        routers = [
            [one for one in node.interfaces if one.up and one.network in subnets]
            for node in topology.nodes
            if node.router
        ]
        on: dict[str, list[Sequence[Interface]]] = {name: [] for name in subnets}
        for interfaces in routers:
            for interface in interfaces:
                on[interface.network].append(interfaces)
        return cls(version, subnets, on)

    def ways_to(self, target: str) -> _Ways:
        """Return, for each network that can reach the target, its distance in hops, and the gateway.

        Of routers that are equally near the first of the file is taken.
        """
        distances = {target: 0}
        queue = deque([target])
        while queue:
            here = queue.popleft()
            for interfaces in self.on[here]:
                for interface in interfaces:
                    if interface.network not in distances:
                        distances[interface.network] = distances[here] + 1
                        queue.append(interface.network)
        ways = {}
        for name, distance in distances.items():
            for interfaces in self.on[name]:
                nearest = min(distances[one.network] for one in interfaces)
                if name != target and nearest == distance - 1:
                    ways[name] = (distance, self._address(interfaces, name))
                    break
        return ways

    def _address(self, interfaces: Sequence[Interface], network: str) -> _Address:
        interface = next(one for one in interfaces if one.network == network)
        address = interface.address if self.version == 4 else interface.address6
        assert address is not None, "an interface has an address of each version that its network has"
        return address

    def step(self, node: Node, target: str, ways: _Ways) -> tuple[_Address, str] | None:
        """Return gateway and interface of a node's way; None where it needs none, or there is none."""
        near = [one for one in node.interfaces if one.up]
        if any(one.network == target for one in near):
            return None
        best = min((ways[one.network][0] for one in near if one.network in ways), default=None)
        for one in near:
            if best is not None and one.network in ways and ways[one.network][0] == best:
                return ways[one.network][1], one.name
        return None
