"""Which nodes forward, the routes given by hand, and whether every node can reach its name server.

Its counterpart is `netlab.plan.routes`, which computes the routes that are not given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from netlab.topology import naming, values
from netlab.topology.faults import Faults, Mark, shown
from netlab.topology.model import GivenRoute, Interface, Network, Node
from netlab.topology.reader import Scalar, Value

_Address = IPv4Address | IPv6Address
_Subnet = IPv4Network | IPv6Network
_GATEWAY = "a router's name, or its address, as 10.0.0.1"
_DESTINATION = "a network's name, or a subnet, as 10.2.0.0/24"
# Whom no gateway leads to.
_NOWHERE: tuple[tuple[_Subnet, str], ...] = (
    (IPv4Network("0.0.0.0/8"), "'this network' (RFC 1122)"),
    (IPv4Network("127.0.0.0/8"), "loopback: every node's own"),
    (IPv4Network("224.0.0.0/4"), "multicast"),
    (IPv6Network("::1/128"), "loopback: every node's own"),
    (IPv6Network("fe80::/10"), "link-local: it ends where its network does"),
    (IPv6Network("ff00::/8"), "multicast"),
)
_EVERYWHERE: tuple[_Subnet, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


def with_routes(
    nodes: Sequence[Node],
    words: Mapping[str, Mapping[str, Value]],
    networks: Sequence[Network],
    faults: Faults,
) -> tuple[Node, ...]:
    """Return the nodes with what their `router`, `default` and `routes` say; `words` are by node's name."""
    forwarding = []
    for node in nodes:
        value = words[node.name].get("router")
        is_router = value is not None and values.truth(value, faults) is True
        forwarding.append(replace(node, router=True) if is_router else node)
    reading = _Reading({node.name: node for node in forwarding}, {one.name: one for one in networks}, faults)
    return tuple(reading.node(node, words[node.name]) for node in forwarding)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The routes of one file being read, when every node has its addresses."""

    nodes: Mapping[str, Node]
    networks: Mapping[str, Network]
    faults: Faults

    def node(self, node: Node, words: Mapping[str, Value]) -> Node:
        """Return the node with its routes."""
        default, routes = words.get("default"), list(self._routes(node, words.get("routes")))
        if default is None:
            return replace(node, routes=tuple(routes)) if routes else node
        if isinstance(default, Scalar) and default.text == "none" and "none" not in self.nodes:
            return replace(node, routes=tuple(routes), only_given=True)
        gateways = self._gateways(node, default)
        routes += [GivenRoute(_EVERYWHERE[gateway.version == 6], gateway) for gateway in gateways]
        return replace(node, routes=tuple(routes))

    def _routes(self, node: Node, value: Value | None) -> Iterator[GivenRoute]:
        found = values.entries(value, "destinations with gateways, as {10.2.0.0/24: r1}", self.faults)
        seen: dict[_Subnet, Mark] = {}
        for key, entry in found or ():
            gateways = self._gateways(node, entry)
            destinations = self._destinations(node, key, entry)
            for destination in destinations:
                first = seen.setdefault(destination, key.mark)
                if first is not key.mark:
                    hint = f"keep one; the first is at {self.faults.place(first)}"
                    self.faults.add(key.mark, f"the route to {destination} is there twice", hint)
            fitting = [
                GivenRoute(destination, gateway)
                for destination in destinations
                for gateway in gateways
                if destination.version == gateway.version
            ]
            if destinations and gateways and not fitting:
                what = f"IPv{gateways[0].version} does not lead to {destinations[0]}"
                self.faults.add(entry.mark, what, "name a gateway by an address of the same version")
            yield from fitting

    def _destinations(self, node: Node, key: Scalar, gateway: Value) -> list[_Subnet]:
        """Return a network's subnets, or the subnet that is written; the node must not be on it itself."""
        if network := self.networks.get(key.text):
            found: list[_Subnet] = [one for one in (network.subnet, network.subnet6) if one]
        else:
            try:
                found = [ip_network(key.text)]
            except ValueError:
                self.faults.add(
                    key.mark, f"{shown(key.text)} is no destination", self._hint(key.text, gateway)
                )
                return []
        for subnet in found:
            if subnet.prefixlen == 0:
                self.faults.add(key.mark, f"{subnet} is everywhere", "write default: and the gateway")
                return []
            if kind := _kind_of_nowhere(subnet):
                hint = f"delete it, or write {_DESTINATION}"
                self.faults.add(key.mark, f"no gateway leads to {subnet}, which is {kind}", hint)
                return []
        own = {subnet for one in node.interfaces for subnet in self._subnets(one)}
        for subnet in own.intersection(found):
            what = f"the node {shown(node.name)} is on {subnet} itself"
            self.faults.add(key.mark, what, "delete this route: no gateway is needed")
            return []
        return found

    def _hint(self, word: str, gateway: Value) -> str:
        if word.lower() == "default":
            router = shown(gateway.text)[1:-1] if isinstance(gateway, Scalar) and gateway.text else "r1"
            return f"it is a key of the node: write default: {router}, beside routes:"
        try:
            return f"it has host bits set: the subnet is {ip_network(word, strict=False)}"
        except ValueError:
            if (hint := values.suggest(word, self.networks)).startswith("did"):
                return hint
            return f"write {_DESTINATION}"

    def _subnets(self, interface: Interface) -> list[_Subnet]:
        network = self.networks.get(interface.network)
        return [one for one in (network.subnet, network.subnet6) if one] if network else []

    def _gateways(self, node: Node, value: Value) -> list[_Address]:
        """Return a gateway's address, of each version that it and the node have in common; [] for a fault."""
        word = values.text(value, _GATEWAY, self.faults)
        if word is None:
            return []
        if word in self.nodes:
            return self._gateways_of(node, self.nodes[word], value.mark)
        try:
            address = ip_address(word)
        except ValueError:
            routers = [one.name for one in self.nodes.values() if one.router]
            naming.unknown(
                value.mark, word, f"unknown node {shown(word)}", routers or self.nodes, self.faults
            )
            return []
        return self._checked(node, address, value.mark)

    def _gateways_of(self, node: Node, gateway: Node, mark: Mark) -> list[_Address]:
        if not node.interfaces or not gateway.interfaces:  # another fault's consequence
            return []
        if gateway.name == node.name:
            self.faults.add(mark, f"the node {shown(node.name)} is its own gateway", self._near(node))
            return []
        near = {one.network for one in node.interfaces if one.up}
        shared = [one for one in gateway.interfaces if one.network in near and one.up]
        # In the order of the node's own interfaces, as the routes that are computed.
        order = [one.network for one in node.interfaces]
        shared.sort(key=lambda one: order.index(one.network))
        if not shared:
            what = f"the gateway {shown(gateway.name)} is on no network of {shown(node.name)}"
            self.faults.add(mark, what, self._near(node))
            return []
        if not self._forwards(gateway, mark):
            return []
        first = next((one.address for one in shared if one.address), None)
        second = next((one.address6 for one in shared if one.address6), None)
        return [one for one in (first, second) if one]

    def _checked(self, node: Node, address: _Address, mark: Mark) -> list[_Address]:
        """Return the address if a router has it on a network of the node."""
        if not node.interfaces:
            return []
        subnets = [one for each in node.interfaces if each.up for one in self._subnets(each)]
        same = [subnet for subnet in subnets if subnet.version == address.version]
        if not any(address in subnet for subnet in same):
            where = f"the node's {'subnets' if len(same) > 1 else 'subnet'} {', '.join(map(str, same))}"
            what = f"the gateway {address} is outside {where if same else 'every subnet of the node'}"
            self.faults.add(mark, what, self._near(node))
            return []
        for other in self.nodes.values():
            if any(address in (one.address, one.address6) for one in other.interfaces):
                if other.name == node.name:
                    what = f"{address} is the node's own address"
                    self.faults.add(mark, what, self._near(node))
                    return []
                return [address] if self._forwards(other, mark) else []
        self.faults.add(mark, f"no node has the address {address}", self._near(node))
        return []

    def _near(self, node: Node) -> str:
        """Return a hint: the routers that the node can name."""
        on = {one.network for one in node.interfaces if one.up}
        found = [
            other.name
            for other in self.nodes.values()
            if other.router
            and other.name != node.name
            and any(one.up and one.network in on for one in other.interfaces)
        ]
        if found:
            return f"write the name of a router that is near: {', '.join(found[:5])}"
        where = ", ".join(sorted(on)) or "an interface that is up"
        return f"there is no router on {where}: make one, with router: true"

    def _forwards(self, gateway: Node, mark: Mark) -> bool:
        if gateway.router:
            return True
        what = f"the gateway {shown(gateway.name)} is no router: it would not pass anything on"
        self.faults.add(mark, what, f"give {shown(gateway.name)} router: true")
        return False


