"""Change the network of a lab that goes on: from one plan's switches, interfaces and routes to another's.

Every function takes both plans' words for a thing, and brings it from the one to the other from whatever
half-way state; so the same call with the two exchanged takes it back. Counterpart: `netlab.wiring`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from netlab.kernel import groups, namespace, netem, netlink, relinking
from netlab.kernel.netlink import LOOPBACK, RouteSocket
from netlab.kernel.relinking import GONE, THERE
from netlab.plan.model import RTO_MIN_MS, Plan, PlannedNode, Port, Switch
from netlab.plan.names import link_local, wire_ends
from netlab.plan.segments import ETHERNET_MTU, relayed
from netlab.topology.model import LEAST_MTU_IPV6
from netlab.wiring import (
    GROUP_SECONDS,
    IPV6_DEFAULT,
    LINK_SECONDS,
    cable,
    gateway,
    interface_messages,
    numbered,
    received_by_netem,
    sent_by_netem,
    splice,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node's cables go: namespaces by descriptor, the ifindexes in the fabric by interface name."""

    fabric: int
    node: int
    indexes: Mapping[str, int]
    bridges: Mapping[str, int]  # ifindexes by network


# -- switches --------------------------------------------------------------------------------------------


@contextmanager
def _in_fabric(fabric: int) -> Iterator[RouteSocket]:
    with namespace.entered(fabric), RouteSocket() as route:
        yield route


def add_switch(fabric: int, switch: Switch, ifindex: int) -> None:
    """Make a switch; one that is there stays."""
    learns = switch.kind == "switch"
    with _in_fabric(fabric) as route:
        route.send([netlink.bridge_add(switch.bridge, ifindex, switch.mac, learns=learns)], THERE)


def remove_links(fabric: int, links: Mapping[int, str]) -> None:
    """Remove switches or switch ports (ifindex → what errors call it), with their cables."""
    with _in_fabric(fabric) as route:
        route.send([relinking.link_remove(index, what) for index, what in links.items()], GONE)


def set_kind(fabric: int, switch: Switch, ifindex: int) -> None:
    """Let a switch be of its kind, whatever it was."""
    what = f"bridge {switch.bridge}"
    with _in_fabric(fabric) as route:
        route.send([relinking.bridge_learning(ifindex, what, learns=switch.kind == "switch")])


def set_carrier(fabric: int, links: Mapping[int, str], *, on: bool) -> None:
    """Plug cables in, or pull them, at the switch (ifindex → what errors call it)."""
    with _in_fabric(fabric) as route:
        route.send([relinking.link_state(index, what, up=on) for index, what in links.items()], GONE)


# -- nodes -----------------------------------------------------------------------------------------------


def remade(old: Port, new: Port) -> bool:
    """Whether an interface is to be made anew: its cable, its MAC, or whether it knows IPv6."""
    return (
        (old.mac, old.port_mac, old.switch) != (new.mac, new.port_mac, new.switch)
        or (old.address6 is None) != (new.address6 is None)
        or _has_stack6(old) != _has_stack6(new)
    )


def _has_stack6(port: Port) -> bool:
    return port.mtu is None or port.mtu >= LEAST_MTU_IPV6


def differs(old: PlannedNode, new: PlannedNode) -> bool:
    """Whether `rewire` has anything to do."""
    return old.ports != new.ports or old.routes != new.routes


@dataclass(frozen=True, slots=True)
class _Difference:
    """What becomes of a node's interfaces: `altered` are pairs of before and after, of one ifindex."""

    gone: tuple[Port, ...]
    made: tuple[tuple[int, Port], ...]
    altered: tuple[tuple[int, Port, Port], ...]

    @classmethod
    def of(cls, old: PlannedNode | None, new: PlannedNode) -> _Difference:
        before = {port.interface: port for port in old.ports} if old else {}
        after = {port.interface: port for port in new.ports}
        anew = {name for name, port in after.items() if name not in before or remade(before[name], port)}
        gone = tuple(port for name, port in before.items() if name not in after or name in anew)
        made = tuple((index, port) for index, port in numbered(new) if port.interface in anew)
        altered = tuple(
            (index, before[port.interface], port)
            for index, port in numbered(new)
            if port.interface not in anew and before[port.interface] != port
        )
        return cls(gone, made, altered)

    @property
    def pairs(self) -> tuple[tuple[int, Port | None, Port], ...]:
        """What is made and what is altered, with what it was before."""
        return (*((index, None, port) for index, port in self.made), *self.altered)

    @property
    def touched(self) -> set[str]:
        """The interfaces whose routes the kernel may have forgotten."""
        anew = {port.interface for port in (*self.gone, *(port for _, port in self.made))}
        return anew | {new.interface for _, old, new in self.altered if _is_readdressed(old, new)}


