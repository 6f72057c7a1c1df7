"""Join the nodes: switches, ports, addresses and routes, from a plan, into namespaces that a backend made.

The namespaces come in as descriptors, whoever made them: `make_namespaces` for the netns backend, a container
engine otherwise. Counterpart: `netlab.kernel.netlink`, the messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netlab.kernel import namespace, netlink
from netlab.kernel.netlink import FIRST_INDEX, LOOPBACK, Message, RouteSocket, VethEnd
from netlab.plan.model import RTO_MIN_MS, Plan, PlannedNode, Port

# The kernel settles a link's state within a second at most, whatever the machine's load.
LINK_SECONDS = 5.0

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


def _build_fabric(plan: Plan, namespaces: Mapping[str, int], route: RouteSocket) -> dict[int, str]:
    """Make switches and links; returns the ports on the switches' side (ifindex → what errors call it)."""
    bridges = {switch.name: FIRST_INDEX + number for number, switch in enumerate(plan.switches)}
    messages = [
        netlink.bridge_add(switch.bridge, bridges[switch.name], switch.mac) for switch in plan.switches
    ]
    ports: dict[int, str] = {}
    first = FIRST_INDEX + len(bridges)
    for node in plan.nodes:
        for ifindex, port in _numbered(node):
            near = VethEnd(port.port, first + len(ports), port.port_mac)
            far = VethEnd(port.interface, ifindex, port.mac)
            messages.append(netlink.veth_add(near, far, bridges[port.switch], namespaces[node.name]))
            ports[near.ifindex] = f"link {port.port}"
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
        links = {ifindex: f"{port.interface} of {node.name}" for ifindex, port in _numbered(node)}
        route.wait_running(links, LINK_SECONDS)


def _node_messages(node: PlannedNode, *, ipv6: bool) -> list[Message]:
    messages = [netlink.link_up(LOOPBACK, f"lo of {node.name}")]
    for ifindex, port in _numbered(node):
        what = f"{port.interface} of {node.name}"
        if ipv6:
            messages.append(netlink.link_without_ipv6(ifindex, what))
        messages += (
            netlink.address_add(ifindex, port.address, what),
            netlink.link_up(ifindex, what),
            netlink.route_add(ifindex, port.address, RTO_MIN_MS, what),
        )
    return messages


def _numbered(node: PlannedNode) -> Sequence[tuple[int, Port]]:
    """Pair each interface with its ifindex, in the plan's order."""
    return tuple(enumerate(node.ports, FIRST_INDEX))