def _kind_of_nowhere(subnet: _Subnet) -> str:
    """Return what a subnet is that none can route to, or nothing; a wider one may well be routed to."""
    first, last = int(subnet.network_address), int(subnet.broadcast_address)
    for special, kind in _NOWHERE:
        low, high = int(special.network_address), int(special.broadcast_address)
        if subnet.version == special.version and low <= first and last <= high:
            return kind
    return ""


def check_reach(
    nodes: Sequence[Node], resolver: str | None, keys: Mapping[str, Mark], faults: Faults
) -> None:
    """Note the nodes that no routers join to their name server; `keys` are where the nodes stand."""
    if resolver is None:
        return
    server = next(node for node in nodes if node.name == resolver)
    whole = reached(nodes, server)
    ways = {version: reached(nodes, server, version) for version in (4, 6)}
    for node in nodes:
        near = [one.network for one in node.interfaces if one.up]
        if node.name == resolver:
            continue
        if not whole.isdisjoint(near):
            if all(ways[version].isdisjoint(on(node, version)) for version in ways):
                faults.add(keys[node.name], *_of_other_version(node, server))
        else:
            what = f"the node {shown(node.name)} cannot reach its name server, {shown(resolver)}"
            here = f"no router joins {', '.join(near)} to it" if near else "none of its interfaces is up"
            faults.add(
                keys[node.name],
                f"{what}: {here}",
                "give a node between them router: true, or write resolver: none",
            )


