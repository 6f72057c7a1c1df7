"""Join the nodes: switches, ports, addresses and routes, from a plan, into namespaces that a backend made.

The namespaces come in as descriptors, whoever made them: `make_namespaces` for the netns backend, a container
engine otherwise. Counterpart: `netlab.kernel.netlink`, the messages.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence

from netlab.errors import MachineError
from netlab.kernel import groups, namespace, netem, netlink
from netlab.kernel.netlink import FIRST_INDEX, LOOPBACK, Message, RouteSocket, VethEnd
from netlab.kernel.relinking import THERE
from netlab.plan.model import RTO_MIN_MS, Plan, PlannedNode, Port, Route
from netlab.plan.names import wire_ends, wire_macs
from netlab.plan.segments import by_netem, relayed
from netlab.plan.sysctls import SWITCHES
from netlab.topology.model import LEAST_MTU_IPV6
from netlab.topology.wires import Chance

# The kernel settles a link's state within a second at most, whatever the machine's load.
LINK_SECONDS = 5.0
# Thirty milliseconds suffice on a machine that has nothing else to do.
GROUP_SECONDS = 1.0

IPV6_DEFAULT = "net.ipv6.conf.default.addr_gen_mode"  # absent where the kernel was booted without IPv6


def make_namespaces(plan: Plan) -> dict[str, int]:
    """Make a network namespace for each node; the caller closes the descriptors.

    MachineError where one is refused; then none is left.
    """
    return namespace.make(node.name for node in plan.nodes)


def wire(plan: Plan, fabric: int, namespaces: Mapping[str, int]) -> None:
    """Build the plan's network between namespaces (descriptors; `fabric`'s is to hold the switches).

    On return every port carries packets and every address answers. Where the machine refuses something,
    MachineError names it, and what stands already goes with the namespaces. The thread ends where it began.
    """
    ipv6 = check_ipv6(plan)
    with namespace.returning():
        namespace.enter(fabric)
        check_netem(plan)
        with RouteSocket() as route:
            if ipv6:
                namespace.write_sysctl(IPV6_DEFAULT, "1", "the fabric")
            for key, value in SWITCHES:
                with contextlib.suppress(MachineError):  # nobody but a wire that truncates would notice
                    namespace.write_sysctl(key, value, "the fabric")
            ports = _build_fabric(plan, namespaces, route)
            for node in plan.nodes:
                namespace.enter(namespaces[node.name])
                _configure(node, ipv6=ipv6)
            route.wait_running(ports, LINK_SECONDS)
        for node in plan.nodes:
            if interfaces := [port.interface for port in node.ports if port.address6 and port.up]:
                namespace.enter(namespaces[node.name])
                groups.wait_reported(interfaces, GROUP_SECONDS)


def check_ipv6(plan: Plan) -> bool:
    """Return whether the kernel has IPv6; MachineError where it has none and the plan needs it."""
    ipv6 = namespace.has_sysctl(IPV6_DEFAULT)
    if not ipv6 and any(node.has_ipv6 for node in plan.nodes):
        raise MachineError(
            "the lab has networks of IPv6, and this kernel has none", "boot it without ipv6.disable=1"
        )
    return ipv6


def check_netem(plan: Plan) -> None:
    """Raise MachineError where the kernel has no netem and a wire of the plan is to be it."""
    for port in plan.ports:
        if any(chance != Chance() for chance in by_netem(port)):
            netem.require(f"node {port.node}")
            return


def _build_fabric(plan: Plan, namespaces: Mapping[str, int], route: RouteSocket) -> dict[int, str]:
    """Make switches and links; returns the ports on the switches' side (ifindex → what errors call it)."""
    indexes = fabric_indexes(plan)
    bridges = {switch.name: indexes[switch.bridge] for switch in plan.switches}
    messages = [
        netlink.bridge_add(switch.bridge, bridges[switch.name], switch.mac, learns=switch.kind == "switch")
        for switch in plan.switches
    ]
    ports: dict[int, str] = {}
    for node in plan.nodes:
        for ifindex, port in numbered(node):
            index = indexes[port.port]
            messages.append(cable(port, (index, ifindex), bridges[port.switch], namespaces[node.name]))
            if port.up:  # else its other end stays down
                ports[index] = f"link {port.port}"
    route.send(messages)
    for port in plan.ports:
        route.offload_off(port.port)
        if relayed(port):
            ports |= splice(port, indexes, bridges[port.switch], route)
        netem.impair(route, received_by_netem(None, port, indexes[port.port]))
    return ports


def _configure(node: PlannedNode, *, ipv6: bool) -> None:
    """Set up the node whose namespace is the current one; its interfaces are there, and down."""
    for key, value in node.sysctls:
        namespace.write_sysctl(key, value, node.name)
    with RouteSocket() as route:
        for port in node.ports:
            route.offload_off(port.interface)
        route.send(_node_messages(node, ipv6=ipv6))
        for ifindex, port in numbered(node):
            netem.impair(route, sent_by_netem(None, port, ifindex))
        # The node's side too: else its flags say for up to a second that the interface is not running.
        links = {ifindex: f"{port.interface} of {node.name}" for ifindex, port in numbered(node) if port.up}
        route.wait_running(links, LINK_SECONDS)