def _is_readdressed(old: Port, new: Port) -> bool:
    return (old.addresses, old.up) != (new.addresses, new.up)


def rewire(old: PlannedNode | None, new: PlannedNode, place: Place) -> None:
    """Give a node the interfaces, addresses and routes of `new`, touching only what differs from `old`.

    A node that is None had nothing yet, not even its loopback. On return what is up carries packets.
    """
    ipv6 = namespace.has_sysctl(IPV6_DEFAULT)
    difference = _Difference.of(old, new)
    with namespace.returning():
        namespace.enter(place.fabric)
        with RouteSocket() as fabric:
            _recable(difference, place, fabric)
            namespace.enter(place.node)
            if old is None:
                for key, value in new.sysctls:
                    namespace.write_sysctl(key, value, new.name)
            else:
                _set_parameters_of(difference, new)
            with RouteSocket() as route:
                if old is None:
                    route.send([netlink.link_up(LOOPBACK, f"lo of {new.name}")])
                for _, port in difference.made:
                    route.offload_off(port.interface)
                _forget_routes(old, new, difference, route)
                for index, was, after in difference.altered:
                    _alter(index, was, after, route, ipv6=ipv6)
                for index, port in difference.made:
                    route.send(interface_messages(port, index, ipv6=ipv6))
                for index, before, port in difference.pairs:
                    netem.impair(route, sent_by_netem(before, port, index))
                _add_routes(old, new, difference, route)
                _wait(difference, place, (fabric, route))


def wait_reported(old: PlannedNode | None, new: PlannedNode, namespace_of: int) -> None:
    """Wait until the kernel has said what it says of IPv6 when `rewire` has made a node's interfaces."""
    made = [port for _, port in _Difference.of(old, new).made if port.address6 and port.up]
    if made:
        with namespace.entered(namespace_of):
            groups.wait_reported([port.interface for port in made], GROUP_SECONDS)


def _recable(difference: _Difference, place: Place, fabric: RouteSocket) -> None:
    """Take away and make cables, and change MTUs on the switch's side."""
    touched = (*difference.gone, *(port for _, port in difference.made))
    stale = _present(name for port in touched for name in (port.port, wire_ends(port.port)[1]))
    fabric.send([relinking.link_remove(index, f"link {name}") for name, index in stale.items()], GONE)
    messages = [
        cable(port, (place.indexes[port.port], index), place.bridges[port.switch], place.node)
        for index, port in difference.made
    ]
    messages += [
        relinking.link_mtu(place.indexes[name], after.mtu or ETHERNET_MTU, f"link {name}")
        for _, before, after in difference.altered
        if before.mtu != after.mtu
        for name in (after.port, *(wire_ends(after.port) if relayed(after) else ()))
    ]
    fabric.send(messages)
    for _, port in difference.made:
        fabric.offload_off(port.port)
        if relayed(port):
            splice(port, place.indexes, place.bridges[port.switch], fabric)
    for _, before, port in difference.pairs:
        netem.impair(fabric, received_by_netem(before, port, place.indexes[port.port]))


def _present(names: Iterable[str]) -> dict[str, int]:
    """Return the ifindexes of those interfaces that the current namespace has."""
    here = namespace.interfaces()
    return {name: here[name] for name in names if name in here}


def _set_parameters_of(difference: _Difference, node: PlannedNode) -> None:
    """Write the kernel parameters of the interfaces that are made, as they must be before these come up."""
    made = {port.interface for _, port in difference.made}
    for key, value in node.sysctls:
        if made & set(key.split(".")):
            namespace.write_sysctl(key, value, node.name)