def _of_other_version(node: Node, server: Node) -> tuple[str, str]:
    """Return what is wrong where no version of IP leads from a node to its name server, and what to do."""
    what = f"the node {shown(node.name)} cannot reach its name server, {shown(server.name)}"
    versions = [[version for version in (4, 6) if on(one, version)] for one in (node, server)]
    common = set(versions[0]).intersection(*versions[1:])
    hint = "give the networks between them the same one, with subnet: or subnet6:, or write resolver: none"
    if common:
        words = " or ".join(f"IPv{version}" for version in sorted(common))
        return f"{what}: no way between them has {words} throughout", hint
    own, others = (f"IPv{one[0]} alone" for one in versions)
    return f"{what}: it has {own}, and that one {others}", hint


def on(node: Node, version: int | None = None) -> set[str]:
    """Return the networks that a node is on, with an address of that version of IP, or any."""
    return {
        one.network
        for one in node.interfaces
        if one.up and (version is None or (one.address if version == 4 else one.address6) is not None)
    }


def reached(nodes: Sequence[Node], start: Node, version: int | None = None) -> set[str]:
    """Return the networks that packets from a node can come to, over routers; those of one version of IP."""
    found = on(start, version)
    routers = [on(node, version) for node in nodes if node.router]
    grown = True
    while grown:
        grown = False
        for networks in routers:
            if not networks.isdisjoint(found) and not networks <= found:
                found |= networks
                grown = True
    return found