def _node_messages(node: PlannedNode, *, ipv6: bool) -> list[Message]:
    messages = [netlink.link_up(LOOPBACK, f"lo of {node.name}")]
    indexes = {}
    for ifindex, port in numbered(node):
        indexes[port.interface] = ifindex
        messages += interface_messages(port, ifindex, ipv6=ipv6)
    return messages + [gateway(route, indexes[route.interface], node.name) for route in node.routes]


# -- one interface of a lab, which `netlab.rewiring` makes too -------------------------------------------


def fabric_indexes(plan: Plan) -> dict[str, int]:
    """Return the ifindex of each bridge, switch port and wire's end of a new lab, by its name."""
    names = [*(switch.bridge for switch in plan.switches), *(port.port for port in plan.ports)]
    names += [name for port in plan.ports if relayed(port) for name in wire_ends(port.port)]
    return {name: FIRST_INDEX + number for number, name in enumerate(names)}


def numbered(node: PlannedNode) -> Sequence[tuple[int, Port]]:
    """Pair each interface with its ifindex, in the plan's order."""
    return tuple(enumerate(node.ports, FIRST_INDEX))


def cable(port: Port, indexes: tuple[int, int], bridge: int, namespace: int) -> Message:
    """Make a port's two ends, the node's down; `indexes` are the switch port's ifindex and the node's.

    One that is relayed is no port of the bridge: the other end of its wire is, which `splice` makes.
    """
    near = VethEnd(port.port, indexes[0], port.port_mac, port.mtu)
    far = VethEnd(port.interface, indexes[1], port.mac, port.mtu)
    return netlink.veth_add(near, far, None if relayed(port) else bridge, namespace)


def splice(port: Port, indexes: Mapping[str, int], bridge: int, route: RouteSocket) -> dict[int, str]:
    """Make the pair between a port's wire and its bridge, where the relay's cable ends; it may be there.

    Returns the end that is the bridge's port (ifindex → what errors call it).
    """
    ends = [
        VethEnd(name, indexes[name], mac, port.mtu)
        for name, mac in zip(wire_ends(port.port), wire_macs(port.port_mac), strict=True)
    ]
    fabric = namespace.current()
    try:
        inner, outer = ends
        route.send([netlink.veth_add(outer, inner, bridge, fabric)], THERE)
    finally:
        os.close(fabric)
    route.send([netlink.link_up(inner.ifindex, f"link {inner.name}")])
    for end in ends:
        route.offload_off(end.name)
    return {outer.ifindex: f"link {outer.name}"}


def links_of(port: Port, indexes: Mapping[str, int]) -> dict[int, str]:
    """Return the links by which all of a port in the fabric goes (ifindex → what errors call it)."""
    names = [port.port, *([wire_ends(port.port)[1]] if relayed(port) else [])]
    return {indexes[name]: f"link {name}" for name in names}


def sent_by_netem(old: Port | None, new: Port, ifindex: int) -> list[Message]:
    """Return what makes netem do to what a node sends what it is to do, where that differs from before."""
    what = f"{new.interface} of {new.node}"
    return _impairments(old, new, 0, (ifindex, what))


def received_by_netem(old: Port | None, new: Port, ifindex: int) -> list[Message]:
    """Return the same for what comes to the node, which leaves by the port."""
    return _impairments(old, new, 1, (ifindex, f"link {new.port}"))


def _impairments(old: Port | None, new: Port, way: int, link: tuple[int, str]) -> list[Message]:
    index, what = link
    before, after = (Chance() if port is None else by_netem(port)[way] for port in (old, new))
    seeds = [port.wire.seed if port and port.wire else None for port in (old, new)]
    if before == after and (seeds[0] == seeds[1] or after == Chance()):
        return []
    return [netem.impairment(index, after, seeds[1], what)]


def interface_messages(port: Port, ifindex: int, *, ipv6: bool) -> list[Message]:
    """Give a node's interface, which is down, what it has: addresses, the state, connected routes."""
    what = f"{port.interface} of {port.node}"
    messages = []
    # Below IPv6's least MTU the kernel has no IPv6 on a link that could be switched off.
    if ipv6 and not port.address6 and (port.mtu is None or port.mtu >= LEAST_MTU_IPV6):
        messages.append(netlink.link_without_ipv6(ifindex, what))
    messages += [netlink.address_add(ifindex, one, what, connected=not port.up) for one in port.addresses]
    if port.up:
        messages.append(netlink.link_up(ifindex, what))
        messages += [netlink.route_add(ifindex, one, RTO_MIN_MS, what) for one in port.addresses]
    return messages


def gateway(route: Route, ifindex: int, node: str) -> Message:
    """Make a node's route by a gateway."""
    what = f"{route.interface} of {node}"
    return netlink.gateway_add(ifindex, route.destination, route.gateway, RTO_MIN_MS, what)