def _alter(index: int, old: Port, new: Port, route: RouteSocket, *, ipv6: bool) -> None:
    """Change an interface that stays: its MTU, its addresses, its state."""
    what = f"{new.interface} of {new.node}"
    if old.mtu != new.mtu:
        route.send([relinking.link_mtu(index, new.mtu or ETHERNET_MTU, what)])
    if not _is_readdressed(old, new):
        return
    turned = old.up != new.up
    going = [one for one in old.addresses if turned or one not in new.addresses]
    coming = [one for one in new.addresses if turned or one not in old.addresses]
    leaving = [netlink.route_add(index, one, RTO_MIN_MS, what) for one in going]
    leaving += [netlink.address_add(index, one, what) for one in going]
    route.send([relinking.removal(message) for message in leaving], GONE)
    if turned:
        # In half-way states too: what is there of the other plan's goes with the same words.
        route.send([relinking.link_state(index, what, up=False)])
        route.send(interface_messages(new, index, ipv6=ipv6), THERE)
        return
    route.send([netlink.address_add(index, one, what, connected=not new.up) for one in coming], THERE)
    if new.up:
        routes = [netlink.route_add(index, one, RTO_MIN_MS, what) for one in coming]
        route.send([relinking.replacing(message) for message in routes])


def _forget_routes(
    old: PlannedNode | None, new: PlannedNode, difference: _Difference, route: RouteSocket
) -> None:
    """Remove the routes by gateways that are no more, or whose interface is touched."""
    if old is None:
        return
    indexes = {port.interface: index for index, port in numbered(old)}
    stale = [one for one in old.routes if one not in new.routes or one.interface in difference.touched]
    removals = [relinking.removal(gateway(one, indexes[one.interface], old.name)) for one in stale]
    route.send(removals, GONE)


def _add_routes(
    old: PlannedNode | None, new: PlannedNode, difference: _Difference, route: RouteSocket
) -> None:
    indexes = {port.interface: index for index, port in numbered(new)}
    before = old.routes if old else ()
    fresh = [one for one in new.routes if one not in before or one.interface in difference.touched]
    messages = [gateway(one, indexes[one.interface], new.name) for one in fresh]
    route.send([relinking.replacing(message) for message in messages])


def _wait(difference: _Difference, place: Place, sockets: tuple[RouteSocket, RouteSocket]) -> None:
    """Wait until both ends of each cable that was made or brought up carry packets."""
    up = [(index, port) for index, port in difference.made if port.up]
    up += [(index, new) for index, old, new in difference.altered if new.up and not old.up]
    fabric, node = sockets
    node.wait_running({index: f"{port.interface} of {port.node}" for index, port in up}, LINK_SECONDS)
    fabric.wait_running({place.indexes[port.port]: f"link {port.port}" for _, port in up}, LINK_SECONDS)


# -- neighbours ------------------------------------------------------------------------------------------


def forget_neighbours(old: Plan, new: Plan, namespaces: Mapping[str, int]) -> None:
    """Let nodes forget the MACs of addresses that are no longer where they were.

    Else they would send to the old ones for a minute or more. `namespaces` are descriptors by node.
    """
    before, after = _macs(old), _macs(new)
    stale: dict[str, list[IPv4Address | IPv6Address]] = {}
    for (network, address), mac in before.items():
        if after.get((network, address)) != mac:
            stale.setdefault(network, []).append(address)
    for node in new.nodes:
        found = [
            relinking.neighbour_remove(index, address, f"{port.interface} of {node.name}")
            for index, port in numbered(node)
            for address in stale.get(port.switch, ())
        ]
        if found and node.name in namespaces:
            with namespace.entered(namespaces[node.name]), RouteSocket() as route:
                route.send(found, GONE)


def _macs(plan: Plan) -> dict[tuple[str, IPv4Address | IPv6Address], str]:
    """Return whose each address is, by network and address."""
    found = {(port.switch, one.ip): port.mac for port in plan.ports for one in port.addresses}
    local = {
        (port.switch, ip_address(link_local(port.mac))): port.mac for port in plan.ports if port.address6
    }
    return found | local
