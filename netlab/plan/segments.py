"""The network layer of a plan, told: tables of ports and routes, and the `ip` commands that would make them.

Counterpart: `netlab.wiring`, which makes them.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlab.plan.model import RTO_MIN_MS, Plan, PlannedNode, Port
from netlab.topology.wires import Chance

ETHERNET_MTU = 1500


def relayed(port: Port) -> bool:
    """Whether a port's frames pass a wire in user space, and it is no port of its bridge itself."""
    return port.wire is not None and port.wire.engine == "user"


def by_netem(port: Port) -> tuple[Chance, Chance]:
    """Return what netem is to do to what a port's node sends, and to what comes to it; mostly, nothing."""
    if port.wire is None or port.wire.engine != "netem":
        return Chance(), Chance()
    return port.wire.sent, port.wire.received


def port_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Return a table of all ports; columns for IPv6 and for the state are there where they say something."""
    columns: list[tuple[str, ...]] = [
        ("node", *(port.node for port in plan.ports)),
        ("interface", *(port.interface for port in plan.ports)),
        ("address", *(str(port.address or "none") for port in plan.ports)),
    ]
    if any(port.address6 for port in plan.ports):
        columns.append(("IPv6", *(str(port.address6 or "none") for port in plan.ports)))
    columns += [
        ("MAC", *(port.mac for port in plan.ports)),
        ("switch", *(port.switch for port in plan.ports)),
        ("its port", *(port.port for port in plan.ports)),
    ]
    if not all(port.up for port in plan.ports):
        columns.append(("state", *("up" if port.up else "down" for port in plan.ports)))
    return list(zip(*columns, strict=True))


def network_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Return a table of the networks; empty where each is a switch with Ethernet's usual MTU."""
    mtus = {port.switch: port.mtu for port in plan.ports if port.mtu is not None}
    if not mtus and all(switch.kind == "switch" for switch in plan.switches):
        return []
    rows = [(one.name, one.kind, str(mtus.get(one.name, ETHERNET_MTU))) for one in plan.switches]
    return [("network", "kind", "MTU"), *rows]


def route_rows(node: PlannedNode) -> list[tuple[str, str, str]]:
    """Return what is to be said of a node's forwarding and routes, as (what, name, details)."""
    rows = [("router", "forwards", "IPv4 and IPv6" if node.has_ipv6 else "IPv4")] if node.router else []
    routes = ((_shown(one.destination), f"via {one.gateway} dev {one.interface}") for one in node.routes)
    return rows + [("route", destination, way) for destination, way in routes]


def _shown(destination: object) -> str:
    text = str(destination)
    return {"0.0.0.0/0": "default", "::/0": "default (IPv6)"}.get(text, text)


def mtu_commands(port: Port, fabric: str) -> Iterator[str]:
    """Yield the commands for an MTU that is not the usual one, at both ends of the cable."""
    if port.mtu is not None:
        yield f"ip -n {fabric} link set dev {port.port} mtu {port.mtu}"
        yield f"ip -n {port.node} link set dev {port.interface} mtu {port.mtu}"


def ipv6_commands(port: Port, sysctls: tuple[tuple[str, str], ...], *, explain: bool) -> Iterator[str]:
    """Yield what an interface must be told of IPv6 before it comes up; mostly, to be silent."""
    if port.address6 is None:
        yield f"ip -n {port.node} link set dev {port.interface} addrgenmode none"
        return
    if explain:
        yield "# IPv6: a link-local address of the MAC; no router is asked for, and no address doubted."
    own = [(key.removeprefix("-"), value) for key, value in sysctls]
    early = [
        f"{key}={value}"
        for key, value in own
        if key.startswith("net.ipv6.") and port.interface in key.split(".")
    ]
    yield f"ip netns exec {port.node} sysctl -e -w {' '.join(early)}"


def address_commands(port: Port) -> Iterator[str]:
    """Yield the commands for an interface's addresses."""
    tail = f"dev {port.interface}" + (" noprefixroute" if port.up else "")
    if port.address:
        yield f"ip -n {port.node} address add {port.address} brd + {tail}"
    if port.address6:
        yield f"ip -n {port.node} address add {port.address6} {tail} nodad"


def connected_commands(port: Port) -> Iterator[str]:
    """Yield the commands for the routes to an interface's own networks."""
    if port.address:
        yield (
            f"ip -n {port.node} route add {port.address.network} dev {port.interface} proto kernel "
            f"scope link src {port.address.ip} rto_min {RTO_MIN_MS}ms"
        )
    if port.address6:
        yield (
            f"ip -n {port.node} -6 route add {port.address6.network} dev {port.interface} proto kernel "
            f"metric 256 rto_min {RTO_MIN_MS}ms"
        )


def route_commands(node: PlannedNode) -> Iterator[str]:
    """Yield the commands for a node's routes by gateways."""
    for route in node.routes:
        family = " -6" if route.destination.version == 6 else ""
        to = "default" if route.destination.prefixlen == 0 else route.destination
        way = f"via {route.gateway} dev {route.interface} proto static rto_min {RTO_MIN_MS}ms"
        yield f"ip -n {node.name}{family} route add {to} {way}"
