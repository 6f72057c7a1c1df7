"""Join the nodes: switches, ports, addresses and routes, from a plan, into namespaces that a backend made.

The namespaces come in as descriptors, whoever made them: `make_namespaces` for the netns backend, a container
engine otherwise. Counterpart: `netlab.kernel.netlink`, the messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netlab.errors import MachineError
from netlab.kernel import groups, namespace, netlink
from netlab.kernel.netlink import FIRST_INDEX, LOOPBACK, Message, RouteSocket, VethEnd
from netlab.plan.model import RTO_MIN_MS, Plan, PlannedNode, Port
from netlab.topology.model import LEAST_MTU_IPV6

# The kernel settles a link's state within a second at most, whatever the machine's load.
LINK_SECONDS = 5.0
# Thirty milliseconds suffice on a machine that has nothing else to do.
_GROUP_SECONDS = 1.0

_IPV6_DEFAULT = "net.ipv6.conf.default.addr_gen_mode"  # absent where the kernel was booted without IPv6


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
    ipv6 = namespace.has_sysctl(_IPV6_DEFAULT)
    if not ipv6 and any(node.has_ipv6 for node in plan.nodes):
        raise MachineError(
            "the lab has networks of IPv6, and this kernel has none", "boot it without ipv6.disable=1"
        )
    with namespace.returning():
        namespace.enter(fabric)
        with RouteSocket() as route:
            if ipv6:
                namespace.write_sysctl(_IPV6_DEFAULT, "1", "the fabric")
            ports = _build_fabric(plan, namespaces, route)
            for node in plan.nodes:
                namespace.enter(namespaces[node.name])
                _configure(node, ipv6=ipv6)
            route.wait_running(ports, LINK_SECONDS)
        for node in plan.nodes:
            if interfaces := [port.interface for port in node.ports if port.address6 and port.up]:
                namespace.enter(namespaces[node.name])
                groups.wait_reported(interfaces, _GROUP_SECONDS)


def _build_fabric(plan: Plan, namespaces: Mapping[str, int], route: RouteSocket) -> dict[int, str]:
    """Make switches and links; returns the ports on the switches' side (ifindex → what errors call it)."""
    bridges = {switch.name: FIRST_INDEX + number for number, switch in enumerate(plan.switches)}
    messages = [
        netlink.bridge_add(switch.bridge, bridges[switch.name], switch.mac, learns=switch.kind == "switch")
        for switch in plan.switches
    ]
    ports: dict[int, str] = {}
    first, number = FIRST_INDEX + len(bridges), 0
    for node in plan.nodes:
        for ifindex, port in _numbered(node):
            near = VethEnd(port.port, first + number, port.port_mac, port.mtu)
            far = VethEnd(port.interface, ifindex, port.mac, port.mtu)
            messages.append(netlink.veth_add(near, far, bridges[port.switch], namespaces[node.name]))
            if port.up:  # else its other end stays down
                ports[near.ifindex] = f"link {port.port}"
            number += 1
    route.send(messages)
    for port in plan.ports:
        route.offload_off(port.port)
    return ports


def _configure(node: PlannedNode, *, ipv6: bool) -> None:
    """Set up the node whose namespace is the current one; its interfaces are there, and down."""
    for key, value in node.sysctls:
        namespace.write_sysctl(key, value, node.name)
    with RouteSocket() as route:
        for port in node.ports:
            route.offload_off(port.interface)
        route.send(_node_messages(node, ipv6=ipv6))
        # The node's side too: else its flags say for up to a second that the interface is not running.
        links = {ifindex: f"{port.interface} of {node.name}" for ifindex, port in _numbered(node) if port.up}
        route.wait_running(links, LINK_SECONDS)


def _node_messages(node: PlannedNode, *, ipv6: bool) -> list[Message]:
    messages = [netlink.link_up(LOOPBACK, f"lo of {node.name}")]
    indexes = {}
    for ifindex, port in _numbered(node):
        what = f"{port.interface} of {node.name}"
        indexes[port.interface] = ifindex
        # Below IPv6's least MTU the kernel has no IPv6 on a link that could be switched off.
        if ipv6 and not port.address6 and (port.mtu is None or port.mtu >= LEAST_MTU_IPV6):
            messages.append(netlink.link_without_ipv6(ifindex, what))
        messages += [netlink.address_add(ifindex, one, what, connected=not port.up) for one in port.addresses]
        if port.up:
            messages.append(netlink.link_up(ifindex, what))
            messages += [netlink.route_add(ifindex, one, RTO_MIN_MS, what) for one in port.addresses]
    for route in node.routes:
        index, what = indexes[route.interface], f"{route.interface} of {node.name}"
        messages.append(netlink.gateway_add(index, route.destination, route.gateway, RTO_MIN_MS, what))
    return messages


def _numbered(node: PlannedNode) -> Sequence[tuple[int, Port]]:
    """Pair each interface with its ifindex, in the plan's order."""
    return tuple(enumerate(node.ports, FIRST_INDEX))
